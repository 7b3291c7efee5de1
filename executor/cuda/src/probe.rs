//! Which devices there are. Neither a missing library nor one without a symbol that is needed ends
//! the process.

use std::panic::catch_unwind;
use std::sync::Arc;

use cudarc::driver::{CudaContext, sys};

use crate::{Device, Error};

/// Why there are no devices.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Missing {
    /// There is no driver's library.
    #[error("there is no libcuda")]
    NoLibrary,
    /// The library is not what is expected.
    #[error("libcuda cannot be used: {0}")]
    Unusable(String),
}

/// Opens every device, in the driver's order. Those that cannot be opened are left out, with a
/// warning.
///
/// # Errors
/// There is no driver, or it is of no use.
pub fn devices() -> Result<Vec<Arc<Device>>, Missing> {
    // SAFETY: looks whether the library can be loaded; its start-up code is the driver's own.
    if !unsafe { sys::is_culib_present() } {
        return Err(Missing::NoLibrary);
    }
    // The bindings panic where a symbol is missing.
    let count = catch_unwind(CudaContext::device_count)
        .map_err(|_| Missing::Unusable("it lacks a symbol".to_owned()))?
        .map_err(|error| Missing::Unusable(format!("{error:?}")))?;
    let mut found = Vec::new();
    for ordinal in 0..usize::try_from(count).unwrap_or_default() {
        match open(ordinal) {
            Ok(device) => found.push(Arc::new(device)),
            Err(why) => tracing::warn!(ordinal, why, "a device cannot be used"),
        }
    }
    Ok(found)
}

/// Opens the device that has this number with the driver.
///
/// # Errors
/// There is none, or it does not answer.
pub fn open(ordinal: usize) -> Result<Device, String> {
    let opened = catch_unwind(|| Device::open(ordinal));
    let opened = opened.map_err(|_| "libcuda lacks a symbol".to_owned())?;
    opened.map_err(|error: Error| error.to_string())
}
