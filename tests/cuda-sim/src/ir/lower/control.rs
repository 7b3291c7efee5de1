//! Jumps, calls, barriers.

use super::super::program::{Barrier, BarrierReduce, Builtin, Call, NONE, Op, Pass};
use super::function::{Lowering, Refusal};
use super::operands::operand;
use crate::exec::alu::ty::Ty;
use crate::ptx::ast::{Instruction, Operand};

fn label(operand: &Operand) -> Result<&str, Refusal> {
    match operand {
        Operand::Name(name) => Ok(name),
        other => Err(format!("a name is wanted, not {other:?}")),
    }
}

impl Lowering<'_> {
    /// Lowers control flow; `false` if it is none.
    pub fn control(&mut self, i: &Instruction) -> Result<bool, Refusal> {
        match i.words[0].as_str() {
            "bra" => self.branch(label(operand(i, 0)?)?),
            "brx" => {
                let index = self.value(operand(i, 0)?, Ty::U32)?;
                self.branch_table(index, label(operand(i, 1)?)?)?;
            }
            "ret" => self.emit(Op::Return),
            "exit" => self.emit(Op::Exit),
            "trap" => self.emit(Op::Trap),
            "brkpt" | "pmevent" | "prefetch" | "prefetchu" | "discard" | "applypriority"
            | "setmaxnreg" | "griddepcontrol" => self.emit(Op::Nop),
            "nanosleep" => self.emit(Op::Sleep),
            "call" => self.call(i)?,
            "bar" | "barrier" => self.barrier(i)?,
            "membar" | "fence" => self.emit(Op::Fence),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn call(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let mut operands = i.operands.iter().peekable();
        let results = match operands.peek() {
            Some(Operand::List(results)) => {
                operands.next();
                results.as_slice()
            }
            _ => &[],
        };
        let name = label(operands.next().ok_or("a call names no function")?)?;
        let arguments = match operands.next() {
            Some(Operand::List(arguments)) => arguments.as_slice(),
            _ => &[],
        };
        if let Some(which) = builtin(name) {
            let arguments =
                arguments.iter().map(|a| self.frame_place(a)).collect::<Result<_, _>>()?;
            let result = match results.first() {
                Some(result) => self.frame_place(result)?,
                None => NONE,
            };
            self.emit(Op::Builtin { which, arguments, result });
            return Ok(());
        }
        let function =
            *self.symbols.functions.get(name).ok_or_else(|| {
                format!("unknown function {name} (indirect calls are unsupported)")
            })?;
        let layout = &self.layouts[function];
        let mut call = Call { function, arguments: Vec::new(), results: Vec::new() };
        for (argument, (to, bytes)) in arguments.iter().zip(&layout.params) {
            let from = self.frame_place(argument)?;
            call.arguments.push(Pass { from, to: *to, bytes: *bytes });
        }
        for (result, (from, bytes)) in results.iter().zip(&layout.results) {
            let to = self.frame_place(result)?;
            call.results.push(Pass { from: *from, to, bytes: *bytes });
        }
        self.calls = true;
        self.emit(Op::Call(Box::new(call)));
        Ok(())
    }

    /// The place in the frame of a variable for calls.
    fn frame_place(&self, operand: &Operand) -> Result<u32, Refusal> {
        let name = label(operand)?;
        let place = self.place(name).ok_or_else(|| format!("unknown variable {name}"))?;
        Ok(place.address as u32)
    }

    fn barrier(&mut self, i: &Instruction) -> Result<(), Refusal> {
        if i.has("warp") {
            let members = self.value(operand(i, 0)?, Ty::U32)?;
            self.emit(Op::WarpSync { members });
            return Ok(());
        }
        if i.has("cluster") {
            // A cluster is one block here.
            if i.has("arrive") {
                self.emit(Op::Fence);
                return Ok(());
            }
            let id = self.value(&Operand::Int(15), Ty::U32)?;
            self.emit(Op::Barrier(Box::new(Barrier { id, count: NONE, wait: true, reduce: None })));
            return Ok(());
        }
        if i.has("red") {
            let reduce = if i.has("popc") {
                BarrierReduce::Popc
            } else if i.has("and") {
                BarrierReduce::And
            } else {
                BarrierReduce::Or
            };
            let with_count = i.operands.len() == 4;
            let id = self.value(operand(i, 1)?, Ty::U32)?;
            let count = if with_count { self.value(operand(i, 2)?, Ty::U32)? } else { NONE };
            let predicate = self.predicate(operand(i, i.operands.len() - 1)?)?;
            let d = if reduce == BarrierReduce::Popc {
                self.result(operand(i, 0)?, false)?
            } else {
                self.pred(operand(i, 0)?)?
            };
            let reduce = Some((reduce, predicate, d));
            self.emit(Op::Barrier(Box::new(Barrier { id, count, wait: true, reduce })));
            return Ok(());
        }
        let id = self.value(operand(i, 0)?, Ty::U32)?;
        let count = match i.operands.get(1) {
            Some(count) => self.value(count, Ty::U32)?,
            None => NONE,
        };
        let wait = !i.has("arrive");
        self.emit(Op::Barrier(Box::new(Barrier { id, count, wait, reduce: None })));
        Ok(())
    }
}

fn builtin(name: &str) -> Option<Builtin> {
    Some(match name {
        "vprintf" => Builtin::Printf,
        "__assertfail" | "__assert_fail" => Builtin::AssertFail,
        "malloc" => Builtin::Malloc,
        "free" => Builtin::Free,
        _ => return None,
    })
}
