//! The CPU twins, run for comparison.

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
    let value = |(object_type, memory): (ObjectType, Vec<u64>)| {
        let bytes = object_type.size_bytes().expect("a size") as usize;
        let all: Vec<u8> = memory.into_iter().flat_map(u64::to_le_bytes).collect();
        Value { object_type, data: Bytes::from(all).slice(..bytes) }
    };
    Ok(buffers.types.into_iter().zip(buffers.memory).map(value).collect())
}

/// Outputs on the heap.
#[derive(Default)]
struct Buffers {
    types: Vec<ObjectType>,
    memory: Vec<Vec<u64>>,
}

impl Outputs for Buffers {
    fn create(&mut self, types: &[ObjectType]) -> Result<Vec<&mut [u8]>, KernelError> {
        let size = |object_type: &ObjectType| object_type.size_bytes().expect("a size") as usize;
        self.types = types.to_vec();
        self.memory = types.iter().map(|one| vec![0; size(one).div_ceil(8)]).collect();
        let buffers = self.memory.iter_mut().zip(types);
        Ok(buffers
            .map(|(memory, one)| {
                // SAFETY: numbers without padding are bytes, of which there are at least so many.
                let bytes = unsafe {
                    std::slice::from_raw_parts_mut(memory.as_mut_ptr().cast(), 8 * memory.len())
                };
                &mut bytes[..size(one)]
            })
            .collect())
    }

    fn create_blob(&mut self, bytes: usize) -> Result<&mut [u8], KernelError> {
        Err(KernelError::OutOfMemory { bytes: bytes as u64 })
    }
}
