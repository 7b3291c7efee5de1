//! The floors of the house: which crate may use which.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Every crate and what it may use beside `drawloom-model`, which all may use.
const FLOORS: &[(&str, &[&str])] = &[
    ("drawloom-model", &[]),
    ("drawloom-signature", &[]),
    ("drawloom-proto", &[]),
    ("drawloom-kernels", &["drawloom-signature"]),
    ("drawloom-kernels-gpu", &["drawloom-signature"]),
    ("drawloom-graphfile", &["drawloom-signature"]),
    ("drawloom-plan", &[]),
    ("drawloom-scheduler-core", &["drawloom-plan"]),
    ("drawloom-sim", &["drawloom-plan", "drawloom-scheduler-core", "drawloom-executor-core"]),
    ("drawloom-scheduler", &["drawloom-scheduler-core", "drawloom-proto", "drawloom-signature"]),
    ("drawloom-executor-core", &[]),
    ("drawloom-cuda", &["drawloom-kernels-gpu"]),
    ("drawloom-nvml", &[]),
    (
        "drawloom-executor",
        &[
            "drawloom-executor-core",
            "drawloom-cuda",
            "drawloom-nvml",
            "drawloom-proto",
            "drawloom-kernels",
            "drawloom-signature",
        ],
    ),
    ("drawloom-client", &["drawloom-proto", "drawloom-signature"]),
    (
        "drawloom-cluster",
        &["drawloom-scheduler", "drawloom-scheduler-core", "drawloom-executor", "drawloom-client"],
    ),
    (
        "drawloom-bench",
        &["drawloom-client", "drawloom-cluster", "drawloom-kernels", "drawloom-signature"],
    ),
    (
        "drawloom-cli",
        &[
            "drawloom-proto",
            "drawloom-scheduler",
            "drawloom-executor",
            "drawloom-cuda",
            "drawloom-client",
            "drawloom-cluster",
            "drawloom-graphfile",
            "drawloom-bench",
            "drawloom-sim",
            "drawloom-signature",
        ],
    ),
    ("drawloom-tests", &[]),
    (
        "drawloom-gpu-check",
        &[
            "drawloom-cuda",
            "drawloom-nvml",
            "drawloom-kernels",
            "drawloom-kernels-gpu",
            "drawloom-cuda-sim",
            "drawloom-nvml-sim",
        ],
    ),
    ("drawloom-gpu-sim", &[]),
    ("drawloom-cuda-sim", &["drawloom-gpu-sim"]),
    ("drawloom-nvml-sim", &["drawloom-gpu-sim"]),
    ("xtask", &[]),
];

/// Crates that decide without I/O.
const PURE: &[&str] = &[
    "drawloom-model",
    "drawloom-signature",
    "drawloom-kernels-gpu",
    "drawloom-plan",
    "drawloom-scheduler-core",
    "drawloom-executor-core",
];

/// What a crate without I/O has no use for.
const IMPURE: &[&str] =
    &["tokio", "tonic", "hyper", "axum", "rayon", "rustix", "libc", "crossbeam-channel", "rand"];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo tells the workspace's metadata")
}

/// What `package` depends on outside its tests.
fn dependencies(package: &Package) -> BTreeSet<&str> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .map(|dependency| dependency.name.as_str())
        .collect()
}

#[test]
fn crates_use_only_the_floors_below_them() {
    let metadata = metadata();
    let floors: BTreeMap<&str, &[&str]> = FLOORS.iter().copied().collect();
    let mut faults = Vec::new();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        let Some(allowed) = floors.get(name) else {
            faults.push(format!("{name} has no row in the table of floors"));
            continue;
        };
        let ours = dependencies(package).into_iter().filter(|name| floors.contains_key(name));
        let refused = ours.filter(|used| *used != "drawloom-model" && !allowed.contains(used));
        faults.extend(refused.map(|used| format!("{name} must not use {used}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn crates_that_decide_do_no_input_or_output() {
    let metadata = metadata();
    let mut faults = Vec::new();
    for package in metadata.workspace_packages() {
        if PURE.contains(&package.name.as_str()) {
            let used = dependencies(package);
            let refused = IMPURE.iter().filter(|name| used.contains(**name));
            faults.extend(refused.map(|used| format!("{} must not use {used}", package.name)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
