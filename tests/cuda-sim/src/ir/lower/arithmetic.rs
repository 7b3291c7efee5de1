//! Arithmetic instructions.

use super::super::program::{Clock, Join, NONE, Op, Predicate};
use super::function::{Lowering, Refusal};
use super::names::Kind;
use super::operands::{operand, type_of, types_of};
use crate::exec::alu::convert::{Conversion, convert};
use crate::exec::alu::ty::Ty;
use crate::exec::alu::{bits, compare, convert as conversions, float, half_float, integer};
use crate::exec::regs::{AluFn, Args};
use crate::exec::round::Mode;
use crate::ptx::ast::{Instruction, Operand};

/// The conversion that widens or narrows an integer.
pub fn extend(to: Ty, from: Ty) -> Result<(AluFn, u32), Refusal> {
    convert(Conversion {
        to,
        from,
        mode: Mode::Nearest,
        integral: false,
        saturate: false,
        flush: false,
        wide: to.wide(),
        wide_source: from.wide(),
    })
    .ok_or_else(|| format!("no conversion from {from:?} to {to:?}"))
}

fn mode_of(instruction: &Instruction) -> Mode {
    instruction.words[1..].iter().find_map(|word| Mode::named(word)).unwrap_or(Mode::Nearest)
}

fn is_half(ty: Ty) -> bool {
    matches!(ty, Ty::F16 | Ty::Bf16 | Ty::F16x2 | Ty::Bf16x2)
}

fn unsupported(instruction: &Instruction) -> Refusal {
    format!("unsupported instruction {}", instruction.opcode())
}

