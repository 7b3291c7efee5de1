//! Watches an actor's process: keeps the end of what it says, and tells when it has exited.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::mailbox::Mailbox;

/// How much of the standard error is kept for messages.
const TAIL_BYTES: usize = 4096;
/// How long the rest of the standard error is waited for once the process has exited.
const DRAIN: Duration = Duration::from_millis(200);

/// The end of a process's standard error.
pub(super) struct Tail {
    state: Mutex<State>,
    closed: Condvar,
}

struct State {
    stderr: Option<OwnedFd>,
    bytes: VecDeque<u8>,
    is_closed: bool,
}

impl Tail {
    pub(super) fn new(stderr: Option<OwnedFd>) -> Arc<Self> {
        let is_closed = stderr.is_none();
        let state = Mutex::new(State { stderr, bytes: VecDeque::new(), is_closed });
        Arc::new(Tail { state, closed: Condvar::new() })
    }

    /// What was said last.
    pub(super) fn text(&self) -> String {
        let bytes: Vec<u8> = self.lock().bytes.iter().copied().collect();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }

    /// Waits a little until all of it was read, once the process is dead.
    pub(super) fn wait_closed(&self) {
        let state = self.lock();
        let open = |state: &mut State| !state.is_closed;
        drop(self.closed.wait_timeout_while(state, DRAIN, open));
    }

    fn add(&self, data: &[u8]) {
        let mut state = self.lock();
        state.bytes.extend(data);
        let excess = state.bytes.len().saturating_sub(TAIL_BYTES);
        state.bytes.drain(..excess);
    }

    fn close(&self) {
        self.lock().is_closed = true;
        self.closed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches on a thread of its own, until the process has exited.
pub(super) fn watch(tail: Arc<Tail>, pidfd: OwnedFd, mailbox: Weak<Mailbox>) -> io::Result<()> {
    let stderr = tail.lock().stderr.take();
    if let Some(stderr) = &stderr {
        rustix::io::ioctl_fionbio(stderr, true)?;
    }
    let thread = std::thread::Builder::new().name("drawloom-actor-watch".to_owned());
    thread.spawn(move || {
        let mut stderr = stderr;
        while !step(&tail, &pidfd, &mut stderr) {}
        // What it said last is in the pipe still.
        if let Some(pipe) = &stderr {
            while read(&tail, pipe) == Read::Some {}
        }
        tail.close();
        if let Some(mailbox) = mailbox.upgrade() {
            mailbox.abandon();
        }
    })?;
    Ok(())
}

/// Waits for something to happen; whether the process has exited.
fn step(tail: &Tail, pidfd: &OwnedFd, stderr: &mut Option<OwnedFd>) -> bool {
    let (exited, readable) = {
        let mut fds = vec![PollFd::new(pidfd, PollFlags::IN)];
        fds.extend(stderr.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        match rustix::event::poll(&mut fds, None) {
            Ok(_) => {}
            Err(Errno::INTR) => return false,
            Err(_) => return true,
        }
        let ready = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
        (ready(0), ready(1))
    };
    if let Some(pipe) = stderr.as_ref().filter(|_| readable)
        && read(tail, pipe) == Read::End
    {
        *stderr = None;
    }
    exited
}

#[derive(PartialEq)]
enum Read {
    Some,
    Nothing,
    End,
}

fn read(tail: &Tail, pipe: &OwnedFd) -> Read {
    let mut buffer = [0; 4096];
    match rustix::io::read(pipe, &mut buffer) {
        Ok(0) => Read::End,
        Ok(read) => {
            tail.add(&buffer[..read]);
            Read::Some
        }
        Err(Errno::AGAIN | Errno::INTR) => Read::Nothing,
        Err(_) => Read::End,
    }
}
