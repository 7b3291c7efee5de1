//! `cvt`: all pairs of types, with quick paths for those that kernels use all the time.

use half::{bf16, f16};

use super::ty::Ty;
use crate::exec::regs::{AluFn, Args, Lane, Regs, each_lane};
use crate::exec::round::{self, Mode};

/// Saturates.
const SATURATE: u32 = 1 << 10;
/// Flushes subnormal values.
const FLUSH: u32 = 1 << 11;
/// Rounds to an integer.
const INTEGRAL: u32 = 1 << 12;
/// The result's register has 64 bits.
const WIDE: u32 = 1 << 13;
/// The source's register has 64 bits.
const WIDE_SOURCE: u32 = 1 << 14;

/// What a conversion is made of.
#[derive(Clone, Copy, Debug)]
pub struct Conversion {
    /// The result's type.
    pub to: Ty,
    /// The source's type.
    pub from: Ty,
    /// How it rounds.
    pub mode: Mode,
    /// Whether it rounds to an integer.
    pub integral: bool,
    /// Whether it saturates.
    pub saturate: bool,
    /// Whether it flushes subnormal values.
    pub flush: bool,
    /// Whether the result's register has 64 bits.
    pub wide: bool,
    /// Whether the source's register has 64 bits.
    pub wide_source: bool,
}

/// The function of a conversion, and its detail.
pub fn convert(what: Conversion) -> Option<(AluFn, u32)> {
    let natural = what.wide == what.to.wide() && what.wide_source == what.from.wide();
    if natural
        && !what.saturate
        && !what.flush
        && let Some(quick) = quick(what)
    {
        return Some((quick, 0));
    }
    let flag = |on: bool, bit| if on { bit } else { 0 };
    let detail = what.to.code()?
        | what.from.code()? << 4
        | what.mode.code() << 8
        | flag(what.saturate, SATURATE)
        | flag(what.flush, FLUSH)
        | flag(what.integral, INTEGRAL)
        | flag(what.wide, WIDE)
        | flag(what.wide_source, WIDE_SOURCE);
    Some((general, detail))
}

fn quick(what: Conversion) -> Option<AluFn> {
    let near = what.mode == Mode::Nearest;
    Some(match (what.to, what.from) {
        (Ty::U64 | Ty::S64, Ty::U32) => fast!(map1::<u32, u64>, |a| u64::from(a)),
        (Ty::U64 | Ty::S64, Ty::S32) => fast!(map1::<i32, i64>, |a| i64::from(a)),
        (Ty::U32 | Ty::S32, Ty::U64 | Ty::S64) => fast!(map1::<u64, u32>, |a| a as u32),
        (Ty::U32 | Ty::S32, Ty::U16) => un!(|a: u16| -> u32 a.into()),
        (Ty::U32 | Ty::S32, Ty::S16) => un!(|a: i16| -> i32 a.into()),
        (Ty::U32 | Ty::S32, Ty::U8) => un!(|a: u8| -> u32 a.into()),
        (Ty::U32 | Ty::S32, Ty::S8) => un!(|a: i8| -> i32 a.into()),
        (Ty::U16 | Ty::S16, Ty::U32 | Ty::S32) => un!(|a: u32| -> u16 a as u16),
        (Ty::F32, Ty::S32) if near => fast!(map1::<i32, f32>, |a| a as f32),
        (Ty::F32, Ty::U32) if near => un!(|a: u32| -> f32 a as f32),
        (Ty::F64, Ty::F32) => fast!(map1::<f32, f64>, |a| f64::from(a)),
        (Ty::F32, Ty::F64) if near && !what.integral => fast!(map1::<f64, f32>, |a| a as f32),
        (Ty::F64, Ty::S32) => fast!(map1::<i32, f64>, |a| f64::from(a)),
        (Ty::F64, Ty::U32) => un!(|a: u32| -> f64 f64::from(a)),
        (Ty::S32, Ty::F32) if what.mode == Mode::Zero => un!(|a: f32| -> i32 a as i32),
        (Ty::U32, Ty::F32) if what.mode == Mode::Zero => un!(|a: f32| -> u32 a as u32),
        (Ty::S32, Ty::F32) if near => un!(|a: f32| -> i32 a.round_ties_even() as i32),
        (Ty::F32, Ty::F16) => un!(|a: f16| -> f32 a.to_f32()),
        (Ty::F32, Ty::Bf16) => un!(|a: bf16| -> f32 a.to_f32()),
        (Ty::F16, Ty::F32) if near => un!(|a: f32| -> f16 narrow16(a)),
        (Ty::Bf16, Ty::F32) if near => un!(|a: f32| -> bf16 narrow_b16(a)),
        _ => return None,
    })
}

