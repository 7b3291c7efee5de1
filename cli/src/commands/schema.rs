//! `drawloom schema`: the JSON Schema of graph files.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

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
    pub fn run(self) -> Result<ExitCode> {
        output::line(&serde_json::to_string_pretty(&drawloom_graphfile::schema())?)?;
        Ok(ExitCode::SUCCESS)
    }
}
