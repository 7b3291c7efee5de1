//! Invariants of the scheduler under random histories, checked after every event.
//!
//! A history is a list of random numbers, read as steps of a small world: clients that submit and
//! cancel, and executors that follow the message protocol with random delays, failures and
//! losses. When the faults stop, everything must end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use drawloom_model::{
    ActorPart, ActorRef, ActorSpec, AfterStop, Assignment, AttemptEnd, AttemptId, Attributes,
    CallSpec, Capacity, DeviceCapacity, DeviceIndex, DeviceInfo, ExecutorId, ExecutorInfo, Failure,
    FailureKind, FailureKinds, FromExecutor, Gang, GangStrategy, GpuRequest, Input, InputSource,
    JobId, JobKey, Limits, MILLI, NamedOutput, ObjectKey, ObjectReport, ObjectType, OnFailure,
    Outcome, RequestId, ResourceRequest, Run, Task, TaskGraph, TaskKey, Template, Time, ToExecutor,
    Value, Variant, validate,
};
use proptest::prelude::*;
use smallvec::SmallVec;

use crate::{
    ActorTarget, Command, Config, Event, Fact, JobEvent, Refusal, Scheduler, State, TaskEnd,
    TaskState,
};

/// An executor that follows the protocol, one step at a time.
#[derive(Default)]
struct FakeExecutor {
    inbox: VecDeque<ToExecutor>,
    outbox: VecDeque<FromExecutor>,
    queue: BTreeMap<AttemptId, Box<Assignment>>,
    running: BTreeMap<AttemptId, Box<Assignment>>,
    cancelled: BTreeSet<AttemptId>,
    stopping: BTreeMap<AttemptId, AfterStop>,
    not_succeeded: BTreeSet<TaskKey>,
    /// Attempts that wait for tasks, and whether they may go on once they have cores.
    suspended: BTreeMap<AttemptId, bool>,
    held: BTreeSet<ObjectKey>,
    cores: u64,
    /// Devices that are out of service.
    lost: BTreeSet<DeviceIndex>,
    stopped: bool,
}

impl FakeExecutor {
    fn receive(&mut self) {
        match self.inbox.pop_front() {
            Some(ToExecutor::Run(assignment)) => {
                self.not_succeeded.remove(&assignment.attempt.task);
                if assignment.waits_for.iter().any(|task| self.not_succeeded.contains(task)) {
                    self.not_succeeded.insert(assignment.attempt.task);
                } else if assignment.devices.iter().any(|device| self.lost.contains(device)) {
                    let attempt = assignment.attempt;
                    self.outbox.push_back(FromExecutor::Recalled { attempt });
                    self.drop_waiting(attempt.task);
                } else {
                    self.queue.insert(assignment.attempt, assignment);
                }
            }
            Some(ToExecutor::Cancel { attempt }) => {
                if self.queue.remove(&attempt).is_some() {
                    self.end(attempt, Outcome::Cancelled);
                } else if self.running.contains_key(&attempt) {
                    self.cancelled.insert(attempt);
                }
            }
            Some(ToExecutor::Recall { attempt }) => {
                if self.queue.remove(&attempt).is_some() {
                    self.outbox.push_back(FromExecutor::Recalled { attempt });
                    self.drop_waiting(attempt.task);
                }
            }
            Some(ToExecutor::Release { objects }) => {
                self.held.retain(|object| !objects.contains(object));
            }
            Some(ToExecutor::Replicate { object, .. }) => {
                self.held.insert(object);
                let took = Duration::from_millis(1);
                self.outbox.push_back(FromExecutor::ReplicaAdded {
                    object,
                    size_bytes: 100_000,
                    took,
                });
            }
            Some(ToExecutor::Keep { object, .. }) => {
                self.held.insert(object);
            }
            Some(ToExecutor::StopActor { attempt, then }) => {
                if self.queue.remove(&attempt).is_some() {
                    match then {
                        AfterStop::Ended => self.end(attempt, Outcome::Succeeded(SmallVec::new())),
                        AfterStop::Moved => {
                            self.outbox.push_back(FromExecutor::Recalled { attempt });
                        }
                    }
                } else if self.running.contains_key(&attempt) {
                    self.stopping.insert(attempt, then);
                }
            }
            Some(ToExecutor::Suspend { attempt }) => {
                if self.running.contains_key(&attempt) {
                    self.suspended.insert(attempt, false);
                }
            }
            Some(ToExecutor::Resume { attempt }) => {
                if let Some(may_go_on) = self.suspended.get_mut(&attempt) {
                    *may_go_on = true;
                }
            }
            Some(ToExecutor::Stop) => self.stopped = true,
            Some(ToExecutor::ForgetTemplates { .. }) | None => {}
        }
    }

