//! A scheduler and an executor as processes of their own.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use drawloom_client::Client;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::record::Transport;

/// How long the processes may take to be ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two processes, killed when this is dropped.
pub(crate) struct Remote {
    scheduler: Child,
    executor: Child,
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
    /// Starts both and waits until the executor has joined. It and the clients reach the scheduler
    /// by the transport.
    pub(crate) async fn start(executable: &Path, transport: Transport) -> Result<Self> {
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
        let executor = command(executable)
            .args(["executor", "--scheduler", &endpoint])
            .stdout(Stdio::null())
            .spawn()
            .context("the executor cannot be started")?;
        let remote = Remote { scheduler, executor, endpoint, _directory: directory };
        tokio::time::timeout(PATIENCE, remote.joined())
            .await
            .context("no executor has joined")??;
        Ok(remote)
    }

    /// A client.
    pub(crate) async fn client(&self) -> Result<Client> {
        Ok(Client::connect(&self.endpoint).await?)
    }

    /// The processes' ids.
    pub(crate) fn pids(&self) -> [Option<u32>; 2] {
        [self.scheduler.id(), self.executor.id()]
    }

    async fn joined(&self) -> Result<()> {
        let client = self.client().await?;
        while client.cluster().await?.executors.is_empty() {
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
