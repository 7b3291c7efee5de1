//! Floats of single and double precision. Approximate instructions are computed exactly rounded or
//! nearly so: a real device's last bits differ.

use super::ty::Ty;
use crate::exec::regs::AluFn;
use crate::exec::round::{self, Mode};

/// Flushes subnormal values.
pub const FLUSH: u32 = 4;

/// The detail of a float instruction: its rounding, and whether it flushes.
pub fn detail(mode: Mode, flush: bool) -> u32 {
    mode.code() | if flush { FLUSH } else { 0 }
}

fn flush(value: f32, x: u32) -> f32 {
    if x & FLUSH != 0 && value.is_subnormal() { 0f32.copysign(value) } else { value }
}

/// NaNs come out as the one the hardware makes.
fn canon32(value: f32) -> f32 {
    if value.is_nan() { f32::from_bits(0x7fff_ffff) } else { value }
}

fn min32(a: f32, b: f32) -> f32 {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => canon32(a),
        (true, false) => b,
        (false, true) => a,
        _ if a == b => {
            if a.is_sign_negative() {
                a
            } else {
                b
            }
        }
        _ => {
            if a < b {
                a
            } else {
                b
            }
        }
    }
}

fn max32(a: f32, b: f32) -> f32 {
    -min32(-a, -b)
}

fn min64(a: f64, b: f64) -> f64 {
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
        _ => {
            if a < b {
                a
            } else {
                b
            }
        }
    }
}

fn max64(a: f64, b: f64) -> f64 {
    -min64(-a, -b)
}

fn strict(value: f32, a: f32, b: f32) -> f32 {
    if a.is_nan() || b.is_nan() { f32::from_bits(0x7fff_ffff) } else { value }
}

/// `add sub mul div min max copysign`.
pub fn binary(op: &str, ty: Ty, x: u32, nan: bool) -> Option<AluFn> {
    let plain = x == 0;
    Some(match (op, ty) {
        ("add", Ty::F32) if plain => fast!(map2::<f32, f32, f32>, |a, b| a + b),
        ("sub", Ty::F32) if plain => fast!(map2::<f32, f32, f32>, |a, b| a - b),
        ("mul", Ty::F32) if plain => fast!(map2::<f32, f32, f32>, |a, b| a * b),
        ("div", Ty::F32) if plain => fast!(map2::<f32, f32, f32>, |a, b| a / b),
        ("add", Ty::F32) => bin!(x; |a: f32, b: f32| -> f32 {
            flush(round::add32(flush(a, x), flush(b, x), Mode::of(x)), x)
        }),
        ("sub", Ty::F32) => bin!(x; |a: f32, b: f32| -> f32 {
            flush(round::add32(flush(a, x), -flush(b, x), Mode::of(x)), x)
        }),
        ("mul", Ty::F32) => bin!(x; |a: f32, b: f32| -> f32 {
            flush(round::mul32(flush(a, x), flush(b, x), Mode::of(x)), x)
        }),
        ("div", Ty::F32) => bin!(x; |a: f32, b: f32| -> f32 {
            flush(round::div32(flush(a, x), flush(b, x), Mode::of(x)), x)
        }),
        ("min", Ty::F32) if nan => {
            bin!(x; |a: f32, b: f32| -> f32 strict(min32(flush(a, x), flush(b, x)), a, b))
        }
        ("max", Ty::F32) if nan => {
            bin!(x; |a: f32, b: f32| -> f32 strict(max32(flush(a, x), flush(b, x)), a, b))
        }
        ("min", Ty::F32) => bin!(x; |a: f32, b: f32| -> f32 min32(flush(a, x), flush(b, x))),
        ("max", Ty::F32) => bin!(x; |a: f32, b: f32| -> f32 max32(flush(a, x), flush(b, x))),
        ("copysign", Ty::F32) => bin!(|a: f32, b: f32| -> f32 b.copysign(a)),
        ("add", Ty::F64) if plain => fast!(map2::<f64, f64, f64>, |a, b| a + b),
        ("sub", Ty::F64) if plain => fast!(map2::<f64, f64, f64>, |a, b| a - b),
        ("mul", Ty::F64) if plain => fast!(map2::<f64, f64, f64>, |a, b| a * b),
        ("div", Ty::F64) if plain => fast!(map2::<f64, f64, f64>, |a, b| a / b),
        ("add", Ty::F64) => bin!(x; |a: f64, b: f64| -> f64 round::add64(a, b, Mode::of(x))),
        ("sub", Ty::F64) => bin!(x; |a: f64, b: f64| -> f64 round::add64(a, -b, Mode::of(x))),
        ("mul", Ty::F64) => bin!(x; |a: f64, b: f64| -> f64 round::mul64(a, b, Mode::of(x))),
        ("div", Ty::F64) => bin!(x; |a: f64, b: f64| -> f64 round::div64(a, b, Mode::of(x))),
        ("min", Ty::F64) => bin!(|a: f64, b: f64| -> f64 min64(a, b)),
        ("max", Ty::F64) => bin!(|a: f64, b: f64| -> f64 max64(a, b)),
        ("copysign", Ty::F64) => bin!(|a: f64, b: f64| -> f64 b.copysign(a)),
        _ => return None,
    })
}

