//! What the kernels' tests run kernels with.

use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

use drawloom_model::{Attribute, Attributes, DType, KernelCall, ObjectType, Shape, Value};
use rayon::ThreadPool;

use crate::element::Number;
use crate::philox::{Philox, below};
use crate::{CpuContext, KernelError, Operand, Outputs, run};

/// Runs a kernel on one core, on two, and on one with inputs that are not aligned, and checks
/// that the results are the same, bit for bit.
pub(crate) fn trial(
    kernel: &str,
    attributes: Attributes,
    inputs: &[Value],
) -> Result<Vec<Value>, KernelError> {
    static POOL: LazyLock<ThreadPool> =
        LazyLock::new(|| rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool"));
    let call = KernelCall { name: kernel.to_owned(), attributes };
    let cancel = AtomicBool::new(false);
    let serial = run_with(&call, inputs, &CpuContext::new(1, &cancel, None));
    let parallel = run_with(&call, inputs, &CpuContext::new(2, &cancel, Some(&POOL)));
    assert_eq!(serial, parallel, "{kernel} on 1 and on 2 cores");
    let shifted: Vec<Value> = inputs.iter().map(misaligned).collect();
    let unaligned = run_with(&call, &shifted, &CpuContext::new(1, &cancel, None));
    assert_eq!(serial, unaligned, "{kernel} of inputs that are not aligned");
    let cancelled = AtomicBool::new(true);
    let stopped = run_with(&call, inputs, &CpuContext::new(1, &cancelled, None));
    assert!(kernel == "noop" || stopped.is_err(), "{kernel} looks at the cancel flag");
    serial
}

/// Runs a kernel that must succeed and makes one output.
pub(crate) fn made(kernel: &str, given: &[(&str, Attribute)], inputs: &[Value]) -> Value {
    trial(kernel, attributes(given), inputs).expect("a result").remove(0)
}

/// What a kernel says that must fail.
pub(crate) fn refused(kernel: &str, given: &[(&str, Attribute)], inputs: &[Value]) -> String {
    trial(kernel, attributes(given), inputs).expect_err("a failure").to_string()
}

/// Attributes by name.
pub(crate) fn attributes(given: &[(&str, Attribute)]) -> Attributes {
    given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// A tensor.
pub(crate) fn tensor<T: Number>(extents: &[u64], elements: &[T]) -> Value {
    let shape = Shape::new(extents.iter().copied());
    let object_type = ObjectType::Tensor { dtype: T::DTYPE, shape };
    let value = Value { object_type, data: bytemuck::cast_slice(elements).to_vec().into() };
    assert!(value.is_consistent());
    value
}

/// A tensor of small random numbers, whole where its type is an integer's.
pub(crate) fn random<T: Number>(extents: &[u64], seed: i64) -> Value {
    let generator = Philox::new(seed, 0);
    let count = extents.iter().product::<u64>();
    let value = |counter| match T::INTEGER {
        true => below(generator.words(counter)[0], 20) as f64,
        false => generator.normals(counter)[0],
    };
    let elements: Vec<T> = (0..count).map(|counter| T::from_f64(value(counter))).collect();
    tensor(extents, &elements)
}

/// A tensor's elements.
pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    fn read<T: Number>(data: &[u8]) -> Vec<f64> {
        let element = |bytes| bytemuck::pod_read_unaligned::<T>(bytes).to_f64();
        data.chunks_exact(size_of::<T>()).map(element).collect()
    }
    let ObjectType::Tensor { dtype, .. } = &value.object_type else { return Vec::new() };
    match dtype {
        DType::U8 => read::<u8>(&value.data),
        DType::I32 => read::<i32>(&value.data),
        DType::I64 => read::<i64>(&value.data),
        DType::F32 => read::<f32>(&value.data),
        DType::F64 => read::<f64>(&value.data),
        DType::F16 => read::<half::f16>(&value.data),
        DType::BF16 => read::<half::bf16>(&value.data),
    }
}

/// A tensor's extents.
pub(crate) fn extents(value: &Value) -> Vec<u64> {
    match &value.object_type {
        ObjectType::Tensor { shape, .. } => shape.extents().to_vec(),
        ObjectType::Blob => Vec::new(),
    }
}

/// Checks that `value` has the expected elements, each within `tolerance` of its own size, or of
/// 1 where it is smaller than that.
pub(crate) fn assert_near(value: &Value, expected: &[f64], tolerance: f64) {
    let got = numbers(value);
    assert_eq!(got.len(), expected.len());
    for (place, (got, expected)) in got.iter().zip(expected).enumerate() {
        let same = got.to_bits() == expected.to_bits() || got == expected;
        let near = (got - expected).abs() <= tolerance * expected.abs().max(1.0);
        let both_nan = got.is_nan() && expected.is_nan();
        assert!(same || near || both_nan, "element {place}: {got}, expected {expected}");
    }
}

/// Checks `gradient`, that of the `which`-th input when `dy` is that of the kernel's output, against
/// central differences. All are of f64; the kernel must be smooth about the inputs.
pub(crate) fn assert_gradient(
    kernel: &str,
    given: &[(&str, Attribute)],
    inputs: &[Value],
    which: usize,
    dy: &Value,
    gradient: &Value,
) {
    const STEP: f64 = 1e-5;
    let (x, dy) = (numbers(&inputs[which]), numbers(dy));
    let loss = |element: usize, step: f64| -> f64 {
        let mut moved = x.clone();
        moved[element] += step;
        let mut inputs = inputs.to_vec();
        inputs[which] = tensor(&extents(&inputs[which]), &moved);
        let y = numbers(&made(kernel, given, &inputs));
        y.iter().zip(&dy).map(|(y, dy)| y * dy).sum()
    };
    let slope = |element| (loss(element, STEP) - loss(element, -STEP)) / (2.0 * STEP);
    assert_near(gradient, &(0..x.len()).map(slope).collect::<Vec<_>>(), 1e-7);
}

fn misaligned(value: &Value) -> Value {
    let mut shifted = Value::blob([&[0], value.data.as_ref()].concat());
    shifted.data = shifted.data.slice(1..);
    Value { object_type: value.object_type.clone(), ..shifted }
}

fn run_with(
    call: &KernelCall,
    inputs: &[Value],
    context: &CpuContext<'_>,
) -> Result<Vec<Value>, KernelError> {
    let operands: Vec<Operand<'_>> =
        inputs.iter().map(|Value { object_type, data }| Operand { object_type, data }).collect();
    let mut buffers = Buffers::default();
    run(call, &operands, context, &mut buffers)?;
    Ok(buffers.into_values())
}

const ALIGNMENT: usize = 64;

/// Outputs on the heap, full of rubbish to begin with.
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

impl Buffers {
    fn into_values(self) -> Vec<Value> {
        let value = |(object_type, memory): (ObjectType, Vec<u8>)| {
            let range = aligned(&memory);
            Value { object_type, data: memory[range].to_vec().into() }
        };
        self.types.into_iter().zip(self.memory).map(value).collect()
    }
}

impl Outputs for Buffers {
    fn create(&mut self, types: &[ObjectType]) -> Result<Vec<&mut [u8]>, KernelError> {
        let size = |object_type: &ObjectType| object_type.size_bytes().expect("a size") as usize;
        Ok(self.make(types.iter().map(|one| (one.clone(), size(one))).collect()))
    }

    fn create_blob(&mut self, bytes: usize) -> Result<&mut [u8], KernelError> {
        Ok(self.make(vec![(ObjectType::Blob, bytes)]).remove(0))
    }
}

impl Buffers {
    fn make(&mut self, sizes: Vec<(ObjectType, usize)>) -> Vec<&mut [u8]> {
        assert!(self.types.is_empty(), "outputs are made once");
        self.memory = sizes.iter().map(|(_, bytes)| vec![0xA5; bytes + ALIGNMENT]).collect();
        self.types = sizes.into_iter().map(|(object_type, _)| object_type).collect();
        self.memory
            .iter_mut()
            .map(|memory| {
                let range = aligned(memory);
                &mut memory[range]
            })
            .collect()
    }
}
