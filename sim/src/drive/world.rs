//! The world around the cores: a clock, messages under way, tasks that run and objects that move.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use drawloom_executor_core as executor;
use drawloom_model::{
    AttemptId, ExecutorId, FromExecutor, JobId, ObjectKey, ObjectReport, ObjectType, Outcome,
    RequestId, Time, ToExecutor,
};
use drawloom_plan::{Schedule, Slot};
use drawloom_scheduler_core::{Command, Commands, Config, Event, JobEvent, Scheduler, TaskState};

use super::graph::Graph;
use super::{Driven, MESSAGE};
use crate::Case;

/// Something that happens at a moment.
enum Happening {
    /// A message reaches the scheduler.
    ToScheduler(u32, FromExecutor),
    /// A message, or news of its own, reaches an executor.
    ToExecutor(u32, Box<executor::Event>),
    /// The scheduler wanted to be woken.
    SchedulerDue,
    /// An executor wanted to be woken.
    ExecutorDue(u32),
}

pub(super) struct World<'c> {
    case: &'c Case,
    graph: Graph,
    scheduler: Scheduler,
    executors: Vec<executor::Executor>,
    now: Time,
    /// What is to happen, the earliest first, and of those at one moment the first that was said.
    queue: BTreeMap<(Time, u64), Happening>,
    next: u64,
    slots: Vec<Option<Slot>>,
    sizes: BTreeMap<ObjectKey, u64>,
    /// When each executor is to be woken, as far as that is in the queue.
    due: Vec<Option<Time>>,
    scheduler_due: Option<Time>,
    decisions: usize,
    bytes_moved: f64,
    scheduler_wall: Duration,
    failure: Option<String>,
    has_ended: bool,
}

impl<'c> World<'c> {
    pub fn new(case: &'c Case, graph: Graph, config: Config) -> Self {
        let executors = graph.executors.iter().map(|info| {
            executor::Executor::new(executor::Config {
                capacity: info.capacity.clone(),
                ..executor::Config::default()
            })
        });
        World {
            case,
            scheduler: Scheduler::new(config),
            executors: executors.collect(),
            now: Time::ZERO,
            queue: BTreeMap::new(),
            next: 0,
            slots: vec![None; case.problem.len()],
            sizes: BTreeMap::new(),
            due: vec![None; graph.executors.len()],
            scheduler_due: None,
            decisions: 0,
            bytes_moved: 0.0,
            scheduler_wall: Duration::ZERO,
            failure: None,
            has_ended: false,
            graph,
        }
    }

    /// To the end of the job.
    pub fn run(mut self) -> Result<Driven, String> {
        let mut events: Vec<Event> = Vec::new();
        for (id, info) in (0u32..).zip(&self.graph.executors) {
            let executor = ExecutorId(id);
            events.push(Event::ExecutorJoined { executor, info: Arc::new(info.clone()) });
        }
        let graph = Arc::new(std::mem::take(&mut self.graph.graph));
        let (request, job) = (RequestId(0), JobId(1));
        events.push(Event::JobSubmitted { request, job, token: None, graph });
        self.tell_scheduler(events);
        while !self.has_ended && self.failure.is_none() {
            let Some((&(at, _), _)) = self.queue.first_key_value() else { break };
            self.now = at;
            self.moment();
        }
        self.outcome()
    }

