//! One function: its frame, its operands, its labels.

use std::collections::HashMap;

use super::super::program::{Function, Inst, Op, Param, Predicate, Preset};
use super::names::{Kind, Names, Register, special};
use super::{Place, Symbols, align_to};
use crate::exec::alu::ty::Ty;
use crate::exec::regs::AluFn;
use crate::ptx::ast::{
    Function as Source, Guard, Instruction, Operand, Space, Statement, Variable,
};
use crate::ptx::parser::ParseError;

/// Stands for the start of dynamic shared memory.
pub const DYNAMIC: u64 = u64::MAX;

/// Where a function's parameters and results lie.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// Places of the results in the frame.
    pub results: Vec<(u32, u32)>,
    /// Places of the parameters: in the frame, or in a kernel's argument block.
    pub params: Vec<(u32, u32)>,
    /// Where they end.
    pub end: u32,
}

/// Lays out parameters and results.
pub fn layout(function: &Source) -> Layout {
    let mut layout = Layout::default();
    let place = |variables: &[Variable], end: &mut u32| {
        let mut places = Vec::new();
        for variable in variables {
            let at = align_to(*end, variable.align);
            *end = at + variable.size_bytes as u32;
            places.push((at, variable.size_bytes as u32));
        }
        places
    };
    layout.params = place(&function.params, &mut layout.end);
    layout.results = place(&function.results, &mut layout.end);
    layout
}

/// A function while it is lowered.
pub struct Lowering<'a> {
    /// Its registers.
    pub names: Names,
    /// The module's names.
    pub symbols: &'a Symbols,
    /// All functions' layouts.
    pub layouts: &'a [Layout],
    /// Its code so far.
    pub code: &'a mut Vec<Inst>,
    /// The instruction at hand.
    pub line: u32,
    guard: Option<Predicate>,
    variables: Vec<HashMap<String, Place>>,
    scopes: Vec<usize>,
    parents: Vec<usize>,
    labels: HashMap<(usize, String), u32>,
    targets: HashMap<(usize, String), Vec<String>>,
    fixups: Vec<(usize, usize, String)>,
    entry: bool,
    local_bytes: u32,
    shared_bytes: u32,
    dynamic: Vec<(u32, bool)>,
    /// Whether it calls others.
    pub calls: bool,
    true_pred: Option<u32>,
    false_pred: Option<u32>,
}

/// Why an instruction is refused.
pub type Refusal = String;

/// Lowers function number `at`.
pub fn lower(
    source: &Source,
    at: usize,
    layouts: &[Layout],
    symbols: &Symbols,
    code: &mut Vec<Inst>,
) -> Result<Function, ParseError> {
    let start = code.len() as u32;
    let layout = &layouts[at];
    let mut lowering = Lowering {
        names: Names::default(),
        symbols,
        layouts,
        code,
        line: 0,
        guard: None,
        variables: vec![HashMap::new()],
        scopes: vec![0],
        parents: vec![0],
        labels: HashMap::new(),
        targets: HashMap::new(),
        fixups: Vec::new(),
        entry: source.entry,
        local_bytes: if source.entry { 0 } else { layout.end },
        shared_bytes: symbols.shared_bytes,
        dynamic: Vec::new(),
        calls: false,
        true_pred: None,
        false_pred: None,
    };
    lowering.names.open();
    lowering.place_params(source, layout);
    for statement in source.body.iter().flatten() {
        lowering.statement(statement).map_err(|message| ParseError {
            line: lowering.line,
            message: format!("{message} (in {})", source.name),
        })?;
    }
    // Falling off the end returns.
    lowering.guard = None;
    lowering.emit(Op::Return);
    lowering.resolve().map_err(|message| ParseError { line: lowering.line, message })?;
    Ok(lowering.finish(source, start, layout))
}

