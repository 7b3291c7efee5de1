//! A scheduler and executors as processes of their own.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use drawloom_client::Client;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::data::PLACE;
use crate::record::Transport;

/// How long the processes may take to be ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// Processes, killed when this is dropped.
pub(crate) struct Remote {
    scheduler: Child,
    executors: Vec<Child>,
    endpoint: String,
    /// Holds the Unix socket.
    _directory: TempDir,
}

/// What a scheduler tells of itself.
#[derive(Deserialize)]
struct Announcement {
    addresses: Vec<String>,
}

impl Remote {
    /// Starts a scheduler and an executor and waits until it has joined. It and the clients reach
    /// the scheduler by the transport.
    pub(crate) async fn start(executable: &Path, transport: Transport) -> Result<Self> {
        Remote::start_many(executable, transport, 1).await
    }

    /// The same with several executors, which have numbers as their places.
    pub(crate) async fn start_many(
        executable: &Path,
        transport: Transport,
        executors: usize,
    ) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let socket = directory.path().join("drawloom.sock");
        let mut scheduler = command(executable)
            .args(["--json", "scheduler", "--listen", "127.0.0.1:0", "--unix"])
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn()
            .context("the scheduler cannot be started")?;
        let addresses = announced(&mut scheduler).await?;
        let [tcp, unix] = <[String; 2]>::try_from(addresses)
            .map_err(|addresses| anyhow::anyhow!("the scheduler listens at {addresses:?}"))?;
        let endpoint = match transport {
            Transport::Tcp => tcp,
            Transport::Unix => unix,
        };
        let executor = |number| {
            command(executable)
                .args(["executor", "--scheduler", &endpoint])
                .args(["--label", &format!("{PLACE}={number}")])
                .stdout(Stdio::null())
                .spawn()
                .context("an executor cannot be started")
        };
        let executors = (0..executors).map(executor).collect::<Result<_>>()?;
        let remote = Remote { scheduler, executors, endpoint, _directory: directory };
        tokio::time::timeout(PATIENCE, remote.joined())
            .await
            .context("no executor has joined")??;
        Ok(remote)
    }

    /// A client.
    pub(crate) async fn client(&self) -> Result<Client> {
        Ok(Client::connect(&self.endpoint).await?)
    }

    /// The scheduler's process.
    pub(crate) fn scheduler_pid(&self) -> Option<u32> {
        self.scheduler.id()
    }

    /// The processes' ids.
    pub(crate) fn pids(&self) -> Vec<Option<u32>> {
        [&self.scheduler].into_iter().chain(&self.executors).map(Child::id).collect()
    }

    async fn joined(&self) -> Result<()> {
        let client = self.client().await?;
        while client.cluster().await?.executors.len() < self.executors.len() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

fn command(executable: &Path) -> Command {
    let mut command = Command::new(executable);
    command.arg("--quiet").env_remove("DRAWLOOM_ENDPOINT").stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn announced(scheduler: &mut Child) -> Result<Vec<String>> {
    let Some(out) = scheduler.stdout.take() else { bail!("the scheduler has no output") };
    let mut lines = BufReader::new(out).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    let line = line.context("the scheduler is silent")??.context("the scheduler has ended")?;
    Ok(serde_json::from_str::<Announcement>(&line)?.addresses)
}
