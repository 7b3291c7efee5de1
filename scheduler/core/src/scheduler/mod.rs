//! The scheduler: events in, facts and commands out.

mod actor;
mod admit;
mod attempt;
mod cancel;
mod cost;
mod drain;
mod executor;
mod gang;
mod listing;
mod place;
mod query;
mod soft;
mod timer;
mod wait;

use std::collections::{BTreeMap, BTreeSet};

use drawloom_model::{AttemptId, ExecutorId, JobKey, ObjectKey, TaskKey, Time, ToExecutor};

use crate::callees::Callees;
use crate::class::{ClassId, Classes};
use crate::cluster::{ActiveIndex, Cluster, RunAhead};
use crate::config::Config;
use crate::cost::Costs;
use crate::estimate::{Bandwidth, Estimates};
use crate::gang::{GangKey, Gangs};
use crate::policy::{EarliestFinish, Policy, policy};
use crate::queue::ReadyQueue;
#[cfg(test)]
use crate::state::Phase;
use crate::state::{Effects, State};
use crate::timers::Timers;
use crate::waits::{Wait, Waits};
use crate::{Command, Commands, Counters, Event, Fact, JobEvent, Refusal, Reply, TaskState};

use soft::Soft;

/// The machine that decides.
///
/// The shell hands over what has arrived by [`Scheduler::handle`], then [`Event::RoundDue`] once,
/// carries out the commands in order, and comes back with `RoundDue` at
/// [`Scheduler::next_timeout`] at the latest. Everything else is a question that changes nothing.
/// The same events at the same times give the same commands, byte for byte.
pub struct Scheduler {
    config: Config,
    policy: Box<dyn Policy>,
    /// What must survive a crash.
    state: State,
    effects: Effects,
    /// What is known of tasks beside that.
    soft: Soft,
    cluster: Cluster,
    classes: Classes,
    costs: Costs,
    estimates: Estimates,
    bandwidth: Bandwidth,
    ready: ReadyQueue,
    gangs: Gangs,
    callees: Callees,
    timers: Timers,
    /// Attempts that ended for us but still hold their claims until their executor says so.
    departing: BTreeMap<AttemptId, ActiveIndex>,
    /// Executors that have followers to place.
    followed: BTreeSet<ExecutorId>,
    /// Replicas to be dropped, told once a round.
    releases: BTreeMap<ExecutorId, Vec<ObjectKey>>,
    /// Who waits for tasks.
    waits: Waits,
    /// Waits that are over for attempts that have no cores yet to go on.
    resuming: BTreeMap<AttemptId, Vec<Wait>>,
    capacity_came_back: bool,
    counters: Counters,
}

impl Scheduler {
    /// A scheduler without jobs and executors. An unknown policy's name gives the default.
    pub fn new(config: Config) -> Self {
        let run_ahead = RunAhead { attempts: config.max_ahead, horizon: config.ahead_horizon };
        Scheduler {
            policy: policy(&config.policy).unwrap_or_else(|| Box::new(EarliestFinish)),
            config,
            state: State::default(),
            effects: Effects::default(),
            soft: Soft::default(),
            cluster: Cluster::new(run_ahead),
            classes: Classes::default(),
            costs: Costs::default(),
            estimates: Estimates::default(),
            bandwidth: Bandwidth::default(),
            ready: ReadyQueue::default(),
            gangs: Gangs::default(),
            callees: Callees::default(),
            timers: Timers::default(),
            departing: BTreeMap::new(),
            followed: BTreeSet::new(),
            releases: BTreeMap::new(),
            waits: Waits::default(),
            resuming: BTreeMap::new(),
            capacity_came_back: false,
            counters: Counters::default(),
        }
    }

