//! Comparisons: `setp`, `set`, `testp`.
#![allow(
    clippy::neg_cmp_op_on_partial_ord,
    clippy::double_comparisons,
    reason = "what is unordered tells comparisons apart"
)]

use half::{bf16, f16};

use super::ty::Ty;
use crate::exec::regs::{AluFn, Args, Regs, test2};

/// The lanes where a comparison holds.
pub type TestFn = unsafe fn(&Regs, &Args) -> u32;

macro_rules! test {
    ($T:ty, |$a:ident, $b:ident| $body:expr) => {{
        unsafe fn run(regs: &Regs, args: &Args) -> u32 {
            // SAFETY: the lowering chose this function for registers of this type.
            unsafe { test2::<$T>(regs, args, |$a, $b| $body) }
        }
        run as TestFn
    }};
}

macro_rules! orders {
    ($cmp:expr, $T:ty) => {
        Some(match $cmp {
            "eq" => test!($T, |a, b| a == b),
            "ne" => test!($T, |a, b| a != b),
            "lt" | "lo" => test!($T, |a, b| a < b),
            "le" | "ls" => test!($T, |a, b| a <= b),
            "gt" | "hi" => test!($T, |a, b| a > b),
            "ge" | "hs" => test!($T, |a, b| a >= b),
            _ => return None,
        })
    };
}

macro_rules! float_orders {
    ($cmp:expr, $T:ty) => {
        Some(match $cmp {
            "eq" => test!($T, |a, b| a == b),
            "ne" => test!($T, |a, b| a < b || a > b),
            "lt" => test!($T, |a, b| a < b),
            "le" => test!($T, |a, b| a <= b),
            "gt" => test!($T, |a, b| a > b),
            "ge" => test!($T, |a, b| a >= b),
            "equ" => test!($T, |a, b| !(a < b || a > b)),
            "neu" => test!($T, |a, b| a != b),
            "ltu" => test!($T, |a, b| !(a >= b)),
            "leu" => test!($T, |a, b| !(a > b)),
            "gtu" => test!($T, |a, b| !(a <= b)),
            "geu" => test!($T, |a, b| !(a < b)),
            "num" => test!($T, |a, b| !a.is_nan() && !b.is_nan()),
            "nan" => test!($T, |a, b| a.is_nan() || b.is_nan()),
            _ => return None,
        })
    };
}

/// The comparison a modifier names. Subnormal values count as zero where `flush` is set.
pub fn test(cmp: &str, ty: Ty, flush: bool) -> Option<TestFn> {
    match ty {
        Ty::U16 => orders!(cmp, u16),
        Ty::S16 => orders!(cmp, i16),
        Ty::U32 => orders!(cmp, u32),
        Ty::S32 => orders!(cmp, i32),
        Ty::U64 => orders!(cmp, u64),
        Ty::S64 => orders!(cmp, i64),
        Ty::F16 => float_orders!(cmp, f16),
        Ty::Bf16 => float_orders!(cmp, bf16),
        Ty::F32 if flush => float_orders!(cmp, Flushed),
        Ty::F32 => float_orders!(cmp, f32),
        Ty::F64 => float_orders!(cmp, f64),
        _ => None,
    }
}

/// A single-precision value whose subnormals are zero.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Flushed(f32);

impl Flushed {
    fn is_nan(self) -> bool {
        self.0.is_nan()
    }
}

impl crate::exec::regs::Lane for Flushed {
    type Cell = u32;
    fn get(cell: u32) -> Self {
        let value = f32::from_bits(cell);
        Self(if value.is_subnormal() { 0.0 } else { value })
    }
    fn put(self) -> u32 {
        self.0.to_bits()
    }
}

/// `testp`: the class of a float; only `a` is looked at.
pub fn class(which: &str, ty: Ty) -> Option<TestFn> {
    macro_rules! classes {
        ($T:ty) => {
            Some(match which {
                "finite" => test!($T, |a, _b| a.is_finite()),
                "infinite" => test!($T, |a, _b| a.is_infinite()),
                "number" => test!($T, |a, _b| !a.is_nan()),
                "notanumber" => test!($T, |a, _b| a.is_nan()),
                "normal" => test!($T, |a, _b| a.is_normal()),
                "subnormal" => test!($T, |a, _b| a.is_subnormal()),
                _ => return None,
            })
        };
    }
    match ty {
        Ty::F32 => classes!(f32),
        Ty::F64 => classes!(f64),
        _ => None,
    }
}

/// `setp` on pairs of 16-bit floats: one half's lanes.
pub fn half_of_pair(cmp: &str, ty: Ty, high: bool) -> Option<TestFn> {
    macro_rules! halves {
        ($T:ty) => {
            match high {
                false => float_orders!(cmp, Low<$T>),
                true => float_orders!(cmp, High<$T>),
            }
        };
    }
    match ty {
        Ty::F16x2 => halves!(f16),
        Ty::Bf16x2 => halves!(bf16),
        _ => None,
    }
}

macro_rules! half_lane {
    ($name:ident, $shift:expr) => {
        /// One half of a pair.
        #[derive(Clone, Copy, PartialEq, PartialOrd)]
        struct $name<T>(T);

        impl $name<f16> {
            fn is_nan(self) -> bool {
                self.0.is_nan()
            }
        }

        impl $name<bf16> {
            fn is_nan(self) -> bool {
                self.0.is_nan()
            }
        }

        impl crate::exec::regs::Lane for $name<f16> {
            type Cell = u32;
            fn get(cell: u32) -> Self {
                Self(f16::from_bits((cell >> $shift) as u16))
            }
            fn put(self) -> u32 {
                u32::from(self.0.to_bits()) << $shift
            }
        }

        impl crate::exec::regs::Lane for $name<bf16> {
            type Cell = u32;
            fn get(cell: u32) -> Self {
                Self(bf16::from_bits((cell >> $shift) as u16))
            }
            fn put(self) -> u32 {
                u32::from(self.0.to_bits()) << $shift
            }
        }
    };
}

half_lane!(Low, 0);
half_lane!(High, 16);

/// `selp`: the third operand is a predicate.
pub fn select(wide: bool) -> AluFn {
    unsafe fn pick<T: crate::exec::regs::Lane>(regs: &mut Regs, args: &Args, mask: u32) {
        // SAFETY: the lowering chose this function for registers of this width and a predicate.
        unsafe {
            let bits = regs.pred(args.c);
            crate::exec::regs::each_lane(mask, |lane| {
                let from = if bits >> lane & 1 != 0 { args.a } else { args.b };
                let value: T = regs.get(from, lane);
                regs.put(args.d, lane, value);
            });
        }
    }
    if wide { pick::<u64> } else { pick::<u32> }
}

/// `and or xor not mov` on predicates.
pub fn logic(op: &str) -> Option<AluFn> {
    macro_rules! preds {
        (|$a:ident, $b:ident| $body:expr) => {{
            unsafe fn run(regs: &mut Regs, args: &Args, mask: u32) {
                // SAFETY: the lowering chose this function for predicates.
                unsafe {
                    let ($a, $b) = (regs.pred(args.a), regs.pred(args.b));
                    regs.set_pred(args.d, $body, mask);
                }
            }
            run as AluFn
        }};
    }
    Some(match op {
        "and" => preds!(|a, b| a & b),
        "or" => preds!(|a, b| a | b),
        "xor" => preds!(|a, b| a ^ b),
        "not" => preds!(|a, _b| !a),
        "mov" => preds!(|a, _b| a),
        _ => return None,
    })
}
