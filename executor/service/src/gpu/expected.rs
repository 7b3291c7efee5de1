//! Attempts that will come to a device, and what they will want there.

use std::collections::{BTreeSet, HashMap};

use drawloom_executor_core::Turn;
use drawloom_model::{AttemptId, ObjectKey};

/// When an attempt is to run on a device, as far as is known; earlier ones are smaller.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum When {
    /// It is in the device's queue, in this place.
    Next(u64),
    /// It waits for something else.
    Later(Turn),
}

/// The attempts, by what they want.
#[derive(Default)]
pub(super) struct Expected {
    attempts: HashMap<AttemptId, Wish>,
    by_object: HashMap<ObjectKey, BTreeSet<(When, AttemptId)>>,
    queued: u64,
}

struct Wish {
    when: When,
    objects: Box<[ObjectKey]>,
}

impl Expected {
    /// An attempt will come.
    pub(super) fn add(&mut self, attempt: AttemptId, turn: Turn, objects: &[ObjectKey]) {
        self.remove(attempt);
        self.note(attempt, Wish { when: When::Later(turn), objects: objects.into() });
    }

    /// An attempt is in the device's queue: its turn comes after those that are there.
    pub(super) fn queue(&mut self, attempt: AttemptId) {
        let Some(Wish { objects, .. }) = self.take(attempt) else { return };
        self.queued += 1;
        self.note(attempt, Wish { when: When::Next(self.queued), objects });
    }

    fn note(&mut self, attempt: AttemptId, wish: Wish) {
        for object in &wish.objects {
            self.by_object.entry(*object).or_default().insert((wish.when, attempt));
        }
        self.attempts.insert(attempt, wish);
    }

    /// An attempt has been here, or comes no more.
    pub(super) fn remove(&mut self, attempt: AttemptId) {
        drop(self.take(attempt));
    }

    fn take(&mut self, attempt: AttemptId) -> Option<Wish> {
        let wish = self.attempts.remove(&attempt)?;
        for object in &wish.objects {
            if let Some(attempts) = self.by_object.get_mut(object) {
                attempts.remove(&(wish.when, attempt));
                if attempts.is_empty() {
                    self.by_object.remove(object);
                }
            }
        }
        Some(wish)
    }

    /// When the object is wanted next, if that is known of anybody.
    pub(super) fn next_use(&self, object: ObjectKey) -> Option<When> {
        let (when, _) = self.by_object.get(&object)?.first()?;
        Some(*when)
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use drawloom_model::{JobKey, TaskKey};

    use super::*;

    const JOB: JobKey = JobKey { slot: 0, generation: 0 };

    fn attempt(index: u32) -> AttemptId {
        AttemptId { task: TaskKey { job: JOB, index }, number: 1 }
    }

    fn turn(priority: i32, arrival: u64) -> Turn {
        Turn { priority: Reverse(priority), arrival }
    }

    #[test]
    fn an_object_is_wanted_when_the_first_wants_it() {
        let [one, two, none] = [1, 2, 3].map(|index| ObjectKey { job: JOB, index });
        let mut expected = Expected::default();
        expected.add(attempt(0), turn(0, 0), &[one, two, one]);
        expected.add(attempt(1), turn(0, 1), &[one]);
        expected.add(attempt(2), turn(7, 2), &[two]);
        assert_eq!(expected.next_use(one), Some(When::Later(turn(0, 0))));
        assert_eq!(expected.next_use(two), Some(When::Later(turn(7, 2))), "it has priority");
        assert_eq!(expected.next_use(none), None);
        // Whatever is queued comes before what is not, in its order.
        expected.queue(attempt(1));
        expected.queue(attempt(0));
        assert_eq!(expected.next_use(one), Some(When::Next(1)));
        assert_eq!(expected.next_use(two), Some(When::Next(2)));
        for index in 0..3 {
            expected.remove(attempt(index));
        }
        expected.queue(attempt(1));
        assert!(expected.attempts.is_empty() && expected.by_object.is_empty(), "nothing is left");
    }
}
