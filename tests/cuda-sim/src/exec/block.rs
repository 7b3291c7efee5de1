//! A block: its warps, shared memory and barriers.

use super::fault::Trap;
use super::grid::Launch;
use super::race::Races;
use super::regs::LANES;
use super::view::View;
use super::warp::{Outcome, Wait, Warp};
use crate::ir::program::{Barrier, BarrierReduce, NONE, Program};
use crate::ptx::ast::Space;

/// Instructions a warp runs before the next one's turn.
const SLICE: u64 = 4096;

/// Barriers of a block.
const BARRIERS: usize = 16;

/// What is known of a barrier.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BarrierState {
    /// How often it opened.
    pub generation: u64,
    arrived: u32,
    /// Threads wanted; 0 where all of the block are.
    wanted: u32,
    warps: u64,
    count: u32,
    all: bool,
    any: bool,
    /// The results of the latest reduction.
    last: (u32, bool, bool),
}

/// What the warps of a block share while one of them runs.
pub struct Shared<'a> {
    pub(super) program: &'a Program,
    pub(super) launch: &'a Launch,
    pub(super) block_index: [u32; 3],
    pub(super) memory: &'a mut [u64],
    pub(super) params: &'a [u64],
    pub(super) view: &'a mut View,
    pub(super) races: &'a mut Option<Races>,
    pub(super) barriers: &'a mut [BarrierState; BARRIERS],
    pub(super) live: &'a mut u32,
    pub(super) worker: usize,
}

impl Shared<'_> {
    /// Where all lanes' bytes lie in one allocation, aligned: the way from addresses to bytes.
    #[inline(always)]
    pub(super) fn together(
        &mut self,
        space: Space,
        addresses: &[u64; LANES],
        bytes: u64,
        mask: u32,
        write: bool,
    ) -> Option<isize> {
        let (mut low, mut high, mut bits) = (u64::MAX, 0, 0);
        super::regs::each_lane(mask, |lane| {
            let address = addresses[lane];
            low = low.min(address);
            high = high.max(address);
            bits |= address;
        });
        if bits & (bytes - 1) != 0 {
            return None;
        }
        match space {
            Space::Shared => {
                let inside = high.checked_add(bytes)? <= self.memory.len() as u64 * 8;
                inside.then_some(self.memory.as_mut_ptr() as isize)
            }
            Space::Global | Space::Generic | Space::Const => {
                self.view.bytes += u64::from(mask.count_ones()) * bytes;
                if low < crate::memory::DEVICE_BASE {
                    return None;
                }
                let byte = self.view.resolve(low, high - low + bytes, write).ok()?;
                Some((byte as u64).wrapping_sub(low) as isize)
            }
            _ => None,
        }
    }

    /// Lanes that are done count no more at barriers.
    pub(super) fn lanes_ended(&mut self, lanes: u32) {
        *self.live -= lanes;
        for id in 0..BARRIERS {
            if self.barriers[id].arrived > 0 {
                self.open_if_complete(id);
            }
        }
    }

    fn open_if_complete(&mut self, id: usize) {
        let state = &mut self.barriers[id];
        let wanted = if state.wanted == 0 { *self.live } else { state.wanted };
        if state.arrived < wanted {
            return;
        }
        let warps = state.warps;
        *state = BarrierState {
            generation: state.generation + 1,
            last: (state.count, state.all, state.any),
            ..BarrierState::default()
        };
        if let Some(races) = self.races {
            races.barrier(warps);
        }
    }

    pub(super) fn passed_warp_sync(&mut self, warp: usize) {
        if let Some(races) = self.races {
            races.warp_sync(warp);
        }
    }

    pub(super) fn passed_fence(&mut self, warp: usize) {
        let _ = warp;
    }

    /// Groups of a warp met at different instructions.
    pub(super) fn note_split_meeting(&self) {
        self.launch.note_split_meeting();
    }

    /// A warp sleeps: let other threads of the host run.
    pub(super) fn rest(&self) {
        std::thread::yield_now();
    }

    /// Reports a race, and stops the kernel where that is wanted.
    pub(super) fn race_found(&mut self, text: String) -> Result<(), Trap> {
        let text = format!("{text}, in block {:?}", self.block_index);
        if self.launch.report_race(&text) { Err(Trap::Race(text)) } else { Ok(()) }
    }
}

