//! Telemetry of the simulated machine.

use drawloom_cuda_sim::client::Library as Driver;
use drawloom_nvml::Library;

#[test]
fn a_device_is_watched_from_its_health_to_its_loss() {
    // SAFETY: this is the only test of the process, and nothing runs yet.
    unsafe { std::env::set_var("DRAWLOOM_SIM_DEVICES", "2") };
    let path = drawloom_nvml_sim::library_path().expect("cargo builds it");
    // What has its name is loaded, so the library is found by it.
    Driver::load(&path).expect("it loads");
    let path = drawloom_cuda_sim::client::library_path().expect("cargo builds it");
    let driver = Driver::load(&path).expect("it loads");
    assert!(driver.set_foreign_bytes(1, 5 << 20));

    let library = Library::open().expect("it starts");
    let found = library.devices();
    assert_eq!(found.len(), 2);
    let watch = library.watch(&found[1].uuid).expect("it is known");
    let sample = watch.sample();
    assert_eq!(sample.memory_used_bytes, Some(5 << 20));
    assert_eq!(sample.memory_bytes, Some(16 << 30));
    assert_eq!((sample.ecc_corrected, sample.ecc_uncorrected), (Some(0), Some(0)));
    assert!(sample.power_watts.is_some_and(|watts| watts > 1.0), "{sample:?}");
    assert!(sample.temperature_celsius.is_some() && sample.busy_percent.is_some(), "{sample:?}");
    assert!(sample.throttling.contains(&("thermal", false)), "{sample:?}");
    assert_eq!(sample.untold(), [] as [&str; 0]);
    assert!(watch.xids().is_empty());

    assert!(driver.lose(1));
    assert_eq!(watch.xids(), [79]);
    assert!(watch.xids().is_empty(), "each is told once");
    let sample = watch.sample();
    assert_eq!((sample.memory_bytes, sample.busy_percent), (None, None));
    assert_eq!(sample.untold().len(), 6);
    let other = library.watch(&found[0].uuid).expect("it is known");
    assert!(other.xids().is_empty() && other.sample().memory_bytes.is_some());
    assert!(library.watch("GPU-none").is_err());
}
