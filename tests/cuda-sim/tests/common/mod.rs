//! What the tests share: the library loaded once, devices, fixtures.
#![allow(dead_code, missing_docs, reason = "not every test uses all of it")]

use std::sync::{Arc, OnceLock};

use cudarc::driver::{CudaContext, CudaFunction, CudaModule};
use cudarc::nvrtc::Ptx;
use drawloom_cuda_sim::client::{Library, library_path};

pub const BASICS: &str = include_str!("../../fixtures/basics.ptx");
pub const INTRINSICS: &str = include_str!("../../fixtures/intrinsics.ptx");
pub const TENSOR: &str = include_str!("../../fixtures/tensor.ptx");

/// Loads the library with these settings; the first call of a process decides.
pub fn setup(settings: &[(&str, &str)]) -> Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    *LIBRARY.get_or_init(|| {
        for (name, value) in settings {
            // SAFETY: nothing of the process reads the environment before the library is loaded.
            unsafe { std::env::set_var(name, value) };
        }
        let path = library_path().expect("cargo builds the library beside the tests");
        Library::load(&path).expect("the library loads")
    })
}

pub fn module(context: &Arc<CudaContext>, text: &str) -> Arc<CudaModule> {
    context.load_module(Ptx::from_src(text)).expect("the module loads")
}

pub fn kernel(context: &Arc<CudaContext>, text: &str, name: &str) -> CudaFunction {
    module(context, text).load_function(name).expect("the kernel is there")
}

/// Numbers that look random, the same every time.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let shifted = ((self.0 >> 18) ^ self.0) >> 27;
        (shifted as u32).rotate_right((self.0 >> 59) as u32)
    }

    /// Between -1 and 1.
    pub fn float(&mut self) -> f32 {
        (self.bits() >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    pub fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.float()).collect()
    }
}

pub fn close(got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len());
    for (at, (got, want)) in got.iter().zip(want).enumerate() {
        let error = (got - want).abs() / want.abs().max(1.0);
        assert!(error <= tolerance, "element {at}: {got} instead of {want}");
    }
}
