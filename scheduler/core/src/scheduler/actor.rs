//! Actors and calls: a call goes where its actor lives, and waits while it lives nowhere.

use drawloom_model::{
    ActorPart, ActorRef, AfterStop, AttemptId, CHECKPOINT_LIMIT_BYTES, ExecutorId, Failure,
    FailureKind, JobKey, TaskGraph, TaskKey, Time, ToExecutor, Value,
};
use smallvec::SmallVec;

use super::Scheduler;
use crate::event::ActorTarget;
use crate::policy::{Placement, Reason, ReasonKind};
use crate::state::{Job, Phase};
use crate::{Commands, Fact, Refusal, Reply, TaskEnd, TaskState};

impl Scheduler {
    /// Refuses names that are taken, and calls of what is no actor.
    pub(super) fn check_actors(
        &self,
        key: Option<JobKey>,
        graph: &TaskGraph,
    ) -> Result<(), Refusal> {
        if !graph.templates.iter().any(|t| t.actor().is_some() || t.call().is_some()) {
            return self.check_followers_of_actors(key, graph);
        }
        for task in &graph.tasks {
            let template = &graph.templates[task.template as usize];
            if let Some(name) = template.actor().and_then(|actor| actor.name.as_deref())
                && let Some(holder) = self.state.actor_named(name)
                && let Some(job) = self.state.job(holder.job)
            {
                return Err(Refusal::ActorNameTaken { name: name.to_owned(), job: job.id });
            }
            if let Some(ActorRef::Task(actor)) = template.call().map(|call| &call.actor)
                && *actor < graph.first_task
                && let Some(job) = key.and_then(|key| self.state.job(key))
                && job.actors.get(*actor).is_none()
            {
                return Err(Refusal::NotAnActor { job: job.id, task: *actor });
            }
        }
        self.check_followers_of_actors(key, graph)
    }

    /// Refuses tasks that would wait for the end of an actor that the job has already.
    fn check_followers_of_actors(
        &self,
        key: Option<JobKey>,
        graph: &TaskGraph,
    ) -> Result<(), Refusal> {
        let Some(job) = key.and_then(|key| self.state.job(key)) else { return Ok(()) };
        let mut after = graph.tasks.iter().flat_map(|task| &task.after);
        match after.find(|before| job.actors.get(**before).is_some()) {
            Some(actor) => Err(Refusal::WaitsForActor { job: job.id, task: *actor }),
            None => Ok(()),
        }
    }

    /// A call waits for nothing but its actor.
    pub(super) fn make_call_ready(&mut self, call: TaskKey) {
        self.set_state(call, TaskState::Ready);
        match self.callee(call) {
            Some(actor) => self.callees.wait(actor, call),
            None => self.callees.wait_for_nobody(call),
        }
    }

    /// The actor that a call is for.
    pub(super) fn callee(&self, call: TaskKey) -> Option<TaskKey> {
        match &self.state.job(call.job)?.template_of(call.index).call()?.actor {
            ActorRef::Task(index) => Some(TaskKey { job: call.job, index: *index }),
            ActorRef::Name(name) => self.state.actor_named(name),
        }
    }

    /// The incarnation that takes calls, and where.
    pub(super) fn living(&self, actor: TaskKey) -> Option<(ExecutorId, AttemptId)> {
        let task = self.state.task(actor)?;
        let Phase::Placed(executor) = task.phase else { return None };
        let soft = self.soft.task(actor)?;
        let leaving = self.cluster.active(soft.active?).is_some_and(|active| active.recalled);
        let takes_calls = soft.state == TaskState::Running && !leaving && !self.is_stopping(actor);
        takes_calls.then_some((executor, AttemptId { task: actor, number: task.attempt }))
    }

