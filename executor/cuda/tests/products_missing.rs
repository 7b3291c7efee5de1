//! Products of matrices where the library that was named is missing: a process of its own.

use std::sync::Arc;

use drawloom_cuda::{Lane, open};
use drawloom_cuda_sim::client::{Library, library_path};
use drawloom_model::{Attributes, DType, KernelCall, ObjectType, Shape};

#[test]
fn own_kernels_make_what_there_is_no_library_for() {
    // SAFETY: nothing of the process reads the environment before the library is loaded.
    unsafe { std::env::set_var("DRAWLOOM_CUBLAS", "/nowhere/libcublas.so.12") };
    let path = library_path().expect("cargo builds the library beside the tests");
    let library = Library::load(&path).expect("the library loads");
    let device = Arc::new(open(0).expect("a device"));
    let mut lane = Lane::new(&device).expect("a lane");
    let matrix = ObjectType::Tensor { dtype: DType::F32, shape: Shape::new([256, 256]) };
    let call = KernelCall { name: "matmul".to_owned(), attributes: Attributes::new() };
    let plan = lane.plan(&call, &[matrix.clone(), matrix]).expect("a plan");
    let ones: Vec<u8> = (0..256 * 256).flat_map(|_| 1f32.to_le_bytes()).collect();
    let inputs = [(); 2].map(|()| device.upload(&ones).expect("a copy"));
    for _ in 0..2 {
        let outputs = lane.launch(&plan, &inputs).expect("a launch").land(&device).expect("an end");
        let mut data = vec![0; 256 * 256 * 4];
        device.download(&outputs[0].1, &mut data).expect("a copy");
        assert!(data.chunks(4).all(|bytes| bytes == 256f32.to_le_bytes()));
    }
    assert_eq!((lane.library(), library.reports().as_str()), (None, ""));
}