/// `fma` and `mad`.
pub fn fused(ty: Ty, x: u32) -> Option<AluFn> {
    Some(match ty {
        Ty::F32 if x == 0 => fast!(map3::<f32, f32, f32, f32>, |a, b, c| a.mul_add(b, c)),
        Ty::F64 if x == 0 => fast!(map3::<f64, f64, f64, f64>, |a, b, c| a.mul_add(b, c)),
        Ty::F32 => ter!(x; |a: f32, b: f32, c: f32| -> f32 {
            flush(round::fma32(flush(a, x), flush(b, x), flush(c, x), Mode::of(x)), x)
        }),
        Ty::F64 => {
            ter!(x; |a: f64, b: f64, c: f64| -> f64 round::fma64(a, b, c, Mode::of(x)))
        }
        _ => return None,
    })
}

/// `abs neg sqrt rcp rsqrt ex2 lg2 sin cos tanh`.
pub fn unary(op: &str, ty: Ty) -> Option<AluFn> {
    Some(match (op, ty) {
        ("abs", Ty::F32) => un!(x; |a: f32| -> f32 flush(a.abs(), x)),
        ("neg", Ty::F32) => un!(x; |a: f32| -> f32 flush(-a, x)),
        ("sqrt", Ty::F32) => {
            un!(x; |a: f32| -> f32 flush(canon32(round::sqrt32(flush(a, x), Mode::of(x))), x))
        }
        ("rcp", Ty::F32) => {
            un!(x; |a: f32| -> f32 flush(round::div32(1.0, flush(a, x), Mode::of(x)), x))
        }
        ("rsqrt", Ty::F32) => un!(x; |a: f32| -> f32 {
            flush(canon32((1.0 / f64::from(flush(a, x)).sqrt()) as f32), x)
        }),
        ("ex2", Ty::F32) => un!(x; |a: f32| -> f32 flush(flush(a, x).exp2(), x)),
        ("lg2", Ty::F32) => un!(x; |a: f32| -> f32 canon32(flush(a, x).log2())),
        ("sin", Ty::F32) => un!(x; |a: f32| -> f32 flush(canon32(flush(a, x).sin()), x)),
        ("cos", Ty::F32) => un!(x; |a: f32| -> f32 canon32(flush(a, x).cos())),
        ("tanh", Ty::F32) => un!(|a: f32| -> f32 a.tanh()),
        ("abs", Ty::F64) => un!(|a: f64| -> f64 a.abs()),
        ("neg", Ty::F64) => un!(|a: f64| -> f64 -a),
        ("sqrt", Ty::F64) => un!(x; |a: f64| -> f64 round::sqrt64(a, Mode::of(x))),
        ("rcp", Ty::F64) => un!(x; |a: f64| -> f64 {
            let value = round::div64(1.0, a, Mode::of(x));
            if x & FLUSH != 0 { coarse(value) } else { value }
        }),
        ("rsqrt", Ty::F64) => un!(x; |a: f64| -> f64 {
            let value = 1.0 / a.sqrt();
            if x & FLUSH != 0 { coarse(value) } else { value }
        }),
        _ => return None,
    })
}

/// `rcp.approx.ftz.f64` gives the upper half of the bits only.
fn coarse(value: f64) -> f64 {
    if value.is_subnormal() {
        return 0f64.copysign(value);
    }
    f64::from_bits(value.to_bits() & 0xffff_ffff_0000_0000)
}

/// `.sat`: into `[0, 1]`, NaN to 0.
pub fn saturate(ty: Ty) -> Option<AluFn> {
    Some(match ty {
        Ty::F32 => un!(|a: f32| -> f32 if a > 0.0 { a.min(1.0) } else { 0.0 }),
        Ty::F64 => un!(|a: f64| -> f64 if a > 0.0 { a.min(1.0) } else { 0.0 }),
        _ => return super::half_float::clamp("sat", ty),
    })
}
