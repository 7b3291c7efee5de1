//! A warp: 32 lanes in groups that are at the same place.
//!
//! Every group has a place and a mask. The deepest call runs first, then the lowest place: so groups
//! that parted meet again at the latest where their ways join, and then become one. Any order would be
//! right; this one keeps lanes together.

use super::block::Shared;
use super::fault::Trap;
use super::regs::{FULL, LANES, Regs, each_lane};
use crate::exec::memory::LOCAL_WINDOW;
use crate::ir::program::{
    BarrierReduce, Function, Inst, Join, NONE, Op, Predicate, Preset, Program, Special,
};

/// Jumps backwards after which a group lets another one run.
const PATIENCE: u32 = 1024;

/// Instructions that the other one runs then.
const FAIR_SLICE: u64 = 256;

/// Where a call goes back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) pc: u32,
    pub(super) function: usize,
    pub(super) frame: Frame,
    /// The call instruction, which tells what the results are.
    pub(super) call: u32,
}

/// Where a function's registers and variables start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    pub(super) words: u32,
    pub(super) preds: u32,
    pub(super) local: u32,
}

/// What a group waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Nothing.
    Ready,
    /// A barrier to get past this generation.
    Barrier { id: usize, generation: u64 },
    /// The other lanes of the mask to come to this place.
    Lanes { members: u32 },
}

/// Lanes at the same place.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) pc: u32,
    pub(super) mask: u32,
    pub(super) function: usize,
    pub(super) frame: Frame,
    pub(super) callers: Vec<Caller>,
    wait: Wait,
}

/// How a slice of a warp's time ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All lanes are done.
    Done,
    /// It waits for other warps.
    Blocked,
    /// Its slice is used up.
    Yield,
}

/// A warp.
pub struct Warp {
    /// Its number in the block.
    pub index: usize,
    /// The frame's registers.
    pub(super) regs: Regs,
    /// The frame of the running group.
    pub(super) frame: Frame,
    /// The line of the running instruction.
    pub(super) line: u32,
    /// Lanes that have not ended.
    pub(super) alive: u32,
    pub(super) local: Vec<u64>,
    pub(super) local_stride: usize,
    words: Vec<u64>,
    preds: Vec<u32>,
    pub(super) groups: Vec<Group>,
    /// Instructions run.
    pub instructions: u64,
    /// Jumps backwards since another group had its turn.
    patience: u32,
    /// The next group is one that others would leave waiting.
    fair: bool,
    /// The next group goes on without the lanes it waits for.
    forced: bool,
    /// Reductions over barriers that have not opened yet.
    pub(super) pending: Vec<(usize, u64, BarrierReduce, u32, u32)>,
}

// SAFETY: the raw pointers point into the warp's own vectors, which move with it.
unsafe impl Send for Warp {}

impl Warp {
    /// A warp without lanes.
    pub fn new(index: usize) -> Self {
        let regs = Regs { words: std::ptr::null_mut(), preds: std::ptr::null_mut(), carry: 0 };
        Self {
            index,
            regs,
            frame: Frame::default(),
            line: 0,
            alive: 0,
            local: Vec::new(),
            local_stride: 0,
            words: Vec::new(),
            preds: Vec::new(),
            groups: Vec::new(),
            instructions: 0,
            patience: 0,
            fair: false,
            forced: false,
            pending: Vec::new(),
        }
    }

    /// Puts the lanes of `mask` at the start of a kernel; `again` if the warp ran it in another block.
    pub fn start(&mut self, shared: &Shared<'_>, kernel: usize, mask: u32, again: bool) {
        let function = &shared.program.functions[kernel];
        let stack = if function.calls { 32 << 10 } else { 0 };
        self.local_stride = function.local_bytes as usize + stack;
        let local_words = (self.local_stride * LANES).div_ceil(8);
        if self.local.len() < local_words {
            self.local = vec![0; local_words];
        }
        self.alive = mask;
        self.groups.clear();
        self.pending.clear();
        self.groups.push(Group {
            pc: function.start,
            mask,
            function: kernel,
            frame: Frame::default(),
            callers: Vec::new(),
            wait: Wait::Ready,
        });
        self.enter(shared, function, Frame::default(), mask, again);
    }