    /// An actor is alive, although it may have been asked back a moment too late: where its
    /// executor is being emptied, it moves.
    pub(super) fn actor_started(
        &mut self,
        actor: TaskKey,
        executor: ExecutorId,
        commands: &mut Commands,
    ) {
        let Some(index) = self.soft.task(actor).and_then(|soft| soft.active) else { return };
        if !self.cluster.active(index).is_some_and(|active| active.lasting) {
            return;
        }
        self.cluster.forget_recall(index);
        if let Some(soft) = self.soft.task_mut(actor) {
            soft.has_lived = true;
        }
        self.callees.note_change(actor);
        if self.cluster.executor(executor).is_some_and(|entry| entry.draining) {
            self.move_actors(executor, commands);
        }
        self.stop_idle_actors(actor.job, commands);
    }

    fn is_stopping(&self, actor: TaskKey) -> bool {
        self.state.actor(actor).is_some_and(|actor| actor.stopping)
    }

    /// Ends what was told to end, hands calls to actors that live, and ends those of actors that
    /// never will.
    pub(super) fn place_calls(&mut self, now: Time, commands: &mut Commands) {
        for actor in self.callees.take_unplaced_stops() {
            self.end_stopped(now, actor, commands);
        }
        for call in self.callees.take_unknown() {
            let name = self.state.job(call.job).and_then(|job| {
                job.template_of(call.index).call().map(|call| call.actor.to_string())
            });
            let message = format!("there is no actor {}", name.unwrap_or_default());
            self.end_call(now, call, TaskEnd::Failed(upstream(message)), commands);
        }
        while let Some(actor) = self.callees.next_changed() {
            match self.end_of(actor) {
                Some(end) => {
                    while let Some(call) = self.callees.pop_waiting(actor) {
                        self.end_call(now, call, end.clone(), commands);
                    }
                }
                None => self.place_calls_of(now, actor, commands),
            }
        }
    }

    fn place_calls_of(&mut self, now: Time, actor: TaskKey, commands: &mut Commands) {
        let Some((executor, _)) = self.living(actor) else { return };
        while self.has_room_for_call(actor) {
            let Some(call) = self.callees.pop_waiting(actor) else { return };
            if !self.is_ready(call) {
                continue;
            }
            if let Some(object) = self.lost_input(call) {
                self.fail_for_lost_input(now, call, object, commands);
                continue;
            }
            let class = self.class_of_task(call);
            self.carry_out(now, call, class, at_its_actor(executor), commands);
        }
    }

    /// Whether fewer calls than the mailbox holds are with the actor.
    pub(super) fn has_room_for_call(&self, actor: TaskKey) -> bool {
        let mailbox = self
            .state
            .job(actor.job)
            .and_then(|job| job.template_of(actor.index).actor())
            .map_or(0, |actor| actor.mailbox);
        self.callees.sent(actor) < mailbox.min(self.config.max_ahead)
    }

    /// A place for a call whose inputs are being made where its actor lives.
    pub(super) fn follow_to_actor(&self, call: TaskKey, executor: ExecutorId) -> Option<Placement> {
        let actor = self.callee(call)?;
        let (place, _) = self.living(actor)?;
        (place == executor && self.has_room_for_call(actor)).then(|| at_its_actor(executor))
    }

    /// What the assignment of an actor or a call has beside others.
    pub(super) fn actor_part(&self, job: &Job, task: u32) -> Option<Box<ActorPart>> {
        let template = job.template_of(task);
        if template.actor().is_some() {
            let state = job.actors.get(task)?.checkpoint.clone()?;
            return Some(Box::new(ActorPart::Restore(state)));
        }
        template.call()?;
        let actor = self.callee(TaskKey { job: job.key, index: task })?;
        let (_, incarnation) = self.living(actor)?;
        Some(Box::new(ActorPart::Callee(incarnation)))
    }

