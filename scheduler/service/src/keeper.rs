//! Keeps what was measured: now and then while the scheduler runs, and when it ends.

use std::sync::Arc;
use std::time::Duration;

use drawloom_model::{MeasuredCost, Time};
use drawloom_scheduler_core::{Commands, Event, Scheduler};
use tokio::task::JoinHandle;

use crate::state_dir::StateDir;

/// How old a measurement may be that is lost with the process. The driver looks after its rounds,
/// which heartbeats bring where nothing else does.
const INTERVAL: Duration = Duration::from_secs(30);

/// See the module's documentation.
pub(crate) struct Keeper {
    state: Arc<StateDir>,
    saved_version: u64,
    due: Time,
    writing: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Tells the scheduler, which must not have heard anything yet, what was kept.
    pub fn start(state: Arc<StateDir>, now: Time, scheduler: &mut Scheduler) -> Self {
        let mut commands = Commands::new();
        let costs = Arc::clone(state.costs());
        tracing::info!(directory = %state.path().display(), known = costs.len(), "costs are kept");
        scheduler.handle(now, Event::CostsKnown { costs }, &mut commands);
        debug_assert!(commands.is_empty(), "knowing more asks for nothing");
        let saved_version = scheduler.costs_version();
        Keeper { state, saved_version, due: now + INTERVAL, writing: None }
    }

    /// Begins to write what is new, if that is due.
    pub fn look(&mut self, now: Time, scheduler: &Scheduler) {
        let is_writing = self.writing.as_ref().is_some_and(|writing| !writing.is_finished());
        if now < self.due || is_writing {
            return;
        }
        self.due = now + INTERVAL;
        if let Some(costs) = self.changed(scheduler) {
            let state = Arc::clone(&self.state);
            self.writing = Some(tokio::task::spawn_blocking(move || write(&state, &costs)));
        }
    }

    /// Writes what is new and comes back once it is on disk.
    pub fn finish(mut self, scheduler: &Scheduler) -> impl Future<Output = ()> + Send + use<> {
        let costs = self.changed(scheduler);
        async move {
            if let Some(writing) = self.writing {
                // One that panicked has said so.
                let _ = writing.await;
            }
            if let Some(costs) = costs {
                let _ = tokio::task::spawn_blocking(move || write(&self.state, &costs)).await;
            }
        }
    }

    fn changed(&mut self, scheduler: &Scheduler) -> Option<Vec<MeasuredCost>> {
        let version = scheduler.costs_version();
        let is_new = std::mem::replace(&mut self.saved_version, version) != version;
        is_new.then(|| scheduler.measured_costs(0, usize::MAX).0)
    }
}

fn write(state: &StateDir, costs: &[MeasuredCost]) {
    if let Err(error) = state.save_costs(costs) {
        let directory = state.path().display();
        tracing::warn!(%directory, %error, "measured costs are not kept");
    }
}

#[cfg(test)]
mod tests {
    use drawloom_model::{
        AttemptEnd, AttemptId, Attributes, Capacity, ExecutorId, ExecutorInfo, FromExecutor, JobId,
        Outcome, RequestId, Task, TaskGraph, Template, ToExecutor, Variant,
    };
    use drawloom_scheduler_core::{Command, Config};

    use super::*;
    use crate::state_dir::read_costs;

    const EXECUTOR: ExecutorId = ExecutorId(1);

    fn tell(scheduler: &mut Scheduler, event: Event) -> Option<AttemptId> {
        let mut commands = Commands::new();
        scheduler.handle(Time::ZERO, event, &mut commands);
        scheduler.handle(Time::ZERO, Event::RoundDue, &mut commands);
        commands.into_iter().find_map(|command| match command {
            Command::Send { message: ToExecutor::Run(run), .. } => Some(run.attempt),
            _ => None,
        })
    }

    /// Lets a task run, so that there is something to keep.
    fn measure(scheduler: &mut Scheduler, job: u128) {
        let info = ExecutorInfo {
            kernels: vec!["noop".into()],
            capacity: Capacity { cpu_milli: 1000, ..Capacity::default() },
            ..ExecutorInfo::default()
        };
        tell(scheduler, Event::ExecutorJoined { executor: EXECUTOR, info: Arc::new(info) });
        let graph = TaskGraph {
            templates: vec![Arc::new(Template::new(Variant::kernel("noop", Attributes::new()), 0))],
            tasks: vec![Task::default()],
            ..TaskGraph::default()
        };
        let (request, job, graph) = (RequestId(0), JobId(job), Arc::new(graph));
        let submitted = Event::JobSubmitted { request, job, token: None, graph };
        let attempt = tell(scheduler, submitted).expect("it has room");
        let end = AttemptEnd {
            attempt,
            outcome: Outcome::Succeeded(Default::default()),
            run_time: Duration::from_millis(1),
            queue_time: Duration::ZERO,
            outputs_on: None,
        };
        let message = FromExecutor::Ended(Box::new(end));
        tell(scheduler, Event::ExecutorSaid { executor: EXECUTOR, message });
    }

    #[tokio::test]
    async fn what_is_new_is_written_when_it_is_due_and_at_the_end() {
        let place = tempfile::tempdir().expect("a directory");
        let state = Arc::new(StateDir::open(place.path()).expect("free"));
        let mut scheduler = Scheduler::new(Config::default());
        let mut keeper = Keeper::start(state, Time::ZERO, &mut scheduler);
        let samples = || read_costs(place.path()).ok().map(|costs| costs[0].samples);
        keeper.look(Time::ZERO + INTERVAL, &scheduler);
        assert!(keeper.writing.is_none(), "there is nothing new");
        measure(&mut scheduler, 1);
        keeper.look(Time::ZERO + INTERVAL, &scheduler);
        assert!(keeper.writing.is_none(), "it is not due");
        keeper.look(Time::ZERO + 2 * INTERVAL, &scheduler);
        keeper.writing.as_mut().expect("begun").await.expect("no panic");
        assert_eq!(samples(), Some(1));
        keeper.writing = None;
        measure(&mut scheduler, 2);
        keeper.finish(&scheduler).await;
        assert_eq!(samples(), Some(2));
    }

    #[tokio::test]
    async fn what_cannot_be_written_stops_nobody() {
        let place = tempfile::tempdir().expect("a directory");
        let state = Arc::new(StateDir::open(place.path().join("state")).expect("free"));
        let mut scheduler = Scheduler::new(Config::default());
        let keeper = Keeper::start(state, Time::ZERO, &mut scheduler);
        measure(&mut scheduler, 1);
        std::fs::remove_dir_all(place.path()).expect("removed");
        keeper.finish(&scheduler).await;
    }
}
