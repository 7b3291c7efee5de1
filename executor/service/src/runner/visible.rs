//! Which devices a process sees, and how much of them.

use std::path::{Path, PathBuf};

use drawloom_model::{DeviceIndex, GpuRequest};

/// Where MPS listens unless it is told otherwise.
const MPS_DIRECTORY: &str = "/tmp/nvidia-mps";
/// Says where it listens instead.
const MPS_VARIABLE: &str = "CUDA_MPS_PIPE_DIRECTORY";

/// The variables by which CUDA shows a process its devices and no others. They are named by their
/// uuids, for CUDA's numbers depend on what this process was shown itself.
pub(super) fn variables(
    devices: &[DeviceIndex],
    uuids: &[String],
    request: Option<&GpuRequest>,
) -> Vec<(&'static str, String)> {
    let name = |device: &DeviceIndex| match uuids.get(usize::from(device.0)) {
        Some(uuid) if !uuid.is_empty() => uuid.clone(),
        Some(_) | None => device.0.to_string(),
    };
    let names = devices.iter().map(name).collect::<Vec<_>>();
    let mut variables = vec![("CUDA_VISIBLE_DEVICES", names.join(","))];
    if let Some(request) = request
        && let Some(directory) = mps_directory()
    {
        variables.push((MPS_VARIABLE, directory.display().to_string()));
        if let Some(percent) = share_percent(request) {
            variables.push(("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", percent.to_string()));
        }
    }
    variables
}

/// The share of a device's multiprocessors that MPS is to leave to a process; none where it has
/// all of them.
fn share_percent(request: &GpuRequest) -> Option<u32> {
    (request.milli < 1000).then(|| request.milli.div_ceil(10).max(1))
}

/// Where MPS listens, if it runs.
fn mps_directory() -> Option<PathBuf> {
    let told = std::env::var_os(MPS_VARIABLE).map(PathBuf::from);
    let directory = told.unwrap_or_else(|| Path::new(MPS_DIRECTORY).to_owned());
    directory.join("control").exists().then_some(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_up_and_whole_devices_have_none() {
        let percent = |milli| {
            share_percent(&GpuRequest {
                devices: 1,
                milli,
                vram_bytes: 0,
                min_compute_capability: 0,
            })
        };
        assert_eq!([0, 1, 250, 251, 999].map(percent), [1, 1, 25, 26, 100].map(Some));
        assert_eq!(percent(1000), None);
    }

    #[test]
    fn a_device_without_a_name_has_its_number() {
        let uuids = ["GPU-a".to_owned(), String::new()];
        let devices = [2, 0, 1].map(DeviceIndex);
        let [visible] = &variables(&devices, &uuids, None)[..] else { panic!("one variable") };
        assert_eq!(*visible, ("CUDA_VISIBLE_DEVICES", "2,GPU-a,1".to_owned()));
    }
}
