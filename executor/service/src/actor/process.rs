//! Actors in processes: a child that answers frames over a socket.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use drawloom_model::{Attributes, Failure, FailureKind, Value};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::{Errno, FdFlags};
use rustix::process::{Pid, PidfdFlags, Signal};

use super::body::Trouble;
use super::delivery::Delivery;
use super::frame::{Answer, FRAME_LIMIT_BYTES, LENGTH_BYTES, Order, VERSION};
use super::mailbox::{Mailbox, is_late};
use super::watch::{Tail, watch};
use crate::cancellation::Cancellation;
use crate::cgroup::Group;
use crate::quarters::Lease;
use crate::runner::Scratch;

/// The variable that tells the child which of its files is the socket.
const SOCKET_VARIABLE: &str = "DRAWLOOM_ACTOR_FD";
/// How long a process has to begin, and to tell its state.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a process has to end once it was told to, and then once more before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// A process, everything that came of it, and what it needs.
pub(super) struct ProcessActor {
    child: Child,
    pid: Pid,
    pidfd: OwnedFd,
    socket: UnixStream,
    tail: Arc<Tail>,
    killed: Arc<Cancellation>,
    last_id: u64,
    /// Kept for as long as the process lives.
    group: Option<Lease<Group>>,
    _scratch: Scratch,
    is_over: bool,
}

/// What a process is started from.
pub(super) struct Launch {
    pub command: Command,
    pub group: Option<Lease<Group>>,
    pub scratch: Scratch,
}

