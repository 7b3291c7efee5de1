//! Variants chosen by measured cost, by examples: a machine with a few cores and one GPU.

use std::sync::Arc;
use std::time::Duration;

use drawloom_model::{
    Assignment, AttemptEnd, Attributes, Capacity, DeviceCapacity, DeviceIndex, DeviceInfo,
    ExecutorId, ExecutorInfo, Failure, FailureKind, FromExecutor, GpuRequest, Input, JobId, MILLI,
    MeasuredCost, ObjectId, ObjectKey, ObjectReport, ObjectType, Outcome, ReplicaPlace, RequestId,
    ResourceRequest, Run, RunKind, Task, TaskGraph, TaskKey, Template, Time, ToExecutor, Variant,
    Way,
};
use smallvec::smallvec;

use crate::cost::TRIES;
use crate::policy::ReasonKind;
use crate::{Command, Config, Counters, Event, Scheduler};

const HOST: ExecutorId = ExecutorId(1);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// What the GPU's bus moves in the example, in bytes a nanosecond.
const BUS: u64 = 12;

/// The variants of every task here, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum On {
    Gpu,
    Cpu,
}

struct World {
    scheduler: Scheduler,
    now: Time,
    count: u64,
    /// Hints of both variants.
    hints: [Option<Duration>; 2],
}

impl World {
    fn new(cores: u64) -> Self {
        let device = DeviceCapacity { milli: 1000, vram_bytes: 1 << 40, compute_capability: 80 };
        let info = ExecutorInfo {
            name: "host".to_owned(),
            kernels: vec!["dot".to_owned(), "sum".to_owned()],
            devices: vec![DeviceInfo::named("H100")],
            capacity: Capacity {
                cpu_milli: cores * MILLI,
                devices: vec![device],
                ..Capacity::default()
            },
            ..ExecutorInfo::default()
        };
        let scheduler = Scheduler::new(Config::default());
        let mut world = World { scheduler, now: Time::ZERO, count: 0, hints: [None; 2] };
        world.tell(Event::ExecutorJoined { executor: HOST, info: Arc::new(info) });
        world
    }

    fn tell(&mut self, event: Event) -> Vec<Assignment> {
        let mut commands = Vec::new();
        self.now = self.now + Duration::from_millis(1);
        self.scheduler.handle(self.now, event, &mut commands);
        self.scheduler.handle(self.now, Event::RoundDue, &mut commands);
        self.scheduler.assert_consistent();
        let runs = commands.into_iter().filter_map(|command| match command {
            Command::Send { message: ToExecutor::Run(assignment), .. } => Some(*assignment),
            _ => None,
        });
        runs.collect()
    }

    /// Puts an object of that size on the host.
    fn put(&mut self, size_bytes: u64) -> (ObjectId, ObjectKey) {
        self.count += 1;
        let (request, object) = (RequestId(self.count), ObjectId(self.count.into()));
        let key = self.scheduler.reserve_object();
        let report = ObjectReport::Stored { object_type: ObjectType::Blob, size_bytes };
        self.tell(Event::ObjectStored { request, object, key, executor: HOST, report });
        (object, key)
    }

    fn template(&self) -> Template {
        let variant = |on: On| {
            let mut variant = Variant::kernel("sum", Attributes::new());
            variant.cost_hint = self.hints[on as usize];
            if on == On::Gpu {
                let gpu = GpuRequest {
                    devices: 1,
                    milli: 1000,
                    vram_bytes: 0,
                    min_compute_capability: 0,
                };
                variant.request = ResourceRequest { gpu: Some(gpu), ..Default::default() };
            }
            variant
        };
        Template {
            variants: vec![variant(On::Gpu), variant(On::Cpu)],
            ..Template::new(variant(On::Cpu), 0)
        }
    }

    /// Submits a task that takes the object; what the executor is told.
    fn submit(&mut self, object: ObjectId) -> Assignment {
        self.count += 1;
        let graph = TaskGraph {
            templates: vec![Arc::new(self.template())],
            tasks: vec![Task { inputs: vec![Input::External(0)], ..Task::default() }],
            externals: vec![object],
            ..TaskGraph::default()
        };
        let (request, job) = (RequestId(self.count), JobId(self.count.into()));
        let graph = Arc::new(graph);
        let mut runs = self.tell(Event::JobSubmitted { request, job, token: None, graph });
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.remove(0)
    }

