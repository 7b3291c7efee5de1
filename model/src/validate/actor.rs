//! Checks of actors and of calls to them.

use std::collections::HashMap;

use super::{GraphError, field_of, predecessors, unfit_text};
use crate::{
    ActorKind, ActorRef, ActorSpec, CallSpec, Constraints, MAILBOX_LIMIT, ResourceRequest, Run,
    Task, TaskGraph, Template,
};

/// What is wrong with a template's actors or calls: the field and the fault.
pub(super) fn check_template(template: &Template) -> Result<(), (String, String)> {
    let actors = template.variants.iter().filter(|variant| matches!(variant.run, Run::Actor(_)));
    match actors.count() {
        0 => {}
        count if count == template.variants.len() => return check_actors(template),
        _ => return bad("variants", "an actor's variants must all be actors"),
    }
    let is_call = |variant: &crate::Variant| matches!(variant.run, Run::Call(_));
    if !template.variants.iter().any(is_call) {
        return Ok(());
    }
    if template.variants.len() > 1 {
        return bad("variants", "a call has one variant: where it runs is where its actor is");
    }
    if template.variants[0].request != ResourceRequest::default() {
        return bad("request", "a call takes no resources: its actor has them");
    }
    if template.constraints != Constraints::default() {
        return bad("constraints", "a call runs where its actor is");
    }
    match template.call() {
        Some(call) if call.method.is_empty() => bad("call.method", "must not be empty"),
        _ => Ok(()),
    }
}

fn bad(field: impl Into<String>, message: impl Into<String>) -> Result<(), (String, String)> {
    Err((field.into(), message.into()))
}

fn check_actors(template: &Template) -> Result<(), (String, String)> {
    if template.outputs != 0 {
        return bad("outputs", "an actor makes no objects; its calls do");
    }
    let Some(first) = template.actor() else { return Ok(()) };
    for (place, variant) in template.variants.iter().enumerate() {
        let Run::Actor(actor) = &variant.run else { continue };
        let field = |name: &str| field_of(template, place, &format!("actor.{name}"));
        let same = (&actor.name, actor.lifetime, actor.mailbox)
            == (&first.name, first.lifetime, first.mailbox);
        if !same {
            return bad(
                field("name"),
                "name, lifetime and mailbox must be the same in each variant",
            );
        }
        check_actor(actor, field)?;
    }
    Ok(())
}

fn check_actor(actor: &ActorSpec, field: impl Fn(&str) -> String) -> Result<(), (String, String)> {
    if let ActorKind::Process(process) = &actor.kind
        && let Some((what, message)) = unfit_text(process)
    {
        return bad(field(what), message);
    }
    match &actor.kind {
        ActorKind::Native { type_name, .. } if type_name.is_empty() => {
            return bad(field("type"), "must not be empty");
        }
        ActorKind::Process(process) if process.argv.first().is_none_or(String::is_empty) => {
            return bad(field("argv"), "an executable is needed");
        }
        ActorKind::Process(process)
            if !process.inputs.is_empty() || !process.outputs.is_empty() =>
        {
            return bad(field("process"), "an actor's objects travel in calls, not in files");
        }
        ActorKind::Native { .. } | ActorKind::Process(_) => {}
    }
    if actor.name.as_ref().is_some_and(String::is_empty) {
        return bad(field("name"), "must not be empty");
    }
    if actor.mailbox == 0 || actor.mailbox > MAILBOX_LIMIT {
        return bad(field("mailbox"), format!("must be between 1 and {MAILBOX_LIMIT}"));
    }
    if actor.checkpoint_every == Some(0) {
        return bad(field("checkpoint_every"), "must be at least 1");
    }
    Ok(())
}

/// Checks who calls and follows whom, as far as this graph tells.
pub(super) fn check_tasks(
    graph: &TaskGraph,
    name_bytes: usize,
    describe: impl Fn(u32) -> String,
) -> Result<(), GraphError> {
    if !has_actors(graph) {
        return Ok(());
    }
    let mut named = HashMap::new();
    for (position, task) in graph.tasks.iter().enumerate() {
        let index = graph.first_task + position as u32;
        let bad = |message: String| GraphError::BadActor { task: describe(index), message };
        if let Some(ActorRef::Task(actor)) = call_of(graph, task).map(|call| &call.actor)
            && let Some(template) = template_at(graph, *actor)
            && template.actor().is_none()
        {
            return Err(bad(format!("it calls {}, which is no actor", describe(*actor))));
        }
        let waits =
            |before: &&u32| template_at(graph, **before).is_some_and(|t| t.actor().is_some());
        if let Some(actor) = task.after.iter().find(waits) {
            let actor = describe(*actor);
            return Err(bad(format!("it waits for the end of {actor}, an actor; call it instead")));
        }
        let template = graph.templates.get(task.template as usize);
        let Some(name) = template.and_then(|t| t.actor()).and_then(|a| a.name.as_deref()) else {
            continue;
        };
        if name.len() > name_bytes {
            let (what, bytes, limit) = (describe(index), name.len(), name_bytes);
            return Err(GraphError::NameTooLong { what, bytes, limit });
        }
        if named.insert(name, index).is_some() {
            return Err(bad(format!("two actors of the graph have the name {name:?}")));
        }
    }
    Ok(())
}

