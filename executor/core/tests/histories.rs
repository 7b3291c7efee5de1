//! Random histories, held against a naive picture of what must be true.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::*;
use drawloom_executor_core::{Command, Config, Event, Executor};
use drawloom_model::{
    Assignment, AttemptId, Balance, Capacity, DeviceCapacity, DeviceIndex, Failure, FailureKind,
    FromExecutor, GpuRequest, InputSource, ObjectKey, ObjectReport, Outcome, ResourceRequest, Time,
    ToExecutor, Value,
};
use proptest::prelude::*;

/// One thing that happens; numbers are taken modulo what there is to choose from.
#[derive(Clone, Debug)]
enum Step {
    Run {
        request: usize,
        waits_for: Vec<u32>,
        input: Option<u32>,
        priority: i32,
        times_out: bool,
        set_aside: bool,
    },
    End {
        which: usize,
        succeeds: bool,
    },
    Cancel(u32),
    Recall(u32),
    /// The device fails, or comes back with so much memory.
    Device(u64),
    Fetched {
        which: usize,
        succeeds: bool,
    },
    Later,
}

fn step() -> impl Strategy<Value = Step> {
    let run = (0..7usize, prop::collection::vec(0..8u32, 0..3), prop::option::of(0..6u32), -1..2)
        .prop_flat_map(|(request, waits_for, input, priority)| {
            let chances = (prop::bool::weighted(0.2), prop::bool::weighted(0.2));
            chances.prop_map(move |(times_out, set_aside)| {
                // Room is set aside only for what waits for no other attempt.
                let waits_for = if set_aside { Vec::new() } else { waits_for.clone() };
                Step::Run { request, waits_for, input, priority, times_out, set_aside }
            })
        });
    prop_oneof![
        5 => run,
        4 => (0..9usize, prop::bool::weighted(0.8))
            .prop_map(|(which, succeeds)| Step::End { which, succeeds }),
        1 => (0..12u32).prop_map(Step::Cancel),
        1 => (0..12u32).prop_map(Step::Recall),
        1 => prop::sample::select(vec![5u64, 20]).prop_map(Step::Device),
        2 => (0..4usize, prop::bool::weighted(0.8))
            .prop_map(|(which, succeeds)| Step::Fetched { which, succeeds }),
        1 => Just(Step::Later),
    ]
}

fn requests() -> Vec<ResourceRequest> {
    let gpu =
        |milli| Some(GpuRequest { devices: 1, milli, vram_bytes: 10, min_compute_capability: 0 });
    let plain = ResourceRequest::default;
    vec![
        ResourceRequest::cores(1),
        ResourceRequest::cores(2),
        ResourceRequest::cores(3),
        ResourceRequest { cpu_milli: 400, memory_bytes: 30, ..plain() },
        ResourceRequest { cpu_milli: 1500, ..plain() },
        ResourceRequest { cpu_milli: 1000, gpu: gpu(1000), ..plain() },
        ResourceRequest { memory_bytes: 60, gpu: gpu(400), ..plain() },
    ]
}

fn capacity() -> Capacity {
    Capacity { cpu_milli: 3000, memory_bytes: 100, devices: vec![DEVICE], ..Capacity::default() }
}

const DEVICE: DeviceCapacity =
    DeviceCapacity { milli: 1000, vram_bytes: 20, compute_capability: 80 };

/// What is known from the outside.
struct Shell {
    core: Executor,
    now: Time,
    told: Vec<Assignment>,
    running: BTreeMap<AttemptId, (Box<Assignment>, Vec<u32>)>,
    fetching: BTreeSet<ObjectKey>,
    held: BTreeSet<ObjectKey>,
    succeeded: BTreeSet<AttemptId>,
    over: BTreeSet<AttemptId>,
    expected: BTreeSet<AttemptId>,
    /// What the device offers.
    device: DeviceCapacity,
    log: Vec<Command>,
}

impl Shell {
    fn new() -> Self {
        Shell {
            core: Executor::new(Config {
                capacity: capacity(),
                cores: vec![0, 1, 2],
                can_spill: false,
            }),
            now: Time::ZERO,
            told: Vec::new(),
            running: BTreeMap::new(),
            fetching: BTreeSet::new(),
            held: BTreeSet::new(),
            succeeded: BTreeSet::new(),
            over: BTreeSet::new(),
            expected: BTreeSet::new(),
            device: DEVICE,
            log: Vec::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Run { .. } => self.run(step),
            Step::End { which, succeeds } => {
                if let Some(attempt) = nth(self.running.keys().copied(), *which) {
                    self.end(attempt, *succeeds);
                }
            }
            Step::Cancel(back) => {
                if let Some(attempt) = self.recent(*back) {
                    self.handle(Event::Told(ToExecutor::Cancel { attempt }));
                }
            }
            Step::Recall(back) => {
                if let Some(attempt) = self.recent(*back) {
                    self.handle(Event::Told(ToExecutor::Recall { attempt }));
                }
            }
            Step::Device(vram_bytes) => self.change_device(*vram_bytes),
            Step::Fetched { which, succeeds } => {
                if let Some(object) = nth(self.fetching.iter().copied(), *which) {
                    self.fetched(object, *succeeds);
                }
            }
            Step::Later => {
                self.now = self.now + Duration::from_secs(1);
                self.handle(Event::TimeoutDue);
            }
        }
    }

