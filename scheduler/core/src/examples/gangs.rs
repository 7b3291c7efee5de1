//! Gangs, by examples.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use drawloom_model::{
    AttemptEnd, AttemptId, Attributes, Capacity, ExecutorId, ExecutorInfo, Failure, FailureKind,
    FailureKinds, FromExecutor, Gang, GangStrategy, JobId, MILLI, Outcome, RequestId,
    ResourceRequest, Task, TaskGraph, TaskKey, Template, Time, ToExecutor, Variant,
};

use crate::{Command, Config, Event, Fact, Refusal, Scheduler, TaskState};

/// A scheduler whose executors do only what the test says.
struct Loom {
    scheduler: Scheduler,
    now: Time,
    /// What executors were told since last asked, by task.
    told: Vec<(ExecutorId, ToExecutor)>,
    /// How many gangs were placed.
    gangs: usize,
    jobs: u128,
}

impl Loom {
    fn new(executor_cores: &[u64]) -> Self {
        let scheduler = Scheduler::new(Config::default());
        let mut loom = Loom { scheduler, now: Time::ZERO, told: Vec::new(), gangs: 0, jobs: 0 };
        for (id, cores) in executor_cores.iter().enumerate() {
            loom.join(id as u32, *cores);
        }
        loom
    }

    fn join(&mut self, id: u32, cores: u64) {
        let capacity = Capacity { cpu_milli: cores * MILLI, ..Capacity::default() };
        let (name, kernels) = (format!("host{id}"), vec!["noop".to_owned()]);
        let info = Arc::new(ExecutorInfo { name, capacity, kernels, ..ExecutorInfo::default() });
        self.tell(Event::ExecutorJoined { executor: ExecutorId(id), info });
    }

    fn tell(&mut self, event: Event) -> Option<Refusal> {
        let mut commands = Vec::new();
        self.scheduler.handle(self.now, event, &mut commands);
        self.scheduler.handle(self.now, Event::RoundDue, &mut commands);
        self.scheduler.assert_consistent();
        let mut refusal = None;
        for command in commands {
            match command {
                Command::Send { executor, message } => self.told.push((executor, message)),
                Command::Append(Fact::GangPlaced { .. }) => self.gangs += 1,
                Command::Reply { answer: Err(error), .. } => refusal = Some(error),
                _ => {}
            }
        }
        refusal
    }

    fn submit(&mut self, graph: TaskGraph) -> Option<Refusal> {
        self.jobs += 1;
        let (request, job) = (RequestId(0), JobId(self.jobs));
        self.tell(Event::JobSubmitted { request, job, token: None, graph: Arc::new(graph) })
    }

    /// What each executor was told to run since last asked, by executor and task.
    fn runs(&mut self) -> Vec<(u32, AttemptId)> {
        let told = std::mem::take(&mut self.told);
        let runs = told.into_iter().filter_map(|(executor, message)| match message {
            ToExecutor::Run(assignment) => Some((executor.0, assignment.attempt)),
            _ => None,
        });
        runs.collect()
    }

    fn cancels(&self) -> Vec<AttemptId> {
        let cancel = |(_, message): &(_, ToExecutor)| match message {
            ToExecutor::Cancel { attempt } => Some(*attempt),
            _ => None,
        };
        self.told.iter().filter_map(cancel).collect()
    }

    fn end(&mut self, executor: u32, attempt: AttemptId, outcome: Outcome) {
        let run_time = Duration::from_millis(1);
        let end =
            AttemptEnd { attempt, outcome, run_time, queue_time: Duration::ZERO, outputs_on: None };
        let message = FromExecutor::Ended(Box::new(end));
        self.tell(Event::ExecutorSaid { executor: ExecutorId(executor), message });
    }

    fn succeed(&mut self, executor: u32, attempt: AttemptId) {
        self.end(executor, attempt, Outcome::Succeeded(Default::default()));
    }

