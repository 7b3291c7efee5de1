//! Instructions of a whole warp.

use super::super::program::{AtomicOp, MatrixTy, Mma, NONE, Op, Shuffle, Vote};
use super::function::{Lowering, Refusal};
use super::operands::{operand, type_of, types_of};
use crate::exec::alu::ty::Ty;
use crate::ptx::ast::{Instruction, Operand};

fn unsupported(i: &Instruction) -> Refusal {
    format!("unsupported instruction {}", i.opcode())
}

impl Lowering<'_> {
    /// Lowers an instruction of a whole warp; `false` if it is none.
    pub fn collective(&mut self, i: &Instruction) -> Result<bool, Refusal> {
        match i.words[0].as_str() {
            "shfl" => self.shuffle(i)?,
            "vote" => self.vote(i)?,
            "match" => self.matching(i)?,
            "redux" => self.redux(i)?,
            "activemask" => {
                let d = self.result(operand(i, 0)?, false)?;
                self.emit(Op::ActiveMask { d });
            }
            "elect" => {
                let Operand::Pair(d, p) = operand(i, 0)? else { return Err(unsupported(i)) };
                let (d, p) = (self.result(d, false)?, self.pred(p)?);
                let members = self.value(operand(i, 1)?, Ty::U32)?;
                self.emit(Op::Elect { d, p, members });
            }
            "mma" => self.mma(i)?,
            "movmatrix" => {
                let d = self.result(operand(i, 0)?, false)?;
                let a = self.value(operand(i, 1)?, Ty::U32)?;
                self.emit(Op::MovMatrix { d, a });
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn shuffle(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let mode = if i.has("up") {
            Shuffle::Up
        } else if i.has("down") {
            Shuffle::Down
        } else if i.has("bfly") {
            Shuffle::Bfly
        } else {
            Shuffle::Idx
        };
        let (d, p) = match operand(i, 0)? {
            Operand::Pair(d, p) => (self.result(d, false)?, self.pred(p)?),
            d => (self.result(d, false)?, NONE),
        };
        let a = self.value(operand(i, 1)?, Ty::U32)?;
        let b = self.value(operand(i, 2)?, Ty::U32)?;
        let c = self.value(operand(i, 3)?, Ty::U32)?;
        let members = if i.has("sync") { self.value(operand(i, 4)?, Ty::U32)? } else { NONE };
        self.emit(Op::Shuffle { mode, d, p, a, b, c, members });
        Ok(())
    }

    fn vote(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let vote = if i.has("ballot") {
            Vote::Ballot
        } else if i.has("all") {
            Vote::All
        } else if i.has("any") {
            Vote::Any
        } else {
            Vote::Uni
        };
        let d = if vote == Vote::Ballot {
            self.result(operand(i, 0)?, false)?
        } else {
            self.pred(operand(i, 0)?)?
        };
        let a = self.predicate(operand(i, 1)?)?;
        let members = if i.has("sync") { self.value(operand(i, 2)?, Ty::U32)? } else { NONE };
        self.emit(Op::Vote { vote, d, a, members });
        Ok(())
    }

    fn matching(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let ty = type_of(i)?;
        let (d, p) = match operand(i, 0)? {
            Operand::Pair(d, p) => (self.result(d, false)?, self.pred(p)?),
            d => (self.result(d, false)?, NONE),
        };
        let a = self.value(operand(i, 1)?, ty)?;
        let members = self.value(operand(i, 2)?, Ty::U32)?;
        self.emit(Op::Match { all: i.has("all"), wide: ty.wide(), d, p, a, members });
        Ok(())
    }

    fn redux(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let ty = type_of(i)?;
        let op = i.words[1..].iter().find_map(|word| {
            Some(match word.as_str() {
                "add" => AtomicOp::Add,
                "min" => AtomicOp::Min,
                "max" => AtomicOp::Max,
                "and" => AtomicOp::And,
                "or" => AtomicOp::Or,
                "xor" => AtomicOp::Xor,
                _ => return None,
            })
        });
        if !matches!(ty, Ty::U32 | Ty::S32) {
            return Err(unsupported(i));
        }
        let d = self.result(operand(i, 0)?, false)?;
        let a = self.value(operand(i, 1)?, Ty::U32)?;
        let members = self.value(operand(i, 2)?, Ty::U32)?;
        let op = op.ok_or_else(|| unsupported(i))?;
        self.emit(Op::Redux { op, signed: ty == Ty::S32, d, a, members });
        Ok(())
    }

    fn mma(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let k = match i.words.iter().find(|word| word.starts_with("m16n8k")) {
            Some(shape) => shape["m16n8k".len()..].parse().map_err(|_| unsupported(i))?,
            None => return Err(unsupported(i)),
        };
        let names: Vec<_> = i.words.iter().filter(|word| *word == "tf32").collect();
        let tys = types_of(i);
        let [d_ty, a_ty, b_ty, _] = tys[..] else { return Err(unsupported(i)) };
        let matrix = |ty: Ty| {
            Some(match ty {
                Ty::F16 => MatrixTy::F16,
                Ty::Bf16 => MatrixTy::Bf16,
                Ty::F32 if !names.is_empty() => MatrixTy::Tf32,
                Ty::S8 => MatrixTy::S8,
                Ty::U8 => MatrixTy::U8,
                _ => return None,
            })
        };
        let a_ty = matrix(a_ty).ok_or_else(|| unsupported(i))?;
        let b_ty = matrix(b_ty).ok_or_else(|| unsupported(i))?;
        let half_sums = d_ty == Ty::F16;
        let (d, _) = self.parts(operand(i, 0)?, true)?;
        let (a, _) = self.parts(operand(i, 1)?, false)?;
        let (b, _) = self.parts(operand(i, 2)?, false)?;
        let (c, _) = self.parts(operand(i, 3)?, false)?;
        let known = match a_ty {
            MatrixTy::F16 | MatrixTy::Bf16 => k == 8 || k == 16,
            MatrixTy::Tf32 => k == 4 || k == 8,
            MatrixTy::S8 | MatrixTy::U8 => k == 16 || k == 32,
            MatrixTy::F64 => false,
        };
        if !known {
            return Err(unsupported(i));
        }
        let b = [b[0], b[1]];
        self.emit(Op::Mma(Box::new(Mma { k, a_ty, b_ty, half_sums, d, a, b, c })));
        Ok(())
    }

    fn parts(&mut self, operand: &Operand, write: bool) -> Result<([u32; 4], usize), Refusal> {
        let single = std::slice::from_ref(operand);
        let parts = if let Operand::Vector(parts) = operand { parts.as_slice() } else { single };
        let mut regs = [NONE; 4];
        for (reg, part) in regs.iter_mut().zip(parts) {
            *reg = if write { self.result(part, false)? } else { self.value(part, Ty::F32)? };
        }
        Ok((regs, parts.len()))
    }
}
