//! The one loop: takes in what has arrived, lets the core decide, carries out what it asks for.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use drawloom_model::{ExecutorId, FromExecutor, Limits, RequestId, Time, ToExecutor};
use drawloom_scheduler_core::{Command, Commands, Config, Event, Fact, Refusal, Reply, Scheduler};
use tokio::sync::{mpsc, watch};

use crate::alarm::Alarm;
use crate::clock::Clock;
use crate::handle::{Admitted, Answer, Handle, Input, OrderSender, Query, Shell};
use crate::keeper::Keeper;
use crate::log::{Logs, OutputTypes, Retention};
use crate::meter::Meter;
use crate::metrics::Sampled;
use crate::state_dir::StateDir;
use crate::trace;

/// Settings of a driver.
#[derive(Clone, Debug, Default)]
pub struct DriverConfig {
    /// The core's settings.
    pub core: Config,
    /// How long ended jobs are kept.
    pub retention: Retention,
    /// Bounds on what is accepted in one job.
    pub limits: Limits,
    /// What is kept from one run to the next; nothing without.
    pub state: Option<Arc<StateDir>>,
}

/// How many inputs may wait for the driver.
const QUEUE: usize = 4096;
/// The most inputs between two rounds.
const BATCH: usize = 256;

/// Starts a driver on the current runtime. It ends when it is told to stop, or when every handle
/// is gone.
pub fn start(config: DriverConfig) -> Handle {
    let (sender, inputs) = mpsc::channel(QUEUE);
    let clock = Clock::start();
    let (mut scheduler, logs) = (Scheduler::new(config.core), Logs::new(config.retention));
    let keeper = config.state.map(|state| Keeper::start(state, clock.now(), &mut scheduler));
    let shell = Shell { scheduler, logs, sampled: Sampled::default() };
    let driver = Driver {
        shell,
        clock,
        inputs,
        commands: Commands::new(),
        executors: BTreeMap::new(),
        waiting: HashMap::new(),
        queries: Vec::new(),
        meter: Meter::default(),
        keeper,
        state: Running::Yes,
    };
    tokio::spawn(driver.run());
    Handle::new(sender, clock, config.limits)
}

#[derive(PartialEq)]
enum Running {
    Yes,
    No,
}

struct Driver {
    shell: Shell,
    clock: Clock,
    inputs: mpsc::Receiver<Input>,
    commands: Commands,
    executors: BTreeMap<ExecutorId, Outbox>,
    waiting: HashMap<RequestId, Answer>,
    queries: Vec<Query>,
    meter: Meter,
    keeper: Option<Keeper>,
    state: Running,
}

struct Outbox {
    orders: OrderSender,
    pending: Vec<ToExecutor>,
    /// Whether something is pending that the executor waits for.
    urgent: bool,
    /// Tells the executor's attachment, when dropped, that it was let go.
    _seat: watch::Sender<()>,
}

impl Outbox {
    /// How many messages that nobody waits for may be held back.
    const HELD_BACK: usize = 1024;

    fn push(&mut self, message: ToExecutor) {
        self.urgent |= !matches!(message, ToExecutor::ForgetTemplates { .. });
        self.pending.push(message);
    }

    /// Sends what is pending if any of it is urgent: the rest goes with the next that is, so that
    /// the end of a small job does not cost its executor a wake-up.
    fn flush(&mut self) {
        if self.urgent || self.pending.len() > Outbox::HELD_BACK {
            self.urgent = false;
            // An executor that is gone is told of by its attachment.
            let _ = self.orders.send(std::mem::take(&mut self.pending));
        }
    }
}

impl Driver {
    async fn run(mut self) {
        let mut inputs = Vec::with_capacity(BATCH);
        let mut alarm = Alarm::new();
        while self.state == Running::Yes && self.receive(&mut inputs, &mut alarm).await {
            let now = self.clock.now();
            for input in inputs.drain(..) {
                self.take_in(now, input);
            }
            self.handle(now, Event::RoundDue);
            self.carry_out(now);
            self.meter.flush_due(now);
            for query in self.queries.drain(..) {
                query(&mut self.shell, now);
            }
            if let Some(keeper) = &mut self.keeper {
                keeper.look(now, &self.shell.scheduler);
            }
            if self.shell.logs.has_expired() {
                // Nobody waits for that: orders and answers go first.
                tokio::task::yield_now().await;
                self.expire_jobs(now);
            }
        }
        // Whoever waits for the driver's end waits for this, too.
        if let Some(keeper) = self.keeper.take() {
            keeper.finish(&self.shell.scheduler).await;
        }
    }

