//! What bounds a kernel on this machine.

use drawloom_kernels::{CpuContext, roofline};
use drawloom_signature::Cost;

/// Larger than caches, so that the copy measures the memory.
const COPIED_BYTES: usize = 128 << 20;
const MATRIX_ROWS: usize = 1024;
/// The best of so many counts: what disturbs a bound can only lessen it.
const TRIALS: usize = 7;

/// What the cores and the memory do at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Roofline {
    pub(crate) bytes_per_second: f64,
    pub(crate) flops_per_second: f64,
}

impl Roofline {
    /// Measures both bounds on the context's cores.
    pub(crate) fn measure(context: &CpuContext<'_>) -> Self {
        let best = |trial: &mut dyn FnMut() -> f64| {
            (0..=TRIALS).map(|_| trial()).fold(f64::INFINITY, f64::min)
        };
        let (from, mut to) = (vec![1u8; COPIED_BYTES], vec![0u8; COPIED_BYTES]);
        let copy = best(&mut || roofline::copy_seconds(context, &from, &mut to));
        let product = best(&mut || roofline::gemm_seconds(context, MATRIX_ROWS));
        Roofline {
            bytes_per_second: 2.0 * COPIED_BYTES as f64 / copy,
            flops_per_second: 2.0 * (MATRIX_ROWS as f64).powi(3) / product,
        }
    }

    /// The least time that a call of this cost takes, and what bounds it.
    pub(crate) fn bound(self, cost: Cost) -> (f64, &'static str) {
        let memory = cost.bytes as f64 / self.bytes_per_second;
        let arithmetic = cost.flops as f64 / self.flops_per_second;
        if memory >= arithmetic { (memory, "memory copy") } else { (arithmetic, "gemm") }
    }
}
