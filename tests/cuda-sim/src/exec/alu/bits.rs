//! Bits: logic, shifts, fields, permutations.

use super::ty::Ty;
use crate::exec::regs::AluFn;

macro_rules! sized {
    ($ty:expr, $mac:ident!(|$($v:ident),+| $body:expr)) => {
        match $ty.bytes() {
            2 => Some($mac!(u16, |$($v),+| $body)),
            4 => Some($mac!(u32, |$($v),+| $body)),
            8 => Some($mac!(u64, |$($v),+| $body)),
            _ => None,
        }
    };
}
macro_rules! same1 {
    ($T:ty, |$a:ident| $body:expr) => {
        fast!(map1::<$T, $T>, |$a| $body)
    };
}
macro_rules! same2 {
    ($T:ty, |$a:ident, $b:ident| $body:expr) => {
        fast!(map2::<$T, $T, $T>, |$a, $b| $body)
    };
}
macro_rules! shift {
    ($T:ty, |$a:ident, $b:ident| $body:expr) => {
        fast!(map2::<$T, u32, $T>, |$a, $b| $body)
    };
}
macro_rules! count {
    ($T:ty, |$a:ident| $body:expr) => { un!(|$a: $T| -> u32 $body) };
}

/// `and or xor not cnot mov`, `popc clz brev`.
pub fn logic(op: &str, ty: Ty) -> Option<AluFn> {
    match op {
        "and" => sized!(ty, same2!(|a, b| a & b)),
        "or" => sized!(ty, same2!(|a, b| a | b)),
        "xor" => sized!(ty, same2!(|a, b| a ^ b)),
        "not" => sized!(ty, same1!(|a| !a)),
        "cnot" => sized!(ty, same1!(|a| (a == 0).into())),
        "mov" => sized!(ty, same1!(|a| a)),
        "brev" => sized!(ty, same1!(|a| a.reverse_bits())),
        "popc" => sized!(ty, count!(|a| a.count_ones())),
        "clz" => sized!(ty, count!(|a| a.leading_zeros())),
        _ => None,
    }
}

/// `shl shr`: amounts beyond the width give what shifting one by one would.
pub fn shifts(op: &str, ty: Ty) -> Option<AluFn> {
    match (op, ty) {
        ("shl", _) => sized!(ty, shift!(|a, b| a.checked_shl(b).unwrap_or(0))),
        ("shr", Ty::S16) => Some(bin!(|a: i16, b: u32| -> i16 a >> b.min(15))),
        ("shr", Ty::S32) => Some(fast!(map2::<i32, u32, i32>, |a, b| a >> b.min(31))),
        ("shr", Ty::S64) => Some(fast!(map2::<i64, u32, i64>, |a, b| a >> b.min(63))),
        ("shr", _) => sized!(ty, shift!(|a, b| a.checked_shr(b).unwrap_or(0))),
        _ => None,
    }
}

/// `shf`: a window of two words.
pub fn funnel(left: bool, wrap: bool) -> AluFn {
    fn pair(low: u32, high: u32) -> u64 {
        u64::from(high) << 32 | u64::from(low)
    }
    match (left, wrap) {
        (true, true) => {
            ter!(|a: u32, b: u32, c: u32| -> u32 ((pair(a, b) << (c & 31)) >> 32) as u32)
        }
        (true, false) => {
            ter!(|a: u32, b: u32, c: u32| -> u32 ((pair(a, b) << c.min(32)) >> 32) as u32)
        }
        (false, true) => ter!(|a: u32, b: u32, c: u32| -> u32 (pair(a, b) >> (c & 31)) as u32),
        (false, false) => ter!(|a: u32, b: u32, c: u32| -> u32 (pair(a, b) >> c.min(32)) as u32),
    }
}

fn field_unsigned(value: u64, position: u32, length: u32, width: u32) -> u64 {
    let (position, length) = (position & 0xff, length & 0xff);
    if position >= width || length == 0 {
        return 0;
    }
    let value = value >> position;
    if length >= 64 { value } else { value & ((1 << length) - 1) }
}

fn field_signed(value: u64, position: u32, length: u32, width: u32) -> u64 {
    let (position, length) = (position & 0xff, length & 0xff);
    if length == 0 {
        return 0;
    }
    let top = (position + length - 1).min(width - 1);
    let sign = (value >> top) & 1 != 0;
    let taken = (top + 1).saturating_sub(position);
    let field = if taken == 0 { 0 } else { field_unsigned(value, position, taken, width) };
    if sign && taken < 64 { field | (u64::MAX << taken) } else { field }
}

/// `bfe`.
pub fn extract(ty: Ty) -> Option<AluFn> {
    Some(match ty {
        Ty::U32 => {
            ter!(|a: u32, b: u32, c: u32| -> u32 field_unsigned(a.into(), b, c, 32) as u32)
        }
        Ty::S32 => ter!(|a: u32, b: u32, c: u32| -> u32 field_signed(a.into(), b, c, 32) as u32),
        Ty::U64 => ter!(|a: u64, b: u32, c: u32| -> u64 field_unsigned(a, b, c, 64)),
        Ty::S64 => ter!(|a: u64, b: u32, c: u32| -> u64 field_signed(a, b, c, 64)),
        _ => return None,
    })
}

