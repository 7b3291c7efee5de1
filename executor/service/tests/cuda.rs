//! Users' own CUDA code on a simulated GPU: compiled by the real NVRTC, or given as PTX.

mod common;

use std::path::PathBuf;
use std::sync::LazyLock;

use common::*;
use drawloom_cuda_sim::client::{Library, library_path};
use drawloom_executor::Config;
use drawloom_model::{
    Assignment, CudaArgument, CudaScalar, CudaSource, CudaSpec, CudaValue, DType, DeviceIndex,
    Expression, FailureKind, GpuRequest, Real, ResourceRequest, Run, Value,
};

/// The folder of compiled texts, which is this process's own.
static CACHE: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let cache = tempfile::tempdir().expect("a folder");
    let nvrtc = drawloom_cuda_sim::nvrtc::library().expect("NVRTC");
    for (name, value) in [
        ("DRAWLOOM_SIM_DEVICES", "1".into()),
        ("DRAWLOOM_SIM_MEMORY", "256M".into()),
        ("DRAWLOOM_CACHE_DIR", cache.path().as_os_str().to_owned()),
        ("DRAWLOOM_NVRTC", nvrtc.into_os_string()),
    ] {
        // SAFETY: nothing of the process reads the environment before the library is loaded.
        unsafe { std::env::set_var(name, value) };
    }
    let path = library_path().expect("cargo builds the library beside the tests");
    Library::load(&path).expect("the library loads");
    cache
});

async fn start() -> Loom {
    LazyLock::force(&CACHE);
    Loom::new(Config { offers_gpus: true, ..config() }).await
}

const CPP: &str = r#"
extern "C" __global__ void scale(int n, float by, const float* x, float* y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = by * x[i];
}
"#;

const PTX: &str = "\
.version 7.0
.target sm_75
.address_size 64
.visible .entry scale(.param .u32 n, .param .f32 by, .param .u64 x, .param .u64 y)
{
.reg .pred %p<2>;
.reg .f32 %f<4>;
.reg .b32 %r<6>;
.reg .b64 %rd<8>;
ld.param.u32 %r1, [n];
ld.param.f32 %f1, [by];
ld.param.u64 %rd1, [x];
ld.param.u64 %rd2, [y];
mov.u32 %r2, %ctaid.x;
mov.u32 %r3, %ntid.x;
mov.u32 %r4, %tid.x;
mad.lo.s32 %r5, %r2, %r3, %r4;
setp.ge.s32 %p1, %r5, %r1;
@%p1 bra $DONE;
cvta.to.global.u64 %rd3, %rd1;
cvta.to.global.u64 %rd4, %rd2;
mul.wide.s32 %rd5, %r5, 4;
add.s64 %rd6, %rd3, %rd5;
add.s64 %rd7, %rd4, %rd5;
ld.global.f32 %f2, [%rd6];
mul.f32 %f3, %f2, %f1;
st.global.f32 [%rd7], %f3;
$DONE:
ret;
}
";

fn of(text: &str) -> Expression {
    text.parse().expect(text)
}

fn argument(name: &str, value: CudaValue) -> CudaArgument {
    CudaArgument { name: name.to_owned(), value }
}

fn number(name: &str, text: &str) -> CudaArgument {
    argument(name, CudaValue::Scalar(CudaScalar::I32(of(text))))
}

fn bytes(name: &str, text: &str) -> CudaArgument {
    argument(name, CudaValue::Output { dtype: None, shape: vec![of(text)] })
}

/// Multiplies a vector by a number.
fn scale(source: CudaSource, by: f64) -> CudaSpec {
    CudaSpec {
        source,
        entry: "scale".to_owned(),
        grid: vec![of("ceil_div(n, 64)")],
        block: vec![of("64")],
        shared_bytes: of("0"),
        arguments: vec![
            number("n", "len(x)"),
            argument("by", CudaValue::Scalar(CudaScalar::F32(Real::Constant(by)))),
            argument("x", CudaValue::Input(DType::F32)),
            argument("y", CudaValue::Output { dtype: Some(DType::F32), shape: vec![of("n")] }),
        ],
        options: Vec::new(),
    }
}

