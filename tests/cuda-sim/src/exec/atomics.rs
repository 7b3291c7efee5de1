//! Atomic instructions: on device memory they are atomic between blocks and devices.

use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use half::{bf16, f16};

use super::block::Shared;
use super::fault::Trap;
use super::warp::Warp;
use crate::exec::alu::ty::Ty;
use crate::ir::program::{Atomic, AtomicOp, CopyAsync, NONE};
use crate::ptx::ast::Space;

/// The new value of a cell.
fn apply(op: AtomicOp, ty: Ty, old: u64, a: u64, b: u64) -> u64 {
    let f32s = |v: u64| f32::from_bits(v as u32);
    let f64s = f64::from_bits;
    match (op, ty) {
        (AtomicOp::Exch, _) => a,
        (AtomicOp::Cas, _) => {
            if old == a {
                b
            } else {
                old
            }
        }
        (AtomicOp::And, _) => old & a,
        (AtomicOp::Or, _) => old | a,
        (AtomicOp::Xor, _) => old ^ a,
        (AtomicOp::Inc, _) => {
            if old >= a {
                0
            } else {
                old + 1
            }
        }
        (AtomicOp::Dec, _) => {
            if old == 0 || old > a {
                a
            } else {
                old - 1
            }
        }
        (AtomicOp::Add, Ty::F32) => u64::from((f32s(old) + f32s(a)).to_bits()),
        (AtomicOp::Add, Ty::F64) => (f64s(old) + f64s(a)).to_bits(),
        (AtomicOp::Add, Ty::F16) => half_add(old, a),
        (AtomicOp::Add, Ty::Bf16) => bf16_add(old, a),
        (AtomicOp::Add, Ty::F16x2) => {
            half_add(old & 0xffff, a & 0xffff) | half_add(old >> 16, a >> 16) << 16
        }
        (AtomicOp::Add, Ty::Bf16x2) => {
            bf16_add(old & 0xffff, a & 0xffff) | bf16_add(old >> 16, a >> 16) << 16
        }
        (AtomicOp::Add, Ty::U64 | Ty::S64) => old.wrapping_add(a),
        (AtomicOp::Add, _) => u64::from((old as u32).wrapping_add(a as u32)),
        (AtomicOp::Min, Ty::S32) => u64::from((old as i32).min(a as i32) as u32),
        (AtomicOp::Max, Ty::S32) => u64::from((old as i32).max(a as i32) as u32),
        (AtomicOp::Min, Ty::S64) => (old as i64).min(a as i64) as u64,
        (AtomicOp::Max, Ty::S64) => (old as i64).max(a as i64) as u64,
        (AtomicOp::Min, Ty::F32) => u64::from(f32s(old).min(f32s(a)).to_bits()),
        (AtomicOp::Max, Ty::F32) => u64::from(f32s(old).max(f32s(a)).to_bits()),
        (AtomicOp::Min, _) => old.min(a),
        (AtomicOp::Max, _) => old.max(a),
    }
}

fn half_add(a: u64, b: u64) -> u64 {
    let sum = f16::from_bits(a as u16).to_f64() + f16::from_bits(b as u16).to_f64();
    u64::from(f16::from_f64(sum).to_bits())
}

fn bf16_add(a: u64, b: u64) -> u64 {
    let sum = bf16::from_bits(a as u16).to_f64() + bf16::from_bits(b as u16).to_f64();
    u64::from(bf16::from_f64(sum).to_bits())
}

/// Changes a cell and gives its old value.
///
/// # Safety
/// `cell` points to that many aligned bytes.
unsafe fn change(cell: *mut u8, bytes: usize, f: impl Fn(u64) -> u64) -> u64 {
    // SAFETY: the caller vouches for the cell.
    unsafe {
        match bytes {
            2 => {
                let cell = AtomicU16::from_ptr(cell.cast());
                let change = |old| Some(f(u64::from(old)) as u16);
                u64::from(match cell.fetch_update(Ordering::AcqRel, Ordering::Acquire, change) {
                    Ok(old) | Err(old) => old,
                })
            }
            8 => {
                let cell = AtomicU64::from_ptr(cell.cast());
                match cell.fetch_update(Ordering::AcqRel, Ordering::Acquire, |old| Some(f(old))) {
                    Ok(old) | Err(old) => old,
                }
            }
            _ => {
                let cell = AtomicU32::from_ptr(cell.cast());
                let change = |old| Some(f(u64::from(old)) as u32);
                u64::from(match cell.fetch_update(Ordering::AcqRel, Ordering::Acquire, change) {
                    Ok(old) | Err(old) => old,
                })
            }
        }
    }
}

impl Warp {
    /// Runs an atomic instruction, lane after lane.
    pub(super) fn atomic(
        &mut self,
        shared: &mut Shared<'_>,
        atomic: &Atomic,
        mask: u32,
    ) -> Result<(), Trap> {
        let bytes = atomic.ty.bytes();
        let wide = atomic.ty.wide();
        let addresses = self.addresses(&atomic.address, mask);
        let mut rest = mask;
        while rest != 0 {
            let lane = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let cell = self
                .byte(shared, atomic.space, addresses[lane], bytes as u64, lane, true)
                .map_err(|bad| Trap::Access(bad, lane as u32))?;
            if let Some(races) = shared.races
                && let (Space::Shared, at) = match atomic.space {
                    Space::Generic => super::memory::split(addresses[lane]),
                    space => (space, addresses[lane]),
                }
            {
                races.atomic(self.index, at);
            }
            let a = self.get_sized(atomic.a, wide, lane);
            let b = if atomic.b == NONE { 0 } else { self.get_sized(atomic.b, wide, lane) };
            let (a, b) = if bytes == 2 { (a & 0xffff, b & 0xffff) } else { (a, b) };
            // SAFETY: `byte` checked range and alignment.
            let old = unsafe { change(cell, bytes, |old| apply(atomic.op, atomic.ty, old, a, b)) };
            if atomic.d != NONE {
                self.put_sized(atomic.d, wide, lane, old);
            }
        }
        Ok(())
    }

    /// Runs `cp.async`: the copy is done at once.
    pub(super) fn copy_async(
        &mut self,
        shared: &mut Shared<'_>,
        copy: &CopyAsync,
        mask: u32,
    ) -> Result<(), Trap> {
        let to = self.addresses(&copy.to, mask);
        let from = self.addresses(&copy.from, mask);
        self.note(shared, Space::Shared, &to, u64::from(copy.bytes), mask, true)?;
        // SAFETY: the lowering named a predicate of this frame.
        let ignored = copy
            .ignore
            .map_or(0, |p| unsafe { self.regs.pred(p.at) } ^ if p.negated { u32::MAX } else { 0 });
        let mut rest = mask;
        while rest != 0 {
            let lane = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let bytes = u64::from(copy.bytes);
            let access = |bad| Trap::Access(bad, lane as u32);
            let target =
                self.byte(shared, Space::Shared, to[lane], bytes, lane, true).map_err(access)?;
            let mut read = bytes;
            if copy.source_bytes != NONE {
                read = self.get_sized(copy.source_bytes, false, lane).min(bytes);
            }
            if ignored >> lane & 1 != 0 {
                read = 0;
            }
            // SAFETY: `byte` checked the range.
            unsafe { std::ptr::write_bytes(target, 0, bytes as usize) };
            if read > 0 {
                let source = shared.view.resolve(from[lane], read, false).map_err(access)?;
                shared.view.bytes += read;
                // SAFETY: both ranges were checked.
                unsafe { std::ptr::copy(source, target, read as usize) };
            }
        }
        Ok(())
    }
}
