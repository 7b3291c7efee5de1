//! The ledger: the one door through which resources are taken and returned.
//!
//! Every executor's account has a version that rises with each change. A claim names the version
//! it was computed from, so two deciders can share a ledger: the one who looked earlier loses and
//! looks again (optimistic concurrency, as in Omega, Schwarzkopf et al. 2013). Claims that are of
//! use only together are taken together or not at all.

use drawloom_model::{Balance, Capacity, DeviceCapacity, DeviceIndex, ExecutorId, ResourceRequest};

/// One executor's account.
#[derive(Clone, PartialEq, Debug)]
pub struct Account {
    balance: Balance,
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
    /// There is no such account.
    #[error("the executor is gone")]
    Gone,
}

/// What is wanted of one account.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Whose account.
    pub executor: ExecutorId,
    /// How much.
    pub request: &'a ResourceRequest,
    /// Which devices.
    pub devices: &'a [DeviceIndex],
    /// The account's version when it was looked at. Claims of the same set do not count.
    pub expected_version: u64,
}

/// Takes all of `claims` or none: the first phase of placing tasks that start together.
/// `account` finds an executor's account among `accounts`.
///
/// # Errors
/// The place of the first claim that was not granted, and why; whatever was taken for those
/// before it is back then.
pub fn commit_all<A: ?Sized>(
    accounts: &mut A,
    account: for<'a> fn(&'a mut A, ExecutorId) -> Option<&'a mut Account>,
    claims: &[Claim<'_>],
) -> Result<(), (usize, Conflict)> {
    for (place, claim) in claims.iter().enumerate() {
        let same = claims[..place].iter().filter(|other| other.executor == claim.executor);
        let expected_version = claim.expected_version + same.count() as u64;
        let granted = match account(accounts, claim.executor) {
            Some(account) => account.commit(claim.request, claim.devices, expected_version),
            None => Err(Conflict::Gone),
        };
        if let Err(conflict) = granted {
            for taken in &claims[..place] {
                if let Some(account) = account(accounts, taken.executor) {
                    account.release(taken.request, taken.devices);
                }
            }
            return Err((place, conflict));
        }
    }
    Ok(())
}

impl Account {
    /// An account with nothing taken.
    pub fn new(capacity: Capacity) -> Self {
        Account { balance: Balance::new(capacity), version: 0 }
    }

    /// Everything there is.
    pub fn capacity(&self) -> &Capacity {
        self.balance.capacity()
    }

    /// What is not taken.
    pub fn free(&self) -> &Capacity {
        self.balance.free()
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
        if !self.free().fits_on(request, devices) {
            return Err(Conflict::DoesNotFit);
        }
        self.balance.take(request, devices);
        self.version += 1;
        Ok(())
    }

    /// Returns what a granted claim took.
    pub fn release(&mut self, request: &ResourceRequest, devices: &[DeviceIndex]) {
        self.balance.give_back(request, devices);
        self.version += 1;
    }

    /// A device offers this from now on, whatever is claimed of it.
    pub fn set_device(&mut self, device: DeviceIndex, offered: DeviceCapacity) {
        self.balance.set_device(device, offered);
        self.version += 1;
    }

    /// What claims have taken: a check for tests.
    #[cfg(test)]
    pub fn taken(&self) -> Capacity {
        self.balance.taken()
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

    #[test]
    fn claims_are_granted_together_or_not_at_all() {
        let capacity = Capacity { cpu_milli: 2000, ..Capacity::default() };
        let mut accounts = vec![Account::new(capacity.clone()), Account::new(capacity)];
        let find: for<'a> fn(&'a mut Vec<Account>, ExecutorId) -> Option<&'a mut Account> =
            |accounts, executor| accounts.get_mut(executor.0 as usize);
        let request = ResourceRequest::cores(1);
        let on = |executor, expected_version| Claim {
            executor: ExecutorId(executor),
            request: &request,
            devices: &[],
            expected_version,
        };
        let mut check = |claims: &[Claim<'_>], expected, free: [u64; 2]| {
            assert_eq!(commit_all(&mut accounts, find, claims), expected);
            let left = [accounts[0].free().cpu_milli, accounts[1].free().cpu_milli];
            assert_eq!(left, free);
        };
        check(&[on(0, 0), on(2, 0)], Err((1, Conflict::Gone)), [2000, 2000]);
        // Giving back is a change, too: whoever looked before must look again.
        let stale = Err((1, Conflict::Stale { version: 2 }));
        check(&[on(1, 0), on(0, 0)], stale, [2000, 2000]);
        check(&[on(0, 2), on(1, 2), on(0, 2)], Ok(()), [0, 1000]);
        check(&[on(1, 3), on(1, 3)], Err((1, Conflict::DoesNotFit)), [0, 1000]);
    }
}
