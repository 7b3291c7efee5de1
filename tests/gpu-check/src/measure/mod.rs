//! Figures: what copies, kernels and launches come to on a device.

mod copies;
mod graphs;
mod launches;
mod overlap;
mod products;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cudarc::driver::{CudaContext, CudaStream, DriverError};
use drawloom_cuda::Device;

use crate::limits::Limits;

/// How much is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effort {
    /// Bytes of a copy.
    pub copy_bytes: usize,
    /// Rows, columns and terms of products.
    pub extent: u64,
    /// How often something large is done.
    pub repeats: u32,
    /// How many kernels are launched.
    pub launches: u32,
}

impl Effort {
    /// Enough for figures that mean something on a real device; seconds.
    pub const FULL: Effort =
        Effort { copy_bytes: 256 << 20, extent: 8192, repeats: 10, launches: 5000 };
    /// Enough to have gone every way once.
    pub const QUICK: Effort = Effort { copy_bytes: 3 << 20, extent: 256, repeats: 2, launches: 20 };
}

/// A measured figure.
#[derive(Clone, PartialEq, Debug)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// The figure.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// What it could be at most.
    pub limit: Option<f64>,
    /// What that follows from, or what the figure says.
    pub note: String,
}

impl Figure {
    fn new(
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        note: impl Into<String>,
    ) -> Self {
        Figure { name: name.into(), value, unit, limit: None, note: note.into() }
    }

    fn of(self, limit: Option<f64>) -> Self {
        Figure { limit, ..self }
    }
}

/// What went wrong while something was measured.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MeasureError {
    /// A direct request of the driver.
    #[error("the driver says {0:?}")]
    Driver(#[from] DriverError),
    /// What executors do on devices.
    #[error(transparent)]
    Device(#[from] drawloom_cuda::Error),
    /// A result is not what was asked for.
    #[error("{0}")]
    Wrong(String),
}

/// A device that is measured.
pub struct Bench {
    device: Arc<Device>,
    context: Arc<CudaContext>,
    effort: Effort,
    /// What it could do at most.
    pub limits: Limits,
}

impl Bench {
    /// Asks the device for its limits.
    ///
    /// # Errors
    /// It does not answer.
    pub fn new(device: &Arc<Device>, effort: Effort) -> Result<Self, MeasureError> {
        let context = CudaContext::new(device.ordinal())?;
        let properties = device.properties();
        let limits = Limits::of(&context, &properties.uuid, properties.compute_capability);
        Ok(Bench { device: Arc::clone(device), context, effort, limits })
    }

    /// All figures, each told as soon as it is known.
    ///
    /// # Errors
    /// The device fails, or a copy or product is not what it should be.
    pub fn run(&self, mut tell: impl FnMut(&Figure)) -> Result<(), MeasureError> {
        for part in [Self::copies, Self::products, Self::overlap, Self::launches, Self::graphs] {
            part(self)?.iter().for_each(&mut tell);
        }
        Ok(())
    }
}

/// How long it takes until a stream has done what `work` puts there, so many times, after once
/// unmeasured.
fn timed(
    stream: &CudaStream,
    repeats: u32,
    mut work: impl FnMut() -> Result<(), MeasureError>,
) -> Result<Duration, MeasureError> {
    work()?;
    stream.synchronize()?;
    let start = Instant::now();
    for _ in 0..repeats {
        work()?;
    }
    stream.synchronize()?;
    Ok(start.elapsed())
}

/// Microseconds for each of so many.
fn micros(time: Duration, count: u32) -> f64 {
    time.as_secs_f64() * 1e6 / f64::from(count.max(1))
}

/// Thousand millions a second; without a time, none.
fn giga(amount: f64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { amount / time.as_secs_f64() / 1e9 }
}
