//! Integer arithmetic.

use super::ty::Ty;
use crate::exec::regs::{AluFn, Args, Regs, each_lane};

/// One function for each integer type.
macro_rules! int2 {
    ($ty:expr, |$a:ident, $b:ident| $body:expr) => {
        match $ty {
            Ty::U16 => Some(bin!(|$a: u16, $b: u16| -> u16 $body)),
            Ty::S16 => Some(bin!(|$a: i16, $b: i16| -> i16 $body)),
            Ty::U32 => Some(fast!(map2::<u32, u32, u32>, |$a, $b| $body)),
            Ty::S32 => Some(fast!(map2::<i32, i32, i32>, |$a, $b| $body)),
            Ty::U64 => Some(fast!(map2::<u64, u64, u64>, |$a, $b| $body)),
            Ty::S64 => Some(fast!(map2::<i64, i64, i64>, |$a, $b| $body)),
            _ => None,
        }
    };
}

/// `add sub div rem min max`.
pub fn binary(op: &str, ty: Ty, saturate: bool) -> Option<AluFn> {
    match (op, ty) {
        ("add", Ty::S32) if saturate => {
            return Some(bin!(|a: i32, b: i32| -> i32 a.saturating_add(b)));
        }
        ("sub", Ty::S32) if saturate => {
            return Some(bin!(|a: i32, b: i32| -> i32 a.saturating_sub(b)));
        }
        (_, Ty::U16x2 | Ty::S16x2) => return packed(op, ty),
        _ => {}
    }
    match op {
        "add" => int2!(ty, |a, b| a.wrapping_add(b)),
        "sub" => int2!(ty, |a, b| a.wrapping_sub(b)),
        // A division by zero gives all ones, as the hardware's do.
        "div" => int2!(ty, |a, b| if b == 0 { !0 } else { a.wrapping_div(b) }),
        "rem" => int2!(ty, |a, b| if b == 0 { a } else { a.wrapping_rem(b) }),
        "min" => int2!(ty, |a, b| a.min(b)),
        "max" => int2!(ty, |a, b| a.max(b)),
        _ => None,
    }
}

fn packed(op: &str, ty: Ty) -> Option<AluFn> {
    fn both(a: u32, b: u32, f: impl Fn(u16, u16) -> u16) -> u32 {
        u32::from(f(a as u16, b as u16)) | u32::from(f((a >> 16) as u16, (b >> 16) as u16)) << 16
    }
    Some(match (op, ty) {
        ("add", _) => bin!(|a: u32, b: u32| -> u32 both(a, b, u16::wrapping_add)),
        ("min", Ty::U16x2) => bin!(|a: u32, b: u32| -> u32 both(a, b, Ord::min)),
        ("max", Ty::U16x2) => bin!(|a: u32, b: u32| -> u32 both(a, b, Ord::max)),
        ("min", _) => {
            bin!(|a: u32, b: u32| -> u32 both(a, b, |a, b| (a as i16).min(b as i16) as u16))
        }
        ("max", _) => {
            bin!(|a: u32, b: u32| -> u32 both(a, b, |a, b| (a as i16).max(b as i16) as u16))
        }
        _ => return None,
    })
}

/// `abs neg`.
pub fn unary(op: &str, ty: Ty) -> Option<AluFn> {
    Some(match (op, ty) {
        ("neg", Ty::S16) => un!(|a: i16| -> i16 a.wrapping_neg()),
        ("neg", Ty::S32) => un!(|a: i32| -> i32 a.wrapping_neg()),
        ("neg", Ty::S64) => un!(|a: i64| -> i64 a.wrapping_neg()),
        ("abs", Ty::S16) => un!(|a: i16| -> i16 a.wrapping_abs()),
        ("abs", Ty::S32) => un!(|a: i32| -> i32 a.wrapping_abs()),
        ("abs", Ty::S64) => un!(|a: i64| -> i64 a.wrapping_abs()),
        _ => return None,
    })
}

