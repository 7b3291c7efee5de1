//! Following a job to its end, with a way out.

use std::time::Duration;

use anyhow::Result;
use drawloom_client::{Client, Error, JobHandle, PageRequest, TaskRef, TaskState};
use drawloom_model::JobId;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use crate::interrupt::Interrupts;
use crate::output::note;
use crate::progress::{Progress, Tally};

/// How long nothing may run or happen before it is asked why.
const PATIENCE: Duration = Duration::from_secs(1);

/// How following ended.
pub enum Followed {
    /// The job has ended.
    ToTheEnd,
    /// Someone did not want to wait for the cancelled job's end.
    Abandoned,
}

/// Follows a job to its end. The first Ctrl-C cancels the job, the second stops waiting for that.
///
/// # Errors
/// When the scheduler cannot be reached any more.
pub async fn follow(
    client: &Client,
    job: &mut JobHandle,
    tally: &mut Tally,
    progress: &mut dyn Progress,
    interrupts: &mut Interrupts,
) -> Result<Followed> {
    let followed = watch(client, job, tally, progress, interrupts).await;
    progress.finish();
    followed
}

async fn watch(
    client: &Client,
    job: &mut JobHandle,
    tally: &mut Tally,
    progress: &mut dyn Progress,
    interrupts: &mut Interrupts,
) -> Result<Followed> {
    let period = progress.interval();
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut cancelling = false;
    // Asked once for each time that nothing goes on.
    let mut ask_why = Some(Instant::now() + PATIENCE);
    loop {
        tokio::select! {
            batch = job.next_batch() => match batch? {
                Some(batch) => {
                    batch.events.into_iter().for_each(|event| tally.note(event));
                    ask_why = tally.is_idle().then(|| Instant::now() + PATIENCE);
                }
                None => return Ok(Followed::ToTheEnd),
            },
            () = sleep_until(ask_why.unwrap_or_else(Instant::now)), if ask_why.is_some() => {
                ask_why = None;
                if let Some(reason) = why_waiting(client, job.id()).await? {
                    progress.tell(&reason);
                }
            }
            _ = ticks.tick() => progress.show(tally),
            () = interrupts.next() => {
                if cancelling {
                    return Ok(Followed::Abandoned);
                }
                cancelling = true;
                note!("cancelling {}; press Ctrl-C again to leave at once", job.id());
                // The job's events are read meanwhile: its end is among them.
                tokio::spawn(cancel(client.clone(), job.id()));
            }
        }
    }
}

/// What the first task that is ready waits for.
async fn why_waiting(client: &Client, job: JobId) -> Result<Option<String>, Error> {
    let page = PageRequest { size: 1, token: None };
    let ready = client.tasks(job, page, vec![TaskState::Ready]).await?;
    let Some(task) = ready.items.into_iter().next() else { return Ok(None) };
    let explanation = client.explain(job, TaskRef::Index(task.task)).await?;
    let name = task.name.map_or_else(|| task.task.to_string(), |name| format!("{name:?}"));
    Ok(Some(format!("task {name} waits: {}", explanation.reasons.join("; "))))
}

async fn cancel(client: Client, job: JobId) {
    if let Err(error) = client.cancel(job).await {
        note!("drawloom: {job} cannot be cancelled: {error}");
    }
}
