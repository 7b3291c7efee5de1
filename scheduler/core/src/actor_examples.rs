//! Short histories of actors and their calls.

use std::sync::Arc;
use std::time::Duration;

use drawloom_model::{
    ActorPart, ActorRef, ActorSpec, AfterStop, AttemptEnd, AttemptId, Attributes, CallSpec,
    Capacity, ExecutorId, ExecutorInfo, Failure, FailureKind, FromExecutor, JobId, JobKey,
    Lifetime, MILLI, ObjectReport, Outcome, RequestId, ResourceRequest, Run, Task, TaskGraph,
    TaskKey, Template, Time, ToExecutor, Value, Variant,
};
use smallvec::SmallVec;

use crate::{
    ActorTarget, Command, Config, Event, JobEvent, JobState, Refusal, Reply, Scheduler, TaskState,
};

/// A scheduler, and what it has said since it was asked last.
struct World {
    scheduler: Scheduler,
    now: Time,
    sent: Vec<(ExecutorId, ToExecutor)>,
    replies: Vec<Result<Reply, Refusal>>,
    ended: Vec<JobState>,
}

const JOB: JobId = JobId(1);
const KEY: JobKey = JobKey { slot: 0, generation: 0 };

fn task(index: u32) -> TaskKey {
    TaskKey { job: KEY, index }
}

fn attempt(index: u32, number: u32) -> AttemptId {
    AttemptId { task: task(index), number }
}

impl World {
    fn new(executors: u32) -> Self {
        let mut world = World {
            scheduler: Scheduler::new(Config::default()),
            now: Time::ZERO,
            sent: Vec::new(),
            replies: Vec::new(),
            ended: Vec::new(),
        };
        for id in 1..=executors {
            world.join(id);
        }
        world
    }

    fn join(&mut self, id: u32) {
        let executor = ExecutorId(id);
        let info = ExecutorInfo {
            name: executor.to_string(),
            capacity: Capacity { cpu_milli: 2 * MILLI, ..Capacity::default() },
            kernels: vec!["noop".into()],
            actors: vec!["counter".into()],
            ..ExecutorInfo::default()
        };
        self.tell(Event::ExecutorJoined { executor, info: Arc::new(info) });
    }

    fn tell(&mut self, event: Event) {
        let mut commands = Vec::new();
        self.scheduler.handle(self.now, event, &mut commands);
        self.scheduler.handle(self.now, Event::RoundDue, &mut commands);
        self.scheduler.assert_consistent();
        for command in commands {
            match command {
                Command::Send { message: ToExecutor::ForgetTemplates { .. }, .. } => {}
                Command::Send { executor, message } => self.sent.push((executor, message)),
                Command::Reply { answer, .. } => self.replies.push(answer),
                Command::Notify { event: JobEvent::JobEnded { state }, .. } => {
                    self.ended.push(state);
                }
                _ => {}
            }
        }
    }

    fn say(&mut self, executor: u32, message: FromExecutor) {
        self.tell(Event::ExecutorSaid { executor: ExecutorId(executor), message });
    }

    fn submit(&mut self, job: JobId, graph: TaskGraph) -> Result<Reply, Refusal> {
        let (request, graph) = (RequestId(0), Arc::new(graph));
        self.tell(Event::JobSubmitted { request, job, token: None, graph });
        self.replies.pop().expect("an answer")
    }

    fn end(&mut self, executor: u32, attempt: AttemptId, outcome: Outcome) {
        let times = (Duration::ZERO, Duration::ZERO);
        let end = AttemptEnd {
            attempt,
            outcome,
            run_time: times.0,
            queue_time: times.1,
            outputs_on: None,
        };
        self.say(executor, FromExecutor::Ended(Box::new(end)));
    }

    fn succeed(&mut self, executor: u32, attempt: AttemptId, outputs: usize) {
        let report = ObjectReport::Inline(Value::scalar_f32(1.0));
        let reports: SmallVec<[ObjectReport; 1]> = vec![report; outputs].into();
        self.end(executor, attempt, Outcome::Succeeded(reports));
    }

