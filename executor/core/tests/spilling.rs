//! Random histories on an executor whose memory is short: a shell with a memory of so many units,
//! a disk and clients, which does what it is told in any order.

mod common;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use common::*;
use drawloom_executor_core::{Command, Config, Event, Executor, RoomAnswer, RoomFor, RoomId};
use drawloom_model::{
    Assignment, AttemptId, Capacity, DeviceCapacity, DeviceIndex, Failure, FailureKind,
    FromExecutor, GpuRequest, ObjectKey, ObjectReport, ObjectType, Outcome, ReplicaPlace,
    ResourceRequest, Time, ToExecutor,
};
use proptest::prelude::*;

/// What one unit of memory is; every object is large enough to live in the shared memory.
const UNIT: u64 = 100_000;
const CORES: u64 = 2;

#[derive(Clone, Debug)]
struct Wish {
    inputs: Vec<usize>,
    output_units: u64,
    /// Whether it runs on the device, whose memory takes everything.
    on_device: bool,
}

/// Somebody who waits to go on.
#[derive(Clone, PartialEq, Debug)]
enum Pending {
    Spill(ObjectKey),
    Restore(ObjectKey),
    /// An attempt makes its output, of so many units.
    Output(AttemptId, u64),
    End(AttemptId),
    Put(ObjectKey, u64),
    /// The device wants to be rid of an object.
    Evict(ObjectKey),
}

struct Shell {
    core: Executor,
    limit: u64,
    memory: BTreeMap<ObjectKey, u64>,
    disk: BTreeMap<ObjectKey, u64>,
    vram: BTreeMap<ObjectKey, u64>,
    reads: BTreeMap<AttemptId, Vec<ObjectKey>>,
    wishes: Vec<Wish>,
    pending: Vec<Pending>,
    /// Those who asked for memory and were not answered.
    rooms: BTreeMap<RoomId, Pending>,
    next_room: u64,
    ended: BTreeMap<AttemptId, Outcome>,
    aside_by_word: BTreeMap<ObjectKey, ReplicaPlace>,
    can_write: bool,
    spills: usize,
    events: VecDeque<Event>,
    handling: bool,
}

impl Shell {
    fn new(limit: u64, can_write: bool) -> Self {
        let device = DeviceCapacity { milli: 1000, vram_bytes: 0, compute_capability: 80 };
        let capacity =
            Capacity { cpu_milli: CORES * 1000, devices: vec![device], ..Capacity::default() };
        Shell {
            core: Executor::new(Config { capacity, cores: vec![0, 1], can_spill: true }),
            limit,
            memory: BTreeMap::new(),
            disk: BTreeMap::new(),
            vram: BTreeMap::new(),
            reads: BTreeMap::new(),
            wishes: Vec::new(),
            pending: Vec::new(),
            rooms: BTreeMap::new(),
            next_room: 0,
            ended: BTreeMap::new(),
            aside_by_word: BTreeMap::new(),
            can_write,
            spills: 0,
            events: VecDeque::new(),
            handling: false,
        }
    }

    fn used(&self) -> u64 {
        self.memory.values().sum()
    }

