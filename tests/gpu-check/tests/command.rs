//! The command as it is run, on the simulated driver and without any.

use std::process::{Command, Output};

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drawloom-gpu-check"));
    command.args(arguments).envs(environment.iter().copied()).env_remove("DRAWLOOM_LIBCUDA");
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_simulated_device_goes_the_whole_way_and_says_what_it_is() {
    let (code, out, err) = run(&["--simulated", "--quick"], &[]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.starts_with("*** SIMULATED GPU"), "{out}");
    assert!(out.contains("mean nothing of a GPU"), "{out}");
    assert!(out.contains("calls of kernels make what their CPU twins make"), "{out}");
    for figure in [
        "host to device, pageable",
        "host to device, pinned",
        "host to device, as executors do",
        "device to host, pageable",
        "device to host, pinned",
        "device to host, as executors do",
        "copy within the device",
        "matmul f32, own kernels",
        "matmul f16, own kernels",
        "copies beside kernels",
        "launch, one behind the other",
        "launch and wait",
        "call, until launched",
        "call, until ended",
        "one kernel as a graph, re-aimed",
        "chain of 16 kernels as a graph",
    ] {
        assert!(out.lines().any(|line| line.starts_with(figure)), "no {figure} in {out}");
    }
    // The limits follow from what driver and NVML tell of the simulated device.
    assert!(out.contains("2039.0 GB/s") && out.contains("PCIe 4 x16"), "{out}");
}

/// The simulated driver is a library for products, too.
#[test]
fn products_of_a_library_are_told_beside_own_ones() {
    let library = drawloom_cuda_sim::client::library_path().expect("the simulated driver");
    let library = library.to_str().expect("a path");
    let (code, out, err) = run(&["--simulated", "--quick"], &[("DRAWLOOM_CUBLAS", library)]);
    assert_eq!(code, Some(0), "{out}{err}");
    for maker in ["own kernels", "cuBLAS 12.0.0"] {
        assert!(out.contains(&format!("matmul f32, {maker}")), "no {maker} in {out}");
        assert!(out.contains(&format!("matmul f16, {maker}")), "no {maker} in {out}");
    }
}

#[test]
fn a_device_that_fails_is_told() {
    let faults = [("DRAWLOOM_SIM_FAULTS", "launch@30")];
    let (code, _, err) = run(&["--simulated", "--quick"], &faults);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("the device fails after") && err.contains("LAUNCH_FAILED"), "{err}");
}

/// Where kernels do not run, outputs hold rubbish.
#[test]
fn kernels_that_are_wrong_are_told_by_name() {
    let (code, _, err) = run(&["--simulated", "--quick"], &[("DRAWLOOM_SIM_RUN_KERNELS", "0")]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("\"matmul\"") && err.contains("are wrong"), "{err}");
}

/// Whatever driver there is, it shows no device then.
#[test]
fn what_is_missing_is_said_where_there_is_no_gpu() {
    let (code, out, err) = run(&[], &[("CUDA_VISIBLE_DEVICES", "")]);
    assert_eq!(code, Some(3), "{out}{err}");
    assert!(err.contains("no GPU was checked"), "{err}");
    assert!(err.contains("libcuda.so.1") || err.contains("CUDA_VISIBLE_DEVICES"), "{err}");
}

#[test]
fn wrong_use_is_told() {
    for arguments in [&["--nope"][..], &["--device"], &["--seed", "x"]] {
        let (code, _, err) = run(arguments, &[]);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains("usage: cargo xtask gpu-check"), "{err}");
    }
}
