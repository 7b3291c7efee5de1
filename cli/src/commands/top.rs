//! `drawloom top`: the cluster as it works.

use std::io::{IsTerminal as _, stdin, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use drawloom_client::{Client, Reconnect};
use tokio::time::{MissedTickBehavior, interval};

use super::connect;
use crate::args::Global;
use crate::interrupt::Interrupts;
use crate::output;
use crate::top::{Key, Look, Sample, Terminal, frame};

const EXAMPLES: &str = "\
Examples:
  drawloom top
  drawloom top --once | head
  drawloom top --json --interval 5 | jq .tasks_per_second

In a terminal the view is drawn anew at every interval; q or Ctrl-C ends it. Elsewhere it is
written once. With --json there is a line for every interval, until Ctrl-C.";

/// How wide it is where there is no terminal.
const PLAIN_WIDTH: usize = 100;

/// Watch executors, devices, queues and jobs as they work
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Top {
    /// Seconds between two looks, such as 0.5
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_interval)]
    interval: Duration,
    /// Look once
    #[arg(long)]
    once: bool,
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text:?} is no number of seconds"))?;
    let span = Duration::try_from_secs_f64(seconds);
    let long_enough = |span: &Duration| *span >= Duration::from_millis(50);
    span.ok().filter(long_enough).ok_or_else(|| format!("{text:?} is not at least 0.05 seconds"))
}

impl Top {
    /// Looks and shows.
    ///
    /// # Errors
    /// There is no scheduler, or nobody reads.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let client = connect(global).await?.with_reconnect(Reconnect::NEVER);
        let first = Sample::take(&client).await?;
        if global.json {
            self.write_lines(&client, first).await?;
        } else if self.once || !stdout().is_terminal() || !stdin().is_terminal() {
            let look = Look { width: PLAIN_WIDTH, height: None, styled: false };
            for line in frame(None, &first, look, None) {
                output::line(&line)?;
            }
        } else {
            self.show(&client, first).await?;
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn write_lines(&self, client: &Client, first: Sample) -> Result<()> {
        output::json(&first.to_json(None))?;
        if self.once {
            return Ok(());
        }
        let mut earlier = first;
        let mut interrupts = Interrupts::listen()?;
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.interval) => {}
                () = interrupts.next() => return Ok(()),
            }
            let later = Sample::take(client).await?;
            output::json(&later.to_json(Some(&earlier)))?;
            earlier = later;
        }
    }

    async fn show(&self, client: &Client, first: Sample) -> Result<()> {
        let mut interrupts = Interrupts::listen()?;
        let mut terminal = Terminal::enter()?;
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick comes at once; the first sample has been taken.
        ticks.tick().await;
        let (mut earlier, mut later) = (None, first);
        let mut remark: Option<String> = None;
        loop {
            let (width, height) = terminal.size();
            let look = Look { width, height: Some(height), styled: true };
            terminal.show(&frame(earlier.as_ref(), &later, look, remark.as_deref()))?;
            tokio::select! {
                _ = ticks.tick() => match Sample::take(client).await {
                    Ok(sample) => {
                        earlier = Some(std::mem::replace(&mut later, sample));
                        remark = None;
                    }
                    // The last that was seen stays: the scheduler may come back.
                    Err(error) => remark = Some(format!("{error:#}")),
                },
                key = terminal.next_key() => if key == Key::Quit { return Ok(()) },
                () = interrupts.next() => return Ok(()),
            }
        }
    }
}