    /// Makes room for a frame and fills in what is known before the function starts.
    /// `again` leaves out what is the same in all blocks.
    pub(super) fn enter(
        &mut self,
        shared: &Shared<'_>,
        function: &Function,
        frame: Frame,
        mask: u32,
        again: bool,
    ) {
        let words = (frame.words + function.words) as usize;
        if self.words.len() * 2 < words {
            self.words.resize(words.div_ceil(2).max(64), 0);
        }
        let preds = (frame.preds + function.preds) as usize;
        if self.preds.len() < preds {
            self.preds.resize(preds.max(16), 0);
        }
        self.point(frame);
        let changes = |value: Preset| matches!(value, Preset::Special(Special::Ctaid(_)));
        for preset in function.presets.iter().filter(|preset| !again || changes(preset.value)) {
            for lane in 0..LANES {
                if mask >> lane & 1 == 0 {
                    continue;
                }
                let value = match preset.value {
                    Preset::Number(bits) => bits,
                    Preset::Special(special) => u64::from(self.special(shared, special, lane)),
                };
                // SAFETY: the lowering gave presets a place of this width in this frame.
                unsafe {
                    if preset.wide {
                        self.regs.put(preset.at, lane, value);
                    } else {
                        self.regs.put(preset.at, lane, value as u32);
                    }
                }
            }
        }
        for at in &function.true_preds {
            // SAFETY: the lowering gave it a place in this frame.
            unsafe { self.regs.set_pred(*at, FULL, mask) };
        }
        for at in &function.false_preds {
            // SAFETY: as above.
            unsafe { self.regs.set_pred(*at, 0, mask) };
        }
    }

    pub(super) fn point(&mut self, frame: Frame) {
        self.frame = frame;
        self.regs.words = self.words.as_mut_ptr().cast::<u32>().wrapping_add(frame.words as usize);
        self.regs.preds = self.preds.as_mut_ptr().wrapping_add(frame.preds as usize);
    }

    fn special(&self, shared: &Shared<'_>, special: Special, lane: usize) -> u32 {
        let launch = shared.launch;
        let linear = (self.index * LANES + lane) as u32;
        let [x, y, _] = launch.block;
        match special {
            Special::Tid(0) => linear % x,
            Special::Tid(1) => linear / x % y,
            Special::Tid(_) => linear / (x * y),
            Special::Ntid(axis) => launch.block[axis as usize],
            Special::Ctaid(axis) => shared.block_index[axis as usize],
            Special::Nctaid(axis) => launch.grid[axis as usize],
            Special::Laneid => lane as u32,
            Special::Warpid => self.index as u32,
            Special::Nwarpid => launch.threads().div_ceil(LANES as u32),
            Special::Smid => shared.worker as u32,
            Special::Nsmid => launch.multiprocessors,
            Special::Gridid => launch.id as u32,
            Special::LanemaskEq => 1 << lane,
            Special::LanemaskLt => (1 << lane) - 1,
            Special::LanemaskLe => ((1u64 << (lane + 1)) - 1) as u32,
            Special::LanemaskGe => !((1 << lane) - 1),
            Special::LanemaskGt => !(((1u64 << (lane + 1)) - 1) as u32),
            Special::DynamicSmem => launch.dynamic_shared,
            Special::TotalSmem => (shared.memory.len() * 8) as u32,
            Special::Zero => 0,
            Special::One => 1,
        }
    }

    #[inline(always)]
    fn holds(&self, predicate: Predicate) -> u32 {
        // SAFETY: the lowering named a predicate of this frame.
        let bits = unsafe { self.regs.pred(predicate.at) };
        if predicate.negated { !bits } else { bits }
    }

    #[inline(always)]
    fn joined(&self, bits: u32, join: Option<(Join, Predicate)>) -> u32 {
        match join {
            None => bits,
            Some((Join::And, with)) => bits & self.holds(with),
            Some((Join::Or, with)) => bits | self.holds(with),
            Some((Join::Xor, with)) => bits ^ self.holds(with),
        }
    }

    /// Runs at most `slice` instructions.
    pub fn run(&mut self, shared: &mut Shared<'_>, slice: u64) -> Result<Outcome, Trap> {
        let end = self.instructions + slice;
        loop {
            if self.groups.is_empty() {
                return Ok(Outcome::Done);
            }
            let Some(at) = self.choose(shared) else {
                return Ok(Outcome::Blocked);
            };
            let group = self.groups.swap_remove(at);
            self.point(group.frame);
            self.run_group(shared, group, end)?;
            if self.instructions >= end {
                return Ok(if self.groups.is_empty() { Outcome::Done } else { Outcome::Yield });
            }
        }
    }

