//! Registers: from names to places.

use std::collections::HashMap;

use super::super::program::{Preset, PresetRegister, Special};
use crate::exec::alu::ty::Ty;
use crate::ptx::ast::RegisterDecl;

/// What a register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A bit.
    Pred,
    /// Up to 32 bits.
    Narrow,
    /// 64 bits.
    Wide,
}

/// A register.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    /// What it holds.
    pub kind: Kind,
    /// Where.
    pub at: u32,
}

/// A block of the text with its own names.
#[derive(Default)]
struct Scope {
    single: HashMap<String, Kind>,
    ranges: HashMap<String, (Kind, u32)>,
    placed: HashMap<String, Register>,
}

/// The registers of a function.
#[derive(Default)]
pub struct Names {
    scopes: Vec<Scope>,
    numbers: HashMap<(u64, bool), u32>,
    specials: HashMap<Special, u32>,
    /// Registers with values.
    pub presets: Vec<PresetRegister>,
    /// Words used.
    pub words: u32,
    /// Predicates used.
    pub preds: u32,
}

fn kind_of(ty: &str) -> Option<Kind> {
    Some(match Ty::named(ty)? {
        Ty::Pred => Kind::Pred,
        Ty::B128 => return None,
        ty if ty.wide() => Kind::Wide,
        _ => Kind::Narrow,
    })
}

impl Names {
    /// Enters a block of the text.
    pub fn open(&mut self) {
        self.scopes.push(Scope::default());
    }

    /// Leaves it.
    pub fn close(&mut self) {
        self.scopes.pop();
    }

    /// Takes a declaration in; `None` for types without registers here.
    pub fn declare(&mut self, decl: &RegisterDecl) -> Option<()> {
        let kind = kind_of(&decl.ty)?;
        let scope = self.scopes.last_mut()?;
        match decl.count {
            Some(count) => {
                scope.ranges.insert(decl.name.clone(), (kind, count));
            }
            None => {
                scope.single.insert(decl.name.clone(), kind);
                scope.placed.remove(&decl.name);
            }
        }
        Some(())
    }

    /// The register of a name.
    pub fn find(&mut self, name: &str) -> Option<Register> {
        for at in (0..self.scopes.len()).rev() {
            if let Some(register) = self.scopes[at].placed.get(name) {
                return Some(*register);
            }
            let scope = &self.scopes[at];
            let prefix = name.trim_end_matches(|c: char| c.is_ascii_digit());
            let declared = scope.single.get(name).copied().or_else(|| {
                let (kind, count) = scope.ranges.get(prefix)?;
                let number: u32 = name[prefix.len()..].parse().ok()?;
                (number < *count).then_some(*kind)
            });
            if let Some(kind) = declared {
                let register = self.fresh(kind);
                self.scopes[at].placed.insert(name.to_owned(), register);
                return Some(register);
            }
        }
        None
    }

    /// A register without a name.
    pub fn fresh(&mut self, kind: Kind) -> Register {
        let at = match kind {
            Kind::Pred => {
                self.preds += 1;
                self.preds - 1
            }
            Kind::Narrow => {
                self.words += 32;
                self.words - 32
            }
            Kind::Wide => {
                self.words += 64;
                self.words - 64
            }
        };
        Register { kind, at }
    }

    /// The register that holds a number.
    pub fn number(&mut self, bits: u64, wide: bool) -> u32 {
        if let Some(at) = self.numbers.get(&(bits, wide)) {
            return *at;
        }
        let at = self.fresh(if wide { Kind::Wide } else { Kind::Narrow }).at;
        self.numbers.insert((bits, wide), at);
        self.presets.push(PresetRegister { at, wide, value: Preset::Number(bits) });
        at
    }

    /// The register that holds a special register's value.
    pub fn special(&mut self, special: Special) -> u32 {
        if let Some(at) = self.specials.get(&special) {
            return *at;
        }
        let at = self.fresh(Kind::Narrow).at;
        self.specials.insert(special, at);
        self.presets.push(PresetRegister { at, wide: false, value: Preset::Special(special) });
        at
    }
}

/// The special register a name means.
pub fn special(name: &str) -> Option<Special> {
    let (base, axis) = match name.rsplit_once('.') {
        Some((base, "x")) => (base, 0),
        Some((base, "y")) => (base, 1),
        Some((base, "z")) => (base, 2),
        _ => (name, 3),
    };
    Some(match (base, axis) {
        ("%tid", 0..3) => Special::Tid(axis),
        ("%ntid", 0..3) => Special::Ntid(axis),
        ("%ctaid" | "%clusterid", 0..3) => Special::Ctaid(axis),
        ("%nctaid" | "%nclusterid", 0..3) => Special::Nctaid(axis),
        ("%cluster_ctaid", 0..3) | ("%cluster_ctarank", _) => Special::Zero,
        ("%cluster_nctaid", 0..3) | ("%cluster_nctarank", _) => Special::One,
        ("%laneid", _) => Special::Laneid,
        ("%warpid", _) => Special::Warpid,
        ("%nwarpid", _) => Special::Nwarpid,
        ("%smid", _) => Special::Smid,
        ("%nsmid", _) => Special::Nsmid,
        ("%gridid", _) => Special::Gridid,
        ("%lanemask_eq", _) => Special::LanemaskEq,
        ("%lanemask_le", _) => Special::LanemaskLe,
        ("%lanemask_lt", _) => Special::LanemaskLt,
        ("%lanemask_ge", _) => Special::LanemaskGe,
        ("%lanemask_gt", _) => Special::LanemaskGt,
        ("%dynamic_smem_size", _) => Special::DynamicSmem,
        ("%total_smem_size", _) => Special::TotalSmem,
        _ if name.starts_with("%envreg") => Special::Zero,
        _ => return None,
    })
}