    /// How calls of an actor end that has ended for good.
    fn end_of(&self, actor: TaskKey) -> Option<TaskEnd> {
        let Some(job) = self.state.job(actor.job) else {
            return Some(TaskEnd::Failed(upstream("the actor's job is gone".to_owned())));
        };
        let how = match job.tasks[actor.index as usize].phase {
            Phase::Pending | Phase::Placed(_) => return None,
            Phase::Cancelled => return Some(TaskEnd::Cancelled),
            Phase::Succeeded => "has been stopped".to_owned(),
            Phase::Failed => match job.failures.get(&actor.index) {
                Some(failure) => format!("has failed: {failure}"),
                None => "has failed".to_owned(),
            },
        };
        let message = format!("the actor ({}) {how}", job.describe(actor.index));
        Some(TaskEnd::Failed(upstream(message)))
    }

    fn end_call(&mut self, now: Time, call: TaskKey, end: TaskEnd, commands: &mut Commands) {
        if !self.is_ready(call) {
            return;
        }
        self.end_unsuccessfully(now, call, end, commands);
        self.end_job_if_complete(now, call.job, commands);
    }

    pub(super) fn on_actor_stop_requested(
        &mut self,
        target: &ActorTarget,
        commands: &mut Commands,
    ) -> Result<Reply, Refusal> {
        let actor = self.find_actor(target)?;
        self.stop_actor(actor, commands);
        Ok(Reply::ActorStopping)
    }

    /// The actor that a client means.
    ///
    /// # Errors
    /// When there is none, or the task makes none.
    pub fn find_actor(&self, target: &ActorTarget) -> Result<TaskKey, Refusal> {
        match target {
            ActorTarget::Name(name) => self
                .state
                .actor_named(name)
                .ok_or_else(|| Refusal::UnknownActor { name: name.to_owned() }),
            ActorTarget::Task { job: id, task } => {
                let key = self.state.job_key(*id).ok_or(Refusal::UnknownJob { job: *id })?;
                let actor = TaskKey { job: key, index: *task };
                match self.state.actor(actor) {
                    Some(_) => Ok(actor),
                    None => Err(Refusal::NotAnActor { job: *id, task: *task }),
                }
            }
        }
    }

    /// Tells an actor to end, unless it has ended or was told before.
    fn stop_actor(&mut self, actor: TaskKey, commands: &mut Commands) {
        let Some(task) = self.state.task(actor) else { return };
        let (phase, number) = (task.phase, task.attempt);
        if phase.is_final() || self.is_stopping(actor) {
            return;
        }
        self.record(Fact::ActorStopping { task: actor }, commands);
        match phase {
            Phase::Placed(executor) => {
                let attempt = AttemptId { task: actor, number };
                let message = ToExecutor::StopActor { attempt, then: AfterStop::Ended };
                self.send(executor, message, commands);
            }
            _ => self.callees.stop_unplaced(actor),
        }
    }

    /// An actor was told to end and has no attempt: it has ended.
    pub(super) fn end_stopped(&mut self, now: Time, actor: TaskKey, commands: &mut Commands) {
        let pending = |task: &crate::state::Task| task.phase == Phase::Pending;
        if !self.is_stopping(actor) || !self.state.task(actor).is_some_and(pending) {
            return;
        }
        if let Some(soft) = self.soft.task_mut(actor) {
            soft.delayed = false;
        }
        self.end_task(actor, TaskEnd::Succeeded(SmallVec::new()), commands);
        self.settle();
        self.end_job_if_complete(now, actor.job, commands);
    }

    /// Whether an actor that was told to end is gone with its executor or device: it has ended as
    /// it should.
    pub(super) fn was_stopped(&self, actor: TaskKey, failure: &Failure) -> bool {
        matches!(failure.kind, FailureKind::ExecutorLost | FailureKind::DeviceLost)
            && self.is_stopping(actor)
    }

    /// Tells the job's actors to end once nothing else of it is left. One that nobody calls is
    /// made all the same: what is wrong with it would not be told otherwise.
    pub(super) fn stop_idle_actors(&mut self, key: JobKey, commands: &mut Commands) {
        let Some(job) = self.state.job(key) else { return };
        if job.actors.unended == 0 || !job.sealed || job.unended != job.actors.unended {
            return;
        }
        let has_lived = |index: &u32| {
            let soft = self.soft.task(TaskKey { job: key, index: *index });
            soft.is_some_and(|soft| soft.has_lived)
        };
        let idle: SmallVec<[u32; 4]> = job.actors.idle().filter(has_lived).collect();
        for index in idle {
            self.stop_actor(TaskKey { job: key, index }, commands);
        }
    }

