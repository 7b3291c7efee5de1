//! Which attempts share a line: one lane for each that runs at the same time on an executor.

use std::time::Duration;

use drawloom_model::Time;

use super::{Attempt, Timeline};

/// By how much an attempt may have ended before the scheduler heard of it: news comes in batches,
/// so that short attempts seem to run at the same time when they ran one after another.
const LATEST_NEWS: Duration = Duration::from_millis(20);

/// The attempts of each executor, in lanes, with the moments at which they are drawn.
pub(super) struct Plan {
    /// One for each of [`Timeline::executors`].
    pub rows: Vec<Row>,
    /// When each attempt is drawn, in the order of [`Timeline::attempts`].
    pub spans: Vec<(Time, Time)>,
}

/// An executor's lanes.
#[derive(Default)]
pub(super) struct Row {
    /// Indexes of attempts, in the order of their starts.
    pub lanes: Vec<Vec<usize>>,
}

impl Plan {
    pub fn new(timeline: &Timeline) -> Plan {
        let mut spans: Vec<(Time, Time)> =
            timeline.attempts.iter().map(|attempt| (attempt.start, attempt.end)).collect();
        let row = |executor: &super::Executor| {
            let attempts = timeline.attempts.iter().enumerate();
            let on_it = attempts.filter(|(_, attempt)| attempt.executor == executor.id);
            let indexes: Vec<usize> = on_it.map(|(index, _)| index).collect();
            settle(&timeline.attempts, &indexes, executor.cores, &mut spans);
            Row { lanes: lanes(indexes, &spans) }
        };
        let rows = timeline.executors.iter().map(row).collect();
        Plan { rows, spans }
    }

    pub fn lane_count(&self) -> usize {
        self.rows.iter().map(|row| row.lanes.len()).sum()
    }
}

/// Lets attempts end a little earlier where as many as the executor has cores can then have run
/// one after another. Goes from the last end to the first, filling each lane from behind.
fn settle(attempts: &[Attempt], indexes: &[usize], cores: f64, spans: &mut [(Time, Time)]) {
    let slots = (cores.ceil() as usize).clamp(1, 1024);
    // For each lane, the start of what follows.
    let mut followers: Vec<Time> = vec![Time::MAX; slots];
    let mut order = indexes.to_vec();
    order.sort_by_key(|index| std::cmp::Reverse((spans[*index].1, spans[*index].0, *index)));
    for index in order {
        let (start, end) = spans[index];
        let follower = match place(&followers, end) {
            Some(lane) => &mut followers[lane],
            None => {
                followers.push(Time::MAX);
                let last = followers.len() - 1;
                &mut followers[last]
            }
        };
        let late = end - *follower;
        let earliest = attempts[index].placed;
        // Both moments move by the same: how long it ran is known.
        if late > Duration::ZERO && start - earliest >= late {
            spans[index] = (back(start, late), back(end, late));
        }
        *follower = spans[index].0;
    }
}

/// The lane whose next attempt begins the soonest after `end`, or else the latest before it,
/// within what news may be late.
fn place(followers: &[Time], end: Time) -> Option<usize> {
    let lanes = followers.iter().copied().enumerate();
    let after = lanes.clone().filter(|(_, start)| *start >= end).min_by_key(|(_, start)| *start);
    let before = || lanes.filter(|(_, start)| end - *start <= LATEST_NEWS).max_by_key(|(_, s)| *s);
    after.or_else(before).map(|(lane, _)| lane)
}

fn back(moment: Time, by: Duration) -> Time {
    Time::ZERO + (moment - Time::ZERO).saturating_sub(by)
}

/// Each attempt in the first lane that is free when it starts.
fn lanes(mut indexes: Vec<usize>, spans: &[(Time, Time)]) -> Vec<Vec<usize>> {
    indexes.sort_by_key(|index| (spans[*index], *index));
    let mut lanes: Vec<Vec<usize>> = Vec::new();
    let mut ends: Vec<Time> = Vec::new();
    for index in indexes {
        let (start, end) = spans[index];
        let lane = ends.iter().position(|free| *free <= start).unwrap_or(ends.len());
        if lane == ends.len() {
            ends.push(end);
            lanes.push(Vec::new());
        }
        ends[lane] = end;
        lanes[lane].push(index);
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::super::critical::tests::attempt;
    use super::*;

    fn spans(attempts: &[Attempt]) -> Vec<(Time, Time)> {
        attempts.iter().map(|attempt| (attempt.start, attempt.end)).collect()
    }

    fn nanos(spans: &[(Time, Time)]) -> Vec<(u64, u64)> {
        spans.iter().map(|(start, end)| (start.as_nanos(), end.as_nanos())).collect()
    }

    #[test]
    fn there_are_as_many_lanes_as_run_at_once() {
        let attempts = [attempt(0, 0, 10), attempt(1, 2, 4), attempt(2, 4, 6), attempt(3, 10, 12)];
        let lanes = lanes((0..4).collect(), &spans(&attempts));
        assert_eq!(lanes, [vec![0, 3], vec![1, 2]]);
    }

    #[test]
    fn attempts_told_of_in_one_batch_ran_one_after_another() {
        let attempts = [attempt(0, 60, 100), attempt(1, 70, 100), attempt(2, 80, 100)];
        let mut settled = spans(&attempts);
        settle(&attempts, &[0, 1, 2], 1.0, &mut settled);
        assert_eq!(nanos(&settled), [(10, 50), (50, 80), (80, 100)]);
        assert_eq!(lanes(vec![0, 1, 2], &settled).len(), 1);
    }

    #[test]
    fn nothing_is_moved_before_its_placement_or_by_much() {
        let mut early = attempt(0, 60, 100);
        early.placed = Time::from_nanos(50);
        let attempts = [early, attempt(1, 70, 100)];
        let mut settled = spans(&attempts);
        settle(&attempts, &[0, 1], 1.0, &mut settled);
        assert_eq!(nanos(&settled), [(60, 100), (70, 100)]);
        let second = 1_000_000_000;
        let attempts = [attempt(0, second, 2 * second), attempt(1, second, 2 * second)];
        let mut settled = spans(&attempts);
        settle(&attempts, &[0, 1], 1.0, &mut settled);
        assert_eq!(settled, spans(&attempts));
    }
}
