//! Which GPUs an executor offers: options of every command that starts one.

use std::path::PathBuf;

use clap::Args;

use crate::output::note;

/// The simulated driver's file, beside this program.
const SIMULATOR: &str = "libdrawloom_cuda_sim.so";
/// The simulated management library's, which can be missing.
const SIMULATED_MANAGEMENT: &str = "libdrawloom_nvml_sim.so";

/// How many simulated GPUs to offer where no option says so.
const VARIABLE: &str = "DRAWLOOM_SIMULATED_GPUS";

/// This machine's GPUs, none, or simulated ones.
#[derive(Debug, Clone, Default, Args)]
pub struct GpuOptions {
    /// Offer no GPUs
    #[arg(long)]
    pub no_gpus: bool,
    /// Offer so many simulated GPUs instead of real ones: for trials, since they are slow [env:
    /// DRAWLOOM_SIMULATED_GPUS, unless --no-gpus is given]
    #[arg(long, value_name = "N", conflicts_with = "no_gpus",
          value_parser = clap::value_parser!(u32).range(1..=64))]
    pub simulated_gpus: Option<u32>,
}

impl GpuOptions {
    /// The same as arguments of another command.
    pub fn to_arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if self.no_gpus {
            arguments.push("--no-gpus".to_owned());
        }
        // What the environment says, a child hears itself.
        if let Some(count) = self.simulated_gpus {
            arguments.extend(["--simulated-gpus".to_owned(), count.to_string()]);
        }
        arguments
    }

    /// How many simulated GPUs the environment asks for.
    fn environment_says(&self) -> Result<u32, String> {
        let told = std::env::var(VARIABLE).unwrap_or_default();
        if self.no_gpus || told.is_empty() {
            return Ok(0);
        }
        let count = told.parse().ok().filter(|count| *count <= 64);
        count.ok_or_else(|| format!("{VARIABLE}={told}: it is a number from 0 to 64"))
    }

    /// Loads the simulated driver, if that is wanted. Before this process has a second thread.
    ///
    /// # Errors
    /// The driver is not there or cannot be loaded.
    pub fn prepare(&self) -> Result<(), String> {
        let count = self.simulated_gpus.map_or_else(|| self.environment_says(), Ok)?;
        if count == 0 {
            return Ok(());
        }
        let path = beside_this(SIMULATOR).ok_or_else(|| {
            format!(
                "there is no {SIMULATOR} beside this program; build it with \
                 `cargo build -p drawloom-cuda-sim -p drawloom-nvml-sim` in the same profile"
            )
        })?;
        let management = beside_this(SIMULATED_MANAGEMENT);
        drawloom_cuda::simulate(&path, management.as_deref(), count)?;
        note!("{count} SIMULATED GPU(s): kernels run on this machine's cores, slowly");
        Ok(())
    }
}

fn beside_this(file: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let directory = program.parent()?;
    let places = [directory.join(file), directory.join("deps").join(file)];
    places.into_iter().find(|place| place.is_file())
}
