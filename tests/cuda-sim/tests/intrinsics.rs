//! Instructions that kernels meet now and then.

mod common;

use std::sync::Arc;

use common::{INTRINSICS, Random, close, kernel, module, setup};
use cudarc::driver::{CudaContext, DriverError, LaunchConfig, PushKernelArg, sys};

fn context() -> Arc<CudaContext> {
    setup(&[("DRAWLOOM_SIM_DEVICES", "3"), ("DRAWLOOM_SIM_MEMORY", "1G")]);
    CudaContext::new(0).expect("a device")
}

fn blocks(count: u32, threads: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (count, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 }
}

fn permute(a: u32, b: u32, selector: u32) -> u32 {
    let bytes = (u64::from(b) << 32 | u64::from(a)).to_le_bytes();
    (0..4).fold(0, |out, at| {
        let choice = selector >> (4 * at) & 0xf;
        out | u32::from(bytes[(choice & 7) as usize]) << (8 * at)
    })
}

fn bits(a: u32, b: u32) -> [u32; 24] {
    let w = u64::from(a) << 32 | u64::from(b);
    let pair = u64::from(b) << 32 | u64::from(a);
    let (sa, sb) = (a as i32, b as i32);
    let odd = b | 1;
    let add4 = u32::from_le_bytes(std::array::from_fn(|at| {
        a.to_le_bytes()[at].wrapping_add(b.to_le_bytes()[at])
    }));
    let dot: i32 = a
        .to_le_bytes()
        .iter()
        .zip(b.to_le_bytes())
        .map(|(a, b)| i32::from(*a as i8) * i32::from(b as i8))
        .sum();
    [
        a.reverse_bits(),
        a.count_ones(),
        a.leading_zeros(),
        if a == 0 { 0 } else { a.trailing_zeros() + 1 },
        w.count_ones(),
        w.leading_zeros(),
        (w.reverse_bits() >> 7) as u32,
        permute(a, b, 0x3614),
        ((pair << (b & 31)) >> 32) as u32,
        (pair >> (a & 31)) as u32,
        ((u64::from(a) * u64::from(b)) >> 32) as u32,
        ((i64::from(sa) * i64::from(sb)) >> 32) as u32,
        (((u128::from(w) * u128::from(w ^ u64::from(a))) >> 64) as u64 >> 5) as u32,
        a / odd,
        a % odd,
        sa.wrapping_div(odd as i32) as u32,
        sa.wrapping_rem(odd as i32) as u32,
        sa.abs_diff(sb).wrapping_add(5),
        add4,
        dot.wrapping_add(7) as u32,
        (a >> 5) & 0x7ff,
        (((a << 16) as i32) >> 25) as u32,
        (b & !(0x1ff << 4)) | ((a & 0x1ff) << 4),
        ((u64::from(a) + u64::from(b)) >> 1) as u32,
    ]
}

#[test]
fn bits_and_integers() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, INTRINSICS, "bits");
    let mut random = Random(11);
    let mut x: Vec<u32> = (0..500).map(|_| random.bits()).collect();
    let mut y: Vec<u32> = (0..500).map(|_| random.bits() >> (random.bits() % 32)).collect();
    x[..4].copy_from_slice(&[0, u32::MAX, 0x8000_0000, 1]);
    y[..4].copy_from_slice(&[0, u32::MAX, u32::MAX, 0x8000_0000]);
    let (dx, dy) = (stream.clone_htod(&x).expect("a copy"), stream.clone_htod(&y).expect("a copy"));
    let mut out = stream.alloc_zeros::<u32>(500 * 24).expect("memory");
    let n = 500;
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&dx).arg(&dy).arg(&mut out).arg(&n);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(blocks(4, 128)) }.expect("a launch");
    let got = stream.clone_dtoh(&out).expect("a copy");
    for (at, got) in got.chunks(24).enumerate() {
        let want = bits(x[at], y[at]);
        assert_eq!(got, want, "of {:#x} and {:#x}", x[at], y[at]);
    }
}

