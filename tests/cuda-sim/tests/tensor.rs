//! Half precision, tensor cores, asynchronous copies.

mod common;

use std::sync::Arc;

use common::{Random, TENSOR, close, kernel, setup};
use cudarc::driver::{CudaContext, LaunchConfig, PushKernelArg};
use half::{bf16, f16};

fn context() -> Arc<CudaContext> {
    setup(&[("DRAWLOOM_SIM_MEMORY", "1G"), ("DRAWLOOM_SIM_RACES", "fail")]);
    CudaContext::new(0).expect("a device")
}

fn warps(x: u32, y: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (x, y, 1), block_dim: (32, 1, 1), shared_mem_bytes: 0 }
}

#[test]
fn halves_convert_and_compute() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, TENSOR, "halves");
    let mut x: Vec<f32> = Random(21).floats(500).iter().map(|x| x * 6.0).collect();
    x[..6].copy_from_slice(&[0.0, -0.0, 65519.0, 1e-7, 6e-8, -3.0]);
    let dx = stream.clone_htod(&x).expect("a copy");
    let mut dh = stream.alloc_zeros::<u16>(500).expect("memory");
    let mut db = stream.alloc_zeros::<u16>(500).expect("memory");
    let mut back = stream.alloc_zeros::<f32>(2000).expect("memory");
    let n = 500;
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&dx).arg(&mut dh).arg(&mut db).arg(&mut back).arg(&n);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(LaunchConfig::for_num_elems(500)) }.expect("a launch");
    let (h, b) = (stream.clone_dtoh(&dh).expect("a copy"), stream.clone_dtoh(&db).expect("a copy"));
    let back = stream.clone_dtoh(&back).expect("a copy");
    for at in 0..500 {
        let (wanted_h, wanted_b) = (f16::from_f32(x[at]), bf16::from_f32(x[at]));
        assert_eq!((h[at], b[at]), (wanted_h.to_bits(), wanted_b.to_bits()), "{}", x[at]);
        let s = f16::from_f64(wanted_h.to_f64() * 2.0 + 1.0);
        let t = bf16::from_f64(wanted_b.to_f64() + 1.0);
        assert_eq!(back[at * 4], s.to_f32());
        assert_eq!(back[at * 4 + 1], t.to_f32());
        if s.to_f32().is_finite() && wanted_h.to_f32().is_finite() {
            let half = |v: f16| f16::from_f64(v.to_f64() * 0.5).to_f32();
            assert_eq!(back[at * 4 + 2], half(wanted_h) + half(s));
            let e = f16::from_f64(wanted_h.to_f64().min(4.0).exp()).to_f32();
            let greater = f32::from(u8::from(wanted_h > s));
            assert!(
                (back[at * 4 + 3] - e - greater).abs() <= e * 2e-3,
                "{} {}",
                back[at * 4 + 3],
                e
            );
        }
    }
}

#[test]
fn tensor_cores_multiply_through_shared_memory() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, TENSOR, "matmul_mma");
    let (m, n, k) = (32, 24, 48);
    let mut random = Random(22);
    let a: Vec<f16> = random.floats(m * k).into_iter().map(f16::from_f32).collect();
    let b: Vec<f16> = random.floats(k * n).into_iter().map(f16::from_f32).collect();
    let bits = |v: &[f16]| -> Vec<u16> { v.iter().map(|v| v.to_bits()).collect() };
    let da = stream.clone_htod(&bits(&a)).expect("a copy");
    let db = stream.clone_htod(&bits(&b)).expect("a copy");
    let mut dc = stream.alloc_zeros::<f32>(m * n).expect("memory");
    let (mi, ni, ki) = (m as i32, n as i32, k as i32);
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&da).arg(&db).arg(&mut dc).arg(&mi).arg(&ni).arg(&ki);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(warps(n as u32 / 8, m as u32 / 16)) }.expect("a launch");
    let mut want = vec![0f32; m * n];
    for row in 0..m {
        for column in 0..n {
            let dot: f64 =
                (0..k).map(|at| a[row * k + at].to_f64() * b[at * n + column].to_f64()).sum();
            want[row * n + column] = dot as f32;
        }
    }
    close(&stream.clone_dtoh(&dc).expect("a copy"), &want, 1e-6);
}

#[test]
fn tensor_cores_multiply_bf16() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, TENSOR, "mma_bf16");
    let mut random = Random(23);
    let a: Vec<bf16> = random.floats(256).into_iter().map(bf16::from_f32).collect();
    let b: Vec<bf16> = random.floats(128).into_iter().map(bf16::from_f32).collect();
    let bits = |v: &[bf16]| -> Vec<u16> { v.iter().map(|v| v.to_bits()).collect() };
    let (da, db) = (
        stream.clone_htod(&bits(&a)).expect("a copy"),
        stream.clone_htod(&bits(&b)).expect("a copy"),
    );
    let mut dc = stream.alloc_zeros::<f32>(256).expect("memory");
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&da).arg(&db).arg(&mut dc);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(warps(1, 1)) }.expect("a launch");
    let mut want = vec![0f32; 256];
    for row in 0..16 {
        for column in 0..8 {
            let dot = |k: usize| -> f64 {
                (0..k).map(|at| a[row * 16 + at].to_f64() * b[column * 16 + at].to_f64()).sum()
            };
            want[row * 8 + column] = dot(16) as f32;
            want[128 + row * 8 + column] = (1.0 + dot(8)) as f32;
        }
    }
    close(&stream.clone_dtoh(&dc).expect("a copy"), &want, 1e-6);
}
