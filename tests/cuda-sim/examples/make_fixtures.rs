//! Compiles the fixtures' CUDA sources to PTX with NVRTC; `--check` only tells whether they are as
//! committed. NVRTC and the headers are those of the wheels `nvidia-cuda-nvrtc-cu12==12.9.86` and
//! `nvidia-cuda-runtime-cu12==12.9.79`; name the folder they were installed to.
//!
//! `cargo run -p drawloom-cuda-sim --example make_fixtures -- FOLDER [--check]`
#![allow(clippy::print_stdout, reason = "it is a command")]

use std::ffi::CString;
use std::path::Path;

use cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("name the folder of the wheels")?;
    let check = std::env::args().any(|argument| argument == "--check");
    let library = format!("{folder}/nvidia/cuda_nvrtc/lib/libnvrtc.so.12");
    let path = CString::new(library)?;
    // SAFETY: the library is NVRTC, whose constructors need nothing.
    if unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) }.is_null() {
        return Err("NVRTC does not load".into());
    }
    let mut changed = 0;
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for name in ["basics", "control", "intrinsics", "tensor"] {
        let source = std::fs::read_to_string(fixtures.join(format!("{name}.cu")))?;
        let options = CompileOptions {
            name: Some(format!("{name}.cu")),
            options: vec![
                "--gpu-architecture=compute_80".into(),
                format!("-I{folder}/nvidia/cuda_runtime/include"),
                "-default-device".into(),
            ],
            ..CompileOptions::default()
        };
        let made = compile_ptx_with_opts(source, options)?.to_src();
        let target = fixtures.join(format!("{name}.ptx"));
        let same = std::fs::read_to_string(&target).is_ok_and(|known| known == made);
        println!("{name}: {}", if same { "as committed" } else { "changed" });
        changed += usize::from(!same);
        if !same && !check {
            std::fs::write(target, made)?;
        }
    }
    if check && changed > 0 { Err("fixtures are out of date".into()) } else { Ok(()) }
}
