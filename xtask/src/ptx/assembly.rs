//! What the assembler says of kernels, and PTX without what only people read.

/// One kernel as assembled for one architecture.
pub(crate) struct Kernel {
    pub(crate) entry: String,
    pub(crate) registers: u32,
    pub(crate) spill_bytes: u32,
    /// What is declared; launches may ask for more.
    pub(crate) shared_bytes: u32,
    /// The most threads that a block of it has.
    pub(crate) threads: u32,
}

/// Reads the assembler's log, in the order of the kernels' names.
pub(crate) fn kernels(log: &str, ptx: &str) -> Result<Vec<Kernel>, String> {
    let mut kernels: Vec<Kernel> = Vec::new();
    for line in log.lines() {
        if let Some(entry) = between(line, "Compiling entry function '", "'") {
            let threads = threads(ptx, entry).unwrap_or(1);
            let (registers, spill_bytes, shared_bytes) = (0, 0, 0);
            let entry = entry.to_owned();
            kernels.push(Kernel { entry, registers, spill_bytes, shared_bytes, threads });
            continue;
        }
        let Some(kernel) = kernels.last_mut() else { continue };
        if let Some(bytes) = number_before(line, " bytes spill stores") {
            kernel.spill_bytes = bytes + number_before(line, " bytes spill loads").unwrap_or(0);
        }
        if let Some(registers) = number_before(line, " registers") {
            kernel.registers = registers;
            kernel.shared_bytes = number_before(line, " bytes smem").unwrap_or(0);
        }
    }
    if kernels.iter().any(|kernel| kernel.registers == 0) || kernels.is_empty() {
        return Err(format!("the assembler says nothing of a kernel:\n{log}"));
    }
    kernels.sort_by(|a, b| a.entry.cmp(&b.entry));
    Ok(kernels)
}

/// How many threads a block of an entry may have, as its PTX says.
fn threads(ptx: &str, entry: &str) -> Option<u32> {
    let (_, rest) = ptx.split_once(&format!(".entry {entry}("))?;
    let head = rest.split_once('{')?.0;
    between(head, ".maxntid ", ",")?.trim().parse().ok()
}

fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(line.split_once(before)?.1.split_once(after)?.0)
}

/// The number that is written right before `what`.
fn number_before(line: &str, what: &str) -> Option<u32> {
    let (before, _) = line.split_once(what)?;
    before.rsplit([' ', ',']).next()?.parse().ok()
}

/// The version of PTX that is declared in place of the compiler's own: the least that has all
/// instructions in use, which the assembler checks. Drivers from CUDA 11.0 on take it.
pub(crate) const PTX_VERSION: &str = "7.0";

/// PTX for drivers of any age, without what only people read: comments, empty lines and indentation.
pub(crate) fn portable(ptx: &str) -> String {
    let mut portable = String::with_capacity(ptx.len());
    for line in ptx.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [first, ..] if first.starts_with("//") => {}
            [".version", _] => portable.push_str(&format!(".version {PTX_VERSION}\n")),
            words => {
                portable.push_str(&words.join(" "));
                portable.push('\n');
            }
        }
    }
    portable
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
ptxas info    : Compiling entry function 'add' for 'sm_86'
ptxas info    : Function properties for add
ptxas         .     216 bytes stack frame, 212 bytes spill stores, 264 bytes spill loads
ptxas info    : Used 128 registers, used 1 barriers, 8448 bytes smem, 536 bytes cmem[0]
";

    #[test]
    fn logs_are_read() {
        let ptx = ".visible .entry add(\n.param .u64 p\n)\n.maxntid 256, 1, 1\n{\n}\n";
        let kernels = kernels(LOG, ptx).expect("a kernel");
        let Kernel { entry, registers, spill_bytes, shared_bytes, threads } = &kernels[0];
        assert_eq!((entry.as_str(), *registers, *spill_bytes), ("add", 128, 476));
        assert_eq!((*shared_bytes, *threads), (8448, 256));
    }

    #[test]
    fn what_people_read_is_left_out() {
        let ptx = "// by\n.version 8.8\n\n\tadd.s32 \t%r1, %r2;\n\t// end\n";
        assert_eq!(portable(ptx), ".version 7.0\nadd.s32 %r1, %r2;\n");
    }
}
