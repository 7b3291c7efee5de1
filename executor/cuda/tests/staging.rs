//! Copies between host and a simulated device, whose driver does what it is told as late as it may.
//! One test at a time counts what was copied.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use drawloom_cuda::{Buffer, Device, Lane, open};
use drawloom_cuda_sim::client::{Library, library_path};
use drawloom_model::{Attributes, DType, KernelCall, ObjectType, Shape};

const MIB: usize = 1 << 20;

fn library() -> (Library, MutexGuard<'static, ()>) {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let library = *LIBRARY.get_or_init(|| {
        for (name, value) in [
            ("DRAWLOOM_SIM_JITTER_US", "1000"),
            ("DRAWLOOM_SIM_SEED", "5"),
            ("DRAWLOOM_SIM_ORDER", "1"),
        ] {
            // SAFETY: nothing of the process reads the environment before the library is loaded.
            unsafe { std::env::set_var(name, value) };
        }
        let path = library_path().expect("cargo builds the library beside the tests");
        Library::load(Path::new(&path)).expect("the library loads")
    });
    (library, alone)
}

fn device() -> Arc<Device> {
    Arc::new(open(0).expect("a device"))
}

/// Bytes that look random, others for each number.
fn bytes(number: usize, len: usize) -> Vec<u8> {
    let mut state = number as u64 + 1;
    let next = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(next).collect()
}

fn download(device: &Device, buffer: &Buffer) -> Vec<u8> {
    let mut data = vec![0; buffer.len()];
    device.download(buffer, &mut data).expect("a copy");
    data
}

/// Sizes that fit a piece, fill some, and leave a rest; together several times what is staged at once.
const SIZES: [usize; 9] =
    [1, 4096, MIB, MIB + 1, 3 * MIB - 7, 5 * MIB, 17 * MIB + 3, 100_000, 9 * MIB];

#[test]
fn copies_are_whole_and_go_through_locked_memory() {
    let (library, _alone) = library();
    let device = device();
    let before = library.copied_bytes();
    // All are on their way before the first is read.
    let mut sent = Vec::new();
    for round in 0..2 {
        for (number, len) in SIZES.into_iter().enumerate() {
            let data = bytes(round * SIZES.len() + number, len);
            let buffer = device.upload(&data).expect("a copy");
            sent.push((data, buffer));
        }
    }
    for (data, buffer) in &sent {
        assert!(download(&device, buffer) == *data, "{} bytes differ", data.len());
    }
    let total: usize = sent.iter().map(|(data, _)| data.len()).sum();
    let after = library.copied_bytes();
    assert_eq!([after[0] - before[0], after[1] - before[1]], [0, 2 * total as u64]);
    assert_eq!(library.reports(), "");
}

#[test]
fn kernels_wait_for_what_they_read_and_readers_for_kernels() {
    let (library, _alone) = library();
    let device = device();
    let mut lane = Lane::new(&device).expect("a lane");
    let call = KernelCall { name: "add".to_owned(), attributes: Attributes::new() };
    for round in 0..8u32 {
        let len = 60_000 * u64::from(1 + round % 4);
        let vector = ObjectType::Tensor { dtype: DType::I32, shape: Shape::new([len]) };
        let plan = lane.plan(&call, &[vector.clone(), vector]).expect("a plan");
        let numbers = |of: u32| -> Vec<u8> {
            (0..len as u32).flat_map(|place| (place * of + round).to_le_bytes()).collect()
        };
        let inputs = [numbers(1), numbers(2)].map(|data| device.upload(&data).expect("a copy"));
        // Not waited for: whoever reads the output waits for the kernel.
        let flight = lane.launch(&plan, &inputs).expect("a launch");
        let got = download(&device, &flight.outputs[0].1);
        let expected: Vec<u8> =
            (0..len as u32).flat_map(|place| (place * 3 + 2 * round).to_le_bytes()).collect();
        assert!(got == expected, "round {round}");
    }
    assert_eq!(library.reports(), "");
}

#[test]
fn many_read_at_once() {
    let (_library, _alone) = library();
    let device = device();
    let data = bytes(1, 5 * MIB + 11);
    let buffer = device.upload(&data).expect("a copy");
    std::thread::scope(|scope| {
        for _ in 0..9 {
            scope.spawn(|| assert!(download(&device, &buffer) == data));
        }
    });
}

#[test]
fn without_locked_memory_copies_are_slower_and_right() {
    let (library, _alone) = library();
    let device = device();
    let before = library.copied_bytes();
    assert!(library.inject("pin@1; pin@2"));
    let data = bytes(3, 2 * MIB + 5);
    let buffer = device.upload(&data).expect("a copy");
    assert!(download(&device, &buffer) == data);
    let after = library.copied_bytes();
    assert_eq!([after[0] - before[0], after[1] - before[1]], [2 * data.len() as u64, 0]);
    library.clear_reports();
}

#[test]
fn copies_end_when_their_device_goes() {
    let (library, _alone) = library();
    for number in 0..4 {
        let device = device();
        let data = bytes(number, 6 * MIB);
        let buffer = device.upload(&data).expect("a copy");
        drop(buffer);
        drop(device);
    }
    assert_eq!(library.reports(), "");
}
