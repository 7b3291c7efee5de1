//! `drawloom kernels`: the catalogue, and what was measured of it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use drawloom_signature::{Arity, Signature, catalogue, find, suggest};
use serde_json::{Value, json};

use crate::args::Global;
use crate::error::BadInput;
use crate::{costs, output};

const EXAMPLES: &str = "\
Examples:
  drawloom kernels            every kernel in one line
  drawloom kernels matmul     one kernel with its inputs, outputs and attributes
  drawloom kernels --json
  drawloom kernels --costs matmul     how long a running scheduler has seen it take, where
  drawloom kernels --costs --state-dir ~/.local/state/drawloom     what a scheduler has kept there

A row of costs is what runs with the same request, on devices of one model, with inputs and outputs
of so many bytes together and up to twice as many. Processes and users' CUDA kernels are listed, too.";

/// Show the kernels that tasks can run, with their signatures
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Kernels {
    /// Only this kernel, in detail
    name: Option<String>,
    /// How long they were measured to take, by variant, device and size
    #[arg(long)]
    costs: bool,
    /// Show the costs that a scheduler has kept there, instead of a running one's
    #[arg(long, value_name = "DIR", requires = "costs")]
    state_dir: Option<PathBuf>,
}

impl Kernels {
    /// Prints the catalogue, or the costs.
    ///
    /// # Errors
    /// There is no such kernel; for costs, no such directory or no scheduler.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        if self.costs {
            costs::show(global, self.state_dir.as_deref(), self.name.as_deref()).await?;
            return Ok(ExitCode::SUCCESS);
        }
        let chosen: Vec<&Signature> = match &self.name {
            None => catalogue().iter().collect(),
            Some(name) => match find(name) {
                Some(signature) => vec![signature],
                None => bail!(BadInput(unknown(name))),
            },
        };
        for signature in chosen {
            if global.json {
                output::json(&to_json(signature))?;
            } else if self.name.is_some() {
                show(signature)?;
            } else {
                output::line(&signature.to_string())?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn unknown(name: &str) -> String {
    let meant = suggest(name).map(|near| format!("; did you mean {near:?}?"));
    format!("there is no kernel {name:?}{}", meant.unwrap_or_default())
}

fn show(signature: &Signature) -> Result<()> {
    output::line(&signature.to_string())?;
    output::line(&format!("  {}", signature.summary))?;
    for input in signature.inputs {
        output::line(&format!("  input {}: {}; {}", input.name, input.kind, input.doc))?;
    }
    for made in signature.outputs {
        output::line(&format!("  output {}: {}", made.name, made.doc))?;
    }
    for attribute in signature.attributes {
        output::line(&format!("  attribute {attribute}: {}", attribute.doc))?;
    }
    Ok(())
}

fn to_json(signature: &Signature) -> Value {
    let inputs: Vec<Value> = signature
        .inputs
        .iter()
        .map(|input| {
            let several = matches!(input.arity, Arity::Many { .. });
            json!({
                "name": input.name, "kind": input.kind.to_string(), "several": several,
                "doc": input.doc,
            })
        })
        .collect();
    let outputs: Vec<Value> =
        signature.outputs.iter().map(|out| json!({ "name": out.name, "doc": out.doc })).collect();
    let attributes: Vec<Value> = signature
        .attributes
        .iter()
        .map(|spec| json!({ "name": spec.name, "spec": spec.to_string(), "doc": spec.doc }))
        .collect();
    json!({
        "name": signature.name, "summary": signature.summary, "signature": signature.to_string(),
        "inputs": inputs, "outputs": outputs, "attributes": attributes,
    })
}
