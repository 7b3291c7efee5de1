//! Admission: a graph is taken whole or refused whole.

use std::sync::Arc;

use drawloom_model::{
    ExecutorId, Input, JobId, JobKey, ObjectId, ObjectKey, ObjectReport, TaskGraph, TaskKey,
    TemplateKey, Time, ToExecutor,
};

use super::Scheduler;
use super::soft::{TaskSoft, TemplateCosts};
use crate::class::ClassId;
use crate::rank;
use crate::state::{Content, Phase, fingerprint};
use crate::timers::Timer;
use crate::{Commands, Fact, JobEvent, Obstacle, ObstacleCause, Refusal, Reply, TaskState};

impl Scheduler {
    pub(super) fn on_job_submitted(
        &mut self,
        now: Time,
        job: JobId,
        token: Option<Box<str>>,
        graph: Arc<TaskGraph>,
        commands: &mut Commands,
    ) -> Result<Reply, Refusal> {
        if let Some(token) = &token
            && let Some(key) = self.state.job_with_token(token)
        {
            return self.existing(token, key, &graph);
        }
        self.check_externals(&graph)?;
        self.check_actors(None, &graph)?;
        let classes = self.classify(&graph);
        if !graph.options.wait_for_resources
            && let Err(refusal) = self.check_possible(&graph, &classes)
        {
            self.release_classes(&classes);
            return Err(refusal);
        }
        let key = self.state.next_job_key();
        let tasks = graph.tasks.len() as u32;
        self.soft.insert(key, now);
        self.record(Fact::JobAdmitted { key, job, token, graph: graph.clone() }, commands);
        self.extend(now, key, &graph, classes);
        if let Some(deadline) = graph.options.deadline {
            self.timers.set(now + deadline, Timer::JobDeadline(key));
        }
        self.settle();
        self.end_job_if_complete(now, key, commands);
        Ok(Reply::JobAdmitted { job, key, tasks, existing: false })
    }

    fn existing(&self, token: &str, key: JobKey, graph: &TaskGraph) -> Result<Reply, Refusal> {
        let job = self.state.job(key).expect("a token goes when its job goes");
        if job.fingerprint != fingerprint(graph) {
            return Err(Refusal::TokenReused { token: token.to_owned(), job: job.id });
        }
        let tasks = job.tasks.len() as u32;
        Ok(Reply::JobAdmitted { job: job.id, key, tasks, existing: true })
    }

    pub(super) fn on_tasks_added(
        &mut self,
        now: Time,
        id: JobId,
        graph: Arc<TaskGraph>,
        commands: &mut Commands,
    ) -> Result<Reply, Refusal> {
        let key = self.open_job(id)?;
        self.check_addition(key, id, &graph)?;
        self.check_externals(&graph)?;
        self.check_actors(Some(key), &graph)?;
        let classes = self.classify(&graph);
        let waits = self.state.job(key).is_some_and(|job| job.options.wait_for_resources);
        if !waits && let Err(refusal) = self.check_possible(&graph, &classes) {
            self.release_classes(&classes);
            return Err(refusal);
        }
        let first_task = graph.first_task;
        let tasks = first_task + graph.tasks.len() as u32;
        self.record(Fact::TasksAdmitted { key, graph: graph.clone() }, commands);
        self.extend(now, key, &graph, classes);
        let added = JobEvent::TasksAdded { first_task, tasks: graph.tasks.len() as u32 };
        self.notify(key, added, commands);
        self.fail_orphans(now, key, first_task, commands);
        self.settle();
        self.end_job_if_complete(now, key, commands);
        Ok(Reply::TasksAdded { first_task, tasks })
    }

    pub(super) fn on_job_closed(
        &mut self,
        now: Time,
        id: JobId,
        commands: &mut Commands,
    ) -> Result<Reply, Refusal> {
        let key = self.state.job_key(id).ok_or(Refusal::UnknownJob { job: id })?;
        if self.state.job(key).is_some_and(|job| !job.sealed) {
            self.record(Fact::JobSealed { key }, commands);
            self.settle();
            self.end_job_if_complete(now, key, commands);
        }
        Ok(Reply::JobClosed)
    }

    pub(super) fn on_job_forgotten(&mut self, id: JobId, commands: &mut Commands) {
        let Some(key) = self.state.job_key(id) else { return };
        if !self.state.job(key).is_some_and(|job| job.ended) {
            return;
        }
        if let Some(soft) = self.soft.remove(key) {
            for (total, count) in self.counters.tasks.iter_mut().zip(soft.counts) {
                *total -= u64::from(count);
            }
            self.release_classes(&soft.classes);
            soft.costs.iter().for_each(|costs| self.costs.release(&costs.ways));
        }
        self.record(Fact::JobForgotten { key }, commands);
        self.settle();
    }

