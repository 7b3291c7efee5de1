//! The one loop that owns the core.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use drawloom_executor_core::{Command, Cores, Event, Executor, KillReason};
use drawloom_model::{
    ActorPart, Assignment, AttemptId, CallFault, DeviceUsage, Failure, FailureKind, FromExecutor,
    INLINE_LIMIT_BYTES, INLINE_SUM_LIMIT_BYTES, InputSource, ObjectKey, ObjectReport, Outcome, Run,
    Time, ToExecutor, Value, Variant, WhenFull,
};
use smallvec::SmallVec;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};

use crate::actor::{Actors, Delivery, ReplyTo, Start};
use crate::cancellation::Cancellation;
use crate::gpu::{DeviceJob, Devices, Landing, Operand};
use crate::runner::{Completion, Job, Workers};
use crate::store::{Kept, Mover, Store};
use crate::transfer::Peers;

/// Batches of news for the scheduler.
pub type FromExecutorSender = mpsc::UnboundedSender<Vec<FromExecutor>>;
/// Batches of orders from the scheduler.
pub type ToExecutorReceiver = mpsc::UnboundedReceiver<Vec<ToExecutor>>;

/// News from this executor's own threads and tasks.
#[derive(Debug)]
pub(crate) enum News {
    /// An attempt has ended on a worker thread.
    Completed(Completion),
    /// Attempts have ended on a device.
    Landed(Vec<Landing>),
    /// An actor's incarnation has begun: it answers calls.
    ActorStarted { attempt: AttemptId },
    /// An actor has something to tell the scheduler.
    ActorSaid(FromExecutor),
    /// A call found its actor gone and never ran: another incarnation may take it.
    CallReturned { attempt: AttemptId },
    /// Something for the core as it is: a transfer has ended, an object was put, a drain asked for.
    Event(Event),
    /// The process is to end without waiting for the scheduler.
    Abandon,
}

/// How the loop ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The scheduler said `Stop`, or the owner let go.
    Stopped,
    /// The scheduler is gone.
    Disconnected,
}

/// What the loop works with.
pub(crate) struct Parts {
    pub core: Executor,
    pub store: Arc<Store>,
    pub workers: Workers,
    pub devices: Arc<Devices>,
    pub actors: Actors,
    pub peers: Peers,
    pub mover: Mover,
    pub news: mpsc::UnboundedReceiver<News>,
    pub news_sender: mpsc::UnboundedSender<News>,
    pub inbox: ToExecutorReceiver,
    pub outbox: FromExecutorSender,
    pub heartbeat: Duration,
}

/// How long killed attempts have to go when the loop ends.
const FAREWELL: Duration = Duration::from_secs(3);

/// Batches taken in before news is sent: a busy scheduler must not keep it from hearing anything.
const DRAIN_ROUNDS: usize = 16;

pub(crate) struct Driver {
    parts: Parts,
    origin: Instant,
    /// Events that came up while another was handled.
    events: VecDeque<Event>,
    commands: Vec<Command>,
    said: Vec<FromExecutor>,
    /// Started since the last batch was sent, and not ended yet.
    just_started: Vec<AttemptId>,
    running: HashMap<AttemptId, Running>,
    end: Option<End>,
    /// What was told of devices.
    devices_used: Vec<DeviceUsage>,
}

struct Running {
    first_output: ObjectKey,
    cancellation: Arc<Cancellation>,
    /// The actor that it calls, if it is a call.
    callee: Option<AttemptId>,
}

impl Driver {
    pub(crate) fn new(parts: Parts) -> Self {
        Driver {
            parts,
            origin: Instant::now(),
            events: VecDeque::new(),
            commands: Vec::new(),
            said: Vec::new(),
            just_started: Vec::new(),
            running: HashMap::new(),
            end: None,
            devices_used: Vec::new(),
        }
    }

