//! Kernels by themselves: how much of what the machine can do they reach.
//!
//! A kernel is bound by the memory, or by arithmetic; its cost hint tells how many bytes and
//! operations a call has. The bounds are measured in the same run: a copy by all cores, and the
//! gemm crate's product of two matrices. A kernel's *share* is the time that the tighter bound
//! allows, divided by the time it takes.

mod cases;
mod figure;
mod numpy;
mod roofline;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::thread;

use anyhow::{Context as _, Result, bail};
use drawloom_kernels::CpuContext;
use drawloom_signature::catalogue;
use rayon::ThreadPoolBuilder;

use self::cases::{Case, case};
use self::figure::Timed;
use self::roofline::Roofline;
use crate::record::{KernelFigures, Mode, Record, Sample, median};
use crate::suite::Bench;

/// Kernels that are not measured: they do nothing, or as much as they are told to.
pub const UNMEASURED: [&str; 2] = ["busy", "noop"];

/// What is to be measured of kernels.
#[derive(Clone, Debug, Default)]
pub struct KernelOptions {
    /// Only these kernels; all where none are named.
    pub kernels: Vec<String>,
    /// A Python that has NumPy; one in the path where absent.
    pub python: Option<PathBuf>,
}

/// Runs one of the benches of kernels.
///
/// # Errors
/// A kernel fails, or one that is named does not exist.
pub(crate) fn run(
    bench: Bench,
    runs: usize,
    options: &KernelOptions,
    report: &mut impl FnMut(Record) -> Result<()>,
) -> Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let pool = ThreadPoolBuilder::new().num_threads(cores).build()?;
    let cancel = AtomicBool::new(false);
    let context = CpuContext::new(cores, &cancel, Some(&pool));
    let roofline = Roofline::measure(&context);
    if bench != Bench::Kernels {
        return report(compared(bench, runs, &context, roofline, options)?);
    }
    check_names(&options.kernels)?;
    for signature in catalogue() {
        let kernel = signature.name;
        let named = options.kernels.is_empty() || options.kernels.iter().any(|name| name == kernel);
        if !named || UNMEASURED.contains(&kernel) {
            continue;
        }
        let case = case(kernel).with_context(|| format!("kernel {kernel} has no case"))?;
        let timed = Timed::measure(kernel, &case, &context, runs)?;
        report(share(kernel, &timed, roofline))?;
    }
    Ok(())
}

fn check_names(names: &[String]) -> Result<()> {
    for name in names {
        if UNMEASURED.contains(&name.as_str()) {
            bail!("kernel {name} is not measured");
        }
        if drawloom_signature::find(name).is_none() {
            bail!("there is no kernel {name:?}");
        }
    }
    Ok(())
}

/// The share of the roofline that a kernel reaches.
fn share(kernel: &'static str, timed: &Timed, roofline: Roofline) -> Record {
    let (bound_seconds, bound) = roofline.bound(timed.cost);
    let shares: Vec<f64> = timed.seconds.iter().map(|seconds| bound_seconds / seconds).collect();
    let figures = figures(Some(kernel), timed, bound);
    record(Bench::Kernels, shares, figures)
}

/// A kernel against NumPy, or against what bounds it where there is no NumPy.
fn compared(
    bench: Bench,
    runs: usize,
    context: &CpuContext<'_>,
    roofline: Roofline,
    options: &KernelOptions,
) -> Result<Record> {
    let (kernel, case) = compared_case(bench).context("this bench compares no kernel")?;
    let timed = Timed::measure(kernel, &case, context, runs)?;
    let peer = numpy::seconds(options.python.as_deref(), bench, context.cores(), runs)?;
    let (peer_seconds, against) = match peer {
        Some(peer) => (peer.seconds, format!("numpy {}", peer.version)),
        None => {
            let (seconds, bound) = roofline.bound(timed.cost);
            (seconds, bound.to_owned())
        }
    };
    let ratios: Vec<f64> = timed.seconds.iter().map(|seconds| peer_seconds / seconds).collect();
    // Exponentials take longer than the memory: a copy is a floor, but nothing to reach.
    let has_target = bench != Bench::Softmax || against.starts_with("numpy");
    let record = record(bench, ratios, figures(None, &timed, &against));
    Ok(if has_target { record.with_targets(0.9, None) } else { record })
}

/// What the benches compare that have a kernel each.
fn compared_case(bench: Bench) -> Option<(&'static str, Case)> {
    match bench {
        Bench::Matmul1024 => Some(("matmul", cases::matmul_1024())),
        Bench::Softmax => Some(("softmax", cases::rows())),
        Bench::Reduce => Some(("sum", cases::rows().with_ints("axes", &[1]))),
        Bench::Conv2d => Some(("conv2d", cases::conv2d()?)),
        _ => None,
    }
}

fn figures(kernel: Option<&'static str>, timed: &Timed, against: &str) -> KernelFigures {
    let seconds = median(&mut timed.seconds.clone());
    KernelFigures {
        kernel,
        against: against.to_owned(),
        seconds,
        bytes_per_second: timed.cost.bytes as f64 / seconds,
        flops_per_second: timed.cost.flops as f64 / seconds,
    }
}

fn record(bench: Bench, values: Vec<f64>, figures: KernelFigures) -> Record {
    let samples: Vec<Sample> = values.into_iter().map(Sample::new).collect();
    let record = Record::new(bench.name(), Mode::Embedded, "ratio", 0, &samples);
    Record { kernel: Some(figures), ..record }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_has_a_case_that_its_signature_takes() {
        for signature in catalogue() {
            if UNMEASURED.contains(&signature.name) {
                continue;
            }
            let case = case(signature.name)
                .unwrap_or_else(|| panic!("bench/src/kernels/cases.rs lacks {}", signature.name));
            let types: Vec<_> = case.input_types().iter().map(Into::into).collect();
            let inferred = signature.infer(&types, &case.attributes);
            assert!(inferred.is_ok(), "{}: {inferred:?}", signature.name);
        }
    }

    #[test]
    fn a_kernel_is_timed() {
        let cancel = AtomicBool::new(false);
        let context = CpuContext::new(1, &cancel, None);
        let case = cases::small();
        let timed = Timed::measure("add", &case, &context, 2).expect("a time");
        assert_eq!(timed.seconds.len(), 2);
        assert!(timed.seconds.iter().all(|seconds| *seconds > 0.0));
        assert_eq!((timed.cost.bytes, timed.cost.flops), (3 * 4000, 1000));
        let roofline = Roofline { bytes_per_second: 12_000.0, flops_per_second: 500.0 };
        assert_eq!(roofline.bound(timed.cost), (2.0, "gemm"));
    }

    #[test]
    fn names_are_checked() {
        let refused = |name: &str| check_names(&[name.to_owned()]).expect_err("no such kernel");
        assert_eq!(refused("nope").to_string(), r#"there is no kernel "nope""#);
        assert_eq!(refused("noop").to_string(), "kernel noop is not measured");
    }
}
