//! The checks that the scheduler makes too, with their errors mapped to the tasks' lines.

use drawloom_model::{GraphError, TaskGraph, validate};
use drawloom_signature::{CheckError, ValueType, check_graph};

use super::Builder;

/// What is wrong with the graph as a whole, and which task is at fault where one is.
pub(crate) struct GraphFault {
    pub task: Option<usize>,
    /// The task's field where one is at fault, and what is wrong there.
    pub field: Option<(String, String)>,
    /// Which gang is at fault where one is, and its field.
    pub gang: Option<(usize, String)>,
    pub message: String,
}

impl Builder {
    /// Checks the structure of the graph, and every kernel call's types and shapes.
    pub fn check(&self) -> Result<(), GraphFault> {
        let graph = &self.graph;
        validate(graph, &self.limits, |_| None).map_err(|error| GraphFault {
            task: structural(graph, &error),
            field: field(&error),
            gang: gang(&error),
            message: error.to_string(),
        })?;
        // Every external is a data file.
        let checked = check_graph(graph, &|_, _| ValueType::Unknown, &|_| ValueType::Blob);
        checked.map(|_| ()).map_err(|error| {
            let (CheckError::Call { task, .. }
            | CheckError::UnknownKernel { task, .. }
            | CheckError::OutputCount { task, .. }
            | CheckError::ProcessInputs { task, .. }
            | CheckError::Cuda { task, .. }
            | CheckError::VariantsDiffer { task, .. }) = &error;
            let task = position(graph, task);
            GraphFault { task, field: None, gang: None, message: error.to_string() }
        })
    }
}

fn structural(graph: &TaskGraph, error: &GraphError) -> Option<usize> {
    match error {
        GraphError::DuplicateName { what, .. }
        | GraphError::NameTooLong { what, .. }
        | GraphError::UnknownReference { what, .. }
        | GraphError::UnknownOutput { what, .. }
        | GraphError::BadActor { task: what, .. } => position(graph, what),
        GraphError::UnknownTemplate { task, .. } | GraphError::TooManyTaskEdges { task, .. } => {
            position(graph, task)
        }
        GraphError::Cycle { cycle } => position(graph, cycle.first()?),
        GraphError::BadTemplate { template, .. } => {
            graph.tasks.iter().position(|task| task.template as usize == *template)
        }
        GraphError::TooManyTasks { .. }
        | GraphError::TooManyEdges { .. }
        | GraphError::TooManyOutputs { .. }
        | GraphError::BadLiteral { .. }
        | GraphError::BadGang { .. } => None,
    }
}

fn field(error: &GraphError) -> Option<(String, String)> {
    let GraphError::BadTemplate { field, message, .. } = error else { return None };
    Some((field.clone(), message.clone()))
}

fn gang(error: &GraphError) -> Option<(usize, String)> {
    let GraphError::BadGang { index, field, .. } = error else { return None };
    Some((*index, field.clone()))
}

/// The task that a description such as `task "a", input 0` or `task 3` begins with.
fn position(graph: &TaskGraph, description: &str) -> Option<usize> {
    let rest = description.strip_prefix("task ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    if let Ok(index) = digits.parse() {
        return Some(index);
    }
    let named = |name: &str| rest.starts_with(&format!("{name:?}"));
    graph.tasks.iter().position(|task| task.name.as_deref().is_some_and(named))
}
