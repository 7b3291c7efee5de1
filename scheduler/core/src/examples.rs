//! Short histories with known outcomes.

mod costs;
mod devices;
mod gangs;

use std::sync::Arc;

use drawloom_model::{
    Attributes, Input, JobId, NamedOutput, ObjectId, RequestId, Task, TaskGraph, Template, Time,
    Value, Variant,
};

use crate::{Command, Config, Event, ObjectState, Refusal, Reply, Scheduler};

fn answers(scheduler: &mut Scheduler, event: Event) -> Vec<Result<Reply, Refusal>> {
    let mut commands = Vec::new();
    scheduler.handle(Time::ZERO, event, &mut commands);
    scheduler.handle(Time::ZERO, Event::RoundDue, &mut commands);
    scheduler.assert_consistent();
    let replies = commands.into_iter().filter_map(|command| match command {
        Command::Reply { answer, .. } => Some(answer),
        _ => None,
    });
    replies.collect()
}

fn noop_graph() -> TaskGraph {
    let template = Template::new(Variant::kernel("noop", Attributes::new()), 0);
    TaskGraph {
        templates: vec![Arc::new(template)],
        tasks: vec![Task { name: Some("only".into()), ..Task::default() }],
        ..TaskGraph::default()
    }
}

fn submit(
    scheduler: &mut Scheduler,
    job: u128,
    token: Option<&str>,
    graph: TaskGraph,
) -> Vec<Result<Reply, Refusal>> {
    let (request, token) = (RequestId(job as u64), token.map(Into::into));
    let graph = Arc::new(graph);
    answers(scheduler, Event::JobSubmitted { request, job: JobId(job), token, graph })
}

#[test]
fn a_put_object_named_as_an_output_outlives_its_release() {
    let mut scheduler = Scheduler::new(Config::default());
    let (request, object) = (RequestId(0), ObjectId(7));
    answers(&mut scheduler, Event::ObjectPut { request, object, value: Value::scalar_f32(1.0) });
    let key = scheduler.put_object_key(object).expect("it was put");
    let graph = TaskGraph {
        externals: vec![object],
        outputs: vec![NamedOutput { name: "kept".into(), object: Input::External(0) }],
        ..TaskGraph::default()
    };
    submit(&mut scheduler, 1, None, graph);
    answers(&mut scheduler, Event::ObjectReleased { request, object });
    let state = |scheduler: &Scheduler| scheduler.object(key).map(|object| object.state);
    assert_eq!(state(&scheduler), Some(ObjectState::Available));
    answers(&mut scheduler, Event::JobForgotten { job: JobId(1) });
    assert_eq!(state(&scheduler), None);
}

#[test]
fn a_token_makes_one_job() {
    let mut scheduler = Scheduler::new(Config::default());
    let waiting = || {
        let mut graph = noop_graph();
        graph.options.wait_for_resources = true;
        graph
    };
    let first = submit(&mut scheduler, 1, Some("t"), waiting());
    assert!(matches!(first[..], [Ok(Reply::JobAdmitted { existing: false, .. })]), "{first:?}");
    let second = submit(&mut scheduler, 2, Some("t"), waiting());
    assert!(
        matches!(second[..], [Ok(Reply::JobAdmitted { job: JobId(1), existing: true, .. })]),
        "{second:?}"
    );
    let mut other = waiting();
    other.tasks.push(Task::default());
    let third = submit(&mut scheduler, 3, Some("t"), other);
    assert_eq!(third, [Err(Refusal::TokenReused { token: "t".into(), job: JobId(1) })]);
}

#[test]
fn an_impossible_request_is_refused_with_its_reasons() {
    let mut scheduler = Scheduler::new(Config::default());
    let answer = submit(&mut scheduler, 1, None, noop_graph());
    let refusal = answer[0].as_ref().expect_err("there is no executor");
    assert!(
        refusal.to_string().starts_with(r#"task "only" fits no executor: no executor has joined;"#),
        "{refusal}"
    );
    assert_eq!(scheduler.jobs().count(), 0);
}
