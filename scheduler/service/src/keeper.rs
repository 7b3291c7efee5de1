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
