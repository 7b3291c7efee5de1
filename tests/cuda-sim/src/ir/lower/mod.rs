//! From PTX to programs.

mod arithmetic;
mod collective;
mod control;
mod function;
mod memory;
mod names;
mod operands;

use std::collections::HashMap;

use super::program::Program;
use crate::ptx::ast::{Init, Module, Space, Variable};
use crate::ptx::parser::ParseError;

/// A variable's place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub space: Space,
    pub address: u64,
}

/// Names of a module while its functions are lowered.
#[derive(Default)]
pub(super) struct Symbols {
    pub variables: HashMap<String, Place>,
    pub functions: HashMap<String, usize>,
    /// Shared variables of the module itself are in every kernel's shared memory.
    pub shared_bytes: u32,
}

/// Gives device memory to a module's variables, and fills it.
pub trait Globals {
    /// Memory of that many bytes.
    fn allocate(&mut self, bytes: usize, align: usize) -> Option<u64>;
    /// Writes to it.
    fn write(&mut self, address: u64, bytes: &[u8]);
}

fn align_to(at: u32, align: usize) -> u32 {
    at.next_multiple_of(u32::try_from(align.max(1)).unwrap_or(1))
}

/// Lowers a module; its variables get their memory from `globals`.
pub fn lower(module: &Module, globals: &mut dyn Globals) -> Result<Program, ParseError> {
    let mut program = Program::default();
    let mut symbols = Symbols::default();
    place_variables(module, globals, &mut symbols, &mut program)?;
    let defined: Vec<_> = module.functions.iter().filter(|f| f.body.is_some()).collect();
    for (at, function) in defined.iter().enumerate() {
        symbols.functions.insert(function.name.clone(), at);
    }
    // Layouts first: a call needs the places of its callee's parameters.
    let layouts: Vec<_> = defined.iter().map(|f| function::layout(f)).collect();
    for (at, function) in defined.iter().enumerate() {
        let lowered = function::lower(function, at, &layouts, &symbols, &mut program.code)?;
        if lowered.entry {
            program.kernels.insert(lowered.name.clone(), at);
        }
        program.functions.push(lowered);
    }
    Ok(program)
}

fn place_variables(
    module: &Module,
    globals: &mut dyn Globals,
    symbols: &mut Symbols,
    program: &mut Program,
) -> Result<(), ParseError> {
    for variable in &module.variables {
        let address = match variable.space {
            // Dynamic shared memory starts behind the static one; its address is known at launch.
            Space::Shared if variable.external || variable.size_bytes == 0 => function::DYNAMIC,
            Space::Shared => {
                let at = align_to(symbols.shared_bytes, variable.align);
                symbols.shared_bytes = at + variable.size_bytes as u32;
                u64::from(at)
            }
            _ if variable.external => continue,
            _ => globals.allocate(variable.size_bytes.max(1), variable.align).ok_or_else(|| {
                ParseError { line: 0, message: format!("no memory for variable {}", variable.name) }
            })?,
        };
        let place = Place { space: variable.space, address };
        symbols.variables.insert(variable.name.clone(), place);
        if variable.space != Space::Shared {
            program.globals.insert(variable.name.clone(), (address, variable.size_bytes));
        }
    }
    for variable in module.variables.iter().filter(|variable| !variable.external) {
        if let Some(place) = symbols.variables.get(&variable.name).copied()
            && place.space != Space::Shared
        {
            globals.write(place.address, &initial(variable, symbols)?);
        }
    }
    Ok(())
}

fn initial(variable: &Variable, symbols: &Symbols) -> Result<Vec<u8>, ParseError> {
    let mut bytes = Vec::with_capacity(variable.size_bytes);
    for element in &variable.init {
        let bits = match element {
            Init::Bits(bits) => *bits,
            Init::Address(name, offset) => {
                let place = symbols.variables.get(name).ok_or_else(|| ParseError {
                    line: 0,
                    message: format!("{} starts with unknown {name}", variable.name),
                })?;
                place.address.wrapping_add_signed(*offset)
            }
        };
        bytes.extend_from_slice(&bits.to_le_bytes()[..variable.element_bytes.min(8)]);
    }
    bytes.resize(variable.size_bytes, 0);
    Ok(bytes)
}
