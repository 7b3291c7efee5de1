//! A child process: its start, its pipes, its end.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions};
use rustix::thread::CpuSet;

use super::vfork;
use crate::cancellation::Cancellation;
use crate::cgroup::{Entrance, Group};

/// How long a process that was asked to end has until it is killed.
const GRACE: Duration = Duration::from_secs(1);
/// How long pipes are read after the process has ended, should another still hold them.
const DRAIN: Duration = Duration::from_secs(1);
/// How much of an output that nobody takes is kept for messages.
const TAIL_BYTES: usize = 4096;

/// What is done to a process between its birth and its executable's start.
#[derive(Default)]
pub(crate) struct Confinement {
    /// Pins it to these cores; to none where there are none.
    pub affinity: Option<CpuSet>,
    /// Where it joins its control group.
    pub entrances: Vec<Entrance>,
    /// Bytes of address space, where no control group that it has joined limits its memory.
    pub memory_bytes: Option<u64>,
    /// Descriptors that it inherits.
    pub inherited: Vec<Arc<OwnedFd>>,
    /// The most bytes that a file may have which it writes.
    pub file_bytes: Option<u64>,
}

impl Confinement {
    /// The control group in which it can be born.
    pub(super) fn birthplace(&self) -> Option<BorrowedFd<'_>> {
        self.entrances.iter().find_map(|entrance| entrance.birthplace.as_ref()).map(AsFd::as_fd)
    }

    /// Puts the calling process, which is to become another program, into a session of its own,
    /// confined, that dies with the thread that made it. Makes system calls alone, on data made
    /// before, and allocates nothing.
    pub(super) fn confine(&self, parent: Pid, is_born_there: bool) -> io::Result<()> {
        rustix::process::setsid()?;
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        if rustix::process::getppid() != Some(parent) {
            // The parent died before the line above took effect.
            return Err(io::Error::from(rustix::io::Errno::SRCH));
        }
        let mut limits_memory = false;
        for entrance in &self.entrances {
            // A group that cannot be joined limits nothing; the process is run all the same.
            let has_joined = is_born_there && entrance.birthplace.is_some()
                || rustix::io::write(&entrance.file, b"0").is_ok();
            limits_memory |= has_joined && entrance.limits_memory;
        }
        if let Some(cores) = &self.affinity {
            let _ = rustix::thread::sched_setaffinity(None, cores);
        }
        for descriptor in &self.inherited {
            // Only in the child: its table of descriptors is its own.
            rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::empty())?;
        }
        if let Some(bytes) = self.file_bytes {
            limit(Resource::Fsize, bytes)?;
        }
        if let Some(bytes) = self.memory_bytes.filter(|_| !limits_memory) {
            limit(Resource::As, bytes)?;
        }
        Ok(())
    }
}

/// Makes the command start confined, where it is started by the standard library.
pub(crate) fn confine(command: &mut Command, confinement: Confinement) {
    let parent = rustix::process::getpid();
    // SAFETY: the closure runs in the child between fork and exec, where only async-signal-safe
    // calls are allowed, and it makes no others.
    unsafe { command.pre_exec(move || confinement.confine(parent, false)) };
}

/// Limits what this process may have of a resource, unless it was limited to less before.
fn limit(resource: Resource, amount: u64) -> rustix::io::Result<()> {
    let inherited = rustix::process::getrlimit(resource).maximum;
    let limit = Some(inherited.map_or(amount, |inherited| inherited.min(amount)));
    rustix::process::setrlimit(resource, Rlimit { current: limit, maximum: limit })
}

/// What to do with an output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Keep {
    /// Keep all of it, up to so many bytes.
    All { limit_bytes: usize },
    /// Keep the end, for messages.
    Tail,
}

/// An output of a process as it comes in.
pub(super) struct Capture {
    keep: Keep,
    bytes: VecDeque<u8>,
    /// Whether there was more than the limit.
    pub overflowed: bool,
}

impl Capture {
    pub(super) fn new(keep: Keep) -> Self {
        Capture { keep, bytes: VecDeque::new(), overflowed: false }
    }

    fn add(&mut self, data: &[u8]) {
        match self.keep {
            Keep::All { limit_bytes } if self.bytes.len() + data.len() > limit_bytes => {
                self.overflowed = true;
            }
            Keep::All { .. } => self.bytes.extend(data),
            Keep::Tail => {
                self.bytes.extend(data);
                let excess = self.bytes.len().saturating_sub(TAIL_BYTES);
                self.bytes.drain(..excess);
            }
        }
    }

