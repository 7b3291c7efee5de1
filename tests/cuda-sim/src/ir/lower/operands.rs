//! Operands: from words to places.

use super::super::program::{Op, Predicate};
use super::function::{DYNAMIC, Lowering, Refusal};
use super::names::{Kind, Register, special};
use crate::exec::alu::ty::Ty;
use crate::exec::regs::Args;
use crate::ptx::ast::{Instruction, Operand, Space};

impl Lowering<'_> {
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
            self.alu(f, Args { d, a: at, x, ..Default::default() });
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