    fn outcome(self) -> Result<Driven, String> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let slots = self.slots.iter().enumerate().map(|(task, slot)| {
            slot.ok_or_else(|| format!("task {task} has not run when nothing more happens"))
        });
        Ok(Driven {
            schedule: Schedule { slots: slots.collect::<Result<_, _>>()? },
            decisions: self.decisions,
            bytes_moved: self.bytes_moved,
            scheduler_wall: self.scheduler_wall,
        })
    }

    fn at(&mut self, at: Time, what: Happening) {
        self.queue.insert((at, self.next), what);
        self.next += 1;
    }

    /// Everything that happens now; the scheduler hears of all of it in one batch, as a busy one does.
    fn moment(&mut self) {
        let mut heard = Vec::new();
        let mut is_due = false;
        while let Some(next) = self.queue.first_entry()
            && next.key().0 == self.now
        {
            match next.remove() {
                Happening::ToScheduler(id, message) => {
                    heard.push(Event::ExecutorSaid { executor: ExecutorId(id), message });
                }
                Happening::ToExecutor(id, event) => self.tell_executor(id, *event),
                Happening::SchedulerDue => is_due = true,
                Happening::ExecutorDue(id) => {
                    self.due[id as usize] = None;
                    self.tell_executor(id, executor::Event::TimeoutDue);
                }
            }
        }
        if is_due {
            self.scheduler_due = None;
        }
        if is_due || !heard.is_empty() {
            self.tell_scheduler(heard);
        }
    }

    fn tell_scheduler(&mut self, events: Vec<Event>) {
        let mut commands = Commands::new();
        let start = Instant::now();
        for event in events {
            self.scheduler.handle(self.now, event, &mut commands);
        }
        self.scheduler.handle(self.now, Event::RoundDue, &mut commands);
        self.scheduler_wall += start.elapsed();
        for command in commands {
            self.carry_out(command);
        }
        if let Some(due) = self.scheduler.next_timeout()
            && self.scheduler_due.is_none_or(|known| due < known)
        {
            self.scheduler_due = Some(due);
            self.at(due.max(self.now), Happening::SchedulerDue);
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Send { executor, message } => {
                self.decisions += usize::from(matches!(message, ToExecutor::Run(_)));
                let event = Box::new(executor::Event::Told(message));
                self.at(self.now + MESSAGE, Happening::ToExecutor(executor.0, event));
            }
            Command::Reply { answer: Err(refusal), .. } => self.failure = Some(refusal.to_string()),
            Command::Notify { event: JobEvent::JobEnded { .. }, .. } => self.has_ended = true,
            Command::Notify { event: JobEvent::TaskEnded { task, state, .. }, .. }
                if state != TaskState::Succeeded =>
            {
                self.failure = Some(format!("task {task} ended {state:?}"));
            }
            Command::Append(_)
            | Command::Disconnect { .. }
            | Command::Reply { .. }
            | Command::Notify { .. } => {}
        }
    }

    fn tell_executor(&mut self, id: u32, event: executor::Event) {
        let mut commands = Vec::new();
        self.executors[id as usize].handle(self.now, event, &mut commands);
        for command in commands {
            match command {
                executor::Command::Start { assignment, cores } => {
                    let core = cores.first().copied().unwrap_or_default();
                    let processor = self.graph.first_processor[id as usize] + core;
                    let (attempt, first) = (assignment.attempt, assignment.first_output);
                    self.start(id, attempt, first, processor);
                }
                executor::Command::Fetch { object, sources } => {
                    let from = sources.first().and_then(|source| source.parse().ok());
                    self.fetch(id, object, from);
                }
                executor::Command::Say(message) => {
                    self.at(self.now + MESSAGE, Happening::ToScheduler(id, message));
                }
                executor::Command::Restore { .. }
                | executor::Command::Spill { .. }
                | executor::Command::Expect { .. }
                | executor::Command::ExpectNoMore { .. }
                | executor::Command::Keep { .. }
                | executor::Command::AnswerRoom { .. }
                | executor::Command::Kill { .. }
                | executor::Command::StopActor { .. }
                | executor::Command::Drop { .. }
                | executor::Command::Stop => {}
            }
        }
        if let Some(due) = self.executors[id as usize].next_timeout()
            && self.due[id as usize].is_none_or(|known| due < known)
        {
            self.due[id as usize] = Some(due);
            self.at(due.max(self.now), Happening::ExecutorDue(id));
        }
    }

    /// A task runs, and ends when it does.
    fn start(&mut self, id: u32, attempt: AttemptId, first_output: ObjectKey, processor: u32) {
        let task = attempt.task.index as usize;
        let run_time = self.graph.run_times[task];
        let mut reports = Vec::with_capacity(self.graph.outputs[task].len());
        for (offset, bytes) in (0u32..).zip(&self.graph.outputs[task]) {
            let object = ObjectKey { job: first_output.job, index: first_output.index + offset };
            self.sizes.insert(object, *bytes);
            let object_type = ObjectType::Blob;
            reports.push(ObjectReport::Stored { object_type, size_bytes: *bytes });
        }
        let end = self.now + run_time;
        self.slots[task] =
            Some(Slot { processor, start: self.now.as_secs_f64(), finish: end.as_secs_f64() });
        // As the executor's service does for whatever does not end at once.
        let started = FromExecutor::Started { attempt };
        self.at(self.now + MESSAGE, Happening::ToScheduler(id, started));
        let outcome = Outcome::Succeeded(reports.into());
        let event = executor::Event::AttemptEnded { attempt, outcome, run_time, outputs_on: None };
        self.at(end, Happening::ToExecutor(id, Box::new(event)));
    }

    /// An object moves here; nobody else slows it down.
    fn fetch(&mut self, id: u32, object: ObjectKey, from: Option<u32>) {
        let size_bytes = self.sizes.get(&object).copied().unwrap_or_default();
        let from = from.unwrap_or(id);
        let seconds = self.case.problem.transfer(size_bytes as f64, from, id);
        self.bytes_moved += size_bytes as f64;
        let event = executor::Event::InputArrived { object, size_bytes };
        let at = self.now + super::span(seconds);
        self.at(at, Happening::ToExecutor(id, Box::new(event)));
    }
}
