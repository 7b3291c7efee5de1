//! How many calls are in flight on a device, for whoever waits for room there.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use drawloom_model::ObjectKey;

use super::unit::Unit;

/// Calls in flight, and those that have landed.
#[derive(Default)]
pub(super) struct Air {
    counts: Mutex<Counts>,
    settled: Condvar,
}

#[derive(Default)]
struct Counts {
    flights: usize,
    /// They have ended, and the executor does not know yet.
    untold: usize,
    /// How many have ended in all, and what they made can be moved.
    settled: u64,
}

impl Air {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take_off(&self) {
        self.counts().flights += 1;
    }

    /// A call has ended; its [`Ticket`] tells when that is known.
    pub(super) fn touch_down(&self) {
        self.counts().flights -= 1;
    }

    /// Whether there is one alone.
    pub(super) fn has_one(&self) -> bool {
        self.counts().flights == 1
    }

    /// How many have ended in all.
    pub(super) fn settled(&self) -> u64 {
        self.counts().settled
    }

    /// Waits until more have ended than were seen, and sees them; whether there were any. One that
    /// ends while nobody waits is not missed.
    pub(super) fn wait(&self, seen: &Cell<u64>) -> bool {
        let mut counts = self.counts();
        while counts.settled == seen.get() {
            if counts.flights + counts.untold == 0 {
                return false;
            }
            counts = self.settled.wait(counts).unwrap_or_else(PoisonError::into_inner);
        }
        seen.set(counts.settled);
        true
    }
}

/// Held from a call's end on until the executor has taken it in. Until then what the call made stays
/// where it is: the store does not know of it, and could not say where it went.
pub(crate) struct Ticket {
    air: Arc<Air>,
    /// A device that fails is not kept by it.
    unit: Weak<Unit>,
    first_output: ObjectKey,
    outputs: usize,
}

impl Ticket {
    /// For a call that is still in flight.
    pub(super) fn new(
        air: &Arc<Air>,
        unit: &Arc<Unit>,
        first_output: ObjectKey,
        outputs: usize,
    ) -> Self {
        air.counts().untold += 1;
        Ticket { air: Arc::clone(air), unit: Arc::downgrade(unit), first_output, outputs }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(unit) = self.unit.upgrade() {
            let ObjectKey { job, index } = self.first_output;
            let outputs = (index..).take(self.outputs).map(|index| ObjectKey { job, index });
            outputs.for_each(|object| unit.settle(object));
        }
        let mut counts = self.air.counts();
        counts.untold -= 1;
        counts.settled += 1;
        drop(counts);
        self.air.settled.notify_all();
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} outputs from {:?} on", self.outputs, self.first_output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(air: &Arc<Air>) -> Ticket {
        let first_output = ObjectKey { job: Default::default(), index: 0 };
        air.counts().untold += 1;
        Ticket { air: Arc::clone(air), unit: Weak::new(), first_output, outputs: 0 }
    }

    #[test]
    fn what_ends_before_somebody_waits_is_not_missed() {
        let air = Arc::new(Air::default());
        let seen = Cell::new(air.settled());
        assert!(!air.wait(&seen), "nothing flies");
        air.take_off();
        let ticket = ticket(&air);
        air.touch_down();
        assert!(!air.has_one());
        drop(ticket);
        assert!(air.wait(&seen), "one has ended since");
        assert!(!air.wait(&seen), "and no other");
    }

    #[test]
    fn who_waits_goes_on_when_an_end_is_known() {
        let air = Arc::new(Air::default());
        let seen = Cell::new(air.settled());
        air.take_off();
        let ticket = ticket(&air);
        air.touch_down();
        let teller = std::thread::spawn(move || drop(ticket));
        assert!(air.wait(&seen));
        teller.join().expect("it ends");
    }
}
