//! `drawloom release`: put objects go.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use drawloom_model::ObjectId;
use serde_json::json;

use super::connect;
use crate::args::Global;
use crate::output::{self, note};

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
    /// Releases one after another, also behind one that cannot be.
    ///
    /// # Errors
    /// There is no such object, or it was released before: told of the first when all were tried.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let client = connect(global).await?;
        let mut refused = None;
        for object in self.objects {
            let released = client.release(object).await.with_context(|| object.to_string());
            if global.json {
                let is_released = released.is_ok();
                output::json(&json!({ "object": object.to_string(), "released": is_released }))?;
            }
            if let Err(error) = released {
                match refused {
                    None => refused = Some(error),
                    Some(_) => note!("{error:#}"),
                }
            }
        }
        refused.map_or(Ok(ExitCode::SUCCESS), Err)
    }
}