    /// A device fails, or comes back with another size.
    fn change_device(&mut self, device: DeviceIndex, choice: u64) {
        let capacity = if self.lost.remove(&device) {
            DeviceCapacity { vram_bytes: 20 + choice % 20, ..DEVICE }
        } else {
            self.lost.insert(device);
            DeviceCapacity::NONE
        };
        self.outbox.push_back(FromExecutor::DeviceChanged { device, capacity });
        if !capacity.is_out_of_service() {
            return;
        }
        let of_device = |attempts: &BTreeMap<AttemptId, Box<Assignment>>| -> Vec<AttemptId> {
            let on_it = attempts.values().filter(|attempt| attempt.devices.contains(&device));
            on_it.map(|assignment| assignment.attempt).collect()
        };
        for attempt in of_device(&self.queue) {
            // It may have gone with one that it waited for.
            if self.queue.remove(&attempt).is_some() {
                self.outbox.push_back(FromExecutor::Recalled { attempt });
                self.drop_waiting(attempt.task);
            }
        }
        for attempt in of_device(&self.running) {
            self.running.remove(&attempt);
            self.suspended.remove(&attempt);
            let outcome = if self.cancelled.remove(&attempt) {
                Outcome::Cancelled
            } else {
                Outcome::Failed(Failure::new(FailureKind::DeviceLost, "it fell off the bus"))
            };
            self.end(attempt, outcome);
        }
    }

    fn end(&mut self, attempt: AttemptId, outcome: Outcome) {
        if !matches!(outcome, Outcome::Succeeded(_)) {
            self.drop_waiting(attempt.task);
        }
        let run_time = Duration::from_millis(3);
        let end =
            AttemptEnd { attempt, outcome, run_time, queue_time: Duration::ZERO, outputs_on: None };
        self.outbox.push_back(FromExecutor::Ended(Box::new(end)));
    }

    /// Drops, without a word, what waits for a task that did not succeed.
    fn drop_waiting(&mut self, task: TaskKey) {
        self.not_succeeded.insert(task);
        let waiting: Vec<AttemptId> = self
            .queue
            .iter()
            .filter(|(_, assignment)| assignment.waits_for.contains(&task))
            .map(|(attempt, _)| *attempt)
            .collect();
        for attempt in waiting {
            if self.queue.remove(&attempt).is_some() {
                self.drop_waiting(attempt.task);
            }
        }
    }

    fn is_here(&self, task: &TaskKey) -> bool {
        let of_task = |attempt: &AttemptId| attempt.task == *task;
        self.queue.keys().chain(self.running.keys()).any(of_task)
    }

    /// Cores that run something, and cores that are set aside for what does not run yet.
    fn busy(&self) -> (u64, u64) {
        let at_work = self.running.iter().filter(|(id, _)| !self.suspended.contains_key(id));
        let running = at_work.map(|(_, assignment)| cores_of(assignment)).sum();
        let queued = self.queue.values().filter(|assignment| assignment.set_aside);
        (running, queued.map(|assignment| cores_of(assignment)).sum())
    }

    /// Starts the n-th attempt that may start, if its cores are free.
    fn start(&mut self, choice: u64) {
        let (running, set_aside) = self.busy();
        let mut ready = self.suspended.iter().filter(|(_, may_go_on)| **may_go_on);
        let fits = |id: &AttemptId| running + set_aside + cores_of(&self.running[id]) <= self.cores;
        if let Some(attempt) = ready.find(|(id, _)| fits(id)).map(|(id, _)| *id) {
            self.suspended.remove(&attempt);
            return self.outbox.push_back(FromExecutor::Resumed { attempt });
        }
        let able: Vec<AttemptId> = self
            .queue
            .values()
            .filter(|assignment| !assignment.waits_for.iter().any(|task| self.is_here(task)))
            .filter(|assignment| {
                let others = if assignment.set_aside { 0 } else { set_aside };
                running + others + cores_of(assignment) <= self.cores
            })
            .map(|assignment| assignment.attempt)
            .collect();
        if able.is_empty() {
            return;
        }
        let attempt = able[choice as usize % able.len()];
        let assignment = self.queue.remove(&attempt).expect("it was just found");
        for input in &assignment.inputs {
            match &input.source {
                InputSource::Local => assert!(
                    self.held.contains(&input.object),
                    "{attempt:?} starts without its input {:?}",
                    input.object
                ),
                InputSource::Inline(_) => {}
                InputSource::Remote(sources) => assert!(!sources.is_empty()),
            }
        }
        if let Some(actor) = callee(&assignment)
            && (!self.running.contains_key(&actor) || self.stopping.contains_key(&actor))
        {
            return self.end(attempt, Outcome::Cancelled);
        }
        let is_actor = assignment.template.actor().is_some();
        if is_actor || !choice.is_multiple_of(3) {
            self.outbox.push_back(FromExecutor::Started { attempt });
        }
        self.running.insert(attempt, assignment);
    }

