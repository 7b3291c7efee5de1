//! Plans of calls of every kernel, looked at without a device.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use drawloom_gpu_check::suite::{Call, calls};
use drawloom_kernels_gpu::{
    Argument, Buffer, CPU_ONLY, Device, Entry, Launch, ParameterType, Plan, PlanError, Product,
    entries, modules, plan,
};
use drawloom_model::{Attributes, KernelCall, ObjectType, Shape};

const DEVICES: [Device; 2] =
    [Device { compute_capability: (7, 5) }, Device { compute_capability: (9, 0) }];

/// What PTX calls a parameter that takes this argument; a number of so many bytes by its size alone.
fn parameter(argument: &Argument) -> (usize, bool) {
    match argument {
        Argument::Address(_) => (8, false),
        Argument::Longs(values) => (8 * values.len(), true),
        Argument::Ints(values) => (4 * values.len(), true),
        value => (value.bytes().expect("a value").len(), false),
    }
}

/// The size of a parameter such as `u64` or `b8 name[40]`, and whether it is a structure.
fn declared(parameter: &ParameterType) -> (usize, bool) {
    (parameter.bytes as usize, parameter.text.ends_with(']'))
}

/// The kernels of every module.
static KERNELS: LazyLock<BTreeMap<&str, Vec<Entry>>> =
    LazyLock::new(|| modules().iter().map(|module| (module.name, entries(module.ptx))).collect());

fn check_launch(launch: &Launch, plan: &Plan, call: &Call) {
    let name = format!("{}: {}.{}", call.describe(), launch.module.name(), launch.entry);
    let kernel = KERNELS[launch.module.name()].iter().find(|one| one.name == launch.entry);
    let kernel = kernel.unwrap_or_else(|| panic!("{name}: no entry"));
    let declared: Vec<(usize, bool)> = kernel.parameters.iter().map(declared).collect();
    let given: Vec<(usize, bool)> = launch.arguments.iter().map(parameter).collect();
    assert_eq!(given, declared, "{name}");
    assert!(launch.grid[0] > 0 && launch.grid[0] < 1 << 31, "{name}");
    assert!(launch.block[0] > 0 && launch.block[0] <= 1024, "{name}");
    assert_eq!((&launch.grid[1..], &launch.block[1..]), (&[1, 1][..], &[1, 1][..]), "{name}");
    assert!(launch.shared_bytes <= 32 << 10, "{name}");
    for argument in &launch.arguments {
        let within = match argument {
            Argument::Address(Buffer::Input(place)) => *place < call.inputs.len(),
            Argument::Address(Buffer::Output(place)) => *place < plan.outputs.len(),
            Argument::Address(Buffer::Scratch(place)) => *place < plan.scratch.len(),
            _ => true,
        };
        assert!(within, "{name}: {argument:?}");
    }
}

#[test]
fn launches_give_kernels_what_they_take() {
    let mut planned = std::collections::BTreeSet::new();
    for call in calls(1) {
        for device in DEVICES {
            match plan(&call.call, &call.types(), device) {
                Ok(plan) => {
                    plan.launches.iter().for_each(|launch| check_launch(launch, &plan, &call));
                    planned.insert(call.call.name.clone());
                }
                Err(PlanError::Unsupported { reason, .. }) => {
                    panic!("{}: {reason}", call.describe())
                }
                Err(_) => {}
            }
        }
    }
    let all = drawloom_signature::catalogue().iter().map(|signature| signature.name);
    let missing: Vec<&str> =
        all.filter(|name| !planned.contains(*name) && !CPU_ONLY.contains(name)).collect();
    assert!(missing.is_empty(), "no calls of {missing:?}");
}

fn refusal(kernel: &str, inputs: &[&str]) -> String {
    let call = KernelCall { name: kernel.to_owned(), attributes: Attributes::new() };
    let inputs: Vec<ObjectType> = inputs.iter().map(|text| text.parse().expect("a type")).collect();
    plan(&call, &inputs, DEVICES[0]).expect_err("no plan").to_string()
}

