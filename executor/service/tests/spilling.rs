//! Objects beyond memory, in an executor of its own.

mod common;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::*;
use drawloom_executor::Config;
use drawloom_model::{
    Assignment, Attributes, FailureKind, FromExecutor, ObjectKey, ProcessOutput, ReplicaPlace,
    ToExecutor, Value,
};
use drawloom_proto::Listen;

const MIB: i64 = 1 << 20;

/// An executor with 16 MiB for objects and a disk of its own.
fn small(place: &Path) -> Config {
    Config {
        cores: Some(2),
        arena_bytes: Some(16 << 20),
        spill: Some(place.to_owned()),
        ..Config::default()
    }
}

/// Makes vectors of 4 MiB with different numbers in them.
async fn fill_up(loom: &mut Loom, objects: u32) {
    for index in 0..objects {
        loom.result(fill(index, MIB, f64::from(index))).await.expect("room is made");
    }
}

/// Adds objects up.
fn sum(index: u32, objects: &[ObjectKey]) -> Assignment {
    let mut sum = kernel(index, "sum_n", Attributes::new(), 1);
    sum.inputs.extend(objects.iter().map(|object| local(*object)));
    sum
}

fn files(place: &Path) -> Vec<PathBuf> {
    let inside = |directory: PathBuf| std::fs::read_dir(directory).expect("a directory").flatten();
    let roots = std::fs::read_dir(place).expect("a directory").flatten();
    let files = roots.flat_map(|root| inside(root.path())).map(|file| file.path());
    files.filter(|file| file.file_name().is_some_and(|name| name != "lock")).collect()
}

#[tokio::test]
async fn more_than_memory_holds_is_worked_on() {
    let place = tempfile::tempdir().expect("a place");
    let mut loom = Loom::new(small(place.path())).await;
    fill_up(&mut loom, 12).await;
    let usage = loom.handle.objects().usage();
    assert!(usage.memory_bytes <= 16 << 20 && usage.disk_bytes >= 32 << 20, "{usage:?}");
    for index in 0..11 {
        let pair = [object(100 * index), object(100 * index + 100)];
        let made = loom.result(sum(100 + index, &pair)).await.expect("restored");
        assert!(f32s(&made[0]).iter().all(|element| *element == 2.0 * index as f32 + 1.0));
        let objects = vec![object(100 * (100 + index))];
        loom.tell(vec![ToExecutor::Release { objects }]);
    }
    let is_moved = |place| move |message: &&FromExecutor| matches!(message, FromExecutor::ReplicaMoved { place: to, .. } if *to == place);
    assert!(loom.said.iter().filter(is_moved(ReplicaPlace::Disk)).count() >= 8);
    assert!(loom.said.iter().filter(is_moved(ReplicaPlace::Memory)).count() >= 8);
    let all = (0..12).map(|index| object(100 * index)).collect();
    loom.tell(vec![ToExecutor::Release { objects: all }]);
    loom.result(fill(200, 1, 0.0)).await.expect("a number");
    let usage = loom.handle.objects().usage();
    assert_eq!((usage.memory_bytes, usage.disk_bytes), (0, 0));
    assert_eq!(files(place.path()), [] as [PathBuf; 0]);
    loom.tell(vec![ToExecutor::Stop]);
    loom.handle.ended().await;
    assert_eq!(std::fs::read_dir(place.path()).expect("a directory").count(), 0);
}

#[tokio::test]
async fn processes_wait_for_room_too() {
    let place = tempfile::tempdir().expect("a place");
    let mut loom = Loom::new(small(place.path())).await;
    fill_up(&mut loom, 4).await;
    let text = "head -c 6000000 /dev/zero; head -c 5000000 /dev/zero > file";
    let outputs = vec![ProcessOutput::Stdout, ProcessOutput::File("file".into())];
    let made = loom.result(process(9, script(text, outputs))).await.expect("room is made");
    assert_eq!((made[0].data.len(), made[1].data.len()), (6_000_000, 5_000_000));
}

#[tokio::test]
async fn objects_on_disk_are_sent_to_others() {
    let place = tempfile::tempdir().expect("a place");
    let listen: Listen = "127.0.0.1:0".parse().expect("an address");
    let mut maker = Loom::new(Config { listen: Some(listen), ..small(place.path()) }).await;
    fill_up(&mut maker, 6).await;
    assert!(maker.handle.objects().get(object(0)).is_none(), "it is on disk");
    let read = maker.handle.objects().read(object(0)).await.expect("intact").expect("there");
    assert_eq!(f32s(&read), vec![0.0; 1 << 20]);
    let mut taker = Loom::new(config()).await;
    let mut both = kernel(50, "sum_n", Attributes::new(), 1);
    let address = maker.handle.info.address.as_str();
    both.inputs.extend([remote(object(0), &[address]), remote(object(500), &[address])]);
    let made = taker.result(both).await.expect("fetched");
    assert_eq!(f32s(&made[0]), vec![5.0; 1 << 20]);
}