    fn finish(&mut self, choice: u64) {
        // What waits for tasks does not end by itself.
        let able = self.running.keys().filter(|attempt| {
            !self.suspended.contains_key(attempt) || self.cancelled.contains(attempt)
        });
        let able: Vec<AttemptId> = able.copied().collect();
        let Some(attempt) = able.get(choice as usize % able.len().max(1)).copied() else { return };
        if self.running[&attempt].template.actor().is_some() {
            return self.finish_actor(attempt, choice);
        }
        let assignment = self.running.remove(&attempt).expect("it was just found");
        self.suspended.remove(&attempt);
        let outcome = if self.cancelled.remove(&attempt) {
            Outcome::Cancelled
        } else {
            match choice % 7 {
                0 => Outcome::Failed(Failure::new(FailureKind::Application, "no luck")),
                _ => self.produce(&assignment),
            }
        };
        self.end(attempt, outcome);
    }

    /// Actors end when they crash, are cancelled, or were stopped and have no calls.
    fn finish_actor(&mut self, attempt: AttemptId, choice: u64) {
        let calls = |of: &BTreeMap<AttemptId, Box<Assignment>>| -> Vec<AttemptId> {
            let calls = of.values().filter(|call| callee(call) == Some(attempt));
            calls.map(|call| call.attempt).collect()
        };
        let running = calls(&self.running);
        let outcome = match self.stopping.get(&attempt) {
            _ if self.cancelled.remove(&attempt) => Outcome::Cancelled,
            _ if choice.is_multiple_of(7) => {
                Outcome::Failed(Failure::new(FailureKind::Application, "crash"))
            }
            Some(AfterStop::Ended) if running.is_empty() => Outcome::Succeeded(SmallVec::new()),
            Some(AfterStop::Moved) if running.is_empty() => Outcome::Cancelled,
            _ => {
                let state = Value::scalar_f32(choice as f32);
                self.outbox.push_back(FromExecutor::Checkpointed { attempt, state });
                return;
            }
        };
        self.running.remove(&attempt);
        self.stopping.remove(&attempt);
        self.end(attempt, outcome);
        for call in running {
            self.running.remove(&call);
            self.cancelled.remove(&call);
            let lost = Failure::new(FailureKind::ActorLost, "crash");
            let began = call.task.index.is_multiple_of(2);
            self.end(call, if began { Outcome::Failed(lost) } else { Outcome::Cancelled });
        }
    }

    fn produce(&mut self, assignment: &Assignment) -> Outcome {
        let first = assignment.first_output;
        let outputs = (0..u32::from(assignment.template.outputs)).map(|place| {
            let object = ObjectKey { job: first.job, index: first.index + place };
            self.held.insert(object);
            if place == 0 {
                ObjectReport::Inline(Value::scalar_f32(1.0))
            } else {
                ObjectReport::Stored { object_type: ObjectType::Blob, size_bytes: 100_000 }
            }
        });
        Outcome::Succeeded(outputs.collect())
    }
}

fn cores_of(assignment: &Assignment) -> u64 {
    assignment.template.variants[usize::from(assignment.variant)].request.cpu_milli / MILLI
}

/// The incarnation that a call is for.
fn callee(assignment: &Assignment) -> Option<AttemptId> {
    match assignment.actor.as_deref() {
        Some(ActorPart::Callee(actor)) => Some(*actor),
        Some(ActorPart::Restore(_)) | None => None,
    }
}

struct World {
    scheduler: Scheduler,
    now: Time,
    executors: BTreeMap<ExecutorId, FakeExecutor>,
    next_executor: u32,
    jobs: Vec<JobId>,
    facts: Vec<Fact>,
    log: Vec<Command>,
    ended: BTreeMap<TaskKey, TaskState>,
    ended_jobs: BTreeSet<JobKey>,
    /// Each task's last placement, counted here and not taken from the scheduler.
    placed: BTreeMap<TaskKey, (u32, ExecutorId)>,
    /// Actors that were told to end.
    stopped: BTreeSet<TaskKey>,
    /// The latest incarnation of each actor, and where it was placed.
    incarnations: BTreeMap<TaskKey, (ExecutorId, AttemptId)>,
    /// Requests to wait that are not answered yet.
    waiting: BTreeSet<RequestId>,
    next_request: u64,
    faults: bool,
}

