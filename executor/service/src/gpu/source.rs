//! What runs on a device: kernels of the catalogue, and users' own.

use drawloom_cuda::{Compiler, Error, Lane, Plan};
use drawloom_model::{Assignment, CudaSpec, DType, KernelCall, ObjectType, Run, Shape};

use super::Operand;

/// What runs on a device.
#[derive(Clone, Copy)]
pub(crate) enum Code<'c> {
    /// A kernel of the catalogue.
    Kernel(&'c KernelCall),
    /// A kernel of a user's.
    Users(&'c CudaSpec),
}

impl<'c> Code<'c> {
    /// What an attempt runs, if that is for a device.
    pub(super) fn of(assignment: &'c Assignment) -> Option<Self> {
        let variant = assignment.template.variants.get(usize::from(assignment.variant))?;
        match &variant.run {
            Run::Kernel(call) => Some(Code::Kernel(call)),
            Run::Cuda(spec) => Some(Code::Users(spec)),
            Run::Process(_) | Run::Actor(_) | Run::Call(_) => None,
        }
    }

    /// Its name in metrics: users' own would be without number.
    pub(super) fn label(&self) -> &str {
        match self {
            Code::Kernel(call) => &call.name,
            Code::Users(_) => "cuda",
        }
    }

    /// Its name, for people.
    pub(super) fn name(&self) -> &str {
        match self {
            Code::Kernel(call) => &call.name,
            Code::Users(spec) => &spec.entry,
        }
    }

    /// The plan for a call with these inputs. Compiles where it has to.
    pub(super) fn plan(
        self,
        lane: &Lane,
        compiler: &Compiler,
        inputs: &[Operand],
    ) -> Result<Plan, Error> {
        match self {
            Code::Kernel(call) => {
                let types: Vec<ObjectType> =
                    inputs.iter().map(|operand| operand.object_type.clone()).collect();
                lane.plan(call, &types)
            }
            Code::Users(spec) => {
                let types: Vec<ObjectType> = inputs.iter().map(elements).collect();
                let module = compiler.module(spec, lane.compute_capability())?;
                lane.plan_for_user(spec, module, &types)
            }
        }
    }
}

/// An input's type; that of a blob tells how many bytes it has.
fn elements(operand: &Operand) -> ObjectType {
    match &operand.object_type {
        ObjectType::Blob => {
            ObjectType::Tensor { dtype: DType::U8, shape: Shape::new([operand.size_bytes]) }
        }
        tensor @ ObjectType::Tensor { .. } => tensor.clone(),
    }
}
