//! Users' own CUDA code.

use drawloom_model::{
    CudaArgument, CudaScalar, CudaSource, CudaSpec, CudaValue, DType, Expression, Real,
};

use super::object::dtype;
use crate::field::{FieldError, each, required};
use crate::v1;
use crate::v1::cuda_argument::Value as WireValue;
use crate::v1::cuda_scalar::Value as WireScalar;
use crate::v1::cuda_spec::Source as WireSource;

impl From<&CudaSpec> for v1::CudaSpec {
    fn from(spec: &CudaSpec) -> Self {
        v1::CudaSpec {
            source: Some(match &spec.source {
                CudaSource::Cpp(text) => WireSource::Cpp(text.to_string()),
                CudaSource::Ptx(text) => WireSource::Ptx(text.to_string()),
            }),
            entry: spec.entry.clone(),
            grid: texts(&spec.grid),
            block: texts(&spec.block),
            shared_bytes: spec.shared_bytes.to_string(),
            arguments: spec.arguments.iter().map(Into::into).collect(),
            options: spec.options.clone(),
        }
    }
}

impl TryFrom<v1::CudaSpec> for CudaSpec {
    type Error = FieldError;

    fn try_from(wire: v1::CudaSpec) -> Result<Self, FieldError> {
        Ok(CudaSpec {
            source: match required(wire.source, "source")? {
                WireSource::Cpp(text) => CudaSource::Cpp(text.into()),
                WireSource::Ptx(text) => CudaSource::Ptx(text.into()),
            },
            entry: wire.entry,
            grid: each(wire.grid, "grid", 0, expression)?,
            block: each(wire.block, "block", 0, expression)?,
            shared_bytes: match wire.shared_bytes.as_str() {
                "" => Expression::number(0),
                text => parsed(text, "shared_bytes")?,
            },
            arguments: each(wire.arguments, "arguments", 0, CudaArgument::try_from)?,
            options: wire.options,
        })
    }
}

impl From<&CudaArgument> for v1::CudaArgument {
    fn from(argument: &CudaArgument) -> Self {
        let value = match &argument.value {
            CudaValue::Input(dtype) => WireValue::Input(v1::DType::from(*dtype).into()),
            CudaValue::Output { dtype, shape } => WireValue::Output(v1::CudaOutput {
                dtype: dtype.map_or(v1::DType::Unspecified, Into::into).into(),
                shape: texts(shape),
            }),
            CudaValue::Scalar(scalar) => WireValue::Scalar(scalar.into()),
        };
        v1::CudaArgument { name: argument.name.clone(), value: Some(value) }
    }
}

impl TryFrom<v1::CudaArgument> for CudaArgument {
    type Error = FieldError;

    fn try_from(wire: v1::CudaArgument) -> Result<Self, FieldError> {
        let value = match required(wire.value, "value")? {
            WireValue::Input(wire) => CudaValue::Input(element(wire, "input")?),
            WireValue::Output(output) => {
                let shape = each(output.shape, "shape", 0, expression);
                CudaValue::Output {
                    dtype: dtype(output.dtype, "output.dtype")?,
                    shape: shape.map_err(|error| error.within("output"))?,
                }
            }
            WireValue::Scalar(scalar) => CudaValue::Scalar(
                CudaScalar::try_from(scalar).map_err(|error| error.within("scalar"))?,
            ),
        };
        Ok(CudaArgument { name: wire.name, value })
    }
}

impl From<&CudaScalar> for v1::CudaScalar {
    fn from(scalar: &CudaScalar) -> Self {
        let whole = |value: &Expression| WireScalar::Expression(value.to_string());
        let real = |value: &Real| match value {
            Real::Constant(value) => WireScalar::Constant(*value),
            Real::Expression(value) => whole(value),
        };
        let (scalar_type, value) = match scalar {
            CudaScalar::I32(value) => (v1::CudaScalarType::I32, whole(value)),
            CudaScalar::U32(value) => (v1::CudaScalarType::U32, whole(value)),
            CudaScalar::I64(value) => (v1::CudaScalarType::I64, whole(value)),
            CudaScalar::U64(value) => (v1::CudaScalarType::U64, whole(value)),
            CudaScalar::F32(value) => (v1::CudaScalarType::F32, real(value)),
            CudaScalar::F64(value) => (v1::CudaScalarType::F64, real(value)),
        };
        v1::CudaScalar { r#type: scalar_type.into(), value: Some(value) }
    }
}

impl TryFrom<v1::CudaScalar> for CudaScalar {
    type Error = FieldError;

