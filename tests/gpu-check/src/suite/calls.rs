//! Calls of every kernel that has plans: shapes that are empty, single, odd, broadcast and large enough
//! to be cut; ordinary numbers and wild ones; mistakes that only show in what inputs hold.

mod elementwise;
mod fold;
mod layout;
mod order;
mod product;
mod shapes;
mod training;

use drawloom_model::{Attribute, Attributes, DType, KernelCall, ObjectType, Value};
use fastrand::Rng;

use super::compare::Tolerance;
use super::values::{random, whole, wild};

use DType::{BF16, F16, F32, F64, I32, I64, U8};

/// A call, its inputs, and how near results must be.
pub struct Call {
    /// Which kernel, with what attributes.
    pub call: KernelCall,
    /// What it is given.
    pub inputs: Vec<Value>,
    /// How near results must be.
    pub tolerance: Tolerance,
    /// Whether results in f64 tell how good those in f32 are.
    pub has_reference: bool,
}

impl Call {
    /// The inputs' types.
    pub fn types(&self) -> Vec<ObjectType> {
        self.inputs.iter().map(|input| input.object_type.clone()).collect()
    }

    /// The call in a line.
    pub fn describe(&self) -> String {
        let inputs: Vec<String> = self.types().iter().map(ToString::to_string).collect();
        format!("{}({}) {:?}", self.call.name, inputs.join(", "), self.call.attributes)
    }
}

const NUMBERS: [DType; 7] = [U8, I32, I64, F16, BF16, F32, F64];
const REALS: [DType; 4] = [F16, BF16, F32, F64];
const SIGNED: [DType; 6] = [I32, I64, F16, BF16, F32, F64];
const FLOATS: [DType; 2] = [F32, F64];

type Given<'a> = &'a [(&'a str, Attribute)];

/// Calls in the making.
pub(crate) struct Calls {
    rng: Rng,
    calls: Vec<Call>,
}

/// Calls of every kernel; the same for the same seed.
pub fn calls(seed: u64) -> Vec<Call> {
    let mut calls = Calls { rng: Rng::with_seed(seed), calls: Vec::new() };
    calls.elementwise();
    calls.broadcast();
    calls.made_of_nothing();
    calls.reductions();
    calls.scans();
    calls.orders();
    calls.layouts();
    calls.rows_by_index();
    calls.products();
    calls.convolutions();
    calls.pooling();
    calls.rows();
    calls.training();
    calls.images();
    calls.random_shapes(12);
    calls.calls
}

/// Calls so large that threads, blocks and passes have to go on; the same for the same seed.
pub fn large_calls(seed: u64) -> Vec<Call> {
    let mut calls = Calls { rng: Rng::with_seed(seed), calls: Vec::new() };
    calls.large();
    calls.calls
}

fn int(value: i64) -> Attribute {
    Attribute::Int(value)
}

fn float(value: f64) -> Attribute {
    Attribute::Float(value)
}

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

fn text(value: &str) -> Attribute {
    Attribute::Text(value.to_owned())
}

impl Calls {
    fn add(&mut self, kernel: &str, given: Given<'_>, inputs: Vec<Value>, tolerance: Tolerance) {
        let attributes: Attributes =
            given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let call = KernelCall { name: kernel.to_owned(), attributes };
        self.calls.push(Call { call, inputs, tolerance, has_reference: true });
    }

    /// The last call holds numbers that f64 computes with in another way.
    fn without_reference(&mut self) {
        if let Some(call) = self.calls.last_mut() {
            call.has_reference = false;
        }
    }

    fn random(&mut self, dtype: DType, extents: &[u64]) -> Value {
        random(&mut self.rng, dtype, extents)
    }

    fn wild(&mut self, dtype: DType, extents: &[u64]) -> Value {
        wild(&mut self.rng, dtype, extents)
    }

    fn whole(&mut self, dtype: DType, extents: &[u64], low: i64, high: i64) -> Value {
        whole(&mut self.rng, dtype, extents, low, high)
    }
}
