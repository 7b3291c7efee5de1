//! The runtime of every process of ours: one thread, which stays awake for a moment after it has
//! been woken.
//!
//! An idle processor takes long to wake, the longer in a virtual machine: tens of microseconds for
//! each message of an exchange that itself takes ten. So a thread that has just had work looks for
//! more before it sleeps. It looks only while nobody else wants the processor, and not for long.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// How long to look for work after the last was found.
const LONGEST_LOOK: Duration = Duration::from_micros(200);
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
    loop {
        woken.notified().await;
        let mut last_work = Instant::now();
        while last_work.elapsed() < LONGEST_LOOK {
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