impl World {
    fn new() -> Self {
        let config = Config { max_ahead: 6, ..Config::default() };
        World {
            scheduler: Scheduler::new(config),
            now: Time::ZERO,
            executors: BTreeMap::new(),
            next_executor: 0,
            jobs: Vec::new(),
            facts: Vec::new(),
            log: Vec::new(),
            ended: BTreeMap::new(),
            ended_jobs: BTreeSet::new(),
            placed: BTreeMap::new(),
            stopped: BTreeSet::new(),
            incarnations: BTreeMap::new(),
            waiting: BTreeSet::new(),
            next_request: 1,
            faults: true,
        }
    }

    fn tell(&mut self, event: Event) {
        let news = result_in(&event);
        let before = self.placed.clone();
        let mut commands = Vec::new();
        self.scheduler.handle(self.now, event, &mut commands);
        self.scheduler.handle(self.now, Event::RoundDue, &mut commands);
        self.scheduler.assert_consistent();
        for command in &commands {
            if let Command::Append(Fact::TaskEnded { task, end: TaskEnd::Succeeded(_) }) = command {
                let current = before.get(task).map(|at| (*task, *at));
                // An actor that was told to end succeeds without a result where it has no attempt.
                let stopped =
                    self.stopped.contains(task) && news.is_none_or(|(ended, _)| ended != *task);
                assert!(stopped || news.is_some() && news == current, "{task:?} is fenced");
            }
            self.carry_out(command);
        }
        self.log.append(&mut commands);
        self.check_that_ended_work_stops();
    }

    /// Whatever an executor still has of a task that has ended, it was told to give up.
    fn check_that_ended_work_stops(&self) {
        for (id, executor) in &self.executors {
            let here = executor.queue.keys().chain(executor.running.keys());
            for attempt in here.filter(|attempt| self.ended.contains_key(&attempt.task)) {
                let told = executor.cancelled.contains(attempt)
                    || executor.inbox.contains(&ToExecutor::Cancel { attempt: *attempt });
                assert!(told, "{attempt:?} of an ended task goes on at {id}");
            }
        }
    }

    fn carry_out(&mut self, command: &Command) {
        match command {
            Command::Append(fact) => {
                self.check(fact);
                self.facts.push(fact.clone());
            }
            Command::Send { executor, message } => {
                self.check_actors(*executor, message);
                let executor = self.executors.get_mut(executor).expect("only those that joined");
                executor.inbox.push_back(message.clone());
            }
            Command::Disconnect { executor } => {
                self.executors.remove(executor);
            }
            Command::Notify { job, event } => match event {
                JobEvent::TaskEnded { task, state, .. } => {
                    let key = TaskKey { job: *job, index: *task };
                    assert!(state.is_final());
                    assert_eq!(self.ended.insert(key, *state), None, "{key:?} ended twice");
                }
                JobEvent::JobEnded { .. } => assert!(self.ended_jobs.insert(*job)),
                _ => {}
            },
            Command::Reply { request, answer } => {
                self.waiting.remove(request);
                let acceptable = matches!(
                    answer,
                    Ok(_)
                        | Err(Refusal::Impossible { .. }
                            | Refusal::NotRunning { .. }
                            | Refusal::WaitsForItself { .. })
                );
                assert!(acceptable, "{answer:?}");
            }
        }
    }

    /// A later incarnation has a larger number, and calls go to the latest alone.
    fn check_actors(&mut self, executor: ExecutorId, message: &ToExecutor) {
        let ToExecutor::Run(assignment) = message else { return };
        let attempt = assignment.attempt;
        if let Some(actor) = callee(assignment) {
            assert_eq!(self.incarnations.get(&actor.task), Some(&(executor, actor)), "{attempt:?}");
        }
        if assignment.template.actor().is_some() {
            let earlier = self.incarnations.insert(attempt.task, (executor, attempt));
            assert!(earlier.is_none_or(|(_, earlier)| earlier.number < attempt.number));
        }
    }