/// `mul` with `lo`, `hi` or `wide`.
pub fn mul(part: &str, ty: Ty) -> Option<AluFn> {
    Some(match (part, ty) {
        ("lo", _) => return int2!(ty, |a, b| a.wrapping_mul(b)),
        ("hi", Ty::U16) => {
            bin!(|a: u16, b: u16| -> u16 ((u32::from(a) * u32::from(b)) >> 16) as u16)
        }
        ("hi", Ty::S16) => {
            bin!(|a: i16, b: i16| -> i16 ((i32::from(a) * i32::from(b)) >> 16) as i16)
        }
        ("hi", Ty::U32) => bin!(|a: u32, b: u32| -> u32 hi_u32(a, b)),
        ("hi", Ty::S32) => bin!(|a: i32, b: i32| -> i32 hi_s32(a, b)),
        ("hi", Ty::U64) => bin!(|a: u64, b: u64| -> u64 hi_u64(a, b)),
        ("hi", Ty::S64) => bin!(|a: i64, b: i64| -> i64 hi_s64(a, b)),
        ("wide", Ty::U16) => bin!(|a: u16, b: u16| -> u32 u32::from(a) * u32::from(b)),
        ("wide", Ty::S16) => bin!(|a: i16, b: i16| -> i32 i32::from(a) * i32::from(b)),
        ("wide", Ty::U32) => {
            fast!(map2::<u32, u32, u64>, |a, b| u64::from(a) * u64::from(b))
        }
        ("wide", Ty::S32) => {
            fast!(map2::<i32, i32, i64>, |a, b| i64::from(a) * i64::from(b))
        }
        _ => return None,
    })
}

fn hi_u32(a: u32, b: u32) -> u32 {
    ((u64::from(a) * u64::from(b)) >> 32) as u32
}

fn hi_s32(a: i32, b: i32) -> i32 {
    ((i64::from(a) * i64::from(b)) >> 32) as i32
}

fn hi_u64(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) >> 64) as u64
}

fn hi_s64(a: i64, b: i64) -> i64 {
    ((i128::from(a) * i128::from(b)) >> 64) as i64
}

/// `mad` with `lo`, `hi` or `wide`.
pub fn mad(part: &str, ty: Ty) -> Option<AluFn> {
    Some(match (part, ty) {
        ("lo", Ty::U16) => ter!(|a: u16, b: u16, c: u16| -> u16 a.wrapping_mul(b).wrapping_add(c)),
        ("lo", Ty::S16) => ter!(|a: i16, b: i16, c: i16| -> i16 a.wrapping_mul(b).wrapping_add(c)),
        ("lo", Ty::U32 | Ty::S32) => {
            fast!(map3::<u32, u32, u32, u32>, |a, b, c| a.wrapping_mul(b).wrapping_add(c))
        }
        ("lo", Ty::U64 | Ty::S64) => {
            ter!(|a: u64, b: u64, c: u64| -> u64 a.wrapping_mul(b).wrapping_add(c))
        }
        ("hi", Ty::U32) => ter!(|a: u32, b: u32, c: u32| -> u32 hi_u32(a, b).wrapping_add(c)),
        ("hi", Ty::S32) => ter!(|a: i32, b: i32, c: i32| -> i32 hi_s32(a, b).wrapping_add(c)),
        ("hi", Ty::U64) => ter!(|a: u64, b: u64, c: u64| -> u64 hi_u64(a, b).wrapping_add(c)),
        ("hi", Ty::S64) => ter!(|a: i64, b: i64, c: i64| -> i64 hi_s64(a, b).wrapping_add(c)),
        ("wide", Ty::U16) => {
            ter!(|a: u16, b: u16, c: u32| -> u32 (u32::from(a) * u32::from(b)).wrapping_add(c))
        }
        ("wide", Ty::S16) => {
            ter!(|a: i16, b: i16, c: i32| -> i32 (i32::from(a) * i32::from(b)).wrapping_add(c))
        }
        ("wide", Ty::U32) => fast!(map3::<u32, u32, u64, u64>, |a, b, c| {
            (u64::from(a) * u64::from(b)).wrapping_add(c)
        }),
        ("wide", Ty::S32) => fast!(map3::<i32, i32, i64, i64>, |a, b, c| {
            (i64::from(a) * i64::from(b)).wrapping_add(c)
        }),
        _ => return None,
    })
}