fn has_actors(graph: &TaskGraph) -> bool {
    graph.templates.iter().any(|template| template.actor().is_some() || template.call().is_some())
}

fn call_of<'a>(graph: &'a TaskGraph, task: &Task) -> Option<&'a CallSpec> {
    graph.templates.get(task.template as usize)?.call()
}

fn template_at(graph: &TaskGraph, index: u32) -> Option<&Template> {
    let position = index.checked_sub(graph.first_task)?;
    let task = graph.tasks.get(position as usize)?;
    graph.templates.get(task.template as usize).map(AsRef::as_ref)
}

/// Whether the task of this index makes an actor, or calls one.
pub(super) fn is_actor_or_call(graph: &TaskGraph, index: u32) -> bool {
    template_at(graph, index).is_some_and(|t| t.actor().is_some() || t.call().is_some())
}

/// The task of the same job that this task calls.
pub(super) fn callee(graph: &TaskGraph, task: &Task) -> Option<u32> {
    match &call_of(graph, task)?.actor {
        ActorRef::Task(index) => Some(*index),
        ActorRef::Name(_) => None,
    }
}

/// What must have begun or ended before `task`: those it needs, and the actor it calls.
pub(super) fn forerunners<'a>(
    graph: &'a TaskGraph,
    task: &'a Task,
) -> impl Iterator<Item = u32> + 'a {
    predecessors(task).chain(callee(graph, task))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Attributes, Limits, Variant, validate};

    fn actor(change: impl FnOnce(&mut ActorSpec)) -> Template {
        let mut spec = ActorSpec::native("counter", Attributes::new());
        change(&mut spec);
        let run = Run::Actor(Box::new(spec));
        let request = ResourceRequest::cores(1);
        Template::new(Variant { run, request, cost_hint: None }, 0)
    }

    fn call(actor: ActorRef) -> Template {
        let call = CallSpec { actor, method: "add".into(), attributes: Attributes::new() };
        let run = Run::Call(call);
        Template::new(Variant { run, request: ResourceRequest::default(), cost_hint: None }, 1)
    }

    fn check(templates: Vec<Template>, tasks: Vec<Task>) -> Result<(), String> {
        let templates = templates.into_iter().map(Arc::new).collect();
        let graph = TaskGraph { templates, tasks, ..TaskGraph::default() };
        validate(&graph, &Limits::default(), |_| None).map_err(|error| error.to_string())
    }

    fn task(template: u32) -> Task {
        Task { template, ..Task::default() }
    }

    fn refusal(templates: Vec<Template>, tasks: Vec<Task>) -> String {
        check(templates, tasks).expect_err("a bad graph")
    }

    #[test]
    fn actors_and_their_calls_are_accepted() {
        let templates =
            vec![actor(|_| {}), call(ActorRef::Task(1)), call(ActorRef::Name("x".into()))];
        assert_eq!(check(templates, vec![task(1), task(0), task(2)]), Ok(()));
    }

    #[test]
    fn calls_must_call_actors() {
        assert_eq!(
            refusal(vec![actor(|_| {}), call(ActorRef::Task(1))], vec![task(0), task(1)]),
            "task 1: it calls task 1, which is no actor"
        );
        assert_eq!(
            refusal(vec![call(ActorRef::Task(7))], vec![task(0)]),
            "task 0, call.actor: there is no task 7; tasks go from 0 to 0"
        );
    }

    #[test]
    fn a_constructor_that_needs_its_own_actor_is_a_cycle() {
        let mut needy = task(0);
        needy.inputs.push(crate::Input::Task { task: 1, output: 0 });
        let told = refusal(vec![actor(|_| {}), call(ActorRef::Task(0))], vec![needy, task(1)]);
        assert_eq!(told, "the tasks form a cycle: task 0 -> task 1 -> task 0");
    }

    #[test]
    fn nobody_waits_for_the_end_of_an_actor() {
        let mut waiting = task(1);
        waiting.after.push(0);
        let told = refusal(vec![actor(|_| {}), call(ActorRef::Task(0))], vec![task(0), waiting]);
        assert_eq!(told, "task 1: it waits for the end of task 0, an actor; call it instead");
    }

    #[test]
    fn faults_of_templates_name_their_fields() {
        let one = |change: fn(&mut ActorSpec)| refusal(vec![actor(change)], vec![task(0)]);
        assert_eq!(
            one(|spec| spec.mailbox = 0),
            "task 0, actor.mailbox: must be between 1 and 1048576"
        );
        assert_eq!(
            one(|spec| spec.checkpoint_every = Some(0)),
            "task 0, actor.checkpoint_every: must be at least 1"
        );
        assert_eq!(
            one(|spec| spec.kind = ActorSpec::process(Vec::<String>::new()).kind),
            "task 0, actor.argv: an executable is needed"
        );
        let named = actor(|spec| spec.name = Some("x".into()));
        assert_eq!(
            refusal(vec![named], vec![task(0), task(0)]),
            "task 1: two actors of the graph have the name \"x\""
        );
        let mut greedy = call(ActorRef::Name("x".into()));
        greedy.variants[0].request = ResourceRequest::cores(1);
        assert_eq!(
            refusal(vec![greedy], vec![task(0)]),
            "task 0, request: a call takes no resources: its actor has them"
        );
    }
}