#[test]
fn calls_without_a_plan_are_told() {
    assert_eq!(refusal("nope", &[]), r#"there is no kernel "nope""#);
    assert_eq!(refusal("noop", &[]), "noop has no CUDA form for this call: it is for CPUs alone");
    assert_eq!(
        refusal("matmul", &["f32[2, 3]", "f32[2, 3]"]),
        "matmul: inner extents differ: a is f32[2, 3], b is f32[2, 3]"
    );
    assert_eq!(refusal("max", &["f32[0]"]), "max: there are no elements to choose from");
    assert_eq!(
        refusal("add", &["u8[2, 1, 2, 1, 2]", "u8[1, 2, 1, 2, 1]"]),
        "add has no CUDA form for this call: shapes broadcast along more than 4 axes"
    );
    assert_eq!(
        refusal("add", &["f32[65536, 65536]", "f32[65536]"]),
        "add has no CUDA form for this call: 4294967296 is beyond 32 bits"
    );
}

#[test]
fn tensor_cores_multiply_halves_where_there_are_any() {
    let call = KernelCall { name: "matmul".to_owned(), attributes: Attributes::new() };
    let inputs = ["bf16[64, 256]", "bf16[256, 32]"].map(|text| text.parse().expect("a type"));
    let module = |device| {
        let plan = plan(&call, &inputs, device).expect("a plan");
        plan.launches[0].module.name().to_owned()
    };
    assert_eq!(DEVICES.map(module), ["matmul_bf16", "matmul_mma_bf16"]);
}

#[test]
fn products_are_told_to_whoever_has_a_library() {
    let product = |a: &str, b: &str| -> Option<[u64; 6]> {
        let call = KernelCall { name: "matmul".to_owned(), attributes: Attributes::new() };
        let inputs = [a, b].map(|text| text.parse().expect("a type"));
        let product = plan(&call, &inputs, DEVICES[0]).expect("a plan").product?;
        let Product { rows, columns, inner, products, a_step, b_step, .. } = product;
        Some([rows, columns, inner, products, a_step, b_step])
    };
    assert_eq!(product("f32[3, 4]", "f32[4, 5]"), Some([3, 5, 4, 1, 0, 0]));
    assert_eq!(product("f32[7, 3, 4]", "f32[4, 5]"), Some([21, 5, 4, 1, 0, 0]));
    assert_eq!(product("f32[3, 4]", "f32[7, 4, 5]"), Some([3, 5, 4, 7, 0, 20]));
    assert_eq!(product("f64[7, 3, 4]", "f64[7, 4, 5]"), Some([3, 5, 4, 7, 12, 20]));
    assert_eq!(product("f32[7, 1, 3, 4]", "f32[2, 4, 5]"), None);
}

/// What `docs/decisions/0012-no-graphs.md` counts on: chains within a plan are short. With `--nocapture`
/// the numbers are shown.
#[test]
fn most_calls_are_one_launch() {
    let mut plans_by_launches = BTreeMap::new();
    for call in calls(1) {
        if let Ok(plan) = plan(&call.call, &call.types(), DEVICES[1]) {
            *plans_by_launches.entry(plan.launches.len()).or_insert(0) += 1;
        }
    }
    let count = |range: std::ops::RangeInclusive<usize>| -> i32 {
        plans_by_launches.range(range).map(|(_, count)| count).sum()
    };
    let (all, short) = (count(0..=usize::MAX), count(0..=2));
    eprintln!("calls by launches: {plans_by_launches:?}; {short} of {all} have two at most");
    assert!(f64::from(short) > 0.9 * f64::from(all), "{plans_by_launches:?}");
}

/// The types of a call with all extents of one value replaced.
fn stretched(types: &[ObjectType], from: u64, to: u64) -> Vec<ObjectType> {
    let stretch = |object_type: &ObjectType| match object_type {
        ObjectType::Blob => ObjectType::Blob,
        ObjectType::Tensor { dtype, shape } => {
            let extent = |extent: &u64| if *extent == from { to } else { *extent };
            let shape = Shape::new(shape.extents().iter().map(extent));
            ObjectType::Tensor { dtype: *dtype, shape }
        }
    };
    types.iter().map(stretch).collect()
}

/// Whether memory can hold tensors of these types; those without elements have any extents.
fn can_be(types: &[ObjectType]) -> bool {
    types.iter().all(|object_type| match object_type {
        ObjectType::Blob => true,
        ObjectType::Tensor { dtype, shape } => {
            let extents = shape.extents();
            let elements = match extents.contains(&0) {
                true => Some(0),
                false => {
                    extents.iter().try_fold(1u64, |product, extent| product.checked_mul(*extent))
                }
            };
            elements.is_some_and(|elements| elements < 1 << 44 && dtype.size_bytes() > 0)
        }
    })
}

#[test]
fn no_extents_are_too_large_to_be_looked_at() {
    let mut planned = 0;
    for call in calls(1) {
        let types = call.types();
        let mut extents: Vec<u64> = types
            .iter()
            .filter_map(|object_type| match object_type {
                ObjectType::Tensor { shape, .. } => Some(shape.extents().to_vec()),
                ObjectType::Blob => None,
            })
            .flatten()
            .collect();
        extents.sort_unstable();
        extents.dedup();
        for &large in &extents {
            for to in [1 << 20, 1 << 31, (1 << 32) + 1, 1 << 40, 1 << 62] {
                let types = stretched(&types, large, to);
                let others = extents.iter().filter(|extent| **extent != large);
                let emptied = others.map(|none| stretched(&types, *none, 0));
                for types in emptied.chain([types.clone()]).filter(|types| can_be(types)) {
                    for device in DEVICES {
                        // It need not have a plan, but it is looked at without a panic.
                        let Ok(plan) = plan(&call.call, &types, device) else { continue };
                        planned += 1;
                        for launch in &plan.launches {
                            assert!(launch.grid[0] > 0 && launch.grid[0] < 1 << 31);
                        }
                    }
                }
            }
        }
    }
    assert!(planned > 10_000, "{planned}");
}
