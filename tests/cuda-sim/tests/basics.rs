//! Everyday kernels through the real cudarc, against arithmetic of the host.

mod common;

use std::sync::Arc;

use common::{BASICS, Random, close, kernel, setup};
use cudarc::driver::{CudaContext, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::Ptx;

fn context() -> Arc<CudaContext> {
    setup(&[("DRAWLOOM_SIM_MEMORY", "2G")]);
    CudaContext::new(0).expect("a device")
}

fn shape(grid: (u32, u32), block: (u32, u32), shared: u32) -> LaunchConfig {
    LaunchConfig {
        grid_dim: (grid.0, grid.1, 1),
        block_dim: (block.0, block.1, 1),
        shared_mem_bytes: shared,
    }
}

/// Written by hand, so that it tests without NVRTC.
const DOUBLE: &str = "
.version 7.0
.target sm_70
.address_size 64
.visible .entry double_it(.param .u64 data, .param .u32 n) {
    .reg .pred %p<2>;
    .reg .b32 %r<6>;
    .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [data];
    ld.param.u32 %r1, [n];
    mov.u32 %r2, %ctaid.x;
    mov.u32 %r3, %ntid.x;
    mov.u32 %r4, %tid.x;
    mad.lo.s32 %r5, %r2, %r3, %r4;
    setp.ge.u32 %p1, %r5, %r1;
    @%p1 bra DONE;
    cvta.to.global.u64 %rd1, %rd1;
    mul.wide.u32 %rd2, %r5, 4;
    add.s64 %rd3, %rd1, %rd2;
    ld.global.u32 %r2, [%rd3];
    shl.b32 %r2, %r2, 1;
    st.global.u32 [%rd3], %r2;
DONE:
    ret;
}
";

#[test]
fn devices_say_that_they_are_simulated() {
    let context = context();
    assert!(context.name().expect("a name").contains("Simulated"));
    assert_eq!(context.compute_capability().expect("a capability"), (8, 0));
    assert_eq!(context.total_mem().expect("a size"), 2 << 30);
}

#[test]
fn ptx_written_by_hand_runs() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, DOUBLE, "double_it");
    let host: Vec<u32> = (0..1000).collect();
    let mut data = stream.clone_htod(&host).expect("a copy");
    let count = 1000u32;
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&mut data).arg(&count);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape((8, 1), (128, 1), 0)) }.expect("a launch");
    let back = stream.clone_dtoh(&data).expect("a copy");
    assert!(back.iter().zip(&host).all(|(got, x)| *got == 2 * x));
}

#[test]
fn saxpy() {
    let context = context();
    let stream = context.default_stream();
    let kernel = kernel(&context, BASICS, "saxpy");
    let mut random = Random(1);
    let count = 100_003;
    let (x, y) = (random.floats(count), random.floats(count));
    let dx = stream.clone_htod(&x).expect("a copy");
    let mut dy = stream.clone_htod(&y).expect("a copy");
    let (a, n) = (1.5f32, count as u32);
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&mut dy).arg(&dx).arg(&a).arg(&n);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(LaunchConfig::for_num_elems(n)) }.expect("a launch");
    let got = stream.clone_dtoh(&dy).expect("a copy");
    let want: Vec<f32> = x.iter().zip(&y).map(|(x, y)| a.mul_add(*x, *y)).collect();
    assert_eq!(got, want);
}

#[test]
fn tiled_matmul() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, BASICS, "matmul_tiled");
    let mut random = Random(2);
    let (m, n, k) = (45, 70, 33);
    let (a, b) = (random.floats(m * k), random.floats(k * n));
    let (da, db) = (stream.clone_htod(&a).expect("a copy"), stream.clone_htod(&b).expect("a copy"));
    let mut dc = stream.alloc_zeros::<f32>(m * n).expect("memory");
    let (mi, ni, ki) = (m as i32, n as i32, k as i32);
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&da).arg(&db).arg(&mut dc).arg(&mi).arg(&ni).arg(&ki);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape((n.div_ceil(16) as u32, m.div_ceil(16) as u32), (16, 16), 0)) }
        .expect("a launch");
    let got = stream.clone_dtoh(&dc).expect("a copy");
    let mut want = vec![0f32; m * n];
    for row in 0..m {
        for column in 0..n {
            // The kernel adds zeros up to a multiple of 16, which changes nothing.
            want[row * n + column] =
                (0..k).fold(0.0, |sum, at| a[row * k + at].mul_add(b[at * n + column], sum));
        }
    }
    assert_eq!(got, want);
}

