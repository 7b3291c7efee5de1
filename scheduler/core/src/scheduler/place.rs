//! A round: what is ready is placed, what follows is sent ahead, what waits behind others is
//! taken back for those who have nothing to do.

use drawloom_model::{
    AssignedInput, Assignment, AttemptId, ExecutorId, Failure, FailureKind, INLINE_SUM_LIMIT_BYTES,
    InputSource, ObjectKey, ObjectReport, TaskKey, TemplateKey, Time, ToExecutor,
};
use smallvec::SmallVec;

use super::Scheduler;
use super::gang::Turns;
use super::soft::LastPlacement;
use crate::class::ClassId;
use crate::cluster::Active;
use crate::policy::{Candidate, Placement, ReasonKind, View};
use crate::queue::Ready;
use crate::state::{Content, Job, Phase};
use crate::{Commands, Fact, TaskEnd, TaskState};

/// How an attempt comes to its executor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// It gets its claim there, at once or when its turn comes.
    Queued,
    /// What it asks for is claimed.
    Claimed,
}

impl Scheduler {
    /// Places what is ready, gangs before single tasks of the same priority.
    pub(super) fn place_ready(&mut self, now: Time, turns: &mut Turns, commands: &mut Commands) {
        let mut heads = self.ready.heads();
        while let Some((head, class)) = heads.pop() {
            self.place_gangs(now, head.priority, turns, commands);
            self.ready.pop(class);
            if self.is_ready(head.task) {
                if let Some(object) = self.lost_input(head.task) {
                    self.fail_for_lost_input(now, head.task, object, commands);
                } else if !self.place_one(now, head.task, class, commands) {
                    self.ready.put_back(class, head);
                    self.ready.block(class);
                    continue;
                }
            }
            if let Some(next) = self.ready.peek(class) {
                heads.push((*next, class));
            }
        }
        self.place_gangs(now, i32::MIN, turns, commands);
    }

    pub(super) fn is_ready(&self, task: TaskKey) -> bool {
        self.soft.task(task).is_some_and(|soft| soft.state == TaskState::Ready)
    }

    /// An input that was lost, so that the task can never run.
    pub(super) fn lost_input(&self, task: TaskKey) -> Option<ObjectKey> {
        let inputs = self.state.job(task.job)?.inputs(task.index);
        inputs.iter().copied().find(|input| self.state.report(*input).is_none())
    }

    pub(super) fn fail_for_lost_input(
        &mut self,
        now: Time,
        task: TaskKey,
        object: ObjectKey,
        commands: &mut Commands,
    ) {
        let maker = self
            .state
            .job(object.job)
            .and_then(|job| Some(job.describe(job.objects.get(object.index as usize)?.maker)));
        let origin =
            maker.map_or_else(|| "a put object".to_owned(), |task| format!("made by {task}"));
        let message =
            format!("input {object:?} ({origin}) was lost with the executor that held it");
        let end = TaskEnd::Failed(Failure::new(FailureKind::ObjectLost, message));
        self.end_unsuccessfully(now, task, end, commands);
        self.end_job_if_complete(now, task.job, commands);
    }

    fn place_one(
        &mut self,
        now: Time,
        task: TaskKey,
        class: ClassId,
        commands: &mut Commands,
    ) -> bool {
        let placement =
            self.ask(task, class, |policy, candidate, view| policy.place(now, candidate, view));
        let Some(placement) = placement else { return false };
        if !self.is_valid(&placement, class) {
            return false;
        }
        self.carry_out(now, task, class, placement, commands);
        true
    }

    pub(super) fn ask(
        &mut self,
        task: TaskKey,
        class: ClassId,
        question: impl FnOnce(
            &mut dyn crate::policy::Policy,
            &Candidate<'_>,
            &View<'_>,
        ) -> Option<Placement>,
    ) -> Option<Placement> {
        let job = self.state.job(task.job)?;
        let view = View {
            state: &self.state,
            cluster: &self.cluster,
            classes: &self.classes,
            costs: &self.costs,
            estimates: &self.estimates,
            bandwidth: &self.bandwidth,
        };
        let template = job.template_of(task.index);
        let inputs = job.inputs(task.index);
        let costs = self.soft.costs_of(task.job, job.tasks[task.index as usize].template)?;
        let candidate = Candidate {
            task,
            class: view.class(class),
            class_id: class,
            hints: template.variants.iter().map(|variant| variant.cost_hint).collect(),
            ways: &costs.ways,
            bytes: self.expected_footprint(inputs, costs).bytes(),
            inputs,
        };
        question(&mut *self.policy, &candidate, &view)
    }

