//! `drawloom get`: an object becomes a file.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use drawloom_client::ObjectRef;
use serde_json::json;

use super::connect;
use crate::args::Global;
use crate::error::BadInput;
use crate::object_name::{parse_object, show_object};
use crate::{output, value};

const EXAMPLES: &str = "\
Examples:
  drawloom get obj-00000000000000000000000000000001 -o weights.bin
  drawloom get job-00000000000000000000000000000001:sum --json
  drawloom get job-00000000000000000000000000000001/train-3/1 | xxd | head";

/// Get an object's bytes: a put object, or what a task made
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Get {
    /// obj-..., JOB:OUTPUT for a job's named output, JOB/TASK or JOB/TASK/NUMBER for a task's
    #[arg(value_parser = parse_object)]
    object: ObjectRef,
    /// Write to this file instead of the standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Get {
    /// Gets and writes.
    ///
    /// # Errors
    /// The object is not there, or cannot be written.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let object = connect(global).await?.get(self.object.clone()).await?;
        if let Some(file) = &self.output {
            let written = std::fs::write(file, &object.data);
            written.with_context(|| format!("cannot write {}", file.display()))?;
        }
        if global.json {
            let mut told = json!({
                "object": show_object(&self.object), "type": object.object_type.to_string(),
                "size_bytes": object.data.len(),
            });
            match &self.output {
                Some(file) => told["file"] = json!(file.display().to_string()),
                None => told["value"] = value::to_json(&object),
            }
            output::json(&told)?;
        } else if self.output.is_none() {
            let is_text = std::str::from_utf8(&object.data).is_ok();
            if !is_text && std::io::stdout().is_terminal() {
                bail!(BadInput("the object is no text; give -o FILE or a pipe".to_owned()));
            }
            output::bytes(&object.data)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
