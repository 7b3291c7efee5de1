//! What a job did when and where: as a trace for trace viewers, or as a picture.
//!
//! [`Timeline::collect`] asks the scheduler, [`Plan::new`] lays attempts out in lanes, [`chrome`]
//! and [`svg`] write what that gives.

mod chrome;
mod collect;
mod critical;
mod lanes;
mod palette;
mod strip;
mod svg;
mod xml;

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use drawloom_client::{Client, JobView, TaskState};
use drawloom_model::{ExecutorId, JobId, Time};

use crate::error::BadInput;
use lanes::Plan;

/// How a timeline is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// Trace events for Perfetto and Chrome's chrome://tracing
    Chrome,
    /// A picture
    Svg,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Chrome => "chrome",
            Format::Svg => "svg",
        })
    }
}

/// A file to write a timeline to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Destination {
    path: PathBuf,
    format: Format,
}

impl Destination {
    /// The format is told by the file's ending unless it is given.
    ///
    /// # Errors
    /// Neither tells it.
    pub fn new(path: &Path, format: Option<Format>) -> Result<Self> {
        let ending = path.extension().and_then(|ending| ending.to_str());
        let told = match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("json") => Some(Format::Chrome),
            Some("svg") => Some(Format::Svg),
            _ => None,
        };
        let Some(format) = format.or(told) else {
            bail!(BadInput(format!(
                "{} does not tell the format; let it end in .svg or .json, or give --format",
                path.display()
            )))
        };
        Ok(Destination { path: path.to_owned(), format })
    }

    /// Writes the timeline of a job, so far where it still runs; answers how many attempts it
    /// shows.
    ///
    /// # Errors
    /// There is no such job, or the file cannot be written.
    pub async fn write(&self, client: &Client, job: JobId) -> Result<usize> {
        let timeline = Timeline::collect(client, job).await?;
        let what = || format!("{} cannot be written", self.path.display());
        let file = std::fs::File::create(&self.path).with_context(what)?;
        let mut out = BufWriter::new(file);
        timeline.write(self.format, &mut out).and_then(|()| out.flush()).with_context(what)?;
        Ok(timeline.attempts.len())
    }

    /// Where it goes.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The attempts of one job. Moments count from the job's submission.
#[derive(Clone, PartialEq, Debug)]
pub struct Timeline {
    job: JobView,
    /// The job's end, or the moment of asking.
    until: Time,
    /// What attempts run: names of kernels and executables.
    runs: Vec<String>,
    executors: Vec<Executor>,
    attempts: Vec<Attempt>,
    /// The critical path, as indexes of `attempts`, the first task's first.
    critical: Vec<usize>,
}

/// An executor that had attempts of the job, or could have had.
#[derive(Clone, PartialEq, Debug)]
struct Executor {
    id: ExecutorId,
    name: String,
    /// Its cores; 0 where it has left.
    cores: f64,
}

/// One run of a task.
#[derive(Clone, PartialEq, Debug)]
struct Attempt {
    task: u32,
    number: u32,
    name: Option<String>,
    /// What it runs, as an index of [`Timeline::runs`].
    run: usize,
    executor: ExecutorId,
    variant: Option<u8>,
    cpu_milli: u64,
    is_actor: bool,
    placed: Time,
    /// When it was placed and everything that it needs was there.
    runnable: Time,
    start: Time,
    end: Time,
    outcome: Outcome,
    failure: Option<String>,
}

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Succeeded,
    Failed,
    Cancelled,
    /// It has not ended.
    Running,
}

impl Outcome {
    fn of(state: TaskState) -> Self {
        match state {
            TaskState::Succeeded => Outcome::Succeeded,
            TaskState::Failed => Outcome::Failed,
            TaskState::Cancelled => Outcome::Cancelled,
            _ => Outcome::Running,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::Cancelled => "cancelled",
            Outcome::Running => "running",
        }
    }
}

impl Attempt {
    fn run_time(&self) -> Duration {
        self.end - self.start
    }

    /// How long it could have run and did not.
    fn queue_delay(&self) -> Duration {
        self.start - self.runnable
    }

    fn title(&self, runs: &[String]) -> String {
        let run = &runs[self.run];
        match &self.name {
            Some(name) => format!("{name} ({run})"),
            None => format!("{run} {}", self.task),
        }
    }
}

impl Timeline {
    /// Writes it.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn write(&self, format: Format, out: &mut impl Write) -> io::Result<()> {
        let plan = Plan::new(self);
        match format {
            Format::Chrome => chrome::write(self, &plan, out),
            Format::Svg => out.write_all(svg::draw(self, &plan).as_bytes()),
        }
    }

    /// Core time that an executor's attempts held, as a share of what it offered.
    fn busy(&self, executor: &Executor) -> Option<f64> {
        let offered = executor.cores * self.until.as_secs_f64();
        let on_it = self.attempts.iter().filter(|attempt| attempt.executor == executor.id);
        let held = on_it
            .map(|attempt| attempt.run_time().as_secs_f64() * attempt.cpu_milli as f64 / 1000.0);
        (offered > 0.0).then(|| (held.sum::<f64>() / offered).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_tells_the_format_unless_it_is_given() {
        let format = |path: &str, given| {
            Destination::new(Path::new(path), given).map(|destination| destination.format)
        };
        assert_eq!(format("a.svg", None).expect("told"), Format::Svg);
        assert_eq!(format("a.JSON", None).expect("told"), Format::Chrome);
        assert_eq!(format("a", Some(Format::Svg)).expect("given"), Format::Svg);
        assert_eq!(format("a.svg", Some(Format::Chrome)).expect("given"), Format::Chrome);
        let error = format("a.png", None).expect_err("neither").to_string();
        assert!(error.contains("a.png") && error.contains("--format"), "{error}");
    }
}
