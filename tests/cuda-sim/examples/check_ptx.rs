//! Tells whether files of PTX can run on the simulated driver: `check_ptx FILE...`.
#![allow(clippy::print_stdout, reason = "it is a command")]

use std::process::ExitCode;

use drawloom_cuda_sim::ir::lower::{Globals, lower};
use drawloom_cuda_sim::ptx::parser::parse;

/// Addresses without memory behind.
struct Nowhere(u64);

impl Globals for Nowhere {
    fn allocate(&mut self, bytes: usize, align: usize) -> Option<u64> {
        let at = self.0.next_multiple_of(align.max(1) as u64);
        self.0 = at + bytes as u64;
        Some(at)
    }

    fn write(&mut self, _address: u64, _bytes: &[u8]) {}
}

fn main() -> ExitCode {
    let mut bad = 0;
    let mut kernels = 0;
    for path in std::env::args().skip(1) {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                println!("{path}: {error}");
                bad += 1;
                continue;
            }
        };
        match parse(&text).and_then(|module| lower(&module, &mut Nowhere(0x1000_0000_0000))) {
            Ok(program) => kernels += program.kernels.len(),
            Err(error) => {
                println!("{path}: {error}");
                bad += 1;
            }
        }
    }
    println!("{kernels} kernels can run; {bad} files cannot");
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
