//! `cargo xtask gpu-check`: see [`USAGE`].

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use drawloom_cuda::Device;
use drawloom_gpu_check::driver::{self, Wanted};
use drawloom_gpu_check::limits::Limits;
use drawloom_gpu_check::measure::{Bench, Effort, Figure};
use drawloom_gpu_check::suite::{
    Call, Findings, Runner, calls, check_all, large_calls, one_of_each,
};

const USAGE: &str = "\
usage: cargo xtask gpu-check [--simulated] [--quick] [--device N] [--seed N]
  Runs every kernel of the catalogue on a GPU against its CPU twin, then measures copies, products,
  overlap and launches beside what the device could do at most.
  --simulated  on a simulated GPU: the way is the same, the figures mean nothing
  --quick      one small call of each kernel, and small measurements
  --device N   the driver's number of the GPU; 0 where it is not given
  --seed N     of the numbers that kernels are given
exit code: 0 all is well, 1 a kernel is wrong or the device fails, 2 wrong use, 3 there is no GPU
  that can be checked, and what is missing is said";

/// Says a line of the report. Whoever reads it may have read enough.
macro_rules! say {
    ($($text:tt)*) => { let _ = writeln!(std::io::stdout(), $($text)*); };
}

/// A kernel is wrong, or the device fails.
const BAD: u8 = 1;
/// It was called in a wrong way.
const USE: u8 = 2;
/// There is no GPU.
const ABSENT: u8 = 3;

struct Options {
    is_simulated: bool,
    is_quick: bool,
    device: usize,
    seed: u64,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            say!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(why) => {
            eprintln!("gpu-check: {why}\n{USAGE}");
            return ExitCode::from(USE);
        }
    };
    let wanted =
        if options.is_simulated { Wanted::Simulated } else { Wanted::Real(options.device) };
    let device = match driver::open(wanted) {
        Ok(device) => device,
        Err(absent) => {
            eprintln!("gpu-check: no GPU was checked: {absent}");
            return ExitCode::from(ABSENT);
        }
    };
    match check(&device, &options) {
        Ok(()) => {
            say!("gpu-check: all is well");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("gpu-check: {why}");
            ExitCode::from(BAD)
        }
    }
}

fn options(arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options { is_simulated: false, is_quick: false, device: 0, seed: 7 };
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let told = arguments.next().and_then(|text| text.parse::<u64>().ok());
            told.ok_or_else(|| format!("{argument} is followed by a number"))
        };
        match argument.as_str() {
            "--simulated" => options.is_simulated = true,
            "--quick" => options.is_quick = true,
            "--device" => options.device = usize::try_from(number()?).unwrap_or(usize::MAX),
            "--seed" => options.seed = number()?,
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("{argument:?} is not known")),
        }
    }
    Ok(Some(options))
}

fn check(device: &Arc<Device>, options: &Options) -> Result<(), String> {
    let effort =
        if options.is_quick || options.is_simulated { Effort::QUICK } else { Effort::FULL };
    let bench = Bench::new(device, effort).map_err(|error| error.to_string())?;
    describe(device, &bench.limits);
    let findings = run_suite(device, options)?;
    for (_, line) in &findings.wrong {
        eprintln!("wrong: {line}");
    }
    if let Some(broken) = &findings.broken {
        return Err(format!("the device fails after {} calls: {broken}", findings.tried));
    }
    if !findings.are_good() {
        let kernels = findings.kernels();
        return Err(format!("of {} calls, some of {kernels:?} are wrong", findings.tried));
    }
    say!("{} calls of kernels make what their CPU twins make", findings.tried);
    say!("\n{:<40}{:>12}  {:<9} {:<22} what limits, or is meant", "figure", "", "", "at most");
    bench.run(show).map_err(|error| format!("measuring: {error}"))?;
    if device.properties().is_simulated {
        say!("\nSIMULATED: these figures are of this machine's cores, and mean nothing of a GPU");
    }
    Ok(())
}

fn run_suite(device: &Device, options: &Options) -> Result<Findings, String> {
    let runner = Runner::open(device.ordinal()).map_err(|error| format!("{error:?}"))?;
    let small = calls(options.seed);
    // Large ones take minutes where they are interpreted.
    let large = if options.is_quick || options.is_simulated {
        Vec::new()
    } else {
        large_calls(options.seed)
    };
    let chosen: Vec<&Call> =
        if options.is_quick { one_of_each(&small) } else { small.iter().chain(&large).collect() };
    eprintln!("gpu-check: {} calls of kernels...", chosen.len());
    Ok(check_all(&runner, chosen))
}

fn describe(device: &Device, limits: &Limits) {
    let properties = device.properties();
    if properties.is_simulated {
        say!("*** SIMULATED GPU: no hardware is checked, and no figure means anything ***\n");
    }
    let (major, minor) = properties.compute_capability;
    say!("{} ({}), compute capability {major}.{minor}", properties.name, properties.uuid);
    let told = |value: Option<f64>, unit: f64, name: &str| match value {
        Some(value) => format!("{:.1} {name}", value / unit),
        None => format!("unknown {name}"),
    };
    say!(
        "{} multiprocessors at {}, memory of {:.1} GiB at {}, {}\n",
        properties.multiprocessors,
        told(limits.clock_hertz, 1e9, "GHz"),
        properties.memory_bytes as f64 / f64::from(1 << 30),
        told(limits.memory_bytes_per_second, 1e9, "GB/s"),
        limits.bus.as_deref().unwrap_or("a bus of which NVML does not tell"),
    );
}

fn show(figure: &Figure) {
    let Figure { name, value, unit, limit, note } = figure;
    let most = match limit {
        Some(limit) => format!("{limit:.1} ({:.0} %)", value / limit * 100.0),
        None => "-".to_owned(),
    };
    say!("{name:<40}{value:>12.3}  {unit:<9} {most:<22} {note}");
}
