//! How long a kernel takes.

use std::time::Instant;

use anyhow::{Context as _, Result};
use drawloom_kernels::{CpuContext, KernelError, Operand, Outputs, run};
use drawloom_model::{KernelCall, ObjectType, Value};
use drawloom_signature::{Cost, find};

use super::cases::Case;

/// How long a run of repeated calls takes at least.
const RUN_SECONDS: f64 = 0.02;

/// What calls of a kernel took.
#[derive(Clone, Debug)]
pub(crate) struct Timed {
    /// A call's cost, blobs counted in.
    pub(crate) cost: Cost,
    /// Seconds a call, run by run.
    pub(crate) seconds: Vec<f64>,
}

impl Timed {
    /// Calls a kernel until there are so many runs, after one that warms up.
    ///
    /// # Errors
    /// The kernel fails.
    pub(crate) fn measure(
        kernel: &str,
        case: &Case,
        context: &CpuContext<'_>,
        runs: usize,
    ) -> Result<Self> {
        let inputs: Vec<Value> = case.inputs.iter().map(|input| input.make()).collect();
        let operands: Vec<Operand<'_>> = inputs
            .iter()
            .map(|Value { object_type, data }| Operand { object_type, data })
            .collect();
        let call = KernelCall { name: kernel.to_owned(), attributes: case.attributes.clone() };
        let mut memory = Reused::default();
        let mut once = || -> Result<f64> {
            let start = Instant::now();
            run(&call, &operands, context, &mut memory).with_context(|| kernel.to_owned())?;
            Ok(start.elapsed().as_secs_f64())
        };
        once()?;
        let repeats = (RUN_SECONDS / once()?.max(1e-9)).ceil().clamp(1.0, 1e6) as usize;
        let mut seconds = Vec::with_capacity(runs);
        for _ in 0..runs {
            let mut total = 0.0;
            for _ in 0..repeats {
                total += once()?;
            }
            seconds.push(total / repeats as f64);
        }
        let signature = find(kernel).context("the kernel has no signature")?;
        let flops = signature.cost(&case.input_types(), &case.attributes).flops;
        let read: usize = inputs.iter().map(|input| input.data.len()).sum();
        let bytes = (read + memory.bytes()) as u64;
        Ok(Timed { cost: Cost { flops, bytes }, seconds })
    }
}

/// What kernels ask of their outputs' places, in words of 8 bytes.
const ALIGNMENT_WORDS: usize = 8;

/// Outputs in memory that is used again, so that its pages are there.
#[derive(Default)]
struct Reused {
    buffers: Vec<Vec<u64>>,
    sizes: Vec<usize>,
}

impl Reused {
    /// The size of all outputs.
    fn bytes(&self) -> usize {
        self.sizes.iter().sum()
    }

    fn make(&mut self, sizes: Vec<usize>) -> Vec<&mut [u8]> {
        self.buffers.resize_with(sizes.len(), Vec::new);
        for (buffer, bytes) in self.buffers.iter_mut().zip(&sizes) {
            buffer.resize(bytes.div_ceil(8) + ALIGNMENT_WORDS, 0);
        }
        self.sizes = sizes;
        let buffers = self.buffers.iter_mut().zip(&self.sizes);
        buffers.map(|(buffer, bytes)| aligned(buffer, *bytes)).collect()
    }
}

fn aligned(buffer: &mut [u64], bytes: usize) -> &mut [u8] {
    let start = buffer.as_ptr().align_offset(8 * ALIGNMENT_WORDS).min(ALIGNMENT_WORDS);
    &mut bytemuck::cast_slice_mut(&mut buffer[start..])[..bytes]
}

impl Outputs for Reused {
    fn create(&mut self, types: &[ObjectType]) -> Result<Vec<&mut [u8]>, KernelError> {
        let size = |object_type: &ObjectType| object_type.size_bytes().unwrap_or(0) as usize;
        Ok(self.make(types.iter().map(size).collect()))
    }

    fn create_blob(&mut self, bytes: usize) -> Result<&mut [u8], KernelError> {
        self.make(vec![bytes]).pop().ok_or(KernelError::OutOfMemory { bytes: bytes as u64 })
    }
}
