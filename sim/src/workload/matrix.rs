//! Small graphs with a processing time for each task on each processor, where data costs time
//! between any two processors: `{"id", "w": [[..]], "edges": [[from, to, cost]], "opt"}`, one or a
//! list, or text-book graphs with `"tasks": [{"id", "cost"}]` and `"edges": [{"src", "dst", "comm"}]`.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{Cost, File, Task, Workload, stem};
use crate::SimError;
use crate::platform::Platform;

#[derive(Deserialize)]
struct Matrix {
    id: String,
    w: Vec<Vec<f64>>,
    edges: Vec<(u32, u32, f64)>,
    opt: Option<f64>,
}

#[derive(Deserialize)]
struct TextBook {
    processors: Vec<String>,
    tasks: Vec<TextBookTask>,
    edges: Vec<TextBookEdge>,
    expected: Option<Value>,
}

#[derive(Deserialize)]
struct TextBookTask {
    id: u32,
    cost: Vec<f64>,
}

#[derive(Deserialize)]
struct TextBookEdge {
    src: u32,
    dst: u32,
    comm: f64,
}

pub(super) fn workloads(path: &Path, value: &Value) -> Result<Vec<Workload>, SimError> {
    if let Value::Array(items) = value {
        let items = items.iter().enumerate();
        return items.map(|(index, item)| one(path, item, format!("[{index}]"))).collect();
    }
    if value.get("processors").is_some() {
        return text_book(path, value).map(|workload| vec![workload]);
    }
    one(path, value, String::new()).map(|workload| vec![workload])
}

fn one(path: &Path, value: &Value, field: String) -> Result<Workload, SimError> {
    let matrix =
        Matrix::deserialize(value).map_err(|e| SimError::bad(path, &*field, e.to_string()))?;
    let processors = matrix.w.first().map_or(0, Vec::len);
    if let Some(task) = matrix.w.iter().position(|row| row.len() != processors) {
        let message = format!("{} times where others have {processors}", matrix.w[task].len());
        return Err(SimError::bad(path, inside(&field, &format!("w[{task}]")), message));
    }
    check_times(path, &matrix.w, |task, kind| inside(&field, &format!("w[{task}][{kind}]")))?;
    let name = format!("{}/{}", stem(path), matrix.id);
    let mut workload = graph(path, &field, name, matrix.w, processors, &matrix.edges)?;
    workload.optimum = matrix.opt;
    Ok(workload)
}

fn text_book(path: &Path, value: &Value) -> Result<Workload, SimError> {
    let book = TextBook::deserialize(value).map_err(|e| SimError::bad(path, "", e.to_string()))?;
    let number = |id: u32, field: String| {
        let found = book.tasks.iter().position(|task| task.id == id);
        found
            .map(|index| index as u32)
            .ok_or_else(|| SimError::bad(path, field, format!("there is no task {id}")))
    };
    let mut edges = Vec::with_capacity(book.edges.len());
    for (index, edge) in book.edges.iter().enumerate() {
        let from = number(edge.src, format!("edges[{index}].src"))?;
        let to = number(edge.dst, format!("edges[{index}].dst"))?;
        edges.push((from, to, edge.comm));
    }
    let times: Vec<Vec<f64>> = book.tasks.iter().map(|task| task.cost.clone()).collect();
    check_times(path, &times, |task, kind| format!("tasks[{task}].cost[{kind}]"))?;
    let mut workload = graph(path, "", stem(path), times, book.processors.len(), &edges)?;
    let optimum = |expected: Value| expected.get("OPTIMAL")?.get("makespan")?.as_f64();
    workload.optimum = book.expected.and_then(optimum);
    Ok(workload)
}

fn graph(
    path: &Path,
    field: &str,
    name: String,
    times: Vec<Vec<f64>>,
    processors: usize,
    edges: &[(u32, u32, f64)],
) -> Result<Workload, SimError> {
    let count = times.len() as u32;
    let tasks = times.into_iter().enumerate().map(|(index, times)| Task {
        name: format!("t{index}"),
        cost: Cost::ByKind(times),
        inputs: Vec::new(),
        after: Vec::new(),
    });
    let mut tasks: Vec<Task> = tasks.collect();
    let mut files = Vec::with_capacity(edges.len());
    for (index, (from, to, cost)) in edges.iter().enumerate() {
        let field = || inside(field, &format!("edges[{index}]"));
        if *from >= count || *to >= count {
            let message = format!("from {from} to {to}, and there are {count} tasks");
            return Err(SimError::bad(path, field(), message));
        }
        if !cost.is_finite() || *cost < 0.0 {
            return Err(SimError::bad(path, field(), format!("a cost of {cost}")));
        }
        tasks[*to as usize].inputs.push(files.len() as u32);
        files.push(File { bytes: *cost, maker: Some(*from) });
    }
    let platform = Some(Platform::of_unlike_processors(processors));
    Ok(Workload { name, tasks, files, platform, optimum: None })
}

/// Whether all times are numbers that are not negative; how large numbers may be that are read depends
/// on the reader.
fn check_times(
    path: &Path,
    times: &[Vec<f64>],
    field: impl Fn(usize, usize) -> String,
) -> Result<(), SimError> {
    for (task, row) in times.iter().enumerate() {
        if let Some(kind) = row.iter().position(|time| !time.is_finite() || *time < 0.0) {
            return Err(SimError::bad(path, field(task, kind), format!("a time of {}", row[kind])));
        }
    }
    Ok(())
}

/// A field of what another names.
fn inside(outer: &str, field: &str) -> String {
    if outer.is_empty() { field.to_owned() } else { format!("{outer}.{field}") }
}
