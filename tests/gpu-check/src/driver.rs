//! The device to check, or what is missing.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use drawloom_cuda::{Device, Missing, devices};
use drawloom_cuda_sim::client::{self, Library};

/// Names a driver's library to use in place of the system's.
const LIBRARY: &str = "DRAWLOOM_LIBCUDA";
/// The least compute capability that the kernels are compiled for.
const LEAST_CAPABILITY: (u32, u32) = (7, 5);

/// Whose device is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// A real one, by its number.
    Real(usize),
    /// A simulated one.
    Simulated,
    /// A real one where there is a driver, else a simulated one.
    Any,
}

/// Why there is no device to check.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what}{}", hint.as_deref().map(|hint| format!("\n{hint}")).unwrap_or_default())]
pub struct Absent {
    /// What is missing.
    pub what: String,
    /// What may help.
    pub hint: Option<String>,
}

impl Absent {
    fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Absent { what: what.into(), hint: Some(hint.into()) }
    }
}

/// Opens the device. The first call of a process decides which driver it uses.
///
/// # Errors
/// There is none, with what is missing for it.
pub fn open(wanted: Wanted) -> Result<Arc<Device>, Absent> {
    if wanted == Wanted::Simulated {
        return simulated();
    }
    if let Some(path) = std::env::var_os(LIBRARY) {
        load(&path)?;
    }
    match (devices(), wanted) {
        (Ok(found), Wanted::Real(number)) => real(found, number),
        (Ok(found), _) if !found.is_empty() => Ok(Arc::clone(&found[0])),
        (Err(Missing::NoLibrary), Wanted::Any) => simulated(),
        (Ok(_), _) => Err(none_visible()),
        (Err(missing), _) => Err(no_driver(&missing)),
    }
}

fn load(path: &OsStr) -> Result<(), Absent> {
    let loaded = Library::load(Path::new(path));
    let what = || format!("{LIBRARY} names {}, which cannot be loaded", path.display());
    loaded.map(drop).ok_or_else(|| Absent { what: what(), hint: None })
}

fn simulated() -> Result<Arc<Device>, Absent> {
    let build = "build it with `cargo build -p drawloom-cuda-sim -p drawloom-nvml-sim`";
    let path = client::library_path()
        .ok_or_else(|| Absent::new("the simulated driver is not beside this program", build))?;
    Library::load(&path)
        .ok_or_else(|| Absent::new("the simulated driver cannot be loaded", build))?;
    // Only limits are asked of it, and they are told as unknown without it.
    let _management = drawloom_nvml_sim::library_path().and_then(|path| Library::load(&path));
    let found = devices().map_err(|missing| no_driver(&missing))?;
    found.into_iter().next().ok_or_else(none_visible)
}

fn real(found: Vec<Arc<Device>>, number: usize) -> Result<Arc<Device>, Absent> {
    if found.is_empty() {
        return Err(none_visible());
    }
    let count = found.len();
    let device = found.into_iter().nth(number).ok_or_else(|| Absent {
        what: format!("there is no device {number}: the driver knows {count}"),
        hint: None,
    })?;
    let properties = device.properties();
    let (major, minor) = properties.compute_capability;
    if properties.is_simulated {
        let what = "the driver's library is a stand-in whose devices are simulated";
        return Err(Absent::new(what, "say --simulated to check with it all the same"));
    }
    if (major, minor) < LEAST_CAPABILITY {
        let (least_major, least_minor) = LEAST_CAPABILITY;
        let what = format!(
            "{} has compute capability {major}.{minor}: the kernels need {least_major}.{least_minor}",
            properties.name
        );
        return Err(Absent { what, hint: None });
    }
    Ok(device)
}

fn none_visible() -> Absent {
    let hint = match std::env::var("CUDA_VISIBLE_DEVICES") {
        Ok(visible) => format!("CUDA_VISIBLE_DEVICES is {visible:?}, which may hide some"),
        Err(_) => device_files(),
    };
    Absent::new("the driver knows no device that can be used", hint)
}

fn no_driver(missing: &Missing) -> Absent {
    match missing {
        Missing::NoLibrary => Absent::new(
            "there is no libcuda.so.1, which comes with NVIDIA's driver",
            match kernel_driver() {
                Some(version) => format!(
                    "the kernel has the driver ({version}), so only its library is missing here: in a \
                     container, it comes with `--gpus all` and the NVIDIA container toolkit"
                ),
                None => "the kernel has no driver of NVIDIA's, either: install it, or run this \
                         where there is a GPU"
                    .to_owned(),
            },
        ),
        Missing::Unusable(why) if why.contains("NO_DEVICE") => none_visible(),
        Missing::Unusable(why) => {
            Absent::new(format!("libcuda cannot be used: {why}"), device_files())
        }
    }
}

/// The first line of what the kernel's driver says of itself.
fn kernel_driver() -> Option<String> {
    let text = std::fs::read_to_string("/proc/driver/nvidia/version").ok()?;
    text.lines().next().map(|line| line.trim().to_owned())
}

fn device_files() -> String {
    match (kernel_driver(), Path::new("/dev/nvidiactl").exists()) {
        (Some(_), true) => "the kernel has the driver and /dev/nvidiactl is there: see `dmesg` for \
                            why it does not answer, and whether library and kernel are of one version"
            .to_owned(),
        (Some(_), false) => "the kernel has the driver, but /dev/nvidiactl is not here: in a \
                             container, devices come with `--gpus all`"
            .to_owned(),
        (None, _) => "the kernel has no driver of NVIDIA's (/proc/driver/nvidia is missing)".to_owned(),
    }
}
