//! Kernels on simulated GPUs: the real executor and the real bindings, and a stand-in for the driver.

mod common;

use std::sync::Once;

use common::*;
use drawloom_cuda_sim::client::{Library, library_path};
use drawloom_executor::Config;
use drawloom_model::{
    Assignment, Attribute, Attributes, DType, DeviceIndex, FailureKind, GpuRequest, ObjectType,
    ResourceRequest, Shape, ToExecutor, Value,
};

/// Loads the simulated driver, with two devices of 64 MiB.
fn simulate() {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        for (name, value) in [("DRAWLOOM_SIM_DEVICES", "2"), ("DRAWLOOM_SIM_MEMORY", "64M")] {
            // SAFETY: nothing of the process reads the environment before the library is loaded.
            unsafe { std::env::set_var(name, value) };
        }
        let path = library_path().expect("cargo builds the library beside the tests");
        Library::load(&path).expect("the library loads");
    });
}

async fn start() -> Loom {
    simulate();
    Loom::new(Config { offers_gpus: true, ..config() }).await
}

/// The same attempt on a device.
fn on(device: u16, mut assignment: Assignment) -> Assignment {
    let gpu = GpuRequest { devices: 1, milli: 1000, vram_bytes: 0, min_compute_capability: 0 };
    *request(&mut assignment) = ResourceRequest { gpu: Some(gpu), ..ResourceRequest::default() };
    assignment.devices.push(DeviceIndex(device));
    assignment
}

/// Elements of four bytes.
fn vector(dtype: DType, data: Vec<u8>) -> Value {
    let shape = Shape::new([data.len() as u64 / 4]);
    Value { object_type: ObjectType::Tensor { dtype, shape }, data: data.into() }
}

fn uniform(index: u32, shape: [i64; 2]) -> Assignment {
    let shape = ("shape".to_owned(), Attribute::Ints(shape.to_vec()));
    let seed = ("seed".to_owned(), Attribute::Int(i64::from(index)));
    kernel(index, "uniform", Attributes::from([shape, seed]), 1)
}

fn matmul(index: u32, a: u32, b: u32) -> Assignment {
    let mut product = kernel(index, "matmul", Attributes::new(), 1);
    product.inputs.extend([local(object(100 * a)), local(object(100 * b))]);
    product
}

#[tokio::test]
async fn devices_are_offered_and_say_that_they_are_simulated() {
    let loom = start().await;
    let info = &loom.handle.info;
    assert_eq!((info.devices.len(), info.capacity.devices.len()), (2, 2));
    assert!(info.devices.iter().all(|device| device.name.contains("Simulated")), "{info:?}");
    let capacity = &info.capacity.devices[0];
    assert_eq!((capacity.milli, capacity.compute_capability), (1000, 80));
    assert!(capacity.vram_bytes > 32 << 20 && capacity.vram_bytes < 64 << 20);
}

#[tokio::test]
async fn a_device_makes_what_the_cores_make() {
    let mut loom = start().await;
    // The same on a device and on cores, of the same inputs.
    for (index, device) in [(1, Some(0)), (11, None), (21, Some(1))] {
        let place = |assignment| match device {
            Some(device) => on(device, assignment),
            None => assignment,
        };
        let seeds = |mut assignment: Assignment| {
            assignment.first_output = object(100 * (index + assignment.attempt.task.index));
            assignment.attempt.task.index += index;
            assignment
        };
        loom.result(place(seeds(uniform(0, [33, 65])))).await.expect("made");
        loom.result(place(seeds(uniform(1, [65, 17])))).await.expect("made");
        loom.result(place(matmul(index + 2, index, index + 1))).await.expect("multiplied");
    }
    let product = |index: u32| {
        let object = object(100 * (index + 2));
        f32s(&loom.handle.objects().get(object).expect("it is kept"))
    };
    let (first, cores, second) = (product(1), product(11), product(21));
    assert_eq!(first, second);
    assert_eq!(cores.len(), 33 * 17);
    for (device, core) in first.iter().zip(&cores) {
        assert!((device - core).abs() <= 1e-4 * core.abs().max(1.0), "{device} {core}");
    }
}

#[tokio::test]
async fn what_the_inputs_hold_is_checked_as_on_cores() {
    let mut loom = start().await;
    let table = vector(DType::F32, [1.0f32, 2.0, 3.0].map(f32::to_le_bytes).concat());
    let indices = |index: i32| vector(DType::I32, [0, index].map(i32::to_le_bytes).concat());
    let gather = |index: u32, of: i32| {
        let mut gather = kernel(index, "gather", Attributes::new(), 1);
        gather.inputs.extend([inline(table.clone()), inline(indices(of))]);
        gather
    };
    let made = loom.result(on(0, gather(1, 2))).await.expect("gathered");
    assert_eq!(f32s(&made[0]), [1.0, 3.0]);
    let on_device = loom.result(on(0, gather(2, 7))).await.expect_err("no such row");
    let on_cores = loom.result(gather(3, 7)).await.expect_err("no such row");
    assert_eq!(on_device.kind, FailureKind::Application);
    assert_eq!(on_device.message, on_cores.message);
    // The device goes on.
    loom.result(on(0, gather(4, 1))).await.expect("gathered");
}

#[tokio::test]
async fn a_full_device_drops_what_is_elsewhere_too() {
    let mut loom = start().await;
    // 16 vectors of 8 MiB on a device of 64 MiB.
    let fill = |index: u32| fill(index, 2 << 20, f64::from(index));
    for index in 0..16 {
        loom.result(on(0, fill(index))).await.expect("room is made");
    }
    let mut sum = kernel(50, "sum_n", Attributes::new(), 1);
    sum.inputs.extend([local(object(0)), local(object(1500))]);
    let made = loom.result(on(0, sum)).await.expect("added");
    assert!(f32s(&made[0]).iter().all(|element| *element == 15.0));
    let failure = loom.result(on(0, common::fill(60, 32 << 20, 1.0))).await;
    let failure = failure.expect_err("larger than the device");
    assert_eq!(failure.kind, FailureKind::OutOfMemory);
    assert!(failure.message.contains("134217728 bytes wanted"), "{failure}");
    loom.tell(vec![ToExecutor::Stop]);
    loom.handle.ended().await;
}