    /// An actor has kept its state.
    pub(super) fn on_checkpointed(
        &mut self,
        executor: ExecutorId,
        attempt: AttemptId,
        state: Value,
        commands: &mut Commands,
    ) {
        let fits = state.data.len() <= CHECKPOINT_LIMIT_BYTES;
        if fits && self.is_current(executor, attempt) && self.state.actor(attempt.task).is_some() {
            self.record(Fact::ActorCheckpointed { task: attempt.task, state }, commands);
        }
    }

    /// Moves the actors of an executor that is to be emptied, where they may begin anew.
    pub(super) fn move_actors(&mut self, executor: ExecutorId, commands: &mut Commands) {
        let moving: Vec<AttemptId> = self
            .cluster
            .actives_on(executor)
            .filter(|active| active.lasting && active.started && !active.recalled)
            .map(|active| active.attempt)
            .filter(|attempt| self.is_current(executor, *attempt) && self.may_move(attempt.task))
            .collect();
        for attempt in moving {
            if let Some(index) = self.soft.task(attempt.task).and_then(|soft| soft.active) {
                self.cluster.mark_recalled(index);
            }
            let message = ToExecutor::StopActor { attempt, then: AfterStop::Moved };
            self.send(executor, message, commands);
        }
    }

    /// Whether another incarnation may take this one's place: it keeps its state, or is allowed to
    /// lose it.
    fn may_move(&self, actor: TaskKey) -> bool {
        let Some(job) = self.state.job(actor.job) else { return false };
        let template = job.template_of(actor.index);
        let keeps = template.actor().is_some_and(|actor| actor.checkpoint_every.is_some());
        let retries = job.tasks[actor.index as usize].retries;
        !self.is_stopping(actor) && (keeps || retries < template.retry.max_retries)
    }

    /// Takes back what waits on executors for resources that actors hold now.
    pub(super) fn relieve_crowded(&mut self, commands: &mut Commands) {
        while let Some(executor) = self.cluster.pop_crowded() {
            let Some(entry) = self.cluster.executor(executor) else { continue };
            let stuck: Vec<AttemptId> = self
                .cluster
                .actives_on(executor)
                .filter(|active| !active.claimed && !active.started && !active.recalled)
                .filter(|active| {
                    let variant =
                        &self.classes.get(active.class).variants[usize::from(active.variant)];
                    !entry.could_take(&variant.request, &active.devices)
                })
                .map(|active| active.attempt)
                .filter(|attempt| self.is_current(executor, *attempt))
                .collect();
            for attempt in stuck {
                self.recall(executor, attempt, commands);
            }
        }
    }

    /// Why a call waits.
    pub(super) fn explain_call(&self, call: TaskKey) -> Vec<String> {
        let Some(actor) = self.callee(call) else {
            return vec!["there is no such actor".to_owned()];
        };
        let Some(job) = self.state.job(actor.job) else { return Vec::new() };
        let state = self.soft.task(actor).map_or("unknown", |soft| soft.state.name());
        let what = format!("its actor ({}) is {state}", job.describe(actor.index));
        let calls = (self.callees.sent(actor), self.callees.waiting(actor));
        vec![format!("{what}; {} calls are with it and {} wait for their turn", calls.0, calls.1)]
    }
}

fn at_its_actor(executor: ExecutorId) -> Placement {
    let reason = Reason { kind: ReasonKind::WithActor, compared: 1, ..Reason::default() };
    Placement { executor, variant: 0, devices: SmallVec::new(), reason }
}

fn upstream(message: String) -> Failure {
    Failure::new(FailureKind::Upstream, message)
}
