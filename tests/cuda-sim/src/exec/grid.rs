//! A launch: a grid of blocks, run by several threads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::block::{Block, Stopped};
use super::fault::Trap;
use super::pool;
use super::view::{Memories, Touched, View};
use crate::ir::program::Program;
use crate::report;

/// What a kernel is launched with.
#[derive(Debug)]
pub struct Launch {
    /// A number of its own.
    pub id: u64,
    /// The module.
    pub program: Arc<Program>,
    /// The kernel in it.
    pub kernel: usize,
    /// Blocks by axis.
    pub grid: [u32; 3],
    /// Threads by axis.
    pub block: [u32; 3],
    /// Dynamic shared memory, bytes.
    pub dynamic_shared: u32,
    /// The arguments, laid out as the kernel wants them.
    pub params: Vec<u64>,
    /// All memory there is.
    pub memories: Memories,
    /// Multiprocessors of the device.
    pub multiprocessors: u32,
    /// All blocks at the same time, taking turns.
    pub cooperative: bool,
    /// What happens at a race.
    pub races: RaceMode,
    /// Whether what is touched is noted.
    pub trace: bool,
    /// Set when the device is reset or lost.
    pub abort: Arc<AtomicBool>,
}

/// What the detector of races does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RaceMode {
    /// Nothing: it is off.
    #[default]
    Off,
    /// Reports.
    Report,
    /// Reports, and the kernel fails.
    Fail,
}

/// How a launch ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// Why it failed, in words, with what kind of trap.
    pub failure: Option<(Trap, String)>,
    /// Instructions of warps.
    pub instructions: u64,
    /// Bytes read and written in global memory.
    pub bytes: u64,
    /// What was touched, if that was wanted.
    pub touched: Vec<Touched>,
}

struct Run {
    launch: Launch,
    blocks: u64,
    next: AtomicU64,
    finished: AtomicU64,
    failed: AtomicBool,
    ended: Mutex<Ended>,
}

impl Launch {
    /// Threads of a block.
    pub fn threads(&self) -> u32 {
        self.block.iter().product()
    }

    /// Shared memory of a block.
    pub fn shared_bytes(&self) -> u32 {
        let fixed = self.program.functions[self.kernel].shared_bytes;
        fixed.next_multiple_of(16) + self.dynamic_shared
    }

    /// Whether races are looked for.
    pub fn wants_races(&self) -> bool {
        self.races != RaceMode::Off
    }

    /// Tells of a race; whether the kernel is to fail.
    pub fn report_race(&self, text: &str) -> bool {
        report::tell("shared-race", &format!("kernel {}: {text}", self.name()));
        self.races == RaceMode::Fail
    }

    /// Lanes of a warp met at different instructions.
    pub fn note_split_meeting(&self) {
        report::tell_once(
            "split-meeting",
            &format!("kernel {}: lanes of a warp met at different instructions", self.name()),
        );
    }

    /// What `printf` of the device printed.
    pub fn print(&self, text: &str) {
        report::print(text);
    }

    /// The kernel's name.
    pub fn name(&self) -> &str {
        &self.program.functions[self.kernel].name
    }

