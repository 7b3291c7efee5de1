//! A device's queue: one thread launches what is to run, another hears what has ended.
//!
//! Nothing waits for a kernel's end before the next is launched, so launching, copying and
//! computing overlap. An attempt comes here when its inputs have been made, so kernels of different
//! streams never wait for each other.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use drawloom_cuda::{Compiler, Error, Flight, Lane};
use drawloom_model::{Assignment, AttemptId, Failure, FailureKind, ObjectKey, ObjectType};
use tokio::sync::mpsc;

use super::air::{Air, Ticket};
use super::line::{Entrance, Exit, line};
use super::source::Code;
use super::unit::Unit;
use super::vram::Standing;
use super::{DeviceJob, Landing};
use crate::driver::News;
use crate::runner::observe;
use crate::store::Resident;

/// Launches, or ends, that are told at once at most, so that who waits for the first hears of it
/// soon.
const TOLD_TOGETHER: usize = 8;
/// Streams of a device on which kernels run beside each other.
const LANES: usize = 4;

/// Where attempts for a device are put.
pub(super) struct Queue {
    orders: Entrance<DeviceJob>,
}

impl Queue {
    /// Starts the device's threads. They end with the queue.
    ///
    /// # Errors
    /// There are too many threads.
    pub(super) fn start(
        unit: Arc<Unit>,
        news: mpsc::UnboundedSender<News>,
        compiler: Arc<Compiler>,
    ) -> std::io::Result<Self> {
        let (orders, incoming) = line();
        let (launched, landing) = line();
        let air = Arc::new(Air::default());
        let ground = Ground { unit: Arc::clone(&unit), air: Arc::clone(&air), news: news.clone() };
        let name = |what| format!("drawloom-gpu{}-{what}", unit.index.0);
        let thread = std::thread::Builder::new().name(name("land"));
        thread.spawn(move || ground.land_all(&landing))?;
        let thread = std::thread::Builder::new().name(name("launch"));
        let mut tower = Tower { unit, air, news, launched, compiler, lanes: Vec::new(), next: 0 };
        thread.spawn(move || tower.launch_all(&incoming))?;
        Ok(Queue { orders })
    }

    /// Adds an attempt; its landing is told of in any case.
    pub(super) fn add(&self, job: DeviceJob) {
        self.orders.push(job);
        self.orders.ring();
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
    launched: Entrance<Launched>,
    compiler: Arc<Compiler>,
    lanes: Vec<Lane>,
    next: usize,
}

impl Tower {
    fn launch_all(&mut self, incoming: &Exit<DeviceJob>) {
        let mut cpu = thread_cpu();
        let mut untold = 0;
        loop {
            let job = incoming.next_now().or_else(|| {
                self.launched.ring();
                untold = 0;
                let job = incoming.next();
                // To sleep and to wake is nobody's launch.
                cpu = thread_cpu();
                job
            });
            let Some(job) = job else { return };
            let start = Instant::now();
            match self.launch(&job) {
                Ok((flight, operands)) => {
                    let now = thread_cpu();
                    let attempt = job.assignment.attempt;
                    self.unit.launched(attempt, self.next, now.saturating_sub(cpu));
                    cpu = now;
                    self.air.take_off();
                    self.launched.push(Launched { job, flight, operands, start });
                    untold += 1;
                    if untold == TOLD_TOGETHER {
                        self.launched.ring();
                        untold = 0;
                    }
                }
                Err(failure) => {
                    let landing = landing_of(&self.unit, &job, start, Err(failure));
                    let _ = self.news.send(News::Landed(vec![landing]));
                }
            }
        }
    }

    fn launch(&mut self, job: &DeviceJob) -> Result<(Flight, Vec<Arc<Resident>>), Failure> {
        if job.cancellation.is_cancelled() {
            return Err(Failure::new(FailureKind::Application, "cancelled"));
        }
        let Some(code) = Code::of(&job.assignment) else {
            return Err(Failure::new(FailureKind::Spawn, "there is no such variant"));
        };
        self.launch_code(code, job).map_err(|error| self.unit.failure(code.name(), &error))
    }

    fn launch_code(
        &mut self,
        code: Code<'_>,
        job: &DeviceJob,
    ) -> Result<(Flight, Vec<Arc<Resident>>), Error> {
        if self.lanes.len() < LANES {
            self.lanes.push(Lane::new(&self.unit.device)?);
        }
        self.next = (self.next + 1) % self.lanes.len();
        let lane = &mut self.lanes[self.next];
        let plan = code.plan(lane, &self.compiler, &job.operands)?;
        let seen = Cell::new(self.air.settled());
        let wait = || {
            self.launched.ring();
            self.air.wait(&seen)
        };
        let operands = self.unit.bring_all(&job.operands, wait)?;
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
    fn land_all(&self, landing: &Exit<Launched>) {
        let mut next = None;
        while let Some(launched) = next.take().or_else(|| landing.next()) {
            let mut landings = vec![self.land(launched)];
            // Whatever has ended meanwhile is told together.
            while landings.len() < TOLD_TOGETHER {
                let Some(launched) = landing.next_now() else { break };
                if !launched.flight.has_ended() {
                    next = Some(launched);
                    break;
                }
                landings.push(self.land(launched));
            }
            // Nobody listens when the executor is ending.
            let _ = self.news.send(News::Landed(landings));
        }
    }

    fn land(&self, launched: Launched) -> Landing {
        let Launched { job, flight, operands, start } = launched;
        let landed = flight.land(&self.unit.device);
        drop(operands);
        let result = match landed {
            Ok(outputs) => Ok(self.keep(job.assignment.first_output, outputs)),
            Err(error) => Err(self.failure(&job.assignment, &error)),
        };
        let outputs = result.as_ref().map_or(0, Vec::len);
        let ticket = Ticket::new(&self.air, &self.unit, job.assignment.first_output, outputs);
        for operand in &job.operands {
            self.unit.forget_released(operand);
        }
        self.air.touch_down();
        Landing { ticket: Some(ticket), ..landing_of(&self.unit, &job, start, result) }
    }

    fn failure(&self, assignment: &Assignment, error: &Error) -> Failure {
        let code = Code::of(assignment);
        let mut failure = self.unit.failure(code.as_ref().map_or("", Code::name), error);
        // What a user's kernel broke when nothing else ran beside it, it would break again.
        if matches!(code, Some(Code::Users(_)))
            && failure.kind == FailureKind::DeviceLost
            && self.air.has_one()
        {
            failure.kind = FailureKind::Application;
        }
        failure
    }

    fn keep(
        &self,
        first: ObjectKey,
        outputs: Vec<(ObjectType, drawloom_cuda::Buffer)>,
    ) -> Vec<Arc<Resident>> {
        let keys = (first.index..).map(|index| ObjectKey { job: first.job, index });
        let keep = |(object, (object_type, buffer))| {
            self.unit.keep(object, object_type, buffer, Standing::New)
        };
        keys.zip(outputs).map(keep).collect()
    }
}

/// Processor time that this thread has had.
fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// How an attempt ended.
fn landing_of(
    unit: &Unit,
    job: &DeviceJob,
    start: Instant,
    result: Result<Vec<Arc<Resident>>, Failure>,
) -> Landing {
    let attempt: AttemptId = job.assignment.attempt;
    let run_time = start.elapsed();
    let code = Code::of(&job.assignment);
    observe(code.as_ref().map_or("none", Code::label), &result, run_time);
    tracing::debug!(?attempt, device = unit.index.0, ?run_time, ok = result.is_ok(), "landed");
    Landing { attempt, device: unit.index, result, run_time, ticket: None }
}
