//! Plans: what a device has to do for a call.

use std::borrow::Cow;

use drawloom_model::{DType, KernelCall, ObjectType};
use drawloom_signature::find;

use crate::builder::Builder;
use crate::registry::planner;
use crate::{Argument, Buffer, Module, ModuleRef, PlanError};

/// What plans ask of a device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Device {
    /// Its compute capability, such as (8, 6); at least (7, 5).
    pub compute_capability: (u32, u32),
}

/// What a device has to do for a call.
///
/// Inputs and outputs are contiguous and begin at addresses that are multiples of 16, as does
/// scratch memory. Launches run in their order. When they have ended, and the plan has a check, its
/// status word tells whether outputs hold anything of use.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// The types of the outputs, whose memory is there before the first launch.
    pub outputs: Vec<ObjectType>,
    /// How many bytes each output has.
    pub output_bytes: Vec<u64>,
    /// Whether the outputs must be 0 before the first launch; else it does not matter what they hold.
    pub zeroed: bool,
    /// Memory that is needed beside inputs and outputs until the last launch has ended.
    pub scratch: Vec<Scratch>,
    /// What to launch, in order.
    pub launches: Vec<Launch>,
    /// What to look at afterwards.
    pub check: Option<Check>,
    /// The products of matrices that all launches together make, for whoever has a library that makes
    /// them faster. Its results need not be those of the launches, bit for bit.
    pub product: Option<Product>,
}

/// Products of the matrices of inputs 0 and 1, which go to output 0; halves are added up in f32.
/// Matrices are row-major, without gaps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Product {
    /// The element type of all matrices.
    pub dtype: DType,
    /// Rows of a result.
    pub rows: u64,
    /// Columns of a result.
    pub columns: u64,
    /// Terms of an element of a result.
    pub inner: u64,
    /// Whether matrices of input 0 are transposed: `inner` rows, `rows` columns.
    pub transpose_a: bool,
    /// Whether matrices of input 1 are transposed: `columns` rows, `inner` columns.
    pub transpose_b: bool,
    /// How many products there are, one result behind the other.
    pub products: u64,
    /// How many elements are from a matrix of input 0 to the next product's; 0 where it is the same.
    pub a_step: u64,
    /// The same of input 1.
    pub b_step: u64,
}

/// Memory that a plan needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scratch {
    /// How much, at least 1.
    pub bytes: u64,
    /// Whether all of it must be 0 before the first launch.
    pub zeroed: bool,
}

/// A launch of one kernel.
#[derive(Clone, PartialEq, Debug)]
pub struct Launch {
    /// Which module has the kernel.
    pub module: ModuleRef,
    /// The kernel's name in the module.
    pub entry: Cow<'static, str>,
    /// How many blocks along each axis; at least 1, below 2^31.
    pub grid: [u32; 3],
    /// How many threads a block has along each axis.
    pub block: [u32; 3],
    /// Memory of each block beside what its kernel declares; at most 48 KiB with that, unless the
    /// kernel is a user's.
    pub shared_bytes: u32,
    /// A value for each of the kernel's parameters.
    pub arguments: Vec<Argument>,
}

impl PartialEq for Module {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// A condition on the elements of an input that only the device can look at. The first place where it
/// does not hold is reported in a status word: zeroed scratch memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// The scratch memory that holds the status word, of 64 bits.
    pub status: Buffer,
    /// Which input.
    pub input: usize,
    /// Its element type.
    pub dtype: DType,
    /// What must hold.
    pub condition: Condition,
}

/// What must hold of every element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// It is an index of something.
    Index {
        /// How many there are.
        bound: u64,
        /// What they are, for people.
        of_what: &'static str,
    },
    /// Something can be divided by it.
    Divisor,
    /// A whole number has that power.
    Exponent,
}

impl Check {
    /// The first place where the condition does not hold, from the status word as it is afterwards.
    pub fn fault(&self, status: u64) -> Option<u64> {
        (status != 0).then_some(!status)
    }

    /// What the CPU twin says of a fault, from the bytes of the element there.
    pub fn message(&self, place: u64, element: &[u8]) -> String {
        let value = number(element);
        match self.condition {
            Condition::Index { bound, of_what } => {
                format!("index {value} at place {place}: there are {bound} {of_what}")
            }
            Condition::Divisor => format!("division by zero: element {place} of b is 0"),
            Condition::Exponent => {
                format!("element {place} of b is {value}: a whole number has no such power")
            }
        }
    }
}

/// A whole number of whatever size its bytes have; those of one byte have no sign.
fn number(bytes: &[u8]) -> i64 {
    match *bytes {
        [byte] => i64::from(byte),
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        _ => bytes.try_into().map_or(0, i64::from_le_bytes),
    }
}

/// What a device has to do for a call with inputs of these types.
///
/// # Errors
/// The call cannot be, or is for the CPU twin.
pub fn plan(call: &KernelCall, inputs: &[ObjectType], device: Device) -> Result<Plan, PlanError> {
    let signature = find(&call.name).ok_or_else(|| PlanError::UnknownKernel(call.name.clone()))?;
    let mut builder = Builder::new(signature, &call.attributes, inputs, device)?;
    planner(signature.name)?(&mut builder)?;
    Ok(builder.into_plan())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_as_the_cpu_twin_does() {
        let check = |condition| {
            let (status, dtype) = (Buffer::Scratch(0), DType::I32);
            Check { status, input: 1, dtype, condition }
        };
        let index = check(Condition::Index { bound: 4, of_what: "rows" });
        assert_eq!(index.fault(0), None);
        assert_eq!(index.fault(!7), Some(7));
        assert_eq!(index.fault(u64::MAX), Some(0));
        let message = index.message(1, &(-1i32).to_le_bytes());
        assert_eq!(message, "index -1 at place 1: there are 4 rows");
        let message = check(Condition::Exponent).message(0, &(-2i64).to_le_bytes());
        assert_eq!(message, "element 0 of b is -2: a whole number has no such power");
    }
}