    fn fail(&mut self, executor: u32, attempt: AttemptId, kind: FailureKind) {
        self.end(executor, attempt, Outcome::Failed(Failure::new(kind, "no luck")));
    }

    /// The attempts that were handed out since the last look, with those that calls are for.
    fn runs(&mut self) -> Vec<(u32, AttemptId, Option<AttemptId>)> {
        let sent = std::mem::take(&mut self.sent).into_iter();
        let runs = sent.filter_map(|(executor, message)| match message {
            ToExecutor::Run(run) => {
                let callee = match run.actor.as_deref() {
                    Some(ActorPart::Callee(actor)) => Some(*actor),
                    _ => None,
                };
                Some((executor.0, run.attempt, callee))
            }
            _ => None,
        });
        runs.collect()
    }

    fn state(&self, index: u32) -> TaskState {
        self.scheduler.task(task(index)).expect("the task is there").state
    }

    fn why(&self, index: u32) -> String {
        let failure = self.scheduler.task(task(index)).and_then(|task| task.failure);
        failure.map(|failure| failure.to_string()).unwrap_or_default()
    }
}

fn actor(cores: u64, restarts: u32, change: impl FnOnce(&mut ActorSpec)) -> Arc<Template> {
    let mut spec = ActorSpec::native("counter", Attributes::new());
    change(&mut spec);
    let request = ResourceRequest::cores(cores);
    let run = Run::Actor(Box::new(spec));
    let mut template = Template::new(Variant { run, request, cost_hint: None }, 0);
    template.retry.max_retries = restarts;
    template.retry.backoff.initial = Duration::ZERO;
    Arc::new(template)
}

fn call(actor: ActorRef, retries: u32) -> Arc<Template> {
    let call = CallSpec { actor, method: "add".into(), attributes: Attributes::new() };
    let request = ResourceRequest::default();
    let mut template = Template::new(Variant { run: Run::Call(call), request, cost_hint: None }, 1);
    template.retry.max_retries = retries;
    template.retry.on = template.retry.on.with(FailureKind::ActorLost);
    template.retry.backoff.initial = Duration::ZERO;
    Arc::new(template)
}

fn graph(templates: Vec<Arc<Template>>, tasks: &[u32]) -> TaskGraph {
    let tasks = tasks.iter().map(|template| Task { template: *template, ..Task::default() });
    TaskGraph { templates, tasks: tasks.collect(), ..TaskGraph::default() }
}

fn one_actor(restarts: u32, calls: usize, retries: u32) -> TaskGraph {
    let templates = vec![actor(1, restarts, |_| {}), call(ActorRef::Task(0), retries)];
    let tasks: Vec<u32> = [0].into_iter().chain(std::iter::repeat_n(1, calls)).collect();
    graph(templates, &tasks)
}

#[test]
fn calls_wait_until_their_actor_lives_and_it_ends_with_the_job() {
    let mut world = World::new(2);
    world.submit(JOB, one_actor(0, 2, 0)).expect("admitted");
    assert_eq!(world.runs(), [(1, attempt(0, 1), None)], "calls wait");
    assert_eq!(world.state(1), TaskState::Ready);
    world.say(1, FromExecutor::Started { attempt: attempt(0, 1) });
    let callee = Some(attempt(0, 1));
    assert_eq!(world.runs(), [(1, attempt(1, 1), callee), (1, attempt(2, 1), callee)]);
    world.succeed(1, attempt(1, 1), 1);
    world.succeed(1, attempt(2, 1), 1);
    let stop = ToExecutor::StopActor { attempt: attempt(0, 1), then: AfterStop::Ended };
    assert!(world.sent.contains(&(ExecutorId(1), stop)), "{:?}", world.sent);
    assert!(world.ended.is_empty());
    world.succeed(1, attempt(0, 1), 0);
    assert_eq!(world.ended, [JobState::Succeeded]);
}