    fn end(&mut self, run: &Assignment, outcome: Outcome, run_time: Duration) {
        let (attempt, queue_time) = (run.attempt, Duration::ZERO);
        let end = AttemptEnd { attempt, outcome, run_time, queue_time, outputs_on: None };
        let message = FromExecutor::Ended(Box::new(end));
        let none = self.tell(Event::ExecutorSaid { executor: HOST, message });
        assert_eq!(none, []);
    }

    /// Runs a task on an object of that size, which takes so long on the GPU and on the CPU, and
    /// tells where it ran.
    fn run(&mut self, size_bytes: u64, takes: [Duration; 2]) -> On {
        let (object, _) = self.put(size_bytes);
        let run = self.submit(object);
        let (on, copy) = match run.variant {
            0 => (On::Gpu, Duration::from_nanos(10_000 + size_bytes / BUS)),
            _ => (On::Cpu, Duration::ZERO),
        };
        self.end(&run, Outcome::Succeeded(smallvec![]), takes[on as usize] + copy);
        on
    }

    fn samples(&self) -> u64 {
        let place = Counters::REASONS.iter().position(|kind| *kind == ReasonKind::Sample);
        self.scheduler.counters().placements[place.expect("it is one of them")]
    }

    fn why(&self, task: TaskKey) -> String {
        self.scheduler.explain(self.now, task).expect("it is kept").reasons.join("; ")
    }
}

const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

fn known(on: On, size_bytes: u64, mean: Duration) -> MeasuredCost {
    let world = World::new(1);
    let variant = &world.template().variants[on as usize];
    MeasuredCost {
        way: Way::of(&variant.run, &variant.request).expect("kernels have ways"),
        device_class: if on == On::Gpu { "H100".into() } else { "cpu".into() },
        size_bytes,
        input_bytes: size_bytes,
        output_bytes: 0,
        mean_nanos: mean.as_nanos() as u64,
        deviation_nanos: 0,
        samples: 100,
    }
}

#[test]
fn small_tasks_stay_on_the_cpu_and_large_ones_go_to_the_gpu() {
    let mut world = World::new(4);
    // The GPU is faster at both, but a small input takes longer to bring there than it saves.
    let (small, large) = ([micros(15), micros(20)], [micros(1_000), micros(50_000)]);
    for _ in 0..2 * TRIES {
        world.run(4 * KIB, small);
        world.run(64 * MIB, large);
    }
    for _ in 0..10 {
        assert_eq!(world.run(4 * KIB, small), On::Cpu);
        assert_eq!(world.run(64 * MIB, large), On::Gpu);
    }
    // Elsewhere the power laws through both decide: no more measurements are asked for.
    let samples = world.samples();
    assert_eq!(world.run(2 * KIB, [micros(11), micros(11)]), On::Cpu);
    assert_eq!(world.run(32 * MIB, [micros(600), micros(25_000)]), On::Gpu);
    assert_eq!(world.samples(), samples);
}

#[test]
fn a_small_task_goes_to_the_gpu_where_its_input_is_there() {
    let mut world = World::new(4);
    let costs = [known(On::Gpu, 4 * KIB, micros(15)), known(On::Cpu, 4 * KIB, micros(20))];
    world.tell(Event::CostsKnown { costs: costs.into() });
    let (object, key) = world.put(4 * KIB);
    assert_eq!(world.submit(object).variant, On::Cpu as u8);
    let place = ReplicaPlace::Device(DeviceIndex(0));
    let message = FromExecutor::ReplicaMoved { object: key, place };
    world.tell(Event::ExecutorSaid { executor: HOST, message });
    assert_eq!(world.submit(object).variant, On::Gpu as u8);
}

#[test]
fn what_a_gpu_alone_has_takes_time_to_fetch() {
    let mut world = World::new(4);
    let costs = [known(On::Gpu, 64 * MIB, micros(1_000)), known(On::Cpu, 64 * MIB, micros(900))];
    world.tell(Event::CostsKnown { costs: costs.into() });
    let (object, key) = world.put(64 * MIB);
    assert_eq!(world.submit(object).variant, On::Cpu as u8);
    for (place, expected) in
        [(ReplicaPlace::Device(DeviceIndex(0)), On::Gpu), (ReplicaPlace::Memory, On::Cpu)]
    {
        let message = FromExecutor::ReplicaMoved { object: key, place };
        world.tell(Event::ExecutorSaid { executor: HOST, message });
        let run = world.submit(object);
        assert_eq!(run.variant, expected as u8, "{place:?}");
        world.end(&run, Outcome::Succeeded(smallvec![]), micros(900));
    }
}

