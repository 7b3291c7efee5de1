//! WfFormat 1.5, the format of recorded workflows of WfCommons (Coleman et al., "WfCommons: A
//! framework for enabling scientific workflow research and development", FGCS 128, 2022).
//!
//! Times are of one core. Files that nobody makes lie at home from the beginning.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{Cost, File, Task, Workload, stem};
use crate::SimError;

#[derive(Deserialize)]
struct Instance {
    workflow: Workflow,
}

#[derive(Deserialize)]
struct Workflow {
    specification: Specification,
    execution: Execution,
}

#[derive(Deserialize)]
struct Specification {
    tasks: Vec<SpecifiedTask>,
    #[serde(default)]
    files: Vec<SpecifiedFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpecifiedTask {
    id: String,
    #[serde(default)]
    parents: Vec<String>,
    #[serde(default)]
    input_files: Vec<String>,
    #[serde(default)]
    output_files: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpecifiedFile {
    id: String,
    size_in_bytes: f64,
}

#[derive(Deserialize)]
struct Execution {
    tasks: Vec<ExecutedTask>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecutedTask {
    id: String,
    runtime_in_seconds: f64,
    core_count: Option<f64>,
}

pub(super) fn workload(path: &Path, value: &Value) -> Result<Workload, SimError> {
    let instance =
        Instance::deserialize(value).map_err(|e| SimError::bad(path, "workflow", e.to_string()))?;
    let Workflow { specification, execution } = instance.workflow;
    let mut files = Vec::with_capacity(specification.files.len());
    let mut file_of = BTreeMap::new();
    for (index, file) in specification.files.iter().enumerate() {
        if !file.size_in_bytes.is_finite() || file.size_in_bytes < 0.0 {
            let field = format!("workflow.specification.files[{index}].sizeInBytes");
            return Err(SimError::bad(path, field, format!("a size of {}", file.size_in_bytes)));
        }
        file_of.insert(&*file.id, index as u32);
        files.push(File { bytes: file.size_in_bytes, maker: None });
    }
    let task_of: BTreeMap<&str, u32> =
        (0..).zip(&specification.tasks).map(|(index, task)| (&*task.id, index)).collect();
    let seconds = run_times(path, &execution.tasks)?;
    let mut tasks = Vec::with_capacity(specification.tasks.len());
    for (index, task) in specification.tasks.iter().enumerate() {
        let field = |what: &str| format!("workflow.specification.tasks[{index}].{what}");
        let seconds = seconds.get(&*task.id).ok_or_else(|| {
            let message = format!("{:?} has no entry in workflow.execution.tasks", task.id);
            SimError::bad(path, field("id"), message)
        })?;
        let find = |id: &String, what: &str| {
            let found = file_of.get(&**id).copied();
            found
                .ok_or_else(|| SimError::bad(path, field(what), format!("there is no file {id:?}")))
        };
        for id in &task.output_files {
            let file = find(id, "outputFiles")?;
            files[file as usize].maker = Some(index as u32);
        }
        let inputs = task.input_files.iter().map(|id| find(id, "inputFiles"));
        let after = task.parents.iter().map(|id| {
            let found = task_of.get(&**id).copied();
            found.ok_or_else(|| {
                SimError::bad(path, field("parents"), format!("there is no task {id:?}"))
            })
        });
        tasks.push(Task {
            name: task.id.clone(),
            cost: Cost::OnCore(*seconds),
            inputs: inputs.collect::<Result<_, _>>()?,
            after: after.collect::<Result<_, _>>()?,
        });
    }
    Ok(Workload { name: stem(path), tasks, files, platform: None, optimum: None })
}

fn run_times<'a>(
    path: &Path,
    tasks: &'a [ExecutedTask],
) -> Result<BTreeMap<&'a str, f64>, SimError> {
    let mut seconds = BTreeMap::new();
    for (index, task) in tasks.iter().enumerate() {
        let field = |what: &str| format!("workflow.execution.tasks[{index}].{what}");
        let time = task.runtime_in_seconds;
        if !time.is_finite() || time < 0.0 {
            let message = format!("a run time of {time}");
            return Err(SimError::bad(path, field("runtimeInSeconds"), message));
        }
        if task.core_count.is_some_and(|cores| cores > 1.0) {
            let message = "tasks that take several cores are not planned yet";
            return Err(SimError::bad(path, field("coreCount"), message));
        }
        seconds.insert(&*task.id, time);
    }
    Ok(seconds)
}