    fn try_from(wire: v1::CudaScalar) -> Result<Self, FieldError> {
        let value = match required(wire.value, "value")? {
            WireScalar::Expression(text) => Real::Expression(parsed(&text, "expression")?),
            WireScalar::Constant(value) => Real::Constant(value),
        };
        let whole = |value| match value {
            Real::Expression(value) => Ok(value),
            Real::Constant(_) => Err(FieldError::new("constant", "goes with f32 and f64 only")),
        };
        Ok(match v1::CudaScalarType::try_from(wire.r#type) {
            Ok(v1::CudaScalarType::Unspecified) => {
                return Err(FieldError::new("type", "must be set"));
            }
            Ok(v1::CudaScalarType::I32) => CudaScalar::I32(whole(value)?),
            Ok(v1::CudaScalarType::U32) => CudaScalar::U32(whole(value)?),
            Ok(v1::CudaScalarType::I64) => CudaScalar::I64(whole(value)?),
            Ok(v1::CudaScalarType::U64) => CudaScalar::U64(whole(value)?),
            Ok(v1::CudaScalarType::F32) => CudaScalar::F32(value),
            Ok(v1::CudaScalarType::F64) => CudaScalar::F64(value),
            Err(unknown) => return Err(FieldError::new("type", unknown)),
        })
    }
}

fn texts(expressions: &[Expression]) -> Vec<String> {
    expressions.iter().map(Expression::to_string).collect()
}

fn expression(text: String) -> Result<Expression, FieldError> {
    parsed(&text, "")
}

fn parsed(text: &str, field: &str) -> Result<Expression, FieldError> {
    text.parse().map_err(|error| FieldError::new(field, error))
}

/// An element type that must be set.
fn element(wire: i32, field: &str) -> Result<DType, FieldError> {
    required(dtype(wire, field)?, field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire() -> v1::CudaSpec {
        let argument = |name: &str, value| v1::CudaArgument { name: name.to_owned(), value };
        let scalar = v1::CudaScalar {
            r#type: v1::CudaScalarType::U64.into(),
            value: Some(WireScalar::Expression("18446744073709551615".to_owned())),
        };
        let output = v1::CudaOutput { dtype: v1::DType::F32.into(), shape: vec!["n".to_owned()] };
        v1::CudaSpec {
            source: Some(WireSource::Ptx("text".to_owned())),
            entry: "f".to_owned(),
            grid: vec!["1".to_owned(), "n * 2".to_owned()],
            block: vec!["32".to_owned()],
            arguments: vec![
                argument("n", Some(WireValue::Scalar(scalar))),
                argument("y", Some(WireValue::Output(output))),
            ],
            ..v1::CudaSpec::default()
        }
    }

    #[test]
    fn what_is_left_out_is_nothing() {
        let spec = CudaSpec::try_from(wire()).expect("a whole message");
        assert_eq!(spec.shared_bytes, Expression::number(0));
    }

    #[test]
    fn faults_name_the_field() {
        let told = |change: fn(&mut v1::CudaSpec)| {
            let mut wire = wire();
            change(&mut wire);
            CudaSpec::try_from(wire).expect_err("a bad message").to_string()
        };
        assert_eq!(told(|wire| wire.source = None), "source: must be set");
        let grid = told(|wire| wire.grid[1] = "n *".to_owned());
        assert!(grid.starts_with(r#"grid[1]: "n *" is no expression: at character 4"#), "{grid}");
        assert_eq!(told(|wire| wire.arguments[0].value = None), "arguments[0].value: must be set");
        let dtype = told(|wire| wire.arguments[1].value = Some(WireValue::Input(0)));
        assert_eq!(dtype, "arguments[1].input: must be set");
        let constant = told(|wire| {
            let Some(WireValue::Scalar(scalar)) = &mut wire.arguments[0].value else { return };
            scalar.value = Some(WireScalar::Constant(0.5));
        });
        assert_eq!(constant, "arguments[0].scalar.constant: goes with f32 and f64 only");
        let shape = told(|wire| {
            let Some(WireValue::Output(output)) = &mut wire.arguments[1].value else { return };
            output.shape.push(")".to_owned());
        });
        assert!(shape.starts_with("arguments[1].output.shape[1]: "), "{shape}");
    }
}