    /// Runs until the scheduler says `Stop`, or is gone.
    pub(crate) async fn run(mut self) -> End {
        let mut heartbeat = tokio::time::interval(self.parts.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = loop {
            self.wait(&mut heartbeat).await;
            self.drain();
            self.send();
            if let Some(end) = self.end {
                break end;
            }
        };
        self.kill_all().await;
        self.parts.workers.quarters().close();
        self.parts.store.close();
        end
    }

    /// Waits for the first news and takes it in.
    async fn wait(&mut self, heartbeat: &mut Interval) {
        let timeout = self.parts.core.next_timeout();
        let due = timeout.map(|time| self.origin + Duration::from_nanos(time.as_nanos()));
        tokio::select! {
            batch = self.parts.inbox.recv() => self.take_batch(batch),
            news = self.parts.news.recv() => if let Some(news) = news { self.take_news(news) },
            () = sleep_until(due), if due.is_some() => self.handle(Event::TimeoutDue),
            _ = heartbeat.tick() => {
                self.said.push(FromExecutor::Heartbeat);
                self.parts.store.memory().sweep();
            }
        }
    }

    /// Takes in everything else that has arrived.
    fn drain(&mut self) {
        for _ in 0..DRAIN_ROUNDS {
            let mut idle = true;
            if let Ok(batch) = self.parts.inbox.try_recv() {
                idle = false;
                self.take_batch(Some(batch));
            }
            while let Ok(news) = self.parts.news.try_recv() {
                idle = false;
                self.take_news(news);
            }
            if idle || self.end.is_some() {
                return;
            }
        }
    }

    fn take_batch(&mut self, batch: Option<Vec<ToExecutor>>) {
        let Some(batch) = batch else {
            self.end.get_or_insert(End::Disconnected);
            return;
        };
        for message in batch {
            if let ToExecutor::ForgetTemplates { templates } = &message {
                templates.iter().for_each(|known| self.parts.devices.forget_sent(known.job));
            }
            self.handle(Event::Told(message));
        }
    }

    fn take_news(&mut self, news: News) {
        match news {
            News::Completed(completion) => self.complete(completion),
            News::Landed(landings) => landings.into_iter().for_each(|landing| self.land(landing)),
            News::Event(event) => self.handle(event),
            News::ActorStarted { attempt } if self.running.contains_key(&attempt) => {
                self.said.push(FromExecutor::Started { attempt });
            }
            News::ActorStarted { .. } => {}
            News::ActorSaid(message) => self.said.push(message),
            News::CallReturned { attempt } => {
                if self.running.remove(&attempt).is_some() {
                    self.end_attempt(attempt, Outcome::Cancelled, Duration::ZERO);
                }
            }
            News::Abandon => self.end = Some(End::Stopped),
        }
    }

    /// Hands an event to the core and carries out what follows, to the end.
    fn handle(&mut self, event: Event) {
        let now = self.now();
        self.events.push_back(event);
        while let Some(event) = self.events.pop_front() {
            let mut commands = std::mem::take(&mut self.commands);
            self.parts.core.handle(now, event, &mut commands);
            for command in commands.drain(..) {
                self.carry_out(command);
            }
            self.commands = commands;
        }
    }

    fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Fetch { object, sources } => {
                self.parts.peers.fetch(object, sources, self.parts.news_sender.clone());
            }
            Command::Spill { object } => self.parts.mover.spill(object),
            Command::Restore { object } => self.parts.mover.restore(object),
            Command::AnswerRoom { room, answer } => self.parts.store.wishes().answer(room, answer),
            Command::Expect { attempt, device, turn, objects } => {
                self.parts.devices.expect(attempt, device, turn, &objects);
            }
            Command::ExpectNoMore { attempt, device } => {
                self.parts.devices.expect_no_more(attempt, device);
            }
            Command::Start { assignment, cores } => self.start(assignment, cores),
            Command::Kill { attempt, why } => {
                tracing::debug!(?attempt, ?why, "attempt is killed");
                match why {
                    KillReason::TimedOut(_) => self.parts.devices.time_is_up(attempt),
                    KillReason::Cancelled | KillReason::DeviceLost => {
                        self.parts.devices.cancelled(attempt);
                    }
                }
                if let Some(running) = self.running.get(&attempt) {
                    running.cancellation.cancel();
                    self.kill_by_kind(attempt, running.callee);
                }
            }
            Command::StopActor { attempt } => {
                if let Some(mailbox) = self.parts.actors.find(attempt) {
                    mailbox.stop();
                }
            }
            Command::Say(message) => {
                if let FromExecutor::Ended(end) = &message {
                    self.just_started.retain(|attempt| *attempt != end.attempt);
                }
                self.said.push(message);
            }
            Command::Keep { object, value } => self.parts.store.insert(object, value),
            Command::Drop { objects } => {
                for object in objects {
                    self.parts.devices.forget(object);
                    self.parts.store.remove(object);
                }
            }
            Command::Stop => self.end = Some(End::Stopped),
        }
    }

    fn start(&mut self, assignment: Box<Assignment>, cores: Cores) {
        if is_instant(&assignment) {
            let outcome = Outcome::Succeeded(SmallVec::new());
            let (attempt, run_time) = (assignment.attempt, Duration::ZERO);
            let ended = Event::AttemptEnded { attempt, outcome, run_time, outputs_on: None };
            self.events.push_back(ended);
            return;
        }
        let attempt = assignment.attempt;
        let cancellation = Cancellation::new();
        let first_output = assignment.first_output;
        let callee = callee(&assignment);
        let running = Running { first_output, cancellation: Arc::clone(&cancellation), callee };
        self.running.insert(attempt, running);
        let is_actor = assignment.template.actor().is_some();
        if !is_actor {
            self.just_started.push(attempt); // An actor says so itself.
        }
        if assignment.runs_on_device() {
            return self.start_on_device(assignment, cancellation);
        }
        match self.inputs(&assignment) {
            Ok(inputs) if is_actor => self.start_actor(assignment, inputs, cores, cancellation),
            Ok(inputs) if callee.is_some() => self.call(assignment, inputs, cancellation),
            Ok(inputs) => {
                let job = Job { assignment, inputs, cores, cancellation };
                self.parts.workers.run(job, self.parts.news_sender.clone());
            }
            Err(failure) => self.fail_start(attempt, failure),
        }
    }

    fn fail_start(&self, attempt: AttemptId, failure: Failure) {
        let completion = Completion { attempt, result: Err(failure), run_time: Duration::ZERO };
        // Not at once: the core is being carried out.
        let _ = self.parts.news_sender.send(News::Completed(completion));
    }

    fn start_on_device(&mut self, assignment: Box<Assignment>, cancellation: Arc<Cancellation>) {
        let operands = assignment.inputs.iter().map(|input| {
            let (kept, was_sent) = match &input.source {
                InputSource::Inline(value) => (Some(Kept::Memory(value.clone())), true),
                InputSource::Local | InputSource::Remote(_) => {
                    (self.parts.store.find(input.object), false)
                }
            };
            Some(Operand::new(input.object, kept?, was_sent))
        });
        match operands.collect::<Option<Vec<Operand>>>() {
            Some(operands) => {
                self.parts.devices.run(DeviceJob { assignment, operands, cancellation });
            }
            None => self.fail_start(assignment.attempt, dropped_input()),
        }
    }

    fn start_actor(
        &mut self,
        assignment: Box<Assignment>,
        arguments: Vec<Value>,
        cores: Cores,
        cancellation: Arc<Cancellation>,
    ) {
        let variant = &assignment.template.variants[usize::from(assignment.variant)];
        let Run::Actor(spec) = variant.run.clone() else { return };
        let request = variant.request.clone();
        let news = self.parts.news_sender.clone();
        self.parts.actors.start(Start {
            assignment,
            spec,
            request,
            arguments,
            cores,
            cancellation,
            news,
        });
    }

    /// Hands a call to its actor's mailbox.
    fn call(
        &mut self,
        assignment: Box<Assignment>,
        arguments: Vec<Value>,
        cancellation: Arc<Cancellation>,
    ) {
        let attempt = assignment.attempt;
        let (Some(callee), Some(call)) = (callee(&assignment), assignment.template.call()) else {
            return;
        };
        let Some(mailbox) = self.parts.actors.find(callee) else {
            // Not at once: the core is being carried out.
            let _ = self.parts.news_sender.send(News::CallReturned { attempt });
            return;
        };
        let timeout = assignment.template.timeout;
        let delivery = Delivery {
            method: call.method.as_str().into(),
            attributes: Arc::new(call.attributes.clone()),
            arguments,
            deadline: timeout.map(|limit| (Instant::now() + limit, limit)),
            when_full: WhenFull::Refuse,
            cancellation: Some(cancellation),
            reply: ReplyTo::Task { attempt, news: self.parts.news_sender.clone() },
        };
        mailbox.submit(&mut VecDeque::from([delivery]));
    }

    /// Ends an actor, or a call that has not begun.
    fn kill_by_kind(&self, attempt: AttemptId, callee: Option<AttemptId>) {
        match callee {
            Some(callee) => {
                if let Some(mailbox) = self.parts.actors.find(callee) {
                    mailbox.withdraw(|reply| reply.is_task(attempt), &CallFault::Cancelled);
                }
            }
            None => {
                if let Some(mailbox) = self.parts.actors.find(attempt) {
                    mailbox.kill();
                }
            }
        }
    }

    fn inputs(&self, assignment: &Assignment) -> Result<Vec<Value>, Failure> {
        let inputs = assignment.inputs.iter().map(|input| match &input.source {
            InputSource::Inline(value) => Ok(value.clone()),
            InputSource::Local | InputSource::Remote(_) => {
                self.parts.store.get(input.object).ok_or_else(dropped_input)
            }
        });
        inputs.collect()
    }

    /// An attempt has ended on a worker: keeps its outputs and tells the core.
    fn complete(&mut self, completion: Completion) {
        let Completion { attempt, result, run_time } = completion;
        let Some(running) = self.running.remove(&attempt) else { return };
        let outcome = match result {
            Ok(outputs) => Outcome::Succeeded(self.keep(running.first_output, outputs)),
            Err(failure) => Outcome::Failed(failure),
        };
        self.end_attempt(attempt, outcome, run_time);
    }

    fn end_attempt(&mut self, attempt: AttemptId, outcome: Outcome, run_time: Duration) {
        self.handle(Event::AttemptEnded { attempt, outcome, run_time, outputs_on: None });
    }

    /// An attempt has ended on a device: notes its outputs and tells the core.
    fn land(&mut self, landing: Landing) {
        self.parts.devices.landed(&landing);
        // What waits for room goes on when all of this is known.
        let Landing { attempt, device, result, run_time, ticket: _ticket } = landing;
        let Some(running) = self.running.remove(&attempt) else { return };
        let (outcome, outputs_on) = match result {
            Ok(outputs) => {
                let first = running.first_output;
                let keys = (first.index..).map(|index| ObjectKey { job: first.job, index });
                let reports = keys.zip(outputs).map(|(object, resident)| {
                    let size_bytes = resident.size_bytes();
                    metrics::counter!("executor_output_bytes_total").increment(size_bytes);
                    let object_type = resident.object_type.clone();
                    self.parts.store.insert_resident(object, resident);
                    ObjectReport::Stored { object_type, size_bytes }
                });
                (Outcome::Succeeded(reports.collect()), Some(device))
            }
            Err(failure) => (Outcome::Failed(failure), None),
        };
        self.handle(Event::AttemptEnded { attempt, outcome, run_time, outputs_on });
    }

    fn keep(&self, first: ObjectKey, outputs: Vec<Value>) -> SmallVec<[ObjectReport; 1]> {
        let keys = (first.index..).map(|index| ObjectKey { job: first.job, index });
        let mut inline_bytes = 0;
        let reports = keys.zip(outputs).map(|(key, value)| {
            let size_bytes = value.data.len() as u64;
            let is_small = value.data.len() <= INLINE_LIMIT_BYTES;
            inline_bytes += if is_small { value.data.len() } else { 0 };
            metrics::counter!("executor_output_bytes_total").increment(size_bytes);
            let report = if is_small && inline_bytes <= INLINE_SUM_LIMIT_BYTES {
                ObjectReport::Inline(value.clone())
            } else {
                ObjectReport::Stored { object_type: value.object_type.clone(), size_bytes }
            };
            self.parts.store.insert(key, value);
            report
        });
        reports.collect()
    }

    /// Sends what was said since the last time, as one batch.
    fn send(&mut self) {
        let started = self.just_started.drain(..);
        let started = started.map(|attempt| FromExecutor::Started { attempt });
        // An attempt that has just started has not ended: its `Started` may come last.
        self.said.extend(started);
        if self.said.is_empty() {
            return;
        }
        self.tell_of_devices();
        if self.parts.outbox.send(std::mem::take(&mut self.said)).is_err() {
            self.end.get_or_insert(End::Disconnected);
        }
        metrics::gauge!("executor_attempts").set(self.parts.core.attempts() as f64);
        let memory = self.parts.store.memory();
        metrics::gauge!("executor_arena_used_bytes").set(memory.used_bytes() as f64);
        metrics::gauge!("executor_arena_resident_bytes").set(memory.resident_bytes() as f64);
        if let Some(disk) = self.parts.store.disk() {
            metrics::gauge!("executor_spilled_bytes").set(disk.used_bytes() as f64);
        }
    }

    /// Says what devices hold and have copied, before what ended there, if that has changed.
    fn tell_of_devices(&mut self) {
        if self.parts.devices.is_empty() {
            return;
        }
        let usage = self.parts.devices.usage();
        if usage == self.devices_used {
            return;
        }
        let bytes: u64 = usage.iter().map(|device| device.objects_bytes).sum();
        metrics::gauge!("executor_vram_objects_bytes").set(bytes as f64);
        self.said.insert(0, FromExecutor::DevicesUsed(usage.clone()));
        self.devices_used = usage;
    }

    /// Ends whatever still runs, and waits a little for it to go.
    async fn kill_all(&mut self) {
        let mut attempts = self.running.keys().copied().collect::<Vec<_>>();
        attempts.sort_unstable();
        for attempt in attempts {
            self.running[&attempt].cancellation.cancel();
            self.kill_by_kind(attempt, self.running[&attempt].callee);
        }
        let farewell = async {
            while !self.running.is_empty() {
                match self.parts.news.recv().await {
                    Some(News::Completed(completion)) => {
                        self.running.remove(&completion.attempt);
                    }
                    Some(News::Landed(landings)) => {
                        for landing in landings {
                            self.running.remove(&landing.attempt);
                        }
                    }
                    Some(News::CallReturned { attempt }) => {
                        self.running.remove(&attempt);
                    }
                    Some(
                        News::Event(_)
                        | News::ActorStarted { .. }
                        | News::ActorSaid(_)
                        | News::Abandon,
                    ) => {}
                    None => return,
                }
            }
        };
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            tracing::warn!("some attempts did not end in time");
        }
    }
}

fn dropped_input() -> Failure {
    Failure::new(FailureKind::ObjectLost, "an input was dropped before its use")
}

/// The incarnation that a call is for.
fn callee(assignment: &Assignment) -> Option<AttemptId> {
    match assignment.actor.as_deref()? {
        ActorPart::Callee(actor) => Some(*actor),
        ActorPart::Restore(_) => None,
    }
}

async fn sleep_until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due.into()).await;
    }
}

/// Whether the attempt takes no time, so that it is over before anything else can happen.
fn is_instant(assignment: &Assignment) -> bool {
    let variant = assignment.template.variants.get(usize::from(assignment.variant));
    let Some(Variant { run: Run::Kernel(call), .. }) = variant else { return false };
    drawloom_signature::find(&call.name).is_some_and(drawloom_signature::Signature::is_instant)
}
