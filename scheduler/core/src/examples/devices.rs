//! Which devices tasks and gangs get, by examples: eight GPUs, linked two by two.

use std::collections::BTreeMap;
use std::sync::Arc;

use drawloom_model::{
    Assignment, Attributes, Capacity, Demand, DeviceCapacity, DeviceIndex, DeviceInfo, DeviceLink,
    ExecutorId, ExecutorInfo, Gang, GangStrategy, GpuRequest, JobId, LinkKind, MILLI, RequestId,
    ResourceRequest, Shared, Task, TaskGraph, Template, Time, ToExecutor, Topology, Variant,
};

use crate::{Command, Config, Event, Scheduler};

const GPUS: u16 = 8;

/// A scheduler with one executor, which has eight GPUs.
fn start() -> Scheduler {
    let pair = |index: u16| DeviceLink { to: DeviceIndex(index ^ 1), kind: LinkKind::NvLink };
    let device = |index| DeviceInfo { links: vec![pair(index)], ..DeviceInfo::named("gpu") };
    let capacity = DeviceCapacity { milli: 1000, vram_bytes: 1 << 30, compute_capability: 80 };
    let info = ExecutorInfo {
        name: "host".to_owned(),
        kernels: vec!["noop".to_owned()],
        devices: (0..GPUS).map(device).collect(),
        capacity: Capacity {
            cpu_milli: 64 * MILLI,
            devices: vec![capacity; usize::from(GPUS)],
            ..Capacity::default()
        },
        ..ExecutorInfo::default()
    };
    let mut scheduler = Scheduler::new(Config::default());
    tell(&mut scheduler, Event::ExecutorJoined { executor: ExecutorId(0), info: Arc::new(info) });
    scheduler
}

/// What the executor is told to run.
fn tell(scheduler: &mut Scheduler, event: Event) -> Vec<Assignment> {
    let mut commands = Vec::new();
    scheduler.handle(Time::ZERO, event, &mut commands);
    scheduler.handle(Time::ZERO, Event::RoundDue, &mut commands);
    scheduler.assert_consistent();
    let runs = commands.into_iter().filter_map(|command| match command {
        Command::Send { message: ToExecutor::Run(assignment), .. } => Some(*assignment),
        _ => None,
    });
    runs.collect()
}

/// So many tasks, each of which asks for this part of so many GPUs.
fn tasks(count: u32, devices: u16, milli: u32) -> TaskGraph {
    let gpu = GpuRequest { devices, milli: milli as _, vram_bytes: 0, min_compute_capability: 0 };
    let mut variant = Variant::kernel("noop", Attributes::new());
    variant.request = ResourceRequest { gpu: Some(gpu), ..ResourceRequest::default() };
    TaskGraph {
        templates: vec![Arc::new(Template::new(variant, 0))],
        tasks: (0..count).map(|_| Task::default()).collect(),
        ..TaskGraph::default()
    }
}

/// The same as a gang whose members want to be linked.
fn linked(count: u32, demand: Demand) -> TaskGraph {
    let mut gang = Gang::new("ring", (0..count).collect(), GangStrategy::Pack);
    gang.topology = Some(Topology { shared: Shared::LinkedDevices, demand });
    TaskGraph { gangs: vec![gang], ..tasks(count, 1, 1000) }
}

/// Submits a graph; the devices that its tasks get, in the order of tasks.
fn place(scheduler: &mut Scheduler, job: u128, graph: TaskGraph) -> Vec<Vec<u16>> {
    let (request, graph) = (RequestId(0), Arc::new(graph));
    let mut runs =
        tell(scheduler, Event::JobSubmitted { request, job: JobId(job), token: None, graph });
    runs.sort_by_key(|run| run.attempt);
    let devices = |run: &Assignment| run.devices.iter().map(|device| device.0).collect();
    runs.iter().map(devices).collect()
}

#[test]
fn a_gang_gets_linked_devices() {
    let mut scheduler = start();
    // With the first taken, the first pair is none any more.
    assert_eq!(place(&mut scheduler, 1, tasks(1, 1, 1000)), [[0]]);
    let mut pair = place(&mut scheduler, 2, linked(2, Demand::Required)).concat();
    pair.sort_unstable();
    assert_eq!(pair[0] ^ 1, pair[1], "they are linked");
    assert!(pair[0] >= 2);
}

#[test]
fn a_gang_of_eight_gets_every_pair() {
    let mut scheduler = start();
    let mut all = place(&mut scheduler, 1, linked(8, Demand::Preferred)).concat();
    all.sort_unstable();
    assert_eq!(all, (0..GPUS).collect::<Vec<_>>());
    // Where links are a must, eight are more than any link joins.
    let mut scheduler = start();
    assert_eq!(place(&mut scheduler, 1, linked(8, Demand::Required)), Vec::<Vec<u16>>::new());
}

#[test]
fn parts_of_devices_leave_whole_ones_free() {
    let mut scheduler = start();
    // 12 quarters and 4 halves fill five GPUs, and no more are begun.
    let mut parts: BTreeMap<u16, u64> = BTreeMap::new();
    for (job, count, milli) in [(1, 6, 250), (2, 2, 500), (3, 6, 250), (4, 2, 500)] {
        for device in place(&mut scheduler, job, tasks(count, 1, milli)).concat() {
            *parts.entry(device).or_default() += u64::from(milli);
        }
    }
    assert!(parts.values().all(|used| *used <= 1000), "{parts:?}");
    assert_eq!(parts.len(), 5, "{parts:?}");
    // So three whole ones can be had at once.
    let whole = place(&mut scheduler, 5, tasks(1, 3, 1000)).concat();
    assert!(whole.len() == 3 && whole.iter().all(|device| !parts.contains_key(device)));
}
