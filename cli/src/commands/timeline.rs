//! `drawloom timeline`: what a job did when and where.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use drawloom_model::JobId;
use serde_json::json;

use super::connect;
use crate::args::Global;
use crate::output;
use crate::timeline::{Destination, Format};

const EXAMPLES: &str = "\
Examples:
  drawloom timeline job-00000000000000000000000000000001                a picture, JOB.svg
  drawloom timeline job-00000000000000000000000000000001 -o trace.json  for ui.perfetto.dev
  drawloom run examples/digits/digits.star --timeline digits.svg

Pictures are SVG, to be looked at in a browser: bars tell what they are when pointed at. Traces
open in https://ui.perfetto.dev and chrome://tracing. A job that still runs is shown so far.";

/// Draw what a job did when and where
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TimelineCommand {
    /// The job's id
    job: JobId,
    /// The file to write [default: JOB.svg or JOB.json]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What to write [default: what the file's ending says, otherwise a picture]
    #[arg(long, value_enum)]
    format: Option<Format>,
}

impl TimelineCommand {
    /// Asks and writes.
    ///
    /// # Errors
    /// There is no such job or no scheduler, or the file cannot be written.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let destination = match &self.output {
            Some(path) => Destination::new(path, self.format)?,
            None => {
                let format = self.format.unwrap_or(Format::Svg);
                let ending = if format == Format::Svg { "svg" } else { "json" };
                Destination::new(format!("{}.{ending}", self.job).as_ref(), Some(format))?
            }
        };
        let client = connect(global).await?;
        let attempts = destination.write(&client, self.job).await?;
        let path = destination.path().display();
        if global.json {
            let file = path.to_string();
            output::json(
                &json!({ "job": self.job.to_string(), "file": file, "attempts": attempts }),
            )?;
        } else {
            output::line(&path.to_string())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
