//! Shuffles, votes and other meetings of a warp's lanes.

use super::regs::{LANES, each_lane};
use super::warp::Warp;
use crate::ir::program::{AtomicOp, NONE, Op, Shuffle, Vote};

/// The lane a shuffle reads, and whether it is in range.
fn source(mode: Shuffle, lane: u32, b: u32, c: u32) -> (u32, bool) {
    let segment = (c >> 8) & 0x1f;
    let clamp = c & 0x1f;
    let b = b & 0x1f;
    let max = (lane & segment) | (clamp & !segment);
    let min = lane & segment;
    let (from, inside) = match mode {
        Shuffle::Up => (lane.wrapping_sub(b), lane as i32 - b as i32 >= max as i32),
        Shuffle::Down => (lane + b, lane + b <= max),
        Shuffle::Bfly => (lane ^ b, lane ^ b <= max),
        Shuffle::Idx => {
            let from = min | (b & !segment);
            (from, from <= max)
        }
    };
    if inside { (from, true) } else { (lane, false) }
}

impl Warp {
    /// Runs an instruction in which lanes meet.
    pub(super) fn collective(&mut self, op: &Op, mask: u32) {
        match op {
            Op::Shuffle { mode, d, p, a, b, c, .. } => {
                let mut values = [0u32; LANES];
                each_lane(mask, |lane| values[lane] = self.get_sized(*a, false, lane) as u32);
                let mut inside = 0;
                let mut out = [0u32; LANES];
                each_lane(mask, |lane| {
                    let b = self.get_sized(*b, false, lane) as u32;
                    let c = self.get_sized(*c, false, lane) as u32;
                    let (from, ok) = source(*mode, lane as u32, b, c);
                    inside |= u32::from(ok) << lane;
                    // A lane that takes no part gives nothing useful; here it gives its own value.
                    let from = if mask >> from & 1 != 0 { from as usize } else { lane };
                    out[lane] = values[from];
                });
                each_lane(mask, |lane| self.put_sized(*d, false, lane, out[lane].into()));
                if *p != NONE {
                    // SAFETY: the lowering named a predicate of this frame.
                    unsafe { self.regs.set_pred(*p, inside, mask) };
                }
            }
            Op::Vote { vote, d, a, .. } => {
                // SAFETY: the lowering named a predicate of this frame.
                let bits = unsafe { self.regs.pred(a.at) };
                let bits = if a.negated { !bits } else { bits } & mask;
                let answer = match vote {
                    Vote::Ballot => {
                        each_lane(mask, |lane| self.put_sized(*d, false, lane, bits.into()));
                        return;
                    }
                    Vote::All => bits == mask,
                    Vote::Any => bits != 0,
                    Vote::Uni => bits == mask || bits == 0,
                };
                // SAFETY: as above.
                unsafe { self.regs.set_pred(*d, if answer { u32::MAX } else { 0 }, mask) };
            }
            Op::Match { all, wide, d, p, a, .. } => self.matching(*all, *wide, (*d, *p, *a), mask),
            Op::Redux { op, signed, d, a, .. } => self.redux(*op, *signed, (*d, *a), mask),
            Op::Elect { d, p, .. } => {
                let leader = mask.trailing_zeros();
                each_lane(mask, |lane| self.put_sized(*d, false, lane, leader.into()));
                // SAFETY: as above.
                unsafe { self.regs.set_pred(*p, 1 << leader, mask) };
            }
            _ => {}
        }
    }

    fn matching(&mut self, all: bool, wide: bool, (d, p, a): (u32, u32, u32), mask: u32) {
        let mut values = [0u64; LANES];
        each_lane(mask, |lane| values[lane] = self.get_sized(a, wide, lane));
        let same = |value: u64| {
            let mut bits = 0;
            each_lane(mask, |lane| bits |= u32::from(values[lane] == value) << lane);
            bits
        };
        let mut everyone = true;
        each_lane(mask, |lane| {
            let bits = same(values[lane]);
            everyone &= bits == mask;
            let bits = if all && bits != mask { 0 } else { bits };
            self.put_sized(d, false, lane, bits.into());
        });
        if p != NONE {
            // SAFETY: the lowering named a predicate of this frame.
            unsafe { self.regs.set_pred(p, if everyone { u32::MAX } else { 0 }, mask) };
        }
    }

    fn redux(&mut self, op: AtomicOp, signed: bool, (d, a): (u32, u32), mask: u32) {
        let mut result: Option<u32> = None;
        each_lane(mask, |lane| {
            let value = self.get_sized(a, false, lane) as u32;
            result = Some(match (result, op) {
                (None, _) => value,
                (Some(sum), AtomicOp::Add) => sum.wrapping_add(value),
                (Some(sum), AtomicOp::And) => sum & value,
                (Some(sum), AtomicOp::Or) => sum | value,
                (Some(sum), AtomicOp::Xor) => sum ^ value,
                (Some(sum), AtomicOp::Min) if signed => (sum as i32).min(value as i32) as u32,
                (Some(sum), AtomicOp::Max) if signed => (sum as i32).max(value as i32) as u32,
                (Some(sum), AtomicOp::Min) => sum.min(value),
                (Some(sum), _) => sum.max(value),
            });
        });
        let result = result.unwrap_or(0);
        each_lane(mask, |lane| self.put_sized(d, false, lane, result.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffles_stay_in_their_segment() {
        // width 8: the segment mask is 0x18, the clamp 0x1f, but 0 for `up`.
        let down = 0x181f;
        assert_eq!(source(Shuffle::Down, 4, 3, down), (7, true));
        assert_eq!(source(Shuffle::Down, 5, 3, down), (5, false));
        let up = 0x1800;
        assert_eq!(source(Shuffle::Up, 10, 2, up), (8, true));
        assert_eq!(source(Shuffle::Up, 9, 2, up), (9, false));
        assert_eq!(source(Shuffle::Idx, 13, 35, 0x181f), (11, true));
        assert_eq!(source(Shuffle::Bfly, 3, 16, 0x1f), (19, true));
    }
}
