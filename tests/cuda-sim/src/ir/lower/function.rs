//! One function: its frame, its operands, its labels.

use std::collections::HashMap;

use super::super::program::{Function, Inst, Op, Param, Predicate, Preset};
use super::names::Names;
use super::{Place, Symbols, align_to};
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
    pub(super) dynamic: Vec<(u32, bool)>,
    /// Whether it calls others.
    pub calls: bool,
    pub(super) true_pred: Option<u32>,
    pub(super) false_pred: Option<u32>,
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

    /// The instruction at hand.
    fn instruction(&mut self, instruction: &Instruction) -> Result<(), Refusal> {
        let done = self.control(instruction)?
            || self.memory(instruction)?
            || self.collective(instruction)?
            || self.arithmetic(instruction)?;
        if done { Ok(()) } else { Err(format!("unsupported instruction {}", instruction.opcode())) }
    }
}