impl Warp {
    /// Arrives at a barrier; what to wait for, if anything.
    pub(super) fn barrier(
        &mut self,
        shared: &mut Shared<'_>,
        barrier: &Barrier,
        mask: u32,
    ) -> Option<Wait> {
        let first = mask.trailing_zeros() as usize;
        let id = self.get_sized(barrier.id, false, first) as usize % BARRIERS;
        let wanted = if barrier.count == NONE {
            0
        } else {
            self.get_sized(barrier.count, false, first) as u32
        };
        let state = &mut shared.barriers[id];
        let generation = state.generation;
        if state.arrived == 0 {
            (state.all, state.any, state.count) = (true, false, 0);
        }
        state.wanted = wanted;
        state.warps |= 1 << (self.index % 64);
        // A whole warp counts as 32 threads where a number of threads is asked for.
        let whole = wanted != 0 && mask == self.alive;
        state.arrived += if whole { LANES as u32 } else { mask.count_ones() };
        if let Some((_, predicate, _)) = barrier.reduce {
            // SAFETY: the lowering named a predicate of this frame.
            let bits = unsafe { self.regs.pred(predicate.at) };
            let bits = if predicate.negated { !bits } else { bits } & mask;
            state.count += bits.count_ones();
            state.all &= bits == mask;
            state.any |= bits != 0;
        }
        shared.open_if_complete(id);
        let open = shared.barriers[id].generation != generation;
        if let Some((reduce, _, d)) = barrier.reduce {
            self.pending.push((id, generation, reduce, d, mask));
            if open {
                self.finish_reductions(shared);
            }
        }
        (barrier.wait && !open).then_some(Wait::Barrier { id, generation })
    }

    /// Writes the results of reductions over barriers that opened.
    pub(super) fn finish_reductions(&mut self, shared: &Shared<'_>) {
        let mut pending = std::mem::take(&mut self.pending);
        pending.retain(|(id, generation, reduce, d, mask)| {
            let state = &shared.barriers[*id];
            if state.generation == *generation {
                return true;
            }
            let (count, all, any) = state.last;
            // SAFETY: the lowering named registers of this frame; reductions wait in their own frame.
            unsafe {
                match reduce {
                    BarrierReduce::Popc => {
                        super::regs::each_lane(*mask, |lane| self.regs.put(*d, lane, count));
                    }
                    BarrierReduce::And => {
                        self.regs.set_pred(*d, if all { u32::MAX } else { 0 }, *mask)
                    }
                    BarrierReduce::Or => {
                        self.regs.set_pred(*d, if any { u32::MAX } else { 0 }, *mask)
                    }
                }
            }
            false
        });
        self.pending = pending;
    }
}

/// A block while it runs.
pub struct Block {
    index: [u32; 3],
    warps: Vec<Warp>,
    done: Vec<bool>,
    left: usize,
    memory: Vec<u64>,
    races: Option<Races>,
    barriers: [BarrierState; BARRIERS],
    live: u32,
    primed: bool,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            index: [0; 3],
            warps: Vec::new(),
            done: Vec::new(),
            left: 0,
            memory: Vec::new(),
            races: None,
            barriers: [BarrierState::default(); BARRIERS],
            live: 0,
            primed: false,
        }
    }
}

/// Why and where a block stopped.
pub struct Stopped {
    /// Why.
    pub trap: Trap,
    /// The line of the text.
    pub line: u32,
    /// The block.
    pub block: [u32; 3],
    /// The thread, counted through the block.
    pub thread: u32,
}