#[tokio::test]
async fn a_full_disk_is_told() {
    let place = tempfile::tempdir().expect("a place");
    let limit = Some(5 << 20);
    let mut loom = Loom::new(Config { spill_limit_bytes: limit, ..small(place.path()) }).await;
    fill_up(&mut loom, 5).await;
    let failure = loom.result(fill(5, MIB, 5.0)).await.expect_err("no room on disk either");
    assert_eq!(failure.kind, FailureKind::OutOfMemory);
    let parts = ["4194304 bytes wanted", "of 16777216 free", "exceed the spill limit: 4194304 of"];
    for part in parts {
        assert!(failure.message.contains(part), "{failure}");
    }
    let error = loom.handle.objects().put(object(7), Value::blob(vec![1; 1 << 20])).await;
    let error = error.expect_err("no room").to_string();
    assert!(error.contains("exceed the spill limit"), "{error}");
    loom.tell(vec![ToExecutor::Release { objects: vec![object(0), object(100)] }]);
    loom.result(fill(6, MIB, 6.0)).await.expect("room again");
}

/// A file system of its own, unmounted when this is dropped.
struct Mount(tempfile::TempDir);

impl Mount {
    /// None where this process may not mount any.
    fn new(bytes: u64) -> Option<Mount> {
        let place = tempfile::tempdir().expect("a place");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(place.path());
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then_some(Mount(place))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "it stays mounted");
    }
}

#[tokio::test]
async fn a_disk_that_is_really_full_is_told_and_loses_nothing() {
    let Some(disk) = Mount::new(6 << 20) else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    let spill_limit_bytes = Some(1 << 30); // Another fills the disk, in effect.
    let config = Config { spill_limit_bytes, ..small(disk.0.path()) };
    let mut loom = Loom::new(config).await;
    fill_up(&mut loom, 5).await;
    for index in 5..8 {
        let failure = loom.result(fill(index, MIB, 5.0)).await.expect_err("no room on disk");
        assert_eq!(failure.kind, FailureKind::OutOfMemory);
        assert!(failure.message.contains("No space left on device"), "{failure}");
        // What could be written only in part is gone.
        assert_eq!(files(disk.0.path()).len(), 1);
    }
    // Everything that was made is still there: in memory, and one on disk.
    for index in 0..5 {
        let read = loom.handle.objects().read(object(100 * index)).await;
        let value = read.expect("intact").expect("there");
        assert_eq!(f32s(&value)[0], index as f32);
    }
    loom.tell(vec![ToExecutor::Release { objects: vec![object(0), object(100)] }]);
    loom.result(fill(9, MIB, 6.0)).await.expect("room again");
    loom.tell(vec![ToExecutor::Stop]);
    loom.handle.ended().await;
}

#[tokio::test]
async fn without_a_disk_memory_is_all_there_is() {
    let config = Config { spill_limit_bytes: Some(0), ..small(Path::new("/nowhere")) };
    let mut loom = Loom::new(config).await;
    fill_up(&mut loom, 4).await;
    let failure = loom.result(fill(4, MIB, 4.0)).await.expect_err("full");
    assert_eq!(
        failure.message,
        "the object store is full: 4194304 bytes wanted, 0 of 16777216 free; release objects, or \
         start executors with more --object-memory"
    );
    let failure = loom.result(fill(5, 5 * MIB, 4.0)).await.expect_err("too large");
    assert_eq!(
        failure.message,
        "an object of 20971520 bytes is larger than the object store of 16777216; executors take \
         more with --object-memory"
    );
}

#[tokio::test]
async fn a_place_that_takes_no_objects_is_refused_at_the_start() {
    let place = tempfile::tempdir().expect("a place");
    let file = place.path().join("file");
    std::fs::write(&file, "").expect("written");
    let (outbox, _news) = tokio::sync::mpsc::unbounded_channel();
    let (_orders, inbox) = tokio::sync::mpsc::unbounded_channel();
    let refused = drawloom_executor::start(small(&file), outbox, inbox).await;
    let told = refused.map(drop).expect_err("no directory").to_string();
    let expected = format!("cannot make a spill directory in {}: ", file.display());
    assert!(told.starts_with(&expected) && told.contains("; give another --spill-dir"), "{told}");
}

#[tokio::test]
async fn damage_on_disk_is_noticed() {
    let place = tempfile::tempdir().expect("a place");
    let mut loom = Loom::new(small(place.path())).await;
    fill_up(&mut loom, 5).await;
    let files = files(place.path());
    assert_eq!(files.len(), 1, "the first object alone is on disk");
    let file = OpenOptions::new().write(true).open(&files[0]).expect("there");
    file.write_at(&[1], 2_000_000).expect("written");
    let failure = loom.result(sum(9, &[object(0)])).await.expect_err("damaged");
    assert_eq!(failure.kind, FailureKind::ObjectLost);
    assert!(failure.message.contains("is damaged: bytes 1048576.."), "{failure}");
    assert!(loom.said.contains(&FromExecutor::ReplicaLost { object: object(0) }));
    let failure = loom.result(sum(10, &[object(0)])).await.expect_err("gone");
    assert!(failure.message.contains("no longer here"), "{failure}");
    loom.result(sum(11, &[object(100), object(200)])).await.expect("the others are intact");
}