#[test]
fn an_actor_that_nobody_calls_is_made_before_it_ends() {
    let mut world = World::new(1);
    let stop = || ToExecutor::StopActor { attempt: attempt(0, 1), then: AfterStop::Ended };
    world.submit(JOB, one_actor(0, 0, 0)).expect("admitted");
    assert!(!world.sent.contains(&(ExecutorId(1), stop())), "{:?}", world.sent);
    world.fail(1, attempt(0, 1), FailureKind::Application);
    assert_eq!(world.ended, [JobState::Failed]);
    assert_eq!(world.why(0), "application: no luck");

    let mut world = World::new(1);
    world.submit(JOB, one_actor(0, 0, 0)).expect("admitted");
    world.say(1, FromExecutor::Started { attempt: attempt(0, 1) });
    assert!(world.sent.contains(&(ExecutorId(1), stop())), "{:?}", world.sent);
    world.succeed(1, attempt(0, 1), 0);
    assert_eq!(world.ended, [JobState::Succeeded]);
}

#[test]
fn unknown_types_of_actors_are_told_with_those_that_are_near() {
    let mut world = World::new(1);
    let mut refusal = |name: &str| {
        let spec = ActorSpec::native(name, Attributes::new());
        let template = actor(1, 0, |actor| actor.kind = spec.kind);
        world.submit(JOB, graph(vec![template], &[0])).expect_err("no such type").to_string()
    };
    let near = refusal("countre");
    assert!(near.contains(r#"actors of type "countre"; did you mean "counter"?"#), "{near}");
    let far = refusal("model");
    assert!(far.contains(r#"actors of type "model"; it makes counter"#), "{far}");
}

#[test]
fn a_lost_actor_begins_anew_elsewhere_with_what_it_kept() {
    let mut world = World::new(2);
    world.submit(JOB, one_actor(1, 2, 1)).expect("admitted");
    world.say(1, FromExecutor::Started { attempt: attempt(0, 1) });
    let state = Value::scalar_f32(7.0);
    let kept = FromExecutor::Checkpointed { attempt: attempt(0, 1), state: state.clone() };
    world.say(1, kept);
    world.sent.clear();
    world.tell(Event::ExecutorLost { executor: ExecutorId(1) });
    world.tell(Event::RoundDue);
    let sent = std::mem::take(&mut world.sent);
    let [(ExecutorId(2), ToExecutor::Run(run))] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(run.attempt, attempt(0, 2));
    assert_eq!(run.actor.as_deref(), Some(&ActorPart::Restore(state)));
    world.say(2, FromExecutor::Started { attempt: attempt(0, 2) });
    let callee = Some(attempt(0, 2));
    assert_eq!(world.runs(), [(2, attempt(1, 2), callee), (2, attempt(2, 2), callee)]);
    // News of the first incarnation is old.
    let old = FromExecutor::Checkpointed { attempt: attempt(0, 1), state: Value::scalar_f32(0.0) };
    world.say(2, old);
    assert_eq!(world.scheduler.actor(task(0)).and_then(|a| a.checkpoint_bytes), Some(4));
}

#[test]
fn calls_that_may_have_run_fail_unless_they_may_be_tried_again() {
    let mut world = World::new(1);
    world.submit(JOB, one_actor(5, 2, 0)).expect("admitted");
    world.say(1, FromExecutor::Started { attempt: attempt(0, 1) });
    world.fail(1, attempt(0, 1), FailureKind::ExecutorLost);
    world.fail(1, attempt(1, 1), FailureKind::ActorLost);
    world.end(1, attempt(2, 1), Outcome::Cancelled);
    assert_eq!((world.state(1), world.state(2)), (TaskState::Failed, TaskState::Ready));
    world.tell(Event::RoundDue);
    world.say(1, FromExecutor::Started { attempt: attempt(0, 2) });
    let runs = world.runs();
    assert_eq!(runs.last(), Some(&(1, attempt(2, 2), Some(attempt(0, 2)))), "{runs:?}");
}

#[test]
fn calls_of_an_actor_that_ended_fail() {
    let mut world = World::new(1);
    world.submit(JOB, one_actor(0, 1, 0)).expect("admitted");
    world.fail(1, attempt(0, 1), FailureKind::Spawn);
    assert_eq!(world.state(1), TaskState::Failed);
    assert_eq!(world.why(1), "upstream: the actor (task 0) has failed: spawn: no luck");
    assert_eq!(world.ended, [JobState::Failed]);
    let nobody = graph(vec![call(ActorRef::Name("x".into()), 0)], &[0]);
    world.submit(JobId(2), nobody).expect("admitted");
    let key = world.scheduler.job_key(JobId(2)).expect("known");
    let failed = world.scheduler.task(TaskKey { job: key, index: 0 }).and_then(|t| t.failure);
    assert_eq!(failed.map(|f| f.message).as_deref(), Some("there is no actor \"x\""));
}

#[test]
fn detached_actors_stay_until_they_are_stopped() {
    let mut world = World::new(1);
    let spec = |spec: &mut ActorSpec| {
        spec.name = Some("tally".into());
        spec.lifetime = Lifetime::Detached;
    };
    let named = || graph(vec![actor(1, 0, spec)], &[0]);
    world.submit(JOB, named()).expect("admitted");
    world.say(1, FromExecutor::Started { attempt: attempt(0, 1) });
    let taken = Refusal::ActorNameTaken { name: "tally".into(), job: JOB };
    assert_eq!(world.submit(JobId(2), named()), Err(taken));
    assert!(world.ended.is_empty());
    let target = ActorTarget::Name("tally".into());
    assert_eq!(world.scheduler.find_actor(&target), Ok(task(0)));
    world.tell(Event::ActorStopRequested { request: RequestId(0), actor: target.clone() });
    assert_eq!(world.replies.pop(), Some(Ok(Reply::ActorStopping)));
    // It is gone with its executor: it was to end anyway.
    world.tell(Event::ExecutorLost { executor: ExecutorId(1) });
    assert_eq!(world.ended, [JobState::Succeeded]);
    let unknown = Refusal::UnknownActor { name: "tally".into() };
    assert_eq!(world.scheduler.find_actor(&target), Err(unknown));
}

#[test]
fn an_actor_that_never_began_is_stopped_without_an_executor() {
    let mut world = World::new(0);
    let mut waiting = one_actor(0, 0, 0);
    waiting.options.wait_for_resources = true;
    waiting.options.open = true;
    world.submit(JOB, waiting).expect("admitted");
    let actor = ActorTarget::Task { job: JOB, task: 0 };
    world.tell(Event::ActorStopRequested { request: RequestId(0), actor });
    assert_eq!(world.state(0), TaskState::Succeeded);
    let other = ActorTarget::Task { job: JOB, task: 7 };
    let refusal = Refusal::NotAnActor { job: JOB, task: 7 };
    assert_eq!(world.scheduler.find_actor(&other), Err(refusal));
}

#[test]
fn what_waits_behind_actors_is_taken_back() {
    let mut world = World::new(1);
    let noop = |cores| {
        let mut variant = Variant::kernel("noop", Attributes::new());
        variant.request = ResourceRequest::cores(cores);
        Arc::new(Template::new(variant, 0))
    };
    // Two noops have the cores; actors for both cores and another noop lie behind them.
    let templates = vec![noop(1), actor(2, 0, |_| {}), noop(1)];
    world.submit(JOB, graph(templates, &[0, 0, 1, 2])).expect("admitted");
    assert_eq!(world.runs().len(), 4, "dispatch runs ahead");
    world.succeed(1, attempt(0, 1), 0);
    world.succeed(1, attempt(1, 1), 0);
    let recall = ToExecutor::Recall { attempt: attempt(3, 1) };
    assert!(world.sent.contains(&(ExecutorId(1), recall)), "{:?}", world.sent);
    world.say(1, FromExecutor::Recalled { attempt: attempt(3, 1) });
    assert_eq!(world.runs(), [], "it does not go there again");
    world.join(2);
    assert_eq!(world.runs(), [(2, attempt(3, 2), None)]);
}

#[test]
fn a_drained_executor_lets_its_actors_move() {
    let mut world = World::new(1);
    let keeps = |spec: &mut ActorSpec| spec.checkpoint_every = Some(1);
    let mut both = graph(vec![actor(1, 0, keeps), actor(1, 0, |_| {})], &[0, 1]);
    both.options.open = true;
    world.submit(JOB, both).expect("admitted");
    for index in 0..2 {
        world.say(1, FromExecutor::Started { attempt: attempt(index, 1) });
    }
    world.join(2);
    world.sent.clear();
    world.say(1, FromExecutor::DrainRequested);
    let moved = ToExecutor::StopActor { attempt: attempt(0, 1), then: AfterStop::Moved };
    assert_eq!(world.sent, [(ExecutorId(1), moved)], "the other would lose its state");
    world.end(1, attempt(0, 1), Outcome::Cancelled);
    assert_eq!(world.runs(), [(2, attempt(0, 2), None)]);
}

#[test]
fn an_actor_that_was_asked_back_too_late_is_alive_and_moves() {
    let mut world = World::new(1);
    world.submit(JOB, one_actor(1, 1, 0)).expect("admitted");
    world.sent.clear();
    world.say(1, FromExecutor::DrainRequested);
    let recall = ToExecutor::Recall { attempt: attempt(0, 1) };
    assert_eq!(world.sent, [(ExecutorId(1), recall)]);
    world.sent.clear();
    // It had begun before it could be given back.
    world.say(1, FromExecutor::Started { attempt: attempt(0, 1) });
    let moved = ToExecutor::StopActor { attempt: attempt(0, 1), then: AfterStop::Moved };
    assert_eq!(world.sent, [(ExecutorId(1), moved)]);
}

#[test]
fn additions_are_held_against_the_actors_that_are_there() {
    let mut world = World::new(1);
    let mut open = one_actor(0, 0, 0);
    open.options.open = true;
    world.submit(JOB, open).expect("admitted");
    let mut add = |graph: TaskGraph| {
        let (request, graph) = (RequestId(0), Arc::new(TaskGraph { first_task: 1, ..graph }));
        world.tell(Event::TasksAdded { request, job: JOB, graph });
        world.replies.pop().expect("an answer")
    };
    let mut waiting = graph(vec![call(ActorRef::Task(0), 0)], &[0]);
    waiting.tasks[0].after.push(0);
    assert_eq!(add(waiting), Err(Refusal::WaitsForActor { job: JOB, task: 0 }));
    let calls = graph(vec![call(ActorRef::Task(0), 0)], &[0]);
    assert!(matches!(add(calls), Ok(Reply::TasksAdded { .. })));
}

/// An attempt of the first job waits for a task of it.
fn wait(world: &mut World, waiter: u32, task: u32) -> Option<Result<Reply, Refusal>> {
    let (request, waiter) = (RequestId(9), Some((waiter, 1)));
    world.tell(Event::WaitRequested { request, job: JOB, tasks: vec![task], waiter });
    world.replies.pop()
}

#[test]
fn attempts_cannot_wait_for_each_other_in_a_ring() {
    let mut world = World::new(2);
    let noop = Arc::new(Template::new(Variant::kernel("noop", Attributes::new()), 0));
    world.submit(JOB, graph(vec![noop], &[0; 3])).expect("admitted");
    assert_eq!(world.runs().len(), 3);
    assert_eq!(wait(&mut world, 0, 1), None, "it waits");
    assert_eq!(wait(&mut world, 1, 2), None, "it waits");
    let refusal = Refusal::WaitsForItself { job: JOB, task: 2 };
    assert_eq!(wait(&mut world, 2, 0), Some(Err(refusal)));
    // Attempts that are over hold nothing up.
    world.fail(1, attempt(0, 1), FailureKind::Application);
    assert!(matches!(wait(&mut world, 2, 0), Some(Ok(Reply::TasksEnded { .. }))));
}

#[test]
fn a_call_cannot_wait_for_another_call_of_its_actor() {
    let mut world = World::new(1);
    world.submit(JOB, one_actor(0, 2, 0)).expect("admitted");
    world.say(1, FromExecutor::Started { attempt: attempt(0, 1) });
    world.say(1, FromExecutor::Started { attempt: attempt(1, 1) });
    let refusal = Refusal::WaitsForItself { job: JOB, task: 1 };
    assert_eq!(wait(&mut world, 1, 2), Some(Err(refusal)));
}