#[test]
fn reductions_add_everything() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, BASICS, "reduce_sum");
    let x: Vec<f32> = (0..50_000).map(|at| (at % 17) as f32).collect();
    let dx = stream.clone_htod(&x).expect("a copy");
    let mut sum = stream.alloc_zeros::<f32>(1).expect("memory");
    let n = x.len() as u32;
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&dx).arg(&mut sum).arg(&n);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape((9, 1), (256, 1), 0)) }.expect("a launch");
    assert_eq!(stream.clone_dtoh(&sum).expect("a copy")[0], x.iter().sum::<f32>());
}

#[test]
fn softmax_of_rows() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, BASICS, "softmax");
    let (rows, columns) = (5, 300);
    let x: Vec<f32> = Random(3).floats(rows * columns).iter().map(|x| x * 10.0).collect();
    let dx = stream.clone_htod(&x).expect("a copy");
    let mut dy = stream.alloc_zeros::<f32>(x.len()).expect("memory");
    let n = columns as i32;
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&dx).arg(&mut dy).arg(&n);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape((rows as u32, 1), (128, 1), 4 * columns as u32)) }
        .expect("a launch");
    let mut want = Vec::new();
    for row in x.chunks(columns) {
        let best = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = row.iter().map(|x| (x - best).exp()).sum();
        want.extend(row.iter().map(|x| (x - best).exp() / sum));
    }
    close(&stream.clone_dtoh(&dy).expect("a copy"), &want, 1e-6);
}

#[test]
fn layer_norm_of_rows() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, BASICS, "layer_norm");
    let (rows, columns) = (3, 256);
    let mut random = Random(4);
    let (x, gamma, beta) =
        (random.floats(rows * columns), random.floats(columns), random.floats(columns));
    let dx = stream.clone_htod(&x).expect("a copy");
    let (dg, db) =
        (stream.clone_htod(&gamma).expect("a copy"), stream.clone_htod(&beta).expect("a copy"));
    let mut dy = stream.alloc_zeros::<f32>(x.len()).expect("memory");
    let (quarter, eps) = (columns as i32 / 4, 1e-5f32);
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&dx).arg(&dg).arg(&db).arg(&mut dy).arg(&quarter).arg(&eps);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape((rows as u32, 1), (64, 1), 0)) }.expect("a launch");
    let mut want = Vec::new();
    for row in x.chunks(columns) {
        let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / columns as f64;
        let square =
            row.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / columns as f64;
        let scale = 1.0 / (square + f64::from(eps)).sqrt();
        want.extend(row.iter().zip(gamma.iter().zip(&beta)).map(|(x, (g, b))| {
            ((f64::from(*x) - mean) * scale * f64::from(*g) + f64::from(*b)) as f32
        }));
    }
    close(&stream.clone_dtoh(&dy).expect("a copy"), &want, 1e-5);
}

#[test]
fn histograms_count_everything() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, BASICS, "histogram");
    let mut random = Random(5);
    let x: Vec<u8> = (0..20_000).map(|_| (random.bits() >> 7) as u8).collect();
    let dx = stream.clone_htod(&x).expect("a copy");
    let mut bins = stream.alloc_zeros::<u32>(256).expect("memory");
    let n = x.len() as u32;
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&dx).arg(&mut bins).arg(&n);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape((6, 1), (192, 1), 0)) }.expect("a launch");
    let mut want = vec![0u32; 256];
    x.iter().for_each(|x| want[*x as usize] += 1);
    assert_eq!(stream.clone_dtoh(&bins).expect("a copy"), want);
}

