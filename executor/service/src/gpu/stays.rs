//! Attempts on a device, and which of them go on although they are to end.
//!
//! Kernels cannot be ended one by one: to end one, its device's context is reset, and all that is on
//! the device ends with it. So an attempt gets some time to end by itself, and one that was cancelled
//! answers only for its own kernel, not for one that it waits for.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use drawloom_model::AttemptId;

/// How long kernels may go on that are to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grace {
    /// After its attempt's timeout.
    pub timed_out: Duration,
    /// After its attempt was cancelled, or ended for another reason.
    pub cancelled: Duration,
}

/// The attempts that are on a device or in its queue.
#[derive(Default)]
pub(super) struct Stays {
    attempts: BTreeMap<AttemptId, Stay>,
    launches: u64,
}

#[derive(Default)]
struct Stay {
    /// Its lane, and the number of its launch.
    launched: Option<(usize, u64)>,
    late: Option<Late>,
}

/// An attempt that is to end, and since when.
#[derive(Clone, Copy)]
enum Late {
    TimedOut(Instant),
    Cancelled(Instant),
}

/// Why a kernel that goes on has to be ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Overdue {
    TimedOut,
    Cancelled,
}

impl Stays {
    /// An attempt comes into the device's queue.
    pub(super) fn enter(&mut self, attempt: AttemptId) {
        self.attempts.insert(attempt, Stay::default());
    }

    /// An attempt's kernel was launched; in its lane it runs after those that were launched there.
    pub(super) fn launched(&mut self, attempt: AttemptId, lane: usize, now: Instant) {
        self.launches += 1;
        if let Some(stay) = self.attempts.get_mut(&attempt) {
            stay.launched = Some((lane, self.launches));
            stay.begins(now);
        }
    }

    /// An attempt has ended. The next of its lane begins, and has all its time.
    pub(super) fn leave(&mut self, attempt: AttemptId, now: Instant) {
        let Some(Stay { launched: Some((lane, _)), .. }) = self.attempts.remove(&attempt) else {
            return;
        };
        let in_lane = |stay: &&mut Stay| stay.launched.is_some_and(|(its, _)| its == lane);
        let next = self.attempts.values_mut().filter(in_lane).min_by_key(|stay| stay.launched);
        next.into_iter().for_each(|stay| stay.begins(now));
    }

    /// Forgets all; which there were.
    pub(super) fn take_all(&mut self) -> Vec<AttemptId> {
        std::mem::take(&mut self.attempts).into_keys().collect()
    }

    /// The attempt's time is up, if it is here.
    pub(super) fn time_is_up(&mut self, attempt: AttemptId, now: Instant) {
        if let Some(stay) = self.attempts.get_mut(&attempt) {
            stay.late.get_or_insert(Late::TimedOut(now));
        }
    }

    /// The attempt is cancelled, if it is here.
    pub(super) fn cancelled(&mut self, attempt: AttemptId, now: Instant) {
        if let Some(stay) = self.attempts.get_mut(&attempt) {
            stay.late.get_or_insert(Late::Cancelled(now));
        }
    }

    /// Whether a kernel goes on for too long, and why it is to end.
    pub(super) fn overdue(&self, now: Instant, grace: Grace) -> Option<Overdue> {
        let passed = |since: Instant| now.saturating_duration_since(since);
        self.attempts.values().find_map(|stay| match stay.late? {
            Late::TimedOut(since) => {
                (passed(since) >= grace.timed_out).then_some(Overdue::TimedOut)
            }
            Late::Cancelled(since) => {
                let is_over = passed(since) >= grace.cancelled && self.runs(stay);
                is_over.then_some(Overdue::Cancelled)
            }
        })
    }

    /// Whether it is the first of its lane, so that it waits for no other kernel.
    fn runs(&self, stay: &Stay) -> bool {
        let Some((lane, number)) = stay.launched else { return false };
        let launches = self.attempts.values().filter_map(|stay| stay.launched);
        !launches.into_iter().any(|(its, before)| its == lane && before < number)
    }
}

impl Stay {
    fn begins(&mut self, now: Instant) {
        if let Some(Late::Cancelled(since)) = &mut self.late {
            *since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use drawloom_model::{JobKey, TaskKey};

    use super::*;

    const GRACE: Grace =
        Grace { timed_out: Duration::from_secs(2), cancelled: Duration::from_secs(10) };

    fn attempt(index: u32) -> AttemptId {
        AttemptId { task: TaskKey { job: JobKey::default(), index }, number: 1 }
    }

    /// Attempts that were launched in these lanes, and the moments so many seconds later.
    fn launched(lanes: &[usize]) -> (Stays, impl Fn(u64) -> Instant + use<>) {
        let start = Instant::now();
        let mut stays = Stays::default();
        for (index, lane) in (0..).zip(lanes) {
            stays.enter(attempt(index));
            stays.launched(attempt(index), *lane, start);
        }
        (stays, move |seconds| start + Duration::from_secs(seconds))
    }

    #[test]
    fn what_is_to_end_has_some_time_for_it() {
        let (mut stays, at) = launched(&[0, 1]);
        stays.cancelled(attempt(0), at(100));
        stays.time_is_up(attempt(0), at(101));
        assert_eq!(stays.overdue(at(109), GRACE), None);
        assert_eq!(stays.overdue(at(110), GRACE), Some(Overdue::Cancelled));
        stays.leave(attempt(0), at(110));
        assert_eq!(stays.overdue(at(1000), GRACE), None, "the other may go on");
        stays.time_is_up(attempt(1), at(1000));
        assert_eq!(stays.overdue(at(1002), GRACE), Some(Overdue::TimedOut));
    }

    #[test]
    fn who_is_cancelled_answers_for_its_own_kernel_alone() {
        let (mut stays, at) = launched(&[0, 0, 1]);
        stays.enter(attempt(3));
        stays.cancelled(attempt(1), at(0));
        stays.cancelled(attempt(3), at(0));
        assert_eq!(
            stays.overdue(at(100), GRACE),
            None,
            "one waits for the first, one in the queue"
        );
        stays.leave(attempt(0), at(100));
        assert_eq!(stays.overdue(at(109), GRACE), None, "it has only begun");
        assert_eq!(stays.overdue(at(110), GRACE), Some(Overdue::Cancelled));
        stays.leave(attempt(1), at(110));
        stays.launched(attempt(3), 0, at(120));
        assert_eq!(stays.overdue(at(129), GRACE), None);
        assert_eq!(stays.overdue(at(130), GRACE), Some(Overdue::Cancelled));
    }

    #[test]
    fn whose_time_is_up_answers_wherever_it_is() {
        let (mut stays, at) = launched(&[0, 0]);
        stays.time_is_up(attempt(1), at(0));
        assert_eq!(stays.overdue(at(2), GRACE), Some(Overdue::TimedOut));
    }
}
