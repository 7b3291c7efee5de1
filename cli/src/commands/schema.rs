//! `drawloom schema`: the JSON Schema of graph files.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::args::Global;
use crate::output;

const EXAMPLES: &str = "\
Example:
  drawloom schema > graph.schema.json     for editors that check TOML, YAML and JSON";

/// Print the JSON Schema of plain graph files (.toml, .yaml, .json)
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SchemaCommand {}

impl SchemaCommand {
    /// Prints the schema.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn run(self, global: &Global) -> Result<ExitCode> {
        let schema = drawloom_graphfile::schema();
        if global.json {
            output::json(&schema)?;
        } else {
            output::line(&serde_json::to_string_pretty(&schema)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