    fn handle(&mut self, event: Event) {
        self.events.push_back(event);
        if std::mem::replace(&mut self.handling, true) {
            return; // What is being carried out comes first.
        }
        while let Some(event) = self.events.pop_front() {
            let mut commands = Vec::new();
            self.core.handle(Time::ZERO, event, &mut commands);
            for command in commands {
                self.carry_out(command);
            }
        }
        self.handling = false;
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Start { assignment, .. } => self.start(&assignment),
            Command::Spill { object } => {
                self.check_unread(object);
                assert!(self.memory.contains_key(&object), "{object:?} is not in memory");
                self.pending.push(Pending::Spill(object));
            }
            Command::Restore { object } => {
                let is_aside = self.disk.contains_key(&object) || self.vram.contains_key(&object);
                assert!(is_aside, "{object:?} is not aside");
                self.pending.push(Pending::Restore(object));
            }
            Command::AnswerRoom { room, answer } => {
                let who = self.rooms.remove(&room).expect("somebody asked");
                match answer {
                    RoomAnswer::TryAgain => self.attempt(who, Some(room)),
                    RoomAnswer::Refused { .. } => self.refused(who),
                }
            }
            Command::Say(FromExecutor::Ended(end)) => {
                if let Some(device) = end.outputs_on {
                    let object = object(end.attempt.task.index);
                    self.aside_by_word.insert(object, ReplicaPlace::Device(device));
                }
                assert!(self.ended.insert(end.attempt, end.outcome).is_none(), "ended twice");
            }
            Command::Say(FromExecutor::ReplicaMoved { object, place }) => {
                match place {
                    ReplicaPlace::Disk | ReplicaPlace::Device(_) => {
                        self.aside_by_word.insert(object, place);
                    }
                    // It may have been wanted again before it was told.
                    ReplicaPlace::Memory => drop(self.aside_by_word.remove(&object)),
                }
            }
            Command::Drop { objects } => {
                for object in objects {
                    self.memory.remove(&object);
                    self.disk.remove(&object);
                    self.vram.remove(&object);
                }
            }
            Command::Expect { .. } | Command::ExpectNoMore { .. } => {}
            other => panic!("{other:?} was not expected"),
        }
    }

    fn start(&mut self, assignment: &Assignment) {
        let attempt = assignment.attempt;
        let reads: Vec<ObjectKey> = assignment.inputs.iter().map(|input| input.object).collect();
        let on_device = !assignment.devices.is_empty();
        for object in &reads {
            let is_aside = self.vram.contains_key(object) || self.disk.contains_key(object);
            if on_device && is_aside {
                continue;
            }
            assert!(self.memory.contains_key(object), "{object:?} is not in memory");
            let leaves = self.pending.contains(&Pending::Spill(*object));
            assert!(!leaves, "{object:?} is just being spilled");
        }
        self.reads.insert(attempt, reads);
        let units = self.wishes[attempt.task.index as usize].output_units;
        if on_device {
            self.vram.insert(object(attempt.task.index), units);
            return self.pending.push(Pending::End(attempt));
        }
        self.pending.push(Pending::Output(attempt, units));
    }

    fn check_unread(&self, object: ObjectKey) {
        assert!(!self.reads.values().flatten().any(|read| *read == object), "it is being read");
    }

    /// Takes memory, or asks for it.
    fn attempt(&mut self, who: Pending, again: Option<RoomId>) {
        let (object, units, purpose) = match &who {
            Pending::Output(attempt, units) => {
                (object(attempt.task.index), *units, RoomFor::Attempt(*attempt))
            }
            Pending::Put(object, units) => (*object, *units, RoomFor::Client),
            Pending::Restore(object) => match self.disk.get(object).or(self.vram.get(object)) {
                Some(units) => (*object, *units, RoomFor::Object(*object)),
                None => return, // Dropped meanwhile.
            },
            other => panic!("{other:?} takes no memory"),
        };
        if units > self.limit {
            return self.refused(who);
        }
        let free = self.limit - self.used();
        if units > free {
            let room = again.unwrap_or_else(|| {
                self.next_room += 1;
                RoomId(self.next_room)
            });
            self.rooms.insert(room, who);
            let missing_bytes = (units - free) * UNIT;
            return self.handle(Event::RoomWanted { room, missing_bytes, purpose });
        }
        self.memory.insert(object, units);
        match who {
            Pending::Output(attempt, _) => self.pending.push(Pending::End(attempt)),
            Pending::Put(object, units) => {
                self.handle(Event::ObjectPut { object, size_bytes: units * UNIT });
            }
            Pending::Restore(object) => {
                self.disk.remove(&object);
                self.vram.remove(&object);
                self.handle(Event::Restored { object });
            }
            Pending::Evict(_) | Pending::Spill(_) | Pending::End(_) => {}
        }
    }

    fn refused(&mut self, who: Pending) {
        let failure = Failure::new(FailureKind::OutOfMemory, "full");
        match who {
            Pending::Output(attempt, _) => {
                self.reads.remove(&attempt);
                let outcome = Outcome::Failed(failure);
                self.handle(Event::AttemptEnded {
                    attempt,
                    outcome,
                    run_time: Duration::ZERO,
                    outputs_on: None,
                });
            }
            Pending::Restore(object) => self.handle(Event::RestoreFailed { object, failure }),
            Pending::Put(..) | Pending::Evict(_) | Pending::Spill(_) | Pending::End(_) => {}
        }
    }

    fn step(&mut self, which: usize) {
        let who = self.pending.remove(which % self.pending.len());
        match who {
            Pending::Spill(object) => {
                self.spills += 1;
                if !self.can_write && self.spills.is_multiple_of(2) {
                    let why = "the disk is full".to_owned();
                    return self.handle(Event::SpillFailed { object, why });
                }
                if let Some(units) = self.memory.remove(&object) {
                    self.disk.insert(object, units);
                }
                self.handle(Event::Spilled { object });
            }
            Pending::End(attempt) => {
                self.reads.remove(&attempt);
                let made = object(attempt.task.index);
                let outputs_on = self.vram.contains_key(&made).then_some(DeviceIndex(0));
                let units = self.vram.get(&made).copied().unwrap_or_else(|| self.memory[&made]);
                if outputs_on.is_some() && units.is_multiple_of(2) {
                    self.pending.push(Pending::Evict(made));
                }
                let report = ObjectReport::Stored {
                    object_type: ObjectType::Blob,
                    size_bytes: units * UNIT,
                };
                let outcome = Outcome::Succeeded([report].into_iter().collect());
                self.handle(Event::AttemptEnded {
                    attempt,
                    outcome,
                    run_time: Duration::ZERO,
                    outputs_on,
                });
            }
            Pending::Evict(object) => self.evict(object),
            other => self.attempt(other, None),
        }
        assert!(self.used() <= self.limit);
    }

    /// The device lets go of what nothing reads: to memory, where there is room, or to disk.
    fn evict(&mut self, object: ObjectKey) {
        if self.reads.values().flatten().any(|read| *read == object) {
            return;
        }
        let Some(units) = self.vram.remove(&object) else { return };
        if self.used() + units <= self.limit {
            self.memory.insert(object, units);
            self.handle(Event::Restored { object });
        } else {
            self.disk.insert(object, units);
            self.handle(Event::Spilled { object });
        }
    }

    fn submit(&mut self, wish: Wish) {
        let index = self.wishes.len() as u32;
        let gpu = GpuRequest { devices: 1, milli: 1000, vram_bytes: 0, min_compute_capability: 0 };
        let gpu = wish.on_device.then_some(gpu);
        let mut new = assignment(index, ResourceRequest { gpu, ..ResourceRequest::cores(1) });
        new.devices.extend(wish.on_device.then_some(DeviceIndex(0)));
        for back in &wish.inputs {
            let Some(maker) = index.checked_sub(*back as u32 + 1) else { continue };
            if !new.waits_for.contains(&task(maker)) {
                new.waits_for.push(task(maker));
                new.inputs.push(local(object(maker)));
            }
        }
        self.wishes.push(wish);
        self.handle(run(new));
    }
}

