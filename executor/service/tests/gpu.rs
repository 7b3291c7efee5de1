//! Kernels on simulated GPUs: the real executor and the real bindings, and a stand-in for the driver.

mod common;
#[path = "common/gpu.rs"]
mod gpu;

use common::*;
use drawloom_model::{
    Assignment, Attribute, Attributes, DType, FailureKind, ObjectType, Shape, Value,
};
use gpu::{on, start_with_gpus};

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
    let loom = start_with_gpus().await;
    let info = &loom.handle.info;
    assert_eq!((info.devices.len(), info.capacity.devices.len()), (2, 2));
    assert!(info.devices.iter().all(|device| device.name.contains("Simulated")), "{info:?}");
    let capacity = &info.capacity.devices[0];
    assert_eq!((capacity.milli, capacity.compute_capability), (1000, 80));
    assert!(capacity.vram_bytes > 32 << 20 && capacity.vram_bytes < 64 << 20);
}

#[tokio::test]
async fn a_device_makes_what_the_cores_make() {
    let mut loom = start_with_gpus().await;
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
    let product = async |index: u32| {
        let read = loom.handle.objects().read(object(100 * (index + 2))).await;
        f32s(&read.expect("it can be read").expect("it is kept"))
    };
    let (first, cores, second) = (product(1).await, product(11).await, product(21).await);
    assert_eq!(first, second);
    assert_eq!(cores.len(), 33 * 17);
    for (device, core) in first.iter().zip(&cores) {
        assert!((device - core).abs() <= 1e-4 * core.abs().max(1.0), "{device} {core}");
    }
}

#[tokio::test]
async fn what_the_inputs_hold_is_checked_as_on_cores() {
    let mut loom = start_with_gpus().await;
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
