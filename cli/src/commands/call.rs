//! `drawloom call`: one call, straight to an actor.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::Args;
use drawloom_client::{ActorName, TaskRef};

use super::connect;
use crate::args::Global;
use crate::argument::{actor_name, argument, constant};
use crate::error::BadInput;
use crate::{output, value};

const EXAMPLES: &str = "\
Examples:
  drawloom call tally add 2                    an actor by its name in the cluster
  drawloom call job-00000000000000000000000000000001/counter get
  drawloom call tally add -c by=2              a constant beside the arguments
  drawloom call tally set '[[1, 2], [3, 4]]'   a tensor of 2 by 2
  drawloom call tally --stop                   let it serve the calls that it has, and end

Arguments are JSON: a whole number becomes an i64 scalar, another number an f64 scalar, a text a
blob, (nested) lists of numbers a tensor.";

/// How much later than the actor's side this one takes a call for late, so that it can say why.
const SLACK: Duration = Duration::from_millis(100);

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
    arguments: Vec<drawloom_model::Value>,
    /// A constant beside the arguments, its value as JSON
    #[arg(short, long = "constant", value_name = "NAME=VALUE", value_parser = constant)]
    constants: Vec<(String, drawloom_model::Attribute)>,
    /// How long the call may take, the wait for an actor that is not placed included, in seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<f64>,
    /// Let the actor end instead of calling it
    #[arg(long, conflicts_with_all = ["method", "timeout", "constants"])]
    stop: bool,
}

impl Call {
    /// Finds the actor, calls it, and prints.
    ///
    /// # Errors
    /// There is no such actor, or the call failed.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
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
        let answer = async {
            // One that has ended is refused, one that is about to live is waited for.
            let actor = client.actor(self.actor).await?;
            let mut call = actor.call(method).args(self.arguments);
            for (name, constant) in self.constants {
                call = call.attribute(name, constant);
            }
            if let Some(limit) = limit {
                call = call.timeout(limit);
            }
            anyhow::Ok(call.await?)
        };
        let results = match limit {
            Some(limit) => tokio::time::timeout(limit + SLACK, answer).await.map_err(|_| {
                anyhow!(
                    "no answer within {limit:?}: the actor has no place yet, see `drawloom actors`"
                )
            })??,
            None => answer.await?,
        };
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
