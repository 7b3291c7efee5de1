//! Users' own CUDA code: files, the real compiler and simulated GPUs, and variants for CPUs beside it.

use std::process::Command;

use crate::harness::{GraphFile, Said, drawloom, example, say};

/// `drawloom` with the compiler, and a folder of its own for what is compiled.
fn with_compiler(folder: &tempfile::TempDir) -> Command {
    let nvrtc = drawloom_cuda_sim::nvrtc::library().expect("NVRTC");
    let mut command = drawloom();
    command.env("DRAWLOOM_NVRTC", nvrtc).env("DRAWLOOM_CACHE_DIR", folder.path());
    command
}

fn run(folder: &tempfile::TempDir, file: &str, more: &[&str]) -> Said {
    let arguments = [&["--json", "run", file], more].concat();
    Said::new(with_compiler(folder).args(arguments).output().expect("drawloom starts"))
}

#[test]
fn the_examples_make_the_same_with_and_without_gpus() {
    let folder = tempfile::tempdir().expect("a folder");
    let texts = || std::fs::read_dir(folder.path().join("ptx")).map_or(0, Iterator::count);
    for (place, name) in ["cuda/mandelbrot.star", "cuda/relu.toml"].into_iter().enumerate() {
        let outputs = |more: &[&str]| {
            let said = run(&folder, &example(name), more);
            assert_eq!(said.code, Some(0), "{}", said.err);
            said.last()["outputs"].clone()
        };
        let on_cores = outputs(&["--no-gpus"]);
        assert_eq!(texts(), place, "cores compile nothing");
        assert_eq!(outputs(&["--simulated-gpus", "1"]), on_cores, "{name}");
        assert_eq!(texts(), place + 1, "the GPU ran what was compiled");
        // What is kept serves the next process.
        assert_eq!(outputs(&["--simulated-gpus", "1"]), on_cores, "{name}");
        assert_eq!(texts(), place + 1);
    }
}

/// A task without a variant for CPUs.
fn kernel(body: &str, gpu: &str) -> GraphFile {
    let text = format!(
        "tasks:
- name: mine
  request: {{ {gpu} }}
  cuda:
    source: |
      extern \"C\" __global__ void mine(int* made) {{
        {body}
      }}
    entry: mine
    grid: 1
    block: 32
    arguments: [{{ output: made, dtype: i32, shape: 32 }}]
outputs: {{ made: mine }}
"
    );
    GraphFile::new("mine.yaml", &text)
}

#[test]
fn what_does_not_compile_fails_with_its_line_and_is_not_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = kernel("made[threadIdx.x] = missing;", "gpu: 1");
    let said = run(&folder, file.path(), &["--simulated-gpus", "1"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    let wanted = "application: mine: cuda.source: source.cu(2): error: identifier \"missing\"";
    assert!(said.err.contains(wanted), "{}", said.err);
    assert_eq!(said.last()["tasks"]["retries"], 0, "{}", said.out);
}

#[test]
fn without_a_compiler_the_variant_for_cpus_runs() {
    let said = |file: &str| {
        let mut command = drawloom();
        command.env("DRAWLOOM_NVRTC", "/nowhere/libnvrtc.so.12");
        let arguments = ["--json", "run", file, "--simulated-gpus", "1"];
        Said::new(command.args(arguments).output().expect("drawloom starts"))
    };
    let relu = said(&example("cuda/relu.toml"));
    assert_eq!(relu.code, Some(0), "{}", relu.err);
    let alone = said(kernel("made[0] = 1;", "gpu: 1").path());
    assert_eq!(alone.code, Some(2), "{}", alone.err);
    for part in ["cannot run CUDA C++: it has no NVRTC", "nvidia-cuda-nvrtc-cu12", "PTX"] {
        assert!(alone.err.contains(part), "{}", alone.err);
    }
}

#[test]
fn code_for_gpus_asks_for_one() {
    let said = say(&["run", kernel("made[0] = 1;", "cpu: 1").path()]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    let wanted = "mine.yaml:3: tasks[0].request.gpu: CUDA code runs on a GPU: \
                  ask for one, such as gpu = 1";
    assert!(said.err.contains(wanted), "{}", said.err);
}
