//! Processes that share a machine see each other through the file of live state.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use cudarc::driver::CudaContext;
use drawloom_cuda_sim::client::{Library, library_path};
use nvml_wrapper::Nvml;

/// Set for the process that uses the device.
const ROLE: &str = "DRAWLOOM_TEST_ROLE";

/// Holds memory until it is told to end.
fn hold() {
    Library::load(&library_path().expect("cargo builds it")).expect("it loads");
    let context = CudaContext::new(0).expect("a device");
    let stream = context.new_stream().expect("a stream");
    let _held = stream.alloc_zeros::<u8>(64 << 20).expect("memory");
    stream.synchronize().expect("it ends");
    let mut out = std::io::stdout();
    writeln!(out, "\nholding").and_then(|()| out.flush()).expect("the other process reads");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("the other process writes");
}

#[test]
fn memory_of_other_processes_is_seen() {
    if std::env::var_os(ROLE).is_some() {
        return hold();
    }
    let state = std::env::temp_dir().join(format!("drawloom-sim-{}", std::process::id()));
    // SAFETY: this is the only test of the process, and nothing runs yet.
    unsafe {
        std::env::set_var("DRAWLOOM_SIM_STATE", &state);
        std::env::set_var("DRAWLOOM_SIM_MEMORY", "128M");
    }
    let nvml = drawloom_nvml_sim::library_path().expect("cargo builds it");
    let nvml = Nvml::builder().lib_path(nvml.as_os_str()).init().expect("it starts");
    let device = nvml.device_by_index(0).expect("a device");
    assert_eq!(device.memory_info().expect("numbers").used, 0);

    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "memory_of_other_processes_is_seen", "--nocapture"])
        .env(ROLE, "holder")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let told = lines.map_while(Result::ok).any(|line| line == "holding");
    assert!(told, "the other process holds memory");
    assert_eq!(device.memory_info().expect("numbers").used, 64 << 20);
    let users = device.running_compute_processes().expect("a list");
    assert_eq!(users.iter().map(|user| user.pid).collect::<Vec<_>>(), [child.id()]);

    // The driver of this process knows that less is left.
    Library::load(&library_path().expect("cargo builds it")).expect("it loads");
    let context = CudaContext::new(0).expect("a device");
    assert_eq!(context.mem_get_info().expect("numbers").0, 64 << 20);

    drop(child.stdin.take());
    child.wait().expect("it ends");
    assert_eq!(
        device.memory_info().expect("numbers").used,
        0,
        "a process that ended holds nothing"
    );
    let _ = std::fs::remove_file(state);
}
