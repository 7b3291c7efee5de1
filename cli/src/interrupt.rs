//! Ctrl-C, SIGTERM and the terminal's end.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears when someone wants this process to end.
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupts {
    /// From now on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// When the system refuses handlers.
    pub fn listen() -> io::Result<Self> {
        Ok(Interrupts {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
