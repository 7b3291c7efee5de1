//! A device's queue: one thread launches what is to run, another hears what has ended.
//!
//! Nothing waits for a kernel's end before the next is launched, so launching, copying and
//! computing overlap. An attempt comes here when its inputs have been made, so kernels of different
//! streams never wait for each other.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use drawloom_cuda::{Error, Flight, Lane};
use drawloom_model::{
    Assignment, AttemptId, Failure, FailureKind, KernelCall, ObjectKey, ObjectType, Run,
};
use tokio::sync::mpsc;

use super::unit::Unit;
use super::vram::Standing;
use super::{DeviceJob, Landing};
use crate::driver::News;
use crate::runner::observe;
use crate::store::Resident;

/// Streams of a device on which kernels run beside each other.
const LANES: usize = 4;

/// Where attempts for a device are put.
pub(super) struct Queue {
    orders: Sender<DeviceJob>,
}

impl Queue {
    /// Starts the device's threads. They end with the queue.
    ///
    /// # Errors
    /// There are too many threads.
    pub(super) fn start(
        unit: Arc<Unit>,
        news: mpsc::UnboundedSender<News>,
    ) -> std::io::Result<Self> {
        let (orders, incoming) = crossbeam_channel::unbounded();
        let (launched, landing) = crossbeam_channel::unbounded();
        let air = Arc::new(Air::default());
        let ground = Ground { unit: Arc::clone(&unit), air: Arc::clone(&air), news: news.clone() };
        let name = |what| format!("drawloom-gpu{}-{what}", unit.index.0);
        let thread = std::thread::Builder::new().name(name("land"));
        thread.spawn(move || ground.land_all(&landing))?;
        let thread = std::thread::Builder::new().name(name("launch"));
        let mut tower = Tower { unit, air, news, launched, lanes: Vec::new(), next: 0 };
        thread.spawn(move || tower.launch_all(&incoming))?;
        Ok(Queue { orders })
    }

    /// Adds an attempt; its landing is told of in any case.
    pub(super) fn add(&self, job: DeviceJob) {
        // The thread lives as long as the queue does.
        let _ = self.orders.send(job);
    }
}

/// How many calls are in flight.
#[derive(Default)]
struct Air {
    flights: Mutex<usize>,
    landed: Condvar,
}

impl Air {
    fn take_off(&self) {
        *self.flights.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    fn touch_down(&self) {
        *self.flights.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.landed.notify_all();
    }

    /// Waits until one has landed; whether there was any.
    fn wait(&self) -> bool {
        let flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *flights;
        if before == 0 {
            return false;
        }
        drop(self.landed.wait_while(flights, |flights| *flights >= before));
        true
    }
}

/// A call that was launched.
struct Launched {
    job: DeviceJob,
    flight: Flight,
    /// They stay where they are until it has landed.
    operands: Vec<Arc<Resident>>,
    start: Instant,
}

/// The thread that launches.
struct Tower {
    unit: Arc<Unit>,
    air: Arc<Air>,
    news: mpsc::UnboundedSender<News>,
    launched: Sender<Launched>,
    lanes: Vec<Lane>,
    next: usize,
}

impl Tower {
    fn launch_all(&mut self, incoming: &Receiver<DeviceJob>) {
        for job in incoming {
            let start = Instant::now();
            match self.launch(&job) {
                Ok((flight, operands)) => {
                    self.air.take_off();
                    let _ = self.launched.send(Launched { job, flight, operands, start });
                }
                Err(failure) => tell(&self.news, &self.unit, &job, start, Err(failure)),
            }
        }
    }

    fn launch(&mut self, job: &DeviceJob) -> Result<(Flight, Vec<Arc<Resident>>), Failure> {
        if job.cancellation.is_cancelled() {
            return Err(Failure::new(FailureKind::Application, "cancelled"));
        }
        let Some(call) = call_of(&job.assignment) else {
            return Err(Failure::new(FailureKind::Spawn, "there is no such variant"));
        };
        self.launch_call(call, job).map_err(|error| self.unit.failure(&call.name, &error))
    }

    fn launch_call(
        &mut self,
        call: &KernelCall,
        job: &DeviceJob,
    ) -> Result<(Flight, Vec<Arc<Resident>>), Error> {
        let types: Vec<ObjectType> =
            job.operands.iter().map(|operand| operand.object_type().clone()).collect();
        if self.lanes.len() < LANES {
            self.lanes.push(Lane::new(&self.unit.device)?);
        }
        self.next = (self.next + 1) % self.lanes.len();
        let lane = &mut self.lanes[self.next];
        let plan = lane.plan(call, &types)?;
        let wait = || self.air.wait();
        let operands = job.operands.iter().map(|operand| self.unit.bring(operand, wait));
        let operands = operands.collect::<Result<Vec<_>, Error>>()?;
        let buffers: Vec<_> = operands.iter().map(|operand| operand.buffer().clone()).collect();
        let flight = self.unit.making_room(|| lane.launch(&plan, &buffers), wait)?;
        Ok((flight, operands))
    }
}

/// The thread that hears what has ended.
struct Ground {
    unit: Arc<Unit>,
    air: Arc<Air>,
    news: mpsc::UnboundedSender<News>,
}

impl Ground {
    fn land_all(&self, landing: &Receiver<Launched>) {
        for Launched { job, flight, operands, start } in landing {
            let landed = flight.land(&self.unit.device);
            drop(operands);
            let result = match landed {
                Ok(outputs) => Ok(self.keep(job.assignment.first_output, outputs)),
                Err(error) => {
                    let kernel = call_of(&job.assignment).map_or("", |call| &call.name);
                    Err(self.unit.failure(kernel, &error))
                }
            };
            for operand in &job.operands {
                self.unit.forget_released(operand);
            }
            self.air.touch_down();
            tell(&self.news, &self.unit, &job, start, result);
        }
    }

    fn keep(
        &self,
        first: ObjectKey,
        outputs: Vec<(ObjectType, drawloom_cuda::Buffer)>,
    ) -> Vec<Arc<Resident>> {
        let keys = (first.index..).map(|index| ObjectKey { job: first.job, index });
        let keep = |(object, (object_type, buffer))| {
            self.unit.keep(object, object_type, buffer, Standing::Alone)
        };
        keys.zip(outputs).map(keep).collect()
    }
}

fn call_of(assignment: &Assignment) -> Option<&KernelCall> {
    let variant = assignment.template.variants.get(usize::from(assignment.variant))?;
    match &variant.run {
        Run::Kernel(call) => Some(call),
        Run::Process(_) | Run::Actor(_) | Run::Call(_) => None,
    }
}

/// Tells the driver how an attempt ended.
fn tell(
    news: &mpsc::UnboundedSender<News>,
    unit: &Unit,
    job: &DeviceJob,
    start: Instant,
    result: Result<Vec<Arc<Resident>>, Failure>,
) {
    let attempt: AttemptId = job.assignment.attempt;
    let run_time = start.elapsed();
    observe(call_of(&job.assignment).map_or("none", |call| &call.name), &result, run_time);
    tracing::debug!(?attempt, device = unit.index.0, ?run_time, ok = result.is_ok(), "landed");
    // Nobody listens when the executor is ending.
    let _ = news.send(News::Landed(Landing { attempt, device: unit.index, result, run_time }));
}