    pub(super) fn on_object_stored(
        &mut self,
        object: ObjectId,
        key: ObjectKey,
        executor: ExecutorId,
        report: ObjectReport,
        commands: &mut Commands,
    ) -> Result<Reply, Refusal> {
        if self.cluster.executor(executor).is_none() {
            return Err(Refusal::UnknownExecutor { executor });
        }
        self.cluster.add_replica(key, executor, report.size_bytes());
        self.record(Fact::ObjectPut { key, object, report }, commands);
        Ok(Reply::ObjectPut)
    }

    pub(super) fn on_object_released(
        &mut self,
        object: ObjectId,
        commands: &mut Commands,
    ) -> Result<Reply, Refusal> {
        let key = self.state.put_object(object).ok_or(Refusal::UnknownObject { object })?;
        self.record(Fact::ObjectReleased { key }, commands);
        self.settle();
        Ok(Reply::ObjectReleased)
    }

    fn open_job(&self, id: JobId) -> Result<JobKey, Refusal> {
        let key = self.state.job_key(id).ok_or(Refusal::UnknownJob { job: id })?;
        match self.state.job(key) {
            Some(job) if !job.ended => Ok(key),
            _ => Err(Refusal::JobEnded { job: id }),
        }
    }

    fn check_addition(&self, key: JobKey, id: JobId, graph: &TaskGraph) -> Result<(), Refusal> {
        let Some(job) = self.state.job(key) else {
            return Err(Refusal::UnknownJob { job: id });
        };
        // Whoever runs in the job may add to it, also where it takes nothing from outside.
        let has_spawners = || job.templates.iter().any(|template| template.spawns());
        if job.sealed && !has_spawners() {
            return Err(Refusal::JobSealed { job: id });
        }
        let expected = job.tasks.len() as u32;
        if graph.first_task != expected {
            let first_task = graph.first_task;
            return Err(Refusal::WrongFirstTask { job: id, expected, first_task });
        }
        let mut names = graph.tasks.iter().filter_map(|task| task.name.as_deref());
        let mut outputs = graph.outputs.iter().map(|output| output.name.as_str());
        let mut gangs = graph.gangs.iter().map(|gang| gang.name.as_str());
        let duplicate = names
            .find(|name| job.names.index(name).is_some())
            .or_else(|| outputs.find(|name| job.output_names.index(name).is_some()))
            .or_else(|| gangs.find(|name| job.gangs.has_name(name)));
        if let Some(name) = duplicate {
            return Err(Refusal::DuplicateName { job: id, name: name.to_owned() });
        }
        let kept = graph.outputs.iter().map(|output| output.object);
        for input in graph.tasks.iter().flat_map(|task| task.inputs.iter().copied()).chain(kept) {
            let Input::Task { task, output } = input else { continue };
            if task >= expected {
                continue;
            }
            let key = job.output_key(task, output);
            if job.objects[key.index as usize].content == Content::Dropped {
                return Err(Refusal::ObjectDropped { task, output });
            }
        }
        Ok(())
    }

    fn check_externals(&self, graph: &TaskGraph) -> Result<(), Refusal> {
        match graph.externals.iter().find(|object| self.state.put_object(**object).is_none()) {
            Some(object) => Err(Refusal::UnknownObject { object: *object }),
            None => Ok(()),
        }
    }

    fn classify(&mut self, graph: &TaskGraph) -> Vec<ClassId> {
        let executors = self.cluster.executors().filter(|executor| !executor.draining);
        let known: Vec<_> = executors.map(|executor| (executor.id, &*executor.info)).collect();
        let templates = graph.templates.iter();
        templates.map(|template| self.classes.intern(template, known.iter().copied())).collect()
    }

    fn release_classes(&mut self, classes: &[ClassId]) {
        for class in classes {
            self.classes.release(*class);
        }
        while let Some(class) = self.classes.evict() {
            self.estimates.forget(class);
            self.ready.forget(class);
        }
    }

    /// Refuses a graph with a task that no executor could run, or a gang for which all of them
    /// have no room, however idle.
    fn check_possible(&self, graph: &TaskGraph, classes: &[ClassId]) -> Result<(), Refusal> {
        let possible: Vec<bool> =
            classes.iter().map(|class| self.classes.get(*class).is_possible()).collect();
        if possible.iter().all(|possible| *possible) {
            return self.check_gangs(graph, classes);
        }
        for (position, task) in graph.tasks.iter().enumerate() {
            if possible[task.template as usize] {
                continue;
            }
            let index = graph.first_task + position as u32;
            let task_name = match &task.name {
                Some(name) => format!("task {name:?}"),
                None => format!("task {index}"),
            };
            let reasons = self.obstacles(classes[task.template as usize]);
            return Err(Refusal::Impossible { index, task: task_name, reasons });
        }
        self.check_gangs(graph, classes)
    }

