//! Runs attempts on worker threads.

mod child;
mod kernel;
mod mapped;
mod not_started;
mod process;
mod scratch;
mod vfork;
mod visible;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use drawloom_executor_core::Cores;
use drawloom_model::{Assignment, AttemptId, Failure, FailureKind, Run, Value};
use tokio::sync::mpsc;

use crate::cancellation::Cancellation;
use crate::driver::News;
use crate::quarters::Quarters;
use crate::store::Store;
pub(crate) use child::confine;
use kernel::Pools;
pub(crate) use not_started::not_started;
pub(crate) use process::{Inherited, Place, Prepared, describe_status, prepare};
pub(crate) use scratch::{Rooms, Scratch};

/// Worker threads at most; further jobs wait. Far above what cores could serve: only attempts
/// that ask for next to nothing get here.
const THREADS_LIMIT: usize = 512;
/// How long a worker waits for its next job before its thread ends.
const IDLE: Duration = Duration::from_secs(10);

/// An attempt that is to run.
pub(crate) struct Job {
    pub assignment: Box<Assignment>,
    pub inputs: Vec<Value>,
    pub cores: Cores,
    pub cancellation: Arc<Cancellation>,
}

/// An attempt that has ended.
#[derive(Debug)]
pub(crate) struct Completion {
    pub attempt: AttemptId,
    pub result: Result<Vec<Value>, Failure>,
    pub run_time: Duration,
}

type Order = (Job, mpsc::UnboundedSender<News>);

/// Threads that run attempts: started when there is work, gone when there is none for long.
pub(crate) struct Workers {
    shared: Arc<Shared>,
    orders: Sender<Order>,
}

struct Shared {
    context: RunContext,
    orders: Receiver<Order>,
    load: Mutex<Load>,
}

#[derive(Default)]
struct Load {
    threads: usize,
    /// Jobs that run or wait.
    jobs: usize,
}

/// What runners work with.
pub(crate) struct RunContext {
    pub store: Arc<Store>,
    pub pools: Pools,
    pub quarters: Arc<Quarters>,
}

impl Workers {
    pub(crate) fn new(store: Arc<Store>, quarters: Arc<Quarters>) -> Self {
        let (orders, receiver) = crossbeam_channel::unbounded();
        let context = RunContext { store, pools: Pools::default(), quarters };
        let shared = Arc::new(Shared { context, orders: receiver, load: Mutex::default() });
        Workers { shared, orders }
    }

    /// Where its processes find room.
    pub(crate) fn quarters(&self) -> &Quarters {
        &self.shared.context.quarters
    }

    /// Runs a job on a thread of its own; its completion goes to `done`.
    pub(crate) fn run(&self, job: Job, done: mpsc::UnboundedSender<News>) {
        let mut load = self.shared.load();
        load.jobs += 1;
        // The receiver lives as long as `self`, so sending succeeds.
        let _ = self.orders.send((job, done));
        if load.jobs > load.threads && load.threads < THREADS_LIMIT {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("drawloom-worker".to_owned());
            match thread.spawn(move || shared.serve()) {
                Ok(_) => load.threads += 1,
                Err(error) => tracing::error!(%error, "no worker thread; the job waits"),
            }
        }
    }
}

impl Shared {
    fn serve(&self) {
        loop {
            match self.orders.recv_timeout(IDLE) {
                Ok((job, done)) => {
                    let completion = self.context.run(job);
                    self.load().jobs -= 1;
                    // Nobody listens when the executor is ending.
                    let _ = done.send(News::Completed(completion));
                }
                Err(error) => {
                    let mut load = self.load();
                    let is_wanted = load.jobs >= load.threads;
                    if error == RecvTimeoutError::Disconnected || !is_wanted {
                        load.threads -= 1;
                        return;
                    }
                }
            }
        }
    }

    fn load(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunContext {
    fn run(&self, job: Job) -> Completion {
        let attempt = job.assignment.attempt;
        let start = Instant::now();
        let (name, result) = self.run_variant(&job);
        let run_time = start.elapsed();
        observe(name, &result, run_time);
        tracing::debug!(?attempt, name, ?run_time, ok = result.is_ok(), "attempt ended");
        Completion { attempt, result, run_time }
    }

    fn run_variant<'j>(&self, job: &'j Job) -> (&'j str, Result<Vec<Value>, Failure>) {
        let template = &job.assignment.template;
        let Some(variant) = template.variants.get(usize::from(job.assignment.variant)) else {
            return ("none", Err(Failure::new(FailureKind::Spawn, "there is no such variant")));
        };
        let span = tracing::debug_span!("attempt", id = ?job.assignment.attempt);
        let _entered = span.enter();
        let result = match &variant.run {
            _ if job.cancellation.is_cancelled() => {
                Err(Failure::new(FailureKind::Application, "cancelled"))
            }
            Run::Kernel(call) => kernel::run(call, job, self),
            Run::Cuda(_) => {
                Err(Failure::new(FailureKind::Spawn, "CUDA code runs on a GPU; none is given"))
            }
            Run::Process(_) if !self.quarters.config.runs_processes => {
                Err(Failure::new(FailureKind::Spawn, "this executor runs no processes"))
            }
            Run::Process(spec) => process::run(spec, &variant.request, job, self),
            Run::Actor(_) | Run::Call(_) => {
                Err(Failure::new(FailureKind::Spawn, "actors and calls do not run on workers"))
            }
        };
        // Executables' names come from users: as a label they would be without number.
        let label =
            if matches!(variant.run, Run::Kernel(_)) { variant.run.name() } else { "process" };
        (label, result.and_then(|outputs| check_count(outputs, template.outputs)))
    }
}

fn check_count(outputs: Vec<Value>, expected: u16) -> Result<Vec<Value>, Failure> {
    if outputs.len() == usize::from(expected) {
        return Ok(outputs);
    }
    let made = outputs.len();
    let message = format!("made {made} output(s) where the task has {expected}");
    Err(Failure::new(FailureKind::Application, message))
}

/// Counts an attempt that has ended.
pub(crate) fn observe<T>(name: &str, result: &Result<T, Failure>, run_time: Duration) {
    let outcome = result.as_ref().map_or_else(|failure| failure.kind.name(), |_| "succeeded");
    let labels = [("kernel", name.to_owned()), ("outcome", outcome.to_owned())];
    metrics::counter!("executor_attempts_total", &labels).increment(1);
    metrics::histogram!("executor_run_seconds", "kernel" => name.to_owned()).record(run_time);
}
