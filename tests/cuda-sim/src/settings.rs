//! What the environment sets, beside the machine itself.

use std::sync::OnceLock;
use std::time::Duration;

use crate::exec::grid::RaceMode;

/// Time charged for work; zero where nothing is charged.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Costs {
    /// For every launch.
    pub launch: Duration,
    /// Instructions of warps per second.
    pub instructions_per_s: f64,
    /// Bytes of device memory per second.
    pub bytes_per_s: f64,
    /// Bytes per second between host and device.
    pub copy_bytes_per_s: f64,
    /// Bytes per second between devices.
    pub peer_bytes_per_s: f64,
}

/// All settings.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Of random choices.
    pub seed: u64,
    /// Operations wait up to that long before they start.
    pub jitter: Duration,
    /// Races on shared memory.
    pub races: RaceMode,
    /// Whether unordered work of streams is looked for.
    pub order: bool,
    /// Threads that run blocks.
    pub threads: usize,
    /// Time charged.
    pub costs: Costs,
    /// Faults to inject, as written.
    pub faults: String,
    /// Whether kernels run; otherwise they only take the time charged.
    pub run_kernels: bool,
    /// Nothing is said on the standard error.
    pub quiet: bool,
}

/// The settings of this process.
pub fn get() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| read(|name| std::env::var(name).ok()))
}

fn read(look_up: impl Fn(&str) -> Option<String>) -> Settings {
    let number = |name: &str| look_up(name).and_then(|text| text.trim().parse::<f64>().ok());
    let rate = |name: &str| number(name).unwrap_or(0.0).max(0.0);
    let micros = |name: &str| Duration::from_secs_f64(rate(name) / 1e6);
    let on = |name: &str, default: bool| match look_up(name).as_deref().map(str::trim) {
        Some("" | "0" | "off" | "no") => false,
        Some(_) => true,
        None => default,
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Settings {
        seed: look_up("DRAWLOOM_SIM_SEED").and_then(|text| text.trim().parse().ok()).unwrap_or(0),
        jitter: micros("DRAWLOOM_SIM_JITTER_US"),
        races: match look_up("DRAWLOOM_SIM_RACES").as_deref().map(str::trim) {
            Some("report") => RaceMode::Report,
            Some("fail") => RaceMode::Fail,
            _ => RaceMode::Off,
        },
        order: on("DRAWLOOM_SIM_ORDER", false),
        threads: number("DRAWLOOM_SIM_THREADS").map_or(processors, |n| (n as usize).max(1)),
        costs: Costs {
            launch: micros("DRAWLOOM_SIM_LAUNCH_US"),
            instructions_per_s: rate("DRAWLOOM_SIM_INSTRUCTIONS_PER_S"),
            bytes_per_s: rate("DRAWLOOM_SIM_BYTES_PER_S"),
            copy_bytes_per_s: rate("DRAWLOOM_SIM_COPY_BYTES_PER_S"),
            peer_bytes_per_s: rate("DRAWLOOM_SIM_PEER_BYTES_PER_S"),
        },
        faults: look_up("DRAWLOOM_SIM_FAULTS").unwrap_or_default(),
        run_kernels: on("DRAWLOOM_SIM_RUN_KERNELS", true),
        quiet: on("DRAWLOOM_SIM_QUIET", false),
    }
}
