//! Kernels of the catalogue, on the cores of their attempt.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use drawloom_executor_core::RoomFor;
use drawloom_kernels::{CpuContext, KernelError, Operand, Outputs};
use drawloom_model::{AttemptId, Failure, FailureKind, KernelCall, MILLI, ObjectType, Value};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::{Job, RunContext};
use crate::store::{Buffer, NoRoom, Store};

/// Runs a kernel on this thread, or on a pool of as many threads as the attempt has cores.
pub(super) fn run(
    call: &KernelCall,
    job: &Job,
    context: &RunContext,
) -> Result<Vec<Value>, Failure> {
    let cores = job.cores.len().max(shared_cores(job));
    let pool = context.pools.take(cores)?;
    let operands = job
        .inputs
        .iter()
        .map(|value| Operand { object_type: &value.object_type, data: &value.data });
    let operands = operands.collect::<Vec<_>>();
    let mut outputs = StoreOutputs::new(&context.store, job);
    let cpu = CpuContext::new(cores, job.cancellation.flag(), pool.as_ref());
    // A panic leaves nothing behind: inputs are immutable, outputs are dropped.
    let result = catch_unwind(AssertUnwindSafe(|| {
        drawloom_kernels::run(call, &operands, &cpu, &mut outputs)
    }));
    context.pools.give_back(pool);
    match result {
        Ok(Ok(())) => Ok(outputs.finish()),
        Ok(Err(error)) => Err(failure(error, outputs.full)),
        Err(panic) => {
            let message = format!("kernel {} panicked: {}", call.name, panic_message(&*panic));
            Err(Failure::new(FailureKind::Application, message))
        }
    }
}

/// Threads for a request of parts of cores, which gets no core for itself.
fn shared_cores(job: &Job) -> usize {
    let variant = job.assignment.template.variants.get(usize::from(job.assignment.variant));
    let milli = variant.map_or(0, |variant| variant.request.cpu_milli);
    milli.div_ceil(MILLI).max(1) as usize
}

fn failure(error: KernelError, full: Option<NoRoom>) -> Failure {
    if let (KernelError::OutOfMemory { .. }, Some(full)) = (&error, full) {
        return Failure::new(FailureKind::OutOfMemory, full.to_string());
    }
    let kind = match error {
        KernelError::UnknownKernel(_) => FailureKind::Spawn,
        KernelError::OutOfMemory { .. } => FailureKind::OutOfMemory,
        KernelError::Signature(_)
        | KernelError::Invalid { .. }
        | KernelError::Cancelled
        | KernelError::Outputs(_) => FailureKind::Application,
    };
    Failure::new(kind, error.to_string())
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Pools of threads that no attempt uses at the moment, by size.
#[derive(Default)]
pub(crate) struct Pools {
    idle: Mutex<BTreeMap<usize, Vec<ThreadPool>>>,
}

impl Pools {
    /// A pool for this attempt alone; none where one core needs none.
    fn take(&self, threads: usize) -> Result<Option<ThreadPool>, Failure> {
        if threads <= 1 {
            return Ok(None);
        }
        if let Some(pool) = self.idle().get_mut(&threads).and_then(Vec::pop) {
            return Ok(Some(pool));
        }
        let name = |index| format!("drawloom-kernel-{index}");
        let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build();
        pool.map(Some).map_err(|error| Failure::new(FailureKind::Spawn, error.to_string()))
    }

    fn give_back(&self, pool: Option<ThreadPool>) {
        if let Some(pool) = pool {
            self.idle().entry(pool.current_num_threads()).or_default().push(pool);
        }
    }

    fn idle(&self) -> MutexGuard<'_, BTreeMap<usize, Vec<ThreadPool>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory for a kernel's outputs: large ones where they will stay, so that nothing is copied.
struct StoreOutputs<'s> {
    store: &'s Store,
    attempt: AttemptId,
    made: Vec<(ObjectType, Buffer)>,
    /// Why there was no memory.
    full: Option<NoRoom>,
}

impl Outputs for StoreOutputs<'_> {
    fn create(&mut self, types: &[ObjectType]) -> Result<Vec<&mut [u8]>, KernelError> {
        for object_type in types {
            let bytes = object_type.size_bytes().unwrap_or(u64::MAX);
            let buffer = self.buffer(bytes)?;
            self.made.push((object_type.clone(), buffer));
        }
        Ok(self.made.iter_mut().map(|(_, buffer)| buffer.bytes_mut()).collect())
    }

    fn create_blob(&mut self, bytes: usize) -> Result<&mut [u8], KernelError> {
        let buffer = self.buffer(bytes as u64)?;
        self.made.push((ObjectType::Blob, buffer));
        let made = self.made.last_mut().map(|(_, buffer)| buffer.bytes_mut());
        made.ok_or_else(|| KernelError::Outputs("there is no buffer".to_owned()))
    }
}

impl<'s> StoreOutputs<'s> {
    fn new(store: &'s Store, job: &Job) -> Self {
        StoreOutputs { store, attempt: job.assignment.attempt, made: Vec::new(), full: None }
    }

    /// Memory for one output.
    fn buffer(&mut self, bytes: u64) -> Result<Buffer, KernelError> {
        let full = KernelError::OutOfMemory { bytes };
        let len = usize::try_from(bytes).map_err(|_| full.clone())?;
        let (job, purpose) = (self.attempt.task.job, RoomFor::Attempt(self.attempt));
        self.store.buffer_blocking(job, len, purpose).map_err(|error| {
            self.full = Some(error);
            full
        })
    }

    fn finish(self) -> Vec<Value> {
        let values = self.made.into_iter();
        values.map(|(object_type, buffer)| Value { object_type, data: buffer.freeze() }).collect()
    }
}
