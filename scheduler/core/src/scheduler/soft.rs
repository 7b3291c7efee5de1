//! What is known of jobs and tasks beside their durable state.

use std::collections::BTreeMap;
use std::time::Duration;

use drawloom_model::{ExecutorId, JobKey, TaskKey, Time};

use crate::TaskState;
use crate::class::ClassId;
use crate::cluster::ActiveIndex;
use crate::cost::{Footprint, Ways};
use crate::policy::Reason;

#[derive(Default)]
pub(super) struct Soft {
    jobs: Vec<Option<Box<JobSoft>>>,
    /// Jobs in the order of their submission.
    order: BTreeMap<u64, JobKey>,
    next_order: u64,
}

pub(super) struct JobSoft {
    key: JobKey,
    /// Its place in the order of submission.
    pub order: u64,
    /// The class of each template.
    pub classes: Vec<ClassId>,
    /// Where to find what each template is known to cost.
    pub costs: Vec<TemplateCosts>,
    pub tasks: Vec<TaskSoft>,
    pub ranks: Vec<u64>,
    pub counts: [u32; TaskState::ALL.len()],
    pub submitted_at: Time,
    pub ended_at: Option<Time>,
}

/// Where to find what a template's tasks are known to cost.
pub(super) struct TemplateCosts {
    /// By variant.
    pub ways: Ways,
    /// What the last of its tasks to succeed took and made.
    pub last: Option<Footprint>,
}

#[derive(Clone)]
pub(super) struct TaskSoft {
    pub state: TaskState,
    /// Whether it waits out a back-off.
    pub delayed: bool,
    /// Whether an incarnation of the actor that it makes was alive.
    pub has_lived: bool,
    /// How many unmet edges come from tasks that executors have.
    pub placed_edges: u32,
    /// The current attempt, while an executor has it.
    pub active: Option<ActiveIndex>,
    /// The last placement.
    pub last: Option<LastPlacement>,
}

#[derive(Clone, Copy)]
pub(super) struct LastPlacement {
    pub executor: ExecutorId,
    pub variant: u8,
    pub reason: Reason,
    pub placed_at: Time,
    pub started_at: Option<Time>,
    pub ended_at: Option<Time>,
    pub run_time: Duration,
}

impl Soft {
    pub fn insert(&mut self, key: JobKey, now: Time) -> &mut JobSoft {
        let slot = key.slot as usize;
        if self.jobs.len() <= slot {
            self.jobs.resize_with(slot + 1, || None);
        }
        let order = self.next_order;
        self.next_order += 1;
        self.order.insert(order, key);
        self.jobs[slot].insert(Box::new(JobSoft {
            key,
            order,
            classes: Vec::new(),
            costs: Vec::new(),
            tasks: Vec::new(),
            ranks: Vec::new(),
            counts: Default::default(),
            submitted_at: now,
            ended_at: None,
        }))
    }

    pub fn remove(&mut self, key: JobKey) -> Option<Box<JobSoft>> {
        self.job(key)?;
        let job = self.jobs[key.slot as usize].take()?;
        self.order.remove(&job.order);
        Some(job)
    }

    pub fn job(&self, key: JobKey) -> Option<&JobSoft> {
        self.jobs.get(key.slot as usize)?.as_deref().filter(|job| job.key == key)
    }

    pub fn job_mut(&mut self, key: JobKey) -> Option<&mut JobSoft> {
        self.jobs.get_mut(key.slot as usize)?.as_deref_mut().filter(|job| job.key == key)
    }

    pub fn keys_before(&self, order: u64) -> impl DoubleEndedIterator<Item = JobKey> + '_ {
        self.order.range(..order).map(|(_, key)| *key)
    }

    pub fn task(&self, key: TaskKey) -> Option<&TaskSoft> {
        self.job(key.job)?.tasks.get(key.index as usize)
    }

    pub fn task_mut(&mut self, key: TaskKey) -> Option<&mut TaskSoft> {
        self.job_mut(key.job)?.tasks.get_mut(key.index as usize)
    }

    pub fn rank(&self, key: TaskKey) -> u64 {
        self.job(key.job).map_or(0, |job| job.ranks[key.index as usize])
    }

    pub fn class_of(&self, job: JobKey, template: u32) -> ClassId {
        self.job(job).map_or_else(ClassId::default, |job| job.classes[template as usize])
    }

    /// Where to find what a template's tasks are known to cost.
    pub fn costs_of(&self, job: JobKey, template: u32) -> Option<&TemplateCosts> {
        self.job(job)?.costs.get(template as usize)
    }

    /// Changes a task's state; the old one, if the task is known.
    pub fn set_state(&mut self, key: TaskKey, state: TaskState) -> Option<TaskState> {
        let job = self.job_mut(key.job)?;
        let task = job.tasks.get_mut(key.index as usize)?;
        let old = std::mem::replace(&mut task.state, state);
        job.counts[old as usize] -= 1;
        job.counts[state as usize] += 1;
        Some(old)
    }

    #[cfg(test)]
    pub fn assert_consistent(
        &self,
        state: &crate::state::State,
        totals: &[u64; TaskState::ALL.len()],
    ) {
        use crate::state::Phase;
        let mut sums = [0; TaskState::ALL.len()];
        for key in self.order.values().copied() {
            let soft = self.job(key).expect("ordered jobs are kept");
            let job = state.job(key).expect("soft jobs are durable");
            let mut counts = [0; TaskState::ALL.len()];
            for (index, task) in job.tasks.iter().enumerate() {
                let soft = &soft.tasks[index];
                counts[soft.state as usize] += 1;
                let agree = match task.phase {
                    Phase::Pending => {
                        matches!(soft.state, TaskState::Waiting | TaskState::Ready)
                            && soft.active.is_none()
                            && (soft.state == TaskState::Ready)
                                == (task.unmet == 0 && !soft.delayed)
                    }
                    Phase::Placed(_) => {
                        matches!(soft.state, TaskState::Queued | TaskState::Running)
                            && soft.active.is_some()
                    }
                    ended => ended.final_state() == Some(soft.state) && soft.active.is_none(),
                };
                assert!(agree, "task {index} is {:?} and {:?}", task.phase, soft.state);
                let placed = job
                    .predecessors(index as u32)
                    .filter(|before| matches!(job.tasks[*before as usize].phase, Phase::Placed(_)));
                assert_eq!(placed.count(), soft.placed_edges as usize, "edges of task {index}");
            }
            assert_eq!(counts, soft.counts);
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += u64::from(count);
            }
        }
        assert_eq!(&sums, totals);
    }
}

impl TaskSoft {
    pub fn new() -> Self {
        TaskSoft {
            state: TaskState::Waiting,
            delayed: false,
            has_lived: false,
            placed_edges: 0,
            active: None,
            last: None,
        }
    }
}
