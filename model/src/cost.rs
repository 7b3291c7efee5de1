//! What it was measured to cost to run something in some way.

use crate::{ResourceRequest, Run};

/// What kind of thing runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RunKind {
    /// A kernel of the catalogue.
    Kernel,
    /// A process.
    Process,
    /// A user's own CUDA code.
    Cuda,
}

impl RunKind {
    /// Every kind.
    pub const ALL: [RunKind; 3] = [RunKind::Kernel, RunKind::Process, RunKind::Cuda];

    /// The name used in output and files.
    pub const fn name(self) -> &'static str {
        match self {
            RunKind::Kernel => "kernel",
            RunKind::Process => "process",
            RunKind::Cuda => "cuda",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<RunKind> {
        RunKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A variant without its task: what runs, and what it has to run with. Tasks of different graphs
/// share what was measured of a way, so it does not tell which of a template's variants it was.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Way {
    /// The kernel's name, the executable's, or that of a user's CUDA kernel.
    pub name: Box<str>,
    /// What that is.
    pub kind: RunKind,
    /// Thousandths of a core that it asks for.
    pub cpu_milli: u64,
    /// How many devices it asks for.
    pub devices: u16,
    /// Thousandths of each of them.
    pub device_milli: u32,
}

impl Way {
    /// The way that is taken by what runs with such a request; none for actors and their calls,
    /// whose times tell nothing of those of others.
    pub fn of(run: &Run, request: &ResourceRequest) -> Option<Way> {
        let kind = match run {
            Run::Kernel(_) => RunKind::Kernel,
            Run::Process(_) => RunKind::Process,
            Run::Cuda(_) => RunKind::Cuda,
            Run::Actor(_) | Run::Call(_) => return None,
        };
        let gpu = request.gpu.as_ref();
        Some(Way {
            name: run.name().into(),
            kind,
            cpu_milli: request.cpu_milli,
            devices: gpu.map_or(0, |gpu| gpu.devices),
            device_milli: gpu.map_or(0, |gpu| gpu.milli),
        })
    }

    /// What it has to run with, for people: `1 core`, `0.5 core, 2 x 0.25 GPU`.
    pub fn variant(&self) -> String {
        let share = |milli: u64| (milli as f64 / 1e3).to_string();
        let plural = if self.cpu_milli > 1000 { "s" } else { "" };
        let cores = format!("{} core{plural}", share(self.cpu_milli));
        let gpu = format!("{} GPU", share(self.device_milli.into()));
        match (self.cpu_milli, self.devices) {
            (_, 0) => cores,
            (0, 1) => gpu,
            (0, devices) => format!("{devices} x {gpu}"),
            (_, 1) => format!("{cores}, {gpu}"),
            (_, devices) => format!("{cores}, {devices} x {gpu}"),
        }
    }
}

/// What a way was measured to take, on devices of one class, for inputs and outputs of one size.
#[derive(Clone, PartialEq, Debug)]
pub struct MeasuredCost {
    /// The way.
    pub way: Way,
    /// What it ran on: `cpu`, or the model's name of a GPU.
    pub device_class: Box<str>,
    /// The size of inputs and outputs together, rounded down to a power of two.
    pub size_bytes: u64,
    /// How much of that were inputs, the last time.
    pub input_bytes: u64,
    /// How much were outputs, the last time.
    pub output_bytes: u64,
    /// How long it took, on the average of late.
    pub mean_nanos: u64,
    /// The standard deviation of that.
    pub deviation_nanos: u64,
    /// How often it was measured.
    pub samples: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GpuRequest, KernelCall};

    #[test]
    fn a_way_is_told_by_what_it_runs_with() {
        let run = Run::Kernel(KernelCall { name: "matmul".into(), attributes: Default::default() });
        let gpu = |devices, milli| {
            Some(GpuRequest { devices, milli, vram_bytes: 0, min_compute_capability: 0 })
        };
        for (cpu_milli, gpu, expected) in [
            (1000, None, "1 core"),
            (2500, None, "2.5 cores"),
            (500, gpu(2, 250), "0.5 core, 2 x 0.25 GPU"),
            (0, gpu(1, 1000), "1 GPU"),
        ] {
            let request = ResourceRequest { cpu_milli, gpu, ..ResourceRequest::default() };
            let way = Way::of(&run, &request).expect("kernels have ways");
            assert_eq!((&*way.name, way.variant().as_str()), ("matmul", expected));
        }
    }

    #[test]
    fn kinds_are_found_by_their_names() {
        for kind in RunKind::ALL {
            assert_eq!(RunKind::named(kind.name()), Some(kind));
        }
        assert_eq!(RunKind::named("actor"), None);
    }
}
