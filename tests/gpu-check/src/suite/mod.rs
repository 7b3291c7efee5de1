//! Calls of every kernel, and whether a device makes of them what the CPU twins make.

mod calls;
mod compare;
mod runner;
mod twin;
mod values;

use drawloom_kernels_gpu::plan;
use drawloom_model::{DType, ObjectType, Value};

pub use calls::{Call, calls, large_calls};
pub use compare::Tolerance;
pub use runner::Runner;

use compare::difference;
use runner::RunError;
use twin::twin;
use values::{numbers, tensor};

/// What a suite found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Findings {
    /// How many calls were tried.
    pub tried: usize,
    /// Calls whose results are wrong: the kernel, and a line that tells the call and what is wrong.
    pub wrong: Vec<(String, String)>,
    /// What the device failed with, which ended the suite.
    pub broken: Option<String>,
}

impl Findings {
    /// Whether everything is as it should be.
    pub fn are_good(&self) -> bool {
        self.wrong.is_empty() && self.broken.is_none()
    }

    /// The kernels that are at fault, each once.
    pub fn kernels(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.wrong.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// What is wrong with a call.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Wrong(String),
    /// The device takes no more calls.
    #[error("{0}")]
    Broken(String),
}

/// Tries calls, one after the other, until the device fails.
pub fn check_all<'c>(runner: &Runner, calls: impl IntoIterator<Item = &'c Call>) -> Findings {
    let mut findings = Findings::default();
    for call in calls {
        findings.tried += 1;
        match check(runner, call) {
            Ok(()) => {}
            Err(Fault::Wrong(fault)) => {
                let line = format!("{}: {fault}", call.describe());
                findings.wrong.push((call.call.name.clone(), line));
            }
            Err(Fault::Broken(fault)) => {
                findings.broken = Some(format!("{}: {fault}", call.describe()));
                break;
            }
        }
    }
    findings
}

/// One call of each kernel: the largest of those that are small.
pub fn one_of_each(calls: &[Call]) -> Vec<&Call> {
    const BYTES: usize = 16 << 10;
    let bytes = |call: &Call| call.inputs.iter().map(|input| input.data.len()).sum::<usize>();
    let mut chosen = std::collections::BTreeMap::new();
    for call in calls.iter().filter(|call| bytes(call) <= BYTES) {
        let best = chosen.entry(call.call.name.as_str()).or_insert(call);
        if bytes(call) > bytes(best) {
            *best = call;
        }
    }
    chosen.into_values().collect()
}

/// How precisely a call computes: the type of its first floats.
fn precision(call: &Call, outputs: &[Value]) -> DType {
    let dtypes = call.inputs.iter().chain(outputs).map(|value| numbers(value).0);
    let float = |dtype: &DType| !matches!(dtype, DType::U8 | DType::I32 | DType::I64);
    let least = |dtype: &DType| match dtype {
        DType::BF16 => 0,
        DType::F16 => 1,
        DType::F32 => 2,
        _ => 3,
    };
    dtypes.filter(float).min_by_key(least).unwrap_or(DType::F64)
}

/// What a device makes of a call, or what the plan or the kernel says is at fault with its inputs.
fn on_device(runner: &Runner, call: &Call) -> Result<Result<Vec<Value>, String>, Fault> {
    let plan = match plan(&call.call, &call.types(), runner.device()) {
        Ok(plan) => plan,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let made = runner.run(&plan, &call.inputs).map_err(|error| {
        let launches: Vec<String> = plan
            .launches
            .iter()
            .map(|one| format!("{}.{}", one.module.name(), one.entry))
            .collect();
        let text = format!("{error} in {launches:?}");
        match error {
            RunError::Driver(_) => Fault::Broken(text),
            RunError::Plan(_) => Fault::Wrong(text),
        }
    })?;
    Ok(made.map_err(|message| format!("{}: {message}", call.call.name)))
}

fn near(
    got: &[Value],
    expected: &[Value],
    dtype: DType,
    tolerance: Tolerance,
) -> Result<(), String> {
    for (place, (got, expected)) in got.iter().zip(expected).enumerate() {
        difference(got, expected, dtype, tolerance)
            .map_err(|message| format!("output {place}: {message}"))?;
    }
    Ok(())
}

fn check(runner: &Runner, call: &Call) -> Result<(), Fault> {
    match (on_device(runner, call)?, twin(&call.call, &call.inputs)) {
        (Err(got), Err(expected)) if got == expected => Ok(()),
        (Ok(got), Ok(expected)) => {
            let types = |values: &[Value]| -> Vec<ObjectType> {
                values.iter().map(|value| value.object_type.clone()).collect()
            };
            if types(&got) != types(&expected) {
                return Err(Fault::Wrong(format!("types differ: {:?}", types(&got))));
            }
            near(&got, &expected, precision(call, &got), call.tolerance).map_err(Fault::Wrong)?;
            reference(call).map_or(Ok(()), |reference| {
                near(&got, &reference, DType::F32, call.tolerance)
                    .map_err(|message| Fault::Wrong(format!("in f64: {message}")))
            })
        }
        (got, expected) => {
            let shown = |result: Result<Vec<Value>, String>| result.map(|_| "results");
            let text = format!("{:?}, the CPU twin {:?}", shown(got), shown(expected));
            Err(Fault::Wrong(text))
        }
    }
}

/// What the CPU twin makes of a call of f32 in f64, where that tells something.
fn reference(call: &Call) -> Option<Vec<Value>> {
    let is_f32 = |value: &Value| numbers(value).0 == DType::F32;
    if !call.has_reference
        || !call.inputs.iter().any(is_f32)
        || call.call.attributes.contains_key("dtype")
    {
        return None;
    }
    let widened = |value: &Value| match &value.object_type {
        ObjectType::Tensor { dtype: DType::F32, shape } => {
            tensor(DType::F64, shape.extents(), &numbers(value).1)
        }
        _ => value.clone(),
    };
    let inputs: Vec<Value> = call.inputs.iter().map(widened).collect();
    twin(&call.call, &inputs).ok()
}
