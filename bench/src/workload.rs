//! Graphs of tasks that do nothing: what is left is what the system itself takes.

use drawloom_client::{GraphBuilder, TaskHandle, TemplateHandle};
use drawloom_model::{Attributes, LabelOperator, LabelRequirement, TaskGraph, Template, Variant};

fn graph(name: &str) -> (GraphBuilder, TemplateHandle) {
    let mut graph = GraphBuilder::new(name);
    let noop = graph.template(Template::new(Variant::kernel("noop", Attributes::new()), 0));
    (graph, noop)
}

/// Independent tasks.
pub fn noops(tasks: u32) -> TaskGraph {
    let (mut graph, noop) = graph("noops");
    for _ in 0..tasks {
        graph.add(noop, [], []);
    }
    graph.build()
}

/// Tasks that follow each other.
pub fn chain(tasks: u32) -> TaskGraph {
    let (mut graph, noop) = graph("chain");
    let mut last = None;
    for _ in 0..tasks {
        last = Some(graph.add(noop, [], last));
    }
    graph.build()
}

/// A binary reduction of so many leaves: `2 * leaves - 1` tasks.
pub fn tree(leaves: u32) -> TaskGraph {
    let (mut graph, noop) = graph("tree");
    let mut level: Vec<TaskHandle> = (0..leaves).map(|_| graph.add(noop, [], [])).collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => graph.add(noop, [], [*left, *right]),
                odd => odd[0],
            })
            .collect();
    }
    graph.build()
}

/// Rounds of so many tasks side by side, each round behind one task that waits for all of the
/// round before.
pub fn forkjoin(rounds: u32, width: u32) -> TaskGraph {
    let (mut graph, noop) = graph("forkjoin");
    let mut join = None;
    for _ in 0..rounds {
        let forks: Vec<TaskHandle> = (0..width).map(|_| graph.add(noop, [], join)).collect();
        join = Some(graph.add(noop, [], forks));
    }
    graph.build()
}

/// A task that no executor takes, and so many that wait for it.
pub fn waiting(tasks: u32) -> TaskGraph {
    let (mut graph, noop) = graph("waiting");
    graph.options().wait_for_resources = true;
    let mut nowhere = Template::new(Variant::kernel("noop", Attributes::new()), 0);
    let operator = LabelOperator::In(vec!["nowhere".to_owned()]);
    nowhere.constraints.labels.push(LabelRequirement { key: "place".to_owned(), operator });
    let nowhere = graph.template(nowhere);
    let first = graph.add(nowhere, [], []);
    for _ in 0..tasks {
        graph.add(noop, [], [first]);
    }
    graph.build()
}

#[cfg(test)]
mod tests {
    use drawloom_model::{Limits, validate};

    use super::*;

    #[test]
    fn the_graphs_have_the_sizes_they_are_known_by() {
        let check = |graph: TaskGraph, tasks: usize| {
            assert_eq!(graph.tasks.len(), tasks);
            assert_eq!(validate(&graph, &Limits::default(), |_| None), Ok(()));
        };
        check(noops(10), 10);
        check(chain(1000), 1000);
        check(tree(10_000), 19_999);
        check(tree(5), 9);
        check(forkjoin(100, 100), 10_100);
        check(waiting(10), 11);
    }
}
