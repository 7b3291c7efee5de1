//! Instructions that are not worth a quick path.

use super::block::Shared;
use super::fault::Trap;
use super::regs::each_lane;
use super::warp::Warp;
use crate::ir::program::{Clock, NONE, Op};

impl Warp {
    /// Instructions that are not worth a quick path.
    #[inline(never)]
    pub(super) fn rare(&mut self, shared: &mut Shared<'_>, op: &Op, mask: u32) -> Result<(), Trap> {
        match op {
            Op::Pack { d, wide, bits, parts, parts_wide } => each_lane(mask, |lane| {
                let mut value = 0u64;
                for (at, part) in parts.iter().enumerate() {
                    // SAFETY: the lowering named registers of this frame and their widths.
                    let part: u64 = unsafe {
                        if *parts_wide {
                            self.regs.get(*part, lane)
                        } else {
                            u64::from(self.regs.get::<u32>(*part, lane))
                        }
                    };
                    let ones = if *bits >= 64 { u64::MAX } else { (1 << bits) - 1 };
                    value |= (part & ones) << (at as u32 * bits);
                }
                self.put_sized(*d, *wide, lane, value);
            }),
            Op::Unpack { a, wide, bits, parts, parts_wide } => each_lane(mask, |lane| {
                let value = self.get_sized(*a, *wide, lane);
                let ones = if *bits >= 64 { u64::MAX } else { (1 << bits) - 1 };
                for (at, part) in parts.iter().enumerate().filter(|(_, part)| **part != NONE) {
                    self.put_sized(*part, *parts_wide, lane, (value >> (at as u32 * bits)) & ones);
                }
            }),
            Op::Insert { args, wide } => each_lane(mask, |lane| {
                // SAFETY: the lowering named registers of this frame.
                let (position, length): (u32, u32) =
                    unsafe { (self.regs.get(args.c, lane), self.regs.get(args.x, lane)) };
                let from = self.get_sized(args.a, *wide, lane);
                let into = self.get_sized(args.b, *wide, lane);
                let width = if *wide { 64 } else { 32 };
                let made = super::alu::bits::insert(from, into, position, length, width);
                self.put_sized(args.d, *wide, lane, made);
            }),
            Op::Atomic(atomic) => self.atomic(shared, atomic, mask)?,
            Op::CopyAsync(copy) => self.copy_async(shared, copy, mask)?,
            Op::ActiveMask { d } => {
                each_lane(mask, |lane| self.put_sized(*d, false, lane, mask.into()))
            }
            Op::MovMatrix { d, a } => self.movmatrix(*d, *a),
            Op::IsSpace(args) => {
                let mut bits = 0;
                each_lane(mask, |lane| {
                    let address = self.get_sized(args.a, args.wide, lane);
                    let (space, _) = super::memory::split(address);
                    bits |= u32::from(space == args.space) << lane;
                });
                // SAFETY: the lowering named a predicate of this frame.
                unsafe { self.regs.set_pred(args.p, bits, mask) };
            }
            Op::Clock { d, clock } => {
                let nanos = shared.launch.clock_nanos();
                let (value, wide) = match clock {
                    Clock::Clock => (self.instructions, false),
                    Clock::ClockHigh => (self.instructions >> 32, false),
                    Clock::Clock64 => (self.instructions, true),
                    Clock::Globaltimer => (nanos, true),
                    Clock::GlobaltimerLow => (nanos, false),
                    Clock::GlobaltimerHigh => (nanos >> 32, false),
                };
                each_lane(mask, |lane| self.put_sized(*d, wide, lane, value));
            }
            Op::FrameAddress { d, wide, offset } => {
                let address = u64::from(self.frame.local + offset);
                each_lane(mask, |lane| self.put_sized(*d, *wide, lane, address));
            }
            Op::Builtin { which, arguments, result } => {
                self.builtin(shared, *which, arguments, *result, mask)?;
            }
            Op::Sleep => {
                self.instructions += 1000;
                shared.rest();
            }
            Op::Fence => shared.passed_fence(self.index),
            _ => {}
        }
        Ok(())
    }
}