fn wish() -> impl Strategy<Value = Wish> {
    (prop::collection::vec(0..4usize, 0..3), 1..5u64, any::<bool>())
        .prop_map(|(inputs, output_units, on_device)| Wish { inputs, output_units, on_device })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Nothing read is moved, memory is never exceeded, and in the end everybody was answered.
    #[test]
    fn short_memory_never_deadlocks(
        limit in 3..10u64,
        can_write in any::<bool>(),
        wishes in prop::collection::vec(wish(), 1..20),
        puts in prop::collection::vec((0..20usize, 1..4u64), 0..4),
        order in prop::collection::vec(any::<usize>(), 300),
        released in prop::collection::vec(0..20u32, 0..5),
    ) {
        let mut shell = Shell::new(limit, can_write);
        let mut order = order.into_iter().cycle();
        for (place, wish) in wishes.iter().enumerate() {
            shell.submit(wish.clone());
            for (_, units) in puts.iter().filter(|(at, _)| *at == place) {
                shell.pending.push(Pending::Put(object(1_000_000 + place as u32), *units));
            }
            if !shell.pending.is_empty() {
                shell.step(order.next().unwrap_or_default());
            }
        }
        let mut steps = 0;
        while !shell.pending.is_empty() {
            shell.step(order.next().unwrap_or_default());
            steps += 1;
            prop_assert!(steps < 10_000, "it goes round in circles");
        }
        prop_assert!(shell.rooms.is_empty(), "{:?} wait for ever", shell.rooms);
        prop_assert_eq!(shell.core.attempts(), 0);
        let on_disk = shell.disk.keys().map(|object| (*object, ReplicaPlace::Disk));
        let device = ReplicaPlace::Device(DeviceIndex(0));
        let on_device = shell.vram.keys().map(|object| (*object, device));
        let aside: BTreeMap<ObjectKey, ReplicaPlace> = on_disk.chain(on_device).collect();
        prop_assert_eq!(&aside, &shell.aside_by_word);
        for index in released {
            let objects = vec![object(index)];
            shell.handle(Event::Told(ToExecutor::Release { objects }));
            prop_assert!(!shell.memory.contains_key(&object(index)));
            prop_assert!(!shell.disk.contains_key(&object(index)));
            prop_assert!(!shell.vram.contains_key(&object(index)));
        }
    }
}

