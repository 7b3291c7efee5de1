//! What plans are written with: one call, and its plan so far.

use std::borrow::Cow;

use drawloom_model::{Attributes, DType, ObjectType};
use drawloom_signature::{Arguments, Signature, ValueType};

use crate::argument::arguments;
use crate::plan::{Condition, Product};
use crate::{Argument, Buffer, Check, Device, Launch, ModuleRef, Plan, PlanError, Scratch, module};

/// How many threads a block has where there is no reason for another number.
pub(crate) const THREADS: u32 = 256;
/// The most blocks of a launch whose threads take on more work when they are done.
const MOST_BLOCKS: u64 = 16_384;

/// A call that is what its signature asks for, and its plan so far.
pub(crate) struct Builder<'a> {
    kernel: &'static str,
    pub(crate) arguments: Arguments<'a>,
    pub(crate) device: Device,
    inputs: &'a [ObjectType],
    plan: Plan,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(
        signature: &Signature,
        attributes: &'a Attributes,
        inputs: &'a [ObjectType],
        device: Device,
    ) -> Result<Self, PlanError> {
        let types: Vec<ValueType> = inputs.iter().map(ValueType::from).collect();
        let outputs = signature.infer(&types, attributes)?;
        let kernel = signature.name;
        let outputs: Option<Vec<ObjectType>> = outputs.iter().map(ValueType::concrete).collect();
        let unknown = || PlanError::Unsupported { kernel, reason: "outputs' shapes".to_owned() };
        let plan = Plan {
            outputs: outputs.ok_or_else(unknown)?,
            output_bytes: Vec::new(),
            zeroed: false,
            scratch: Vec::new(),
            launches: Vec::new(),
            check: None,
            product: None,
        };
        let arguments = Arguments::new(signature, attributes)?;
        Ok(Builder { kernel, arguments, device, inputs, plan })
    }

    pub(crate) fn into_plan(mut self) -> Plan {
        let sizes = self.plan.outputs.iter().map(ObjectType::size_bytes);
        self.plan.output_bytes = sizes.map(|bytes| bytes.unwrap_or(u64::MAX)).collect();
        self.plan
    }

    /// How many inputs there are.
    pub(crate) fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// The element type of an input.
    pub(crate) fn dtype(&self, input: usize) -> DType {
        dtype(&self.inputs[input])
    }

    /// The extents of an input.
    pub(crate) fn extents(&self, input: usize) -> &'a [u64] {
        extents(&self.inputs[input])
    }

    /// How many elements an input has.
    pub(crate) fn elements(&self, input: usize) -> u64 {
        product(self.extents(input))
    }

    /// The element type of an output.
    pub(crate) fn output_dtype(&self, output: usize) -> DType {
        dtype(&self.plan.outputs[output])
    }

    /// The extents of an output.
    pub(crate) fn output_extents(&self, output: usize) -> Vec<u64> {
        extents(&self.plan.outputs[output]).to_vec()
    }

    /// How many elements an output has.
    pub(crate) fn output_elements(&self, output: usize) -> u64 {
        product(extents(&self.plan.outputs[output]))
    }

    /// The error that says, as the CPU twin does, what cannot be computed.
    pub(crate) fn invalid(&self, message: impl Into<String>) -> PlanError {
        PlanError::Invalid { kernel: self.kernel, message: message.into() }
    }

    /// The error that leaves the call to the CPU twin.
    pub(crate) fn unsupported(&self, reason: impl Into<String>) -> PlanError {
        PlanError::Unsupported { kernel: self.kernel, reason: reason.into() }
    }

    /// Refuses numbers that kernels count with in 32 bits.
    pub(crate) fn within_32_bits(&self, numbers: &[u64]) -> Result<(), PlanError> {
        // A little less, so that tiles and strides beyond the end do not overflow.
        const LIMIT: u64 = u32::MAX as u64 - (1 << 16);
        match numbers.iter().find(|number| **number > LIMIT) {
            Some(number) => Err(self.unsupported(format!("{number} is beyond 32 bits"))),
            None => Ok(()),
        }
    }

    /// Memory for the plan alone.
    pub(crate) fn scratch(&mut self, bytes: u64) -> Buffer {
        self.add_scratch(bytes, false)
    }

    /// The same, zeroed.
    pub(crate) fn zeroed(&mut self, bytes: u64) -> Buffer {
        self.add_scratch(bytes, true)
    }

    fn add_scratch(&mut self, bytes: u64, zeroed: bool) -> Buffer {
        self.plan.scratch.push(Scratch { bytes: bytes.max(1), zeroed });
        Buffer::Scratch(self.plan.scratch.len() - 1)
    }

    /// A launch of so many blocks of [`THREADS`] threads.
    pub(crate) fn launch(
        &mut self,
        module: &str,
        entry: impl Into<Cow<'static, str>>,
        blocks: u64,
        arguments: Vec<Argument>,
    ) -> Result<(), PlanError> {
        self.launch_as(module, entry, blocks, (THREADS, 0), arguments)
    }

    /// A launch of so many blocks, of so many threads and with so many bytes of memory each.
    pub(crate) fn launch_as(
        &mut self,
        module: &str,
        entry: impl Into<Cow<'static, str>>,
        blocks: u64,
        (threads, shared_bytes): (u32, u32),
        arguments: Vec<Argument>,
    ) -> Result<(), PlanError> {
        let blocks = i32::try_from(blocks)
            .map_err(|_| self.unsupported(format!("{blocks} blocks are beyond a grid")))?;
        let module = module::find(module)
            .ok_or_else(|| self.unsupported(format!("there is no module {module}")))?;
        let (module, entry) = (ModuleRef::Catalogue(module), entry.into());
        let (grid, block) = ([blocks as u32, 1, 1], [threads, 1, 1]);
        self.plan.launches.push(Launch { module, entry, grid, block, shared_bytes, arguments });
        Ok(())
    }

    /// A launch for so many pieces of work, whose threads take on more when they are done.
    pub(crate) fn launch_each(
        &mut self,
        module: &str,
        entry: impl Into<Cow<'static, str>>,
        count: u64,
        arguments: Vec<Argument>,
    ) -> Result<(), PlanError> {
        let blocks = count.div_ceil(u64::from(THREADS)).clamp(1, MOST_BLOCKS);
        self.launch(module, entry, blocks, arguments)
    }

    /// Tells which products all launches together make.
    pub(crate) fn makes(&mut self, product: Product) {
        self.plan.product = Some(product);
    }

    /// Has the device look at every element of an input.
    pub(crate) fn check(&mut self, input: usize, condition: Condition) -> Result<(), PlanError> {
        let (count, dtype) = (self.elements(input), self.dtype(input));
        if count == 0 {
            return Ok(());
        }
        let status = self.zeroed(8);
        let module = module_of("check", dtype);
        let x = Buffer::Input(input);
        match condition {
            Condition::Index { bound, .. } => {
                let arguments = arguments![x, count, bound, status];
                self.launch_each(&module, "indices", count, arguments)?;
            }
            Condition::Divisor => {
                self.launch_each(&module, "divisors", count, arguments![x, count, status])?;
            }
            Condition::Exponent => {
                self.launch_each(&module, "exponents", count, arguments![x, count, status])?;
            }
        }
        self.plan.check = Some(Check { status, input, dtype, condition });
        Ok(())
    }
}

