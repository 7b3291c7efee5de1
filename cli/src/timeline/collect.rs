//! Asking the scheduler what a job did.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use drawloom_client::{Client, ClusterView, JobDetail, JobEvent, TaskState, TaskView};
use drawloom_model::{AttemptSpan, ExecutorId, Failure, JobId, Time};

use super::critical::{Needs, critical_path};
use super::{Attempt, Executor, Outcome, Timeline};
use crate::commands::collect;

/// An attempt that failed and was followed by another.
struct Retried {
    task: u32,
    number: u32,
    span: AttemptSpan,
    failure: Failure,
}

impl Timeline {
    /// Everything that is known of a job's attempts.
    ///
    /// # Errors
    /// There is no such job, or no scheduler.
    pub async fn collect(client: &Client, job: JobId) -> Result<Timeline> {
        let detail = client.describe(job).await?;
        let (tasks, _) = collect(0, |page| client.tasks(job, page, Vec::new())).await?;
        let needs = needs(client, job).await?;
        // Attempts that were given back are counted, too, so this asks too often, if anything.
        let retried = match tasks.iter().any(|task| task.attempt > 1) {
            true => retried(client, &detail).await?,
            false => Vec::new(),
        };
        let cluster = client.cluster().await?;
        Ok(Timeline::assemble(detail, tasks, needs, retried, &cluster, SystemTime::now()))
    }

    fn assemble(
        detail: JobDetail,
        tasks: Vec<TaskView>,
        needs: Needs,
        retried: Vec<Retried>,
        cluster: &ClusterView,
        now: SystemTime,
    ) -> Timeline {
        let job = detail.job;
        let since = |moment: SystemTime| since(job.submitted_at, moment);
        let until = since(job.ended_at.unwrap_or(now));
        let mut runs = Runs::default();
        let run_of: Vec<usize> = tasks.iter().map(|task| runs.index(&task.run)).collect();
        let mut attempts: Vec<Attempt> = Vec::with_capacity(tasks.len() + retried.len());
        let told: BTreeSet<(u32, u32)> =
            retried.iter().map(|attempt| (attempt.task, attempt.number)).collect();
        for retry in retried {
            let Some(task) = tasks.get(retry.task as usize) else { continue };
            attempts.extend(failed_attempt(retry, task, run_of[task.task as usize]));
        }
        for task in tasks {
            if !told.contains(&(task.task, task.attempt)) {
                let run = run_of[task.task as usize];
                attempts.extend(last_attempt(task, run, since, until));
            }
        }
        attempts.sort_by_key(|attempt| (attempt.start, attempt.task, attempt.number));
        let latest = attempts.iter().map(|attempt| attempt.end).max();
        let executors = executors(&attempts, cluster);
        let mut timeline = Timeline {
            job,
            until: until.max(latest.unwrap_or(Time::ZERO)),
            runs: runs.names,
            executors,
            attempts,
            critical: Vec::new(),
        };
        timeline.critical = critical_path(&mut timeline.attempts, &needs);
        timeline
    }
}

/// Names, each kept once.
#[derive(Default)]
struct Runs {
    names: Vec<String>,
    indexes: HashMap<String, usize>,
}

impl Runs {
    fn index(&mut self, name: &str) -> usize {
        if let Some(index) = self.indexes.get(name) {
            return *index;
        }
        self.names.push(name.to_owned());
        self.indexes.insert(name.to_owned(), self.names.len() - 1);
        self.names.len() - 1
    }
}

fn since(start: SystemTime, moment: SystemTime) -> Time {
    Time::ZERO + moment.duration_since(start).unwrap_or_default()
}

/// The attempt that a task's view tells of; nothing where it never started.
fn last_attempt(
    task: TaskView,
    run: usize,
    since: impl Fn(SystemTime) -> Time,
    until: Time,
) -> Option<Attempt> {
    let (placed, started) = (since(task.placed_at?), task.started_at.map(&since));
    let end = task.ended_at.map_or(until, &since);
    // How long it ran is measured; when the news of its start came is not as exact.
    let start = match (task.run_time, task.ended_at) {
        (Some(run_time), Some(_)) => Time::ZERO + (end - Time::ZERO).saturating_sub(run_time),
        _ => started?,
    };
    let never_ran = task.run_time == Some(Duration::ZERO) && started.is_none();
    if never_ran && task.state != TaskState::Succeeded {
        return None;
    }
    Some(Attempt {
        task: task.task,
        number: task.attempt,
        name: task.name,
        run,
        executor: task.executor?,
        variant: task.variant,
        cpu_milli: task.cpu_milli,
        is_actor: task.is_actor,
        placed: placed.min(start),
        runnable: placed.min(start),
        start,
        end,
        outcome: Outcome::of(task.state),
        failure: task.failure.map(|failure| failure.to_string()),
    })
}

fn failed_attempt(retry: Retried, task: &TaskView, run: usize) -> Option<Attempt> {
    let AttemptSpan { executor, placed, started, ended } = retry.span;
    let start = Time::ZERO + started;
    Some(Attempt {
        task: retry.task,
        number: retry.number,
        name: task.name.clone(),
        run,
        executor: executor?,
        variant: None,
        cpu_milli: task.cpu_milli,
        is_actor: task.is_actor,
        placed: (Time::ZERO + placed).min(start),
        runnable: (Time::ZERO + placed).min(start),
        start,
        end: Time::ZERO + ended,
        outcome: Outcome::Failed,
        failure: Some(retry.failure.to_string()),
    })
}

