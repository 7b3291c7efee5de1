//! Describing CUDA kernels of one's own.

use drawloom_model::{
    CudaArgument, CudaScalar, CudaSource, CudaSpec, CudaValue, DType, Expression, ExpressionError,
    Real,
};

/// A CUDA kernel of one's own in the making: its arguments are told in the order of its parameters.
///
/// Extents and whole numbers are numbers or expressions, see [`Expression`].
///
/// ```
/// use drawloom_client::{CudaKernel, DType, GraphBuilder, Value};
///
/// let source = r#"
/// extern "C" __global__ void scale(int n, float by, const float* x, float* y) {
///     int i = blockIdx.x * blockDim.x + threadIdx.x;
///     if (i < n) y[i] = by * x[i];
/// }"#;
/// let scale = CudaKernel::cpp(source, "scale")
///     .grid(["ceil_div(n, 256)"])
///     .block([256])
///     .i32("n", "len(x)")
///     .f32("by", 0.5)
///     .input("x", DType::F32)
///     .output("y", DType::F32, ["n"])
///     .build()?;
/// let mut graph = GraphBuilder::new("half");
/// let x = graph.literal("x", Value::scalar_f32(3.0));
/// let half = graph.cuda(scale).input(x).add();
/// graph.output("y", half.output(0));
/// # Ok::<(), drawloom_client::CudaKernelError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a kernel is described when it is built"]
pub struct CudaKernel {
    spec: CudaSpec,
    /// The first thing that was wrong.
    fault: Option<CudaKernelError>,
}

/// An expression of a kernel's means nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{field}: {message}")]
pub struct CudaKernelError {
    /// The field at fault, such as `grid[0]`, or an argument's name.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// What tells a whole number: a number, or the text of an [`Expression`].
pub trait IntoExpression {
    /// The expression.
    ///
    /// # Errors
    /// The text is none.
    fn into_expression(self) -> Result<Expression, ExpressionError>;
}

impl IntoExpression for Expression {
    fn into_expression(self) -> Result<Expression, ExpressionError> {
        Ok(self)
    }
}

impl IntoExpression for &str {
    fn into_expression(self) -> Result<Expression, ExpressionError> {
        self.parse()
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl IntoExpression for $number {
            fn into_expression(self) -> Result<Expression, ExpressionError> {
                Ok(Expression::number(self))
            }
        })*
    };
}

numbers!(i32, u32, i64, u64);

impl CudaKernel {
    /// A kernel in CUDA C++, which is compiled where it runs: `entry` names an `extern "C"
    /// __global__` function.
    pub fn cpp(source: &str, entry: &str) -> Self {
        CudaKernel::new(CudaSource::Cpp(source.into()), entry)
    }

    /// A kernel in PTX.
    pub fn ptx(source: &str, entry: &str) -> Self {
        CudaKernel::new(CudaSource::Ptx(source.into()), entry)
    }

    fn new(source: CudaSource, entry: &str) -> Self {
        let spec = CudaSpec {
            source,
            entry: entry.to_owned(),
            grid: Vec::new(),
            block: Vec::new(),
            shared_bytes: Expression::number(0),
            arguments: Vec::new(),
            options: Vec::new(),
        };
        CudaKernel { spec, fault: None }
    }

    /// How many blocks there are, in one to three dimensions.
    pub fn grid<E: IntoExpression>(mut self, extents: impl IntoIterator<Item = E>) -> Self {
        self.spec.grid = self.extents("grid", extents);
        self
    }

    /// How many threads a block has, in one to three dimensions.
    pub fn block<E: IntoExpression>(mut self, extents: impl IntoIterator<Item = E>) -> Self {
        self.spec.block = self.extents("block", extents);
        self
    }

    /// Bytes of shared memory of each block, beside what the kernel declares; 0 where not told.
    pub fn shared_bytes(mut self, bytes: impl IntoExpression) -> Self {
        self.spec.shared_bytes = self.expression("shared_bytes", bytes);
        self
    }

    /// An option for the compiler, such as `--use_fast_math`.
    pub fn option(mut self, option: &str) -> Self {
        self.spec.options.push(option.to_owned());
        self
    }

    /// The next parameter points to the next of the task's inputs.
    pub fn input(self, name: &str, dtype: DType) -> Self {
        self.argument(name, CudaValue::Input(dtype))
    }

