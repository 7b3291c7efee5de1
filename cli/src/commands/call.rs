//! `drawloom call`: one call, straight to an actor.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use clap::Args;
use drawloom_client::{ActorName, TaskRef};
use drawloom_model::DType;

use super::connect;
use crate::args::Global;
use crate::argument::{Argument, actor_name, argument, constant, dtype};
use crate::error::BadInput;
use crate::{output, value};

const EXAMPLES: &str = "\
Examples:
  drawloom call tally add 2                    an actor by its name in the cluster
  drawloom call job-00000000000000000000000000000001/counter get
  drawloom call tally add -c by=2              a constant beside the arguments
  drawloom call tally set '[[1, 2], [3, 4]]'   a tensor of 2 by 2
  drawloom call server apply '[0.5, -1]' --dtype f32    a gradient for parameters of f32
  drawloom call tally --stop                   let it serve the calls that it has, and end

Arguments are JSON: a number becomes a scalar, (nested) lists of numbers a tensor, a text a blob.
Whole numbers are i64, others f64, unless --dtype says what they are.";

/// Call a method of an actor and print what it gives, or let the actor end
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Call {
    /// The actor: its name in the cluster, or JOB/TASK with the task's name or number
    #[arg(value_parser = actor_name)]
    actor: ActorName,
    /// The method
    #[arg(required_unless_present = "stop")]
    method: Option<String>,
    /// The arguments, as JSON
    #[arg(allow_negative_numbers = true, value_parser = argument)]
    arguments: Vec<Argument>,
    /// The element type of the arguments' numbers: u8, i32, i64, f16, bf16, f32 or f64
    #[arg(long, value_name = "TYPE", value_parser = dtype)]
    dtype: Option<DType>,
    /// A constant beside the arguments, its value as JSON
    #[arg(short, long = "constant", value_name = "NAME=VALUE", value_parser = constant)]
    constants: Vec<(String, drawloom_model::Attribute)>,
    /// How long the call may take, the wait for an actor that is not placed included, in seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,
    /// Let the actor end instead of calling it
    #[arg(long, conflicts_with_all = ["method", "timeout", "constants", "dtype"])]
    stop: bool,
}

impl Call {
    /// Finds the actor, calls it, and prints.
    ///
    /// # Errors
    /// There is no such actor, or the call failed.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let values = self.arguments.into_iter().map(|argument| argument.value(self.dtype));
        let values = values.collect::<Result<Vec<_>, _>>().map_err(BadInput)?;
        let client = connect(global).await?;
        let Some(method) = self.method.filter(|_| !self.stop) else {
            client.stop_actor(self.actor).await?;
            return Ok(ExitCode::SUCCESS);
        };
        let limit = self.timeout.map(|seconds| {
            Duration::try_from_secs_f64(seconds)
                .map_err(|error| BadInput(format!("--timeout {seconds}: {error}")))
        });
        let limit = limit.transpose()?;
        let begun = Instant::now();
        // One that has ended is refused, one that is about to live is waited for.
        let found = client.actor(self.actor);
        let actor = match limit {
            Some(limit) => tokio::time::timeout(limit, found).await.map_err(|_| {
                anyhow!(
                    "no answer within {limit:?}: the actor has no place yet, see `drawloom actors`"
                )
            })??,
            None => found.await?,
        };
        let mut call = actor.call(method).args(values);
        for (name, constant) in self.constants {
            call = call.attribute(name, constant);
        }
        if let Some(limit) = limit {
            call = call.timeout(limit.saturating_sub(begun.elapsed()));
        }
        let results = call.await?;
        for result in results {
            if global.json {
                output::json(&value::to_json(&result))?;
            } else {
                output::line(&value::describe(&result))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A task by its number or name.
pub(crate) fn task_ref(text: &str) -> TaskRef {
    text.parse().map_or_else(|_| TaskRef::Name(text.to_owned()), TaskRef::Index)
}