fn narrow16(value: f32) -> f16 {
    if value.is_nan() { f16::from_bits(0x7fff) } else { f16::from_f32(value) }
}

fn narrow_b16(value: f32) -> bf16 {
    if value.is_nan() { bf16::from_bits(0x7fff) } else { bf16::from_f32(value) }
}

/// A value on its way: integers exactly, floats in double precision, which holds all of them.
enum Value {
    Int(i128),
    Float(f64),
}

unsafe fn general(regs: &mut Regs, args: &Args, mask: u32) {
    let x = args.x;
    let (to, from) = (Ty::of(x & 15), Ty::of(x >> 4 & 15));
    each_lane(mask, |lane| {
        // SAFETY: the detail tells the registers' widths.
        let bits: u64 = unsafe {
            if x & WIDE_SOURCE != 0 {
                regs.get(args.a, lane)
            } else {
                u64::from(regs.get::<u32>(args.a, lane))
            }
        };
        let made = narrow(widen(bits, from, x), to, from, x);
        // SAFETY: as above.
        unsafe {
            if x & WIDE != 0 {
                regs.put(args.d, lane, made);
            } else {
                regs.put(args.d, lane, made as u32);
            }
        }
    });
}

fn widen(bits: u64, from: Ty, x: u32) -> Value {
    match from {
        Ty::U8 => Value::Int((bits as u8).into()),
        Ty::S8 => Value::Int((bits as i8).into()),
        Ty::U16 => Value::Int((bits as u16).into()),
        Ty::S16 => Value::Int((bits as i16).into()),
        Ty::U32 => Value::Int((bits as u32).into()),
        Ty::S32 => Value::Int((bits as i32).into()),
        Ty::U64 => Value::Int(bits.into()),
        Ty::S64 => Value::Int((bits as i64).into()),
        Ty::F16 => Value::Float(f16::from_bits(bits as u16).to_f64()),
        Ty::Bf16 => Value::Float(bf16::from_bits(bits as u16).to_f64()),
        Ty::F64 => Value::Float(f64::from_bits(bits)),
        _ => Value::Float(f64::from(flush(f32::from_bits(bits as u32), x))),
    }
}

fn flush(value: f32, x: u32) -> f32 {
    if x & FLUSH != 0 && value.is_subnormal() { 0f32.copysign(value) } else { value }
}

/// The result's bits, extended to 64 as its type asks for.
fn narrow(value: Value, to: Ty, from: Ty, x: u32) -> u64 {
    let mode = Mode::of(x >> 8);
    if to.float() {
        let value = match value {
            Value::Int(value) => return int_to_float(value, to, mode),
            Value::Float(value) => value,
        };
        let same = to == from || x & INTEGRAL != 0;
        let value = if same && x & INTEGRAL != 0 { round::integral(value, mode) } else { value };
        let value = match (x & SATURATE != 0, value > 0.0) {
            (true, true) => value.min(1.0),
            (true, false) => 0.0,
            _ => value,
        };
        return float_bits(value, to, if same { Mode::Nearest } else { mode }, x);
    }
    let exact = match value {
        Value::Int(value) => {
            if x & SATURATE == 0 {
                return wrap(value, to);
            }
            value
        }
        Value::Float(value) if value.is_nan() => return if to.bytes() == 8 { 1 << 63 } else { 0 },
        Value::Float(value) => round::integral(value, mode) as i128,
    };
    let (low, high) = range(to);
    wrap(exact.clamp(low, high), to)
}

