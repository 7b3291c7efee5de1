//! How near results are to what is expected.

use drawloom_model::{DType, Value};

use super::values::{is_integer, numbers};

/// How near f32 results must be, and of what size differences of small numbers are measured by.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// How near f32 results must be, as a part of their size.
    pub f32: f64,
    /// The least size that differences are measured by.
    pub scale: f64,
}

/// Arithmetic on elements by themselves.
pub const ELEMENT: Tolerance = Tolerance { f32: 1e-5, scale: 1e-6 };
/// Arithmetic whose terms, of about 1, may cancel.
pub const CANCELLING: Tolerance = Tolerance { f32: 1e-5, scale: 1.0 };
/// What is added up of many terms of about 1.
pub const SUM: Tolerance = Tolerance { f32: 1e-4, scale: 1.0 };
/// Nothing is computed, or whole numbers are.
pub const EXACT: Tolerance = Tolerance { f32: 0.0, scale: 1.0 };

impl Tolerance {
    fn of(self, dtype: DType) -> f64 {
        match dtype {
            _ if self.f32 == 0.0 => 0.0,
            DType::U8 | DType::I32 | DType::I64 => 0.0,
            DType::F16 => 2e-3,
            DType::BF16 => 1.6e-2,
            DType::F32 => self.f32,
            DType::F64 => self.f32 * 1e-6,
        }
    }
}

/// Says where `got` is too far from `expected`; `dtype` tells how precisely they were computed.
pub fn difference(
    got: &Value,
    expected: &Value,
    dtype: DType,
    tolerance: Tolerance,
) -> Result<(), String> {
    let bytes_differ = got.data != expected.data;
    let ((_, got), (own, expected)) = (numbers(got), numbers(expected));
    // Numbers of 64 bits are more than their nearest f64 tells.
    let differ = is_integer(own) && bytes_differ;
    if got.len() != expected.len() {
        return Err(format!("{} elements, expected {}", got.len(), expected.len()));
    }
    let allowed = tolerance.of(dtype);
    let far = |(got, expected): (&f64, &f64)| {
        let same = got == expected || (got.is_nan() && expected.is_nan());
        let near = (got - expected).abs() <= allowed * expected.abs().max(tolerance.scale);
        !same && !near
    };
    let pairs = || got.iter().zip(&expected);
    match pairs().position(far) {
        None if differ => Err("the last bits of whole numbers differ".to_owned()),
        None => Ok(()),
        Some(place) => {
            let count = pairs().filter(|pair| far(*pair)).count();
            let (got, expected) = (got[place], expected[place]);
            Err(format!("element {place} is {got:?}, expected {expected:?} ({count} such)"))
        }
    }
}
