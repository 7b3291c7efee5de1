//! CUDA kernels of one's own in graph files and programs.

use std::fs;

use drawloom_graphfile::{LoadOptions, Loaded, load, schema};
use drawloom_model::{CudaSource, CudaSpec, CudaValue, DType, Run};

const KERNEL: &str = "extern \"C\" __global__ void scale() {}\n";

/// Loads a file beside which the kernel is.
fn load_text(name: &str, text: &str) -> Result<Loaded, String> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(name);
    fs::write(&path, text).expect("written");
    fs::write(directory.path().join("scale.cu"), KERNEL).expect("written");
    fs::write(directory.path().join("scale.ptx"), ".version 7.0").expect("written");
    let prefix = format!("{}/", directory.path().display());
    load(&path, &LoadOptions::default()).map_err(|error| error.to_string().replace(&prefix, ""))
}

fn spec(loaded: &Loaded, task: usize, variant: usize) -> &CudaSpec {
    let template = loaded.graph.tasks[task].template as usize;
    let Run::Cuda(spec) = &loaded.graph.templates[template].variants[variant].run else {
        panic!("CUDA code")
    };
    spec
}

const TOML: &str = r#"
[[tasks]]
name = "x"
kernel = "fill"
attributes = { shape = [5, 200] }

[[tasks]]
name = "scaled"
inputs = ["x"]

[[tasks.variants]]
request = { gpu = 1 }

[tasks.variants.cuda]
file = "scale.cu"
entry = "scale"
grid = "ceil_div(n, 256)"
block = 256
shared_bytes = "4 * 256"
options = ["--use_fast_math"]
arguments = [
    { scalar = "n", dtype = "i32", value = "len(x)" },
    { scalar = "by", dtype = "f32", value = 0.5 },
    { input = "x", dtype = "f32" },
    { output = "y", dtype = "f32", shape = ["shape(x, 0)", 200] },
]

[[tasks.variants]]
kernel = "relu"

[outputs]
y = "scaled.y"
"#;

#[test]
fn a_kernel_may_stand_beside_one_of_the_catalogue() {
    let loaded = load_text("g.toml", TOML).expect("a good file");
    let spec = spec(&loaded, 1, 0);
    assert_eq!(spec.source, CudaSource::Cpp(KERNEL.into()));
    assert_eq!(spec.grid[0].text(), "ceil_div(n, 256)");
    assert_eq!((spec.block[0].text(), spec.shared_bytes.text()), ("256", "4 * 256"));
    let names: Vec<&str> = spec.arguments.iter().map(|argument| argument.name.as_str()).collect();
    assert_eq!(names, ["n", "by", "x", "y"]);
    let CudaValue::Output { dtype, shape } = &spec.arguments[3].value else { panic!("an output") };
    assert_eq!((*dtype, shape.len()), (Some(DType::F32), 2));
    let template = &loaded.graph.templates[1];
    assert_eq!((template.outputs, template.variants.len()), (1, 2));
    assert!(matches!(&template.variants[1].run, Run::Kernel(call) if call.name == "relu"));
    assert!(template.variants[0].request.gpu.is_some());
    assert!(template.variants[1].request.gpu.is_none());
}

#[test]
fn programs_say_the_same() {
    let program = "\
x = k.fill(shape = [5, 200], name = 'x')
y = cuda(x, file = 'scale.cu', entry = 'scale', grid = 'ceil_div(n, 256)', block = 256,
    shared_bytes = 4 * 256, options = ['--use_fast_math'], gpu = 1, name = 'scaled',
    arguments = [
        {'scalar': 'n', 'dtype': 'i32', 'value': 'len(x)'},
        {'scalar': 'by', 'dtype': 'f32', 'value': 0.5},
        {'input': 'x', 'dtype': 'f32'},
        {'output': 'y', 'dtype': 'f32', 'shape': ['shape(x, 0)', 200]},
    ],
    variants = [{}, {'kernel': 'relu', 'request': {'cpu': 2}}])
output('y', k.exp(y))
";
    let program = load_text("g.star", program).expect("a good program");
    let (told, file) = (spec(&program, 1, 0), load_text("g.toml", TOML).expect("a good file"));
    assert_eq!(told.shared_bytes.text(), "1024");
    let same = CudaSpec { shared_bytes: spec(&file, 1, 0).shared_bytes.clone(), ..told.clone() };
    assert_eq!(same, *spec(&file, 1, 0));
    assert_eq!(program.graph.templates[1].variants[1].request.cpu_milli, 2000);
}