    /// Takes in one event. Never blocks and never fails: a request that cannot be granted is
    /// answered by a refusal, and news of an old attempt is dropped here.
    pub fn handle(&mut self, now: Time, event: Event, commands: &mut Commands) {
        match event {
            Event::JobSubmitted { request, job, token, graph } => {
                let answer = self.on_job_submitted(now, job, token, graph, commands);
                self.answer(request, answer, commands);
            }
            Event::TasksAdded { request, job, graph } => {
                let answer = self.on_tasks_added(now, job, graph, commands);
                self.answer(request, answer, commands);
            }
            Event::JobClosed { request, job } => {
                let answer = self.on_job_closed(now, job, commands);
                self.answer(request, answer, commands);
            }
            Event::CancelRequested { request, job, tasks } => {
                let answer = self.on_cancel_requested(now, job, tasks, commands);
                self.answer(request, answer, commands);
            }
            Event::WaitRequested { request, job, tasks, waiter } => {
                match self.on_wait_requested(request, job, tasks, waiter, commands) {
                    Ok(None) => {}
                    Ok(Some(reply)) => self.answer(request, Ok(reply), commands),
                    Err(refusal) => self.answer(request, Err(refusal), commands),
                }
            }
            Event::JobForgotten { job } => self.on_job_forgotten(job, commands),
            Event::ObjectPut { request, object, value } => {
                let key = self.state.reserve_object();
                let report = drawloom_model::ObjectReport::Inline(value);
                self.record(Fact::ObjectPut { key, object, report }, commands);
                self.answer(request, Ok(Reply::ObjectPut), commands);
            }
            Event::ObjectStored { request, object, key, executor, report } => {
                let answer = self.on_object_stored(object, key, executor, report, commands);
                self.answer(request, answer, commands);
            }
            Event::ObjectReleased { request, object } => {
                let answer = self.on_object_released(object, commands);
                self.answer(request, answer, commands);
            }
            Event::ExecutorJoined { executor, info } => {
                self.on_executor_joined(now, executor, info)
            }
            Event::ExecutorSaid { executor, message } => {
                self.on_executor_said(now, executor, message, commands);
            }
            Event::ExecutorLost { executor } => self.on_executor_lost(now, executor, commands),
            Event::DrainRequested { request, executor } => {
                let answer = self.on_drain_requested(executor, commands);
                self.answer(request, answer, commands);
            }
            Event::ActorStopRequested { request, actor } => {
                let answer = self.on_actor_stop_requested(&actor, commands);
                self.answer(request, answer, commands);
            }
            Event::CostsKnown { costs } => self.costs.restore(&costs),
            Event::RoundDue => self.on_round_due(now, commands),
        }
    }

    /// When a `RoundDue` is wanted at the latest.
    pub fn next_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// A key for an object that a client puts on an executor.
    pub fn reserve_object(&mut self) -> ObjectKey {
        self.state.reserve_object()
    }

    /// The durable state.
    pub fn state(&self) -> &State {
        &self.state
    }

    fn on_round_due(&mut self, now: Time, commands: &mut Commands) {
        self.fire_timers(now, commands);
        let gangs_arrived = self.greet_gangs(now);
        let came_back = std::mem::take(&mut self.capacity_came_back);
        let worth_asking = came_back || gangs_arrived;
        // What is kept for a gang is told anew once the gang is asked again.
        if came_back | (worth_asking && self.cluster.release_kept()) {
            self.ready.unblock();
        }
        let mut turns = self.gang_turns(worth_asking);
        self.place_calls(now, commands);
        self.place_ready(now, &mut turns, commands);
        self.relieve_crowded(commands);
        self.place_followers(now, commands);
        self.rebalance(commands);
        self.flush_resumes(commands);
        if !self.resuming.is_empty() {
            self.answer_for_the_gone(commands);
        }
        self.flush_releases(commands);
        self.counters.rounds += 1;
    }

    /// The one way durable state changes, live and in recovery alike: [`State::apply`].
    /// [`Scheduler::settle`] follows once the caller has brought its soft state up to date.
    fn record(&mut self, fact: Fact, commands: &mut Commands) {
        self.state.apply(&fact, &mut self.effects);
        commands.push(Command::Append(fact));
    }

    /// Follows up on what facts brought about.
    fn settle(&mut self) {
        let mut readied = std::mem::take(&mut self.effects.readied);
        for task in readied.drain(..) {
            match self.soft.task(task).and_then(|soft| soft.active) {
                Some(sent_ahead) => self.cluster.stop_waiting(sent_ahead),
                None => self.make_ready(task),
            }
        }
        self.effects.readied = readied;
        let mut dropped = std::mem::take(&mut self.effects.dropped);
        for object in dropped.drain(..) {
            for holder in self.cluster.take_replicas(object) {
                self.releases.entry(holder).or_default().push(object);
            }
        }
        self.effects.dropped = dropped;
    }