    /// The group to run: the deepest, then the lowest. After many loops another one, so that lanes that
    /// wait for others of their warp do not wait for ever.
    fn choose(&mut self, shared: &Shared<'_>) -> Option<usize> {
        self.merge();
        let ready = |group: &Group| match group.wait {
            Wait::Ready => true,
            Wait::Barrier { id, generation } => shared.barriers[id].generation != generation,
            Wait::Lanes { members } => members & self.alive & !group.mask == 0,
        };
        let best = self.groups.iter().enumerate().filter(|(_, group)| ready(group));
        let key = |group: &Group| (usize::MAX - group.callers.len(), group.pc);
        let chosen = if self.fair {
            best.max_by_key(|(_, group)| key(group))
        } else {
            best.min_by_key(|(_, group)| key(group))
        };
        if let Some((at, _)) = chosen {
            return Some(at);
        }
        // Lanes that wait for each other at different places: the instructions are the same kind of
        // meeting point, so all may go on.
        let stuck = self.groups.iter().all(|group| matches!(group.wait, Wait::Lanes { .. }));
        (stuck && !self.groups.is_empty()).then(|| {
            let lowest = (0..self.groups.len()).min_by_key(|at| key(&self.groups[*at]));
            let at = lowest.unwrap_or(0);
            self.groups[at].wait = Wait::Ready;
            shared.note_split_meeting();
            self.forced = true;
            at
        })
    }

    /// Joins groups at the same place.
    fn merge(&mut self) {
        let mut at = 0;
        while at < self.groups.len() {
            let mut with = at + 1;
            while with < self.groups.len() {
                let (a, b) = (&self.groups[at], &self.groups[with]);
                let barrier = |group: &Group| matches!(group.wait, Wait::Barrier { .. });
                let same = a.pc == b.pc
                    && a.frame == b.frame
                    && a.callers == b.callers
                    && (a.wait == b.wait || (!barrier(a) && !barrier(b)));
                if same {
                    let other = self.groups.swap_remove(with);
                    self.groups[at].mask |= other.mask;
                    if other.wait != Wait::Ready {
                        self.groups[at].wait = other.wait;
                    }
                } else {
                    with += 1;
                }
            }
            at += 1;
        }
    }

    /// Runs a group until it ends, waits, meets another's place or its time is up.
    fn run_group(
        &mut self,
        shared: &mut Shared<'_>,
        mut group: Group,
        end: u64,
    ) -> Result<(), Trap> {
        let forced = std::mem::take(&mut self.forced);
        let fair = std::mem::take(&mut self.fair);
        let end = if fair { end.min(self.instructions + FAIR_SLICE) } else { end };
        group.wait = Wait::Ready;
        if !self.pending.is_empty() {
            self.finish_reductions(shared);
        }
        let program = shared.program;
        let mut limit = self.limit(&group, fair);
        let mut first = true;
        loop {
            if (group.pc >= limit && !first) || self.instructions >= end {
                self.groups.push(group);
                return Ok(());
            }
            let inst = &program.code[group.pc as usize];
            self.instructions += 1;
            let mask = match inst.guard {
                None => group.mask,
                Some(guard) => group.mask & self.holds(guard),
            };
            if let Op::Alu(f, args) = &inst.op {
                if mask != 0 {
                    // SAFETY: the lowering chose the function for registers of this frame.
                    unsafe { f(&mut self.regs, args, mask) };
                }
                group.pc += 1;
                first = false;
                continue;
            }
            self.line = inst.line;
            let from = group.pc;
            match self.step(shared, program, inst, &mut group, mask, forced && first)? {
                Step::Next => group.pc += 1,
                Step::Jumped => {
                    if group.pc <= from && !self.groups.is_empty() {
                        self.patience += 1;
                        if self.patience >= PATIENCE {
                            // It may wait for lanes that wait for it.
                            self.patience = 0;
                            self.fair = true;
                            self.groups.push(group);
                            return Ok(());
                        }
                    }
                    limit = self.limit(&group, fair);
                }
                Step::Wait(wait) => {
                    group.wait = wait;
                    self.groups.push(group);
                    return Ok(());
                }
                Step::Split(other) => {
                    if other.mask != 0 {
                        self.groups.push(*other);
                    }
                    if group.mask == 0 {
                        return Ok(());
                    }
                    limit = self.limit(&group, fair);
                }
            }
            first = false;
        }
    }

    /// The lowest place of another group that this one must stop at. A group that has its turn out of
    /// fairness passes by those below.
    fn limit(&self, group: &Group, fair: bool) -> u32 {
        let others = self.groups.iter().filter(|other| other.callers.len() == group.callers.len());
        let lower =
            others.filter(|other| other.pc >= group.pc || (!fair && other.wait == Wait::Ready));
        lower.map(|other| other.pc).min().unwrap_or(u32::MAX)
    }