    /// Checks a proposal: a policy may be wrong, the scheduler may not.
    fn is_valid(&self, placement: &Placement, class: ClassId) -> bool {
        let class = self.classes.get(class);
        let Some(variant) = class.variants.get(usize::from(placement.variant)) else {
            return false;
        };
        let Some(executor) = self.cluster.executor(placement.executor) else { return false };
        self.cluster.is_open(placement.executor)
            && variant.eligible.binary_search(&placement.executor).is_ok()
            && executor.account.capacity().fits_on(&variant.request, &placement.devices)
            && executor.could_take(&variant.request, &placement.devices)
    }

    pub(super) fn carry_out(
        &mut self,
        now: Time,
        key: TaskKey,
        class: ClassId,
        placement: Placement,
        commands: &mut Commands,
    ) {
        let executor = placement.executor;
        if placement.reason.kind == ReasonKind::Sample {
            self.note_try(key, &placement);
        }
        self.record(Fact::TaskPlaced { task: key, executor }, commands);
        self.dispatch(now, key, class, placement, Standing::Queued, commands);
    }

    /// Sends the attempt that was just recorded.
    pub(super) fn dispatch(
        &mut self,
        now: Time,
        key: TaskKey,
        class: ClassId,
        placement: Placement,
        standing: Standing,
        commands: &mut Commands,
    ) {
        let executor = placement.executor;
        let Some(job) = self.state.job(key.job) else { return };
        let task = &job.tasks[key.index as usize];
        let attempt = AttemptId { task: key, number: task.attempt };
        let may_start = task.unmet == 0;
        let mut message = self.assignment(job, attempt, &placement);
        message.set_aside = standing == Standing::Claimed;
        let mut active = Active::new(attempt, executor, class, placement.variant);
        active.devices = placement.devices.clone();
        active.claimed = standing == Standing::Claimed;
        self.classes.hold(class);
        let kind = self.classes.get(class);
        active.lasting = kind.lasting;
        if kind.is_call()
            && let Some(actor) = self.callee(key)
        {
            self.callees.send(actor, attempt);
        }
        if message.runs_on_device()
            && let Some(entry) = self.cluster.executor_mut(executor)
        {
            let device = placement.devices[0];
            for object in job.inputs(key.index) {
                if entry.held.contains_key(object) || entry.near.knows(*object) {
                    entry.near.note(*object, device);
                }
            }
            job.outputs_of(key.index).for_each(|object| entry.near.expect(object, device));
        }
        let request = &kind.variants[usize::from(placement.variant)].request;
        let run_nanos = placement.reason.run_nanos;
        let index = self.cluster.start(active, request, run_nanos, may_start);
        self.set_state(key, TaskState::Queued);
        if let Some(soft) = self.soft.task_mut(key) {
            soft.active = Some(index);
            soft.last = Some(LastPlacement {
                executor,
                variant: placement.variant,
                reason: placement.reason,
                placed_at: now,
                started_at: None,
                ended_at: None,
                run_time: Default::default(),
            });
        }
        self.counters.placed(placement.reason.kind, &message.inputs);
        for input in &message.inputs {
            if matches!(input.source, InputSource::Remote(_)) {
                self.cluster.begin_transfer(input.object, executor);
            }
        }
        self.send_ahead(executor, &mut message.inputs, commands);
        self.send(executor, ToExecutor::Run(Box::new(message)), commands);
        self.offer_followers(key, executor);
    }

    fn assignment(&self, job: &Job, attempt: AttemptId, placement: &Placement) -> Assignment {
        let index = attempt.task.index;
        let task = &job.tasks[index as usize];
        let template = job.template_of(index);
        let mut waits_for = SmallVec::new();
        if task.unmet > 0 {
            for before in job.predecessors(index) {
                let key = TaskKey { job: job.key, index: before };
                let ended = job.tasks[before as usize].phase.is_final();
                if !ended && !waits_for.contains(&key) {
                    waits_for.push(key);
                }
            }
        }
        let inputs = job.inputs(index).iter();
        Assignment {
            attempt,
            template_key: TemplateKey { job: job.key, index: task.template },
            template: template.clone(),
            variant: placement.variant,
            devices: placement.devices.clone(),
            inputs: inputs
                .map(|object| AssignedInput {
                    object: *object,
                    source: self.source(*object, placement.executor),
                })
                .collect(),
            waits_for,
            first_output: ObjectKey { job: job.key, index: task.first_output },
            priority: job.priority_of(index),
            set_aside: false,
            actor: self.actor_part(job, index),
            job_id: template.spawns().then_some(job.id),
        }
    }

