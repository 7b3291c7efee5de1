//! The table of kernels under review: registers, spills, memory and occupancy.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::assembly::Kernel;
use super::occupancy::occupancy;
use super::{ARCHITECTURES, Compiled};

const HEAD: &str = "\
# Kernels as assembled

Written by `cargo xtask ptx`. For each kernel: bytes of memory that its blocks share as declared
(launches of some ask for more), bytes spilled, summed over all architectures, and for each
architecture registers a thread and theoretical occupancy in percent, without what launches ask for.

";

pub(crate) fn table(compiled: &BTreeMap<String, Compiled>) -> String {
    let mut text = HEAD.to_owned();
    text.push_str("| module | kernel | shared | spilled |");
    ARCHITECTURES.iter().for_each(|architecture| _ = write!(text, " sm_{architecture} |"));
    text.push_str("\n|---|---|---|---|");
    ARCHITECTURES.iter().for_each(|_| text.push_str("---|"));
    text.push('\n');
    for (module, compiled) in compiled {
        let Some(first) = compiled.kernels.values().next() else { continue };
        for (place, kernel) in first.iter().enumerate() {
            let of = |architecture| compiled.kernels.get(architecture).map(|all| &all[place]);
            let spilled: u32 = ARCHITECTURES.iter().filter_map(of).map(|k| k.spill_bytes).sum();
            let (entry, shared) = (&kernel.entry, kernel.shared_bytes);
            _ = write!(text, "| {module} | {entry} | {shared} | {spilled} |");
            for architecture in ARCHITECTURES {
                _ = write!(text, " {} |", cell(of(architecture), *architecture));
            }
            text.push('\n');
        }
    }
    text
}

fn cell(kernel: Option<&Kernel>, architecture: u32) -> String {
    let shown =
        |kernel: &Kernel| format!("{} {} %", kernel.registers, occupancy(kernel, architecture));
    kernel.map_or_else(|| "-".to_owned(), shown)
}
