//! Users' own kernels: what a device has to do for a call of one.

mod entry;

use std::borrow::Cow;
use std::sync::Arc;

use drawloom_model::{CudaSource, CudaSpec, CudaValue, ObjectType};
use drawloom_signature::{CudaCall, CudaError, Parameter, ValueType};

pub use entry::{Entry, ParameterType, entries};

use crate::{Argument, Buffer, Launch, ModuleRef, Plan, UserModule};

/// What a device can launch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The most blocks along each axis.
    pub grid: [u32; 3],
    /// The most threads of a block along each axis.
    pub block: [u32; 3],
    /// The most threads of a block.
    pub threads: u32,
    /// The most bytes of shared memory of a block.
    pub shared_bytes: u32,
}

/// What a device has to do for a call of a user's kernel, which is in `module`, with inputs of these
/// types.
///
/// # Errors
/// The call cannot be on a device with these limits; the field at fault is named.
pub fn plan_for_user(
    spec: &CudaSpec,
    module: Arc<UserModule>,
    inputs: &[ObjectType],
    limits: &Limits,
) -> Result<Plan, CudaError> {
    let types: Vec<ValueType> = inputs.iter().map(ValueType::from).collect();
    let call = CudaCall::new(spec, &types)?;
    check_entry(spec, &module.ptx)?;
    let launch = Launch {
        module: ModuleRef::Users(module),
        entry: Cow::Owned(spec.entry.clone()),
        grid: within("grid", call.grid, limits.grid)?,
        block: within("block", call.block, limits.block)?,
        shared_bytes: known("shared_bytes", call.shared_bytes)?,
        arguments: each("arguments", call.parameters)?.into_iter().map(argument).collect(),
    };
    let threads: u32 = launch.block.iter().product();
    if threads > limits.threads {
        let most = limits.threads;
        let message = format!("{threads} threads are more than the {most} of a block there");
        return Err(CudaError::new("block", message));
    }
    if launch.shared_bytes > limits.shared_bytes {
        let (wanted, most) = (launch.shared_bytes, limits.shared_bytes);
        let message = format!("{wanted} bytes are more than the {most} of a block there");
        return Err(CudaError::new("shared_bytes", message));
    }
    let outputs = call.outputs.iter().map(ValueType::concrete).collect();
    Ok(Plan {
        outputs: each("arguments", outputs)?,
        output_bytes: each("arguments", call.output_bytes)?,
        zeroed: true,
        scratch: Vec::new(),
        launches: vec![launch],
        check: None,
        product: None,
    })
}

/// The numbers of a grid or of a block, where the device takes them.
fn within(field: &str, told: [Option<u32>; 3], limits: [u32; 3]) -> Result<[u32; 3], CudaError> {
    let mut numbers = [1; 3];
    for (axis, (number, told)) in numbers.iter_mut().zip(told).enumerate() {
        let (field, limit) = (format!("{field}[{axis}]"), limits[axis]);
        *number = known(&field, told)?;
        if *number > limit {
            let message = format!("{number} is more than the {limit} that the device takes");
            return Err(CudaError::new(field, message));
        }
    }
    Ok(numbers)
}

fn each<T>(field: &str, told: Vec<Option<T>>) -> Result<Vec<T>, CudaError> {
    told.into_iter().map(|one| known(field, one)).collect()
}

/// What follows from the inputs' types.
fn known<T>(field: &str, told: Option<T>) -> Result<T, CudaError> {
    told.ok_or_else(|| CudaError::new(field, "the inputs' types do not tell it"))
}

fn argument(parameter: Parameter) -> Argument {
    match parameter {
        Parameter::Input(place) => Argument::Address(Buffer::Input(place)),
        Parameter::Output(place) => Argument::Address(Buffer::Output(place)),
        Parameter::I32(value) => Argument::U32(value.cast_unsigned()),
        Parameter::U32(value) => Argument::U32(value),
        Parameter::I64(value) => Argument::U64(value.cast_unsigned()),
        Parameter::U64(value) => Argument::U64(value),
        Parameter::F32(value) => Argument::F32(value),
        Parameter::F64(value) => Argument::F64(value),
    }
}

/// Whether the text has the kernel, with parameters for what it is given.
fn check_entry(spec: &CudaSpec, ptx: &str) -> Result<(), CudaError> {
    let entries = entries(ptx);
    let Some(entry) = entries.iter().find(|entry| entry.name == spec.entry) else {
        let names: Vec<&str> = entries.iter().map(|entry| &*entry.name).collect();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let hint = match spec.source {
            CudaSource::Cpp(_) => "; kernels are declared extern \"C\" __global__",
            CudaSource::Ptx(_) => "",
        };
        let message = format!("there is no kernel {:?}; there are: {there}{hint}", spec.entry);
        return Err(CudaError::new("entry", message));
    };
    let (given, taken) = (spec.arguments.len(), entry.parameters.len());
    if given != taken {
        let message = format!("{} has {taken} parameter(s), {given} are given", entry.name);
        return Err(CudaError::new("arguments", message));
    }
    for (place, (argument, taken)) in spec.arguments.iter().zip(&entry.parameters).enumerate() {
        if !fits(&argument.value, taken) {
            let given = match &argument.value {
                CudaValue::Input(_) | CudaValue::Output { .. } => "a pointer",
                CudaValue::Scalar(scalar) => scalar.type_name(),
            };
            let (name, taken) = (&argument.name, &taken.text);
            let message = format!("{name} is {given}, the kernel's parameter is {taken}");
            return Err(CudaError::new(format!("arguments[{place}]"), message));
        }
    }
    Ok(())
}

