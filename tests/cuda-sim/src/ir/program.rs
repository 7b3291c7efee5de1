//! The instructions that run.

use std::collections::HashMap;

use crate::exec::alu::compare::TestFn;
use crate::exec::alu::ty::Ty;
use crate::exec::regs::{AluFn, Args};
use crate::ptx::ast::Space;

/// No register.
pub const NONE: u32 = u32::MAX;

/// How a second predicate joins a comparison.
#[derive(Clone, Copy, Debug)]
pub enum Join {
    /// Both.
    And,
    /// One of them.
    Or,
    /// Exactly one.
    Xor,
}

/// A predicate or its opposite.
#[derive(Clone, Copy, Debug)]
pub struct Predicate {
    /// Its number.
    pub at: u32,
    /// Whether the opposite is meant.
    pub negated: bool,
}

/// An address: a register and a distance.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// The register.
    pub base: u32,
    /// Whether it has 64 bits.
    pub wide: bool,
    /// What is added.
    pub offset: i64,
    /// Whether it counts from the frame's own variables.
    pub frame: bool,
}

/// A load or a store.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where.
    pub space: Space,
    /// The address.
    pub address: Address,
    /// Of one element.
    pub ty: Ty,
    /// How many elements.
    pub count: u8,
    /// The registers; `NONE` is not written.
    pub regs: [u32; 8],
    /// Whether the registers have 64 bits.
    pub wide: bool,
}

/// What an atomic instruction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum AtomicOp {
    Add,
    Min,
    Max,
    Inc,
    Dec,
    And,
    Or,
    Xor,
    Exch,
    Cas,
}

/// An atomic instruction, or a reduction when `d` is `NONE`.
#[derive(Clone, Debug)]
pub struct Atomic {
    /// What it does.
    pub op: AtomicOp,
    /// Where.
    pub space: Space,
    /// The address.
    pub address: Address,
    /// Of the cell.
    pub ty: Ty,
    /// The old value.
    pub d: u32,
    /// The operand, or what is compared.
    pub a: u32,
    /// What is stored, for `cas`.
    pub b: u32,
}

/// How a shuffle finds its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum Shuffle {
    Up,
    Down,
    Bfly,
    Idx,
}

/// What a vote gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum Vote {
    All,
    Any,
    Uni,
    Ballot,
}

/// What a reduction over a barrier gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum BarrierReduce {
    Popc,
    And,
    Or,
}

/// A barrier.
#[derive(Clone, Copy, Debug)]
pub struct Barrier {
    /// The register with its number.
    pub id: u32,
    /// The register with the number of threads.
    pub count: u32,
    /// Whether it waits.
    pub wait: bool,
    /// The reduction, its predicate and its result.
    pub reduce: Option<(BarrierReduce, Predicate, u32)>,
}

/// The format of a matrix's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum MatrixTy {
    F16,
    Bf16,
    Tf32,
    F64,
    S8,
    U8,
}

/// `mma.sync`: D = A B + C, spread over the lanes of a warp.
#[derive(Clone, Debug)]
pub struct Mma {
    /// Depth.
    pub k: u8,
    /// Of A.
    pub a_ty: MatrixTy,
    /// Of B.
    pub b_ty: MatrixTy,
    /// Whether C and D are f16 instead of f32.
    pub half_sums: bool,
    /// Registers of D.
    pub d: [u32; 4],
    /// Registers of A.
    pub a: [u32; 4],
    /// Registers of B.
    pub b: [u32; 2],
    /// Registers of C.
    pub c: [u32; 4],
}

/// `ldmatrix` and `stmatrix`: 8x8 matrices of 16-bit elements.
#[derive(Clone, Debug)]
pub struct LdMatrix {
    /// How many matrices.
    pub count: u8,
    /// Transposed.
    pub trans: bool,
    /// Stores instead.
    pub store: bool,
    /// Where.
    pub space: Space,
    /// The rows' addresses.
    pub address: Address,
    /// The fragments.
    pub regs: [u32; 4],
}

/// `cp.async`.
#[derive(Clone, Debug)]
pub struct CopyAsync {
    /// In shared memory.
    pub to: Address,
    /// In device memory.
    pub from: Address,
    /// Bytes written.
    pub bytes: u32,
    /// The register with the bytes read; the rest is zero.
    pub source_bytes: u32,
    /// Copies zeros where the predicate holds.
    pub ignore: Option<Predicate>,
}

/// `isspacep`.
#[derive(Clone, Copy, Debug)]
pub struct IsSpaceArgs {
    /// The predicate.
    pub p: u32,
    /// The space asked about.
    pub space: Space,
    /// The address.
    pub a: u32,
    /// Whether it has 64 bits.
    pub wide: bool,
}

/// A clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum Clock {
    Clock,
    ClockHigh,
    Clock64,
    Globaltimer,
    GlobaltimerLow,
    GlobaltimerHigh,
}

/// Moves arguments between a caller's and a callee's variables.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// In the frame it comes from.
    pub from: u32,
    /// In the frame it goes to.
    pub to: u32,
    /// Bytes.
    pub bytes: u32,
}

/// A call.
#[derive(Clone, Debug)]
pub struct Call {
    /// The function.
    pub function: usize,
    /// Arguments.
    pub arguments: Vec<Pass>,
    /// Results, copied when the callee returns.
    pub results: Vec<Pass>,
}

