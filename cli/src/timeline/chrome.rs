//! The trace event format, which Perfetto and Chrome read.
//!
//! An executor is a process of the trace and a lane a thread of it; moments are in microseconds
//! after the job's submission. Arrows follow the critical path.

use std::io::{self, Write};
use std::time::Duration;

use drawloom_model::Time;
use serde_json::{Value, json};

use super::lanes::Plan;
use super::{Attempt, Outcome, Timeline};

/// The most moments at which an executor's queue is shown.
const SAMPLES: usize = 2000;

pub(super) fn write(timeline: &Timeline, plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    let job = &timeline.job;
    let about = json!({
        "job": job.job.to_string(), "name": job.name, "state": job.state.name(),
        "makespan_s": timeline.until.as_secs_f64(),
    });
    write!(out, "{{\"displayTimeUnit\":\"ms\",\"otherData\":{about},\"traceEvents\":[")?;
    let mut events = Events { out, first: true };
    let mut places = vec![(0, 0); timeline.attempts.len()];
    for (executor, row) in timeline.executors.iter().zip(&plan.rows) {
        let pid = executor.id.0;
        let busy = timeline.busy(executor).map_or(0.0, |busy| busy * 100.0);
        let name = format!("{} ({} cores, busy {busy:.1} %)", executor.name, executor.cores);
        events.push(
            &json!({"ph": "M", "name": "process_name", "pid": pid, "args": {"name": name}}),
        )?;
        for (lane, indexes) in row.lanes.iter().enumerate() {
            events.push(&json!({
                "ph": "M", "name": "thread_name", "pid": pid, "tid": lane,
                "args": {"name": format!("slot {lane}")},
            }))?;
            for index in indexes {
                places[*index] = (pid, lane);
                let span = plan.spans[*index];
                events.push(&slice(timeline, &timeline.attempts[*index], span, (pid, lane)))?;
            }
        }
        let on_it = timeline.attempts.iter().filter(|attempt| attempt.executor == executor.id);
        for (moment, queued) in thin(queue(on_it)) {
            events.push(&json!({
                "ph": "C", "name": "runnable, not started", "pid": pid, "ts": micros(moment),
                "args": {"attempts": queued},
            }))?;
        }
    }
    arrows(timeline, plan, &places, &mut events)?;
    events.out.write_all(b"]}\n")
}

struct Events<'a, W> {
    out: &'a mut W,
    first: bool,
}

impl<W: Write> Events<'_, W> {
    fn push(&mut self, event: &Value) -> io::Result<()> {
        self.out.write_all(if self.first { b"\n" } else { b",\n" })?;
        self.first = false;
        serde_json::to_writer(&mut *self.out, event)?;
        Ok(())
    }
}

fn slice(
    timeline: &Timeline,
    attempt: &Attempt,
    (start, end): (Time, Time),
    (pid, lane): (u32, usize),
) -> Value {
    let mut event = json!({
        "ph": "X", "name": attempt.title(&timeline.runs), "cat": timeline.runs[attempt.run],
        "pid": pid, "tid": lane, "ts": micros(start), "dur": micros_of(end - start),
        "args": {
            "task": attempt.task, "attempt": attempt.number, "variant": attempt.variant,
            "state": attempt.outcome.name(), "queue_delay_us": micros_of(attempt.queue_delay()),
        },
    });
    if let Some(failure) = &attempt.failure {
        event["args"]["failure"] = json!(failure);
    }
    // Names of colours that the viewers know.
    match attempt.outcome {
        Outcome::Failed => event["cname"] = json!("terrible"),
        Outcome::Cancelled => event["cname"] = json!("grey"),
        Outcome::Succeeded | Outcome::Running => {}
    }
    event
}

/// Arrows from each attempt of the critical path to the next.
fn arrows<W: Write>(
    timeline: &Timeline,
    plan: &Plan,
    places: &[(u32, usize)],
    events: &mut Events<'_, W>,
) -> io::Result<()> {
    for (id, pair) in timeline.critical.windows(2).enumerate() {
        let ends = [("s", pair[0], plan.spans[pair[0]].1), ("f", pair[1], plan.spans[pair[1]].0)];
        for (phase, index, moment) in ends {
            let (pid, lane) = places[index];
            // An arrow belongs to the slice in which it begins and to that in which it ends.
            let inside = if phase == "s" { plan.spans[index].0 } else { moment };
            events.push(&json!({
                "ph": phase, "bp": "e", "name": "critical path", "cat": "critical path", "id": id,
                "pid": pid, "tid": lane, "ts": micros(inside),
            }))?;
        }
    }
    Ok(())
}

/// How many attempts could have run and had not started, whenever that changed.
pub(super) fn queue<'a>(attempts: impl Iterator<Item = &'a Attempt>) -> Vec<(Time, u32)> {
    let mut changes: Vec<(Time, i64)> = attempts
        .filter(|attempt| attempt.runnable < attempt.start)
        .flat_map(|attempt| [(attempt.runnable, 1), (attempt.start, -1)])
        .collect();
    changes.sort_unstable();
    let mut queued: i64 = 0;
    let mut steps: Vec<(Time, u32)> = Vec::new();
    for (moment, change) in changes {
        queued += change;
        let now = u32::try_from(queued).unwrap_or(0);
        match steps.last_mut() {
            Some((last, count)) if *last == moment => *count = now,
            _ => steps.push((moment, now)),
        }
    }
    steps
}

/// Few enough steps to look at: of neighbours the largest.
fn thin(steps: Vec<(Time, u32)>) -> Vec<(Time, u32)> {
    let size = steps.len().div_ceil(SAMPLES).max(1);
    let largest = |steps: &[(Time, u32)]| {
        let most = steps.iter().map(|(_, count)| *count).max();
        steps.first().map(|(moment, _)| *moment).zip(most)
    };
    let last = steps.last().copied();
    let mut thinned: Vec<_> = steps.chunks(size).filter_map(largest).collect();
    if size > 1 {
        thinned.extend(last);
    }
    thinned
}

fn micros(moment: Time) -> f64 {
    micros_of(moment - Time::ZERO)
}

fn micros_of(span: Duration) -> f64 {
    span.as_nanos() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::super::critical::tests::attempt;
    use super::*;

    #[test]
    fn queues_rise_when_attempts_could_run_and_fall_when_they_do() {
        let at = |runnable, start| {
            let mut attempt = attempt(0, start, 100);
            attempt.runnable = Time::from_nanos(runnable);
            attempt
        };
        let attempts = [at(0, 4), at(2, 4), at(4, 6), at(7, 7)];
        let steps: Vec<(u64, u32)> =
            queue(attempts.iter()).into_iter().map(|(moment, n)| (moment.as_nanos(), n)).collect();
        assert_eq!(steps, [(0, 1), (2, 2), (4, 1), (6, 0)]);
    }

    #[test]
    fn long_queues_are_thinned_and_end_as_they_did() {
        let steps: Vec<(Time, u32)> =
            (0..10_001).map(|i| (Time::from_nanos(i.into()), 10_000 - i)).collect();
        let thinned = thin(steps);
        assert!(thinned.len() <= SAMPLES + 1);
        assert_eq!(thinned.first().map(|step| step.1), Some(10_000));
        assert_eq!(thinned.last().map(|step| step.1), Some(0));
    }
}