#[test]
fn votes_and_shuffles() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, INTRINSICS, "votes");
    let x: Vec<i32> = (0..32).map(|lane| (lane * 13) % 37).collect();
    let dx = stream.clone_htod(&x).expect("a copy");
    let mut out = stream.alloc_zeros::<u32>(320).expect("memory");
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&dx).arg(&mut out);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(blocks(1, 32)) }.expect("a launch");
    let got = stream.clone_dtoh(&out).expect("a copy");
    let ballot = |f: &dyn Fn(i32) -> bool| {
        x.iter().enumerate().fold(0u32, |bits, (lane, v)| bits | u32::from(f(*v)) << lane)
    };
    for (lane, got) in got.chunks(10).enumerate() {
        let v = x[lane];
        let down = if lane % 8 + 3 < 8 { x[lane + 3] } else { v };
        let up = if lane % 16 >= 2 { x[lane - 2] } else { v };
        let want = [
            ballot(&|v| v > 3),
            0,
            1,
            ballot(&|other| other & 3 == v & 3),
            u32::MAX,
            1,
            x[lane * 7 % 32] as u32,
            down as u32,
            up as u32,
            if v & 1 != 0 { ballot(&|v| v & 1 != 0) } else { 0 },
        ];
        assert_eq!(got, want, "lane {lane}");
    }
}

#[test]
fn warps_reduce() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, INTRINSICS, "warp_reduce");
    let mut random = Random(12);
    let x: Vec<u32> = (0..32).map(|_| random.bits()).collect();
    let dx = stream.clone_htod(&x).expect("a copy");
    let mut out = stream.alloc_zeros::<u32>(128).expect("memory");
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&dx).arg(&mut out);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(blocks(1, 32)) }.expect("a launch");
    let want = [
        x.iter().fold(0u32, |sum, x| sum.wrapping_add(*x)),
        x.iter().copied().max().unwrap_or(0),
        x.iter().fold(0, |sum, x| sum ^ x),
        x.iter().map(|x| *x as i32).min().unwrap_or(0) as u32,
    ];
    for got in stream.clone_dtoh(&out).expect("a copy").chunks(4) {
        assert_eq!(got, want);
    }
}

#[test]
fn atomics_of_all_kinds() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, INTRINSICS, "atomics");
    let n = 300i32;
    let mut u = vec![0u32; 310];
    u[2] = 1000;
    u[3] = u32::MAX;
    let mut du = stream.clone_htod(&u).expect("a copy");
    let mut ds = stream.clone_htod(&[-1000i32, 1000]).expect("a copy");
    let mut dw = stream.alloc_zeros::<u64>(2).expect("memory");
    let mut df = stream.alloc_zeros::<f32>(1).expect("memory");
    let mut dd = stream.alloc_zeros::<f64>(1).expect("memory");
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&mut du).arg(&mut ds).arg(&mut dw).arg(&mut df).arg(&mut dd).arg(&n);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(blocks(3, 128)) }.expect("a launch");
    let got = stream.clone_dtoh(&du).expect("a copy");
    let all = 0..n as u32;
    let mut dec = 0u32;
    all.clone().for_each(|_| dec = if dec == 0 || dec > 9 { 9 } else { dec - 1 });
    let want = [
        all.clone().sum(),
        all.clone().map(|i| i * 7 % 101).max().unwrap_or(0),
        all.clone().map(|i| i * 13 % 97 + 3).min().unwrap_or(0),
        !0xff,
        u32::MAX,
        all.clone().fold(0, |sum, i| sum ^ i),
        300 % 10,
        dec,
        0u32.wrapping_sub(all.clone().sum()),
        77,
    ];
    assert_eq!(got[..10], want);
    assert!(got[10..].iter().zip(all.clone()).all(|(got, i)| *got == i));
    assert_eq!(stream.clone_dtoh(&ds).expect("a copy"), [249, -249]);
    let sums = [u64::from(all.clone().sum::<u32>()) << 20, 299u64 << 33];
    assert_eq!(stream.clone_dtoh(&dw).expect("a copy"), sums);
    assert_eq!(stream.clone_dtoh(&df).expect("a copy")[0], 150.0);
    assert_eq!(stream.clone_dtoh(&dd).expect("a copy")[0], 75.0);
}