    fn check(&mut self, fact: &Fact) {
        let placed = match fact {
            Fact::TaskPlaced { task, executor } => vec![(*task, *executor)],
            Fact::GangPlaced { job, placements } => {
                let key = |index: &u32| TaskKey { job: *job, index: *index };
                placements.iter().map(|(index, executor)| (key(index), *executor)).collect()
            }
            _ => Vec::new(),
        };
        for (task, executor) in placed {
            assert!(!self.ended.contains_key(&task), "{task:?} runs after its end");
            let (number, at) = self.placed.entry(task).or_insert((0, executor));
            *number += 1;
            *at = executor;
        }
        if let Fact::ActorStopping { task } = fact {
            assert!(self.stopped.insert(*task), "{task:?} is told to end twice");
        }
        if let Fact::TaskEnded { task, end: TaskEnd::Succeeded(_) } = fact {
            assert!(!self.ended.contains_key(task), "{task:?} has two results");
        }
    }

    fn step(&mut self, number: u64) {
        self.now = self.now + Duration::from_millis(number % 40);
        if self.scheduler.next_timeout().is_some_and(|due| due <= self.now) {
            let living: Vec<ExecutorId> = self.executors.keys().copied().collect();
            for executor in living {
                // All are heard before the round that looks who was not.
                let heartbeat = Event::ExecutorSaid { executor, message: FromExecutor::Heartbeat };
                self.scheduler.handle(self.now, heartbeat, &mut self.log);
            }
            self.tell(Event::RoundDue);
        }
        let choice = number / 64;
        match number % 64 {
            0..4 => self.submit(choice),
            4 if self.faults => self.cancel(choice),
            5 if self.faults && self.executors.len() > 1 => self.lose(choice),
            6 if self.faults => self.drain(choice),
            7..9 => self.join(choice),
            9..12 => self.tell(Event::RoundDue),
            12 if self.faults => self.repeat_old_news(choice),
            13 if self.faults => self.stop_actor(choice),
            14..16 => self.wait(choice),
            16..20 if self.faults => self.change_device(choice),
            _ => self.progress(choice),
        }
        for (id, executor) in &self.executors {
            if executor.stopped {
                let id = *id;
                self.executors.remove(&id);
                self.tell(Event::ExecutorLost { executor: id });
                break;
            }
        }
    }

    fn join(&mut self, choice: u64) {
        let id = ExecutorId(self.next_executor);
        self.next_executor += 1;
        let cores = 1 + choice % 4;
        // Whole cores for tasks, and a bit for actors.
        let cpu_milli = cores * MILLI + ACTORS;
        let devices = vec![DEVICE; DEVICES];
        let capacity = Capacity { cpu_milli, memory_bytes: ACTORS, devices, ..Capacity::default() };
        let info = ExecutorInfo {
            devices: vec![DeviceInfo::named("gpu"); DEVICES],
            name: id.to_string(),
            address: format!("http://{id}"),
            capacity,
            kernels: vec!["noop".into()],
            actors: vec!["counter".into()],
            ..ExecutorInfo::default()
        };
        self.executors.insert(id, FakeExecutor { cores, ..FakeExecutor::default() });
        self.tell(Event::ExecutorJoined { executor: id, info: Arc::new(info) });
    }

    fn pick(&self, choice: u64) -> Option<ExecutorId> {
        self.executors.keys().nth(choice as usize % self.executors.len().max(1)).copied()
    }

    fn lose(&mut self, choice: u64) {
        let Some(id) = self.pick(choice) else { return };
        self.executors.remove(&id);
        self.tell(Event::ExecutorLost { executor: id });
    }

    fn change_device(&mut self, choice: u64) {
        let Some(id) = self.pick(choice / 8) else { return };
        let executor = self.executors.get_mut(&id).expect("picked from them");
        executor.change_device(DeviceIndex((choice % DEVICES as u64) as u16), choice >> 16);
    }

    fn drain(&mut self, choice: u64) {
        let Some(executor) = self.pick(choice) else { return };
        self.tell(Event::ExecutorSaid { executor, message: FromExecutor::DrainRequested });
    }

    /// News of an earlier attempt, from where the task's current one is.
    fn repeat_old_news(&mut self, choice: u64) {
        let retried = self.placed.iter().filter(|(task, (number, at))| {
            *number > 1 && !self.ended.contains_key(task) && self.executors.contains_key(at)
        });
        let retried: Vec<_> = retried.map(|(task, at)| (*task, *at)).collect();
        let Some((task, (number, executor))) = retried.get(choice as usize % retried.len().max(1))
        else {
            return;
        };
        let Some(job) = self.scheduler.state().job(task.job) else { return };
        let outputs = job.template_of(task.index).outputs;
        let report = ObjectReport::Inline(Value::scalar_f32(0.0));
        let end = AttemptEnd {
            attempt: AttemptId { task: *task, number: number - 1 },
            outcome: Outcome::Succeeded((0..outputs).map(|_| report.clone()).collect()),
            run_time: Duration::ZERO,
            queue_time: Duration::ZERO,
            outputs_on: None,
        };
        let message = FromExecutor::Ended(Box::new(end));
        self.tell(Event::ExecutorSaid { executor: *executor, message });
    }

