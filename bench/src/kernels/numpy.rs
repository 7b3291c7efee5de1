//! What NumPy takes for the same.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::suite::Bench;

/// Measures one call, again and again, and tells the least time of each run. The first call warms
/// up.
const PROGRAM: &str = r#"
import json, sys, time
try:
    import numpy as np
except ImportError:
    sys.exit(17)
what, runs = sys.argv[1], int(sys.argv[2])
random = np.random.default_rng(1)
if what == "matmul_1024":
    a, b = (random.standard_normal((1024, 1024), np.float32) for _ in range(2))
    y = np.empty((1024, 1024), np.float32)
    call = lambda: np.matmul(a, b, out=y)
else:
    x = random.standard_normal((8192, 1024), np.float32)
    y, sums = np.empty_like(x), np.empty(8192, np.float32)
    def softmax():
        np.subtract(x, x.max(1, keepdims=True), out=y)
        np.exp(y, out=y)
        np.divide(y, y.sum(1, keepdims=True), out=y)
    call = softmax if what == "softmax" else lambda: np.sum(x, 1, out=sums)
call()
start = time.perf_counter()
call()
repeats = max(1, int(0.02 / (time.perf_counter() - start)))
seconds = []
for _ in range(runs):
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    seconds.append((time.perf_counter() - start) / repeats)
seconds.sort()
print(json.dumps({"version": np.__version__, "seconds": seconds[len(seconds) // 2]}))
"#;

/// What the program says when there is no NumPy.
const NO_NUMPY: i32 = 17;

/// NumPy's time.
#[derive(Debug, Deserialize)]
pub(crate) struct Peer {
    pub(crate) version: String,
    /// Of one call, the median of the runs.
    pub(crate) seconds: f64,
}

/// What NumPy takes on so many cores, where `python` or a Python in the path has it.
///
/// # Errors
/// The Python that was named cannot be run or has no NumPy, or the measurement fails.
pub(crate) fn seconds(
    python: Option<&Path>,
    bench: Bench,
    cores: usize,
    runs: usize,
) -> Result<Option<Peer>> {
    if bench == Bench::Conv2d {
        // NumPy has no convolution of images.
        return Ok(None);
    }
    let program = python.unwrap_or(Path::new("python3"));
    let mut command = Command::new(program);
    command.args(["-c", PROGRAM, bench.name(), &runs.to_string()]).stdin(Stdio::null());
    for variable in ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
        command.env(variable, cores.to_string());
    }
    let output = match command.output() {
        Ok(output) if output.status.code() == Some(NO_NUMPY) && python.is_none() => {
            return Ok(None);
        }
        Err(_) if python.is_none() => return Ok(None),
        output => output.with_context(|| format!("{} cannot be run", program.display()))?,
    };
    ensure!(output.status.code() != Some(NO_NUMPY), "{} has no NumPy", program.display());
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed: {told}", program.display());
    Ok(Some(serde_json::from_slice(&output.stdout)?))
}