    /// Waits for inputs or the core's deadline; false when every handle is gone.
    async fn receive(&mut self, inputs: &mut Vec<Input>, alarm: &mut Alarm) -> bool {
        if let Some(due) = self.shell.scheduler.next_timeout() {
            alarm.set(self.clock.instant(due));
        }
        tokio::select! {
            biased;
            received = self.inputs.recv_many(inputs, BATCH) => received > 0,
            () = alarm.rings() => true,
        }
    }

    fn handle(&mut self, now: Time, event: Event) {
        self.shell.scheduler.handle(now, event, &mut self.commands);
    }

    fn expire_jobs(&mut self, now: Time) {
        while let Some(job) = self.shell.logs.expire() {
            self.handle(now, Event::JobForgotten { job });
        }
    }

    fn take_in(&mut self, now: Time, input: Input) {
        match input {
            Input::Ask { event, request, answer } => {
                self.waiting.insert(request, answer);
                self.handle(now, event);
            }
            Input::Attach { executor, info, orders, seat } => {
                tracing::info!(%executor, name = info.name, address = info.address, "executor joined");
                if self.shell.scheduler.executors().any(|other| other.info.name == info.name) {
                    tracing::warn!(%executor, name = info.name, "another executor has this name");
                }
                self.executors.insert(
                    executor,
                    Outbox { orders, pending: Vec::new(), urgent: false, _seat: seat },
                );
                self.handle(now, Event::ExecutorJoined { executor, info });
            }
            Input::Said { executor, messages } => {
                for message in messages {
                    if let FromExecutor::Ended(end) = &message {
                        self.meter.ended(end);
                    }
                    self.handle(now, Event::ExecutorSaid { executor, message });
                }
            }
            Input::Detach { executor } => {
                tracing::info!(%executor, "executor's connection ended");
                self.executors.remove(&executor);
                self.handle(now, Event::ExecutorLost { executor });
            }
            Input::Query(query) => self.queries.push(query),
            Input::Stop => self.state = Running::No,
        }
    }

    /// Carries out the core's commands in order. Orders, answers and events wait for nothing, as
    /// long as facts are kept nowhere.
    fn carry_out(&mut self, now: Time) {
        let mut commands = std::mem::take(&mut self.commands);
        let mut placed = 0;
        for command in commands.drain(..) {
            match command {
                Command::Append(fact) => {
                    trace::fact(&fact);
                    match fact {
                        Fact::JobAdmitted { key, job, .. } => self.shell.logs.open(job, key),
                        Fact::TaskPlaced { .. } => placed += 1,
                        Fact::GangPlaced { placements, .. } => placed += placements.len() as u32,
                        _ => {}
                    }
                }
                Command::Send { executor, message } => {
                    if let Some(outbox) = self.executors.get_mut(&executor) {
                        outbox.push(message);
                    }
                }
                Command::Disconnect { executor } => {
                    tracing::warn!(%executor, "executor was silent for too long and is lost");
                    self.executors.remove(&executor);
                }
                Command::Reply { request, answer } => self.reply(request, answer),
                Command::Notify { job, event } => {
                    trace::event(job, &event);
                    self.shell.logs.push(job, event);
                }
            }
        }
        self.commands = commands;
        for outbox in self.executors.values_mut() {
            outbox.flush();
        }
        self.shell.logs.wake();
        self.meter.round(placed, self.clock.now() - now);
    }

    fn reply(&mut self, request: RequestId, answer: Result<Reply, Refusal>) {
        // Whoever asked may be gone; then nobody needs to know.
        match self.waiting.remove(&request) {
            Some(Answer::Plain(sender)) => drop(sender.send(answer)),
            Some(Answer::Job { types, sender }) => {
                let admitted = answer.map(|reply| self.admitted(reply, types)).transpose();
                if let Some(admitted) = admitted {
                    drop(sender.send(admitted));
                }
            }
            None => {}
        }
    }

    fn admitted(&self, reply: Reply, types: OutputTypes) -> Option<Admitted> {
        let Reply::JobAdmitted { job, key, tasks, existing } = reply else { return None };
        let log = self.shell.logs.get(key)?.clone();
        if !existing && let Ok(mut known) = log.types.try_lock() {
            *known = types;
        }
        Some(Admitted { job, key, tasks, existing, log })
    }
}