    fn progress(&mut self, choice: u64) {
        let Some(id) = self.pick(choice / 8) else { return };
        self.check_room(&self.executors[&id]);
        let executor = self.executors.get_mut(&id).expect("picked from them");
        // Bits that have no say in which executor it is.
        let which = choice >> 16;
        match choice % 8 {
            0..3 => executor.receive(),
            3..5 => executor.start(which),
            5 => executor.finish(which),
            _ => {
                if let Some(message) = executor.outbox.pop_front() {
                    self.tell(Event::ExecutorSaid { executor: id, message });
                }
            }
        }
    }

    /// A member that arrives fits at once, beside all that the scheduler counts as being there.
    fn check_room(&self, executor: &FakeExecutor) {
        let Some(ToExecutor::Run(member)) = executor.inbox.front() else { return };
        if member.set_aside && executor.running.keys().all(|other| self.scheduler.counts(*other)) {
            let (running, set_aside) = executor.busy();
            assert!(running + set_aside + cores_of(member) <= executor.cores, "{member:?}");
        }
    }

    fn cancel(&mut self, choice: u64) {
        let Some(job) = self.jobs.get(choice as usize % self.jobs.len().max(1)).copied() else {
            return;
        };
        let Some(key) = self.scheduler.job_key(job) else { return };
        let count = self.scheduler.job(key).map_or(0, |job| job.tasks.total());
        let tasks =
            (!choice.is_multiple_of(3) && count > 0).then(|| vec![(choice / 8) as u32 % count]);
        self.tell(Event::CancelRequested { request: RequestId(0), job, tasks });
    }

    fn stop_actor(&mut self, choice: u64) {
        let Some(job) = self.jobs.get(choice as usize % self.jobs.len().max(1)).copied() else {
            return;
        };
        let actor = ActorTarget::Task { job, task: 0 };
        if self.scheduler.find_actor(&actor).is_ok() {
            self.tell(Event::ActorStopRequested { request: RequestId(0), actor });
        }
    }

    /// A running attempt, or somebody outside, waits for a task or two of its job.
    fn wait(&mut self, choice: u64) {
        let Some(executor) = self.pick(choice).and_then(|id| self.executors.get(&id)) else {
            return;
        };
        let running = executor.running.keys().filter(|id| !executor.suspended.contains_key(id));
        let running: Vec<AttemptId> = running.copied().collect();
        let Some(attempt) = running.get(choice as usize / 8 % running.len().max(1)) else { return };
        let key = attempt.task.job;
        let Some(job) = self.scheduler.state().job(key) else { return };
        let (job, count) = (job.id, job.tasks.len() as u64);
        let tasks = vec![(choice / 64 % count) as u32, (choice / 512 % count) as u32];
        let request = RequestId(self.next_request);
        self.next_request += 1;
        self.waiting.insert(request);
        let waiter = (!choice.is_multiple_of(5)).then_some((attempt.task.index, attempt.number));
        self.tell(Event::WaitRequested { request, job, tasks, waiter });
    }

    fn submit(&mut self, choice: u64) {
        let id = JobId(self.jobs.len() as u128 + 1);
        let graph = random_graph(choice);
        self.jobs.push(id);
        let graph = Arc::new(graph);
        self.tell(Event::JobSubmitted { request: RequestId(0), job: id, token: None, graph });
    }

    /// Whatever lies on an executor, the scheduler knows of and can release.
    fn check_that_replicas_are_known(&mut self) {
        for (id, executor) in &mut self.executors {
            while !executor.inbox.is_empty() {
                executor.receive();
            }
            for object in &executor.held {
                assert!(self.scheduler.holds(*id, *object), "{object:?} is forgotten at {id}");
            }
        }
    }

