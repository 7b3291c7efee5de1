//! Loads, stores, atomics, address conversions.

use super::super::program::{
    Access, Address, Atomic, AtomicOp, CopyAsync, IsSpaceArgs, LdMatrix, NONE, Op,
};
use super::function::{DYNAMIC, Lowering, Refusal};
use super::names::Kind;
use super::operands::{operand, type_of};
use crate::exec::alu::ty::Ty;
use crate::exec::alu::{bits, integer};
use crate::exec::memory::window;
use crate::exec::regs::Args;
use crate::ptx::ast::{Instruction, Operand, Space};

fn space_of(i: &Instruction) -> Space {
    i.words[1..].iter().find_map(|word| Space::named(word)).unwrap_or(Space::Generic)
}

fn atomic_op(i: &Instruction) -> Option<AtomicOp> {
    i.words[1..].iter().find_map(|word| {
        Some(match word.as_str() {
            "add" => AtomicOp::Add,
            "min" => AtomicOp::Min,
            "max" => AtomicOp::Max,
            "inc" => AtomicOp::Inc,
            "dec" => AtomicOp::Dec,
            "and" => AtomicOp::And,
            "or" => AtomicOp::Or,
            "xor" => AtomicOp::Xor,
            "exch" => AtomicOp::Exch,
            "cas" => AtomicOp::Cas,
            _ => return None,
        })
    })
}

