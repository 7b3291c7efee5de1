//! The runtime of every process of ours: one thread, which stays awake for a moment after it has
//! been woken.
//!
//! An idle processor takes long to wake, the longer in a virtual machine: tens of microseconds for
//! each message of an exchange that itself takes ten. So a thread that has just had work looks for
//! more before it sleeps. It looks only while nobody else wants the processor, not for long, and
//! the shorter the more often that was in vain, as hypervisors do before they halt a processor:
//! what looks takes from who computes on the same core's other thread.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// How long to look for work after the last was found.
const LONGEST_LOOK: Duration = Duration::from_micros(200);
/// Shorter ones are not worth it.
const SHORTEST_LOOK: Duration = Duration::from_micros(20);
/// An exchange in which everybody sleeps in between takes no longer than this to come round.
const LONGEST_ROUND: Duration = Duration::from_micros(350);
/// Between two looks nothing but the look itself happened if they are no further apart.
const LOOK: Duration = Duration::from_micros(2);
/// Giving way took this long: others have work for the processor.
const BUSY: Duration = Duration::from_millis(1);

/// A runtime for one process.
///
/// # Errors
/// When the system refuses what it needs.
pub fn build() -> io::Result<Runtime> {
    let woken = Arc::new(Notify::new());
    let wake = woken.clone();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .on_thread_unpark(move || wake.notify_one())
        .build()?;
    runtime.spawn(stay_awake(woken));
    Ok(runtime)
}

/// Keeps the runtime's thread from sleeping while messages come in quick succession.
async fn stay_awake(woken: Arc<Notify>) {
    let mut look = LONGEST_LOOK;
    let mut last_work = Instant::now();
    loop {
        woken.notified().await;
        look = next_look(look, last_work.elapsed());
        last_work = Instant::now();
        while last_work.elapsed() < look {
            let before = Instant::now();
            std::thread::yield_now();
            let looking = Instant::now();
            if looking - before > BUSY {
                break;
            }
            // Runs whatever is ready, and asks the system for events without waiting.
            tokio::task::yield_now().await;
            let after = Instant::now();
            if after - looking > LOOK {
                last_work = after;
            }
        }
    }
}

/// How long to look for work, after it took so long until there was some.
fn next_look(look: Duration, waited: Duration) -> Duration {
    if waited <= LONGEST_ROUND {
        // It was found soon, or would have been had everybody looked for longer.
        return (look * 2).clamp(SHORTEST_LOOK, LONGEST_LOOK);
    }
    Some(look / 4).filter(|look| *look >= SHORTEST_LOOK).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_as_long_as_they_pay() {
        let (soon, late) = (LONGEST_ROUND / 2, LONGEST_ROUND * 2);
        let mut look = LONGEST_LOOK;
        let mut after = |waited| {
            look = next_look(look, waited);
            look.as_micros()
        };
        assert_eq!([late, late, late].map(&mut after), [50, 0, 0]);
        assert_eq!([soon; 5].map(&mut after), [20, 40, 80, 160, 200]);
    }
}