impl Block {
    /// Puts the block at its start.
    pub fn start(&mut self, launch: &Launch, view: &mut View, worker: usize, index: [u32; 3]) {
        let threads = launch.threads() as usize;
        let warps = threads.div_ceil(LANES);
        self.index = index;
        while self.warps.len() < warps {
            self.warps.push(Warp::new(self.warps.len()));
        }
        self.done.clear();
        self.done.resize(warps, false);
        self.left = warps;
        let words = (launch.shared_bytes() as usize).div_ceil(8);
        if self.memory.len() != words {
            self.memory = vec![0xcdcd_cdcd_cdcd_cdcd; words];
        }
        self.races = launch.wants_races().then(|| Races::new(warps, words * 8));
        self.barriers = [BarrierState::default(); BARRIERS];
        self.live = threads as u32;
        let again = std::mem::replace(&mut self.primed, true);
        let mut warps = std::mem::take(&mut self.warps);
        let shared = self.shared(launch, view, worker);
        for (at, warp) in warps.iter_mut().take(threads.div_ceil(LANES)).enumerate() {
            let lanes = (threads - at * LANES).min(LANES);
            let mask = ((1u64 << lanes) - 1) as u32;
            warp.start(&shared, launch.kernel, mask, again);
        }
        self.warps = warps;
    }

    fn shared<'a>(
        &'a mut self,
        launch: &'a Launch,
        view: &'a mut View,
        worker: usize,
    ) -> Shared<'a> {
        Shared {
            program: &launch.program,
            launch,
            block_index: self.index,
            memory: &mut self.memory,
            params: &launch.params,
            view,
            races: &mut self.races,
            barriers: &mut self.barriers,
            live: &mut self.live,
            worker,
        }
    }

    /// Gives every warp a slice; `true` when all are done.
    pub fn round(
        &mut self,
        launch: &Launch,
        view: &mut View,
        worker: usize,
    ) -> Result<bool, Box<Stopped>> {
        let mut warps = std::mem::take(&mut self.warps);
        let done = self.round_of(&mut warps, launch, view, worker);
        self.warps = warps;
        done
    }

    fn round_of(
        &mut self,
        warps: &mut [Warp],
        launch: &Launch,
        view: &mut View,
        worker: usize,
    ) -> Result<bool, Box<Stopped>> {
        let mut progress = false;
        for (at, warp) in warps.iter_mut().enumerate().take(self.done.len()) {
            if self.done[at] {
                continue;
            }
            let before = warp.instructions;
            let index = self.index;
            let mut shared = self.shared(launch, view, worker);
            let outcome = warp.run(&mut shared, SLICE).map_err(|trap| {
                let lane = if let Trap::Access(_, lane) = trap { lane } else { 0 };
                let thread = (at * LANES) as u32 + lane;
                Box::new(Stopped { trap, line: warp.line, block: index, thread })
            })?;
            progress |= warp.instructions != before;
            if outcome == Outcome::Done {
                self.done[at] = true;
                self.left -= 1;
                progress = true;
            }
        }
        if !progress && self.left > 0 {
            let waits = warps
                .iter()
                .enumerate()
                .filter(|(at, _)| !self.done.get(*at).copied().unwrap_or(true));
            let waits: Vec<_> =
                waits.map(|(_, warp)| warp.describe_waits(&launch.program)).collect();
            let trap = Trap::Deadlock(waits.join("; "));
            let line = warps.first().map_or(0, |warp| warp.line);
            return Err(Box::new(Stopped { trap, line, block: self.index, thread: 0 }));
        }
        Ok(self.left == 0)
    }

    /// Instructions its warps ran, counted from the last call.
    pub fn take_instructions(&mut self) -> u64 {
        self.warps.iter_mut().map(|warp| std::mem::take(&mut warp.instructions)).sum()
    }
}