    /// No more faults: with executors that stay, everything ends.
    fn settle(&mut self) {
        self.faults = false;
        (0..GANG_LIMIT).for_each(|_| self.join(3));
        for round in 0..40_000u64 {
            let open = self.jobs.iter().any(|job| {
                let key = self.scheduler.job_key(*job);
                key.is_some_and(|key| !self.ended_jobs.contains(&key))
            });
            let idle = |executor: &FakeExecutor| {
                let said = executor.inbox.is_empty() && executor.outbox.is_empty();
                said && executor.running.is_empty()
            };
            if !open && self.executors.values().all(idle) {
                break;
            }
            self.step(16 + 64 * (mixed(round) >> 6));
        }
        for job in &self.jobs {
            let Some(key) = self.scheduler.job_key(*job) else { continue };
            let summary = self.scheduler.job(key).expect("jobs are kept");
            let waiting: Vec<_> = (0..summary.tasks.total())
                .map(|index| TaskKey { job: key, index })
                .filter_map(|task| self.scheduler.explain(self.now, task))
                .filter(|explanation| !explanation.state.is_final())
                .collect();
            assert!(self.ended_jobs.contains(&key), "never ended: {summary:?}, {waiting:?}");
        }
        self.check_that_replicas_are_known();
        assert!(self.waiting.is_empty(), "{:?} are never answered", self.waiting);
    }
}

/// A number in which every bit of another has a say: SplitMix64, of Steele, Lea and Flood, "Fast
/// splittable pseudorandom number generators" (2014).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// The attempt that an event says has succeeded, and where.
fn result_in(event: &Event) -> Option<(TaskKey, (u32, ExecutorId))> {
    let Event::ExecutorSaid { executor, message: FromExecutor::Ended(end) } = event else {
        return None;
    };
    let succeeded = matches!(end.outcome, Outcome::Succeeded(_));
    succeeded.then_some((end.attempt.task, (end.attempt.number, *executor)))
}

/// Up to 12 tasks of three templates, each with a few predecessors among the earlier ones.
fn random_graph(seed: u64) -> TaskGraph {
    let mut state = seed | 1;
    let mut random = move |bound: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let template = |cores: u64, outputs: u16, retries: u32| {
        let mut variant = Variant::kernel("noop", Attributes::new());
        variant.request = ResourceRequest::cores(cores);
        let mut template = Template::new(variant, outputs);
        template.retry.max_retries = retries;
        template.retry.on = FailureKinds::TRANSIENT;
        Arc::new(template)
    };
    let mut device_template = on_device(template(1, 0, 9));
    if random(2) == 0 {
        device_template = with_twin(device_template);
    }
    let mut templates = vec![template(1, 1, 9), template(2, 2, 0), device_template];
    templates.extend([actor(), call(9), call(0)]);
    let outputs = [1u16, 2, 0, 0, 1, 1];
    let mut tasks: Vec<Task> = Vec::new();
    // In some graphs the first task is an actor that others call.
    let kinds = if random(2) == 0 { 6 } else { 3 };
    for index in 0..1 + random(12) {
        let kind = if index == 0 && kinds == 6 { 3 } else { random(kinds) as u32 };
        let kind = if index > 0 && kind == 3 { 4 } else { kind };
        let mut task = Task { template: kind, ..Task::default() };
        for _ in 0..random(4).min(index) {
            let before = random(index) as u32;
            if tasks[before as usize].template == 3 {
                continue; // Nobody waits for an actor's end.
            }
            let made = outputs[tasks[before as usize].template as usize];
            if made > 0 && random(3) > 0 {
                let output = random(u64::from(made)) as u16;
                task.inputs.push(Input::Task { task: before, output });
            } else {
                task.after.push(before);
            }
        }
        tasks.push(task);
    }
    let mut graph = TaskGraph { templates, tasks, ..TaskGraph::default() };
    graph.options.wait_for_resources = true;
    if random(3) == 0 {
        graph.options.on_failure = OnFailure::CancelJob;
    }
    add_gangs(&mut graph, &mut random);
    if graph.tasks[0].template == 0 {
        let object = Input::Task { task: 0, output: 0 };
        graph.outputs.push(NamedOutput { name: "kept".into(), object });
    }
    graph
}

/// How many devices an executor has.
const DEVICES: usize = 2;

const DEVICE: DeviceCapacity =
    DeviceCapacity { milli: 1000, vram_bytes: 40, compute_capability: 80 };

/// The same on half of a device.
fn on_device(mut template: Arc<Template>) -> Arc<Template> {
    let gpu = GpuRequest { devices: 1, milli: 500, vram_bytes: 20, min_compute_capability: 0 };
    Arc::make_mut(&mut template).variants[0].request.gpu = Some(gpu);
    template
}

/// The same, or else on cores alone.
fn with_twin(mut template: Arc<Template>) -> Arc<Template> {
    let variants = &mut Arc::make_mut(&mut template).variants;
    let mut twin = variants[0].clone();
    twin.request.gpu = None;
    variants.push(twin);
    template
}

/// The most members of a gang.
const GANG_LIMIT: u64 = 4;

