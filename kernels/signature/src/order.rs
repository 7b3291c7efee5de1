//! In which order the tasks of a graph are checked.

use drawloom_model::{Input, Task, TaskGraph};

/// The places of the graph's tasks, each after the tasks whose outputs it takes. A task of a
/// cycle is in no such order and left out; `drawloom_model::validate` refuses its graph.
pub(crate) fn order(graph: &TaskGraph) -> Vec<u32> {
    let count = graph.tasks.len() as u32;
    if !refers_forward(graph) {
        return (0..count).collect();
    }
    let mut waits = vec![0u32; graph.tasks.len()];
    let mut takers = vec![Vec::new(); graph.tasks.len()];
    for (place, task) in (0..count).zip(&graph.tasks) {
        for maker in makers(graph, task) {
            takers[maker as usize].push(place);
            waits[place as usize] += 1;
        }
    }
    let mut ordered: Vec<u32> = (0..count).filter(|place| waits[*place as usize] == 0).collect();
    let mut next = 0;
    while let Some(&place) = ordered.get(next) {
        next += 1;
        for &taker in &takers[place as usize] {
            waits[taker as usize] -= 1;
            if waits[taker as usize] == 0 {
                ordered.push(taker);
            }
        }
    }
    ordered
}

fn refers_forward(graph: &TaskGraph) -> bool {
    let mut tasks = (0u32..).zip(&graph.tasks);
    tasks.any(|(place, task)| makers(graph, task).any(|maker| maker >= place))
}

/// The places of this graph's tasks whose outputs `task` takes.
fn makers<'a>(graph: &'a TaskGraph, task: &'a Task) -> impl Iterator<Item = u32> + 'a {
    task.inputs.iter().filter_map(|input| match input {
        Input::Task { task, .. } => {
            let place = task.checked_sub(graph.first_task)?;
            ((place as usize) < graph.tasks.len()).then_some(place)
        }
        Input::Literal(_) | Input::External(_) => None,
    })
}