    /// The end of it as text, whatever it is.
    pub(super) fn tail(&self) -> String {
        let skipped = self.bytes.len().saturating_sub(TAIL_BYTES);
        let tail = self.bytes.iter().skip(skipped).copied().collect::<Vec<_>>();
        String::from_utf8_lossy(&tail).trim().to_owned()
    }

    pub(super) fn into_bytes(self) -> Bytes {
        Vec::from(self.bytes).into()
    }
}

/// A running process and its pipes.
pub(super) struct Running<'c> {
    pid: Pid,
    pidfd: OwnedFd,
    stdin: Option<(OwnedFd, Bytes)>,
    outputs: [(Option<OwnedFd>, Capture); 2],
    cancellation: &'c Cancellation,
    group: Option<&'c Group>,
    /// When the next step towards its end is due.
    deadline: Option<Instant>,
    asked_to_end: bool,
}

/// How a process ended.
pub(super) struct Ended {
    pub status: ExitStatus,
    pub stdout: Capture,
    pub stderr: Capture,
}

impl<'c> Running<'c> {
    /// Starts the process.
    pub(super) fn start(
        command: &Command,
        confinement: &Confinement,
        stdin: Option<Bytes>,
        [stdout, stderr]: [Capture; 2],
        cancellation: &'c Cancellation,
        group: Option<&'c Group>,
    ) -> io::Result<Self> {
        let null = null()?;
        let (theirs_in, ours_in) = pipe(stdin.is_some())?;
        let (ours_out, theirs_out) = pipe(stdout.keep != Keep::Tail)?;
        let (ours_err, theirs_err) = pipe(true)?;
        let standard = [&theirs_in, &theirs_out, &theirs_err];
        let standard = standard.map(|pipe| pipe.as_ref().map_or(null, AsFd::as_fd));
        for pipe in [&ours_in, &ours_out, &ours_err].into_iter().flatten() {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        let pid = vfork::spawn(command, confinement, standard)?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).inspect_err(|_| {
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            let _ = reap(pid);
        })?;
        Ok(Running {
            pid,
            pidfd,
            stdin: ours_in.zip(stdin),
            outputs: [(ours_out, stdout), (ours_err, stderr)],
            cancellation,
            group,
            deadline: None,
            asked_to_end: false,
        })
    }

    /// Feeds and reads it until it has ended, and with it all it left behind.
    pub(super) fn wait(mut self) -> io::Result<Ended> {
        let cancellation = self.cancellation;
        let wake = cancellation.descriptor()?;
        while !self.step(wake.as_fd())? {}
        self.kill_all();
        let status = reap(self.pid)?;
        self.deadline = Some(Instant::now() + DRAIN);
        self.stdin = None;
        while self.outputs.iter().any(|(pipe, _)| pipe.is_some()) && !self.is_due() {
            self.step_outputs()?;
        }
        let [(_, stdout), (_, stderr)] = self.outputs;
        Ok(Ended { status, stdout, stderr })
    }

    /// Waits for something to happen and deals with it; whether the process has ended.
    fn step(&mut self, wake: BorrowedFd<'_>) -> io::Result<bool> {
        let flags = [PollFlags::IN, PollFlags::OUT];
        let mut ready = [false; 5];
        {
            let mut fds = vec![(0, PollFd::new(&self.pidfd, flags[0]))];
            if !self.asked_to_end {
                fds.push((1, PollFd::from_borrowed_fd(wake, flags[0])));
            }
            fds.extend(self.stdin.as_ref().map(|(pipe, _)| (2, PollFd::new(pipe, flags[1]))));
            for (index, (pipe, _)) in self.outputs.iter().enumerate() {
                fds.extend(pipe.as_ref().map(|pipe| (3 + index, PollFd::new(pipe, flags[0]))));
            }
            for index in poll(fds, self.deadline)? {
                ready[index] = true;
            }
        }
        if ready[2] {
            self.feed();
        }
        for index in 0..2 {
            if ready[3 + index] {
                self.read(index);
            }
        }
        if ready[0] {
            return Ok(true);
        }
        if self.is_due() {
            self.kill_all();
            self.deadline = None;
        }
        let overflowed = self.outputs.iter().any(|(_, capture)| capture.overflowed);
        if (ready[1] || overflowed) && !self.asked_to_end {
            self.ask_to_end();
        }
        Ok(false)
    }

