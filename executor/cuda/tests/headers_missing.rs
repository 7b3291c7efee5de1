//! CUDA's own headers in users' source, where they are not beside the real NVRTC.

use drawloom_cuda::{Compiler, Settings};
use drawloom_model::{CudaSource, CudaSpec, Expression};

#[test]
fn missing_headers_of_cuda_are_told_with_what_to_install() {
    let library = drawloom_cuda_sim::nvrtc::library().expect("NVRTC");
    let compiler = Compiler::new(Settings { nvrtc: Some(library), cache: None });
    let source = "#include <cuda_fp16.h>\nextern \"C\" __global__ void f(__half* x) {}";
    let spec = CudaSpec {
        source: CudaSource::Cpp(source.into()),
        entry: "f".to_owned(),
        grid: vec![Expression::number(1)],
        block: vec![Expression::number(32)],
        shared_bytes: Expression::number(0),
        arguments: Vec::new(),
        options: Vec::new(),
    };
    // On a machine with a toolkit they are found there.
    if let Err(error) = compiler.module(&spec, (8, 0)) {
        let told = error.to_string();
        for part in ["cuda_fp16.h", "toolkit", "nvidia-cuda-runtime-cu12"] {
            assert!(told.contains(part), "{told}");
        }
    }
}