fn range(ty: Ty) -> (i128, i128) {
    let bits = ty.bytes() as u32 * 8;
    if ty.signed() { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
}

fn wrap(value: i128, to: Ty) -> u64 {
    match to {
        Ty::U8 => u64::from(value as u8),
        Ty::S8 => value as i8 as u64,
        Ty::U16 => u64::from(value as u16),
        Ty::S16 => value as i16 as u64,
        Ty::U32 => u64::from(value as u32),
        Ty::S32 => value as i32 as u64,
        _ => value as u64,
    }
}

fn int_to_float(value: i128, to: Ty, mode: Mode) -> u64 {
    // The nearest double, and what it leaves out: together they are exact.
    let near = value as f64;
    let rest = (value - near as i128) as f64;
    match to {
        Ty::F64 if mode == Mode::Nearest => near.to_bits(),
        Ty::F64 => round::add64(near, rest, mode).to_bits(),
        Ty::F32 if mode == Mode::Nearest => u64::from((value as f32).to_bits()),
        Ty::F32 => u64::from(round::to_f32(near, rest, mode).to_bits()),
        _ => float_bits(near, to, mode, 0),
    }
}

fn float_bits(value: f64, to: Ty, mode: Mode, x: u32) -> u64 {
    match to {
        Ty::F64 => value.to_bits(),
        Ty::F32 => u64::from(flush(round::to_f32(value, 0.0, mode), x).to_bits()),
        _ if value.is_nan() => 0x7fff,
        Ty::F16 => {
            let near = f16::from_f64(value).to_bits();
            u64::from(settle16(near, f16::from_bits(near).to_f64(), value, mode, 0x7c00))
        }
        _ => {
            let near = bf16::from_f64(value).to_bits();
            u64::from(settle16(near, bf16::from_bits(near).to_f64(), value, mode, 0x7f80))
        }
    }
}

/// Moves the nearest bits one step where the mode asks for it.
fn settle16(near: u16, back: f64, exact: f64, mode: Mode, infinity: u16) -> u16 {
    if exact.is_infinite() || back == exact {
        return near;
    }
    let toward_zero = match mode {
        Mode::Nearest => return near,
        Mode::Zero => true,
        Mode::Down => exact > 0.0,
        Mode::Up => exact < 0.0,
    };
    let larger = back.abs() > exact.abs();
    match (toward_zero, larger) {
        (true, true) => near - 1,
        (false, false) if near & 0x7fff != infinity => near + 1,
        _ => near,
    }
}

/// `cvt.rn.f16x2.f32 d, a, b`: `a` becomes the upper half.
pub fn pack(to: Ty) -> Option<AluFn> {
    Some(match to {
        Ty::F16x2 => {
            bin!(|a: f32, b: f32| -> u32 Lane::put(narrow16(b)) | Lane::put(narrow16(a)) << 16)
        }
        Ty::Bf16x2 => {
            bin!(|a: f32, b: f32| -> u32 Lane::put(narrow_b16(b)) | Lane::put(narrow_b16(a)) << 16)
        }
        _ => return None,
    })
}

/// `cvt.rna.tf32.f32`: 10 bits of mantissa, ties away from zero.
pub fn to_tf32() -> AluFn {
    un!(|a: f32| -> f32 if a.is_finite() {
        f32::from_bits((a.to_bits() + 0x1000) & !0x1fff)
    } else {
        a
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_become_the_nearest_float() {
        assert_eq!(int_to_float(16_777_217, Ty::F32, Mode::Up) as u32, 16_777_218f32.to_bits());
        assert_eq!(
            int_to_float(-16_777_217, Ty::F32, Mode::Zero) as u32,
            (-16_777_216f32).to_bits()
        );
        assert_eq!(
            int_to_float(i128::from(u64::MAX), Ty::F64, Mode::Nearest),
            (u64::MAX as f64).to_bits()
        );
    }

    #[test]
    fn floats_become_clamped_integers() {
        let bits = |value: f32| u64::from(value.to_bits());
        let convert = |value, to| narrow(widen(bits(value), Ty::F32, 0), to, Ty::F32, 1 << 8);
        assert_eq!(convert(-1.5, Ty::U32), 0);
        assert_eq!(convert(1e20, Ty::S32), i32::MAX as u64);
        assert_eq!(convert(f32::NAN, Ty::S32), 0);
        assert_eq!(convert(300.7, Ty::U8), 255);
    }
}
