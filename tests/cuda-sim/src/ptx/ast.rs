//! What a PTX module says, as written: nothing is resolved yet.

/// The state space of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// No space named: a generic address.
    Generic,
    /// Device memory.
    Global,
    /// Memory of a block.
    Shared,
    /// Memory of a thread.
    Local,
    /// Read-only memory of a module.
    Const,
    /// Arguments of a kernel or function.
    Param,
}

impl Space {
    /// The space a word without its dot names.
    pub fn named(word: &str) -> Option<Self> {
        Some(match word {
            "global" => Self::Global,
            // A cluster is one block here.
            "shared" | "shared::cta" | "shared::cluster" => Self::Shared,
            "local" => Self::Local,
            "const" => Self::Const,
            "param" | "param::entry" | "param::func" => Self::Param,
            _ => return None,
        })
    }
}

/// A variable or a parameter.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Where it lives.
    pub space: Space,
    /// Its size; 0 for an external array without bounds.
    pub size_bytes: usize,
    /// Its alignment.
    pub align: usize,
    /// What it starts with.
    pub init: Vec<Init>,
    /// The size of one element.
    pub element_bytes: usize,
    /// Declared only; an array without bounds is dynamic shared memory.
    pub external: bool,
}

/// One element of an initialiser.
#[derive(Clone, Debug)]
pub enum Init {
    /// A number as it is stored.
    Bits(u64),
    /// The address of another variable, and a distance from it.
    Address(String, i64),
}

/// A declaration of registers: one name, or `count` names made of a prefix and a number.
#[derive(Clone, Debug)]
pub struct RegisterDecl {
    /// The type's word, such as `b32` or `pred`.
    pub ty: String,
    /// The name or the prefix.
    pub name: String,
    /// How many, where the name is a prefix.
    pub count: Option<u32>,
}

/// What an instruction works on.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A register, variable, function or label.
    Name(String),
    /// An integer; also the bits of nothing else.
    Int(i128),
    /// A float of single precision, as bits.
    F32(u32),
    /// A float of double precision, as bits.
    F64(u64),
    /// `[base + offset]`.
    Address(Box<Operand>, i64),
    /// `{a, b, ...}`.
    Vector(Vec<Operand>),
    /// `a | b`: a result with a predicate.
    Pair(Box<Operand>, Box<Operand>),
    /// `!p`.
    Not(Box<Operand>),
    /// `(a, b)`, in calls.
    List(Vec<Operand>),
}

/// `@p` or `@!p` before an instruction.
#[derive(Clone, Debug)]
pub struct Guard {
    /// The predicate.
    pub name: String,
    /// Whether it is negated.
    pub negated: bool,
}

/// One instruction.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// When it applies.
    pub guard: Option<Guard>,
    /// The opcode and its modifiers, without dots.
    pub words: Vec<String>,
    /// What it works on.
    pub operands: Vec<Operand>,
    /// The line in the text, from 1.
    pub line: u32,
}

impl Instruction {
    /// Whether a modifier is there.
    pub fn has(&self, word: &str) -> bool {
        self.words[1..].iter().any(|have| have == word)
    }

    /// The opcode as written.
    pub fn opcode(&self) -> String {
        self.words.join(".")
    }
}

/// A line of a body.
#[derive(Clone, Debug)]
pub enum Statement {
    /// Registers.
    Registers(RegisterDecl),
    /// A variable of the function.
    Variable(Variable),
    /// A jump target.
    Label(String),
    /// A table of jump targets.
    Targets(String, Vec<String>),
    /// An instruction.
    Instruction(Instruction),
    /// `{`.
    Open,
    /// `}`.
    Close,
}

/// A kernel or a device function.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Whether it is a kernel.
    pub entry: bool,
    /// What it returns, for device functions.
    pub results: Vec<Variable>,
    /// What it takes.
    pub params: Vec<Variable>,
    /// `.maxntid` or `.reqntid`: the most threads a block may have.
    pub max_threads: Option<u32>,
    /// The body; `None` for a declaration.
    pub body: Option<Vec<Statement>>,
}

/// A module.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// `.version`, such as `8.7`.
    pub version: String,
    /// `.target`, such as `sm_80`.
    pub target: String,
    /// Variables of the module.
    pub variables: Vec<Variable>,
    /// Functions in order of the text.
    pub functions: Vec<Function>,
}
