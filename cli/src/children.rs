//! Processes of a local cluster: started together, ended together.

use std::env;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use crate::output::note;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// How long a process may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the log of an ended process is waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A `drawloom` process of ours.
pub struct Process {
    name: String,
    child: Child,
    /// Passes its log on; gone once that has ended.
    log: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts this program again with other arguments. Its log lines go to the standard error
    /// with its name before them.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start(name: &str, arguments: &[String]) -> io::Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args(arguments)
            .arg("--parent")
            .arg(std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for us; we end them in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let log = child.stderr.take().map(|log| tokio::spawn(forward(name.to_owned(), log)));
        Ok(Process { name: name.to_owned(), child, log })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first line that it writes to its standard output; `None` when it ends without one.
    pub async fn first_line(&mut self) -> io::Result<Option<String>> {
        let Some(out) = self.child.stdout.as_mut() else { return Ok(None) };
        BufReader::new(out).lines().next_line().await
    }

    /// Waits until it ends by itself, and its last words are told.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        if let Some(log) = &mut self.log {
            // A process that it left behind may hold the log open.
            let _ = tokio::time::timeout(LAST_WORDS, log).await;
            self.log = None;
        }
        Ok(status)
    }

    /// Asks it to end: once to finish what it does, then to leave it, and kills it if it does
    /// neither.
    pub async fn stop(&mut self) {
        for _ in 0..2 {
            self.ask_to_stop();
            if tokio::time::timeout(PATIENCE, self.child.wait()).await.is_ok() {
                return;
            }
        }
        tracing::warn!("{} does not end and is killed", self.name);
        if let Err(error) = self.child.kill().await {
            tracing::warn!("{} cannot be killed: {error}", self.name);
        }
    }

    fn ask_to_stop(&self) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id as i32));
        // No id: it has been waited for. No process: it has just ended.
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

/// Ends this process when the process that started it is gone.
///
/// # Errors
/// When the system refuses, or the parent is gone already.
pub fn follow_parent(parent: u32) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get() as u32);
    if now == Some(parent) {
        return Ok(());
    }
    Err(io::Error::other(format!("the process {parent} that wanted this one is gone")))
}

async fn forward(name: String, log: impl AsyncRead + Unpin) {
    let mut log = BufReader::new(log);
    let mut line = Vec::new();
    while log.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
        note!("{name:>10} | {}", String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
}
