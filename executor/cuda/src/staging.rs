//! Page-locked memory through which copies between host and device go.
//!
//! The driver copies from other memory only while its caller waits. From page-locked memory a copy
//! goes on by itself: the next piece is filled, or the last one read, meanwhile. Why objects' own
//! memory is not locked instead: `docs/decisions/0010-staging.md`.

mod downloads;
mod pinned;
mod ring;
mod uploads;

use std::sync::Arc;

use cudarc::driver::sys::CUevent_flags;
use cudarc::driver::{CudaContext, CudaEvent, DriverError};

pub(crate) use downloads::Downloads;
pub(crate) use uploads::Uploads;

/// How much is copied at once at most: long enough that starting a copy does not count, short enough
/// that filling or reading the next piece hides behind it.
const PIECE_BYTES: usize = 1 << 20;

/// An event for a thread to sleep on.
fn event(context: &Arc<CudaContext>) -> Result<CudaEvent, DriverError> {
    context.new_event(Some(CUevent_flags::CU_EVENT_BLOCKING_SYNC))
}

/// Copies are slower, and right all the same.
fn say_refused(error: DriverError) {
    tracing::warn!(?error, "page-locked memory is refused: copies to and from a GPU are slower");
}
