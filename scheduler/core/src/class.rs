//! Request classes: tasks with the same kernels, requests and constraints are one class, and
//! questions like "where could it run" and "how long does it run" are answered once per class.

use std::collections::{HashMap, VecDeque};

use drawloom_model::{
    ActorKind, Constraints, CudaSource, ExecutorId, ExecutorInfo, ResourceRequest, Run, Template,
    nearest,
};

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
    /// How many templates of jobs and attempts on executors are of it.
    users: u32,
    /// The last time that it had no user, counted in such times.
    idle_since: u64,
    /// Whether its tasks are actors, which keep what they claim until they are stopped.
    pub lasting: bool,
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
    /// Run a user's CUDA kernel of this name on the device that is asked for.
    Cuda {
        /// Its name.
        entry: Box<str>,
        /// Whether it has to be compiled.
        compiled: bool,
    },
    /// Make a native actor of this type.
    Actor(Box<str>),
    /// Be where the actor is whose method of this name is called.
    Call(Box<str>),
}

#[derive(PartialEq, Eq, Hash, Debug)]
struct ClassKey {
    variants: Vec<(Runner, ResourceRequest)>,
    constraints: Constraints,
    lasting: bool,
}

/// Classes without users that are kept all the same: what was measured of them may be wanted again.
const IDLE_LIMIT: usize = 1024;

/// Every class in use, and the last of those that were.
#[derive(Default, Debug)]
pub struct Classes {
    classes: Vec<Class>,
    by_key: HashMap<ClassKey, ClassId>,
    /// Classes that had no user at some time, the earliest first; some have users again.
    idle: VecDeque<(ClassId, u64)>,
    idle_count: usize,
    idle_times: u64,
    vacant: Vec<ClassId>,
}

impl Classes {
    /// The class of tasks of this template, with one user more; a new one is matched against
    /// `executors`.
    pub fn intern<'a>(
        &mut self,
        template: &Template,
        executors: impl Iterator<Item = (ExecutorId, &'a ExecutorInfo)>,
    ) -> ClassId {
        let variants = template.variants.iter();
        let key = ClassKey {
            variants: variants.map(|v| (runner(&v.run), v.request.clone())).collect(),
            constraints: template.constraints.clone(),
            lasting: template.actor().is_some(),
        };
        if let Some(id) = self.by_key.get(&key).copied() {
            self.hold(id);
            return id;
        }
        let mut class = Class {
            variants: key.variants.iter().cloned().map(ClassVariant::new).collect(),
            constraints: key.constraints.clone(),
            users: 1,
            idle_since: 0,
            lasting: key.lasting,
        };
        for (executor, info) in executors {
            class.join(executor, info);
        }
        let id = self.add(class);
        self.by_key.insert(key, id);
        id
    }

    fn add(&mut self, class: Class) -> ClassId {
        if let Some(id) = self.vacant.pop() {
            self.classes[id.0 as usize] = class;
            return id;
        }
        self.classes.push(class);
        ClassId((self.classes.len() - 1) as u32)
    }

    /// One user more.
    pub fn hold(&mut self, id: ClassId) {
        let class = &mut self.classes[id.0 as usize];
        self.idle_count -= usize::from(class.users == 0);
        class.users += 1;
    }

    /// One user fewer.
    pub fn release(&mut self, id: ClassId) {
        let class = &mut self.classes[id.0 as usize];
        class.users -= 1;
        if class.users == 0 {
            self.idle_times += 1;
            class.idle_since = self.idle_times;
            self.idle.push_back((id, self.idle_times));
            self.idle_count += 1;
            // Entries of classes that have users again, or are idle anew, are left out in time.
            if self.idle.len() > 2 * IDLE_LIMIT + 2 * self.idle_count {
                let classes = &self.classes;
                self.idle.retain(|(id, since)| classes[id.0 as usize].is_idle_since(*since));
            }
        }
    }

