//! What scheduler and executors say to each other.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::{
    AttemptId, DeviceCapacity, DeviceIndex, Failure, JobId, ObjectKey, ObjectType, Run, TaskKey,
    Template, TemplateKey, Value,
};

/// From the scheduler to an executor. Handled in the order of sending.
#[derive(Clone, PartialEq, Debug)]
pub enum ToExecutor {
    /// Queue this attempt, and run it as soon as its inputs are there and it fits.
    Run(Box<Assignment>),
    /// End this attempt, queued or running. Answered by `Ended` unless it ended before.
    Cancel {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Give this attempt back if it has not started. Answered by `Recalled` if so.
    Recall {
        /// The attempt.
        attempt: AttemptId,
    },
    /// This attempt waits for tasks of its job: its cores are for others meanwhile.
    Suspend {
        /// The attempt.
        attempt: AttemptId,
    },
    /// What a suspended attempt waited for has ended: give it cores again. Answered by `Resumed`.
    Resume {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Drop these objects' replicas.
    Release {
        /// The objects.
        objects: Vec<ObjectKey>,
    },
    /// Keep this small object, which assignments to come name as `Local`.
    Keep {
        /// Its key.
        object: ObjectKey,
        /// The object.
        value: Value,
    },
    /// Let this actor serve the calls that it has and end. Answered by `Ended`: succeeded, or
    /// cancelled where it is to go on elsewhere.
    StopActor {
        /// The actor's incarnation.
        attempt: AttemptId,
        /// What becomes of it.
        then: AfterStop,
    },
    /// Make a replica of an object here. Answered by `ReplicaAdded` or `ReplicaLost`.
    Replicate {
        /// The object.
        object: ObjectKey,
        /// Where replicas are, the preferred first.
        sources: SmallVec<[Arc<str>; 1]>,
    },
    /// Everything of this template may be forgotten: its job has ended.
    ForgetTemplates {
        /// Templates whose job has ended.
        templates: Vec<TemplateKey>,
    },
    /// The scheduler has nothing more for this executor, which asked to drain: it may stop.
    Stop,
}

/// What becomes of an actor that is stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AfterStop {
    /// Its task has succeeded.
    Ended,
    /// Another incarnation takes its place elsewhere.
    Moved,
}

/// An attempt handed to an executor.
#[derive(Clone, PartialEq, Debug)]
pub struct Assignment {
    /// The attempt.
    pub attempt: AttemptId,
    /// Which template, so that it need be sent only once per executor.
    pub template_key: TemplateKey,
    /// How it runs.
    pub template: Arc<Template>,
    /// Which of the template's variants was chosen.
    pub variant: u8,
    /// The devices it was given.
    pub devices: SmallVec<[DeviceIndex; 2]>,
    /// Its inputs, in order.
    pub inputs: SmallVec<[AssignedInput; 2]>,
    /// Tasks assigned to the same executor earlier that must succeed first (those that make its
    /// inputs among them). The executor releases the attempt itself when they have. When one of
    /// them does not succeed, the executor drops the attempt without a word; the scheduler, who
    /// hears of the failure, takes it for recalled.
    pub waits_for: SmallVec<[TaskKey; 2]>,
    /// The key of its first output; further outputs follow it.
    pub first_output: ObjectKey,
    /// Larger goes first among those that could start.
    pub priority: i32,
    /// Whether its room is set aside from its arrival on, ahead of every attempt that arrives
    /// later: so with members of a gang, which the scheduler sends only where they fit at once.
    pub set_aside: bool,
    /// The job's public id, where what runs may add tasks to it.
    pub job_id: Option<JobId>,
    /// What only actors and calls have.
    pub actor: Option<Box<ActorPart>>,
}

impl Assignment {
    /// Whether it is a kernel for a device, of the catalogue or a user's, which takes its inputs from the memory of devices, too.
    pub fn runs_on_device(&self) -> bool {
        let variant = self.template.variants.get(usize::from(self.variant));
        !self.devices.is_empty()
            && variant.is_some_and(|variant| matches!(variant.run, Run::Kernel(_) | Run::Cuda(_)))
    }
}

/// What only an actor's or a call's assignment has.
#[derive(Clone, PartialEq, Debug)]
pub enum ActorPart {
    /// The state that an earlier incarnation of this actor has kept.
    Restore(Value),
    /// The incarnation that this call is for.
    Callee(AttemptId),
}

/// An input and where to find it.
#[derive(Clone, PartialEq, Debug)]
pub struct AssignedInput {
    /// The object.
    pub object: ObjectKey,
    /// Where it is.
    pub source: InputSource,
}

/// Where an input is.
#[derive(Clone, PartialEq, Debug)]
pub enum InputSource {
    /// On this executor already, or made there by a task in `waits_for`.
    Local,
    /// Here it is.
    Inline(Value),
    /// On other executors, at these addresses, the preferred first.
    Remote(SmallVec<[Arc<str>; 1]>),
}

/// From an executor to the scheduler. Handled in the order of sending.
#[derive(Clone, PartialEq, Debug)]
pub enum FromExecutor {
    /// It lives.
    Heartbeat,
    /// What its devices hold and have copied since they are offered, in their order.
    DevicesUsed(Vec<DeviceUsage>),
    /// The attempt has started. Left out where `Ended` would follow at once.
    Started {
        /// The attempt.
        attempt: AttemptId,
    },
    /// The attempt has ended, or was cancelled before it started.
    Ended(Box<AttemptEnd>),
    /// The attempt had not started and is given back.
    Recalled {
        /// The attempt.
        attempt: AttemptId,
    },
    /// A suspended attempt has cores again.
    Resumed {
        /// The attempt.
        attempt: AttemptId,
    },
    /// An object arrived from elsewhere.
    ReplicaAdded {
        /// The object.
        object: ObjectKey,
        /// Its size.
        size_bytes: u64,
        /// How long the transfer took.
        took: Duration,
    },
    /// A replica is gone, or could not be made.
    ReplicaLost {
        /// The object.
        object: ObjectKey,
    },
    /// A replica is somewhere else on the same executor now.
    ReplicaMoved {
        /// The object.
        object: ObjectKey,
        /// Where it is.
        place: ReplicaPlace,
    },
    /// An actor has kept its state for its next incarnation.
    Checkpointed {
        /// Its incarnation.
        attempt: AttemptId,
        /// The state, at most [`crate::CHECKPOINT_LIMIT_BYTES`].
        state: Value,
    },
    /// A device offers this from now on: nothing ([`DeviceCapacity::NONE`]) while it is out of
    /// service. Attempts on it that had not started are given back, those that ran end; both are
    /// told one by one.
    DeviceChanged {
        /// Which device.
        device: DeviceIndex,
        /// What it offers.
        capacity: DeviceCapacity,
    },
    /// It wishes to leave: give it nothing more, move its objects away, then say `Stop`.
    DrainRequested,
}

/// Where on its executor a replica is. New ones are in memory, where nothing else is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplicaPlace {
    /// In memory.
    Memory,
    /// On disk: spilled for want of memory.
    Disk,
    /// In a device's memory alone.
    Device(DeviceIndex),
}