/// A kernel in CUDA C++ with one block of 32 threads.
fn cpp(source: &str, entry: &str, arguments: Vec<CudaArgument>) -> CudaSpec {
    CudaSpec {
        entry: entry.to_owned(),
        grid: vec![of("1")],
        block: vec![of("32")],
        arguments,
        ..scale(CudaSource::Cpp(source.into()), 1.0)
    }
}

/// An attempt on the device.
fn on_device(index: u32, spec: CudaSpec) -> Assignment {
    let outputs = spec.outputs() as u16;
    let mut assignment = assignment(index, Run::Cuda(Box::new(spec)), outputs);
    let gpu = GpuRequest { devices: 1, milli: 1000, vram_bytes: 0, min_compute_capability: 0 };
    *request(&mut assignment) = ResourceRequest { gpu: Some(gpu), ..ResourceRequest::default() };
    assignment.devices.push(DeviceIndex(0));
    assignment
}

/// Why an attempt of a kernel that takes nothing fails.
async fn fault(loom: &mut Loom, index: u32, spec: CudaSpec) -> String {
    let failure = loom.result(on_device(index, spec)).await.expect_err("it fails");
    assert_eq!(failure.kind, FailureKind::Application, "{failure}");
    failure.message
}

#[tokio::test]
async fn source_and_ptx_make_the_same_and_go_on_with_the_catalogue() {
    let mut loom = start().await;
    loom.result(fill(1, 1000, 3.0)).await.expect("filled");
    for (index, source) in [(2, CudaSource::Cpp(CPP.into())), (3, CudaSource::Ptx(PTX.into()))] {
        let mut scaled = on_device(index, scale(source, 0.5));
        scaled.inputs.push(local(object(100)));
        let made = loom.result(scaled).await.expect("scaled");
        assert_eq!(f32s(&made[0]), vec![1.5; 1000]);
        assert_eq!(made[0].object_type.to_string(), "f32[1000]");
    }
    let mut sum = kernel(4, "sum_n", Default::default(), 1);
    sum.inputs.extend([local(object(200)), local(object(300))]);
    assert_eq!(f32s(&loom.result(sum).await.expect("added")[0]), vec![3.0; 1000]);
}

#[tokio::test]
async fn blobs_go_in_and_out_and_outputs_begin_as_zeros() {
    let mut loom = start().await;
    let source = r#"
extern "C" __global__ void upper(int n, const unsigned char* text, unsigned char* made) {
    int i = threadIdx.x;
    if (i < n && text[i] >= 'a' && text[i] <= 'z') made[i] = text[i] - 32;
}"#;
    let text = argument("text", CudaValue::Input(DType::U8));
    let upper = vec![number("n", "len(text)"), text, bytes("made", "n + 2")];
    let mut task = on_device(1, cpp(source, "upper", upper));
    task.inputs.push(inline(Value::blob("loom!")));
    let made = loom.result(task).await.expect("made");
    assert_eq!(made, [Value::blob(b"LOOM\0\0\0".to_vec())]);
}

#[tokio::test]
async fn shared_memory_goes_up_to_what_the_device_has() {
    let mut loom = start().await;
    let source = r#"
extern __shared__ int shared[];
extern "C" __global__ void turn(int* made) {
    __shared__ int own[32];
    shared[16384 + threadIdx.x] = threadIdx.x;
    __syncthreads();
    own[threadIdx.x] = shared[16384 + 31 - threadIdx.x];
    made[threadIdx.x] = own[threadIdx.x];
}"#;
    let turn = |bytes: &str| {
        let made = CudaValue::Output { dtype: Some(DType::I32), shape: vec![of("32")] };
        let spec = cpp(source, "turn", vec![argument("made", made)]);
        CudaSpec { shared_bytes: of(bytes), ..spec }
    };
    let made = loom.result(on_device(1, turn("4 * (16384 + 32)"))).await.expect("made");
    let expected: Vec<u8> = (0..32i32).rev().flat_map(i32::to_le_bytes).collect();
    assert_eq!(made[0].data, expected);
    // 163 KiB, of which the kernel has 128 bytes.
    let told = fault(&mut loom, 2, turn("163 * 1024")).await;
    assert_eq!(
        told,
        "turn: cuda.shared_bytes: 166912 bytes are more than the 166784 that the kernel's own 128 leave"
    );
    let told = fault(&mut loom, 3, turn("200000")).await;
    assert!(told.contains("200000 bytes are more than the 166912 of a block there"), "{told}");
}