/// `mul24` and `mad24`.
pub fn mul24(op: &str, part: &str, ty: Ty) -> Option<AluFn> {
    fn signed(v: u32) -> i64 {
        i64::from((v << 8) as i32 >> 8)
    }
    fn unsigned(v: u32) -> u64 {
        u64::from(v & 0x00ff_ffff)
    }
    Some(match (op, part, ty) {
        ("mul24", "lo", Ty::U32) => {
            bin!(|a: u32, b: u32| -> u32 (unsigned(a) * unsigned(b)) as u32)
        }
        ("mul24", "lo", Ty::S32) => bin!(|a: u32, b: u32| -> u32 (signed(a) * signed(b)) as u32),
        ("mul24", "hi", Ty::U32) => {
            bin!(|a: u32, b: u32| -> u32 ((unsigned(a) * unsigned(b)) >> 16) as u32)
        }
        ("mul24", "hi", Ty::S32) => {
            bin!(|a: u32, b: u32| -> u32 ((signed(a) * signed(b)) >> 16) as u32)
        }
        ("mad24", "lo", Ty::U32) => {
            ter!(|a: u32, b: u32, c: u32| -> u32 ((unsigned(a) * unsigned(b)) as u32).wrapping_add(c))
        }
        ("mad24", "lo", Ty::S32) => {
            ter!(|a: u32, b: u32, c: u32| -> u32 ((signed(a) * signed(b)) as u32).wrapping_add(c))
        }
        _ => return None,
    })
}

/// `sad`, `dp4a`, `dp2a`; the second type is that of `b` in dot products.
pub fn sums(op: &str, part: &str, ty: Ty, other: Ty) -> Option<AluFn> {
    fn bytes(v: u32, signed: bool) -> [i32; 4] {
        v.to_le_bytes().map(|byte| if signed { i32::from(byte as i8) } else { i32::from(byte) })
    }
    fn dot4(a: u32, b: u32, c: u32, signs: u32) -> u32 {
        let (a, b) = (bytes(a, signs & 1 != 0), bytes(b, signs & 2 != 0));
        a.iter().zip(b).fold(c, |sum, (a, b)| sum.wrapping_add((a * b) as u32))
    }
    fn dot2(a: u32, b: u32, c: u32, signs: u32, high: bool) -> u32 {
        let b = bytes(b, signs & 2 != 0);
        let halves = [a as u16, (a >> 16) as u16];
        halves.iter().enumerate().fold(c, |sum, (at, half)| {
            let a = if signs & 1 != 0 { i32::from(*half as i16) } else { i32::from(*half) };
            sum.wrapping_add((a * b[at + 2 * usize::from(high)]) as u32)
        })
    }
    Some(match (op, ty, other, part) {
        ("sad", Ty::U32, ..) => {
            ter!(|a: u32, b: u32, c: u32| -> u32 a.abs_diff(b).wrapping_add(c))
        }
        ("sad", Ty::S32, ..) => {
            ter!(|a: i32, b: i32, c: u32| -> u32 a.abs_diff(b).wrapping_add(c))
        }
        ("sad", Ty::U64, ..) => {
            ter!(|a: u64, b: u64, c: u64| -> u64 a.abs_diff(b).wrapping_add(c))
        }
        ("sad", Ty::S64, ..) => {
            ter!(|a: i64, b: i64, c: u64| -> u64 a.abs_diff(b).wrapping_add(c))
        }
        ("dp4a", Ty::U32, Ty::U32, _) => ter!(|a: u32, b: u32, c: u32| -> u32 dot4(a, b, c, 0)),
        ("dp4a", Ty::S32, Ty::U32, _) => ter!(|a: u32, b: u32, c: u32| -> u32 dot4(a, b, c, 1)),
        ("dp4a", Ty::U32, Ty::S32, _) => ter!(|a: u32, b: u32, c: u32| -> u32 dot4(a, b, c, 2)),
        ("dp4a", Ty::S32, Ty::S32, _) => ter!(|a: u32, b: u32, c: u32| -> u32 dot4(a, b, c, 3)),
        ("dp2a", Ty::U32, Ty::U32, "lo") => {
            ter!(|a: u32, b: u32, c: u32| -> u32 dot2(a, b, c, 0, false))
        }
        ("dp2a", Ty::S32, Ty::S32, "lo") => {
            ter!(|a: u32, b: u32, c: u32| -> u32 dot2(a, b, c, 3, false))
        }
        ("dp2a", Ty::U32, Ty::U32, "hi") => {
            ter!(|a: u32, b: u32, c: u32| -> u32 dot2(a, b, c, 0, true))
        }
        ("dp2a", Ty::S32, Ty::S32, "hi") => {
            ter!(|a: u32, b: u32, c: u32| -> u32 dot2(a, b, c, 3, true))
        }
        _ => return None,
    })
}