/// Puts `length` bits of `from` into `into` at `position`.
pub fn insert(from: u64, into: u64, position: u32, length: u32, width: u32) -> u64 {
    let (position, length) = (position & 0xff, length & 0xff);
    if position >= width || length == 0 {
        return into;
    }
    let ones = if length >= 64 { u64::MAX } else { (1 << length) - 1 };
    let mask = ones << position;
    (into & !mask) | ((from << position) & mask)
}

/// `bfind`, with `shiftamt` or without.
pub fn find(ty: Ty, shift: bool) -> Option<AluFn> {
    fn place(value: u64, width: u32, shift: bool) -> u32 {
        if value == 0 {
            return u32::MAX;
        }
        let at = 63 - value.leading_zeros();
        if shift { width - 1 - at } else { at }
    }
    fn magnitude32(value: i32) -> u64 {
        (if value < 0 { !value } else { value }) as u64
    }
    fn magnitude64(value: i64) -> u64 {
        (if value < 0 { !value } else { value }) as u64
    }
    Some(match (ty, shift) {
        (Ty::U32, false) => un!(|a: u32| -> u32 place(a.into(), 32, false)),
        (Ty::U32, true) => un!(|a: u32| -> u32 place(a.into(), 32, true)),
        (Ty::S32, false) => un!(|a: i32| -> u32 place(magnitude32(a), 32, false)),
        (Ty::S32, true) => un!(|a: i32| -> u32 place(magnitude32(a), 32, true)),
        (Ty::U64, false) => un!(|a: u64| -> u32 place(a, 64, false)),
        (Ty::U64, true) => un!(|a: u64| -> u32 place(a, 64, true)),
        (Ty::S64, false) => un!(|a: i64| -> u32 place(magnitude64(a), 64, false)),
        (Ty::S64, true) => un!(|a: i64| -> u32 place(magnitude64(a), 64, true)),
        _ => return None,
    })
}

fn permute_generic(a: u32, b: u32, selector: u32) -> u32 {
    let bytes = (u64::from(b) << 32 | u64::from(a)).to_le_bytes();
    let pick = |at: u32| {
        let choice = (selector >> (4 * at)) & 0xf;
        let byte = bytes[(choice & 7) as usize];
        if choice & 8 != 0 { ((byte as i8) >> 7) as u8 } else { byte }
    };
    u32::from_le_bytes([pick(0), pick(1), pick(2), pick(3)])
}

fn permute_by(a: u32, b: u32, selector: u32, choose: impl Fn(u32, u32) -> u32) -> u32 {
    let bytes = (u64::from(b) << 32 | u64::from(a)).to_le_bytes();
    let pick = |at| bytes[(choose(selector & 3, at) & 7) as usize];
    u32::from_le_bytes([pick(0), pick(1), pick(2), pick(3)])
}

/// `prmt` and its modes.
pub fn permute(mode: &str) -> Option<AluFn> {
    Some(match mode {
        "" => ter!(|a: u32, b: u32, c: u32| -> u32 permute_generic(a, b, c)),
        "f4e" => ter!(|a: u32, b: u32, c: u32| -> u32 permute_by(a, b, c, |s, at| s + at)),
        "b4e" => {
            ter!(|a: u32, b: u32, c: u32| -> u32 permute_by(a, b, c, |s, at| s.wrapping_sub(at)))
        }
        "rc8" => ter!(|a: u32, b: u32, c: u32| -> u32 permute_by(a, b, c, |s, _| s)),
        "ecl" => ter!(|a: u32, b: u32, c: u32| -> u32 permute_by(a, b, c, |s, at| s.max(at))),
        "ecr" => ter!(|a: u32, b: u32, c: u32| -> u32 permute_by(a, b, c, |s, at| s.min(at))),
        "rc16" => ter!(|a: u32, b: u32, c: u32| -> u32 {
            permute_by(a, b, c, |s, at| (s & 1) * 2 + (at & 1))
        }),
        _ => return None,
    })
}

/// `lop3`: the detail is the truth table.
pub fn logic3() -> AluFn {
    ter!(x; |a: u32, b: u32, c: u32| -> u32 {
        (0..8).filter(|row| x >> row & 1 != 0).fold(0, |out, row: u32| {
            let pick = |v: u32, bit: u32| if row & bit != 0 { v } else { !v };
            out | (pick(a, 4) & pick(b, 2) & pick(c, 1))
        })
    })
}

/// `bmsk`.
pub fn mask(clamp: bool) -> AluFn {
    fn make(position: u32, length: u32) -> u32 {
        if position >= 32 {
            return 0;
        }
        let ones = if length >= 32 { u32::MAX } else { (1 << length) - 1 };
        ones << position
    }
    if clamp {
        bin!(|a: u32, b: u32| -> u32 make(a, b))
    } else {
        bin!(|a: u32, b: u32| -> u32 make(a & 31, b & 31))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_reach_the_edges() {
        assert_eq!(field_unsigned(0xffff_ffff, 28, 8, 32), 0xf);
        assert_eq!(field_signed(0x8000_0000, 28, 8, 32) as u32, 0xffff_fff8);
        assert_eq!(field_signed(0x0000_0f00, 8, 4, 32) as u32, 0xffff_ffff);
        assert_eq!(field_signed(0x8000_0000, 40, 4, 32) as u32, 0xffff_ffff);
        assert_eq!(insert(0xff, 0, 30, 8, 32) as u32, 0xc000_0000);
        assert_eq!(permute_generic(0x0302_0100, 0x0706_0504, 0x3614), 0x0306_0104);
    }
}