#[test]
fn calls_and_recursion() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, INTRINSICS, "calls");
    let x = Random(13).floats(100);
    let dx = stream.clone_htod(&x).expect("a copy");
    let mut out = stream.alloc_zeros::<f32>(100).expect("memory");
    let mut fib = stream.alloc_zeros::<i32>(100).expect("memory");
    let n = 100i32;
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&dx).arg(&mut out).arg(&mut fib).arg(&n);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(blocks(1, 128)) }.expect("a launch");
    let polynomial = |x: f32, terms: usize| {
        (0..terms).fold(0f32, |sum, at| sum.mul_add(x, 1.0 / (at + 1) as f32))
    };
    let want: Vec<f32> = (0..100)
        .map(|i| if i & 1 != 0 { polynomial(x[i], i % 9) } else { -polynomial(-x[i], 3) })
        .collect();
    assert_eq!(stream.clone_dtoh(&out).expect("a copy"), want);
    let fibonacci = [0, 1, 1, 2, 3, 5, 8, 13, 21, 34];
    let got = stream.clone_dtoh(&fib).expect("a copy");
    assert!(got.iter().enumerate().all(|(i, got)| *got == fibonacci[i % 10]));
}

#[test]
fn constants_and_globals() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let module = module(&context, INTRINSICS);
    let kernel = module.load_function("constants").expect("the kernel is there");
    let mut out = stream.alloc_zeros::<f32>(64).expect("memory");
    for _ in 0..3 {
        let mut launch = stream.launch_builder(&kernel);
        launch.arg(&mut out);
        // SAFETY: the arguments are what the kernel takes.
        unsafe { launch.launch(blocks(1, 64)) }.expect("a launch");
    }
    let want: Vec<f32> = (0..64).map(|i| ((i & 7) + 1) as f32 * ((i & 3) as f32 + 0.5)).collect();
    assert_eq!(stream.clone_dtoh(&out).expect("a copy"), want);
    let counter = module.get_global("counter", &stream).expect("the variable is there");
    let mut value = [0u8; 4];
    stream.memcpy_dtoh(&counter, &mut value).expect("a copy");
    assert_eq!(u32::from_le_bytes(value), 8);
}

#[test]
fn mathematics() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, INTRINSICS, "mathematics");
    let mut random = Random(14);
    let x: Vec<f32> = random.floats(400).iter().map(|x| x * 8.0).collect();
    let xd: Vec<f64> = x.iter().map(|x| f64::from(*x) * 1.7).collect();
    let (dx, dxd) =
        (stream.clone_htod(&x).expect("a copy"), stream.clone_htod(&xd).expect("a copy"));
    let mut out = stream.alloc_zeros::<f32>(400 * 16).expect("memory");
    let mut outd = stream.alloc_zeros::<f64>(400 * 8).expect("memory");
    let n = 400i32;
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&dx).arg(&mut out).arg(&dxd).arg(&mut outd).arg(&n);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(blocks(2, 256)) }.expect("a launch");
    let got = stream.clone_dtoh(&out).expect("a copy");
    let gotd = stream.clone_dtoh(&outd).expect("a copy");
    for (at, got) in got.chunks(16).enumerate() {
        let v = x[at];
        let want = [
            v.exp(),
            (v.abs() + 1e-3).ln(),
            v.sin(),
            (v * 100.0).cos(),
            v.tanh(),
            v.abs().sqrt(),
            1.0 / (v.abs() + 1.0).sqrt(),
            v.abs().powf(1.7),
            got[8],
            1.0 / v,
            v.exp(),
            (v.abs() + 1.0).ln(),
            v.floor(),
            v.round_ties_even(),
            v % 0.7,
            v.trunc().copysign(-v),
        ];
        close(got, &want, 4e-6);
        assert!(got[8].abs() <= 1.0 && got[8].is_sign_negative() == v.is_sign_negative());
    }
    for (at, got) in gotd.chunks(8).enumerate() {
        let v = xd[at];
        let want = [
            v.exp(),
            (v.abs() + 1e-3).ln(),
            v.sin(),
            v.tanh(),
            v.abs().sqrt(),
            v.abs().powf(0.3),
            v / 3.0,
            v.round_ties_even(),
        ];
        for (got, want) in got.iter().zip(want) {
            assert!(
                (got - want).abs() <= 1e-14 * want.abs().max(1.0),
                "{got} instead of {want} at {v}"
            );
        }
    }
}

