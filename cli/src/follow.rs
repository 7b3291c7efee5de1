//! Following a job to its end, with a way out.

use anyhow::Result;
use drawloom_client::{Client, JobHandle};
use drawloom_model::JobId;
use tokio::time::{MissedTickBehavior, interval_at};

use crate::interrupt::Interrupts;
use crate::progress::{Progress, Tally};

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
    let mut ticks = interval_at(tokio::time::Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut cancelling = false;
    loop {
        tokio::select! {
            batch = job.next_batch() => match batch? {
                Some(batch) => batch.events.into_iter().for_each(|event| tally.note(event)),
                None => return Ok(Followed::ToTheEnd),
            },
            _ = ticks.tick() => progress.show(tally),
            () = interrupts.next() => {
                if cancelling {
                    return Ok(Followed::Abandoned);
                }
                cancelling = true;
                eprintln!("cancelling {}; press Ctrl-C again to leave at once", job.id());
                // The job's events are read meanwhile: its end is among them.
                tokio::spawn(cancel(client.clone(), job.id()));
            }
        }
    }
}

async fn cancel(client: Client, job: JobId) {
    if let Err(error) = client.cancel(job).await {
        eprintln!("drawloom: {job} cannot be cancelled: {error}");
    }
}
