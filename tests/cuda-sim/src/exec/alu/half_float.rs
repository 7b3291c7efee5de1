//! Floats of 16 bits, alone and in pairs. Results are computed in double precision and rounded once.

use half::{bf16, f16};

use super::ty::Ty;
use crate::exec::regs::AluFn;

/// A 16-bit float format.
pub trait Half: Copy {
    /// From its bits.
    fn bits(bits: u16) -> Self;
    /// Its value.
    fn wide(self) -> f64;
    /// The nearest bits.
    fn near(value: f64) -> u16;
}

impl Half for f16 {
    fn bits(bits: u16) -> Self {
        Self::from_bits(bits)
    }
    fn wide(self) -> f64 {
        self.to_f64()
    }
    fn near(value: f64) -> u16 {
        if value.is_nan() { 0x7fff } else { Self::from_f64(value).to_bits() }
    }
}

impl Half for bf16 {
    fn bits(bits: u16) -> Self {
        Self::from_bits(bits)
    }
    fn wide(self) -> f64 {
        self.to_f64()
    }
    fn near(value: f64) -> u16 {
        if value.is_nan() { 0x7fff } else { Self::from_f64(value).to_bits() }
    }
}

fn one<H: Half>(a: u32, f: impl Fn(f64) -> f64) -> u32 {
    u32::from(H::near(f(H::bits(a as u16).wide())))
}

fn two<H: Half>(a: u32, b: u32, f: impl Fn(f64, f64) -> f64) -> u32 {
    u32::from(H::near(f(H::bits(a as u16).wide(), H::bits(b as u16).wide())))
}

fn three<H: Half>(a: u32, b: u32, c: u32, f: impl Fn(f64, f64, f64) -> f64) -> u32 {
    let wide = |v: u32| H::bits(v as u16).wide();
    u32::from(H::near(f(wide(a), wide(b), wide(c))))
}

fn least(a: f64, b: f64) -> f64 {
    match (a.is_nan(), b.is_nan()) {
        (true, _) => b,
        (_, true) => a,
        _ if a == b => {
            if a.is_sign_negative() {
                a
            } else {
                b
            }
        }
        _ => a.min(b),
    }
}

fn most(a: f64, b: f64) -> f64 {
    -least(-a, -b)
}

fn strict(value: f64, a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { value }
}

macro_rules! halves1 {
    ($ty:expr, |$a:ident| $body:expr) => {
        Some(match $ty {
            Ty::F16 => un!(|v: u32| -> u32 one::<f16>(v, |$a| $body)),
            Ty::Bf16 => un!(|v: u32| -> u32 one::<bf16>(v, |$a| $body)),
            Ty::F16x2 => {
                un!(|v: u32| -> u32 one::<f16>(v, |$a| $body) | one::<f16>(v >> 16, |$a| $body) << 16)
            }
            Ty::Bf16x2 => un!(|v: u32| -> u32 {
                one::<bf16>(v, |$a| $body) | one::<bf16>(v >> 16, |$a| $body) << 16
            }),
            _ => return None,
        })
    };
}

macro_rules! halves2 {
    ($ty:expr, |$a:ident, $b:ident| $body:expr) => {
        Some(match $ty {
            Ty::F16 => bin!(|v: u32, w: u32| -> u32 two::<f16>(v, w, |$a, $b| $body)),
            Ty::Bf16 => bin!(|v: u32, w: u32| -> u32 two::<bf16>(v, w, |$a, $b| $body)),
            Ty::F16x2 => bin!(|v: u32, w: u32| -> u32 {
                two::<f16>(v, w, |$a, $b| $body) | two::<f16>(v >> 16, w >> 16, |$a, $b| $body) << 16
            }),
            Ty::Bf16x2 => bin!(|v: u32, w: u32| -> u32 {
                two::<bf16>(v, w, |$a, $b| $body)
                    | two::<bf16>(v >> 16, w >> 16, |$a, $b| $body) << 16
            }),
            _ => return None,
        })
    };
}

/// `add sub mul min max`.
pub fn binary(op: &str, ty: Ty, nan: bool) -> Option<AluFn> {
    match op {
        "add" => halves2!(ty, |a, b| a + b),
        "sub" => halves2!(ty, |a, b| a - b),
        "mul" => halves2!(ty, |a, b| a * b),
        "min" if nan => halves2!(ty, |a, b| strict(least(a, b), a, b)),
        "max" if nan => halves2!(ty, |a, b| strict(most(a, b), a, b)),
        "min" => halves2!(ty, |a, b| least(a, b)),
        "max" => halves2!(ty, |a, b| most(a, b)),
        _ => None,
    }
}

/// `fma`.
pub fn fused(ty: Ty) -> Option<AluFn> {
    fn f(a: f64, b: f64, c: f64) -> f64 {
        a.mul_add(b, c)
    }
    Some(match ty {
        Ty::F16 => ter!(|a: u32, b: u32, c: u32| -> u32 three::<f16>(a, b, c, f)),
        Ty::Bf16 => ter!(|a: u32, b: u32, c: u32| -> u32 three::<bf16>(a, b, c, f)),
        Ty::F16x2 => ter!(|a: u32, b: u32, c: u32| -> u32 {
            three::<f16>(a, b, c, f) | three::<f16>(a >> 16, b >> 16, c >> 16, f) << 16
        }),
        Ty::Bf16x2 => ter!(|a: u32, b: u32, c: u32| -> u32 {
            three::<bf16>(a, b, c, f) | three::<bf16>(a >> 16, b >> 16, c >> 16, f) << 16
        }),
        _ => return None,
    })
}

/// `abs neg ex2 tanh`.
pub fn unary(op: &str, ty: Ty) -> Option<AluFn> {
    let pair = matches!(ty, Ty::F16x2 | Ty::Bf16x2);
    if !pair && !matches!(ty, Ty::F16 | Ty::Bf16) {
        return None;
    }
    match op {
        "neg" if pair => Some(un!(|a: u32| -> u32 a ^ 0x8000_8000)),
        "neg" => Some(un!(|a: u32| -> u32 (a ^ 0x8000) & 0xffff)),
        "abs" if pair => Some(un!(|a: u32| -> u32 a & 0x7fff_7fff)),
        "abs" => Some(un!(|a: u32| -> u32 a & 0x7fff)),
        "ex2" => halves1!(ty, |a| a.exp2()),
        "tanh" => halves1!(ty, |a| a.tanh()),
        _ => None,
    }
}

/// `.sat` and `.relu` after another operation.
pub fn clamp(how: &str, ty: Ty) -> Option<AluFn> {
    match how {
        "sat" => halves1!(ty, |a| if a > 0.0 { a.min(1.0) } else { 0.0 }),
        _ => halves1!(ty, |a| if a.is_nan() { a } else { a.max(0.0) }),
    }
}