impl ProcessActor {
    /// Starts the process; it ends with the thread that calls this.
    pub(super) fn start(launch: Launch, mailbox: &Arc<Mailbox>) -> io::Result<Self> {
        let Launch { mut command, group, scratch } = launch;
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_nonblocking(true)?;
        command.env(SOCKET_VARIABLE, theirs.as_raw_fd().to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let number = theirs.as_raw_fd();
        // SAFETY: the closure runs in the child between fork and exec and makes one system call,
        // on a file that lives until `spawn` has returned.
        unsafe {
            command.pre_exec(move || {
                let theirs = std::os::fd::BorrowedFd::borrow_raw(number);
                rustix::io::fcntl_setfd(theirs, FdFlags::empty())?;
                Ok(())
            });
        }
        let mut child = command.spawn()?;
        drop(theirs);
        let pid = Pid::from_child(&child);
        let prepared = (|| {
            let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
            let tail = Tail::new(child.stderr.take().map(OwnedFd::from));
            watch(Arc::clone(&tail), pidfd.try_clone()?, Arc::downgrade(mailbox))?;
            io::Result::Ok((pidfd, tail))
        })();
        match prepared {
            Ok((pidfd, tail)) => Ok(ProcessActor {
                child,
                pid,
                pidfd,
                socket,
                tail,
                killed: Arc::clone(&mailbox.cancellation),
                last_id: 0,
                group,
                _scratch: scratch,
                is_over: false,
            }),
            Err(error) => {
                let _ = rustix::process::kill_process_group(pid, Signal::KILL);
                child.wait()?;
                Err(error)
            }
        }
    }

    /// Agrees on the version and begins the actor's life.
    pub(super) fn begin(
        &mut self,
        incarnation: u32,
        attributes: &Attributes,
        arguments: &[Value],
        state: Option<&Value>,
    ) -> Result<(), Failure> {
        let due = Some(Instant::now() + PATIENCE);
        let spawn = |trouble: Trouble| match trouble {
            Trouble::Method(failure) => failure,
            Trouble::Incarnation(failure) | Trouble::TimedOut(failure) => failure,
        };
        self.send(&Order::Hello { incarnation }, due).map_err(spawn)?;
        match self.receive(due).map_err(spawn)? {
            Answer::Ready { version: VERSION } => {}
            Answer::Ready { version } => {
                let message = format!("the process speaks version {version}, not {VERSION}");
                return Err(self.garbage(&message));
            }
            other => return Err(self.garbage(&format!("it began with {}", name(&other)))),
        }
        self.send(&Order::Start { attributes, arguments }, due).map_err(spawn)?;
        self.done("START", due).map_err(spawn)?;
        if let Some(state) = state {
            self.send(&Order::Restore { state }, due).map_err(spawn)?;
            self.done("RESTORE", due).map_err(spawn)?;
        }
        Ok(())
    }

    /// Lets the process answer a call.
    pub(super) fn call(&mut self, delivery: &Delivery) -> Result<Vec<Value>, Trouble> {
        let due = delivery.deadline.map(|(due, _)| due);
        self.last_id += 1;
        let id = self.last_id;
        let order = Order::Call {
            id,
            method: &delivery.method,
            attributes: &delivery.attributes,
            arguments: &delivery.arguments,
        };
        self.send(&order, due)?;
        self.answer_to(id, due)
    }

    /// The state for the next incarnation; none where the process keeps none.
    pub(super) fn checkpoint(&mut self) -> Result<Option<Value>, Trouble> {
        let due = Some(Instant::now() + PATIENCE);
        self.last_id += 1;
        let id = self.last_id;
        self.send(&Order::Checkpoint { id }, due)?;
        let mut values = self.answer_to(id, due)?;
        if values.len() > 1 {
            let message = format!("CHECKPOINT was answered with {} values", values.len());
            return Err(Trouble::Incarnation(self.garbage(&message)));
        }
        Ok(values.pop())
    }

    /// Tells the process to end, and sees to it that it does.
    pub(super) fn stop(mut self) {
        let _ = self.send(&Order::Stop, Some(Instant::now() + GRACE));
        if !self.exits_within(GRACE) {
            let _ = rustix::process::kill_process_group(self.pid, Signal::TERM);
            self.exits_within(GRACE);
        }
        self.end();
    }

    fn exits_within(&self, limit: Duration) -> bool {
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let timeout = Timespec::try_from(limit).ok();
        rustix::event::poll(&mut fds, timeout.as_ref()).is_ok_and(|ready| ready > 0)
    }

    /// Takes the answer to what has no result.
    fn done(&mut self, order: &str, due: Option<Instant>) -> Result<(), Trouble> {
        match self.answer_to(0, due)?.len() {
            0 => Ok(()),
            values => {
                let message = format!("{order} was answered with {values} value(s), not with none");
                Err(Trouble::Incarnation(self.garbage(&message)))
            }
        }
    }

    fn answer_to(&mut self, wanted: u64, due: Option<Instant>) -> Result<Vec<Value>, Trouble> {
        match self.receive(due)? {
            Answer::Result { id, values } if id == wanted => Ok(values),
            Answer::Error { id, message } if id == wanted => {
                Err(Trouble::Method(Failure::new(FailureKind::Application, message)))
            }
            other => {
                let message = format!("{} came where the reply to {wanted} is due", name(&other));
                Err(Trouble::Incarnation(self.garbage(&message)))
            }
        }
    }

    fn send(&mut self, order: &Order<'_>, due: Option<Instant>) -> Result<(), Trouble> {
        let too_large = |error| Failure::new(FailureKind::Application, format!("{error}"));
        let frame = order.encode().map_err(|error| Trouble::Method(too_large(error)))?;
        let mut rest = &frame[..];
        while !rest.is_empty() {
            match rustix::io::write(&self.socket, rest) {
                Ok(written) => {
                    rest = &rest[written..];
                    if !rest.is_empty() && is_late(due) {
                        return Err(self.silent());
                    }
                }
                Err(Errno::AGAIN) => self.wait(PollFlags::OUT, due)?,
                Err(Errno::INTR) => {}
                Err(_) => return Err(Trouble::Incarnation(self.gone())),
            }
        }
        Ok(())
    }

    fn receive(&mut self, due: Option<Instant>) -> Result<Answer, Trouble> {
        let mut length = [0; LENGTH_BYTES];
        self.read(&mut length, due)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > FRAME_LIMIT_BYTES {
            let error = super::frame::FrameTooLarge(length as u64);
            return Err(Trouble::Incarnation(self.garbage(&error.to_string())));
        }
        let mut frame = vec![0; length];
        self.read(&mut frame, due)?;
        Answer::decode(Bytes::from(frame)).map_err(|why| Trouble::Incarnation(self.garbage(&why)))
    }

    fn read(&mut self, buffer: &mut [u8], due: Option<Instant>) -> Result<(), Trouble> {
        let mut filled = 0;
        while filled < buffer.len() {
            match rustix::io::read(&self.socket, &mut buffer[filled..]) {
                Ok(0) => return Err(Trouble::Incarnation(self.gone())),
                Ok(read) => {
                    filled += read;
                    if filled < buffer.len() && is_late(due) {
                        return Err(self.silent());
                    }
                }
                Err(Errno::AGAIN) => self.wait(PollFlags::IN, due)?,
                Err(Errno::INTR) => {}
                Err(_) => return Err(Trouble::Incarnation(self.gone())),
            }
        }
        Ok(())
    }

    /// Waits until the socket is ready, the actor is killed, or it is too late.
    fn wait(&mut self, wanted: PollFlags, due: Option<Instant>) -> Result<(), Trouble> {
        let killed = Arc::clone(&self.killed);
        let wake = killed.descriptor().map_err(|error| {
            let message = format!("the actor's process cannot be watched: {error}");
            Trouble::Incarnation(Failure::new(FailureKind::Application, message))
        })?;
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut fds = [
            PollFd::new(&self.socket, wanted),
            PollFd::from_borrowed_fd(wake.as_fd(), PollFlags::IN),
        ];
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => {
                let message = format!("the actor's process cannot be watched: {error}");
                return Err(Trouble::Incarnation(Failure::new(FailureKind::Application, message)));
            }
        }
        let (ready, cancelled) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
        if cancelled {
            let message = "the actor was killed";
            return Err(Trouble::Incarnation(Failure::new(FailureKind::Application, message)));
        }
        if !ready && left.is_some_and(|left| left.is_zero()) {
            return Err(self.silent());
        }
        Ok(())
    }