/// Where everything fits one at a time and the disk takes all, nothing fails.
#[test]
fn a_working_set_beyond_memory_is_worked_through() {
    let mut shell = Shell::new(6, true);
    for _ in 0..10 {
        shell.submit(Wish { inputs: vec![], output_units: 2, on_device: false });
    }
    for _ in 0..10 {
        shell.submit(Wish { inputs: vec![9], output_units: 1, on_device: false });
    }
    while !shell.pending.is_empty() {
        shell.step(0);
    }
    assert!(shell.spills > 5);
    let succeeded = |outcome: &Outcome| matches!(outcome, Outcome::Succeeded(_));
    assert_eq!(shell.ended.values().filter(|outcome| succeeded(outcome)).count(), 20);
}

#[test]
fn a_full_disk_is_told_to_who_wants_memory() {
    let mut executor = Executor::new(Config { can_spill: true, ..Config::default() });
    let size_bytes = 3 * UNIT;
    handle(&mut executor, Event::ObjectPut { object: object(1), size_bytes });
    let (room, missing_bytes) = (RoomId(1), 2 * UNIT);
    let wanted = Event::RoomWanted { room, missing_bytes, purpose: RoomFor::Client };
    let commands = handle(&mut executor, wanted);
    assert_eq!(commands, [Command::Spill { object: object(1) }]);
    let why = "no space left on device".to_owned();
    let failed = Event::SpillFailed { object: object(1), why: why.clone() };
    let answer = RoomAnswer::Refused { why: Some(why) };
    // It is tried some times more before that is taken for the truth.
    let again = vec![Command::Spill { object: object(1) }];
    for _ in 0..3 {
        assert_eq!(handle(&mut executor, failed.clone()), again);
    }
    assert_eq!(handle(&mut executor, failed), [Command::AnswerRoom { room, answer }]);
    let wanted = Event::RoomWanted { room, missing_bytes, purpose: RoomFor::Client };
    assert_eq!(handle(&mut executor, wanted), again, "the next one finds out anew");
}

#[test]
fn clients_wait_for_nobody_and_attempts_for_others() {
    let capacity = Capacity { cpu_milli: 2000, ..Capacity::default() };
    let mut executor = Executor::new(Config { capacity, cores: vec![0, 1], can_spill: true });
    for index in [0, 1] {
        handle(&mut executor, run(assignment(index, ResourceRequest::cores(1))));
    }
    let wanted =
        |room, purpose| Event::RoomWanted { room: RoomId(room), missing_bytes: 1, purpose };
    let refused = |room| {
        let answer = RoomAnswer::Refused { why: None };
        Command::AnswerRoom { room: RoomId(room), answer }
    };
    assert_eq!(handle(&mut executor, wanted(1, RoomFor::Client)), [refused(1)]);
    assert_eq!(handle(&mut executor, wanted(2, RoomFor::Attempt(attempt(0)))), []);
    assert_eq!(handle(&mut executor, wanted(3, RoomFor::Attempt(attempt(1)))), [refused(3)]);
    let again = Command::AnswerRoom { room: RoomId(2), answer: RoomAnswer::TryAgain };
    assert_eq!(handle(&mut executor, Event::RoomFreed), [again]);
}

#[test]
fn who_is_killed_waits_no_longer() {
    let capacity = Capacity { cpu_milli: 2000, ..Capacity::default() };
    let mut executor = Executor::new(Config { capacity, cores: vec![0, 1], can_spill: true });
    for index in [0, 1] {
        handle(&mut executor, run(assignment(index, ResourceRequest::cores(1))));
    }
    let wanted = |room| Event::RoomWanted {
        room: RoomId(room),
        missing_bytes: 1,
        purpose: RoomFor::Attempt(attempt(0)),
    };
    assert_eq!(handle(&mut executor, wanted(1)), []);
    let cancel = Event::Told(ToExecutor::Cancel { attempt: attempt(0) });
    let refused = |room| {
        let answer = RoomAnswer::Refused { why: None };
        Command::AnswerRoom { room: RoomId(room), answer }
    };
    assert_eq!(handle(&mut executor, cancel)[1..], [refused(1)]);
    assert_eq!(handle(&mut executor, wanted(2)), [refused(2)]);
}
