//! Where lanes go next: jumps, calls, ends.

use super::block::Shared;
use super::fault::Trap;
use super::regs::each_lane;
use super::warp::{Caller, Frame, Group, Step, Warp};
use crate::ir::program::{Call, Op, Pass, Program};

/// Calls inside each other.
const MAX_DEPTH: usize = 2048;

impl Warp {
    pub(super) fn branch(&mut self, group: &mut Group, taken: u32, target: u32) -> Step {
        if taken == group.mask {
            group.pc = target;
            return Step::Jumped;
        }
        if taken == 0 {
            return Step::Next;
        }
        let mut other = group.clone();
        // The lower place goes first.
        let next = group.pc + 1;
        let (low, high) = if target < next { (target, next) } else { (next, target) };
        let low_mask = if target < next { taken } else { group.mask & !taken };
        other.mask = group.mask & !low_mask;
        other.pc = high;
        group.mask = low_mask;
        group.pc = low;
        Step::Split(Box::new(other))
    }

    pub(super) fn branch_table(
        &mut self,
        group: &mut Group,
        mask: u32,
        index: u32,
        targets: &[u32],
    ) -> Step {
        let mut rest = mask;
        while rest != 0 {
            let first = rest.trailing_zeros() as usize;
            // SAFETY: the lowering named a register of this frame.
            let read = |lane: usize| unsafe { self.regs.get::<u32>(index, lane) };
            let choice = read(first);
            let mut same = 0;
            each_lane(rest, |lane| same |= u32::from(read(lane) == choice) << lane);
            rest &= !same;
            let mut other = group.clone();
            other.mask = same;
            other.pc = targets.get(choice as usize).copied().unwrap_or(group.pc + 1);
            self.groups.push(other);
        }
        group.mask &= !mask;
        group.pc += 1;
        if group.mask != 0 {
            let rest = group.clone();
            self.groups.push(rest);
            group.mask = 0;
        }
        let mut nothing = group.clone();
        nothing.mask = 0;
        Step::Split(Box::new(nothing))
    }

    pub(super) fn call(
        &mut self,
        shared: &Shared<'_>,
        program: &Program,
        group: &mut Group,
        mask: u32,
        call: &Call,
    ) -> Result<Step, Trap> {
        let from = &program.functions[group.function];
        let callee = &program.functions[call.function];
        let frame = Frame {
            words: group.frame.words + from.words,
            preds: group.frame.preds + from.preds,
            local: group.frame.local + from.local_bytes,
        };
        let room = (frame.local + callee.local_bytes) as usize <= self.local_stride;
        if !room || group.callers.len() >= MAX_DEPTH {
            return Err(Trap::StackOverflow);
        }
        let mut stay = group.clone();
        stay.mask = group.mask & !mask;
        stay.pc += 1;
        self.pass(&call.arguments, group.frame, frame, mask);
        group.callers.push(Caller {
            pc: group.pc + 1,
            function: group.function,
            frame: group.frame,
            call: group.pc,
        });
        group.mask = mask;
        group.function = call.function;
        group.frame = frame;
        group.pc = callee.start;
        self.enter(shared, callee, frame, mask, false);
        Ok(Step::Split(Box::new(stay)))
    }

    /// Copies variables between frames.
    fn pass(&mut self, passes: &[Pass], from: Frame, to: Frame, mask: u32) {
        let stride = self.local_stride;
        let bytes = self.local.as_mut_ptr().cast::<u8>();
        for pass in passes {
            each_lane(mask, |lane| {
                let base = lane * stride;
                let source = base + (from.local + pass.from) as usize;
                let target = base + (to.local + pass.to) as usize;
                // SAFETY: both frames fit in the stack, which was checked when they were made.
                unsafe {
                    std::ptr::copy(bytes.add(source), bytes.add(target), pass.bytes as usize);
                }
            });
        }
    }

    pub(super) fn ret(
        &mut self,
        shared: &mut Shared<'_>,
        program: &Program,
        group: &mut Group,
        mask: u32,
    ) -> Step {
        if group.callers.is_empty() {
            return self.exit(shared, group, mask);
        }
        let mut back = group.clone();
        back.mask = mask;
        if let Some(caller) = back.callers.pop() {
            if let Op::Call(call) = &program.code[caller.call as usize].op {
                self.pass(&call.results, group.frame, caller.frame, mask);
            }
            back.pc = caller.pc;
            back.function = caller.function;
            back.frame = caller.frame;
        }
        self.leave(group, mask);
        if group.mask == 0 {
            *group = back;
            self.point(group.frame);
            return Step::Jumped;
        }
        Step::Split(Box::new(back))
    }

    fn leave(&mut self, group: &mut Group, mask: u32) {
        group.mask &= !mask;
        group.pc += 1;
    }

    pub(super) fn exit(&mut self, shared: &mut Shared<'_>, group: &mut Group, mask: u32) -> Step {
        self.alive &= !mask;
        shared.lanes_ended(mask.count_ones());
        self.leave(group, mask);
        let mut nothing = group.clone();
        nothing.mask = 0;
        Step::Split(Box::new(nothing))
    }
}