    /// The device fails, and what runs there with it; or it comes back.
    fn change_device(&mut self, vram_bytes: u64) {
        let back = DeviceCapacity { vram_bytes, ..DEVICE };
        self.device = if self.device.is_out_of_service() { back } else { DeviceCapacity::NONE };
        let device = DeviceIndex(0);
        self.handle(Event::DeviceChanged { device, capacity: self.device });
        let uses_it =
            |(assignment, _): &&(Box<Assignment>, Vec<u32>)| assignment.devices.contains(&device);
        if self.device.is_out_of_service()
            && let Some(assignment) = self.running.values().find(uses_it)
        {
            // Others may take their time.
            self.end(assignment.0.attempt, false);
        }
    }

    /// An attempt told not long ago.
    fn recent(&self, back: u32) -> Option<AttemptId> {
        let place = self.told.len().checked_sub(back as usize + 1)?;
        Some(self.told[place].attempt)
    }

    fn run(&mut self, step: &Step) {
        let Step::Run { request, waits_for, input, priority, times_out, set_aside } = step else {
            return;
        };
        let index = self.told.len() as u32;
        let mut new = assignment(index, requests()[*request].clone());
        if requests()[*request].gpu.is_some() {
            new.devices.push(DeviceIndex(0));
        }
        new.priority = *priority;
        new.set_aside = *set_aside;
        let earlier = waits_for.iter().filter_map(|back| index.checked_sub(back + 1));
        new.waits_for = earlier.map(task).collect();
        for maker in &new.waits_for {
            new.inputs.push(local(object(maker.index)));
        }
        new.inputs.extend(input.map(|number| remote(object(1_000_000 + number))));
        if *times_out {
            new = with_timeout(new, Duration::from_secs(2));
        }
        self.told.push(new.clone());
        self.handle(run(new));
    }

    fn end(&mut self, attempt: AttemptId, succeeds: bool) {
        let report = ObjectReport::Inline(Value::scalar_f32(1.0));
        let outcome = if succeeds {
            self.held.insert(object(attempt.task.index));
            Outcome::Succeeded([report].into_iter().collect())
        } else {
            Outcome::Failed(Failure::new(FailureKind::Application, "no"))
        };
        self.running.remove(&attempt);
        self.handle(Event::AttemptEnded {
            attempt,
            outcome,
            run_time: Duration::ZERO,
            outputs_on: None,
        });
    }

    fn fetched(&mut self, object: ObjectKey, succeeds: bool) {
        self.fetching.remove(&object);
        if succeeds {
            self.held.insert(object);
            self.handle(Event::InputArrived { object, size_bytes: 1 });
        } else {
            self.handle(Event::FetchFailed { object, why: "gone".into() });
        }
    }

    fn handle(&mut self, event: Event) {
        let mut commands = Vec::new();
        self.core.handle(self.now, event, &mut commands);
        // What has ended is told before what follows from it is started.
        for command in &commands {
            self.observe(command);
        }
        assert!(self.expected.len() <= self.core.attempts(), "gone, and expected still");
        self.check_capacity();
        self.log.extend(commands);
    }

    fn observe(&mut self, command: &Command) {
        match command {
            Command::Start { assignment, cores } => self.observe_start(assignment, cores),
            Command::Fetch { object, .. } => {
                assert!(self.fetching.insert(*object), "{object:?} is fetched twice at a time");
            }
            Command::Kill { attempt, .. } => assert!(self.running.contains_key(attempt)),
            Command::Expect { attempt, .. } => {
                assert!(self.expected.insert(*attempt), "{attempt:?} is expected twice");
            }
            Command::ExpectNoMore { attempt, .. } => {
                assert!(self.expected.remove(attempt), "{attempt:?} was not expected");
            }
            Command::Say(FromExecutor::Ended(end)) => {
                self.is_over(end.attempt);
                if matches!(end.outcome, Outcome::Succeeded(_)) {
                    self.succeeded.insert(end.attempt);
                }
            }
            Command::Say(FromExecutor::Recalled { attempt }) => self.is_over(*attempt),
            Command::Drop { objects } => {
                for object in objects {
                    self.held.remove(object);
                }
            }
            Command::Keep { object, .. } => {
                self.held.insert(*object);
            }
            Command::Spill { .. } | Command::Restore { .. } | Command::AnswerRoom { .. } => {
                panic!("nobody wanted memory")
            }
            Command::Say(_) | Command::StopActor { .. } | Command::Stop => {}
        }
    }

