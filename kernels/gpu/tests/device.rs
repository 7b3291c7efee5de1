//! Every kernel on a CUDA device, compared with its CPU twin and with the twin in f64.
//!
//! Without a device the tests do nothing and say so. `DRAWLOOM_LIBCUDA` names a driver's library to use
//! in place of the system's, and `DRAWLOOM_KERNEL` the one kernel to try.

mod support;

use std::sync::LazyLock;

use drawloom_kernels_gpu::plan;
use drawloom_model::{DType, ObjectType, Value};
use support::calls::{Call, calls, large_calls};
use support::compare::{Tolerance, difference};
use support::runner::Runner;
use support::twin::twin;
use support::values::{numbers, tensor};

static RUNNER: LazyLock<Option<Runner>> = LazyLock::new(Runner::open);

/// How precisely a call computes: the type of its first floats.
fn precision(call: &Call, outputs: &[Value]) -> DType {
    let dtypes = call.inputs.iter().chain(outputs).map(|value| numbers(value).0);
    let float = |dtype: &DType| !matches!(dtype, DType::U8 | DType::I32 | DType::I64);
    let least = |dtype: &DType| match dtype {
        DType::BF16 => 0,
        DType::F16 => 1,
        DType::F32 => 2,
        _ => 3,
    };
    dtypes.filter(float).min_by_key(least).unwrap_or(DType::F64)
}

/// What a device makes of a call, or what it or the plan says is at fault.
fn on_device(runner: &Runner, call: &Call) -> Result<Vec<Value>, String> {
    let plan =
        plan(&call.call, &call.types(), runner.device()).map_err(|error| error.to_string())?;
    let made = runner.run(&plan, &call.inputs).unwrap_or_else(|error| {
        let launches: Vec<String> = plan
            .launches
            .iter()
            .map(|one| format!("{}.{}", one.module.name(), one.entry))
            .collect();
        panic!("{}: {error:?} in {launches:?}", call.describe())
    });
    made.map_err(|message| format!("{}: {message}", call.call.name))
}

fn near(
    got: &[Value],
    expected: &[Value],
    dtype: DType,
    tolerance: Tolerance,
) -> Result<(), String> {
    for (place, (got, expected)) in got.iter().zip(expected).enumerate() {
        difference(got, expected, dtype, tolerance)
            .map_err(|message| format!("output {place}: {message}"))?;
    }
    Ok(())
}

fn check(runner: &Runner, call: &Call) -> Result<(), String> {
    match (on_device(runner, call), twin(&call.call, &call.inputs)) {
        (Err(got), Err(expected)) if got == expected => Ok(()),
        (Ok(got), Ok(expected)) => {
            let types = |values: &[Value]| -> Vec<ObjectType> {
                values.iter().map(|value| value.object_type.clone()).collect()
            };
            if types(&got) != types(&expected) {
                return Err(format!("types differ: {:?}", types(&got)));
            }
            near(&got, &expected, precision(call, &got), call.tolerance)?;
            reference(call).map_or(Ok(()), |reference| {
                near(&got, &reference, DType::F32, call.tolerance)
                    .map_err(|message| format!("in f64: {message}"))
            })
        }
        (got, expected) => {
            let shown = |result: Result<Vec<Value>, String>| result.map(|_| "results");
            Err(format!("{:?}, the CPU twin {:?}", shown(got), shown(expected)))
        }
    }
}

/// What the CPU twin makes of a call of f32 in f64, where that tells something.
fn reference(call: &Call) -> Option<Vec<Value>> {
    let is_f32 = |value: &Value| numbers(value).0 == DType::F32;
    if !call.has_reference
        || !call.inputs.iter().any(is_f32)
        || call.call.attributes.contains_key("dtype")
    {
        return None;
    }
    let widened = |value: &Value| match &value.object_type {
        ObjectType::Tensor { dtype: DType::F32, shape } => {
            tensor(DType::F64, shape.extents(), &numbers(value).1)
        }
        _ => value.clone(),
    };
    let inputs: Vec<Value> = call.inputs.iter().map(widened).collect();
    twin(&call.call, &inputs).ok()
}

fn check_all(calls: &[Call]) {
    let Some(runner) = &*RUNNER else {
        eprintln!("there is no CUDA device; nothing is tested");
        return;
    };
    let only = std::env::var("DRAWLOOM_KERNEL").ok();
    let wanted = |call: &&Call| only.as_deref().is_none_or(|only| call.call.name == only);
    let (mut tried, mut faults) = (0, Vec::new());
    for call in calls.iter().filter(wanted) {
        tried += 1;
        if let Err(fault) = check(runner, call) {
            eprintln!("{}: {fault}", call.describe());
            faults.push(call.call.name.clone());
        }
    }
    faults.sort();
    faults.dedup();
    assert!(faults.is_empty(), "of {tried} calls, some of {faults:?} are wrong");
    eprintln!("{tried} calls on {}", runner.name());
}

#[test]
fn kernels_make_what_their_cpu_twins_make() {
    check_all(&calls(7));
}

/// The same with other numbers, where `DRAWLOOM_SEED` gives one.
#[test]
fn other_numbers_too() {
    if let Some(seed) = std::env::var("DRAWLOOM_SEED").ok().and_then(|seed| seed.parse().ok()) {
        check_all(&calls(seed));
    }
}

#[test]
#[ignore = "takes a minute on a simulated device"]
fn large_calls_too() {
    check_all(&large_calls(7));
}