fn fits(given: &CudaValue, taken: &ParameterType) -> bool {
    let (bytes, is_float) = match given {
        CudaValue::Input(_) | CudaValue::Output { .. } => (8, false),
        CudaValue::Scalar(scalar) => match scalar.type_name() {
            "i32" | "u32" => (4, false),
            "i64" | "u64" => (8, false),
            "f32" => (4, true),
            _ => (8, true),
        },
    };
    bytes == taken.bytes && if is_float { !taken.is_whole } else { !taken.is_float }
}

#[cfg(test)]
mod tests {
    use drawloom_model::{CudaArgument, CudaScalar, DType, Expression, Real};

    use super::*;

    const PTX: &str = ".visible .entry scale(.param .u32 n, .param .f32 by, .param .u64 x, \
                       .param .u64 y) { ret; } .entry other() { ret; }";
    const LIMITS: Limits = Limits {
        grid: [1000, 10, 10],
        block: [1024, 1024, 64],
        threads: 512,
        shared_bytes: 48 << 10,
    };

    fn of(text: &str) -> Expression {
        text.parse().expect(text)
    }

    fn spec() -> CudaSpec {
        let argument = |name: &str, value| CudaArgument { name: name.to_owned(), value };
        CudaSpec {
            source: CudaSource::Ptx(PTX.into()),
            entry: "scale".to_owned(),
            grid: vec![of("ceil_div(n, 256)"), of("2")],
            block: vec![of("256")],
            shared_bytes: of("4 * 256"),
            arguments: vec![
                argument("n", CudaValue::Scalar(CudaScalar::I32(of("len(x)")))),
                argument("by", CudaValue::Scalar(CudaScalar::F32(Real::Constant(0.5)))),
                argument("x", CudaValue::Input(DType::F32)),
                argument("y", CudaValue::Output { dtype: Some(DType::F32), shape: vec![of("n")] }),
            ],
            options: Vec::new(),
        }
    }

    fn planned(change: impl FnOnce(&mut CudaSpec), elements: u64) -> Result<Plan, String> {
        let mut spec = spec();
        change(&mut spec);
        let module = Arc::new(UserModule { key: "key".to_owned(), ptx: PTX.to_owned() });
        let input = format!("f32[{elements}]").parse().expect("a type");
        plan_for_user(&spec, module, &[input], &LIMITS).map_err(|error| error.to_string())
    }

    #[test]
    fn a_call_is_one_launch() {
        let plan = planned(|_| {}, 1000).expect("a plan");
        assert_eq!((plan.output_bytes, plan.zeroed), (vec![4000], true));
        let launch = &plan.launches[0];
        assert_eq!(
            (launch.grid, launch.block, launch.shared_bytes),
            ([4, 2, 1], [256, 1, 1], 1024)
        );
        let arguments = [
            Argument::U32(1000),
            Argument::F32(0.5),
            Argument::Address(Buffer::Input(0)),
            Argument::Address(Buffer::Output(0)),
        ];
        assert_eq!(launch.arguments, arguments);
    }

    #[test]
    fn what_cannot_be_launched_is_refused_by_field() {
        let told = |change: fn(&mut CudaSpec)| planned(change, 1000).expect_err("a bad call");
        let entry = told(|spec| spec.entry = "scales".to_owned());
        assert_eq!(entry, "entry: there is no kernel \"scales\"; there are: scale, other");
        let count = told(|spec| spec.entry = "other".to_owned());
        assert_eq!(count, "arguments: other has 0 parameter(s), 4 are given");
        let kind = told(|spec| spec.arguments.swap(0, 1));
        assert_eq!(kind, "arguments[0]: by is f32, the kernel's parameter is u32");
        let size = told(|spec| {
            spec.arguments[0].value = CudaValue::Scalar(CudaScalar::I64(of("len(x)")));
        });
        assert_eq!(size, "arguments[0]: n is i64, the kernel's parameter is u32");
        let pointer = told(|spec| spec.arguments.swap(1, 2));
        assert_eq!(pointer, "arguments[1]: x is a pointer, the kernel's parameter is f32");
        let grid = told(|spec| spec.grid[1] = of("11"));
        assert_eq!(grid, "grid[1]: 11 is more than the 10 that the device takes");
        let block = told(|spec| spec.block = vec![of("513")]);
        assert_eq!(block, "block: 513 threads are more than the 512 of a block there");
        let shared = told(|spec| spec.shared_bytes = of("50 * n"));
        assert_eq!(shared, "shared_bytes: 50000 bytes are more than the 49152 of a block there");
        let empty = planned(|_| {}, 0).expect_err("no blocks");
        assert_eq!(empty, "grid[0]: ceil_div(n, 256) is 0, it must be from 1 to 2147483647");
    }
}