    fn is_over(&mut self, attempt: AttemptId) {
        assert!(!self.running.contains_key(&attempt), "{attempt:?} is over while it runs");
        assert!(self.over.insert(attempt), "{attempt:?} is over twice");
    }

    fn observe_start(&mut self, assignment: &Assignment, cores: &[u32]) {
        let attempt = assignment.attempt;
        assert!(
            assignment.devices.is_empty() || !self.device.is_out_of_service(),
            "{attempt:?} starts on a lost device"
        );
        assert!(!self.over.contains(&attempt), "{attempt:?} starts after its end");
        for task in &assignment.waits_for {
            let maker = AttemptId { task: *task, number: 1 };
            assert!(self.succeeded.contains(&maker), "{attempt:?} starts before {maker:?}");
        }
        for input in &assignment.inputs {
            let is_inline = matches!(input.source, InputSource::Inline(_));
            assert!(is_inline || self.held.contains(&input.object), "{attempt:?} lacks an input");
        }
        let running = (Box::new(assignment.clone()), cores.to_vec());
        assert!(self.running.insert(attempt, running).is_none(), "{attempt:?} starts twice");
    }

    /// Nothing is given twice, and what is free is what nobody has.
    fn check_capacity(&self) {
        // Those that ran when the device failed may still go on: it can owe something.
        let endless = DeviceCapacity { milli: u32::MAX, vram_bytes: u64::MAX, ..DEVICE };
        let mut balance = Balance::new(Capacity { devices: vec![endless], ..capacity() });
        let mut taken = BTreeSet::new();
        for (assignment, cores) in self.running.values() {
            let request = &assignment.template.variants[0].request;
            assert!(balance.free().fits_on(request, &assignment.devices), "beyond capacity");
            balance.take(request, &assignment.devices);
            let whole = request.cpu_milli.is_multiple_of(1000);
            let wanted = if whole { request.cpu_milli / 1000 } else { 0 };
            assert_eq!(cores.len() as u64, wanted);
            for core in cores {
                assert!(*core < 3 && taken.insert(*core), "core {core} is handed out twice");
            }
        }
        balance.set_device(DeviceIndex(0), self.device);
        let free = balance.free();
        let set_aside = self.told.iter().filter(|assignment| assignment.set_aside);
        let waiting = set_aside.filter(|assignment| {
            let attempt = &assignment.attempt;
            !self.over.contains(attempt) && !self.running.contains_key(attempt)
        });
        if waiting.count() == 0 {
            assert_eq!(self.core.free(), free);
        } else {
            assert!(self.core.free().cpu_milli <= free.cpu_milli);
            assert!(self.core.free().memory_bytes <= free.memory_bytes);
        }
    }

    /// Lets everything end well, and checks that nothing is left.
    fn finish(&mut self) {
        while let Some(object) = self.fetching.first().copied() {
            self.fetched(object, true);
        }
        while let Some((attempt, _)) = self.running.first_key_value() {
            self.end(*attempt, true);
            assert!(self.fetching.is_empty());
        }
        assert_eq!(self.core.attempts(), 0, "something never starts");
        assert!(self.expected.is_empty(), "{:?} is expected for ever", self.expected);
        for assignment in &self.told {
            let dropped = !self.over.contains(&assignment.attempt);
            let mut makers = assignment.waits_for.iter();
            let may_drop =
                makers.any(|task| !self.succeeded.contains(&AttemptId { task: *task, number: 1 }));
            assert!(!dropped || may_drop, "{:?} was dropped without cause", assignment.attempt);
        }
        let devices = vec![self.device];
        assert_eq!(*self.core.free(), Capacity { devices, ..capacity() });
        assert_eq!(self.core.next_timeout(), None);
    }
}

fn nth<T>(items: impl ExactSizeIterator<Item = T>, which: usize) -> Option<T> {
    let count = items.len();
    if count == 0 { None } else { items.into_iter().nth(which % count) }
}

fn play(steps: &[Step]) -> Vec<Command> {
    let mut shell = Shell::new();
    for step in steps {
        shell.step(step);
    }
    shell.finish();
    shell.log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_history_keeps_the_rules(steps in prop::collection::vec(step(), 0..120)) {
        let log = play(&steps);
        prop_assert_eq!(play(&steps), log, "the same events give the same commands");
    }
}
