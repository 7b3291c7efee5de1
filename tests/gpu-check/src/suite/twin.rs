//! The CPU twins, run for comparison.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use drawloom_kernels::{CpuContext, KernelError, Operand, Outputs, run};
use drawloom_model::{KernelCall, ObjectType, Value};

/// Runs a kernel's CPU twin.
pub fn twin(call: &KernelCall, inputs: &[Value]) -> Result<Vec<Value>, String> {
    let operands: Vec<Operand<'_>> =
        inputs.iter().map(|Value { object_type, data }| Operand { object_type, data }).collect();
    let cancel = AtomicBool::new(false);
    let mut buffers = Buffers::default();
    run(call, &operands, &CpuContext::new(1, &cancel, None), &mut buffers)
        .map_err(|error| error.to_string())?;
    let value = |(object_type, memory): (ObjectType, Vec<u8>)| {
        let range = aligned(&memory);
        Value { object_type, data: Bytes::from(memory).slice(range) }
    };
    Ok(buffers.types.into_iter().zip(buffers.memory).map(value).collect())
}

/// How kernels want their outputs aligned.
const ALIGNMENT: usize = 64;

/// Outputs on the heap.
#[derive(Default)]
struct Buffers {
    types: Vec<ObjectType>,
    memory: Vec<Vec<u8>>,
}

/// The part of a buffer that is aligned and as long as was asked for.
fn aligned(memory: &[u8]) -> Range<usize> {
    let start = memory.as_ptr().align_offset(ALIGNMENT);
    start..memory.len() - ALIGNMENT + start
}

fn part(memory: &mut [u8]) -> &mut [u8] {
    let range = aligned(memory);
    &mut memory[range]
}

impl Outputs for Buffers {
    fn create(&mut self, types: &[ObjectType]) -> Result<Vec<&mut [u8]>, KernelError> {
        let size = |object_type: &ObjectType| object_type.size_bytes().expect("a size") as usize;
        self.types = types.to_vec();
        self.memory = types.iter().map(|one| vec![0; size(one) + ALIGNMENT]).collect();
        Ok(self.memory.iter_mut().map(|memory| part(memory)).collect())
    }

    fn create_blob(&mut self, bytes: usize) -> Result<&mut [u8], KernelError> {
        Err(KernelError::OutOfMemory { bytes: bytes as u64 })
    }
}
