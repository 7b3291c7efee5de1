//! The simulated machine through the real nvml-wrapper, together with the simulated driver.

use std::sync::Arc;

use cudarc::driver::{CudaContext, LaunchConfig};
use cudarc::nvrtc::Ptx;
use drawloom_cuda_sim::client::Library;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enum_wrappers::device::{
    EccCounter, MemoryError, TemperatureSensor, TopologyLevel,
};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

const EMPTY: &str = "
.version 7.0
.target sm_70
.address_size 64
.visible .entry empty() { ret; }
";

fn launch(context: &Arc<CudaContext>) {
    let stream = context.new_stream().expect("a stream");
    let module = context.load_module(Ptx::from_src(EMPTY)).expect("a module");
    let kernel = module.load_function("empty").expect("a kernel");
    let shape = LaunchConfig { grid_dim: (1, 1, 1), block_dim: (1, 1, 1), shared_mem_bytes: 0 };
    // SAFETY: the kernel takes nothing.
    unsafe { stream.launch_builder(&kernel).launch(shape) }.expect("a launch");
    // Whether it failed is what the test looks at.
    let _ = stream.synchronize();
}

fn links(device: &Device<'_>) -> Vec<String> {
    let up = (0..18)
        .map(|link| device.link_wrapper_for(link))
        .filter(|link| matches!(link.is_active(), Ok(true)));
    up.map(|link| link.remote_pci_info().expect("the other end").bus_id).collect()
}

#[test]
fn the_machine_is_told_as_it_is_described() {
    for (name, value) in [
        ("DRAWLOOM_SIM_DEVICES", "4"),
        ("DRAWLOOM_SIM_MEMORY", "1G,2G"),
        ("DRAWLOOM_SIM_LINKS", "pairs"),
        ("DRAWLOOM_SIM_NUMA", "0,0,1"),
    ] {
        // SAFETY: this is the only test of the process, and nothing runs yet.
        unsafe { std::env::set_var(name, value) };
    }
    let driver = drawloom_cuda_sim::client::library_path().expect("cargo builds it");
    let library = Library::load(&driver).expect("it loads");
    let path = drawloom_nvml_sim::library_path().expect("cargo builds it");
    let nvml = Nvml::builder().lib_path(path.as_os_str()).init().expect("it starts");
    assert!(nvml.sys_driver_version().expect("a version").contains("simulated"));
    assert_eq!(nvml.device_count().expect("an answer"), 4);

    let context = CudaContext::new(1).expect("a device");
    let device = nvml.device_by_index(1).expect("a device");
    let raw = context.uuid().expect("a UUID");
    let hex: String = raw.bytes.iter().map(|byte| format!("{:02x}", *byte as u8)).collect();
    assert_eq!(device.uuid().expect("a UUID").replace('-', ""), format!("GPU{hex}"));
    assert!(device.name().expect("a name").contains("Simulated"));
    assert_eq!(device.numa_node_id().expect("an answer"), 0);
    assert_eq!(nvml.device_by_index(3).expect("a device").numa_node_id().expect("an answer"), 1);
    assert!(device.cuda_compute_capability().expect("a capability").major == 8);

    let stream = context.new_stream().expect("a stream");
    let held = stream.alloc_zeros::<u8>(100 << 20).expect("memory");
    let memory = device.memory_info().expect("numbers");
    assert_eq!((memory.total, memory.used), (2 << 30, 100 << 20));
    let processes = device.running_compute_processes().expect("a list");
    assert_eq!(processes.len(), 1);
    assert_eq!(processes[0].pid, std::process::id());
    drop(held);

    assert_eq!(links(&device), ["00000000:10:00.0"]);
    let (first, third) =
        (nvml.device_by_index(0).expect("one"), nvml.device_by_index(2).expect("one"));
    assert_eq!(
        device.topology_common_ancestor(first).expect("an answer"),
        TopologyLevel::HostBridge
    );
    assert_eq!(device.topology_common_ancestor(third).expect("an answer"), TopologyLevel::System);
    assert!(device.mig_mode().expect("an answer").current == 0);
    assert!(device.temperature(TemperatureSensor::Gpu).expect("degrees") < 60);
    assert!(device.power_usage().expect("milliwatts") > 0);
    assert!(device.current_throttle_reasons().expect("bits").is_empty());
    device.utilization_rates().expect("percents");

    let events = nvml.create_event_set().expect("a set");
    let events =
        device.register_events(EventTypes::CRITICAL_XID_ERROR, events).expect("they are told");
    assert!(matches!(events.wait(1), Err(NvmlError::Timeout)));
    assert!(library.inject("ecc:1@1"));
    launch(&context);
    let event = events.wait(1000).expect("an event");
    assert!(format!("{event:?}").contains("48"), "{event:?}");
    let errors = device.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile);
    assert_eq!(errors.expect("a number"), 1);
    assert!(library.lose(1));
    assert!(matches!(device.memory_info(), Err(NvmlError::GpuLost)));
    assert!(nvml.device_by_index(0).expect("another").memory_info().is_ok());
}
