//! CUDA's own headers in users' source, with the real NVRTC and the real headers.

use std::fs;
use std::path::{Path, PathBuf};

use drawloom_cuda::{Compiler, Settings};
use drawloom_cuda_sim::nvrtc;
use drawloom_model::{CudaSource, CudaSpec, Expression};

/// NVRTC and headers as pip puts them into one folder. The files are the same ones.
fn one_folder(folder: &Path) -> PathBuf {
    let lib = folder.join("nvidia/cuda_nvrtc/lib");
    fs::create_dir_all(&lib).expect("a folder");
    let library = nvrtc::library().expect("NVRTC");
    for file in fs::read_dir(library.parent().expect("a folder")).expect("a folder") {
        let file = file.expect("a file");
        let link = lib.join(file.file_name());
        // Where it is on another file system, a link will not do.
        let linked = fs::hard_link(file.path(), &link);
        linked.or_else(|_| fs::copy(file.path(), &link).map(drop)).expect("it is there");
    }
    let runtime = folder.join("nvidia/cuda_runtime");
    fs::create_dir_all(&runtime).expect("a folder");
    let headers = nvrtc::headers().expect("headers");
    std::os::unix::fs::symlink(headers, runtime.join("include")).expect("a link");
    lib.join(library.file_name().expect("a name"))
}

const SOURCE: &str = r#"
#include <cuda_fp16.h>
extern "C" __global__ void half_sum(int n, const float* x, __half* y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = __hadd(__float2half(x[i]), __float2half(1.0f));
}
"#;

#[test]
fn headers_of_cuda_are_found_beside_the_compiler() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let library = one_folder(folder.path());
    let compiler = Compiler::new(Settings { nvrtc: Some(library), cache: None });
    let spec = CudaSpec {
        source: CudaSource::Cpp(SOURCE.into()),
        entry: "half_sum".to_owned(),
        grid: vec![Expression::number(1)],
        block: vec![Expression::number(32)],
        shared_bytes: Expression::number(0),
        arguments: Vec::new(),
        options: Vec::new(),
    };
    let module = compiler.module(&spec, (8, 0)).expect("it compiles");
    assert!(module.ptx.contains("cvt.rn.f16.f32"), "{}", module.ptx);
}