    fn fail(&mut self, executor: u32, attempt: AttemptId) {
        let failure = Failure::new(FailureKind::Application, "no luck");
        self.end(executor, attempt, Outcome::Failed(failure));
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        for id in 0..9 {
            let (executor, message) = (ExecutorId(id), FromExecutor::Heartbeat);
            let heard = Event::ExecutorSaid { executor, message };
            self.scheduler.handle(self.now, heard, &mut Vec::new());
        }
        self.tell(Event::RoundDue);
    }

    fn key(&self, job: u128, index: u32) -> TaskKey {
        let job = self.scheduler.job_key(JobId(job)).expect("it was submitted");
        TaskKey { job, index }
    }

    fn states(&self, job: u128) -> Vec<TaskState> {
        let key = self.key(job, 0).job;
        let count = self.scheduler.job(key).map_or(0, |job| job.tasks.total());
        let task = |index| self.scheduler.task(TaskKey { job: key, index });
        (0..count).filter_map(|index| Some(task(index)?.state)).collect()
    }

    fn why(&self, job: u128, index: u32) -> String {
        let key = self.key(job, index);
        let explanation = self.scheduler.explain(self.now, key).expect("a task");
        explanation.reasons.join("; ")
    }
}

/// Tasks of so many cores each, retried twice.
fn tasks(cores: &[u64]) -> TaskGraph {
    let template = |cores: &u64| {
        let mut variant = Variant::kernel("noop", Attributes::new());
        variant.request = ResourceRequest::cores(*cores);
        let mut template = Template::new(variant, 0);
        template.retry.max_retries = 2;
        template.retry.on = FailureKinds::TRANSIENT;
        Arc::new(template)
    };
    let count = cores.len() as u32;
    TaskGraph {
        templates: cores.iter().map(template).collect(),
        tasks: (0..count).map(|template| Task { template, ..Task::default() }).collect(),
        ..TaskGraph::default()
    }
}

fn ring(strategy: GangStrategy, cores: &[u64]) -> TaskGraph {
    let members = (0..cores.len() as u32).collect();
    TaskGraph { gangs: vec![Gang::new("ring", members, strategy)], ..tasks(cores) }
}

#[test]
fn a_gang_starts_whole_or_not_at_all() {
    let mut loom = Loom::new(&[1, 1]);
    loom.submit(tasks(&[1]));
    let [(busy, single)] = loom.runs()[..] else { panic!("one is placed") };
    loom.submit(ring(GangStrategy::StrictSpread, &[1, 1]));
    assert_eq!(loom.runs(), [], "one of the two executors is busy");
    assert_eq!(
        loom.why(2, 1),
        r#"gang "ring" needs 2 executors that fit its members (strict_spread), there are 1 now; it has waited for room for 0.0 s"#
    );
    loom.succeed(busy, single);
    let aside =
        |(_, message): &(_, ToExecutor)| matches!(message, ToExecutor::Run(a) if a.set_aside);
    assert_eq!(loom.told.iter().filter(|told| aside(told)).count(), 2);
    let placed: BTreeMap<u32, AttemptId> = loom.runs().into_iter().collect();
    assert_eq!((placed.len(), loom.gangs), (2, 1), "each has an executor of its own");
}

#[test]
fn a_gang_waits_until_every_member_is_ready() {
    let mut loom = Loom::new(&[4]);
    let mut graph = ring(GangStrategy::Pack, &[1, 1, 1]);
    graph.gangs[0].members = vec![1, 2];
    graph.tasks[2].after = vec![0];
    graph.tasks[2].name = Some("late".into());
    loom.submit(graph);
    let [(_, first)] = loom.runs()[..] else { panic!("the first alone can start") };
    assert_eq!(
        loom.why(1, 1),
        r#"it starts together with its gang "ring", of which 1 member(s) are not ready: task "late" (waiting)"#
    );
    loom.succeed(0, first);
    assert_eq!(loom.runs().len(), 2);
}