fn dtype(object_type: &ObjectType) -> DType {
    match object_type {
        ObjectType::Tensor { dtype, .. } => *dtype,
        ObjectType::Blob => DType::U8,
    }
}

fn extents(object_type: &ObjectType) -> &[u64] {
    match object_type {
        ObjectType::Tensor { shape, .. } => shape.extents(),
        ObjectType::Blob => &[],
    }
}

/// How many elements there are with these extents.
pub(crate) fn product(extents: &[u64]) -> u64 {
    if extents.contains(&0) { 0 } else { extents.iter().copied().fold(1, u64::saturating_mul) }
}

/// The module of a source for an element type.
pub(crate) fn module_of(source: &str, dtype: DType) -> String {
    format!("{source}_{dtype}")
}

/// The module of a source for elements of so many bytes.
pub(crate) fn module_of_size(source: &str, bytes: u64) -> String {
    format!("{source}_b{bytes}")
}

/// How many bytes an element takes.
pub(crate) fn size_of(dtype: DType) -> u64 {
    dtype.size_bytes() as u64
}

/// The type that elements are computed with in.
pub(crate) fn wide(dtype: DType) -> DType {
    match dtype {
        DType::F16 | DType::BF16 => DType::F32,
        other => other,
    }
}

/// A number as an argument of this type: integers saturate, halves are their bits.
pub(crate) fn scalar(dtype: DType, value: f64) -> Argument {
    match dtype {
        DType::U8 => Argument::U8(value as u8),
        DType::I32 => Argument::U32(value as i32 as u32),
        DType::I64 => Argument::U64(value as i64 as u64),
        DType::F16 => Argument::U16(half::f16::from_f64(value).to_bits()),
        DType::BF16 => Argument::U16(half::bf16::from_f64(value).to_bits()),
        DType::F32 => Argument::F32(value as f32),
        DType::F64 => Argument::F64(value),
    }
}

/// The bits of a number as an element of this type, as an argument of an unsigned type of its size.
pub(crate) fn bits(dtype: DType, value: f64) -> Argument {
    match scalar(dtype, value) {
        Argument::F32(value) => Argument::U32(value.to_bits()),
        Argument::F64(value) => Argument::U64(value.to_bits()),
        other => other,
    }
}
