use std::time::{Instant, SystemTime};

use drawloom_client::{ClusterView, TaskCounts};
use drawloom_model::{Capacity, DeviceCapacity, DeviceInfo, ExecutorId, ExecutorInfo, JobId};

use super::*;

const GIB: u64 = 1 << 30;
const PLAIN: Look = Look { width: 80, height: None, styled: false };

fn view(id: u32, tasks_ended: u64) -> ExecutorView {
    let device = DeviceCapacity { milli: 1000, vram_bytes: 80 * GIB, compute_capability: 90 };
    let capacity = Capacity {
        cpu_milli: 2000,
        memory_bytes: 8 * GIB,
        devices: if id == 1 { vec![device] } else { Vec::new() },
        ..Capacity::default()
    };
    let mut free = capacity.clone();
    free.cpu_milli = 500;
    free.memory_bytes = 6 * GIB;
    if let Some(device) = free.devices.first_mut() {
        (device.milli, device.vram_bytes) = (250, 20 * GIB);
    }
    let gpu = DeviceInfo::named("H100");
    let info = ExecutorInfo {
        name: format!("x{id}"),
        devices: if id == 1 { vec![gpu] } else { Vec::new() },
        capacity,
        ..ExecutorInfo::default()
    };
    ExecutorView {
        executor: ExecutorId(id),
        info,
        free,
        running: 2,
        queued: 40,
        objects: 3,
        object_bytes: 1536,
        spilled_bytes: 0,
        devices_used: Vec::new(),
        draining: id == 2,
        busy_core_seconds: 0.0,
        tasks_ended,
    }
}

fn sample(at: Instant, ended: u32, jobs: u32) -> Sample {
    let counts = TaskCounts::new([10, 0, 40, 2, ended, 0, 0]);
    let job = |number: u32| JobView {
        job: JobId(number.into()),
        name: format!("digits {number}"),
        state: JobState::Running,
        open: false,
        tasks: counts,
        submitted_at: SystemTime::now(),
        ended_at: None,
        priority: 0,
    };
    let cluster = ClusterView {
        version: "0.1.0".into(),
        executors: vec![view(1, u64::from(ended)), view(2, 0)],
        running_jobs: jobs,
        tasks: counts,
    };
    Sample { at, cluster, jobs: (0..jobs).map(job).collect() }
}

fn second_of(jobs: u32) -> [Sample; 2] {
    let at = Instant::now();
    [sample(at, 100, jobs), sample(at + Duration::from_secs(2), 348, jobs)]
}

#[test]
fn everything_fits_eighty_columns() {
    let [earlier, later] = second_of(1);
    let lines = frame(Some(&earlier), &later, PLAIN, None);
    let expected = "\
drawloom 0.1.0  2 executor(s), 3/4 cores busy, 1 job(s) running, 124/s
tasks  waiting 10  ready 0  queued 40  running 2

EXECUTOR         CORES       BUSY MEMORY FREE  RUN  QUEUE     TASKS    OBJECTS
x1               ━━━━━━──   1.5/2     6.0 GiB    2     40     124/s    1.5 KiB
  H100           ━━━━━━──    75 %    20.0 GiB
x2 (draining)    ━━━━━━──   1.5/2     6.0 GiB    2     40       0/s    1.5 KiB

JOB                 STATE     PROGRESS             DONE     TASKS           TIME
digits 0            running   ━━━━━━━━─         348/400     124/s  419.4 ms left";
    let shown = lines.join("\n");
    for (shown, expected) in shown.lines().zip(expected.lines()) {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(shown), words(expected));
    }
    assert_eq!(lines.len(), expected.lines().count());
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{shown}");
}

#[test]
fn what_does_not_fit_the_height_is_counted() {
    let [earlier, later] = second_of(30);
    for height in [1, 5, 9, 12, 24] {
        let look = Look { height: Some(height), ..PLAIN };
        let lines = frame(Some(&earlier), &later, look, Some("cannot be reached"));
        assert!(lines.len() <= height, "{} lines in {height}", lines.len());
    }
    let look = Look { height: Some(24), ..PLAIN };
    let lines = frame(Some(&earlier), &later, look, Some("cannot be reached"));
    assert_eq!(lines.len(), 24);
    assert_eq!(lines[2], "cannot be reached");
    assert!(lines.iter().any(|line| line.starts_with("x2")));
    assert_eq!(lines[23], "and 17 more");
}

#[test]
fn any_width_will_do() {
    let [earlier, later] = second_of(2);
    for width in [1, 10, 40, 79, 200] {
        let look = Look { width, ..PLAIN };
        let lines = frame(Some(&earlier), &later, look, None);
        assert!(lines.iter().all(|line| line.chars().count() <= width), "{width}");
    }
}

#[test]
fn rates_need_something_to_compare_with() {
    let [_, later] = second_of(1);
    let shown = frame(None, &later, PLAIN, None).join("\n");
    assert!(!shown.contains("/s") && shown.contains("0 s ago"), "{shown}");
    let json = later.to_json(None);
    assert_eq!(json["jobs"][0]["tasks"]["succeeded"], 348);
    assert_eq!(json["tasks_per_second"], serde_json::Value::Null);
}
