//! Nodes with GPUs, what pods ask of them, and what is taken.

/// Thousandths of a GPU in a whole one.
pub(super) const WHOLE: u16 = 1000;
/// The most GPUs of one node: sets of them are bits of a word.
pub(super) const GPUS_LIMIT: u32 = 64;
/// The most models of GPUs, for the same reason.
pub(super) const MODELS_LIMIT: usize = 64;

/// What a pod asks for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Request {
    /// Thousandths of a core.
    pub cpu: i64,
    /// Thousandths of each GPU; fewer than a whole one only of a single GPU.
    pub milli: u16,
    /// How many GPUs.
    pub gpus: u32,
    /// The models allowed, as bits; none where any is.
    pub models: Option<u64>,
    /// MiB of memory.
    pub memory: i64,
}

impl Request {
    /// Thousandths of GPUs in all.
    pub fn gpu_milli(&self) -> i64 {
        i64::from(self.milli) * i64::from(self.gpus)
    }

    /// Whether it asks for a part of one GPU.
    pub fn is_shared(&self) -> bool {
        self.gpus == 1 && self.milli < WHOLE
    }

    /// Whether GPUs of that model will do; pods without GPUs run anywhere.
    pub fn allows(&self, model: Option<u8>) -> bool {
        match (self.models, model) {
            (Some(models), Some(model)) => models >> model & 1 == 1,
            (Some(_), None) => self.gpus == 0,
            (None, _) => true,
        }
    }
}

/// A node, with what is left of it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Node {
    pub name: String,
    /// Which of the models its GPUs are.
    pub model: Option<u8>,
    /// Thousandths of a core left.
    pub cpu: i64,
    /// MiB of memory left.
    pub memory: i64,
    /// Thousandths left of each GPU.
    pub gpus: Vec<u16>,
    /// Which kinds of pods with GPUs run there: bit 0 for parts of a GPU, bit n for n whole ones.
    pub kinds: u128,
}

impl Node {
    /// Thousandths of GPUs that are left.
    pub fn gpu_left(&self) -> i64 {
        self.gpus.iter().map(|left| i64::from(*left)).sum()
    }

    /// GPUs of which nothing is taken.
    pub fn whole_gpus(&self) -> u32 {
        self.gpus.iter().map(|left| u32::from(*left == WHOLE)).sum()
    }

    /// Whether the request can be met from what is left.
    pub fn fits(&self, request: &Request) -> bool {
        self.cpu >= request.cpu
            && self.memory >= request.memory
            && (request.gpus == 0
                || (self.has_gpus(request.milli, request.gpus) && request.allows(self.model)))
    }

    /// Whether so many GPUs have so much left each.
    pub fn has_gpus(&self, milli: u16, gpus: u32) -> bool {
        self.gpus.iter().map(|left| u32::from(*left >= milli)).sum::<u32>() >= gpus
    }

    /// The first GPUs of which nothing is taken, as many as asked for.
    pub fn first_whole(&self, request: &Request) -> u64 {
        let whole = self.gpus.iter().enumerate().filter(|(_, left)| **left == WHOLE);
        whole.take(request.gpus as usize).fold(0, |devices, (gpu, _)| devices | 1 << gpu)
    }

    /// The GPU with the least left of those that have enough, for a part of a GPU; else whole ones.
    pub fn tightest(&self, request: &Request) -> u64 {
        if !request.is_shared() {
            return self.first_whole(request);
        }
        let able = self.gpus.iter().enumerate().filter(|(_, left)| **left >= request.milli);
        able.min_by_key(|(_, left)| **left).map_or(0, |(gpu, _)| 1 << gpu)
    }

    /// Takes what is asked for, of those GPUs.
    pub fn take(&mut self, request: &Request, devices: u64) {
        self.cpu -= request.cpu;
        self.memory -= request.memory;
        for (gpu, left) in self.gpus.iter_mut().enumerate() {
            if devices >> gpu & 1 == 1 {
                *left = left.saturating_sub(request.milli);
            }
        }
        self.kinds |= kind(request);
    }
}

/// The kind of a request, as a bit; none for one without GPUs.
pub(super) fn kind(request: &Request) -> u128 {
    match request.gpus {
        0 => 0,
        _ if request.is_shared() => 1,
        gpus => 1 << gpus.min(GPUS_LIMIT),
    }
}

/// Where a pod goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Placement {
    pub node: u32,
    /// The GPUs, as bits.
    pub devices: u64,
}