impl Lowering<'_> {
    /// Lowers an arithmetic instruction; `false` if it is none.
    pub fn arithmetic(&mut self, i: &Instruction) -> Result<bool, Refusal> {
        match i.words[0].as_str() {
            "mov" => self.mov(i)?,
            "cvt" => self.cvt(i)?,
            "setp" => self.setp(i)?,
            "set" => self.set(i)?,
            "testp" => self.testp(i)?,
            "selp" | "slct" => self.selp(i)?,
            "add" | "sub" | "mul" | "mad" | "fma" | "div" | "rem" | "min" | "max" | "addc"
            | "subc" | "madc" | "mul24" | "mad24" | "copysign" => self.two_or_three(i)?,
            "abs" | "neg" | "sqrt" | "rcp" | "rsqrt" | "ex2" | "lg2" | "sin" | "cos" | "tanh" => {
                self.unary(i)?;
            }
            "and" | "or" | "xor" | "not" | "cnot" | "shl" | "shr" | "popc" | "clz" | "brev"
            | "shf" | "bfe" | "bfi" | "bfind" | "prmt" | "lop3" | "bmsk" | "szext" => {
                self.bitwise(i)?;
            }
            "sad" | "dp4a" | "dp2a" => self.sums(i)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// `f` over operands of these types, the first being the result's.
    fn apply(
        &mut self,
        i: &Instruction,
        f: Option<AluFn>,
        x: u32,
        tys: &[Ty],
    ) -> Result<Args, Refusal> {
        let f = f.ok_or_else(|| unsupported(i))?;
        let mut args = Args { x, ..Args::default() };
        let places = [&mut args.a, &mut args.b, &mut args.c];
        for (at, (ty, place)) in tys[1..].iter().zip(places).enumerate() {
            *place = self.value(operand(i, at + 1)?, *ty)?;
        }
        args.d = self.result(operand(i, 0)?, tys[0].wide())?;
        self.alu(f, args);
        Ok(args)
    }

    fn mov(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let ty = type_of(i)?;
        let (to, from) = (operand(i, 0)?, operand(i, 1)?);
        if ty == Ty::Pred {
            let args = Args { d: self.pred(to)?, a: self.pred(from)?, ..Args::default() };
            self.alu(compare::logic("mov").ok_or_else(|| unsupported(i))?, args);
            return Ok(());
        }
        if let Operand::Vector(parts) = from {
            return self.pack(to, parts, ty);
        }
        if let Operand::Vector(parts) = to {
            return self.unpack(parts, from, ty);
        }
        if let Operand::Name(name) = from
            && let Some(clock) = clock(name)
        {
            let d = self.result(to, ty.wide())?;
            self.emit(Op::Clock { d, clock });
            return Ok(());
        }
        self.apply(i, bits::logic("mov", ty), 0, &[ty, ty]).map(drop)
    }

    fn pack(&mut self, to: &Operand, parts: &[Operand], ty: Ty) -> Result<(), Refusal> {
        let bits = (ty.bytes() * 8 / parts.len()) as u32;
        let part = part_type(bits)?;
        let parts = parts.iter().map(|p| self.value(p, part)).collect::<Result<_, _>>()?;
        let d = self.result(to, ty.wide())?;
        self.emit(Op::Pack { d, wide: ty.wide(), bits, parts, parts_wide: part.wide() });
        Ok(())
    }

    fn unpack(&mut self, parts: &[Operand], from: &Operand, ty: Ty) -> Result<(), Refusal> {
        let bits = (ty.bytes() * 8 / parts.len()) as u32;
        let part = part_type(bits)?;
        let a = self.value(from, ty)?;
        let sink = Operand::Name("_".into());
        let parts = parts
            .iter()
            .map(|p| if *p == sink { Ok(NONE) } else { self.result(p, part.wide()) })
            .collect::<Result<_, _>>()?;
        self.emit(Op::Unpack { a, wide: ty.wide(), bits, parts, parts_wide: part.wide() });
        Ok(())
    }

    fn cvt(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let tys = types_of(i);
        let [to, from] = tys[..] else { return Err(unsupported(i)) };
        if matches!(to, Ty::F16x2 | Ty::Bf16x2) {
            let args = self.apply(i, conversions::pack(to), 0, &[Ty::U32, from, from])?;
            return self.clamp(i, to, args.d);
        }
        if i.has("tf32") {
            return self.apply(i, Some(conversions::to_tf32()), 0, &[to, from]).map(drop);
        }
        let integer_mode = i.words[1..].iter().find_map(|word| {
            Some(match word.as_str() {
                "rni" => Mode::Nearest,
                "rzi" => Mode::Zero,
                "rmi" => Mode::Down,
                "rpi" => Mode::Up,
                _ => return None,
            })
        });
        let d = self.register(operand(i, 0)?)?;
        let (a, wide_source) = match operand(i, 1)? {
            name @ Operand::Name(text) if self.names.find(text).is_some() => {
                let register = self.register(name)?;
                (register.at, register.kind == Kind::Wide)
            }
            other => (self.value(other, from)?, from.wide()),
        };
        let (f, x) = convert(Conversion {
            to,
            from,
            mode: integer_mode.unwrap_or_else(|| mode_of(i)),
            integral: integer_mode.is_some(),
            saturate: i.has("sat"),
            flush: i.has("ftz"),
            wide: d.kind == Kind::Wide,
            wide_source,
        })
        .ok_or_else(|| unsupported(i))?;
        self.alu(f, Args { d: d.at, a, x, ..Args::default() });
        if i.has("relu") { self.clamp(i, to, d.at) } else { Ok(()) }
    }

    fn join(&mut self, i: &Instruction) -> Result<Option<(Join, Predicate)>, Refusal> {
        let join = i.words[1..].iter().find_map(|word| match word.as_str() {
            "and" => Some(Join::And),
            "or" => Some(Join::Or),
            "xor" => Some(Join::Xor),
            _ => None,
        });
        match join {
            Some(join) => Ok(Some((join, self.predicate(operand(i, 3)?)?))),
            None => Ok(None),
        }
    }

    fn setp(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let ty = type_of(i)?;
        let cmp = i.words[1].as_str();
        let (p, q) = match operand(i, 0)? {
            Operand::Pair(p, q) => (self.pred(p)?, self.pred(q)?),
            p => (self.pred(p)?, NONE),
        };
        let a = self.value(operand(i, 1)?, ty)?;
        let b = self.value(operand(i, 2)?, ty)?;
        let args = Args { a, b, ..Args::default() };
        let join = self.join(i)?;
        if matches!(ty, Ty::F16x2 | Ty::Bf16x2) {
            for (target, high) in [(p, false), (q, true)] {
                let test = compare::half_of_pair(cmp, ty, high).ok_or_else(|| unsupported(i))?;
                self.emit(Op::SetP { test, args, p: target, q: NONE, join });
            }
            return Ok(());
        }
        let test = compare::test(cmp, ty, i.has("ftz")).ok_or_else(|| unsupported(i))?;
        self.emit(Op::SetP { test, args, p, q, join });
        Ok(())
    }

    fn set(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let tys = types_of(i);
        let [to, from] = tys[..] else { return Err(unsupported(i)) };
        let cmp = i.words[1].as_str();
        let join = self.join(i)?;
        let mut args = Args {
            d: self.result(operand(i, 0)?, to.wide())?,
            a: self.value(operand(i, 1)?, from)?,
            b: self.value(operand(i, 2)?, from)?,
            ..Args::default()
        };
        if matches!(from, Ty::F16x2 | Ty::Bf16x2) {
            let yes = match to {
                Ty::F16x2 => 0x3c00,
                Ty::Bf16x2 => 0x3f80,
                _ => 0xffff,
            };
            let high = self.names.fresh(Kind::Narrow).at;
            let d = args.d;
            let low = self.names.fresh(Kind::Narrow).at;
            for (target, upper) in [(low, false), (high, true)] {
                args.d = target;
                let test = compare::half_of_pair(cmp, from, upper).ok_or_else(|| unsupported(i))?;
                self.emit(Op::Set { test, args, join, yes });
            }
            let parts = vec![low, high];
            self.emit(Op::Pack { d, wide: false, bits: 16, parts, parts_wide: false });
            return Ok(());
        }
        let test = compare::test(cmp, from, i.has("ftz")).ok_or_else(|| unsupported(i))?;
        let yes = match to {
            Ty::F32 => 1f32.to_bits(),
            Ty::F16 => 0x3c00,
            Ty::Bf16 => 0x3f80,
            Ty::U16 | Ty::S16 => 0xffff,
            _ => u32::MAX,
        };
        self.emit(Op::Set { test, args, join, yes });
        Ok(())
    }

    fn testp(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let ty = type_of(i)?;
        let test = compare::class(&i.words[1], ty).ok_or_else(|| unsupported(i))?;
        let p = self.pred(operand(i, 0)?)?;
        let a = self.value(operand(i, 1)?, ty)?;
        let args = Args { a, b: a, ..Args::default() };
        self.emit(Op::SetP { test, args, p, q: NONE, join: None });
        Ok(())
    }

    fn selp(&mut self, i: &Instruction) -> Result<(), Refusal> {
        if i.words[0] == "slct" {
            // d = c >= 0 ? a : b.
            let tys = types_of(i);
            let [ty, chooser] = tys[..] else { return Err(unsupported(i)) };
            let test = compare::test("ge", chooser, false).ok_or_else(|| unsupported(i))?;
            let zero = self.value(&Operand::Int(0), chooser)?;
            let a = self.value(operand(i, 3)?, chooser)?;
            let p = self.names.fresh(Kind::Pred).at;
            let args = Args { a, b: zero, ..Args::default() };
            self.emit(Op::SetP { test, args, p, q: NONE, join: None });
            return self.choose(i, ty, p);
        }
        let ty = type_of(i)?;
        let p = self.pred(operand(i, 3)?)?;
        self.choose(i, ty, p)
    }

    fn choose(&mut self, i: &Instruction, ty: Ty, p: u32) -> Result<(), Refusal> {
        let args = Args {
            d: self.result(operand(i, 0)?, ty.wide())?,
            a: self.value(operand(i, 1)?, ty)?,
            b: self.value(operand(i, 2)?, ty)?,
            c: p,
            x: 0,
        };
        self.alu(compare::select(ty.wide()), args);
        Ok(())
    }

    fn two_or_three(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let op = i.words[0].as_str();
        let ty = types_of(i).first().copied().ok_or_else(|| unsupported(i))?;
        let part = ["lo", "hi", "wide"].into_iter().find(|part| i.has(part)).unwrap_or("");
        let x = if ty.float() { float::detail(mode_of(i), i.has("ftz")) } else { 0 };
        let carries = op.ends_with('c') || i.has("cc");
        if carries && !ty.float() {
            let base = op.trim_end_matches('c');
            let x = integer::carry_detail(op.ends_with('c'), i.has("cc"));
            let count = i.operands.len();
            return self
                .apply(i, integer::with_carry(base, part, ty), x, &vec![ty; count])
                .map(drop);
        }
        if is_half(ty) {
            let nan = i.has("NaN");
            let f = match op {
                "fma" | "mad" => half_float::fused(ty),
                _ => half_float::binary(op, ty, nan),
            };
            let count = i.operands.len();
            let args = self.apply(i, f, 0, &vec![ty; count])?;
            return self.clamp(i, ty, args.d);
        }
        if ty.float() {
            let f = match op {
                "fma" | "mad" => float::fused(ty, x),
                _ => float::binary(op, ty, x, i.has("NaN")),
            };
            let count = i.operands.len();
            if count == 4 && matches!(op, "min" | "max") {
                return Err(unsupported(i));
            }
            let args = self.apply(i, f, x, &vec![ty; count])?;
            return self.clamp(i, ty, args.d);
        }
        let sum = if part == "wide" { wider(ty)? } else { ty };
        match op {
            "mul" => self.apply(i, integer::mul(part, ty), 0, &[sum, ty, ty]),
            "mad" => self.apply(i, integer::mad(part, ty), 0, &[sum, ty, ty, sum]),
            "mul24" => self.apply(i, integer::mul24(op, part, ty), 0, &[ty, ty, ty]),
            "mad24" => self.apply(i, integer::mul24(op, part, ty), 0, &[ty, ty, ty, ty]),
            _ => {
                let args =
                    self.apply(i, integer::binary(op, ty, i.has("sat")), 0, &[ty, ty, ty])?;
                if i.has("relu") {
                    return Err(unsupported(i));
                }
                Ok(args)
            }
        }
        .map(drop)
    }

    /// `.sat` and `.relu`, as instructions of their own.
    fn clamp(&mut self, i: &Instruction, ty: Ty, d: u32) -> Result<(), Refusal> {
        let args = Args { d, a: d, ..Args::default() };
        if i.has("sat") {
            self.alu(float::saturate(ty).ok_or_else(|| unsupported(i))?, args);
        }
        if i.has("relu") {
            self.alu(half_float::clamp("relu", ty).ok_or_else(|| unsupported(i))?, args);
        }
        Ok(())
    }

    fn unary(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let (op, ty) = (i.words[0].as_str(), type_of(i)?);
        let x = float::detail(mode_of(i), i.has("ftz"));
        let f = if is_half(ty) {
            half_float::unary(op, ty)
        } else if ty.float() {
            float::unary(op, ty)
        } else {
            integer::unary(op, ty)
        };
        self.apply(i, f, x, &[ty, ty]).map(drop)
    }

    fn bitwise(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let (op, ty) = (i.words[0].as_str(), type_of(i)?);
        if ty == Ty::Pred {
            let d = self.pred(operand(i, 0)?)?;
            let a = self.pred(operand(i, 1)?)?;
            let b = if op == "not" { a } else { self.pred(operand(i, 2)?)? };
            self.alu(
                compare::logic(op).ok_or_else(|| unsupported(i))?,
                Args { d, a, b, c: 0, x: 0 },
            );
            return Ok(());
        }
        let u32s = Ty::U32;
        match op {
            "and" | "or" | "xor" => self.apply(i, bits::logic(op, ty), 0, &[ty, ty, ty]),
            "not" | "cnot" | "brev" => self.apply(i, bits::logic(op, ty), 0, &[ty, ty]),
            "popc" | "clz" => self.apply(i, bits::logic(op, ty), 0, &[u32s, ty]),
            "shl" | "shr" => self.apply(i, bits::shifts(op, ty), 0, &[ty, ty, u32s]),
            "shf" => {
                let f = bits::funnel(i.has("l"), i.has("wrap"));
                self.apply(i, Some(f), 0, &[u32s, u32s, u32s, u32s])
            }
            "bfe" => self.apply(i, bits::extract(ty), 0, &[ty, ty, u32s, u32s]),
            "bfind" => self.apply(i, bits::find(ty, i.has("shiftamt")), 0, &[u32s, ty]),
            "bmsk" => self.apply(i, Some(bits::mask(i.has("clamp"))), 0, &[u32s, u32s, u32s]),
            "prmt" => {
                let mode = i.words.get(2).map_or("", String::as_str);
                self.apply(i, bits::permute(mode), 0, &[u32s, u32s, u32s, u32s])
            }
            "lop3" => {
                let Operand::Int(table) = operand(i, 4)? else { return Err(unsupported(i)) };
                self.apply(i, Some(bits::logic3()), *table as u32, &[u32s, u32s, u32s, u32s])
            }
            "bfi" => return self.bfi(i, ty),
            _ => return Err(unsupported(i)),
        }
        .map(drop)
    }

    /// `bfi` has four sources: the last must be a number here.
    fn bfi(&mut self, i: &Instruction, ty: Ty) -> Result<(), Refusal> {
        let args = Args {
            a: self.value(operand(i, 1)?, ty)?,
            b: self.value(operand(i, 2)?, ty)?,
            c: self.value(operand(i, 3)?, Ty::U32)?,
            x: self.value(operand(i, 4)?, Ty::U32)?,
            d: self.result(operand(i, 0)?, ty.wide())?,
        };
        self.emit(Op::Insert { args, wide: ty.wide() });
        Ok(())
    }

    fn sums(&mut self, i: &Instruction) -> Result<(), Refusal> {
        let tys = types_of(i);
        let ty = *tys.first().ok_or_else(|| unsupported(i))?;
        let other = *tys.last().ok_or_else(|| unsupported(i))?;
        let part = if i.has("hi") { "hi" } else { "lo" };
        let f = integer::sums(&i.words[0], part, ty, other);
        let wide = if ty.wide() { Ty::U64 } else { Ty::U32 };
        self.apply(i, f, 0, &[wide, ty, other, wide]).map(drop)
    }
}

fn part_type(bits: u32) -> Result<Ty, Refusal> {
    Ok(match bits {
        8 => Ty::U8,
        16 => Ty::U16,
        32 => Ty::U32,
        64 => Ty::U64,
        _ => return Err(format!("parts of {bits} bits")),
    })
}

fn wider(ty: Ty) -> Result<Ty, Refusal> {
    Ok(match ty {
        Ty::U16 => Ty::U32,
        Ty::S16 => Ty::S32,
        Ty::U32 => Ty::U64,
        Ty::S32 => Ty::S64,
        _ => return Err(format!("nothing is wider than {ty:?}")),
    })
}

fn clock(name: &str) -> Option<Clock> {
    Some(match name {
        "%clock" => Clock::Clock,
        "%clock_hi" => Clock::ClockHigh,
        "%clock64" => Clock::Clock64,
        "%globaltimer" => Clock::Globaltimer,
        "%globaltimer_lo" => Clock::GlobaltimerLow,
        "%globaltimer_hi" => Clock::GlobaltimerHigh,
        _ => return None,
    })
}
