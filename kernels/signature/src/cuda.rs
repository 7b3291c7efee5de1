//! What a call of a user's CUDA code comes to: its outputs' types, its grid and its parameters.

use drawloom_model::{
    CudaArgument, CudaScalar, CudaSpec, CudaValue, DType, Expression, ExpressionError, Real, Scope,
};

use crate::{TENSOR_LIMIT_BYTES, ValueType};

/// The most blocks and threads along each axis, on every device; devices' own limits come on top.
const GRID_LIMITS: [u32; 3] = [i32::MAX as u32, 65_535, 65_535];
const BLOCK_LIMITS: [u32; 3] = [1024, 1024, 64];
/// The most threads of a block.
const THREADS_LIMIT: u64 = 1024;

/// A call of a user's CUDA code, as far as it is known: all of it once the inputs' types are.
#[derive(Clone, PartialEq, Debug)]
pub struct CudaCall {
    /// The outputs' types.
    pub outputs: Vec<ValueType>,
    /// How many bytes each has, which the type of a blob does not tell.
    pub output_bytes: Vec<Option<u64>>,
    /// How many blocks there are along each axis.
    pub grid: [Option<u32>; 3],
    /// How many threads a block has along each axis.
    pub block: [Option<u32>; 3],
    /// Bytes of shared memory of each block, beside what the kernel declares.
    pub shared_bytes: Option<u32>,
    /// What the kernel is given, in order.
    pub parameters: Vec<Option<Parameter>>,
}

/// What a parameter of a user's kernel is given.
#[derive(Clone, Copy, PartialEq, Debug)]
#[allow(missing_docs)]
pub enum Parameter {
    /// The address of an input, by its place.
    Input(usize),
    /// The address of an output, by its place.
    Output(usize),
    I32(i32),
    U32(u32),
    I64(i64),
    U64(u64),
    F32(f32),
    F64(f64),
}

/// Why a user's CUDA code cannot be called with these inputs.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{field}: {message}")]
pub struct CudaError {
    /// The field at fault, such as `grid[0]`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl CudaError {
    /// An error in a field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        CudaError { field: field.into(), message: message.into() }
    }
}

impl CudaCall {
    /// The call of `spec` with inputs of these types.
    ///
    /// # Errors
    /// It can be told that the call cannot be.
    pub fn new(spec: &CudaSpec, inputs: &[ValueType]) -> Result<Self, CudaError> {
        let mut scope = scope(spec, inputs)?;
        let (mut taken, mut made) = (0..inputs.len(), 0..);
        let mut parameters = Vec::with_capacity(spec.arguments.len());
        let (mut outputs, mut output_bytes) = (Vec::new(), Vec::new());
        for (place, argument) in spec.arguments.iter().enumerate() {
            let field = format!("arguments[{place}].value");
            parameters.push(match &argument.value {
                CudaValue::Input(_) => taken.next().map(Parameter::Input),
                CudaValue::Output { .. } => made.next().map(Parameter::Output),
                CudaValue::Scalar(scalar) => parameter(scalar, &argument.name, &field, &mut scope)?,
            });
        }
        for (place, argument) in spec.arguments.iter().enumerate() {
            if let CudaValue::Output { dtype, shape } = &argument.value {
                let (value_type, bytes) = output(*dtype, shape, place, &scope)?;
                outputs.push(value_type);
                output_bytes.push(bytes);
            }
        }
        let call = CudaCall {
            outputs,
            output_bytes,
            grid: extents("grid", &spec.grid, GRID_LIMITS, &scope)?,
            block: extents("block", &spec.block, BLOCK_LIMITS, &scope)?,
            shared_bytes: number("shared_bytes", &spec.shared_bytes, &scope)?,
            parameters,
        };
        let threads = call.block.iter().map(|extent| u64::from(extent.unwrap_or(1)));
        let threads: u64 = threads.product();
        if threads > THREADS_LIMIT {
            let message = format!("{threads} threads are more than the {THREADS_LIMIT} of a block");
            return Err(CudaError::new("block", message));
        }
        Ok(call)
    }
}

/// The inputs by their names, which must be of the types that the kernel takes.
fn scope(spec: &CudaSpec, inputs: &[ValueType]) -> Result<Scope, CudaError> {
    let expected = spec.inputs();
    if expected != inputs.len() {
        let got = inputs.len();
        let message = format!("the kernel takes {expected} input(s), the task {got}");
        return Err(CudaError::new("arguments", message));
    }
    let mut scope = Scope::default();
    let wanted = spec.arguments.iter().enumerate().filter_map(|(place, argument)| {
        let CudaValue::Input(dtype) = argument.value else { return None };
        Some((place, argument, dtype))
    });
    for ((place, argument, dtype), input) in wanted.zip(inputs) {
        scope.add_input(&argument.name, input_extents(place, argument, dtype, input)?);
    }
    Ok(scope)
}

