//! Questions about the core's state.

use std::sync::Arc;

use drawloom_model::{
    AttemptId, ExecutorId, JobId, JobKey, ObjectId, ObjectKey, ObjectReport, ObjectType, TaskKey,
    Template, Time,
};

use super::Scheduler;
use super::soft::LastPlacement;
use crate::TaskState;
use crate::policy::ReasonKind;
use crate::state::{Content, Job, Phase};
use crate::summary::{
    ActorSummary, Counters, ExecutorSummary, Explanation, JobSummary, ObjectState, ObjectSummary,
    TaskCounts, TaskSummary,
};

/// How many items of a list an explanation names.
const NAMED: usize = 5;

impl Scheduler {
    /// The key of a job.
    pub fn job_key(&self, job: JobId) -> Option<JobKey> {
        self.state.job_key(job)
    }

    /// Every job kept, in the order of submission.
    pub fn jobs(&self) -> impl DoubleEndedIterator<Item = JobSummary> + '_ {
        self.jobs_before(u64::MAX)
    }

    /// Every job kept that was submitted before the one with that place in the order.
    pub fn jobs_before(&self, order: u64) -> impl DoubleEndedIterator<Item = JobSummary> + '_ {
        self.soft.keys_before(order).filter_map(|key| self.job(key))
    }

    /// One job.
    pub fn job(&self, key: JobKey) -> Option<JobSummary> {
        let (job, soft) = (self.state.job(key)?, self.soft.job(key)?);
        Some(JobSummary {
            key,
            job: job.id,
            order: soft.order,
            name: job.name.to_string(),
            state: job.state(),
            open: !job.sealed,
            tasks: TaskCounts(soft.counts),
            submitted_at: soft.submitted_at,
            ended_at: soft.ended_at,
            priority: job.options.priority,
        })
    }

    /// One task.
    pub fn task(&self, key: TaskKey) -> Option<TaskSummary> {
        let (job, soft) = (self.state.job(key.job)?, self.soft.task(key)?);
        let task = job.tasks.get(key.index as usize)?;
        let last = soft.last;
        let template = job.template_of(key.index);
        let variant = last.map_or(0, |last| usize::from(last.variant));
        let active = soft.active.and_then(|index| self.cluster.active(index));
        Some(TaskSummary {
            task: key,
            name: job.names.name(key.index).map(ToOwned::to_owned),
            run: template.variants[variant].run.name().to_owned(),
            state: soft.state,
            attempt: task.attempt,
            executor: last.map(|last| last.executor),
            devices: active.map_or_else(Vec::new, |active| active.devices.to_vec()),
            variant: last.map(|last| last.variant),
            cpu_milli: template.variants[variant].request.cpu_milli,
            is_actor: template.actor().is_some(),
            failure: job.failures.get(&key.index).cloned(),
            placed_at: last.map(|last| last.placed_at),
            started_at: last.and_then(|last| last.started_at),
            ended_at: last.and_then(|last| last.ended_at),
            run_time: last.filter(|last| last.ended_at.is_some()).map(|last| last.run_time),
        })
    }

    /// The tasks that must succeed before this one, in order and each once.
    pub fn needs(&self, key: TaskKey) -> Option<Vec<u32>> {
        let job = self.state.job(key.job)?;
        job.tasks.get(key.index as usize)?;
        let mut needs: Vec<u32> = job.predecessors(key.index).collect();
        needs.sort_unstable();
        needs.dedup();
        Some(needs)
    }

    /// The index of the task of that name.
    pub fn task_by_name(&self, job: JobKey, name: &str) -> Option<u32> {
        self.state.job(job)?.names.index(name)
    }

    /// How a task runs.
    pub fn template(&self, task: TaskKey) -> Option<&Arc<Template>> {
        let job = self.state.job(task.job)?;
        job.tasks.get(task.index as usize).map(|_| job.template_of(task.index))
    }

    /// The job's output of that name.
    pub fn output_named(&self, job: JobKey, name: &str) -> Option<ObjectKey> {
        let job = self.state.job(job)?;
        job.output_names.index(name).map(|place| job.outputs[place as usize].1)
    }

    /// A job's named outputs, in the order in which they were asked for.
    pub fn outputs(&self, job: JobKey) -> Vec<(String, ObjectKey)> {
        self.state.job(job).map_or_else(Vec::new, |job| job.outputs.clone())
    }

    /// The object that a task makes as one of its outputs.
    pub fn output_key(&self, task: TaskKey, output: u16) -> Option<ObjectKey> {
        let outputs = self.template(task)?.outputs;
        (output < outputs)
            .then(|| self.state.job(task.job).map(|j| j.output_key(task.index, output)))?
    }

    /// The key of a put object.
    pub fn put_object_key(&self, object: ObjectId) -> Option<ObjectKey> {
        self.state.put_object(object)
    }

    /// What is known of a put object's type.
    pub fn put_object_type(&self, object: ObjectId) -> Option<ObjectType> {
        self.object(self.put_object_key(object)?)?.object_type
    }

    /// One object.
    pub fn object(&self, key: ObjectKey) -> Option<ObjectSummary> {
        let object = self.state.object(key)?;
        let (object_type, size_bytes, inline) = match &object.content {
            Content::Available(report) => match &**report {
                ObjectReport::Inline(value) => {
                    (Some(value.object_type.clone()), value.data.len() as u64, Some(value.clone()))
                }
                ObjectReport::Stored { object_type, size_bytes } => {
                    (Some(object_type.clone()), *size_bytes, None)
                }
            },
            Content::Pending | Content::Dropped => (None, 0, None),
        };
        let maker_ended = self
            .state
            .task(TaskKey { job: key.job, index: object.maker })
            .is_some_and(|maker| maker.phase.is_final());
        let state = match &object.content {
            Content::Available(_) => ObjectState::Available,
            Content::Dropped => ObjectState::Dropped,
            Content::Pending if maker_ended => ObjectState::NeverMade,
            Content::Pending => ObjectState::Pending,
        };
        let holders = self.cluster.holders(key).to_vec();
        let has_on_disk = |id: &ExecutorId| {
            self.cluster.executor(*id).is_some_and(|executor| executor.spilled.contains(&key))
        };
        let spilled = holders.iter().copied().filter(has_on_disk).collect();
        let references = object.references;
        Some(ObjectSummary {
            key,
            state,
            object_type,
            size_bytes,
            inline,
            holders,
            spilled,
            references,
        })
    }

    /// Every executor, in the order of joining.
    pub fn executors(&self) -> impl Iterator<Item = ExecutorSummary> + '_ {
        self.cluster.executors().map(|executor| ExecutorSummary {
            id: executor.id,
            info: executor.info.clone(),
            free: executor.account.free().clone(),
            running: executor.outstanding - executor.queued(),
            queued: executor.queued(),
            objects: executor.held.len() as u32,
            object_bytes: executor.held_bytes,
            spilled_bytes: executor.spilled_bytes,
            draining: executor.draining,
            joined_at: executor.joined_at,
            busy_core_seconds: executor.busy_core_seconds,
            tasks_ended: executor.tasks_ended,
            devices_used: executor.devices_used.clone(),
        })
    }

    /// The actors of a job, or of all of them, in the order of jobs and tasks. Of ended jobs only
    /// where one is asked for.
    pub fn actors(&self, job: Option<JobKey>) -> Vec<ActorSummary> {
        let wanted = |key: &JobKey| match job {
            Some(job) => *key == job,
            None => self.state.job(*key).is_some_and(|job| job.actors.unended > 0),
        };
        let jobs =
            self.soft.keys_before(u64::MAX).filter(wanted).filter_map(|key| self.state.job(key));
        let actors = jobs
            .flat_map(|job| job.actors.iter().map(|(index, _)| TaskKey { job: job.key, index }));
        let shown = |actor: &ActorSummary| job.is_some() || !actor.state.is_final();
        actors.filter_map(|task| self.actor(task)).filter(shown).collect()
    }

    /// One actor.
    pub fn actor(&self, key: TaskKey) -> Option<ActorSummary> {
        let (job, soft) = (self.state.job(key.job)?, self.soft.task(key)?);
        let actor = job.actors.get(key.index)?;
        let (task, spec) = (&job.tasks[key.index as usize], job.template_of(key.index).actor()?);
        Some(ActorSummary {
            task: key,
            job: job.id,
            task_name: job.names.name(key.index).map(ToOwned::to_owned),
            name: spec.name.clone(),
            kind: spec.kind.name().to_owned(),
            state: soft.state,
            incarnation: task.attempt,
            executor: soft.last.map(|last| last.executor),
            lifetime: actor.lifetime,
            stopping: actor.stopping,
            calls_waiting: self.callees.waiting(key),
            calls_sent: self.callees.sent(key),
            restarts: task.retries,
            checkpoint_bytes: actor.checkpoint.as_ref().map(|state| state.data.len() as u64),
            failure: job.failures.get(&key.index).cloned(),
        })
    }

    /// The incarnation of an actor that takes calls, and where it lives.
    pub fn locate_actor(&self, actor: TaskKey) -> Option<(ExecutorId, AttemptId)> {
        self.living(actor)
    }

    /// Where an executor's objects can be fetched.
    pub fn executor_address(&self, executor: ExecutorId) -> Option<Arc<str>> {
        Some(self.cluster.executor(executor)?.address.clone())
    }

    /// The policy's name.
    pub fn policy_name(&self) -> &'static str {
        self.policy.name()
    }

    /// Running totals.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Why a task waits, or why it is where it is.
    pub fn explain(&self, now: Time, key: TaskKey) -> Option<Explanation> {
        let (job, soft) = (self.state.job(key.job)?, self.soft.task(key)?);
        let task = job.tasks.get(key.index as usize)?;
        let mut reasons = match soft.state {
            TaskState::Waiting if soft.delayed => {
                vec![self.explain_backoff(now, key, task.retries)]
            }
            TaskState::Waiting => self.explain_waiting(job, key.index),
            TaskState::Ready if job.template_of(key.index).call().is_some() => {
                self.explain_call(key)
            }
            TaskState::Ready => match self.gang_of(key) {
                Some(gang) => self.explain_gang(now, gang),
                None => self.explain_ready(key, task.template),
            },
            TaskState::Failed => {
                job.failures.get(&key.index).map(ToString::to_string).into_iter().collect()
            }
            TaskState::Cancelled => {
                vec!["it was cancelled, or a task that it needs was".to_owned()]
            }
            TaskState::Queued | TaskState::Running | TaskState::Succeeded => Vec::new(),
        };
        if let Some(last) = &soft.last {
            reasons.push(self.explain_placement(last));
        }
        if soft.state == TaskState::Queued {
            reasons.extend(self.explain_queue(job, key.index));
        }
        Some(Explanation { task: key, state: soft.state, reasons })
    }

    fn explain_backoff(&self, now: Time, key: TaskKey, retries: u32) -> String {
        let at = self.timers.backoff_of(key).unwrap_or(now);
        let left = at.since(now).as_secs_f64();
        format!("it failed {retries} time(s) and is tried again in {left:.1} s")
    }

    fn explain_waiting(&self, job: &Job, index: u32) -> Vec<String> {
        let mut unmet: Vec<u32> = job
            .predecessors(index)
            .filter(|before| job.tasks[*before as usize].phase != Phase::Succeeded)
            .collect();
        unmet.sort_unstable();
        unmet.dedup();
        let describe = |before: &u32| {
            let key = TaskKey { job: job.key, index: *before };
            let state = self.soft.task(key).map_or("unknown", |soft| soft.state.name());
            format!("{} ({state})", job.describe(*before))
        };
        let mut named: Vec<String> = unmet.iter().take(NAMED).map(describe).collect();
        if unmet.len() > NAMED {
            named.push(format!("and {} more", unmet.len() - NAMED));
        }
        vec![format!(
            "it needs {} task(s) that have not succeeded: {}",
            unmet.len(),
            named.join(", ")
        )]
    }

    fn explain_ready(&self, key: TaskKey, template: u32) -> Vec<String> {
        let id = self.soft.class_of(key.job, template);
        let class = self.classes.get(id);
        let obstacles = self.obstacles(id);
        let mut reasons = Vec::new();
        if !class.is_possible() {
            reasons.push("no executor could run it, however idle".to_owned());
        } else if let Some(head) = self.ready.peek(id).filter(|head| head.task != key) {
            let first = self.state.job(head.task.job).map(|job| job.describe(head.task.index));
            reasons.push(format!(
                "{} of the same request class goes first (priority {}, {} entries ready in all)",
                first.unwrap_or_default(),
                head.priority,
                self.ready.len()
            ));
        }
        reasons.extend(obstacles.iter().take(NAMED).map(ToString::to_string));
        let busy = self.cluster.executors().filter(|executor| !self.cluster.is_open(executor.id));
        for executor in busy.filter(|executor| !executor.draining).take(NAMED) {
            reasons.push(format!(
                "{} ({}) has {} attempts, about {:.3} s of work for all its cores, and takes no more for now",
                executor.id,
                executor.info.name,
                executor.outstanding,
                executor.load_nanos() as f64 / 1e9,
            ));
        }
        reasons
    }

    fn explain_placement(&self, last: &LastPlacement) -> String {
        let reason = &last.reason;
        let name = self.cluster.executor(last.executor).map_or("gone", |e| e.info.name.as_str());
        let why = match reason.kind {
            ReasonKind::EarliestFinish => {
                format!(
                    "it had the earliest expected finish of {} place(s) compared",
                    reason.compared
                )
            }
            ReasonKind::FollowsInputs => "tasks that it waits for are there".to_owned(),
            ReasonKind::Turn => "it was this executor's turn".to_owned(),
            ReasonKind::Sample => {
                "too little was measured of this variant there, and it waits no longer for it"
                    .to_owned()
            }
            ReasonKind::Gang => format!(
                "its gang was placed as a whole, of {} executor(s) looked at",
                reason.compared
            ),
            ReasonKind::WithActor => "its actor is there".to_owned(),
        };
        let copy = match reason.copy_nanos {
            0 => String::new(),
            nanos => format!("{:.6} s to copy from or to a device, ", nanos as f64 / 1e9),
        };
        format!(
            "variant {} was placed on {} ({name}): {why}; expected wait {:.6} s, {} bytes to fetch, {copy}run time {:.6} s ({})",
            last.variant,
            last.executor,
            reason.wait_nanos as f64 / 1e9,
            reason.missing_bytes,
            reason.run_nanos as f64 / 1e9,
            reason.basis,
        )
    }

    fn explain_queue(&self, job: &Job, index: u32) -> Vec<String> {
        if job.tasks[index as usize].unmet > 0 {
            return self.explain_waiting(job, index);
        }
        vec!["its executor starts it when its cores, memory and devices are free".to_owned()]
    }
}
