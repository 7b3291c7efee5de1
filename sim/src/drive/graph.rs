//! A case as a task graph and executors that can run it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use drawloom_model::{
    Attributes, Capacity, ExecutorInfo, Input, MILLI, Task, TaskGraph, Template, Variant,
};

use super::span;
use drawloom_plan::Problem;

use crate::Case;

/// A case as the cores know it.
pub(super) struct Graph {
    pub graph: TaskGraph,
    /// By place: who runs there.
    pub executors: Vec<ExecutorInfo>,
    /// By place: the first of its processors.
    pub first_processor: Vec<u32>,
    /// By task: how long it runs.
    pub run_times: Vec<Duration>,
    /// By task: the sizes of what it makes, in bytes.
    pub outputs: Vec<Vec<u64>>,
}

/// Each place is an executor, and each kind of task of its own length a kernel: so the scheduler is
/// told the length of each, and can learn of none from others.
pub(super) fn graph(case: &Case, actual: &Problem) -> Result<Graph, String> {
    let problem = &case.problem;
    let mut outputs: Vec<Vec<u64>> = vec![Vec::new(); problem.len()];
    // By file: who makes it, as which of its outputs.
    let mut made: BTreeMap<u32, u16> = BTreeMap::new();
    for it in &case.moves {
        let outputs = &mut outputs[it.from as usize];
        if let Entry::Vacant(entry) = made.entry(it.file) {
            let index = u16::try_from(outputs.len())
                .map_err(|_| format!("task {} makes more than {} files", it.from, u16::MAX))?;
            entry.insert(index);
            outputs.push(it.bytes as u64);
        }
    }
    let mut inputs: Vec<Vec<Input>> = vec![Vec::new(); problem.len()];
    for it in &case.moves {
        let input = Input::Task { task: it.from, output: made[&it.file] };
        inputs[it.to as usize].push(input);
    }
    for inputs in &mut inputs {
        let mut seen = BTreeSet::new();
        inputs.retain(|input| seen.insert(*input));
    }
    let mut templates: BTreeMap<(u32, u64, usize), u32> = BTreeMap::new();
    let mut graph = TaskGraph { name: case.workload.clone(), ..TaskGraph::default() };
    let mut kernels: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut run_times = Vec::with_capacity(problem.len());
    for (task, inputs) in inputs.into_iter().enumerate() {
        let kinds = 0..problem.kinds();
        let kind = kinds.clone().find(|kind| problem.seconds_on_kind(task, *kind).is_finite());
        let kind = kind.unwrap_or_default();
        let seconds = problem.seconds_on_kind(task, kind);
        run_times.push(span(actual.seconds_on_kind(task, kind)));
        let key = (kind as u32, seconds.to_bits(), outputs[task].len());
        let template = *templates.entry(key).or_insert_with(|| {
            let name = format!("kernel-{}", graph.templates.len());
            let mut variant = Variant::kernel(name.clone(), Attributes::new());
            variant.cost_hint = Some(span(seconds));
            kernels.entry(kind as u32).or_default().push(name);
            graph.templates.push(Arc::new(Template::new(variant, outputs[task].len() as u16)));
            graph.templates.len() as u32 - 1
        });
        let makers = inputs.iter().filter_map(|input| match input {
            Input::Task { task, .. } => Some(*task),
            Input::Literal(_) | Input::External(_) => None,
        });
        let makers: BTreeSet<u32> = makers.collect();
        let before = problem.before(task).iter().map(|edge| edge.task);
        let after = before.filter(|before| !makers.contains(before)).collect();
        graph.tasks.push(Task { name: None, template, inputs, after });
    }
    kernels.values_mut().for_each(|names| names.sort());
    let (executors, first_processor) = executors(case, &kernels);
    Ok(Graph { graph, executors, first_processor, run_times, outputs })
}

fn executors(case: &Case, kernels: &BTreeMap<u32, Vec<String>>) -> (Vec<ExecutorInfo>, Vec<u32>) {
    let places = case.problem.places();
    let mut cores = vec![0u64; places];
    let mut kinds = vec![0u32; places];
    let mut first = vec![u32::MAX; places];
    for (index, processor) in (0u32..).zip(case.problem.processors()) {
        let place = processor.place as usize;
        cores[place] += 1;
        kinds[place] = processor.kind;
        first[place] = first[place].min(index);
    }
    let info = |place: usize| ExecutorInfo {
        name: format!("place-{place}"),
        address: place.to_string(),
        capacity: Capacity { cpu_milli: cores[place] * MILLI, ..Capacity::default() },
        kernels: kernels.get(&kinds[place]).cloned().unwrap_or_default(),
        ..ExecutorInfo::default()
    };
    ((0..places).map(info).collect(), first)
}