/// Up to two gangs of tasks that can be ready together, as small as the executors that stay.
fn add_gangs(graph: &mut TaskGraph, random: &mut impl FnMut(u64) -> u64) {
    for number in 0..random(3) {
        let strategy = GangStrategy::ALL[random(4) as usize];
        let limit = if strategy == GangStrategy::StrictPack { 2 } else { GANG_LIMIT };
        let count = graph.tasks.len() as u64;
        let mut members: Vec<u32> = (0..1 + random(limit)).map(|_| random(count) as u32).collect();
        members.sort_unstable();
        members.dedup();
        let mut gang = Gang::new(format!("gang{number}"), members, strategy);
        gang.timeout = (random(4) == 0).then(|| Duration::from_millis(1 + random(200)));
        graph.gangs.push(gang);
        if validate(graph, &Limits::default(), |_| None).is_err() {
            graph.gangs.pop();
        }
    }
}

/// How many actors an executor has room for.
const ACTORS: u64 = 64;

/// An actor that takes one of the places for actors.
fn actor() -> Arc<Template> {
    let spec = ActorSpec::native("counter", Attributes::new());
    let request = ResourceRequest { cpu_milli: 1, memory_bytes: 1, ..ResourceRequest::default() };
    let run = Run::Actor(Box::new(spec));
    let mut template = Template::new(Variant { run, request, cost_hint: None }, 0);
    template.retry.max_retries = 9;
    template.retry.on = FailureKinds::TRANSIENT;
    Arc::new(template)
}

/// A call of the first task.
fn call(retries: u32) -> Arc<Template> {
    let actor = ActorRef::Task(0);
    let call = CallSpec { actor, method: "add".into(), attributes: Attributes::new() };
    let (run, request) = (Run::Call(call), ResourceRequest::default());
    let mut template = Template::new(Variant { run, request, cost_hint: None }, 1);
    template.retry.max_retries = retries;
    template.retry.on = FailureKinds::TRANSIENT;
    Arc::new(template)
}

fn run(history: &[u64]) -> World {
    let mut world = World::new();
    for number in history {
        world.step(*number);
    }
    world.settle();
    world
}

/// Random histories are of use for gangs only if gangs come to something in them.
#[test]
fn histories_reach_gangs() {
    let mut state = 1u64;
    let mut number = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.rotate_right(23)
    };
    let (mut placed, mut disbanded, mut timed_out) = (0, 0, 0);
    for _ in 0..12 {
        let world = run(&(0..300).map(|_| number()).collect::<Vec<_>>());
        placed += world.scheduler.counters().gangs_placed;
        disbanded += world.scheduler.counters().gangs_disbanded;
        timed_out += world.scheduler.counters().gangs_timed_out;
    }
    assert!(placed > 50 && disbanded > 5 && timed_out > 0, "{placed} {disbanded} {timed_out}");
}

/// The same of devices: attempts are lost with them, and some come back.
#[test]
fn histories_reach_devices() {
    let (mut lost, mut succeeded) = (0, 0);
    for seed in 0..12 {
        let history = (0..300).map(|place| mixed(seed << 32 | place)).collect::<Vec<_>>();
        let world = run(&history);
        let said = |wanted: &dyn Fn(&JobEvent) -> bool| {
            let events = world.log.iter().filter_map(|command| match command {
                Command::Notify { event, .. } => Some(event),
                _ => None,
            });
            events.filter(|event| wanted(event)).count()
        };
        lost += said(&|event| {
            matches!(event, JobEvent::TaskRetried { failure, .. }
                if failure.kind == FailureKind::DeviceLost)
        });
        succeeded +=
            said(&|event| matches!(event, JobEvent::TaskEnded { state: TaskState::Succeeded, .. }));
    }
    assert!(lost > 5 && succeeded > 500, "{lost} {succeeded}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_and_everything_ends(history in proptest::collection::vec(any::<u64>(), 0..400)) {
        let world = run(&history);
        let recovered = State::recover(&world.facts);
        prop_assert_eq!(&recovered, world.scheduler.state());
    }

    #[test]
    fn the_same_history_gives_the_same_commands(history in proptest::collection::vec(any::<u64>(), 0..120)) {
        prop_assert_eq!(run(&history).log, run(&history).log);
    }

    #[test]
    fn any_prefix_of_the_facts_recovers(history in proptest::collection::vec(any::<u64>(), 0..120)) {
        let mut world = World::new();
        for number in history {
            world.step(number);
            prop_assert_eq!(&State::recover(&world.facts), world.scheduler.state());
        }
    }
}