    fn source(&self, object: ObjectKey, executor: ExecutorId) -> InputSource {
        if self.cluster.holds(executor, object) {
            return InputSource::Local;
        }
        match self.state.object(object).map(|object| &object.content) {
            Some(Content::Available(report)) => match &**report {
                ObjectReport::Inline(value) => InputSource::Inline(value.clone()),
                ObjectReport::Stored { .. } => {
                    InputSource::Remote(self.addresses(object, executor))
                }
            },
            // It is being made there by a task that the attempt waits for.
            _ => InputSource::Local,
        }
    }

    /// Sends what is too much for one message ahead, object by object, to be kept there.
    fn send_ahead(
        &mut self,
        executor: ExecutorId,
        inputs: &mut [AssignedInput],
        commands: &mut Commands,
    ) {
        let mut inline_bytes = 0;
        for AssignedInput { object, source } in inputs {
            let InputSource::Inline(value) = source else { continue };
            inline_bytes += value.data.len();
            if inline_bytes <= INLINE_SUM_LIMIT_BYTES {
                continue;
            }
            let object = *object;
            if !self.cluster.holds(executor, object) {
                let value = value.clone();
                self.cluster.add_replica(object, executor, value.data.len() as u64);
                self.send(executor, ToExecutor::Keep { object, value }, commands);
            }
            *source = InputSource::Local;
        }
    }

    /// Where an executor can fetch an object, the preferred source first.
    fn addresses(&self, object: ObjectKey, to: ExecutorId) -> SmallVec<[std::sync::Arc<str>; 1]> {
        let sources = self.cluster.sources(object, to).into_iter();
        let sources = sources.filter_map(|id| self.cluster.executor(id));
        sources.map(|executor| executor.address.clone()).collect()
    }

    /// Notes that successors have one predecessor more on an executor; those that have all of
    /// them on the same one may follow it there.
    fn offer_followers(&mut self, key: TaskKey, executor: ExecutorId) {
        let Some(job) = self.state.job(key.job) else { return };
        let Some(soft) = self.soft.job_mut(key.job) else { return };
        for next in job.successors(key.index) {
            let task = &job.tasks[next as usize];
            let follower = &mut soft.tasks[next as usize];
            follower.placed_edges += 1;
            let complete = follower.placed_edges == task.unmet && task.phase == Phase::Pending;
            if !complete || follower.delayed || !all_on(job, next, executor) {
                continue;
            }
            let Some(entry) = self.cluster.executor_mut(executor) else { return };
            let priority = job.priority_of(next);
            let rank = soft.ranks[next as usize];
            let sequence = u64::from(next);
            let task = TaskKey { job: key.job, index: next };
            entry.followers.push(Ready { priority, rank, sequence, task });
            self.followed.insert(executor);
        }
    }

    pub(super) fn place_followers(&mut self, now: Time, commands: &mut Commands) {
        let slack = u64::try_from(self.config.follow_slack.as_nanos()).unwrap_or(u64::MAX);
        for executor in std::mem::take(&mut self.followed) {
            while self.cluster.takes_followers(executor) {
                let load = self.cluster.load();
                if load.get(executor) > load.minimum().saturating_add(slack) {
                    break; // Others have less to do: it may become ready for them.
                }
                let Some(entry) = self.cluster.executor_mut(executor) else { break };
                let Some(next) = entry.followers.pop() else { break };
                if !self.may_follow(next.task, executor) {
                    continue;
                }
                self.place_follower(now, next.task, executor, commands);
            }
            let waiting = self.cluster.executor(executor).is_some_and(|e| !e.followers.is_empty());
            if waiting {
                self.followed.insert(executor);
            }
        }
    }

    fn place_follower(
        &mut self,
        now: Time,
        task: TaskKey,
        executor: ExecutorId,
        commands: &mut Commands,
    ) {
        let Some(job) = self.state.job(task.job) else { return };
        let class = self.soft.class_of(task.job, job.tasks[task.index as usize].template);
        let placement = if self.classes.get(class).is_call() {
            self.follow_to_actor(task, executor)
        } else {
            self.ask(task, class, |policy, candidate, view| {
                policy.follow(now, candidate, executor, view)
            })
        };
        if let Some(placement) = placement
            && placement.executor == executor
            && self.is_valid(&placement, class)
        {
            self.carry_out(now, task, class, placement, commands);
        }
    }

    fn may_follow(&self, key: TaskKey, executor: ExecutorId) -> bool {
        let Some(job) = self.state.job(key.job) else { return false };
        let task = &job.tasks[key.index as usize];
        task.phase == Phase::Pending
            && task.unmet > 0
            && self.soft.task(key).is_some_and(|soft| soft.placed_edges == task.unmet)
            && all_on(job, key.index, executor)
            && self.inputs_exist_or_come(job, key.index)
    }

