//! Checks of gangs: that each can be told from the others, and that its members can be ready
//! together.

use std::collections::{HashMap, HashSet};

use petgraph::algo::kosaraju_scc;
use petgraph::graphmap::DiGraphMap;

use super::{GraphError, Validator, predecessors};
use crate::{Demand, Gang, GangStrategy, Shared};

impl<F: Fn(u32) -> Option<u16>> Validator<'_, F> {
    pub(super) fn check_gangs(&self) -> Result<(), GraphError> {
        let mut names = HashSet::new();
        let mut gang_of = HashMap::new();
        for (index, gang) in self.graph.gangs.iter().enumerate() {
            let bad = |field: String, message: String| {
                Err(GraphError::BadGang { index, gang: gang.name.clone(), field, message })
            };
            if gang.name.is_empty() {
                return bad("name".to_owned(), "a gang must have a name".to_owned());
            }
            self.check_length(&gang.name, || format!("gang {index}"))?;
            if !names.insert(gang.name.as_str()) {
                return bad("name".to_owned(), "the name is used twice".to_owned());
            }
            if let Err((field, message)) = check_settings(gang) {
                return bad(field.to_owned(), message);
            }
            let limit = self.limits.gang_members;
            if gang.members.len() > limit {
                let count = gang.members.len();
                let message = format!("{count} members are more than the limit of {limit}");
                return bad("members".to_owned(), message);
            }
            for (place, member) in gang.members.iter().enumerate() {
                let field = || format!("members[{place}]");
                let position = member.checked_sub(self.graph.first_task);
                if position.is_none_or(|place| place as usize >= self.graph.tasks.len()) {
                    let message = format!("there is no task {member} in this graph");
                    return bad(field(), message);
                }
                let task = self.describe(*member);
                if super::actor::is_actor_or_call(self.graph, *member) {
                    let message = format!("{task} is an actor or a call; members are other tasks");
                    return bad(field(), message);
                }
                match gang_of.insert(*member, index as u32) {
                    None => {}
                    Some(other) if other as usize == index => {
                        return bad(field(), format!("{task} is listed twice"));
                    }
                    Some(other) => {
                        let other = &self.graph.gangs[other as usize].name;
                        let message = format!("{task} is a member of gang {other:?} already");
                        return bad(field(), message);
                    }
                }
            }
        }
        self.check_readiness(&gang_of)
    }

    /// A member that needs another one, through whatever other tasks and gangs, would wait for
    /// itself: with every gang taken for one node, the graph must have no cycle.
    fn check_readiness(&self, gang_of: &HashMap<u32, u32>) -> Result<(), GraphError> {
        let node = |task: u32| match gang_of.get(&task) {
            Some(gang) => self.graph.gangs[*gang as usize].members[0],
            None => task,
        };
        let mut edges = DiGraphMap::<u32, ()>::new();
        for (position, task) in self.graph.tasks.iter().enumerate() {
            let index = self.graph.first_task + position as u32;
            for before in predecessors(task) {
                let (from, to) = (gang_of.get(&before), gang_of.get(&index));
                if let (Some(gang), true) = (from, from == to) {
                    let (needs, needed) = (self.describe(index), self.describe(before));
                    return Err(self.not_ready(*gang, format!("{needs} needs {needed}")));
                }
                edges.add_edge(node(before), node(index), ());
            }
        }
        for component in kosaraju_scc(&edges) {
            let gang = component.iter().filter_map(|task| gang_of.get(task)).min();
            if let (Some(gang), true) = (gang, component.len() > 1) {
                let describe = |task: &u32| match gang_of.get(task) {
                    Some(gang) => format!("gang {:?}", self.graph.gangs[*gang as usize].name),
                    None => self.describe(*task),
                };
                let cycle = self.find_cycle(&edges, &component);
                let cycle: Vec<String> = cycle.iter().map(describe).collect();
                return Err(self.not_ready(*gang, cycle.join(" -> ")));
            }
        }
        Ok(())
    }

    fn not_ready(&self, gang: u32, why: String) -> GraphError {
        let index = gang as usize;
        GraphError::BadGang {
            index,
            gang: self.graph.gangs[index].name.clone(),
            field: "members".to_owned(),
            message: format!("they can never be ready together: {why}"),
        }
    }
}