    /// A clock in nanoseconds.
    pub fn clock_nanos(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_nanos() as u64)
    }

    /// Runs it to its end.
    pub fn run(self) -> Ended {
        let blocks = self.grid.iter().map(|axis| u64::from(*axis)).product();
        let run = Run {
            launch: self,
            blocks,
            next: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            ended: Mutex::default(),
        };
        if run.launch.cooperative {
            run.together();
            return run.into_ended();
        }
        if blocks == 1 {
            run.work(0);
            return run.into_ended();
        }
        let run = Arc::new(run);
        pool::help(&run, |run, worker| run.work(worker));
        match Arc::try_unwrap(run) {
            Ok(run) => run.into_ended(),
            Err(run) => {
                std::mem::take(&mut *run.ended.lock().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }
}

impl Run {
    fn into_ended(self) -> Ended {
        self.ended.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self, at: u64) -> [u32; 3] {
        let [x, y, _] = self.launch.grid.map(u64::from);
        [(at % x) as u32, (at / x % y) as u32, (at / (x * y)) as u32]
    }

    fn over(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || self.launch.abort.load(Ordering::Relaxed)
    }

    /// Takes blocks until there are none left.
    fn work(&self, worker: usize) {
        let mut block = Block::default();
        let mut view = View::new(self.launch.memories.clone(), self.launch.trace);
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            if at >= self.blocks {
                break;
            }
            if !self.over() {
                block.start(&self.launch, &mut view, worker, self.index(at));
                self.to_end(&mut block, &mut view, worker);
            }
            self.finished.fetch_add(1, Ordering::AcqRel);
        }
        self.gather(&mut [block], view);
    }

    fn to_end(&self, block: &mut Block, view: &mut View, worker: usize) {
        loop {
            match block.round(&self.launch, view, worker) {
                Ok(true) => return,
                Ok(false) if self.launch.abort.load(Ordering::Relaxed) => {
                    return self.fail(Trap::Aborted, "the device was reset or lost".into());
                }
                Ok(false) if self.failed.load(Ordering::Relaxed) => return,
                Ok(false) => {}
                Err(stopped) => return self.stop(*stopped),
            }
        }
    }

    /// All blocks take turns on this thread, so that they can wait for each other.
    fn together(&self) {
        let mut view = View::new(self.launch.memories.clone(), self.launch.trace);
        let mut blocks: Vec<_> = (0..self.blocks)
            .map(|at| {
                let mut block = Block::default();
                block.start(&self.launch, &mut view, 0, self.index(at));
                (block, false)
            })
            .collect();
        while blocks.iter().any(|(_, done)| !done) && !self.over() {
            for (block, done) in blocks.iter_mut().filter(|(_, done)| !done) {
                match block.round(&self.launch, &mut view, 0) {
                    Ok(over) => *done = over,
                    Err(stopped) => {
                        self.stop(*stopped);
                        break;
                    }
                }
            }
        }
        if self.launch.abort.load(Ordering::Relaxed) {
            self.fail(Trap::Aborted, "the device was reset or lost".into());
        }
        let mut blocks: Vec<_> = blocks.into_iter().map(|(block, _)| block).collect();
        self.gather(&mut blocks, view);
    }

    fn gather(&self, blocks: &mut [Block], view: View) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.instructions += blocks.iter_mut().map(Block::take_instructions).sum::<u64>();
        ended.bytes += view.bytes;
        for touched in view.touched.unwrap_or_default() {
            match ended.touched.iter_mut().find(|known| known.allocation == touched.allocation) {
                Some(known) => {
                    known.read =
                        (known.read.0.min(touched.read.0), known.read.1.max(touched.read.1));
                    known.written = (
                        known.written.0.min(touched.written.0),
                        known.written.1.max(touched.written.1),
                    );
                }
                None => ended.touched.push(touched),
            }
        }
    }

    fn stop(&self, stopped: Stopped) {
        let [x, y, _] = self.launch.block;
        let thread = stopped.thread;
        let text = format!(
            "kernel {}, ptx line {}, block ({}, {}, {}), thread ({}, {}, {}): {}",
            self.launch.name(),
            stopped.line,
            stopped.block[0],
            stopped.block[1],
            stopped.block[2],
            thread % x,
            thread / x % y,
            thread / (x * y),
            stopped.trap.describe()
        );
        self.fail(stopped.trap, text);
    }

    /// The first failure counts.
    fn fail(&self, trap: Trap, text: String) {
        if !self.failed.swap(true, Ordering::AcqRel) {
            self.ended.lock().unwrap_or_else(PoisonError::into_inner).failure = Some((trap, text));
        }
    }
}
