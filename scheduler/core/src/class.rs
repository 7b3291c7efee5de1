//! Request classes: tasks with the same kernels, requests and constraints are one class, and
//! questions like "where could it run" and "how long does it run" are answered once per class.

use std::collections::HashMap;

use drawloom_model::{Constraints, ExecutorId, ExecutorInfo, ResourceRequest, Run, Template};

use crate::{Obstacle, ObstacleCause};

/// A class's index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ClassId(pub u32);

/// One request class.
#[derive(Debug)]
pub struct Class {
    /// The ways to run its tasks.
    pub variants: Vec<ClassVariant>,
    /// Where they may run.
    pub constraints: Constraints,
}

/// One way to run a class's tasks.
#[derive(Debug)]
pub struct ClassVariant {
    /// What runs.
    pub runner: Runner,
    /// What it needs.
    pub request: ResourceRequest,
    /// The executors that could run it when idle, in order.
    pub eligible: Vec<ExecutorId>,
}

/// What an executor must be able to do.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Runner {
    /// Run this kernel.
    Kernel(Box<str>),
    /// Run processes.
    Process,
}

#[derive(PartialEq, Eq, Hash, Debug)]
struct ClassKey {
    variants: Vec<(Runner, ResourceRequest)>,
    constraints: Constraints,
}

/// Every class met so far.
#[derive(Default, Debug)]
pub struct Classes {
    classes: Vec<Class>,
    by_key: HashMap<ClassKey, ClassId>,
}

impl Classes {
    /// The class of tasks of this template; a new one is matched against `executors`.
    pub fn intern<'a>(
        &mut self,
        template: &Template,
        executors: impl Iterator<Item = (ExecutorId, &'a ExecutorInfo)>,
    ) -> ClassId {
        let key = ClassKey {
            variants: template
                .variants
                .iter()
                .map(|variant| (runner(&variant.run), variant.request.clone()))
                .collect(),
            constraints: template.constraints.clone(),
        };
        if let Some(id) = self.by_key.get(&key) {
            return *id;
        }
        let id = ClassId(self.classes.len() as u32);
        let mut class = Class {
            variants: key.variants.iter().cloned().map(ClassVariant::new).collect(),
            constraints: key.constraints.clone(),
        };
        for (executor, info) in executors {
            class.join(executor, info);
        }
        self.classes.push(class);
        self.by_key.insert(key, id);
        id
    }

    /// The class of that id.
    pub fn get(&self, id: ClassId) -> &Class {
        &self.classes[id.0 as usize]
    }

    /// An executor can take tasks.
    pub fn join(&mut self, executor: ExecutorId, info: &ExecutorInfo) {
        for class in &mut self.classes {
            class.join(executor, info);
        }
    }

    /// An executor can take no more tasks.
    pub fn leave(&mut self, executor: ExecutorId) {
        for variant in self.classes.iter_mut().flat_map(|class| &mut class.variants) {
            variant.eligible.retain(|eligible| *eligible != executor);
        }
    }
}

impl Class {
    /// Whether some executor could run one of its tasks when idle.
    pub fn is_possible(&self) -> bool {
        self.variants.iter().any(|variant| !variant.eligible.is_empty())
    }

    /// What keeps a variant from an executor, however idle.
    pub fn obstacle(&self, variant: u8, info: &ExecutorInfo) -> Option<Obstacle> {
        let cause = self.variants[usize::from(variant)].obstacle(info).or_else(|| {
            let refusal = self.constraints.refusal(&info.labels, &info.taints)?;
            Some(ObstacleCause::Constraint(refusal))
        })?;
        Some(Obstacle { executor: info.name.clone(), variant, cause })
    }

    fn join(&mut self, executor: ExecutorId, info: &ExecutorInfo) {
        if !self.constraints.admit(&info.labels, &info.taints) {
            return;
        }
        for variant in &mut self.variants {
            if variant.obstacle(info).is_none() {
                variant.eligible.push(executor);
            }
        }
    }
}

impl ClassVariant {
    fn new((runner, request): (Runner, ResourceRequest)) -> Self {
        ClassVariant { runner, request, eligible: Vec::new() }
    }

    fn obstacle(&self, info: &ExecutorInfo) -> Option<ObstacleCause> {
        match &self.runner {
            Runner::Kernel(name) if !info.kernels.iter().any(|kernel| **kernel == **name) => {
                return Some(ObstacleCause::CannotRun(format!("kernel {name:?}")));
            }
            Runner::Process if !info.runs_processes => {
                return Some(ObstacleCause::CannotRun("processes".to_owned()));
            }
            Runner::Kernel(_) | Runner::Process => {}
        }
        info.capacity.shortfall(&self.request).map(ObstacleCause::TooSmall)
    }
}

fn runner(run: &Run) -> Runner {
    match run {
        Run::Kernel(call) => Runner::Kernel(call.name.as_str().into()),
        Run::Process(_) => Runner::Process,
    }
}