    /// Forgets the class that has been without users the longest, if there are too many such.
    /// Whatever else is known of it is the caller's to forget.
    pub fn evict(&mut self) -> Option<ClassId> {
        while self.idle_count > IDLE_LIMIT {
            let (id, since) = self.idle.pop_front()?;
            let class = &mut self.classes[id.0 as usize];
            if class.is_idle_since(since) {
                self.by_key.remove(&class.take_key());
                self.vacant.push(id);
                self.idle_count -= 1;
                return Some(id);
            }
        }
        None
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

impl Classes {
    /// A check for tests: that every class has as many users as `of` tells.
    #[cfg(test)]
    pub fn assert_users(&self, of: impl Fn(ClassId) -> usize) {
        for (index, class) in self.classes.iter().enumerate() {
            let id = ClassId(index as u32);
            assert_eq!(class.users as usize, of(id), "users of {id:?}");
        }
        let without = self.classes.iter().filter(|class| class.users == 0).count();
        assert_eq!(without, self.idle_count + self.vacant.len());
    }
}

impl Class {
    fn is_idle_since(&self, since: u64) -> bool {
        self.users == 0 && self.idle_since == since
    }

    /// What it was found by; nothing is left of it that an executor could join.
    fn take_key(&mut self) -> ClassKey {
        self.idle_since = 0;
        let variants = std::mem::take(&mut self.variants).into_iter();
        ClassKey {
            variants: variants.map(|variant| (variant.runner, variant.request)).collect(),
            constraints: std::mem::take(&mut self.constraints),
            lasting: self.lasting,
        }
    }

    /// Whether its tasks are calls, which run where their actors are.
    pub fn is_call(&self) -> bool {
        matches!(self.variants.first(), Some(ClassVariant { runner: Runner::Call(_), .. }))
    }

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
                // Mostly the last: one that changed comes back to its place.
                let place = variant.eligible.partition_point(|other| *other < executor);
                variant.eligible.insert(place, executor);
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
            Runner::Actor(name) if !info.actors.iter().any(|actor| **actor == **name) => {
                return Some(ObstacleCause::CannotRun(unknown_actor(name, &info.actors)));
            }
            Runner::Kernel(_)
            | Runner::Process
            | Runner::Cuda { .. }
            | Runner::Actor(_)
            | Runner::Call(_) => {}
        }
        if let Some(shortfall) = info.capacity.shortfall(&self.request) {
            return Some(ObstacleCause::TooSmall(shortfall));
        }
        // Said last: an executor without GPUs lacks those in the first place.
        let is_uncompiled = matches!(self.runner, Runner::Cuda { compiled: true, .. });
        (is_uncompiled && !info.compiles_cuda)
            .then(|| ObstacleCause::CannotRun(NO_COMPILER.to_owned()))
    }
}

/// An actor that an executor cannot make, and those that it can.
fn unknown_actor(name: &str, known: &[String]) -> String {
    let advice = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near:?}?"),
        None if known.is_empty() => "it makes none".to_owned(),
        None => format!("it makes {}", known.join(", ")),
    };
    format!("actors of type {name:?}; {advice}")
}

/// What executors without a compiler cannot run, and what helps.
const NO_COMPILER: &str = "CUDA C++: it has no NVRTC (nvidia-cuda-nvrtc-cu12; DRAWLOOM_NVRTC tells \
                           where); PTX, or a variant for CPUs, needs none";

fn runner(run: &Run) -> Runner {
    match run {
        Run::Kernel(call) => Runner::Kernel(call.name.as_str().into()),
        Run::Process(_) => Runner::Process,
        Run::Cuda(cuda) => Runner::Cuda {
            entry: cuda.entry.as_str().into(),
            compiled: matches!(cuda.source, CudaSource::Cpp(_)),
        },
        Run::Actor(actor) => match &actor.kind {
            ActorKind::Native { type_name, .. } => Runner::Actor(type_name.as_str().into()),
            ActorKind::Process(_) => Runner::Process,
        },
        Run::Call(call) => Runner::Call(call.method.as_str().into()),
    }
}

#[cfg(test)]
mod tests {
    use drawloom_model::{Attributes, Variant};

    use super::*;

    fn class_of(classes: &mut Classes, cores: u64) -> ClassId {
        let mut variant = Variant::kernel("noop", Attributes::new());
        variant.request = ResourceRequest::cores(cores);
        classes.intern(&Template::new(variant, 0), std::iter::empty())
    }

    #[test]
    fn only_the_last_classes_without_users_are_kept() {
        let mut classes = Classes::default();
        let held = class_of(&mut classes, 1);
        let mut evicted = Vec::new();
        for round in 0..3 {
            for cores in 2..2 + 2 * IDLE_LIMIT as u64 {
                let id = class_of(&mut classes, cores);
                assert_eq!(classes.get(id).variants[0].request, ResourceRequest::cores(cores));
                classes.release(id);
                evicted.extend(classes.evict());
            }
            assert_eq!(class_of(&mut classes, 1), held, "round {round}");
        }
        assert!(!evicted.contains(&held));
        assert_eq!(classes.by_key.len(), IDLE_LIMIT + 1);
        assert!(classes.classes.len() <= IDLE_LIMIT + 2, "places are used again");
        assert!(classes.idle.len() <= 5 * IDLE_LIMIT);
    }

    #[test]
    fn a_class_in_use_again_is_not_evicted() {
        let mut classes = Classes::default();
        let id = class_of(&mut classes, 1);
        classes.release(id);
        assert_eq!(class_of(&mut classes, 1), id);
        for cores in 2..3 + IDLE_LIMIT as u64 {
            let other = class_of(&mut classes, cores);
            classes.release(other);
        }
        let evicted: Vec<ClassId> = std::iter::from_fn(|| classes.evict()).collect();
        assert_eq!(evicted, [ClassId(1)]);
    }
}