    /// Queues a task for placement if it waits for nothing.
    fn make_ready(&mut self, key: TaskKey) {
        let Some(job) = self.state.job(key.job) else { return };
        let task = &job.tasks[key.index as usize];
        let Some(soft) = self.soft.task(key) else { return };
        if task.unmet > 0 || task.phase != crate::state::Phase::Pending || soft.delayed {
            return;
        }
        if let Some(index) = job.gangs.of_task(key.index) {
            self.set_state(key, TaskState::Ready);
            return self.assemble(GangKey { job: key.job, index });
        }
        let priority = job.priority_of(key.index);
        let class = self.soft.class_of(key.job, task.template);
        let kind = self.classes.get(class);
        if kind.is_call() {
            return self.make_call_ready(key);
        }
        if kind.lasting && self.state.actor(key).is_some_and(|actor| actor.stopping) {
            self.callees.stop_unplaced(key);
            return self.set_state(key, TaskState::Ready);
        }
        self.ready.push(class, priority, self.soft.rank(key), key);
        self.set_state(key, TaskState::Ready);
    }

    fn class_of_task(&self, key: TaskKey) -> ClassId {
        let template = self.state.task(key).map_or(0, |task| task.template);
        self.soft.class_of(key.job, template)
    }

    fn set_state(&mut self, key: TaskKey, state: TaskState) {
        if let Some(old) = self.soft.set_state(key, state) {
            self.counters.tasks[old as usize] -= 1;
            self.counters.tasks[state as usize] += 1;
        }
    }

    fn flush_releases(&mut self, commands: &mut Commands) {
        while let Some((executor, objects)) = self.releases.pop_first() {
            self.send(executor, ToExecutor::Release { objects }, commands);
        }
    }

    fn send(&self, executor: ExecutorId, message: ToExecutor, commands: &mut Commands) {
        commands.push(Command::Send { executor, message });
    }

    fn answer(
        &self,
        request: drawloom_model::RequestId,
        answer: Result<Reply, Refusal>,
        commands: &mut Commands,
    ) {
        commands.push(Command::Reply { request, answer });
    }

    fn notify(&self, job: JobKey, event: JobEvent, commands: &mut Commands) {
        commands.push(Command::Notify { job, event });
    }

    #[cfg(test)]
    pub(crate) fn holds(&self, executor: ExecutorId, object: ObjectKey) -> bool {
        self.cluster.holds(executor, object)
    }

    #[cfg(test)]
    pub(crate) fn assert_consistent(&self) {
        self.state.assert_consistent();
        self.cluster.assert_consistent(|active| {
            &self.classes.get(active.class).variants[usize::from(active.variant)].request
        });
        self.soft.assert_consistent(&self.state, &self.counters.tasks);
        let jobs = self.soft.keys_before(u64::MAX).filter_map(|key| self.soft.job(key));
        let templates: Vec<_> = jobs.flat_map(|job| job.classes.iter().copied()).collect();
        self.classes.assert_users(|class| {
            let executors = self.cluster.executors();
            let active = executors.flat_map(|executor| self.cluster.actives_on(executor.id));
            active.filter(|active| active.class == class).count()
                + templates.iter().filter(|of| **of == class).count()
        });
        let jobs = self.soft.keys_before(u64::MAX).filter_map(|key| self.soft.job(key));
        let ways: Vec<_> = jobs
            .flat_map(|job| job.costs.iter().flat_map(|costs| costs.ways.iter().flatten().copied()))
            .collect();
        self.costs.assert_users(|way| ways.iter().filter(|of| **of == way).count());
        let executors = self.cluster.executors();
        let actives = executors.flat_map(|executor| self.cluster.actives_on(executor.id));
        let calls = actives.filter(|active| self.classes.get(active.class).is_call());
        self.callees.assert_sent(calls.map(|active| active.attempt));
        self.assert_gangs_whole();
    }

    /// Of the members of a gang that have not ended, all have a place or none has.
    #[cfg(test)]
    fn assert_gangs_whole(&self) {
        for job in self.soft.keys_before(u64::MAX).filter_map(|key| self.state.job(key)) {
            for gang in job.gangs.iter() {
                let phases = gang.members.iter().map(|task| job.tasks[*task as usize].phase);
                let unended: Vec<_> = phases.filter(|phase| !phase.is_final()).collect();
                let placed = |phase: &&Phase| matches!(phase, Phase::Placed(_));
                let count = unended.iter().filter(placed).count();
                assert!(count == 0 || count == unended.len(), "{:?}: {unended:?}", gang.name);
            }
        }
    }

    /// Whether the attempt is counted as being on an executor.
    #[cfg(test)]
    pub(crate) fn counts(&self, attempt: AttemptId) -> bool {
        self.cluster.executors().any(|executor| {
            self.cluster.actives_on(executor.id).any(|active| active.attempt == attempt)
        })
    }
}
