//! `cublas*`: as much of it as multiplies matrices.

use std::ffi::{c_int, c_longlong, c_void};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::api_stream::stream_of;
use super::blas::{Blas, Element, Matrices, Product, compute};
use super::context::healthy;
use super::error::{Code, give};
use super::handles;
use super::system::{BLAS, System};
use super::work::Work;

/// Computes in f32 and in f64.
const COMPUTE: [c_int; 2] = [68, 70];

/// What is not negative.
fn count(value: c_int) -> Result<u64, Code> {
    u64::try_from(value).map_err(|_| Code::INVALID_VALUE)
}

api! {
    /// A part of the version: 0 major, 1 minor, 2 patch.
    fn cublasGetProperty(which: c_int, value: *mut c_int) {
        give(value, if which == 0 { 12 } else { 0 })
    }

    /// A handle for the current context.
    fn cublasCreate_v2(handle: *mut usize) {
        healthy()?;
        let fresh = handles::fresh();
        BLAS.insert(fresh, Arc::new(Blas::default()));
        give(handle, fresh)
    }

    /// Ends a handle.
    fn cublasDestroy_v2(handle: usize) { BLAS.remove(handle).map(drop) }

    /// The stream that a handle works in.
    fn cublasSetStream_v2(handle: usize, stream: usize) {
        stream_of(stream)?;
        BLAS.get(handle)?.stream.store(stream, Ordering::Release);
        Ok(())
    }

    /// How a handle computes: always as precisely as it can.
    fn cublasSetMathMode(handle: usize, _mode: c_int) { BLAS.get(handle).map(drop) }

    /// Products of matrices that are a step apart; one times the product and nothing of what was
    /// there before.
    fn cublasGemmStridedBatchedEx(
        handle: usize,
        turn_a: c_int,
        turn_b: c_int,
        rows: c_int,
        columns: c_int,
        inner: c_int,
        one: *const c_void,
        a: u64,
        a_kind: c_int,
        a_stride: c_int,
        a_step: c_longlong,
        b: u64,
        b_kind: c_int,
        b_stride: c_int,
        b_step: c_longlong,
        zero: *const c_void,
        c: u64,
        c_kind: c_int,
        c_stride: c_int,
        c_step: c_longlong,
        products: c_int,
        how: c_int,
        _algorithm: c_int,
    ) {
        let blas = BLAS.get(handle)?;
        let stream = stream_of(blas.stream.load(Ordering::Acquire))?;
        // A handle is of one context.
        if healthy()?.handle != stream.context.handle {
            return Err(Code::INVALID_CONTEXT);
        }
        System::get().faults.at_product(stream.context.device.ordinal)?;
        let element = Element::of(a_kind).ok_or(Code::NOT_SUPPORTED)?;
        let is_double = element == Element::F64;
        if [b_kind, c_kind] != [a_kind; 2] || how != COMPUTE[usize::from(is_double)] {
            return Err(Code::NOT_SUPPORTED);
        }
        let factors = if is_double {
            [one, zero].map(|at| *at.cast::<f64>())
        } else {
            [one, zero].map(|at| f64::from(*at.cast::<f32>()))
        };
        if factors != [1.0, 0.0] || ![turn_a, turn_b].iter().all(|turn| matches!(turn, 0 | 1)) {
            return Err(Code::NOT_SUPPORTED);
        }
        let matrices = |address, turn, stride, step| {
            Ok(Matrices { address, transposed: turn == 1, stride: count(stride)?, step })
        };
        let product = Product {
            element,
            rows: count(rows)?,
            columns: count(columns)?,
            inner: count(inner)?,
            a: matrices(a, turn_a, a_stride, a_step)?,
            b: matrices(b, turn_b, b_stride, b_step)?,
            c: matrices(c, 0, c_stride, c_step)?,
            count: count(products)?,
        };
        if !product.is_valid() {
            return Err(Code::INVALID_VALUE);
        }
        let data = Box::into_raw(Box::new(product)) as usize;
        stream.submit(Work::Host { function: compute, data })
    }
}