/// Takes the carry in.
const CARRY_IN: u32 = 1;
/// Writes the carry.
const CARRY_OUT: u32 = 2;

/// The detail of an instruction with carries.
pub fn carry_detail(carry_in: bool, carry_out: bool) -> u32 {
    u32::from(carry_in) * CARRY_IN + u32::from(carry_out) * CARRY_OUT
}

macro_rules! carrying {
    ($T:ty, |$regs:ident, $args:ident, $lane:ident| $wide:expr, $subtract:expr) => {{
        unsafe fn run($regs: &mut Regs, $args: &Args, mask: u32) {
            each_lane(mask, |$lane| {
                let bit = 1u32 << $lane;
                let carry = i128::from($args.x & CARRY_IN != 0 && $regs.carry & bit != 0);
                // SAFETY: the lowering chose this function for registers of this type.
                let exact: i128 = unsafe { $wide };
                let exact = if $subtract { exact - carry } else { exact + carry };
                if $args.x & CARRY_OUT != 0 {
                    let out = exact < 0 || exact > i128::from(<$T>::MAX);
                    $regs.carry = ($regs.carry & !bit) | (u32::from(out) << $lane);
                }
                // SAFETY: as above.
                unsafe { $regs.put::<$T>($args.d, $lane, exact as $T) };
            });
        }
        run as AluFn
    }};
}

macro_rules! carry_ops {
    ($T:ty, $op:expr, $part:expr) => {
        match ($op, $part) {
            ("add", _) => carrying!(
                $T,
                |r, i, l| i128::from(r.get::<$T>(i.a, l)) + i128::from(r.get::<$T>(i.b, l)),
                false
            ),
            ("sub", _) => carrying!(
                $T,
                |r, i, l| i128::from(r.get::<$T>(i.a, l)) - i128::from(r.get::<$T>(i.b, l)),
                true
            ),
            ("mad", "hi") => carrying!(
                $T,
                |r, i, l| i128::from(
                    ((u128::from(r.get::<$T>(i.a, l)) * u128::from(r.get::<$T>(i.b, l)))
                        >> <$T>::BITS) as $T
                ) + i128::from(r.get::<$T>(i.c, l)),
                false
            ),
            ("mad", "lo") => carrying!(
                $T,
                |r, i, l| i128::from(r.get::<$T>(i.a, l).wrapping_mul(r.get::<$T>(i.b, l)))
                    + i128::from(r.get::<$T>(i.c, l)),
                false
            ),
            _ => return None,
        }
    };
}

/// `add sub mad` with carries; the detail says which.
pub fn with_carry(op: &str, part: &str, ty: Ty) -> Option<AluFn> {
    Some(match ty {
        Ty::U32 | Ty::S32 if part != "hi" || ty == Ty::U32 => carry_ops!(u32, op, part),
        Ty::U64 | Ty::S64 if part != "hi" || ty == Ty::U64 => carry_ops!(u64, op, part),
        Ty::S32 => {
            carrying!(
                u32,
                |r, i, l| i128::from(hi_s32(r.get(i.a, l), r.get(i.b, l)) as u32)
                    + i128::from(r.get::<u32>(i.c, l)),
                false
            )
        }
        _ => return None,
    })
}
