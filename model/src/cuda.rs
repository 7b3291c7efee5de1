//! Users' own CUDA code: a kernel's source, and how a task becomes a launch of it.

use std::sync::Arc;

use crate::{DType, Expression};

/// The largest source, in bytes.
pub const CUDA_SOURCE_LIMIT_BYTES: usize = 1024 * 1024;

/// A kernel of a user's, and how it is launched. It runs on one device.
#[derive(Clone, PartialEq, Debug)]
pub struct CudaSpec {
    /// The text that has the kernel.
    pub source: CudaSource,
    /// The kernel's name: in CUDA C++ that of an `extern "C" __global__` function.
    pub entry: String,
    /// How many blocks there are, in one to three dimensions.
    pub grid: Vec<Expression>,
    /// How many threads a block has, in one to three dimensions.
    pub block: Vec<Expression>,
    /// Bytes of shared memory of each block, beside what the kernel declares.
    pub shared_bytes: Expression,
    /// What the kernel is given, in the order of its parameters.
    pub arguments: Vec<CudaArgument>,
    /// The compiler's options, but for the architecture, which is the device's. None with PTX.
    pub options: Vec<String>,
}

/// A text that has a kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CudaSource {
    /// CUDA C++, which is compiled where it runs.
    Cpp(Arc<str>),
    /// PTX, which every driver takes.
    Ptx(Arc<str>),
}

/// A parameter of a kernel, and what it is given.
#[derive(Clone, PartialEq, Debug)]
pub struct CudaArgument {
    /// A name, unique in the kernel, for expressions and errors.
    pub name: String,
    /// What it is given.
    pub value: CudaValue,
}

/// What a parameter is given.
#[derive(Clone, PartialEq, Debug)]
pub enum CudaValue {
    /// The address of the next of the task's inputs, which is not to be written. Its elements are of
    /// this type; a blob is taken where they are of u8.
    Input(DType),
    /// The address of the next of the task's outputs, whose elements are 0.
    Output {
        /// The type of its elements; where there is none, the output is a blob of as many bytes.
        dtype: Option<DType>,
        /// Its extents, outermost first.
        shape: Vec<Expression>,
    },
    /// A number.
    Scalar(CudaScalar),
}

/// A number of the type that the parameter has in C++.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub enum CudaScalar {
    I32(Expression),
    U32(Expression),
    I64(Expression),
    U64(Expression),
    F32(Real),
    F64(Real),
}

/// A number that need not be whole.
#[derive(Clone, PartialEq, Debug)]
pub enum Real {
    /// A constant.
    Constant(f64),
    /// A whole number.
    Expression(Expression),
}

impl CudaScalar {
    /// The type's name in files, messages and errors.
    pub const fn type_name(&self) -> &'static str {
        match self {
            CudaScalar::I32(_) => "i32",
            CudaScalar::U32(_) => "u32",
            CudaScalar::I64(_) => "i64",
            CudaScalar::U64(_) => "u64",
            CudaScalar::F32(_) => "f32",
            CudaScalar::F64(_) => "f64",
        }
    }

    /// The expression of a whole number, which other expressions may name.
    pub const fn whole(&self) -> Option<&Expression> {
        match self {
            CudaScalar::I32(value)
            | CudaScalar::U32(value)
            | CudaScalar::I64(value)
            | CudaScalar::U64(value) => Some(value),
            CudaScalar::F32(_) | CudaScalar::F64(_) => None,
        }
    }
}

impl CudaSpec {
    /// How many objects the task takes.
    pub fn inputs(&self) -> usize {
        let is_input = |argument: &&CudaArgument| matches!(argument.value, CudaValue::Input(_));
        self.arguments.iter().filter(is_input).count()
    }

    /// How many objects it makes.
    pub fn outputs(&self) -> usize {
        let is_output =
            |argument: &&CudaArgument| matches!(argument.value, CudaValue::Output { .. });
        self.arguments.iter().filter(is_output).count()
    }
}