#[test]
fn a_wrong_hint_excludes_a_variant_for_a_while_alone() {
    let mut world = World::new(4);
    world.hints = [Some(Duration::from_nanos(1)), Some(Duration::from_secs(10))];
    let takes = [micros(1_000_000), micros(10)];
    let ran: Vec<On> = (0..20).map(|_| world.run(KIB, takes)).collect();
    let tries = usize::from(TRIES);
    assert_eq!(ran[..tries], [On::Gpu; TRIES as usize]);
    assert_eq!(ran[tries..], [On::Cpu; 20 - TRIES as usize], "measured, then chosen");
    assert_eq!(world.samples(), 2 * u64::from(TRIES));
}

#[test]
fn a_first_run_that_compiles_does_not_spoil_what_follows() {
    let mut world = World::new(4);
    let (object, _) = world.put(64 * MIB);
    let mut ran = Vec::new();
    for number in 0..12 {
        let run = world.submit(object);
        let takes = match (run.variant, number) {
            (0, 0) => Duration::from_secs(2),
            (0, _) => micros(100),
            _ => micros(50_000),
        };
        ran.push(run.variant);
        world.end(&run, Outcome::Succeeded(smallvec![]), takes);
    }
    assert_eq!(ran[2 * usize::from(TRIES)..], [On::Gpu as u8; 6]);
}

#[test]
fn a_variant_that_never_succeeds_is_tried_a_bounded_number_of_times() {
    let mut world = World::new(4);
    world.hints = [Some(Duration::from_secs(10)), Some(micros(10))];
    let mut tried = 0;
    for _ in 0..20 {
        let (object, _) = world.put(KIB);
        let run = world.submit(object);
        let outcome = if run.variant == On::Gpu as u8 {
            tried += 1;
            Outcome::Failed(Failure::new(FailureKind::Application, "it cannot"))
        } else {
            Outcome::Succeeded(smallvec![])
        };
        world.end(&run, outcome, micros(10));
    }
    assert_eq!(tried, TRIES);
}

#[test]
fn a_sample_does_not_make_a_task_wait() {
    let mut world = World::new(1);
    // One core, which is taken, and a GPU that is known to be slow.
    world.tell(Event::CostsKnown { costs: [known(On::Gpu, 0, micros(100))].into() });
    world.hints = [None, Some(Duration::from_secs(1))];
    let (object, _) = world.put(0);
    let busy = world.submit(object);
    assert_eq!(busy.variant, On::Cpu as u8, "a sample");
    for _ in 0..5 {
        let run = world.submit(object);
        assert_eq!(run.variant, On::Gpu as u8, "the core is taken");
        world.end(&run, Outcome::Succeeded(smallvec![]), micros(100));
    }
    world.end(&busy, Outcome::Succeeded(smallvec![]), micros(50));
    assert_eq!(world.submit(object).variant, On::Cpu as u8, "the core is free");
}

#[test]
fn tasks_that_follow_their_inputs_bring_samples_too() {
    let mut world = World::new(1);
    let costs = [known(On::Gpu, 0, micros(100)), known(On::Cpu, 0, micros(100))];
    world.tell(Event::CostsKnown { costs: costs.into() });
    // What follows is another kernel, of which nothing is known. Its core is taken until its inputs
    // are there, and after that it is free.
    let mut follower = world.template();
    for variant in &mut follower.variants {
        let Run::Kernel(call) = &mut variant.run else { continue };
        call.name = "dot".to_owned();
    }
    let mut maker = world.template();
    maker.variants.remove(On::Gpu as usize);
    maker.outputs = 1;
    let mut ran = Vec::new();
    for job in 0..4 * u128::from(TRIES) {
        let graph = TaskGraph {
            templates: vec![Arc::new(maker.clone()), Arc::new(follower.clone())],
            tasks: vec![
                Task::default(),
                Task {
                    template: 1,
                    inputs: vec![Input::Task { task: 0, output: 0 }],
                    ..Task::default()
                },
            ],
            ..TaskGraph::default()
        };
        let (request, job, graph) = (RequestId(0), JobId(1000 + job), Arc::new(graph));
        let runs = world.tell(Event::JobSubmitted { request, job, token: None, graph });
        assert_eq!(runs.len(), 2, "the second follows");
        let made = ObjectReport::Stored { object_type: ObjectType::Blob, size_bytes: KIB };
        world.end(&runs[0], Outcome::Succeeded(smallvec![made]), micros(100));
        let takes = [micros(500), micros(20)][usize::from(runs[1].variant)];
        world.end(&runs[1], Outcome::Succeeded(smallvec![]), takes);
        ran.push(runs[1].variant);
    }
    assert!(ran.contains(&(On::Gpu as u8)), "{ran:?}");
    let last = &ran[ran.len() - usize::from(TRIES)..];
    assert_eq!(last, [On::Cpu as u8; TRIES as usize], "{ran:?}");
}