fn input_extents(
    place: usize,
    CudaArgument { name, .. }: &CudaArgument,
    dtype: DType,
    input: &ValueType,
) -> Result<Option<Vec<Option<u64>>>, CudaError> {
    match input {
        ValueType::Unknown => Ok(None),
        // Bytes, as many as there turn out to be.
        ValueType::Blob if dtype == DType::U8 => Ok(Some(vec![None])),
        ValueType::Tensor { dtype: given, extents } if given.is_none_or(|given| given == dtype) => {
            Ok(extents.clone())
        }
        ValueType::Blob | ValueType::Tensor { .. } => {
            let field = format!("arguments[{place}].input");
            Err(CudaError::new(field, format!("{name} must be of {dtype}, is {input}")))
        }
    }
}

fn parameter(
    scalar: &CudaScalar,
    name: &str,
    field: &str,
    scope: &mut Scope,
) -> Result<Option<Parameter>, CudaError> {
    if let Some(whole) = scalar.whole() {
        let value = evaluate(field, whole, scope)?;
        scope.add_number(name, value);
    }
    let real = |value: &Real, scope: &Scope| match value {
        Real::Constant(value) => Ok(Some(*value)),
        Real::Expression(value) => Ok(evaluate(field, value, scope)?.map(|value| value as f64)),
    };
    Ok(match scalar {
        CudaScalar::I32(value) => number(field, value, scope)?.map(Parameter::I32),
        CudaScalar::U32(value) => number(field, value, scope)?.map(Parameter::U32),
        CudaScalar::I64(value) => number(field, value, scope)?.map(Parameter::I64),
        CudaScalar::U64(value) => number(field, value, scope)?.map(Parameter::U64),
        CudaScalar::F32(value) => real(value, scope)?.map(|value| Parameter::F32(value as f32)),
        CudaScalar::F64(value) => real(value, scope)?.map(Parameter::F64),
    })
}

/// An output's type and size.
fn output(
    dtype: Option<DType>,
    shape: &[Expression],
    place: usize,
    scope: &Scope,
) -> Result<(ValueType, Option<u64>), CudaError> {
    let extent = |(axis, extent): (usize, &Expression)| {
        number::<u64>(&format!("arguments[{place}].shape[{axis}]"), extent, scope)
    };
    let extents: Vec<Option<u64>> =
        shape.iter().enumerate().map(extent).collect::<Result<_, _>>()?;
    let is_known = extents.iter().all(Option::is_some);
    let value_type = ValueType::Tensor { dtype: dtype.or(Some(DType::U8)), extents: Some(extents) };
    let bytes = value_type.least_bytes().filter(|bytes| *bytes <= TENSOR_LIMIT_BYTES);
    let Some(bytes) = bytes else {
        let message = format!("{value_type} is larger than the limit of 1 TiB");
        return Err(CudaError::new(format!("arguments[{place}].shape"), message));
    };
    let value_type = if dtype.is_some() { value_type } else { ValueType::Blob };
    Ok((value_type, is_known.then_some(bytes)))
}

/// The extents of a grid or of a block: 1 along the axes that are not told.
fn extents(
    field: &str,
    told: &[Expression],
    limits: [u32; 3],
    scope: &Scope,
) -> Result<[Option<u32>; 3], CudaError> {
    let mut extents = [Some(1); 3];
    for (axis, (extent, expression)) in extents.iter_mut().zip(told).enumerate() {
        let (field, limit) = (format!("{field}[{axis}]"), limits[axis]);
        let Some(value) = evaluate(&field, expression, scope)? else {
            *extent = None;
            continue;
        };
        let fits = u32::try_from(value).ok().filter(|value| (1..=limit).contains(value));
        *extent = Some(fits.ok_or_else(|| {
            let message = format!("{}, it must be from 1 to {limit}", is(expression, value));
            CudaError::new(field, message)
        })?);
    }
    Ok(extents)
}

/// A number that fits its type.
fn number<T: TryFrom<i128>>(
    field: &str,
    expression: &Expression,
    scope: &Scope,
) -> Result<Option<T>, CudaError> {
    let Some(value) = evaluate(field, expression, scope)? else { return Ok(None) };
    T::try_from(value).map(Some).map_err(|_| {
        let of = std::any::type_name::<T>();
        CudaError::new(field, format!("{}, which does not fit {of}", is(expression, value)))
    })
}

fn evaluate(
    field: &str,
    expression: &Expression,
    scope: &Scope,
) -> Result<Option<i128>, CudaError> {
    let told = |error: ExpressionError| CudaError::new(field, error.to_string());
    expression.evaluate(scope).map_err(told)
}

/// `n * 2 is 6`, and of a number that it is.
fn is(expression: &Expression, value: i128) -> String {
    let text = value.to_string();
    if expression.text() == text { format!("is {text}") } else { format!("{expression} is {text}") }
}

#[cfg(test)]
mod tests {
    use drawloom_model::CudaSource;

    use super::*;

    fn of(text: &str) -> Expression {
        text.parse().expect(text)
    }