#[test]
fn a_gang_that_can_never_fit_is_refused_with_what_is_missing() {
    let mut loom = Loom::new(&[2, 2, 2]);
    let mut check = |strategy, cores: &[u64], expected: &str| {
        let refusal = loom.submit(ring(strategy, cores)).expect("it cannot fit");
        let text = refusal.to_string();
        assert_eq!(text.split("; ").next(), Some(expected));
        let mut waiting = ring(strategy, cores);
        waiting.options.wait_for_resources = true;
        assert_eq!(loom.submit(waiting), None);
    };
    check(
        GangStrategy::StrictSpread,
        &[1; 4],
        r#"gang "ring" needs 4 executors that fit its members (strict_spread), there are 3"#,
    );
    check(
        GangStrategy::StrictPack,
        &[1; 3],
        r#"gang "ring" needs one executor that fits its 3 members together (strict_pack), there is room for 2 at most"#,
    );
    check(
        GangStrategy::Pack,
        &[2, 2, 2, 1],
        r#"gang "ring" needs room for its 4 members at once (pack), there is room for 3"#,
    );
}

#[test]
fn when_a_member_fails_the_gang_starts_again_as_a_whole() {
    let mut loom = Loom::new(&[1, 1]);
    loom.submit(ring(GangStrategy::Spread, &[1, 1]));
    let placed = loom.runs();
    loom.fail(placed[0].0, placed[0].1);
    assert_eq!(loom.cancels(), [placed[1].1], "the other one's attempt is given up");
    assert!(loom.states(1).iter().all(|state| !state.is_final()));
    loom.pass(Duration::from_secs(1));
    assert_eq!(loom.runs(), [], "the other one's attempt still runs");
    loom.end(placed[1].0, placed[1].1, Outcome::Cancelled);
    let again = loom.runs();
    assert_eq!(again.iter().map(|(_, attempt)| attempt.number).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(loom.scheduler.counters().gangs_disbanded, 1);
    for (executor, attempt) in again {
        loom.succeed(executor, attempt);
    }
    assert_eq!(loom.states(1), [TaskState::Succeeded; 2]);
}

#[test]
fn when_a_member_fails_for_good_so_do_the_others() {
    let mut loom = Loom::new(&[2]);
    let mut graph = ring(GangStrategy::StrictPack, &[1, 1]);
    Arc::make_mut(&mut graph.templates[0]).retry.max_retries = 0;
    loom.submit(graph);
    let [(_, first), (_, second)] = loom.runs()[..] else { panic!("both are placed") };
    loom.fail(0, first);
    assert_eq!(loom.cancels(), [second]);
    assert_eq!(loom.states(1), [TaskState::Failed; 2]);
    assert_eq!(
        loom.why(1, 1).split("; ").next(),
        Some(r#"upstream: gang "ring" failed: task 0 failed"#)
    );
}

#[test]
fn a_lost_executor_takes_the_attempts_of_the_whole_gang() {
    let mut loom = Loom::new(&[1, 1]);
    loom.submit(ring(GangStrategy::StrictSpread, &[1, 1]));
    let placed = loom.runs();
    loom.tell(Event::ExecutorLost { executor: ExecutorId(placed[0].0) });
    assert_eq!(loom.cancels(), [placed[1].1]);
    loom.end(placed[1].0, placed[1].1, Outcome::Cancelled);
    loom.join(2, 1);
    loom.pass(Duration::from_secs(1));
    assert_eq!(loom.runs().len(), 2);
}

#[test]
fn cancelling_a_member_cancels_the_gang_and_what_needs_it() {
    let mut loom = Loom::new(&[1]);
    let mut graph = ring(GangStrategy::Pack, &[1, 1, 1]);
    graph.gangs[0].members = vec![0, 1];
    graph.tasks[2].after = vec![1];
    graph.options.wait_for_resources = true;
    loom.submit(graph);
    loom.tell(Event::CancelRequested {
        request: RequestId(1),
        job: JobId(1),
        tasks: Some(vec![0]),
    });
    assert_eq!(loom.states(1), [TaskState::Cancelled; 3]);
    assert_eq!(loom.scheduler.gangs_waiting(), 0);
}

#[test]
fn a_gang_fails_when_its_time_is_up() {
    let mut loom = Loom::new(&[1]);
    let mut graph = ring(GangStrategy::Pack, &[1, 1]);
    graph.gangs[0].timeout = Some(Duration::from_secs(3));
    graph.options.wait_for_resources = true;
    loom.submit(graph);
    loom.pass(Duration::from_secs(2));
    assert_eq!(loom.states(1), [TaskState::Ready; 2]);
    assert!(loom.why(1, 0).contains("it has waited for room for 2.0 s of at most 3s"));
    assert_eq!(loom.scheduler.next_timeout(), Some(Time::ZERO + Duration::from_secs(3)));
    loom.pass(Duration::from_secs(1));
    assert_eq!(loom.states(1), [TaskState::Failed; 2]);
    assert_eq!(
        loom.why(1, 1),
        r#"deadline_exceeded: gang "ring" was not placed within its timeout of 3s: gang "ring" needs room for its 2 members at once (pack), there is room for 1 now"#
    );
}

#[test]
fn a_gang_is_not_passed_for_ever() {
    let mut loom = Loom::new(&[2, 2]);
    loom.submit(tasks(&[1; 40]));
    let mut running = loom.runs();
    loom.submit(ring(GangStrategy::StrictPack, &[1, 1]));
    let mut ended = 0;
    while loom.gangs == 0 {
        assert!(ended < 600, "the gang starves");
        loom.submit(tasks(&[1; 2]));
        running.extend(loom.runs());
        let (executor, attempt) = running.remove(0);
        loom.succeed(executor, attempt);
        ended += 1;
        running.extend(loom.runs());
    }
    assert!(loom.scheduler.counters().total_placements() > 64, "others passed it for a while");
    let key = loom.key(2, 0);
    let executor = loom.scheduler.task(key).and_then(|task| task.executor).expect("placed");
    let other = ExecutorId(1 - executor.0);
    assert!(running.iter().any(|(id, _)| *id == other.0), "the other executor kept its work");
    // Nothing is kept any longer: both executors take work again.
    for (executor, attempt) in running {
        loom.succeed(executor, attempt);
    }
    loom.runs();
    loom.submit(tasks(&[1; 4]));
    assert!(loom.runs().iter().any(|(id, _)| ExecutorId(*id) == executor));
}

#[test]
fn gangs_go_by_priority_among_each_other_and_before_single_tasks() {
    let mut loom = Loom::new(&[2]);
    loom.submit(tasks(&[2]));
    let [(_, single)] = loom.runs()[..] else { panic!("one is placed") };
    loom.submit(ring(GangStrategy::Pack, &[1, 1]));
    let mut urgent = ring(GangStrategy::Pack, &[1, 1]);
    urgent.options.priority = 5;
    loom.submit(urgent);
    loom.succeed(0, single);
    let jobs: Vec<_> = loom.runs().iter().map(|(_, attempt)| attempt.task.job).collect();
    assert_eq!(jobs, [loom.key(3, 0).job; 2]);
}

#[test]
fn draining_waits_for_members() {
    let mut loom = Loom::new(&[2]);
    loom.submit(ring(GangStrategy::Pack, &[1, 1]));
    let placed = loom.runs();
    loom.tell(Event::DrainRequested { request: RequestId(1), executor: ExecutorId(0) });
    assert_eq!(loom.told, [], "no member is taken back, and nothing stops yet");
    for (executor, attempt) in placed {
        loom.succeed(executor, attempt);
    }
    assert!(loom.told.iter().any(|(_, message)| *message == ToExecutor::Stop));
}
