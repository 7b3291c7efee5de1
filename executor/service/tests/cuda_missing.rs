//! Users' CUDA C++ where there is no compiler.

mod common;

use common::*;
use drawloom_cuda_sim::client::{Library, library_path};
use drawloom_executor::Config;
use drawloom_model::{
    CudaSource, CudaSpec, DeviceIndex, Expression, FailureKind, GpuRequest, ResourceRequest, Run,
};

#[tokio::test]
async fn a_missing_compiler_is_told_with_what_to_do() {
    for (name, value) in [("DRAWLOOM_SIM_DEVICES", "1"), ("DRAWLOOM_NVRTC", "/nowhere/nvrtc")] {
        // SAFETY: the process has no second thread yet.
        unsafe { std::env::set_var(name, value) };
    }
    let path = library_path().expect("cargo builds the library beside the tests");
    Library::load(&path).expect("the library loads");
    let mut loom = Loom::new(Config { offers_gpus: true, ..config() }).await;
    let spec = |source| CudaSpec {
        source,
        entry: "f".to_owned(),
        grid: vec![Expression::number(1)],
        block: vec![Expression::number(32)],
        shared_bytes: Expression::number(0),
        arguments: Vec::new(),
        options: Vec::new(),
    };
    let on_device = |index, source| {
        let mut assignment = assignment(index, Run::Cuda(Box::new(spec(source))), 0);
        let gpu = GpuRequest { devices: 1, milli: 1000, vram_bytes: 0, min_compute_capability: 0 };
        *request(&mut assignment) =
            ResourceRequest { gpu: Some(gpu), ..ResourceRequest::default() };
        assignment.devices.push(DeviceIndex(0));
        assignment
    };
    let cpp = CudaSource::Cpp("extern \"C\" __global__ void f() {}".into());
    let failure = loom.result(on_device(1, cpp)).await.expect_err("there is no compiler");
    assert_eq!(failure.kind, FailureKind::Spawn);
    for part in ["f: NVRTC cannot be used: /nowhere/nvrtc", "nvidia-cuda-nvrtc-cu12", "PTX"] {
        assert!(failure.message.contains(part), "{failure}");
    }
    // PTX needs none.
    let ptx = ".version 7.0\n.target sm_75\n.address_size 64\n.visible .entry f()\n{\nret;\n}\n";
    let made = loom.result(on_device(2, CudaSource::Ptx(ptx.into()))).await;
    assert_eq!(made.expect("it runs"), []);
}