    /// The process has not said in time what it was to say.
    fn silent(&mut self) -> Trouble {
        let end = self.end();
        let message = format!("the process did not answer in time and was killed ({end})");
        Trouble::TimedOut(Failure::new(FailureKind::TimedOut, message))
    }

    /// The process has closed its socket.
    fn gone(&mut self) -> Failure {
        // It is mostly about to exit by itself; how it does says most.
        self.exits_within(Duration::from_millis(500));
        let end = self.end();
        Failure::new(FailureKind::Application, format!("the actor's process is gone: {end}"))
    }

    fn garbage(&mut self, what: &str) -> Failure {
        let end = self.end();
        let message =
            format!("the actor's process broke the protocol: {what}; it was killed ({end})");
        Failure::new(FailureKind::Application, message)
    }

    /// Ends the process and all that came of it; how it ended.
    pub(super) fn end(&mut self) -> String {
        if !self.is_over {
            let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
            if let Some(group) = &self.group {
                group.kill();
            }
        }
        self.is_over = true;
        let status = match self.child.wait() {
            Ok(status) => crate::runner::describe_status(status),
            Err(error) => error.to_string(),
        };
        self.tail.wait_closed();
        match self.tail.text() {
            tail if tail.is_empty() => status,
            tail => format!("{status}: {tail}"),
        }
    }
}

impl Drop for ProcessActor {
    fn drop(&mut self) {
        self.end();
    }
}

fn name(answer: &Answer) -> String {
    match answer {
        Answer::Ready { .. } => "a READY".to_owned(),
        Answer::Result { id, .. } => format!("a RESULT of {id}"),
        Answer::Error { id, .. } => format!("an ERROR of {id}"),
    }
}