#[test]
fn scans_and_sorts() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let mut random = Random(6);
    let x: Vec<i32> = (0..1000).map(|_| (random.bits() % 100) as i32).collect();
    let dx = stream.clone_htod(&x).expect("a copy");
    let mut dy = stream.alloc_zeros::<i32>(1000).expect("memory");
    let n = 1000;
    let scan = kernel(&context, BASICS, "scan_block");
    let mut launch = stream.launch_builder(&scan);
    launch.arg(&dx).arg(&mut dy).arg(&n);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape((1, 1), (1024, 1), 0)) }.expect("a launch");
    let mut sum = 0;
    let want: Vec<i32> = x
        .iter()
        .map(|x| {
            sum += x;
            sum
        })
        .collect();
    assert_eq!(stream.clone_dtoh(&dy).expect("a copy"), want);

    let mut keys: Vec<u32> = (0..1024).map(|_| random.bits()).collect();
    let mut dk = stream.clone_htod(&keys).expect("a copy");
    let sort = kernel(&context, BASICS, "bitonic_sort");
    let mut launch = stream.launch_builder(&sort);
    launch.arg(&mut dk);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape((2, 1), (512, 1), 2048)) }.expect("a launch");
    keys[..512].sort_unstable();
    keys[512..].sort_unstable();
    assert_eq!(stream.clone_dtoh(&dk).expect("a copy"), keys);
}

#[test]
fn compare_and_swap_loops_add_doubles() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, BASICS, "cas_add");
    let x: Vec<f64> = (0..3000).map(|at| f64::from(at % 64) * 0.25).collect();
    let dx = stream.clone_htod(&x).expect("a copy");
    let mut sum = stream.alloc_zeros::<f64>(1).expect("memory");
    let n = x.len() as i32;
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&mut sum).arg(&dx).arg(&n);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape((24, 1), (128, 1), 0)) }.expect("a launch");
    assert_eq!(stream.clone_dtoh(&sum).expect("a copy")[0], x.iter().sum::<f64>());
}

/// The kernel `divergent`, on the host.
fn divergent(v: u32) -> u32 {
    if v % 7 == 3 {
        return 0xdead;
    }
    let mut acc = 0u32;
    for a in 0..(v & 15) {
        if a.wrapping_mul(v) % 3 == 1 {
            continue;
        }
        for b in a..20 {
            if (a ^ b ^ v) % 11 == 5 {
                break;
            }
            if (v >> (b & 7)) & 1 == 0 {
                acc = acc.wrapping_add(b);
                continue;
            }
            acc = acc.wrapping_mul(31).wrapping_add(a * b);
            if acc % 101 == 17 {
                return acc ^ 0x5555;
            }
        }
        acc = match acc.wrapping_add(v) % 6 {
            0 => acc ^ 0x10,
            1 => acc.wrapping_add(77),
            2 => acc.rotate_left(3),
            3 => acc.wrapping_sub(v).wrapping_mul(5),
            4 => acc.wrapping_mul(5),
            _ => !acc,
        };
    }
    acc
}

#[test]
fn lanes_that_part_meet_again() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, BASICS, "divergent");
    let mut random = Random(7);
    let x: Vec<u32> = (0..5000).map(|_| random.bits()).collect();
    let dx = stream.clone_htod(&x).expect("a copy");
    let mut out = stream.alloc_zeros::<u32>(x.len()).expect("memory");
    let n = x.len() as i32;
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&dx).arg(&mut out).arg(&n);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(LaunchConfig::for_num_elems(n as u32)) }.expect("a launch");
    let want: Vec<u32> = x.iter().map(|x| divergent(*x)).collect();
    assert_eq!(stream.clone_dtoh(&out).expect("a copy"), want);
}

#[test]
fn mandelbrot_counts_steps() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, BASICS, "mandelbrot");
    let (width, height, limit) = (100, 40, 60);
    let mut out = stream.alloc_zeros::<u32>((width * height) as usize).expect("memory");
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&mut out).arg(&width).arg(&height).arg(&limit);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(shape((1, height as u32), (128, 1), 0)) }.expect("a launch");
    let got = stream.clone_dtoh(&out).expect("a copy");
    let centre = got[(height / 2 * width + width * 2 / 3) as usize];
    assert_eq!((got[0], centre), (1, 60));
}

#[test]
fn bad_text_is_refused() {
    let context = context();
    for text in
        ["", ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k() { frob.u32 %r1; }"]
    {
        assert!(context.load_module(Ptx::from_src(text)).is_err());
    }
    let newer = ".version 8.0\n.target sm_90\n.address_size 64\n.visible .entry k() { ret; }";
    assert!(context.load_module(Ptx::from_src(newer)).is_err());
}
