//! One file per command.

pub mod actors;
pub mod add;
pub mod bench;
pub mod call;
pub mod cancel;
pub mod completions;
pub mod executor;
pub mod get;
pub mod jobs;
pub mod kernels;
pub mod nodes;
pub mod objects;
pub mod put;
pub mod release;
pub mod run;
pub mod scheduler;
pub mod schema;
pub mod sim;
pub mod status;
pub mod submit;
pub mod tasks;
pub mod timeline;
pub mod top;
pub mod up;
pub mod watch;
pub mod why;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use drawloom_client::{Client, Page, PageRequest, Reconnect};

use crate::args::{Cli, Command, Global};

/// Does what was typed.
///
/// # Errors
/// What went wrong, for people; [`crate::error::report`] knows the exit code.
pub async fn run(cli: Cli) -> Result<ExitCode> {
    let global = cli.global;
    match cli.command {
        Command::Up(command) => command.run(&global).await,
        Command::Scheduler(command) => command.run(&global).await,
        Command::Executor(command) => command.run(&global).await,
        Command::Run(command) => command.run(&global).await,
        Command::Submit(command) => command.run(&global).await,
        Command::Add(command) => command.run(&global).await,
        Command::Watch(command) => command.run(&global).await,
        Command::Status(command) => command.run(&global).await,
        Command::Jobs(command) => command.run(&global).await,
        Command::Tasks(command) => command.run(&global).await,
        Command::Timeline(command) => command.run(&global).await,
        Command::Top(command) => command.run(&global).await,
        Command::Nodes(command) => command.run(&global).await,
        Command::Cancel(command) => command.run(&global).await,
        Command::Why(command) => command.run(&global).await,
        Command::Put(command) => command.run(&global).await,
        Command::Get(command) => command.run(&global).await,
        Command::Objects(command) => command.run(&global).await,
        Command::Release(command) => command.run(&global).await,
        Command::Actors(command) => command.run(&global).await,
        Command::Call(command) => command.run(&global).await,
        Command::Kernels(command) => command.run(&global).await,
        Command::Schema(command) => command.run(&global),
        Command::Sim(command) => command.run(&global),
        Command::Bench(command) => command.run(&global).await,
        Command::Completions(command) => command.run(),
    }
}

/// How long a scheduler that went away is waited for: somebody sits there and waits, too.
const PATIENCE: Duration = Duration::from_secs(5);

/// A client of the scheduler that was named.
///
/// # Errors
/// It cannot be reached.
pub async fn connect(global: &Global) -> Result<Client> {
    let reconnect = Reconnect { patience: PATIENCE, ..Reconnect::default() };
    Ok(Client::connect(global.endpoint()).await?.with_reconnect(reconnect))
}

/// The items of every page, up to a limit (0 for none), and whether there are more.
pub async fn collect<T, F, A>(limit: usize, mut ask: F) -> Result<(Vec<T>, bool)>
where
    F: FnMut(PageRequest) -> A,
    A: Future<Output = Result<Page<T>, drawloom_client::Error>>,
{
    const PAGE: u32 = 1000;
    let limit = if limit == 0 { usize::MAX } else { limit };
    let mut items = Vec::new();
    let mut token = None;
    loop {
        let page = ask(PageRequest { size: PAGE, token: token.take() }).await?;
        items.extend(page.items);
        if items.len() > limit || page.next.is_none() {
            let more = items.len() > limit || page.next.is_some();
            items.truncate(limit);
            return Ok((items, more));
        }
        token = page.next;
    }
}