#[tokio::test]
async fn faults_of_source_and_call_name_line_and_field() {
    let mut loom = start().await;
    let with = |source: &str, entry: &str| cpp(source, entry, vec![bytes("made", "1")]);
    let broken = "extern \"C\" __global__ void f(char* made) {\n    made[0] = nothing;\n}";
    let told = fault(&mut loom, 1, with(broken, "f")).await;
    assert!(
        told.starts_with("f: cuda.source: source.cu(2): error: identifier \"nothing\""),
        "{told}"
    );
    let mangled = "__global__ void f(char* made) {}";
    let told = fault(&mut loom, 2, with(mangled, "f")).await;
    assert_eq!(
        told,
        "f: cuda.entry: there is no kernel \"f\"; there are: _Z1fPc; \
         kernels are declared extern \"C\" __global__"
    );
    let told = fault(&mut loom, 3, with("extern \"C\" __global__ void f(int n) {}", "f")).await;
    assert_eq!(told, "f: cuda.arguments[0]: made is a pointer, the kernel's parameter is u32");
    let bounded = "extern \"C\" __global__ __launch_bounds__(64) void f(char* made) {}";
    let wide = CudaSpec { block: vec![of("128")], ..with(bounded, "f") };
    let told = fault(&mut loom, 4, wide).await;
    assert_eq!(told, "f: cuda.block: 128 threads are more than the 64 that the kernel takes");
    let options = CudaSpec {
        options: vec!["-DVALUE=7".to_owned()],
        ..with("extern \"C\" __global__ void f(char* made) { *made = VALUE; }", "f")
    };
    let made = loom.result(on_device(5, options)).await.expect("the device is whole");
    assert_eq!(made, [Value::blob(vec![7])]);
    let unknown = CudaSpec { source: CudaSource::Ptx("nonsense".into()), ..with("", "f") };
    let told = fault(&mut loom, 6, unknown).await;
    assert_eq!(told, "f: cuda.entry: there is no kernel \"f\"; there are: none");
    let bad = ".version 7.0\n.target sm_75\n.address_size 64\n.visible .entry f(.param .u64 made)\n{\nbogus;\n}";
    let bad = CudaSpec { source: CudaSource::Ptx(bad.into()), ..with("", "f") };
    let told = fault(&mut loom, 7, bad).await;
    assert_eq!(told, "f: cuda.source: the driver cannot read the PTX");
}

/// The file of the one text that has `part` in it.
fn kept(part: &str) -> Option<PathBuf> {
    let files = std::fs::read_dir(CACHE.path().join("ptx")).ok()?;
    let mut paths = files.filter_map(|file| Some(file.ok()?.path()));
    paths.find(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains(part)))
}

#[tokio::test]
async fn what_was_compiled_is_kept_and_made_anew_when_damaged() {
    let source = "extern \"C\" __global__ void kept_on_disk(char* made) { *made = 5; }";
    let spec = || cpp(source, "kept_on_disk", vec![bytes("made", "1")]);
    let mut loom = start().await;
    loom.result(on_device(1, spec())).await.expect("made");
    let path = kept("kept_on_disk").expect("a file");
    let whole = std::fs::read_to_string(&path).expect("a file");
    // Another executor takes what is there: here, something that makes another number.
    let (_, ptx) = whole.split_once('\n').expect("two parts");
    let changed = ptx.replace(", 5;", ", 6;");
    assert_ne!(changed, ptx);
    let heading = format!("// drawloom {}\n", blake3::hash(changed.as_bytes()).to_hex());
    std::fs::write(&path, heading + &changed).expect("written");
    let mut second = start().await;
    let made = second.result(on_device(1, spec())).await.expect("made");
    assert_eq!(made, [Value::blob(vec![6])]);
    // What is damaged is compiled again.
    std::fs::write(&path, whole.replace("kept_on_disk", "kept_on_desk")).expect("written");
    let mut third = start().await;
    let made = third.result(on_device(1, spec())).await.expect("made");
    assert_eq!(made, [Value::blob(vec![5])]);
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), whole);
}
