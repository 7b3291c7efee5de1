//! The most that cores do: what kernels' speeds are held against.

use std::time::Instant;

use crate::CpuContext;
use crate::matrix::{Before, Matrix, MatrixMut, multiply, parallelism};

/// How long copying `from` to `to` takes with every core of the context, in seconds. Every byte is
/// read once and written once.
pub fn copy_seconds(context: &CpuContext<'_>, from: &[u8], to: &mut [u8]) -> f64 {
    let part = from.len().div_ceil(context.cores()).max(1);
    let start = Instant::now();
    // Not cancelled: nobody has this flag but the caller.
    let _ = context.for_each(to.chunks_mut(part).zip(from.chunks(part)), |(to, from)| {
        to[..from.len()].copy_from_slice(from);
    });
    start.elapsed().as_secs_f64()
}

/// How long the gemm crate takes to multiply two matrices of f32 with `n` rows and columns, in
/// seconds: 2 n^3 arithmetic operations.
pub fn gemm_seconds(context: &CpuContext<'_>, n: usize) -> f64 {
    let (a, b, mut y) = (vec![1.0f32; n * n], vec![1.0f32; n * n], vec![0.0f32; n * n]);
    let (a, b) = (Matrix::new(&a, n, n), Matrix::new(&b, n, n));
    context.install(|| {
        let start = Instant::now();
        multiply(a, b, MatrixMut::new(&mut y, n, n), Before::Replaced, parallelism(context));
        start.elapsed().as_secs_f64()
    })
}
