//! What runs on a device: kernels of the catalogue, and users' own.

use drawloom_cuda::{Compiler, Error, Lane, Plan};
use drawloom_model::{CudaSpec, DType, KernelCall, ObjectType, Shape, Value};

/// What runs on a device.
#[derive(Clone, Copy)]
pub(crate) enum Code<'c> {
    /// A kernel of the catalogue.
    Kernel(&'c KernelCall),
    /// A kernel of a user's.
    Users(&'c CudaSpec),
}

impl Code<'_> {
    /// Its name, for people.
    pub(super) fn name(&self) -> &str {
        match self {
            Code::Kernel(call) => &call.name,
            Code::Users(spec) => &spec.entry,
        }
    }

    /// The plan for a call with these inputs. Compiles where it has to.
    pub(super) fn plan<'v>(
        self,
        lane: &Lane,
        compiler: &Compiler,
        inputs: impl Iterator<Item = &'v Value>,
    ) -> Result<Plan, Error> {
        match self {
            Code::Kernel(call) => {
                let types: Vec<ObjectType> =
                    inputs.map(|value| value.object_type.clone()).collect();
                lane.plan(call, &types)
            }
            Code::Users(spec) => {
                let types: Vec<ObjectType> = inputs.map(elements).collect();
                let module = compiler.module(spec, lane.compute_capability())?;
                lane.plan_for_user(spec, module, &types)
            }
        }
    }
}

/// A value's type; that of a blob tells how many bytes it has.
fn elements(value: &Value) -> ObjectType {
    match &value.object_type {
        ObjectType::Blob => {
            ObjectType::Tensor { dtype: DType::U8, shape: Shape::new([value.data.len() as u64]) }
        }
        tensor @ ObjectType::Tensor { .. } => tensor.clone(),
    }
}