    /// `n`, `x` of f32, `bytes` of u8, and `y` of twice as many columns as `x`.
    fn spec() -> CudaSpec {
        let argument = |name: &str, value| CudaArgument { name: name.to_owned(), value };
        let shape = vec![of("shape(x, 0)"), of("2 * shape(x, 1)")];
        CudaSpec {
            source: CudaSource::Ptx("".into()),
            entry: "f".to_owned(),
            grid: vec![of("ceil_div(n, 256)")],
            block: vec![of("32"), of("8")],
            shared_bytes: of("0"),
            arguments: vec![
                argument("n", CudaValue::Scalar(CudaScalar::U32(of("len(x)")))),
                argument("x", CudaValue::Input(DType::F32)),
                argument("y", CudaValue::Output { dtype: Some(DType::F16), shape }),
                argument("bytes", CudaValue::Input(DType::U8)),
                argument("rate", CudaValue::Scalar(CudaScalar::F32(Real::Constant(0.1)))),
            ],
            options: Vec::new(),
        }
    }

    fn inputs(extents: [u64; 2]) -> [ValueType; 2] {
        [ValueType::tensor(DType::F32, extents), ValueType::Blob]
    }

    #[test]
    fn what_is_known_is_told() {
        let call = CudaCall::new(&spec(), &inputs([100, 30])).expect("a call");
        assert_eq!(call.outputs, [ValueType::tensor(DType::F16, [100, 60])]);
        assert_eq!(call.output_bytes, [Some(12_000)]);
        assert_eq!(call.grid, [Some(12), Some(1), Some(1)]);
        assert_eq!(call.block, [Some(32), Some(8), Some(1)]);
        let parameters = [
            Parameter::U32(3000),
            Parameter::Input(0),
            Parameter::Output(0),
            Parameter::Input(1),
            Parameter::F32(0.1),
        ];
        assert_eq!(call.parameters, parameters.map(Some));
        let rows = ValueType::Tensor { dtype: None, extents: Some(vec![None, Some(30)]) };
        let call = CudaCall::new(&spec(), &[rows, ValueType::Unknown]).expect("a call");
        assert_eq!(call.outputs[0].to_string(), "f16[?, 60]");
        assert_eq!((call.grid[0], call.parameters[0]), (None, None));
        assert_eq!(call.output_bytes, [None]);
    }

    #[test]
    fn blobs_have_sizes_too() {
        let mut spec = spec();
        let shape = vec![of("2"), of("n + 1")];
        spec.arguments[2].value = CudaValue::Output { dtype: None, shape };
        let call = CudaCall::new(&spec, &inputs([3, 3])).expect("a call");
        assert_eq!(
            (&call.outputs[..], &call.output_bytes[..]),
            (&[ValueType::Blob][..], &[Some(20)][..])
        );
    }

    #[test]
    fn faults_name_the_field() {
        let told = |change: &dyn Fn(&mut CudaSpec), inputs: &[ValueType]| {
            let mut spec = spec();
            change(&mut spec);
            CudaCall::new(&spec, inputs).expect_err("a bad call").to_string()
        };
        let small = &inputs([10, 10]);
        let count = told(&|_| {}, &small[..1]);
        assert_eq!(count, "arguments: the kernel takes 2 input(s), the task 1");
        let halves = [ValueType::tensor(DType::F16, [3, 3]), ValueType::Blob];
        let dtype = told(&|_| {}, &halves);
        assert_eq!(dtype, "arguments[1].input: x must be of f32, is f16[3, 3]");
        let blob = [ValueType::Blob, ValueType::Blob];
        assert_eq!(told(&|_| {}, &blob), "arguments[1].input: x must be of f32, is blob");
        let empty = told(&|_| {}, &inputs([0, 10]));
        assert_eq!(empty, "grid[0]: ceil_div(n, 256) is 0, it must be from 1 to 2147483647");
        let high = told(&|spec| spec.grid = vec![of("1"), of("70000")], small);
        assert_eq!(high, "grid[1]: is 70000, it must be from 1 to 65535");
        let wide = told(&|spec| spec.block[0] = of("256"), small);
        assert_eq!(wide, "block: 2048 threads are more than the 1024 of a block");
        let shared = told(&|spec| spec.shared_bytes = of("n - 101"), small);
        assert_eq!(shared, "shared_bytes: n - 101 is -1, which does not fit u32");
        let axis = told(&|spec| spec.shared_bytes = of("shape(x, 2)"), small);
        assert_eq!(axis, "shared_bytes: shape(x, 2): x has no axis 2, only 2");
        let scalar = told(&|_| {}, &inputs([1 << 20, 1 << 20]));
        assert_eq!(scalar, "arguments[0].value: len(x) is 1099511627776, which does not fit u32");
        let huge = told(
            &|spec| {
                let shape = vec![of("1000000"), of("1000000")];
                spec.arguments[2].value = CudaValue::Output { dtype: Some(DType::F16), shape };
            },
            small,
        );
        assert_eq!(
            huge,
            "arguments[2].shape: f16[1000000, 1000000] is larger than the limit of 1 TiB"
        );
    }
}