/// What a device holds, and what was copied to it and from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DeviceUsage {
    /// Bytes of objects in its memory, copies among them.
    pub objects_bytes: u64,
    /// Inputs of kernels that were there already.
    pub inputs_found: u64,
    /// Inputs that were copied from the host.
    pub inputs_uploaded: u64,
    /// Inputs that were copied from another device.
    pub inputs_received: u64,
    /// Bytes of inputs that were copied.
    pub copied_bytes: u64,
    /// Bytes of objects that left it for want of room.
    pub evicted_bytes: u64,
    /// How many attempts were launched there.
    pub launches: u64,
    /// Processor time of the host that went into launching them, in nanoseconds: from the device's
    /// queue to the driver, copies that were asked for among it.
    pub launch_cpu_nanos: u64,
}

/// An attempt's end.
#[derive(Clone, PartialEq, Debug)]
pub struct AttemptEnd {
    /// The attempt.
    pub attempt: AttemptId,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it ran, from its start to its end; zero when it never started.
    pub run_time: Duration,
    /// How long it lay on the executor before it started.
    pub queue_time: Duration,
    /// The device in whose memory alone its outputs are, those that were not sent along.
    pub outputs_on: Option<DeviceIndex>,
}

/// How an attempt ended.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// It made all its outputs, in order.
    Succeeded(SmallVec<[ObjectReport; 1]>),
    /// It failed.
    Failed(Failure),
    /// It was cancelled.
    Cancelled,
}

/// An object that an attempt made.
#[derive(Clone, PartialEq, Debug)]
pub enum ObjectReport {
    /// Small: here it is. A replica stays on the executor, too.
    Inline(Value),
    /// In the executor's store.
    Stored {
        /// What it is.
        object_type: ObjectType,
        /// Its size.
        size_bytes: u64,
    },
}

impl ObjectReport {
    /// The object's size in bytes.
    pub fn size_bytes(&self) -> u64 {
        match self {
            ObjectReport::Inline(value) => value.data.len() as u64,
            ObjectReport::Stored { size_bytes, .. } => *size_bytes,
        }
    }
}