#[test]
fn local_arrays_and_arguments_by_value() {
    let context = context();
    let stream = context.new_stream().expect("a stream");
    let local = kernel(&context, INTRINSICS, "locals");
    let x: Vec<i32> = (0..200).collect();
    let dx = stream.clone_htod(&x).expect("a copy");
    let mut out = stream.alloc_zeros::<i32>(200).expect("memory");
    let n = 200i32;
    let mut launch = stream.launch_builder(&local);
    launch.arg(&dx).arg(&mut out).arg(&n);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(blocks(2, 128)) }.expect("a launch");
    let want: Vec<i32> = x
        .iter()
        .map(|x| {
            let stack: Vec<i32> = (0..16).map(|k| x * k).collect();
            let top = (0..x % 16).fold(0, |top, k| stack[((top + k) & 15) as usize] & 15);
            stack[top as usize] + top
        })
        .collect();
    assert_eq!(stream.clone_dtoh(&out).expect("a copy"), want);

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Shape {
        rows: i32,
        columns: i32,
        scale: f32,
        stride: i64,
    }
    // SAFETY: plain numbers, laid out as in the kernel's source.
    unsafe impl cudarc::driver::DeviceRepr for Shape {}
    let shape = Shape { rows: 6, columns: 7, scale: 0.5, stride: 1 << 20 };
    let by_value = kernel(&context, INTRINSICS, "by_value");
    let mut out = stream.alloc_zeros::<f32>(42).expect("memory");
    let mut launch = stream.launch_builder(&by_value);
    launch.arg(&shape).arg(&mut out);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(blocks(1, 64)) }.expect("a launch");
    let want: Vec<f32> =
        (0..42).map(|i| 0.5 * (i / 7) as f32 + ((1 << 20) + i % 7) as f32).collect();
    assert_eq!(stream.clone_dtoh(&out).expect("a copy"), want);
}

#[test]
fn traps_break_the_context() {
    let library = setup(&[("DRAWLOOM_SIM_DEVICES", "3"), ("DRAWLOOM_SIM_MEMORY", "1G")]);
    let context = CudaContext::new(1).expect("a device");
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, INTRINSICS, "assertion");
    let mut x = stream.clone_htod(&[1, 2, 13, 4]).expect("a copy");
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&mut x);
    // SAFETY: the arguments are what the kernel takes. The failure may be seen at once.
    let _ = unsafe { launch.launch(blocks(1, 4)) };
    let failed = DriverError(sys::CUresult::CUDA_ERROR_LAUNCH_FAILED);
    assert_eq!(stream.synchronize(), Err(failed));
    assert_eq!(context.synchronize(), Err(failed));
    assert!(library.reports().contains("kernel assertion, ptx line"));
}

#[test]
fn kernels_print() {
    let library = setup(&[("DRAWLOOM_SIM_DEVICES", "3"), ("DRAWLOOM_SIM_MEMORY", "1G")]);
    let context = CudaContext::new(2).expect("a device");
    let stream = context.new_stream().expect("a stream");
    let kernel = kernel(&context, INTRINSICS, "printing");
    let a = -5i32;
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&a);
    // SAFETY: the arguments are what the kernel takes.
    unsafe { launch.launch(blocks(1, 2)) }.expect("a launch");
    stream.synchronize().expect("it ends");
    assert!(library.printed().contains("value -5 of thread 1: -2.500000 text\n"));
}
