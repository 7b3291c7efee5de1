//! What processes see of devices.

mod common;
#[path = "common/gpu.rs"]
mod gpu;

use common::*;
use drawloom_model::{Assignment, DeviceIndex, GpuRequest, ResourceRequest};
use gpu::{simulate_machine, start};

const SHOW: &str =
    "echo \"$CUDA_VISIBLE_DEVICES|$CUDA_MPS_ACTIVE_THREAD_PERCENTAGE|$CUDA_MPS_PIPE_DIRECTORY\"";

/// A process that shows what it sees.
fn shows(index: u32, milli: u32, devices: &[u16]) -> Assignment {
    let mut shows = process(index, script(SHOW, vec![drawloom_model::ProcessOutput::Stdout]));
    let count = devices.len() as u16;
    let gpu = GpuRequest { devices: count, milli, vram_bytes: 0, min_compute_capability: 0 };
    *request(&mut shows) =
        ResourceRequest { gpu: (count > 0).then_some(gpu), ..ResourceRequest::default() };
    shows.devices.extend(devices.iter().copied().map(DeviceIndex));
    shows
}

#[tokio::test]
async fn processes_see_their_devices_by_uuid_and_their_shares_where_mps_runs() {
    let mps = tempfile::tempdir().expect("a folder");
    let pipes = mps.path().to_str().expect("UTF-8").to_owned();
    simulate_machine(&[
        ("DRAWLOOM_SIM_DEVICES", "3"),
        ("CUDA_VISIBLE_DEVICES", "2,0"),
        ("CUDA_MPS_PIPE_DIRECTORY", &pipes),
    ]);
    let mut loom = start().await;
    let uuids = loom.handle.info.devices.iter().map(|device| device.uuid.clone());
    let [first, second] = &uuids.collect::<Vec<_>>()[..] else { panic!("two devices") };
    assert!(first.ends_with("02") && second.ends_with("00"), "{first} {second}");
    let mut say = async |index, milli, devices: &[u16]| {
        let made = loom.result(shows(index, milli, devices)).await.expect("it runs");
        String::from_utf8(made[0].data.to_vec()).expect("text").trim().to_owned()
    };
    assert_eq!(say(1, 250, &[0]).await, format!("{first}||"), "MPS does not run");
    std::fs::write(mps.path().join("control"), []).expect("written");
    assert_eq!(say(2, 250, &[0]).await, format!("{first}|25|{pipes}"));
    assert_eq!(say(3, 1000, &[1, 0]).await, format!("{second},{first}||{pipes}"));
    assert_eq!(say(4, 0, &[]).await, "||", "a process without devices sees none");
}
