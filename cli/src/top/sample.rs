//! How a cluster stands at one moment.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use drawloom_client::{Client, ClusterView, ExecutorView, JobState, JobView, PageRequest};
use drawloom_model::{ExecutorId, JobId};
use serde_json::{Value, json};

/// The most jobs asked for.
const JOBS: u32 = 200;
/// How many jobs that have ended are shown.
const ENDED: usize = 8;

/// How a cluster stands, and since when that was so.
pub struct Sample {
    pub at: Instant,
    pub cluster: ClusterView,
    /// Those that run, the earliest first, then the last that ended.
    pub jobs: Vec<JobView>,
}

impl Sample {
    /// Asks the scheduler.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn take(client: &Client) -> Result<Sample> {
        let cluster = client.cluster().await?;
        let page = |size| PageRequest { size, token: None };
        let mut jobs = client.jobs(page(JOBS), vec![JobState::Running]).await?.items;
        jobs.reverse();
        let ended = JobState::ALL.into_iter().filter(|state| *state != JobState::Running);
        jobs.extend(client.jobs(page(ENDED as u32), ended.collect()).await?.items);
        Ok(Sample { at: Instant::now(), cluster, jobs })
    }

    /// As programs read it.
    pub fn to_json(&self, earlier: Option<&Sample>) -> Value {
        let rates = Rates::between(earlier, self);
        let executors = self.cluster.executors.iter().map(|view| {
            let capacity = &view.info.capacity;
            json!({
                "executor": view.executor.0, "name": view.info.name, "draining": view.draining,
                "cores": capacity.cpu_milli as f64 / 1000.0,
                "cores_free": view.free.cpu_milli as f64 / 1000.0,
                "memory_bytes": capacity.memory_bytes, "memory_free_bytes": view.free.memory_bytes,
                "running": view.running, "queued": view.queued,
                "objects": view.objects, "object_bytes": view.object_bytes,
                "tasks_ended": view.tasks_ended,
                "tasks_per_second": rates.of_executor(view.executor),
            })
        });
        let jobs = self.jobs.iter().map(|job| {
            let tasks: serde_json::Map<String, Value> = job
                .tasks
                .iter()
                .map(|(state, count)| (state.name().to_owned(), json!(count)))
                .collect();
            json!({
                "job": job.job.to_string(), "name": job.name, "state": job.state.name(),
                "tasks": tasks, "tasks_per_second": rates.of_job(job.job),
            })
        });
        json!({
            "executors": executors.collect::<Vec<_>>(), "jobs": jobs.collect::<Vec<_>>(),
            "running_jobs": self.cluster.running_jobs, "tasks_per_second": rates.total(),
        })
    }
}

/// Tasks that ended a second, between two samples.
#[derive(Default)]
pub struct Rates {
    executors: BTreeMap<ExecutorId, f64>,
    jobs: BTreeMap<JobId, f64>,
}

impl Rates {
    pub fn between(earlier: Option<&Sample>, later: &Sample) -> Rates {
        let Some(earlier) = earlier else { return Rates::default() };
        let span = later.at.duration_since(earlier.at).max(Duration::from_millis(1));
        let rate = |before: u64, now: u64| now.saturating_sub(before) as f64 / span.as_secs_f64();
        let before: BTreeMap<ExecutorId, &ExecutorView> =
            earlier.cluster.executors.iter().map(|view| (view.executor, view)).collect();
        let executors = later.cluster.executors.iter().map(|view| {
            // One that has joined since ended everything since.
            let ended = before.get(&view.executor).map_or(0, |before| before.tasks_ended);
            (view.executor, rate(ended, view.tasks_ended))
        });
        let ended: BTreeMap<JobId, u32> =
            earlier.jobs.iter().map(|job| (job.job, job.tasks.ended())).collect();
        let jobs = later.jobs.iter().filter_map(|job| {
            let before = *ended.get(&job.job)?;
            Some((job.job, rate(before.into(), job.tasks.ended().into())))
        });
        Rates { executors: executors.collect(), jobs: jobs.collect() }
    }

    pub fn of_executor(&self, executor: ExecutorId) -> Option<f64> {
        self.executors.get(&executor).copied()
    }

    pub fn of_job(&self, job: JobId) -> Option<f64> {
        self.jobs.get(&job).copied()
    }

    /// Of all executors together; `None` where there is nothing to compare with.
    pub fn total(&self) -> Option<f64> {
        (!self.executors.is_empty()).then(|| self.executors.values().sum())
    }
}
