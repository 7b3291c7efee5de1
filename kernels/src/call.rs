//! One call of a kernel: typed views of its inputs and outputs.

use std::borrow::Cow;

use bytemuck::Pod;
use drawloom_model::{Attributes, DType, ObjectType};
use drawloom_signature::{Arguments, Signature, ValueType};

use crate::{CpuContext, KernelError};

/// An object that a kernel takes.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    /// What the bytes mean.
    pub object_type: &'a ObjectType,
    /// The bytes. Aligned ones are read where they are, others are copied first.
    pub data: &'a [u8],
}

/// Where a kernel's outputs go.
pub trait Outputs {
    /// Makes one buffer for each type, of exactly its size and aligned to 64 bytes. What the
    /// buffers hold does not matter: kernels write every byte. Called exactly once by each kernel
    /// that has outputs, before it computes or, where sizes depend on the inputs, in between.
    ///
    /// # Errors
    /// There is no memory for them; the kernel passes the error on.
    fn create(&mut self, types: &[ObjectType]) -> Result<Vec<&mut [u8]>, KernelError>;

    /// Makes the one buffer of a kernel whose output is a blob, in place of [`Outputs::create`].
    ///
    /// # Errors
    /// There is no memory for it; the kernel passes the error on.
    fn create_blob(&mut self, bytes: usize) -> Result<&mut [u8], KernelError>;
}

/// A call whose inputs and attributes are what its signature asks for.
pub(crate) struct Call<'a> {
    kernel: &'static str,
    pub(crate) arguments: Arguments<'a>,
    pub(crate) context: &'a CpuContext<'a>,
    inputs: &'a [Operand<'a>],
    outputs: Vec<ValueType>,
}

impl<'a> Call<'a> {
    /// Checks a call against its signature.
    pub(crate) fn new(
        signature: &Signature,
        attributes: &'a Attributes,
        inputs: &'a [Operand<'a>],
        context: &'a CpuContext<'a>,
    ) -> Result<Self, KernelError> {
        let types: Vec<ValueType> =
            inputs.iter().map(|input| ValueType::from(input.object_type)).collect();
        let outputs = signature.infer(&types, attributes)?;
        let arguments = Arguments::new(signature, attributes)?;
        let call = Call { kernel: signature.name, arguments, context, inputs, outputs };
        for (index, Operand { object_type, data }) in inputs.iter().enumerate() {
            let fits = *object_type == &ObjectType::Blob
                || object_type.size_bytes() == Some(data.len() as u64);
            if !fits {
                let size = data.len();
                return Err(call.invalid(format!("input {index} is {object_type} of {size} bytes")));
            }
        }
        Ok(call)
    }

    /// How many inputs there are.
    pub(crate) fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// The element type of a tensor input.
    pub(crate) fn dtype(&self, index: usize) -> DType {
        match self.inputs[index].object_type {
            ObjectType::Tensor { dtype, .. } => *dtype,
            ObjectType::Blob => DType::U8,
        }
    }

    /// The extents of a tensor input.
    pub(crate) fn extents(&self, index: usize) -> Vec<usize> {
        match self.inputs[index].object_type {
            ObjectType::Tensor { shape, .. } => {
                shape.extents().iter().map(|extent| *extent as usize).collect()
            }
            ObjectType::Blob => vec![self.inputs[index].data.len()],
        }
    }

    /// The extents of a tensor output, where the signature tells them.
    pub(crate) fn output_extents(&self, index: usize) -> Result<Vec<usize>, KernelError> {
        match self.outputs[index].concrete() {
            Some(ObjectType::Tensor { shape, .. }) => {
                Ok(shape.extents().iter().map(|extent| *extent as usize).collect())
            }
            Some(ObjectType::Blob) | None => Err(self.invalid("an output's shape cannot be told")),
        }
    }

    /// The bytes of an input.
    pub(crate) fn bytes(&self, index: usize) -> &'a [u8] {
        self.inputs[index].data
    }

    /// The elements of a tensor input.
    pub(crate) fn input<T: Pod>(&self, index: usize) -> Cow<'a, [T]> {
        let data = self.inputs[index].data;
        match bytemuck::try_cast_slice(data) {
            Ok(elements) => Cow::Borrowed(elements),
            Err(_) => {
                let size = size_of::<T>();
                Cow::Owned(data.chunks_exact(size).map(bytemuck::pod_read_unaligned).collect())
            }
        }
    }

    /// The outputs' buffers, where the signature tells their types.
    pub(crate) fn create<'o>(
        &self,
        outputs: &'o mut dyn Outputs,
    ) -> Result<Vec<&'o mut [u8]>, KernelError> {
        let types: Option<Vec<ObjectType>> = self.outputs.iter().map(ValueType::concrete).collect();
        let types = types.ok_or_else(|| self.invalid("the outputs' shapes cannot be told"))?;
        self.create_as(outputs, &types)
    }

    /// The outputs' buffers, of types found by the kernel itself.
    pub(crate) fn create_as<'o>(
        &self,
        outputs: &'o mut dyn Outputs,
        types: &[ObjectType],
    ) -> Result<Vec<&'o mut [u8]>, KernelError> {
        let buffers = outputs.create(types)?;
        let sizes = types.iter().map(ObjectType::size_bytes);
        if buffers.iter().map(|buffer| Some(buffer.len() as u64)).eq(sizes) {
            return Ok(buffers);
        }
        Err(KernelError::Outputs("the buffers do not have the sizes asked for".to_owned()))
    }

    /// The one output's elements.
    pub(crate) fn create_one<'o, T: Pod>(
        &self,
        outputs: &'o mut dyn Outputs,
    ) -> Result<&'o mut [T], KernelError> {
        let [output] = self.create_all(outputs)?;
        elements(output)
    }

    /// The outputs' buffers, as many as the signature says.
    pub(crate) fn create_all<'o, const N: usize>(
        &self,
        outputs: &'o mut dyn Outputs,
    ) -> Result<[&'o mut [u8]; N], KernelError> {
        let buffers = self.create(outputs)?;
        let wrong = |_| KernelError::Outputs(format!("{} makes {N}", self.kernel));
        buffers.try_into().map_err(wrong)
    }

    /// The buffer of the one output, a blob.
    pub(crate) fn create_blob<'o>(
        &self,
        outputs: &'o mut dyn Outputs,
        bytes: usize,
    ) -> Result<&'o mut [u8], KernelError> {
        let buffer = outputs.create_blob(bytes)?;
        if buffer.len() == bytes {
            return Ok(buffer);
        }
        Err(KernelError::Outputs(format!("{} wants {bytes} bytes", self.kernel)))
    }

    /// The error that says what of the inputs cannot be computed with.
    pub(crate) fn invalid(&self, message: impl Into<String>) -> KernelError {
        KernelError::Invalid { kernel: self.kernel, message: message.into() }
    }
}

/// A buffer's elements.
pub(crate) fn elements<T: Pod>(buffer: &mut [u8]) -> Result<&mut [T], KernelError> {
    bytemuck::try_cast_slice_mut(buffer)
        .map_err(|error| KernelError::Outputs(format!("a buffer does not fit: {error}")))
}