#[test]
fn a_file_of_ptx_is_known_by_its_name() {
    let text = TOML.replace("scale.cu", "scale.ptx").replace("[\"--use_fast_math\"]", "[]");
    let loaded = load_text("g.toml", &text).expect("a good file");
    assert_eq!(spec(&loaded, 1, 0).source, CudaSource::Ptx(".version 7.0".into()));
}

#[test]
fn faults_tell_line_and_field() {
    for (from, to, expected) in [
        (
            "\"ceil_div(n, 256)\"",
            "\"ceil_div(n, \"",
            "g.toml:17: tasks[1].variants[0].cuda.grid: \"ceil_div(n, \" is no expression: \
             at character 13, a number or a name is wanted",
        ),
        (
            "shape = [\"shape(x, 0)\", 200]",
            "shape = [\"m\", 200]",
            "g.toml:25: tasks[1].variants[0].cuda.arguments[3].shape[0]: \
             m: there is no number \"m\"; there are: n",
        ),
        (
            "{ input = \"x\", dtype = \"f32\" }",
            "{ input = \"x\", dtype = \"f16\" }",
            "g.toml:7: tasks[1]: task \"scaled\": cuda.arguments[2].input: \
             x must be of f16, is f32[5, 200]",
        ),
        (
            "dtype = \"i32\", value = \"len(x)\"",
            "dtype = \"i32\", value = 2.5",
            "g.toml:22: tasks[1].variants[0].cuda.arguments[0].value: \
             2.5 is no whole number, as i32 is",
        ),
        (
            "dtype = \"i32\", value",
            "dtype = \"int\", value",
            "g.toml:22: tasks[1].variants[0].cuda.arguments[0].dtype: \
             there is no type of numbers \"int\"; there are: i32, u32, i64, u64, f32, f64",
        ),
        (
            "request = { gpu = 1 }",
            "request = { cpu = 1 }",
            "g.toml:12: tasks[1].variants[0].request.gpu: \
             CUDA code runs on a GPU: ask for one, such as gpu = 1",
        ),
        (
            "file = \"scale.cu\"",
            "file = \"scale.cu\"\nptx = \"\"",
            "g.toml:14: tasks[1].variants[0].cuda: give exactly one of `source`, `ptx` and `file`",
        ),
        (
            "kernel = \"relu\"",
            "kernel = \"noop\"",
            "g.toml:28: tasks[1].variants[1]: makes 0 output(s), the first makes 1",
        ),
        (
            "200] },",
            "200], value = 1 },",
            "g.toml:25: tasks[1].variants[0].cuda.arguments[3].value: goes with `scalar` only",
        ),
        (
            "block = 256",
            "block = [256, 8]",
            "g.toml:7: tasks[1]: task \"scaled\": cuda.block: \
             2048 threads are more than the 1024 of a block",
        ),
    ] {
        let text = TOML.replacen(from, to, 1);
        assert_ne!(text, TOML, "{from}");
        assert_eq!(load_text("g.toml", &text).map(|_| ()), Err(expected.to_owned()));
    }
    let unknown = load_text("g.star", "cuda(entri = 'x')").expect_err("no such argument");
    assert_eq!(unknown, "g.star:1: cuda takes no argument \"entri\"; did you mean \"entry\"?");
}

#[test]
fn the_schema_knows_kernels() {
    let text = schema().to_string();
    assert!(text.contains("CudaEntry") && text.contains("shared_bytes"), "{text}");
}