    /// The next parameter points to the next of the task's outputs.
    pub fn output<E: IntoExpression>(
        mut self,
        name: &str,
        dtype: DType,
        shape: impl IntoIterator<Item = E>,
    ) -> Self {
        let shape = self.extents(name, shape);
        self.argument(name, CudaValue::Output { dtype: Some(dtype), shape })
    }

    /// The next parameter points to the next of the task's outputs: a blob of so many bytes.
    pub fn blob(mut self, name: &str, bytes: impl IntoExpression) -> Self {
        let shape = self.extents(name, [bytes]);
        self.argument(name, CudaValue::Output { dtype: None, shape })
    }

    /// The next parameter is an `int`.
    pub fn i32(self, name: &str, value: impl IntoExpression) -> Self {
        self.whole(name, value, CudaScalar::I32)
    }

    /// The next parameter is an `unsigned int`.
    pub fn u32(self, name: &str, value: impl IntoExpression) -> Self {
        self.whole(name, value, CudaScalar::U32)
    }

    /// The next parameter is a `long long`.
    pub fn i64(self, name: &str, value: impl IntoExpression) -> Self {
        self.whole(name, value, CudaScalar::I64)
    }

    /// The next parameter is an `unsigned long long`.
    pub fn u64(self, name: &str, value: impl IntoExpression) -> Self {
        self.whole(name, value, CudaScalar::U64)
    }

    /// The next parameter is a `float`.
    pub fn f32(self, name: &str, value: f32) -> Self {
        let value = CudaScalar::F32(Real::Constant(value.into()));
        self.argument(name, CudaValue::Scalar(value))
    }

    /// The next parameter is a `double`.
    pub fn f64(self, name: &str, value: f64) -> Self {
        self.argument(name, CudaValue::Scalar(CudaScalar::F64(Real::Constant(value))))
    }

    /// The kernel. The rest is checked when a graph with it is submitted.
    ///
    /// # Errors
    /// An expression means nothing.
    pub fn build(self) -> Result<CudaSpec, CudaKernelError> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.spec),
        }
    }

    fn argument(mut self, name: &str, value: CudaValue) -> Self {
        self.spec.arguments.push(CudaArgument { name: name.to_owned(), value });
        self
    }

    fn whole(
        mut self,
        name: &str,
        value: impl IntoExpression,
        scalar: fn(Expression) -> CudaScalar,
    ) -> Self {
        let value = scalar(self.expression(name, value));
        self.argument(name, CudaValue::Scalar(value))
    }

    fn extents<E: IntoExpression>(
        &mut self,
        field: &str,
        extents: impl IntoIterator<Item = E>,
    ) -> Vec<Expression> {
        let numbered = extents.into_iter().enumerate();
        numbered.map(|(axis, e)| self.expression(&format!("{field}[{axis}]"), e)).collect()
    }

    /// An expression; where it is none, the fault is kept and some number stands for it.
    fn expression(&mut self, field: &str, expression: impl IntoExpression) -> Expression {
        expression.into_expression().unwrap_or_else(|error| {
            let (field, message) = (field.to_owned(), error.to_string());
            self.fault.get_or_insert(CudaKernelError { field, message });
            Expression::number(0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphBuilder;

    #[test]
    fn the_first_fault_is_told() {
        let kernel = CudaKernel::ptx("text", "f").grid(["1", "n +"]).block([""]);
        let error = kernel.build().expect_err("two faults").to_string();
        assert!(error.starts_with(r#"grid[1]: "n +" is no expression"#), "{error}");
    }

    #[test]
    fn tasks_take_a_device_and_make_the_outputs() {
        let kernel = CudaKernel::ptx("text", "f").grid([1]).block([32]).shared_bytes("4 * n");
        let kernel = kernel.u64("n", u64::MAX).output("y", DType::F32, ["n"]);
        let kernel = kernel.output("z", DType::U8, [2, 3]).build().expect("a kernel");
        let mut graph = GraphBuilder::new("two");
        graph.cuda(kernel.clone()).add();
        graph.cuda(kernel.clone()).add();
        let graph = graph.build();
        assert_eq!(graph.templates.len(), 1);
        assert_eq!(graph.templates[0].outputs, 2);
        let gpu = graph.templates[0].variants[0].request.gpu.as_ref();
        assert_eq!(gpu.map(|gpu| (gpu.devices, gpu.milli)), Some((1, 1000)));
        assert_eq!(kernel.shared_bytes.text(), "4 * n");
    }
}