/// Executors in the order of their names; those that have left at the end, by their ids.
fn executors(attempts: &[Attempt], cluster: &ClusterView) -> Vec<Executor> {
    let mut gone: BTreeMap<ExecutorId, ()> =
        attempts.iter().map(|attempt| (attempt.executor, ())).collect();
    let mut found: Vec<Executor> = Vec::new();
    for view in &cluster.executors {
        gone.remove(&view.executor);
        let cores = view.info.capacity.cpu_milli as f64 / 1000.0;
        found.push(Executor { id: view.executor, name: view.info.name.clone(), cores });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
    let gone = gone.into_keys();
    found.extend(gone.map(|id| Executor { id, name: format!("{id} (gone)"), cores: 0.0 }));
    found
}

async fn needs(client: &Client, job: JobId) -> Result<Needs> {
    let mut needs = Needs::default();
    let mut next = Some(0);
    while let Some(first) = next {
        let page = client.needs(job, first).await?;
        needs.extend(page.tasks);
        next = page.next;
    }
    Ok(needs)
}

/// Attempts that were followed by another, from the events so far.
async fn retried(client: &Client, detail: &JobDetail) -> Result<Vec<Retried>> {
    let mut found = Vec::new();
    let mut handle = client.attach(detail.job.job, 0).await?;
    let mut seen = 0;
    while seen < detail.next_seq {
        let Some(batch) = handle.next_batch().await? else { break };
        seen = batch.first_seq + batch.events.len() as u64;
        for event in batch.events {
            if let JobEvent::TaskRetried { task, attempt, failure, span, .. } = event {
                found.push(Retried { task, number: attempt, span: *span, failure });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use drawloom_client::{JobState, JobView, TaskCounts};
    use drawloom_model::FailureKind;

    use super::*;

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    fn at(millis: u64) -> Option<SystemTime> {
        Some(START + Duration::from_millis(millis))
    }

    fn time(millis: u64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    fn task(index: u32, state: TaskState, attempt: u32) -> TaskView {
        TaskView {
            task: index,
            name: None,
            run: "busy".into(),
            state,
            attempt,
            executor: Some(ExecutorId(1)),
            devices: Vec::new(),
            variant: Some(0),
            failure: None,
            placed_at: at(1),
            started_at: None,
            ended_at: at(9),
            run_time: Some(Duration::from_millis(3)),
            cpu_milli: 1000,
            is_actor: false,
        }
    }

    fn assemble(tasks: Vec<TaskView>, retried: Vec<Retried>) -> Timeline {
        let job = JobView {
            job: JobId(1),
            name: "job".into(),
            state: JobState::Running,
            open: false,
            tasks: TaskCounts::default(),
            submitted_at: START,
            ended_at: None,
            priority: 0,
        };
        let detail = JobDetail { job, outputs: Vec::new(), next_seq: 0 };
        let cluster = ClusterView {
            version: String::new(),
            executors: Vec::new(),
            running_jobs: 0,
            tasks: TaskCounts::default(),
        };
        let now = START + Duration::from_millis(20);
        Timeline::assemble(detail, tasks, Needs::default(), retried, &cluster, now)
    }

    #[test]
    fn starts_follow_from_ends_and_run_times() {
        let timeline = assemble(vec![task(0, TaskState::Succeeded, 1)], Vec::new());
        let attempt = &timeline.attempts[0];
        assert_eq!((attempt.start, attempt.end), (time(6), time(9)));
        assert_eq!(attempt.queue_delay(), Duration::from_millis(5));
        assert_eq!(timeline.executors[0].name, "e1 (gone)");
        assert_eq!(timeline.until, time(20));
    }

    #[test]
    fn what_runs_is_drawn_until_now_and_what_never_ran_is_not() {
        let mut running = task(0, TaskState::Running, 1);
        (running.started_at, running.ended_at, running.run_time) = (at(2), None, None);
        let mut queued = task(1, TaskState::Queued, 1);
        (queued.ended_at, queued.run_time) = (None, None);
        let mut cancelled = task(2, TaskState::Cancelled, 1);
        cancelled.run_time = Some(Duration::ZERO);
        let timeline = assemble(vec![running, queued, cancelled], Vec::new());
        let shown: Vec<_> =
            timeline.attempts.iter().map(|a| (a.task, a.start, a.end, a.outcome)).collect();
        assert_eq!(shown, [(0, time(2), time(20), Outcome::Running)]);
    }

    #[test]
    fn earlier_attempts_come_from_events_and_are_not_told_twice() {
        let failed = |number, millis| Retried {
            task: 0,
            number,
            span: AttemptSpan {
                executor: Some(ExecutorId(2)),
                placed: Duration::from_millis(millis),
                started: Duration::from_millis(millis),
                ended: Duration::from_millis(millis + 1),
            },
            failure: Failure::new(FailureKind::Application, "no"),
        };
        let waiting =
            assemble(vec![task(0, TaskState::Waiting, 2)], vec![failed(1, 2), failed(2, 4)]);
        let numbers: Vec<_> = waiting.attempts.iter().map(|a| (a.number, a.outcome)).collect();
        assert_eq!(numbers, [(1, Outcome::Failed), (2, Outcome::Failed)]);
        let ended = assemble(vec![task(0, TaskState::Succeeded, 2)], vec![failed(1, 2)]);
        let outcomes: Vec<_> = ended.attempts.iter().map(|a| a.outcome).collect();
        assert_eq!(outcomes, [Outcome::Failed, Outcome::Succeeded]);
        assert_eq!(ended.attempts[0].executor, ExecutorId(2));
        assert_eq!(ended.attempts[0].failure.as_deref(), Some("application: no"));
    }
}