#[test]
fn a_placement_tells_what_its_run_time_rests_on() {
    let mut world = World::new(4);
    world.hints = [None, Some(micros(300))];
    let costs = [known(On::Gpu, 4 * KIB, micros(15)), known(On::Gpu, 64 * KIB, micros(30))];
    world.tell(Event::CostsKnown { costs: costs.into() });
    let mut check = |size_bytes, variant: On, expected: &str| {
        let (object, _) = world.put(size_bytes);
        let run = world.submit(object);
        let why = world.why(run.attempt.task);
        assert_eq!((run.variant, why.contains(expected)), (variant as u8, true), "{why}");
        world.end(&run, Outcome::Succeeded(smallvec![]), micros(400));
    };
    check(4 * KIB, On::Cpu, "too little was measured of this variant there");
    check(4 * KIB, On::Cpu, "run time 0.000400 s (measured once there for that size)");
    check(4 * KIB, On::Cpu, "(measured 2 times there for that size)");
    check(
        4 * KIB,
        On::Gpu,
        "0.000010 s to copy from or to a device, run time 0.000015 s (measured 100",
    );
    check(16 * KIB, On::Cpu, "(measured of its request class)");
    let mut fresh = World::new(4);
    fresh.hints = [None, Some(micros(300))];
    let (object, _) = fresh.put(4 * KIB);
    let run = fresh.submit(object);
    let why = fresh.why(run.attempt.task);
    assert!(why.contains("run time 0.001000 s (a guess, nothing is known of it yet)"), "{why}");
}

#[test]
fn what_was_measured_is_told_and_believed_by_the_next_scheduler() {
    let mut world = World::new(4);
    for _ in 0..8 {
        world.run(MIB, [micros(100), micros(900)]);
    }
    let (costs, rest) = world.scheduler.measured_costs(0, usize::MAX);
    assert_eq!((costs.len(), rest), (2, None));
    let gpu = costs.iter().find(|cost| &*cost.device_class == "H100").expect("it ran there");
    assert_eq!((gpu.way.kind, gpu.size_bytes, gpu.mean_nanos), (RunKind::Kernel, MIB, 100_000));
    assert_eq!((gpu.input_bytes, gpu.output_bytes), (MIB, 0));
    let mut next = World::new(4);
    next.tell(Event::CostsKnown { costs: costs.clone().into() });
    assert_eq!(next.scheduler.measured_costs(0, usize::MAX).0, costs);
    assert_eq!(next.run(MIB, [micros(100), micros(900)]), On::Gpu);
    assert_eq!(next.samples(), 0);
}

#[test]
fn processes_are_told_apart_by_their_executables() {
    let mut world = World::new(4);
    let process = |name: &str| Variant {
        run: Run::Process(drawloom_model::ProcessSpec {
            argv: vec![name.to_owned(), "argument".to_owned()],
            ..Default::default()
        }),
        request: ResourceRequest::cores(1),
        cost_hint: None,
    };
    let info = ExecutorInfo {
        name: "processes".to_owned(),
        runs_processes: true,
        capacity: Capacity { cpu_milli: MILLI, ..Capacity::default() },
        ..ExecutorInfo::default()
    };
    let executor = ExecutorId(2);
    world.tell(Event::ExecutorJoined { executor, info: Arc::new(info) });
    for (number, (name, takes)) in
        [("fast", 10), ("slow", 9000), ("fast", 10)].into_iter().enumerate()
    {
        let graph = TaskGraph {
            templates: vec![Arc::new(Template::new(process(name), 0))],
            tasks: vec![Task::default()],
            ..TaskGraph::default()
        };
        let job = JobId(100 + number as u128);
        let event =
            Event::JobSubmitted { request: RequestId(0), job, token: None, graph: Arc::new(graph) };
        let run = world.tell(event).remove(0);
        if number == 2 {
            let why = world.why(run.attempt.task);
            assert!(why.contains("run time 0.000010 s (measured once"), "{why}");
        }
        let end = AttemptEnd {
            attempt: run.attempt,
            outcome: Outcome::Succeeded(smallvec![]),
            run_time: micros(takes),
            queue_time: Duration::ZERO,
            outputs_on: None,
        };
        world.tell(Event::ExecutorSaid { executor, message: FromExecutor::Ended(Box::new(end)) });
    }
}