    /// What keeps a class from every executor.
    pub(super) fn obstacles(&self, class: ClassId) -> Vec<Obstacle> {
        let class = self.classes.get(class);
        let mut obstacles = Vec::new();
        for executor in self.cluster.executors() {
            for variant in 0..class.variants.len() as u8 {
                let draining = || Obstacle {
                    executor: executor.info.name.clone(),
                    variant,
                    cause: ObstacleCause::Draining,
                };
                let obstacle = class
                    .obstacle(variant, &executor.info)
                    .or_else(|| executor.draining.then(draining));
                obstacles.extend(obstacle);
            }
        }
        if self.cluster.executors().next().is_none() {
            let cause = ObstacleCause::NoExecutor;
            obstacles.push(Obstacle { executor: String::new(), variant: 0, cause });
        }
        obstacles
    }

    /// Gives new tasks their soft state.
    fn extend(&mut self, now: Time, key: JobKey, graph: &TaskGraph, classes: Vec<ClassId>) {
        let Some(job) = self.state.job(key) else { return };
        let Some(soft) = self.soft.job_mut(key) else { return };
        let first = soft.tasks.len() as u32;
        soft.classes.extend(classes);
        soft.costs.extend(
            graph
                .templates
                .iter()
                .map(|template| TemplateCosts { ways: self.costs.hold(template), last: None }),
        );
        soft.tasks.resize(job.tasks.len(), TaskSoft::new());
        soft.ranks.resize(job.tasks.len(), 0);
        let added = job.tasks.len() as u32 - first;
        soft.counts[TaskState::Waiting as usize] += added;
        self.counters.tasks[TaskState::Waiting as usize] += u64::from(added);
        let costs: Vec<u64> = job
            .templates
            .iter()
            .zip(soft.classes.iter().zip(&soft.costs))
            .map(|(template, (class, costs))| {
                // The fastest way is the one that is going to be taken.
                let ways = costs.ways.iter().flatten();
                let measured = ways.filter_map(|way| self.costs.last_nanos(*way)).min();
                let hint = template.variants[0].cost_hint;
                measured.unwrap_or_else(|| self.estimates.expected(*class, 0, hint).0)
            })
            .collect();
        let cost = |task: u32| costs[job.tasks[task as usize].template as usize];
        rank::extend(job, &mut soft.ranks, first, cost);
        for index in first.max(1)..job.tasks.len() as u32 {
            let placed = job
                .predecessors(index)
                .filter(|before| matches!(job.tasks[*before as usize].phase, Phase::Placed(_)));
            soft.tasks[index as usize].placed_edges = placed.count() as u32;
        }
        if graph.templates.iter().any(|template| template.deadline.is_some()) {
            for index in first..job.tasks.len() as u32 {
                if let Some(deadline) = job.template_of(index).deadline {
                    let task = TaskKey { job: key, index };
                    self.timers.set(now + deadline, Timer::TaskDeadline(task));
                }
            }
        }
    }

    /// Ends added tasks that need a task which ended without success before.
    fn fail_orphans(&mut self, now: Time, key: JobKey, first: u32, commands: &mut Commands) {
        let Some(job) = self.state.job(key) else { return };
        let orphans: Vec<(u32, u32)> = (first..job.tasks.len() as u32)
            .filter_map(|task| {
                let lost = job.predecessors(task).find(|before| {
                    let state = job.tasks[*before as usize].phase.final_state();
                    matches!(state, Some(TaskState::Failed | TaskState::Cancelled))
                })?;
                Some((task, lost))
            })
            .collect();
        for (task, lost) in orphans {
            let end = self.consequence(key, lost);
            self.end_unsuccessfully(now, TaskKey { job: key, index: task }, end, commands);
        }
    }

    /// Ends the job if every task has ended and nothing can be added.
    pub(super) fn end_job_if_complete(&mut self, now: Time, key: JobKey, commands: &mut Commands) {
        if !self.state.is_complete(key) {
            return self.stop_idle_actors(key, commands);
        }
        self.record(Fact::JobEnded { key }, commands);
        self.timers.clear(Timer::JobDeadline(key));
        if let Some(soft) = self.soft.job_mut(key) {
            soft.ended_at = Some(now);
        }
        let Some(job) = self.state.job(key) else { return };
        let state = job.state();
        let templates = (0..job.templates.len() as u32)
            .map(|index| TemplateKey { job: key, index })
            .collect::<Vec<_>>();
        for executor in self.cluster.executors() {
            let message = ToExecutor::ForgetTemplates { templates: templates.clone() };
            self.send(executor.id, message, commands);
        }
        self.notify(key, JobEvent::JobEnded { state }, commands);
    }
}
