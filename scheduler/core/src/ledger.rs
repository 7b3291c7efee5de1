//! The ledger: the one door through which resources are taken and returned.
//!
//! Every executor's account has a version that rises with each change. A claim names the version
//! it was computed from, so two deciders can share a ledger: the one who looked earlier loses and
//! looks again (optimistic concurrency, as in Omega, Schwarzkopf et al. 2013).

use drawloom_model::{Capacity, DeviceIndex, ResourceRequest};

/// One executor's account.
#[derive(Clone, PartialEq, Debug)]
pub struct Account {
    capacity: Capacity,
    free: Capacity,
    version: u64,
}

/// The claim was not granted; nothing changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Conflict {
    /// The account has changed since it was looked at.
    #[error("the account is at version {version}")]
    Stale {
        /// The account's version now.
        version: u64,
    },
    /// There is too little left.
    #[error("the claim does not fit")]
    DoesNotFit,
}

impl Account {
    /// An account with nothing taken.
    pub fn new(capacity: Capacity) -> Self {
        Account { free: capacity.clone(), capacity, version: 0 }
    }

    /// Everything there is.
    pub fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// What is not taken.
    pub fn free(&self) -> &Capacity {
        &self.free
    }

    /// The number of changes so far.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Takes `request` with these devices, if the account is still at `expected_version`.
    ///
    /// # Errors
    /// [`Conflict`]; nothing is taken then.
    pub fn commit(
        &mut self,
        request: &ResourceRequest,
        devices: &[DeviceIndex],
        expected_version: u64,
    ) -> Result<(), Conflict> {
        if self.version != expected_version {
            return Err(Conflict::Stale { version: self.version });
        }
        if !self.free.fits_on(request, devices) {
            return Err(Conflict::DoesNotFit);
        }
        self.free.take(request, devices);
        self.version += 1;
        Ok(())
    }

    /// Returns what a granted claim took.
    pub fn release(&mut self, request: &ResourceRequest, devices: &[DeviceIndex]) {
        self.free.give_back(request, devices);
        self.version += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_from_an_old_version_is_refused() {
        let capacity = Capacity { cpu_milli: 2000, ..Capacity::default() };
        let mut account = Account::new(capacity);
        let seen = account.version();
        let request = ResourceRequest::cores(1);
        assert_eq!(account.commit(&request, &[], seen), Ok(()));
        assert_eq!(account.commit(&request, &[], seen), Err(Conflict::Stale { version: 1 }));
        assert_eq!(account.commit(&request, &[], 1), Ok(()));
        assert_eq!(account.commit(&request, &[], 2), Err(Conflict::DoesNotFit));
        account.release(&request, &[]);
        assert_eq!(account.free().cpu_milli, 1000);
    }
}