impl Lowering<'_> {
    /// Lowers an access to memory; `false` if it is none.
    pub fn memory(&mut self, i: &Instruction) -> Result<bool, Refusal> {
        match i.words[0].as_str() {
            "ld" | "ldu" => self.load(i)?,
            "st" => self.store(i)?,
            "atom" | "red" => self.atomic(i)?,
            "cvta" => self.cvta(i)?,
            "createpolicy" => {
                // Caches have no policy here.
                let args = Args {
                    d: self.result(operand(i, 0)?, true)?,
                    a: self.names.number(0, true),
                    ..Args::default()
                };
                self.alu(bits::logic("mov", Ty::U64).ok_or("no move")?, args);
            }
            "isspacep" => self.is_space(i)?,
            "cp" => self.copy_async(i)?,
            "ldmatrix" | "stmatrix" => self.ldmatrix(i)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// An address, and the space it is in: variables of a frame turn `param` into `local`.
    fn address(&mut self, operand: &Operand, space: Space) -> Result<(Address, Space), Refusal> {
        let Operand::Address(base, offset) = operand else {
            return Err(format!("an address is wanted, not {operand:?}"));
        };
        let offset = *offset;
        match &**base {
            Operand::Name(name) => {
                if let Some(register) = self.names.find(name) {
                    let wide = register.kind == Kind::Wide;
                    return Ok((Address { base: register.at, wide, offset, frame: false }, space));
                }
                let place = self.place(name).ok_or_else(|| format!("unknown name {name}"))?;
                if place.address == DYNAMIC {
                    let base = self.value(base, Ty::U64)?;
                    return Ok((Address { base, wide: true, offset, frame: false }, Space::Shared));
                }
                let base = self.names.number(place.address, true);
                let space = match place.space {
                    Space::Local | Space::Shared | Space::Param => place.space,
                    _ => space,
                };
                let frame = space == Space::Local;
                Ok((Address { base, wide: true, offset, frame }, space))
            }
            other => {
                let base = self.value(other, Ty::U64)?;
                Ok((Address { base, wide: true, offset, frame: false }, space))
            }
        }
    }

    /// The registers of a load or store, and whether they have 64 bits.
    fn data(
        &mut self,
        operand: &Operand,
        ty: Ty,
        write: bool,
    ) -> Result<(Vec<u32>, bool), Refusal> {
        let single = std::slice::from_ref(operand);
        let parts = if let Operand::Vector(parts) = operand { parts.as_slice() } else { single };
        let mut wide = ty.wide();
        for part in parts {
            if let Operand::Name(name) = part
                && let Some(register) = self.names.find(name)
            {
                wide = register.kind == Kind::Wide;
            }
        }
        let sink = Operand::Name("_".into());
        let value_ty = if wide == ty.wide() {
            ty
        } else if wide {
            Ty::U64
        } else {
            Ty::U32
        };
        let regs = parts
            .iter()
            .map(|part| match part {
                part if *part == sink => Ok(NONE),
                part if write => self.result(part, wide),
                part => self.value(part, value_ty),
            })
            .collect::<Result<_, _>>()?;
        Ok((regs, wide))
    }

    fn access(
        &mut self,
        i: &Instruction,
        data: &Operand,
        at: &Operand,
        write: bool,
    ) -> Result<Access, Refusal> {
        let ty = type_of(i)?;
        if ty == Ty::B128 || ty == Ty::Pred {
            return Err(format!("unsupported type in {}", i.opcode()));
        }
        let (address, space) = self.address(at, space_of(i))?;
        let (registers, wide) = self.data(data, ty, write)?;
        if registers.len() > 8 {
            return Err(format!("too many registers in {}", i.opcode()));
        }
        let mut regs = [NONE; 8];
        regs[..registers.len()].copy_from_slice(&registers);
        Ok(Access { space, address, ty, count: registers.len() as u8, regs, wide })
    }

    fn load(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let access = self.access(i, operand(i, 0)?, operand(i, 1)?, true)?;
        self.emit(Op::Load(Box::new(access)));
        Ok(())
    }

    fn store(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let access = self.access(i, operand(i, 1)?, operand(i, 0)?, false)?;
        self.emit(Op::Store(Box::new(access)));
        Ok(())
    }

    fn atomic(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let op = atomic_op(i).ok_or_else(|| format!("unsupported instruction {}", i.opcode()))?;
        let ty = type_of(i)?;
        if ty == Ty::B128 {
            return Err(format!("unsupported instruction {}", i.opcode()));
        }
        let first = usize::from(i.words[0] == "atom");
        if matches!(operand(i, first + 1)?, Operand::Vector(_)) {
            return self.atomic_vector(i, op, ty, first);
        }
        let (address, space) = self.address(operand(i, first)?, space_of(i))?;
        let d = if first == 1 { self.result(operand(i, 0)?, ty.wide())? } else { NONE };
        let a = self.value(operand(i, first + 1)?, ty)?;
        let b = if op == AtomicOp::Cas { self.value(operand(i, first + 2)?, ty)? } else { NONE };
        self.emit(Op::Atomic(Box::new(Atomic { op, space, address, ty, d, a, b })));
        Ok(())
    }

    /// Vectors of atomics are atomic element by element.
    fn atomic_vector(
        &mut self,
        i: &Instruction,
        op: AtomicOp,
        ty: Ty,
        first: usize,
    ) -> Result<(), Refusal> {
        let (address, space) = self.address(operand(i, first)?, space_of(i))?;
        let (sources, _) = self.data(operand(i, first + 1)?, ty, false)?;
        let results = if first == 1 { self.data(operand(i, 0)?, ty, true)?.0 } else { Vec::new() };
        for (at, a) in sources.into_iter().enumerate() {
            let offset = address.offset + (at * ty.bytes()) as i64;
            let address = Address { offset, ..address };
            let d = results.get(at).copied().unwrap_or(NONE);
            self.emit(Op::Atomic(Box::new(Atomic { op, space, address, ty, d, a, b: NONE })));
        }
        Ok(())
    }

    /// Generic addresses of shared and local memory lie in windows.
    fn cvta(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let ty = type_of(i)?;
        let from = operand(i, 1)?;
        // `cvta.shared %rd, var+16` and the like.
        let (from, offset) = match from {
            Operand::Address(base, offset) => (&**base, *offset),
            other => (other, 0),
        };
        let a = self.value(from, ty)?;
        let d = self.result(operand(i, 0)?, ty.wide())?;
        let base = window(space_of(i));
        let moved = if i.has("to") { base.wrapping_neg() } else { base };
        let b = self.names.number(moved.wrapping_add_signed(offset), ty.wide());
        let args = Args { d, a, b, ..Args::default() };
        let f = if base == 0 { bits::logic("mov", ty) } else { integer::binary("add", ty, false) };
        self.alu(f.ok_or("no conversion of addresses")?, args);
        Ok(())
    }

    fn is_space(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let p = self.pred(operand(i, 0)?)?;
        let register = self.register(operand(i, 1)?)?;
        let wide = register.kind == Kind::Wide;
        self.emit(Op::IsSpace(IsSpaceArgs { p, space: space_of(i), a: register.at, wide }));
        Ok(())
    }

    fn copy_async(&mut self, i: &Instruction) -> Result<(), Refusal> {
        if i.has("commit_group") || i.has("wait_group") || i.has("wait_all") {
            // Copies are done at once; the detector of races takes the wait as an order.
            self.emit(Op::Fence);
            return Ok(());
        }
        if i.has("bulk") || i.has("mbarrier") || i.has("tensor") {
            return Err(format!("unsupported instruction {}", i.opcode()));
        }
        let (to, _) = self.address(operand(i, 0)?, Space::Shared)?;
        let (from, _) = self.address(operand(i, 1)?, Space::Global)?;
        let Operand::Int(bytes) = operand(i, 2)? else {
            return Err("cp.async wants its size as a number".into());
        };
        let (mut source_bytes, mut ignore) = (NONE, None);
        match i.operands.get(3) {
            None => {}
            Some(Operand::Name(name))
                if self.names.find(name).is_some_and(|r| r.kind == Kind::Pred) =>
            {
                ignore = Some(self.predicate(&Operand::Name(name.clone()))?);
            }
            // A cache policy has 64 bits and no meaning here.
            Some(Operand::Name(name))
                if self.names.find(name).is_some_and(|r| r.kind == Kind::Wide) => {}
            Some(other) => source_bytes = self.value(other, Ty::U32)?,
        }
        let bytes = *bytes as u32;
        self.emit(Op::CopyAsync(Box::new(CopyAsync { to, from, bytes, source_bytes, ignore })));
        Ok(())
    }

    fn ldmatrix(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let store = i.words[0] == "stmatrix";
        let (data, at) = if store { (1, 0) } else { (0, 1) };
        let (address, space) = self.address(operand(i, at)?, space_of(i))?;
        let (registers, _) = self.data(operand(i, data)?, Ty::U32, !store)?;
        let count = registers.len();
        if count > 4 || !i.has("b16") {
            return Err(format!("unsupported instruction {}", i.opcode()));
        }
        let mut regs = [NONE; 4];
        regs[..count].copy_from_slice(&registers);
        let count = count as u8;
        let trans = i.has("trans");
        self.emit(Op::LdMatrix(Box::new(LdMatrix { count, trans, store, space, address, regs })));
        Ok(())
    }
}