/// A function of the device's run-time library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// `vprintf`: format and arguments are pointers in variables.
    Printf,
    /// `__assertfail`.
    AssertFail,
    /// `malloc`, which has no heap here and gives null.
    Malloc,
    /// `free`.
    Free,
}

/// What an instruction does.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are described where they run")]
pub enum Op {
    Alu(AluFn, Args),
    SetP {
        test: TestFn,
        args: Args,
        p: u32,
        q: u32,
        join: Option<(Join, Predicate)>,
    },
    Set {
        test: TestFn,
        args: Args,
        join: Option<(Join, Predicate)>,
        yes: u32,
    },
    Pack {
        d: u32,
        wide: bool,
        bits: u32,
        parts: Vec<u32>,
        parts_wide: bool,
    },
    Unpack {
        a: u32,
        wide: bool,
        bits: u32,
        parts: Vec<u32>,
        parts_wide: bool,
    },
    Insert {
        args: Args,
        wide: bool,
    },
    Load(Box<Access>),
    Store(Box<Access>),
    Atomic(Box<Atomic>),
    CopyAsync(Box<CopyAsync>),
    Shuffle {
        mode: Shuffle,
        d: u32,
        p: u32,
        a: u32,
        b: u32,
        c: u32,
        members: u32,
    },
    Vote {
        vote: Vote,
        d: u32,
        a: Predicate,
        members: u32,
    },
    Match {
        all: bool,
        wide: bool,
        d: u32,
        p: u32,
        a: u32,
        members: u32,
    },
    Redux {
        op: AtomicOp,
        signed: bool,
        d: u32,
        a: u32,
        members: u32,
    },
    ActiveMask {
        d: u32,
    },
    Elect {
        d: u32,
        p: u32,
        members: u32,
    },
    WarpSync {
        members: u32,
    },
    Barrier(Box<Barrier>),
    Mma(Box<Mma>),
    LdMatrix(Box<LdMatrix>),
    MovMatrix {
        d: u32,
        a: u32,
    },
    IsSpace(IsSpaceArgs),
    Clock {
        d: u32,
        clock: Clock,
    },
    Branch(u32),
    BranchTable {
        index: u32,
        targets: Vec<u32>,
    },
    Call(Box<Call>),
    Builtin {
        which: Builtin,
        arguments: Vec<u32>,
        result: u32,
    },
    Return,
    Exit,
    Trap,
    /// The address of a variable of the frame.
    FrameAddress {
        d: u32,
        wide: bool,
        offset: u32,
    },
    Sleep,
    Fence,
    Nop,
}

/// One instruction.
#[derive(Clone, Debug)]
pub struct Inst {
    /// What it does.
    pub op: Op,
    /// When.
    pub guard: Option<Predicate>,
    /// The line of the text.
    pub line: u32,
}

/// A special register that stays the same while a block runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum Special {
    Tid(u8),
    Ntid(u8),
    Ctaid(u8),
    Nctaid(u8),
    Laneid,
    Warpid,
    Nwarpid,
    Smid,
    Nsmid,
    Gridid,
    LanemaskEq,
    LanemaskLe,
    LanemaskLt,
    LanemaskGe,
    LanemaskGt,
    DynamicSmem,
    TotalSmem,
    Zero,
    One,
}

/// What a register holds before the function starts.
#[derive(Clone, Copy, Debug)]
pub enum Preset {
    /// A number.
    Number(u64),
    /// A special register.
    Special(Special),
}

/// A register with a value from the start.
#[derive(Clone, Copy, Debug)]
pub struct PresetRegister {
    /// The register.
    pub at: u32,
    /// Whether it has 64 bits.
    pub wide: bool,
    /// What it holds.
    pub value: Preset,
}

/// A kernel's parameter.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Where it lies.
    pub offset: u32,
    /// Its size.
    pub bytes: u32,
}

/// A function.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Whether it is a kernel.
    pub entry: bool,
    /// Where its code starts.
    pub start: u32,
    /// 32-bit cells of its frame, each for 32 lanes.
    pub words: u32,
    /// Predicates of its frame.
    pub preds: u32,
    /// Bytes of each lane's variables.
    pub local_bytes: u32,
    /// Registers with values.
    pub presets: Vec<PresetRegister>,
    /// Predicates that are always true.
    pub true_preds: Vec<u32>,
    /// Predicates that are always false.
    pub false_preds: Vec<u32>,
    /// A kernel's parameters.
    pub params: Vec<Param>,
    /// Bytes of all parameters.
    pub param_bytes: u32,
    /// Static shared memory, bytes.
    pub shared_bytes: u32,
    /// Registers as declared and used, for attributes.
    pub registers: u32,
    /// Most threads a block may have.
    pub max_threads: Option<u32>,
    /// Whether it calls others.
    pub calls: bool,
}

/// A module that can run.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The code of all functions.
    pub code: Vec<Inst>,
    /// The functions.
    pub functions: Vec<Function>,
    /// Kernels by name.
    pub kernels: HashMap<String, usize>,
    /// Variables by name: address and size.
    pub globals: HashMap<String, (u64, usize)>,
}

impl Program {
    /// The function whose code holds `pc`.
    pub fn function_at(&self, pc: u32) -> Option<&Function> {
        self.functions.iter().filter(|f| f.start <= pc).max_by_key(|f| f.start)
    }
}