    fn inputs_exist_or_come(&self, job: &Job, index: u32) -> bool {
        job.inputs(index).iter().all(|input| {
            self.state.object(*input).is_some_and(|object| object.content != Content::Dropped)
        })
    }

    /// Takes queued work back from the busiest executor when another has nothing to do.
    pub(super) fn rebalance(&mut self, commands: &mut Commands) {
        /// Less work than this is not worth a round trip.
        const WORTHWHILE_NANOS: u64 = 5_000_000;
        if self.ready.is_askable() {
            return;
        }
        let Some((_, idle)) = self.cluster.load().first() else { return };
        let takes_more = |executor: &crate::cluster::Executor| {
            executor.outstanding < executor.slots() && executor.spare().is_none()
        };
        if !self.cluster.executor(idle).is_some_and(takes_more) {
            return;
        }
        let busy = self.cluster.executors().filter(|executor| executor.queued() > 0);
        let Some(busiest) = busy.max_by_key(|executor| (executor.load_nanos(), executor.id)) else {
            return;
        };
        let (busiest, load) = (busiest.id, busiest.load_nanos());
        if load < WORTHWHILE_NANOS {
            return;
        }
        // What had started when it was recalled goes on, and nothing more is said of it.
        let is_awaited = |active: &Active| active.recalled && !active.started;
        if self.cluster.unclaimed_from_back(busiest).any(is_awaited) {
            return; // The answer to the last recall is still to come.
        }
        let may_move = |active: &&Active| {
            let class = self.classes.get(active.class);
            !active.started
                && !active.suspended
                && !class.is_call()
                && class.variants.iter().any(|v| v.eligible.binary_search(&idle).is_ok())
        };
        let wanted = self.cluster.executor(busiest).map_or(0, |e| e.queued().div_ceil(2));
        let unclaimed = self.cluster.unclaimed_from_back(busiest).filter(may_move);
        let attempts = unclaimed.take(wanted as usize).map(|active| active.attempt);
        let mut recalled: Vec<AttemptId> = attempts.collect();
        if recalled.is_empty() {
            recalled.extend(self.claimed_but_waiting(busiest, may_move));
        }
        for attempt in recalled {
            self.recall(busiest, attempt, commands);
        }
    }

    /// The last of the attempts that have claims on an executor and wait there all the same: it starts
    /// attempts in an order of its own, so others run without a claim in their place.
    fn claimed_but_waiting(
        &self,
        executor: ExecutorId,
        may_move: impl Fn(&&Active) -> bool,
    ) -> Option<AttemptId> {
        let entry = self.cluster.executor(executor)?;
        if entry.outstanding - entry.suspended <= entry.slots() {
            return None; // Those that have not started are about to.
        }
        let claimed = self.cluster.actives_on(executor).filter(|active| active.claimed);
        let claimed: Vec<&Active> = claimed.filter(|active| !active.lasting).collect();
        if claimed.iter().any(|active| active.recalled && !active.started) {
            return None; // The answer to the last recall is still to come.
        }
        let waiting = claimed.into_iter().filter(may_move);
        let single = waiting.filter(|active| self.gang_of(active.attempt.task).is_none());
        single.map(|active| active.attempt).max()
    }

    pub(super) fn recall(
        &mut self,
        executor: ExecutorId,
        attempt: AttemptId,
        commands: &mut Commands,
    ) {
        if let Some(index) = self.soft.task(attempt.task).and_then(|soft| soft.active) {
            self.cluster.mark_recalled(index);
        }
        self.counters.recalls += 1;
        self.send(executor, ToExecutor::Recall { attempt }, commands);
    }

    /// Gives claims to what waits on an executor that has room again.
    pub(super) fn promote(&mut self, executor: ExecutorId) {
        let classes = &self.classes;
        self.cluster.promote(executor, |active| {
            &classes.get(active.class).variants[usize::from(active.variant)].request
        });
        self.capacity_came_back = true;
    }
}

/// Whether every predecessor that has not succeeded is on that executor. A gang's members neither
/// follow nor are followed: they come and go together.
fn all_on(job: &Job, task: u32, executor: ExecutorId) -> bool {
    let placed = |before: u32| match job.tasks[before as usize].phase {
        Phase::Succeeded => true,
        phase => phase == Phase::Placed(executor) && !job.gangs.is_member(before),
    };
    !job.gangs.is_member(task) && job.predecessors(task).all(placed)
}
