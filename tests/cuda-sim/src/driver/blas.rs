//! Products of matrices, as cuBLAS defines them.

use std::ffi::c_void;
use std::sync::atomic::AtomicUsize;

use half::{bf16, f16};

use super::system::System;
use crate::report;

/// A handle: the stream it works in.
#[derive(Debug, Default)]
pub struct Blas {
    /// The stream.
    pub stream: AtomicUsize,
}

/// An element type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Element {
    /// 16 bits, IEEE.
    F16,
    /// 16 bits, brain.
    Bf16,
    /// 32 bits.
    F32,
    /// 64 bits.
    F64,
}

/// Matrices whose columns lie behind each other.
#[derive(Clone, Copy, Debug)]
pub struct Matrices {
    /// Where the first begins.
    pub address: u64,
    /// Whether they are read transposed.
    pub transposed: bool,
    /// Elements from a column to the next.
    pub stride: u64,
    /// Elements from a matrix to the next.
    pub step: i64,
}

/// `c = op(a) op(b)`, so many times.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// The type of all elements.
    pub element: Element,
    /// Rows of results.
    pub rows: u64,
    /// Columns of results.
    pub columns: u64,
    /// Terms.
    pub inner: u64,
    /// Left factors.
    pub a: Matrices,
    /// Right factors.
    pub b: Matrices,
    /// Results.
    pub c: Matrices,
    /// How many.
    pub count: u64,
}

impl Element {
    /// The type that cuBLAS calls by this number.
    pub fn of(kind: i32) -> Option<Self> {
        match kind {
            0 => Some(Self::F32),
            1 => Some(Self::F64),
            2 => Some(Self::F16),
            14 => Some(Self::Bf16),
            _ => None,
        }
    }

    /// Its size.
    pub fn bytes(self) -> u64 {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// # Safety
    /// There is an element.
    unsafe fn read(self, at: *const u8) -> f64 {
        // SAFETY: as the caller promises.
        unsafe {
            match self {
                Self::F16 => at.cast::<f16>().read_unaligned().to_f64(),
                Self::Bf16 => at.cast::<bf16>().read_unaligned().to_f64(),
                Self::F32 => f64::from(at.cast::<f32>().read_unaligned()),
                Self::F64 => at.cast::<f64>().read_unaligned(),
            }
        }
    }

    /// # Safety
    /// There is room for an element.
    unsafe fn write(self, at: *mut u8, value: f64) {
        // SAFETY: as the caller promises.
        unsafe {
            match self {
                Self::F16 => at.cast::<f16>().write_unaligned(f16::from_f64(value)),
                Self::Bf16 => at.cast::<bf16>().write_unaligned(bf16::from_f64(value)),
                Self::F32 => at.cast::<f32>().write_unaligned(value as f32),
                Self::F64 => at.cast::<f64>().write_unaligned(value),
            }
        }
    }
}

impl Matrices {
    /// The bytes that so many matrices of these extents, as they are stored, take from the address on.
    fn bytes(&self, [rows, columns]: [u64; 2], count: u64, element: Element) -> u64 {
        let [rows, columns] = if self.transposed { [columns, rows] } else { [rows, columns] };
        let last = (count - 1) * self.step.unsigned_abs() + (columns - 1) * self.stride + rows;
        last * element.bytes()
    }

    /// Where an element is, from the address on.
    fn place(&self, row: u64, column: u64, number: u64) -> u64 {
        let (row, column) = if self.transposed { (column, row) } else { (row, column) };
        number * self.step.unsigned_abs() + column * self.stride + row
    }
}

impl Product {
    /// Whether the numbers are such as cuBLAS takes.
    pub fn is_valid(&self) -> bool {
        let stored = |matrices: &Matrices, rows, columns| {
            matrices.stride >= if matrices.transposed { columns } else { rows }
        };
        let is_something = [self.rows, self.columns, self.inner, self.count].iter().all(|n| *n > 0);
        is_something
            && stored(&self.a, self.rows, self.inner)
            && stored(&self.b, self.inner, self.columns)
            && stored(&self.c, self.rows, self.columns)
            && [self.a.step, self.b.step, self.c.step].iter().all(|step| *step >= 0)
    }

    /// Computes it; nothing, and a report, where matrices are in no memory of a device.
    fn compute(&self) {
        let memory = |matrices: &Matrices, extents| {
            let bytes = matrices.bytes(extents, self.count, self.element);
            let device = System::get().device_of(matrices.address)?;
            device.memory.bytes_at(matrices.address, bytes)
        };
        let (Some(a), Some(b), Some(c)) = (
            memory(&self.a, [self.rows, self.inner]),
            memory(&self.b, [self.inner, self.columns]),
            memory(&self.c, [self.rows, self.columns]),
        ) else {
            return report::tell("blas", "a product of what is in no memory of a device");
        };
        let (element, size) = (self.element, self.element.bytes());
        for number in 0..self.count {
            for column in 0..self.columns {
                let right: Vec<f64> = (0..self.inner)
                    .map(|term| {
                        let at = self.b.place(term, column, number) * size;
                        // SAFETY: all places are within the bytes that were found.
                        unsafe { element.read(b.add(at as usize)) }
                    })
                    .collect();
                for row in 0..self.rows {
                    let terms = right.iter().zip(0u64..).map(|(right, term)| {
                        let at = self.a.place(row, term, number) * size;
                        // SAFETY: as above.
                        right * unsafe { element.read(a.add(at as usize)) }
                    });
                    let value = terms.sum();
                    let at = self.c.place(row, column, number) * size;
                    // SAFETY: as above.
                    unsafe { element.write(c.add(at as usize), value) };
                }
            }
        }
    }
}

/// Computes a product that was boxed for it, when a stream gets there.
///
/// # Safety
/// The argument is a boxed [`Product`] that nobody else has.
pub unsafe extern "C" fn compute(product: *mut c_void) {
    // SAFETY: as the caller promises.
    unsafe { Box::from_raw(product.cast::<Product>()) }.compute();
}