    fn step(
        &mut self,
        shared: &mut Shared<'_>,
        program: &Program,
        inst: &Inst,
        group: &mut Group,
        mask: u32,
        forced: bool,
    ) -> Result<Step, Trap> {
        // What a whole warp does together is waited for, not skipped.
        let present = group.mask;
        let everyone = |members: u32| present | !members;
        match &inst.op {
            Op::Branch(target) => return Ok(self.branch(group, mask, *target)),
            Op::Load(access) if mask != 0 => self.load(shared, access, mask)?,
            Op::Store(access) if mask != 0 => self.store(shared, access, mask)?,
            Op::SetP { test, args, p, q, join } if mask != 0 => {
                // SAFETY: the lowering named registers and predicates of this frame.
                unsafe {
                    let bits = test(&self.regs, args);
                    let (yes, no) = (self.joined(bits, *join), self.joined(!bits, *join));
                    self.regs.set_pred(*p, yes, mask);
                    if *q != NONE {
                        self.regs.set_pred(*q, no, mask);
                    }
                }
            }
            Op::Set { test, args, join, yes } if mask != 0 => {
                // SAFETY: as above.
                unsafe {
                    let bits = self.joined(test(&self.regs, args), *join);
                    each_lane(mask, |lane| {
                        self.regs.put(args.d, lane, if bits >> lane & 1 != 0 { *yes } else { 0 });
                    });
                }
            }
            Op::Shuffle { members, .. }
            | Op::Vote { members, .. }
            | Op::Match { members, .. }
            | Op::Redux { members, .. }
            | Op::Elect { members, .. }
            | Op::WarpSync { members }
                if mask != 0 =>
            {
                let members = self.members(*members, mask);
                if everyone(members) & self.alive != self.alive && !forced {
                    return Ok(Step::Wait(Wait::Lanes { members }));
                }
                if let Op::WarpSync { .. } = inst.op {
                    shared.passed_warp_sync(self.index);
                } else {
                    self.collective(&inst.op, mask);
                }
            }
            Op::Mma(mma) if mask != 0 => {
                if present != self.alive && !forced {
                    return Ok(Step::Wait(Wait::Lanes { members: FULL }));
                }
                self.mma(mma);
            }
            Op::LdMatrix(op) if mask != 0 => {
                if present != self.alive && !forced {
                    return Ok(Step::Wait(Wait::Lanes { members: FULL }));
                }
                self.ldmatrix(shared, op, mask)?;
            }
            Op::Barrier(barrier) if mask != 0 => {
                if mask != group.mask {
                    // The others of the group go on; these wait.
                    let mut other = group.clone();
                    other.mask = group.mask & !mask;
                    other.pc += 1;
                    group.mask = mask;
                    self.groups.push(other);
                }
                let wait = self.barrier(shared, barrier, mask);
                group.pc += 1;
                return Ok(match wait {
                    Some(wait) => Step::Wait(wait),
                    None => Step::Jumped,
                });
            }
            Op::BranchTable { index, targets } if mask != 0 => {
                return Ok(self.branch_table(group, mask, *index, targets));
            }
            Op::Call(call) if mask != 0 => return self.call(shared, program, group, mask, call),
            Op::Return if mask != 0 => return Ok(self.ret(shared, program, group, mask)),
            Op::Exit if mask != 0 => return Ok(self.exit(shared, group, mask)),
            Op::Trap if mask != 0 => return Err(Trap::Trap),
            _ if mask == 0 => {}
            other => self.rare(shared, other, mask)?,
        }
        Ok(Step::Next)
    }

    /// The members of a meeting, from the first lane's register.
    fn members(&self, at: u32, mask: u32) -> u32 {
        if at == NONE {
            return mask;
        }
        // SAFETY: the lowering named a register of this frame.
        unsafe { self.regs.get(at, mask.trailing_zeros() as usize) }
    }

    pub(super) fn get_sized(&self, at: u32, wide: bool, lane: usize) -> u64 {
        // SAFETY: the lowering named a register of this frame and its width.
        unsafe {
            if wide { self.regs.get(at, lane) } else { u64::from(self.regs.get::<u32>(at, lane)) }
        }
    }

    pub(super) fn put_sized(&mut self, at: u32, wide: bool, lane: usize, value: u64) {
        // SAFETY: as above.
        unsafe {
            if wide {
                self.regs.put(at, lane, value)
            } else {
                self.regs.put(at, lane, value as u32)
            }
        }
    }

    /// Where the waiting groups stand, in words.
    pub fn describe_waits(&self, program: &Program) -> String {
        let place = |group: &Group| {
            let line =
                program.code.get(group.pc.saturating_sub(1) as usize).map_or(0, |inst| inst.line);
            format!(
                "warp {} lanes {:#010x} at line {line}: {:?}",
                self.index, group.mask, group.wait
            )
        };
        self.groups.iter().map(place).collect::<Vec<_>>().join("; ")
    }

    /// The generic address of a place in the running frame.
    pub(super) fn frame_generic(&self, offset: u32) -> u64 {
        LOCAL_WINDOW + u64::from(self.frame.local + offset)
    }
}

/// What follows an instruction.
pub(super) enum Step {
    Next,
    Jumped,
    Wait(Wait),
    Split(Box<Group>),
}