fn check_settings(gang: &Gang) -> Result<(), (&'static str, String)> {
    let bad = |field, message: &str| Err((field, message.to_owned()));
    if gang.members.is_empty() {
        return bad("members", "at least one is needed");
    }
    if gang.timeout.is_some_and(|timeout| timeout.is_zero()) {
        return bad("timeout", "must be longer than 0");
    }
    let Some(topology) = &gang.topology else { return Ok(()) };
    match &topology.shared {
        Shared::Label(label) if label.is_empty() => bad("topology", "a label must have a name"),
        Shared::NumaNode | Shared::LinkedDevices
            if topology.demand == Demand::Required
                && gang.strategy == GangStrategy::StrictSpread
                && gang.members.len() > 1 =>
        {
            let shared = &topology.shared;
            let message = format!("{shared} is on one executor, which strict_spread excludes");
            Err(("topology", message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::{
        Attributes, Demand, Gang, GangStrategy, Limits, Shared, Task, TaskGraph, Template,
        Topology, Variant, validate,
    };

    fn graph(tasks: &[(&str, &[u32])], gangs: &[(&str, &[u32])]) -> TaskGraph {
        let template = Template::new(Variant::kernel("noop", Attributes::new()), 1);
        let task = |(name, after): &(&str, &[u32])| Task {
            name: Some((*name).into()),
            after: after.to_vec(),
            ..Task::default()
        };
        let gang = |(name, members): &(&str, &[u32])| {
            Gang::new(*name, members.to_vec(), GangStrategy::StrictSpread)
        };
        TaskGraph {
            templates: vec![Arc::new(template)],
            tasks: tasks.iter().map(task).collect(),
            gangs: gangs.iter().map(gang).collect(),
            ..TaskGraph::default()
        }
    }

    fn check(graph: &TaskGraph, expected: &str) {
        let error = validate(graph, &Limits::default(), |_| None).expect_err("a bad gang");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn members_must_not_need_one_another() {
        check(
            &graph(&[("a", &[]), ("b", &[0])], &[("g", &[0, 1])]),
            r#"gang "g", members: they can never be ready together: task "b" needs task "a""#,
        );
        check(
            &graph(&[("a", &[]), ("x", &[0]), ("b", &[1])], &[("g", &[0, 2])]),
            r#"gang "g", members: they can never be ready together: gang "g" -> task "x" -> gang "g""#,
        );
        check(
            &graph(
                &[("a", &[]), ("b", &[3]), ("c", &[0]), ("d", &[])],
                &[("g", &[0, 1]), ("h", &[2, 3])],
            ),
            r#"gang "g", members: they can never be ready together: gang "g" -> gang "h" -> gang "g""#,
        );
        let good = graph(
            &[("a", &[]), ("b", &[]), ("c", &[0, 1]), ("d", &[0])],
            &[("g", &[0, 1]), ("h", &[2, 3])],
        );
        assert_eq!(validate(&good, &Limits::default(), |_| None), Ok(()));
    }

    #[test]
    fn members_are_tasks_of_one_gang_each() {
        let tasks: [(&str, &[u32]); 2] = [("a", &[]), ("b", &[])];
        check(
            &graph(&tasks, &[("g", &[0, 2])]),
            r#"gang "g", members[1]: there is no task 2 in this graph"#,
        );
        check(
            &graph(&tasks, &[("g", &[0, 0])]),
            r#"gang "g", members[1]: task "a" is listed twice"#,
        );
        check(
            &graph(&tasks, &[("g", &[0]), ("h", &[1, 0])]),
            r#"gang "h", members[1]: task "a" is a member of gang "g" already"#,
        );
        check(&graph(&tasks, &[("g", &[])]), r#"gang "g", members: at least one is needed"#);
        check(
            &graph(&tasks, &[("g", &[0]), ("g", &[1])]),
            r#"gang "g", name: the name is used twice"#,
        );
        check(&graph(&tasks, &[("", &[0])]), r#"gang "", name: a gang must have a name"#);
    }

    #[test]
    fn settings_must_make_sense() {
        let mut odd = graph(&[("a", &[]), ("b", &[])], &[("g", &[0, 1])]);
        odd.gangs[0].timeout = Some(Duration::ZERO);
        check(&odd, r#"gang "g", timeout: must be longer than 0"#);
        odd.gangs[0].timeout = None;
        odd.gangs[0].topology =
            Some(Topology { shared: Shared::NumaNode, demand: Demand::Required });
        check(
            &odd,
            r#"gang "g", topology: one NUMA node is on one executor, which strict_spread excludes"#,
        );
        let limits = Limits { gang_members: 1, ..Limits::default() };
        assert_eq!(
            validate(&odd, &limits, |_| None).expect_err("too many").to_string(),
            r#"gang "g", topology: one NUMA node is on one executor, which strict_spread excludes"#
        );
        odd.gangs[0].topology = None;
        assert_eq!(
            validate(&odd, &limits, |_| None).expect_err("too many").to_string(),
            r#"gang "g", members: 2 members are more than the limit of 1"#
        );
    }
}
