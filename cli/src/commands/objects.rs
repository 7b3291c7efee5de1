//! `drawloom objects`: a list.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use drawloom_client::{ListedObject, ObjectRef};
use drawloom_model::JobId;
use serde_json::json;

use super::{collect, connect};
use crate::args::Global;
use crate::object_name::show_object;
use crate::output::note;
use crate::{output, text};

const EXAMPLES: &str = "\
Examples:
  drawloom objects
  drawloom objects job-00000000000000000000000000000001
  drawloom objects --limit 0 --json | jq 'select(.size_bytes > 1000000)'";

/// List the objects that were put and those that executors hold
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Objects {
    /// Only this job's
    job: Option<JobId>,
    /// The most objects listed; 0 for all
    #[arg(long, default_value_t = 200)]
    limit: usize,
}

impl Objects {
    /// Asks and prints.
    ///
    /// # Errors
    /// There is no such job, or no scheduler.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let client = connect(global).await?;
        let (objects, more) = collect(self.limit, |page| client.objects(self.job, page)).await?;
        if global.json {
            for object in &objects {
                output::json(&to_json(object))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<[String; 5]> = objects.iter().map(row).collect();
        output::table(["OBJECT", "TYPE", "SIZE", "USES", "WHERE"], &rows)?;
        if more {
            note!("there are more; see --limit");
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn name(object: &ListedObject) -> String {
    match (&object.object, &object.output) {
        (Some(ObjectRef::Task { job, .. }), Some(output)) => format!("{job}:{output}"),
        (Some(object), _) => show_object(object),
        (None, Some(output)) => output.clone(),
        (None, None) => "a literal".to_owned(),
    }
}

fn row(object: &ListedObject) -> [String; 5] {
    let view = &object.view;
    let released = if object.released { " (released)" } else { "" };
    [
        format!("{}{released}", name(object)),
        view.object_type.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        text::bytes(view.size_bytes),
        object.references.to_string(),
        places(object).join(", "),
    ]
}

/// Where it is: executors, or the scheduler.
fn places(object: &ListedObject) -> Vec<String> {
    let executors = object.view.executors.iter().map(|executor| {
        let spilled = object.view.spilled.contains(executor);
        if spilled { format!("{executor} (on disk)") } else { executor.to_string() }
    });
    let places: Vec<String> = executors.collect();
    if places.is_empty() { vec!["scheduler".to_owned()] } else { places }
}

fn to_json(object: &ListedObject) -> serde_json::Value {
    let view = &object.view;
    let executors: Vec<u32> = view.executors.iter().map(|executor| executor.0).collect();
    let spilled: Vec<u32> = view.spilled.iter().map(|executor| executor.0).collect();
    json!({
        "object": name(object), "put": matches!(object.object, Some(ObjectRef::Put(_))),
        "type": view.object_type.as_ref().map(ToString::to_string),
        "size_bytes": view.size_bytes, "references": object.references,
        "released": object.released, "executors": executors, "spilled": spilled,
    })
}
