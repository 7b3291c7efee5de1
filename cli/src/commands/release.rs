//! `drawloom release`: put objects go.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use drawloom_model::ObjectId;
use serde_json::json;

use super::connect;
use crate::args::Global;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  drawloom release obj-00000000000000000000000000000001
  drawloom objects --json | jq -r 'select(.put) | .object' | xargs drawloom release";

/// Say that put objects are needed no longer; tasks that take them still may
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Release {
    /// The objects' ids
    #[arg(required = true)]
    objects: Vec<ObjectId>,
}

impl Release {
    /// Releases one after another.
    ///
    /// # Errors
    /// There is no such object, or it was released before.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let client = connect(global).await?;
        for object in self.objects {
            client.release(object).await.with_context(|| object.to_string())?;
            if global.json {
                output::json(&json!({ "object": object.to_string(), "released": true }))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
