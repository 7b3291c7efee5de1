//! Products of matrices by a library that stands in for cuBLAS, beside those of own kernels.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use drawloom_cuda::{Buffer, Device, Lane, open};
use drawloom_cuda_sim::client::{Library, library_path};
use drawloom_model::{Attribute, Attributes, DType, KernelCall, ObjectType, Shape};

/// The driver, which is the library, too. One test at a time has its counters.
fn library() -> (Library, MutexGuard<'static, ()>) {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let library = *LIBRARY.get_or_init(|| {
        let path = library_path().expect("cargo builds the library beside the tests");
        for (name, value) in
            [("DRAWLOOM_CUBLAS", path.as_os_str()), ("DRAWLOOM_SIM_JITTER_US", "300".as_ref())]
        {
            // SAFETY: nothing of the process reads the environment before the library is loaded.
            unsafe { std::env::set_var(name, value) };
        }
        Library::load(&path).expect("the library loads")
    });
    (library, alone)
}

fn device() -> Arc<Device> {
    Arc::new(open(0).expect("a device"))
}

/// Small whole numbers, of which every sum is exact in every type but that of results.
fn matrix(device: &Device, dtype: DType, extents: &[u64]) -> (ObjectType, Buffer) {
    let object_type = ObjectType::Tensor { dtype, shape: Shape::new(extents.iter().copied()) };
    let number = |place: u64| (place * 7 % 5) as u8;
    let bytes: Vec<u8> = (0..extents.iter().product())
        .flat_map(|place| {
            let value = f32::from(number(place));
            match dtype {
                DType::F64 => f64::from(value).to_le_bytes().to_vec(),
                DType::F32 => value.to_le_bytes().to_vec(),
                DType::BF16 => value.to_bits().to_le_bytes()[2..].to_vec(),
                // 0 to 4 as halves.
                _ => [0u16, 0x3c00, 0x4000, 0x4200, 0x4400][usize::from(number(place))]
                    .to_le_bytes()
                    .to_vec(),
            }
        })
        .collect();
    (object_type, device.upload(&bytes).expect("a copy"))
}

fn multiply(
    lane: &mut Lane,
    device: &Device,
    [a, b]: &[(ObjectType, Buffer); 2],
    turns: [bool; 2],
) -> Vec<u8> {
    let attributes: Attributes = ["transpose_a", "transpose_b"]
        .into_iter()
        .zip(turns)
        .map(|(name, turn)| (name.to_owned(), Attribute::Bool(turn)))
        .collect();
    let call = KernelCall { name: "matmul".to_owned(), attributes };
    let plan = lane.plan(&call, &[a.0.clone(), b.0.clone()]).expect("a plan");
    let flight = lane.launch(&plan, &[a.1.clone(), b.1.clone()]).expect("a launch");
    let outputs = flight.land(device).expect("it ends");
    let mut data = vec![0; outputs[0].1.len()];
    device.download(&outputs[0].1, &mut data).expect("a copy");
    data
}

/// Whether the library makes a product of these, and what own kernels make is the same.
fn check(library: Library, dtype: DType, a: &[u64], b: &[u64], turns: [bool; 2]) -> bool {
    let device = device();
    let inputs = [matrix(&device, dtype, a), matrix(&device, dtype, b)];
    let before = library.counters()[0];
    let got = multiply(&mut Lane::new(&device).expect("a lane"), &device, &inputs, turns);
    let by_library = library.counters()[0] == before;
    let mut own = Lane::without_library(&device).expect("a lane");
    assert!(multiply(&mut own, &device, &inputs, turns) == got, "{dtype} {a:?} {b:?} {turns:?}");
    by_library
}

#[test]
fn large_products_of_every_kind_are_the_librarys() {
    let (library, _alone) = library();
    for turns in [[false, false], [true, false], [false, true], [true, true]] {
        let a = if turns[0] { [320, 250] } else { [250, 320] };
        let b = if turns[1] { [230, 320] } else { [320, 230] };
        assert!(check(library, DType::F32, &a, &b, turns));
    }
    for dtype in [DType::F16, DType::BF16, DType::F64] {
        assert!(check(library, dtype, &[240, 304], &[304, 232], [false; 2]));
    }
    // Batches: of both, and the same factor for all.
    assert!(check(library, DType::F32, &[5, 150, 160], &[5, 160, 145], [false; 2]));
    assert!(check(library, DType::F32, &[150, 160], &[5, 160, 145], [false; 2]));
    assert!(check(library, DType::F32, &[5, 160, 150], &[160, 145], [true, false]));
    assert_eq!(library.reports(), "");
}

#[test]
fn small_products_are_own_kernels() {
    let (library, _alone) = library();
    assert!(!check(library, DType::F32, &[64, 64], &[64, 64], [false; 2]));
}

#[test]
fn what_the_library_refuses_own_kernels_make() {
    let (library, _alone) = library();
    let device = device();
    let inputs = [(); 2].map(|()| matrix(&device, DType::F32, &[260, 260]));
    let mut lane = Lane::new(&device).expect("a lane");
    let first = multiply(&mut lane, &device, &inputs, [false; 2]);
    assert_eq!(lane.library(), Some("12.0.0"));
    assert!(library.inject("blas@1"));
    assert!(multiply(&mut lane, &device, &inputs, [false; 2]) == first);
    // It is asked no more.
    assert_eq!(lane.library(), None);
    assert!(multiply(&mut lane, &device, &inputs, [false; 2]) == first);
    library.clear_reports();
}