impl Lowering<'_> {
    fn place_params(&mut self, source: &Source, layout: &Layout) {
        let all = source.params.iter().zip(&layout.params);
        for (variable, (at, _)) in all.chain(source.results.iter().zip(&layout.results)) {
            let place = Place { space: Space::Param, address: u64::from(*at) };
            self.variables[0].insert(variable.name.clone(), place);
        }
    }

    fn finish(mut self, source: &Source, start: u32, layout: &Layout) -> Function {
        let dynamic_at = self.shared_bytes.next_multiple_of(16);
        for (at, wide) in std::mem::take(&mut self.dynamic) {
            let value = Preset::Number(u64::from(dynamic_at));
            self.names.presets.push(super::super::program::PresetRegister { at, wide, value });
        }
        let shared_bytes =
            if self.shared_bytes == 0 { 0 } else { self.shared_bytes.next_multiple_of(16) };
        let param = |(offset, bytes): &(u32, u32)| Param { offset: *offset, bytes: *bytes };
        Function {
            name: source.name.clone(),
            entry: source.entry,
            start,
            words: self.names.words,
            preds: self.names.preds,
            local_bytes: self.local_bytes.next_multiple_of(16),
            true_preds: self.true_pred.into_iter().collect(),
            false_preds: self.false_pred.into_iter().collect(),
            params: layout.params.iter().map(param).collect(),
            param_bytes: layout.end,
            shared_bytes,
            registers: (self.names.words / 32).clamp(16, 255),
            max_threads: source.max_threads,
            calls: self.calls,
            presets: self.names.presets,
        }
    }

    fn scope(&self) -> usize {
        *self.scopes.last().expect("the function's own scope stays")
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), Refusal> {
        match statement {
            Statement::Registers(decl) => {
                // Types without registers here fail where they are used.
                let _ = self.names.declare(decl);
            }
            Statement::Variable(variable) => self.variable(variable)?,
            Statement::Label(name) => {
                let key = (self.scope(), name.clone());
                self.labels.insert(key, self.code.len() as u32);
            }
            Statement::Targets(name, targets) => {
                self.targets.insert((self.scope(), name.clone()), targets.clone());
            }
            Statement::Open => {
                self.names.open();
                self.variables.push(HashMap::new());
                self.parents.push(self.scope());
                self.scopes.push(self.parents.len() - 1);
            }
            Statement::Close => {
                self.names.close();
                self.variables.pop();
                self.scopes.pop();
            }
            Statement::Instruction(instruction) => {
                self.line = instruction.line;
                self.guard = match &instruction.guard {
                    Some(guard) => Some(self.guard_of(guard)?),
                    None => None,
                };
                self.instruction(instruction)?;
            }
        }
        Ok(())
    }

    fn guard_of(&mut self, guard: &Guard) -> Result<Predicate, Refusal> {
        Ok(Predicate { at: self.pred(&Operand::Name(guard.name.clone()))?, negated: guard.negated })
    }

    fn variable(&mut self, variable: &Variable) -> Result<(), Refusal> {
        let bytes = variable.size_bytes;
        let address = match variable.space {
            Space::Shared if bytes == 0 => DYNAMIC,
            Space::Shared => {
                let at = align_to(self.shared_bytes, variable.align);
                self.shared_bytes = at + bytes as u32;
                u64::from(at)
            }
            Space::Local | Space::Param => {
                let at = align_to(self.local_bytes, variable.align);
                self.local_bytes = at + bytes as u32;
                u64::from(at)
            }
            other => return Err(format!("a variable of a function cannot be {other:?}")),
        };
        // Variables for calls lie in the frame, as local ones do.
        let space = if variable.space == Space::Param { Space::Local } else { variable.space };
        let place = Place { space, address };
        self.variables.last_mut().expect("a scope is open").insert(variable.name.clone(), place);
        Ok(())
    }

    /// The place of a variable.
    pub fn place(&self, name: &str) -> Option<Place> {
        let own = self.variables.iter().rev().find_map(|scope| scope.get(name)).copied();
        let place = own.or_else(|| self.symbols.variables.get(name).copied())?;
        // A device function's parameters lie in its frame; a kernel's are its argument block.
        if place.space == Space::Param && !self.entry {
            return Some(Place { space: Space::Local, ..place });
        }
        Some(place)
    }

    /// Adds an instruction under the guard of the one at hand.
    pub fn emit(&mut self, op: Op) {
        self.code.push(Inst { op, guard: self.guard, line: self.line });
    }

    /// Adds an arithmetic instruction.
    pub fn alu(&mut self, f: AluFn, args: crate::exec::regs::Args) {
        self.emit(Op::Alu(f, args));
    }

    /// Adds a jump.
    pub fn branch(&mut self, label: &str) {
        self.fixups.push((self.code.len(), self.scope(), label.to_owned()));
        self.emit(Op::Branch(0));
    }

    /// The targets of a table of jumps; they are resolved with the labels.
    pub fn branch_table(&mut self, index: u32, table: &str) -> Result<(), Refusal> {
        let targets = self
            .lookup(self.scope(), |scope| self.targets.get(&(scope, table.to_owned())).cloned())
            .ok_or_else(|| format!("unknown table {table}"))?;
        for label in &targets {
            self.fixups.push((self.code.len(), self.scope(), label.clone()));
        }
        self.emit(Op::BranchTable { index, targets: Vec::with_capacity(targets.len()) });
        Ok(())
    }

    fn lookup<T>(&self, mut scope: usize, find: impl Fn(usize) -> Option<T>) -> Option<T> {
        loop {
            if let Some(found) = find(scope) {
                return Some(found);
            }
            if scope == 0 {
                return None;
            }
            scope = self.parents[scope];
        }
    }

    fn resolve(&mut self) -> Result<(), Refusal> {
        for (at, scope, label) in std::mem::take(&mut self.fixups) {
            let target = self
                .lookup(scope, |scope| self.labels.get(&(scope, label.clone())).copied())
                .ok_or_else(|| format!("unknown label {label}"))?;
            match &mut self.code[at].op {
                Op::Branch(to) => *to = target,
                Op::BranchTable { targets, .. } => targets.push(target),
                _ => return Err("a label stands where no jump is".into()),
            }
        }
        Ok(())
    }

    /// The register of an operand that is one.
    pub fn register(&mut self, operand: &Operand) -> Result<Register, Refusal> {
        match operand {
            Operand::Name(name) => {
                self.names.find(name).ok_or_else(|| format!("unknown register {name}"))
            }
            other => Err(format!("a register is wanted, not {other:?}")),
        }
    }

    /// The register a result goes to; `_` is one that nobody reads.
    pub fn result(&mut self, operand: &Operand, wide: bool) -> Result<u32, Refusal> {
        let kind = if wide { Kind::Wide } else { Kind::Narrow };
        if *operand == Operand::Name("_".into()) {
            return Ok(self.names.fresh(kind).at);
        }
        let register = self.register(operand)?;
        if register.kind != kind {
            return Err(format!("{operand:?} has another width"));
        }
        Ok(register.at)
    }

    /// The predicate of an operand.
    pub fn pred(&mut self, operand: &Operand) -> Result<u32, Refusal> {
        match operand {
            Operand::Int(value) => Ok(self.constant_pred(*value != 0)),
            Operand::Name(name) if name == "_" => Ok(self.names.fresh(Kind::Pred).at),
            _ => {
                let register = self.register(operand)?;
                if register.kind != Kind::Pred {
                    return Err(format!("{operand:?} is no predicate"));
                }
                Ok(register.at)
            }
        }
    }

    fn constant_pred(&mut self, value: bool) -> u32 {
        let known = if value { self.true_pred } else { self.false_pred };
        let at = known.unwrap_or_else(|| self.names.fresh(Kind::Pred).at);
        if value {
            self.true_pred = Some(at);
        } else {
            self.false_pred = Some(at);
        }
        at
    }

    /// A predicate or its opposite.
    pub fn predicate(&mut self, operand: &Operand) -> Result<Predicate, Refusal> {
        match operand {
            Operand::Not(inner) => Ok(Predicate { at: self.pred(inner)?, negated: true }),
            other => Ok(Predicate { at: self.pred(other)?, negated: false }),
        }
    }

    /// The register of a value of that type: immediates and addresses get one of their own.
    pub fn value(&mut self, operand: &Operand, ty: Ty) -> Result<u32, Refusal> {
        let wide = ty.wide();
        let bits = match operand {
            Operand::Int(value) if ty == Ty::F32 => u64::from((*value as f32).to_bits()),
            Operand::Int(value) if ty == Ty::F64 => (*value as f64).to_bits(),
            Operand::Int(value) => *value as u64,
            Operand::F32(bits) if wide => f64::from(f32::from_bits(*bits)).to_bits(),
            Operand::F32(bits) => u64::from(*bits),
            Operand::F64(bits) if wide => *bits,
            Operand::F64(bits) => u64::from((f64::from_bits(*bits) as f32).to_bits()),
            Operand::Name(name) => return self.named_value(name, wide),
            other => return Err(format!("a value is wanted, not {other:?}")),
        };
        let bits = match ty.bytes() {
            1 => bits & 0xff,
            2 => bits & 0xffff,
            4 => bits & 0xffff_ffff,
            _ => bits,
        };
        Ok(self.names.number(bits, wide))
    }

    fn named_value(&mut self, name: &str, wide: bool) -> Result<u32, Refusal> {
        if let Some(register) = self.names.find(name) {
            let kind = if wide { Kind::Wide } else { Kind::Narrow };
            if register.kind != kind {
                return Err(format!("{name} has another width"));
            }
            return Ok(register.at);
        }
        if name == "WARP_SZ" {
            return Ok(self.names.number(32, wide));
        }
        if let Some(special) = special(name) {
            let at = self.names.special(special);
            if !wide {
                return Ok(at);
            }
            // `mov.u64 %rd, %gridid` and the like.
            let d = self.names.fresh(Kind::Wide).at;
            let (f, x) = super::arithmetic::extend(Ty::U64, Ty::U32)?;
            self.alu(f, crate::exec::regs::Args { d, a: at, x, ..Default::default() });
            return Ok(d);
        }
        let place = self.place(name).ok_or_else(|| format!("unknown name {name}"))?;
        if place.address == DYNAMIC {
            let at = self.names.fresh(if wide { Kind::Wide } else { Kind::Narrow }).at;
            self.dynamic.push((at, wide));
            return Ok(at);
        }
        Ok(match place.space {
            // A variable of the frame has another address in every call.
            Space::Local => {
                let d = self.names.fresh(if wide { Kind::Wide } else { Kind::Narrow }).at;
                self.frame_address(d, wide, place.address);
                d
            }
            _ => self.names.number(place.address, wide),
        })
    }

    fn frame_address(&mut self, d: u32, wide: bool, offset: u64) {
        self.emit(Op::FrameAddress { d, wide, offset: offset as u32 });
    }

    /// The instruction at hand.
    fn instruction(&mut self, instruction: &Instruction) -> Result<(), Refusal> {
        let done = self.control(instruction)?
            || self.memory(instruction)?
            || self.collective(instruction)?
            || self.arithmetic(instruction)?;
        if done { Ok(()) } else { Err(format!("unsupported instruction {}", instruction.opcode())) }
    }
}

/// The operand at `at`.
pub fn operand(instruction: &Instruction, at: usize) -> Result<&Operand, Refusal> {
    instruction
        .operands
        .get(at)
        .ok_or_else(|| format!("{} has too few operands", instruction.opcode()))
}

/// The last type among the modifiers.
pub fn type_of(instruction: &Instruction) -> Result<Ty, Refusal> {
    types_of(instruction)
        .last()
        .copied()
        .ok_or_else(|| format!("{} names no type", instruction.opcode()))
}

/// All types among the modifiers.
pub fn types_of(instruction: &Instruction) -> Vec<Ty> {
    instruction.words[1..].iter().filter_map(|word| Ty::named(word)).collect()
}