    /// Reads what is left in the pipes.
    fn step_outputs(&mut self) -> io::Result<()> {
        let fds = self.outputs.iter().enumerate().filter_map(|(index, (pipe, _))| {
            Some((index, PollFd::new(pipe.as_ref()?, PollFlags::IN)))
        });
        for index in poll(fds.collect(), self.deadline)? {
            self.read(index);
        }
        Ok(())
    }

    fn is_due(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    fn ask_to_end(&mut self) {
        self.asked_to_end = true;
        self.deadline = Some(Instant::now() + GRACE);
        let _ = rustix::process::kill_process_group(self.pid, Signal::TERM);
    }

    /// Kills the process and everything that came of it. Its number stays taken until it is
    /// waited for, so nobody else is hit.
    fn kill_all(&self) {
        let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        if let Some(group) = self.group {
            group.kill();
        }
    }

    fn feed(&mut self) {
        let Some((pipe, data)) = &mut self.stdin else { return };
        match rustix::io::write(&*pipe, data) {
            Ok(written) => data.advance(written),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(_) => data.clear(), // It reads no more, as is its right.
        }
        if data.is_empty() {
            self.stdin = None;
        }
    }

    fn read(&mut self, index: usize) {
        let (pipe, capture) = &mut self.outputs[index];
        let Some(open) = pipe else { return };
        let mut buffer = [MaybeUninit::uninit(); 64 * 1024];
        match rustix::io::read(open, &mut buffer) {
            Ok(([], _)) => *pipe = None,
            Ok((read, _)) => capture.add(read),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(_) => *pipe = None,
        }
    }
}

/// Where what is not wanted goes, and where nothing comes from.
fn null() -> io::Result<BorrowedFd<'static>> {
    static NULL: OnceLock<OwnedFd> = OnceLock::new();
    if NULL.get().is_none() {
        let file = File::options().read(true).write(true).open("/dev/null")?;
        let _ = NULL.set(file.into());
    }
    NULL.get().map(AsFd::as_fd).ok_or_else(|| io::Error::other("/dev/null is closed"))
}

/// The ends to read from and to write to, where a pipe is wanted.
fn pipe(is_wanted: bool) -> io::Result<(Option<OwnedFd>, Option<OwnedFd>)> {
    if !is_wanted {
        return Ok((None, None));
    }
    let (from, to) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    Ok((Some(from), Some(to)))
}

/// Waits for the end of a child; how it ended.
fn reap(pid: Pid) -> io::Result<ExitStatus> {
    loop {
        match rustix::process::waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(ExitStatus::from_raw(status.as_raw())),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until one of these is ready or the deadline has come; which ones are.
fn poll(fds: Vec<(usize, PollFd<'_>)>, deadline: Option<Instant>) -> io::Result<Vec<usize>> {
    let (indexes, mut fds): (Vec<usize>, Vec<PollFd<'_>>) = fds.into_iter().unzip();
    let timeout = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match rustix::event::poll(&mut fds, timeout.as_ref()) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    }
    let ready = indexes.into_iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
    Ok(ready.map(|(index, _)| index).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confinement(memory_bytes: u64) -> Confinement {
        Confinement { memory_bytes: Some(memory_bytes), ..Confinement::default() }
    }

    /// The address space that a process may have, in KiB, as the shell tells it.
    fn address_space_kib(inherited_bytes: Option<u64>, confinement: Confinement) -> String {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -v"]);
        if let Some(bytes) = inherited_bytes {
            // SAFETY: the closure makes system calls alone.
            unsafe { command.pre_exec(move || Ok(limit(Resource::As, bytes)?)) };
        }
        confine(&mut command, confinement);
        let output = command.output().expect("a shell");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    #[test]
    fn memory_is_limited_where_its_group_cannot_be_joined() {
        let refused = File::open("/dev/null").expect("there is one");
        let joined = File::options().write(true).open("/dev/null").expect("there is one");
        for (file, is_limited) in [(refused, true), (joined, false)] {
            let entrances =
                vec![Entrance { file: file.into(), birthplace: None, limits_memory: true }];
            let told = address_space_kib(None, Confinement { entrances, ..confinement(256 << 20) });
            assert_eq!(told == "262144", is_limited, "{told}");
        }
    }

    #[test]
    fn an_inherited_limit_stays() {
        assert_eq!(address_space_kib(Some(256 << 20), confinement(1 << 30)), "262144");
    }
}
