//! Builders of assignments.

// Each test crate uses its own part of these.
#![allow(dead_code)]

use std::sync::Arc;
use std::time::Duration;

use drawloom_executor_core::{Command, Config, Event, Executor};
use drawloom_model::{
    AssignedInput, Assignment, AttemptId, Capacity, InputSource, JobKey, ObjectKey,
    ResourceRequest, TaskKey, Template, TemplateKey, Time, ToExecutor, Variant,
};

pub const JOB: JobKey = JobKey { slot: 1, generation: 0 };

pub fn task(index: u32) -> TaskKey {
    TaskKey { job: JOB, index }
}

pub fn attempt(index: u32) -> AttemptId {
    AttemptId { task: task(index), number: 1 }
}

pub fn object(index: u32) -> ObjectKey {
    ObjectKey { job: JOB, index }
}

pub fn remote(object: ObjectKey) -> AssignedInput {
    AssignedInput { object, source: InputSource::Remote(["far".into()].into_iter().collect()) }
}

pub fn local(object: ObjectKey) -> AssignedInput {
    AssignedInput { object, source: InputSource::Local }
}

/// An attempt of a task that makes the object of the same number.
pub fn assignment(index: u32, request: ResourceRequest) -> Assignment {
    let variant = Variant { request, ..Variant::kernel("work", Default::default()) };
    Assignment {
        attempt: attempt(index),
        template_key: TemplateKey { job: JOB, index: 0 },
        template: Arc::new(Template::new(variant, 1)),
        variant: 0,
        devices: Default::default(),
        inputs: Default::default(),
        waits_for: Default::default(),
        first_output: object(index),
        priority: 0,
        set_aside: false,
        actor: None,
        job_id: None,
    }
}

pub fn with_timeout(mut assignment: Assignment, timeout: Duration) -> Assignment {
    Arc::make_mut(&mut assignment.template).timeout = Some(timeout);
    assignment
}

pub fn run(assignment: Assignment) -> Event {
    Event::Told(ToExecutor::Run(Box::new(assignment)))
}

pub fn executor(cores: u64) -> Executor {
    let capacity = Capacity { cpu_milli: cores * 1000, ..Capacity::default() };
    Executor::new(Config { capacity, cores: (0..cores as u32).collect(), can_spill: false })
}

pub fn handle(executor: &mut Executor, event: Event) -> Vec<Command> {
    handle_at(executor, Time::ZERO, event)
}

pub fn handle_at(executor: &mut Executor, now: Time, event: Event) -> Vec<Command> {
    let mut commands = Vec::new();
    executor.handle(now, event, &mut commands);
    commands
}
