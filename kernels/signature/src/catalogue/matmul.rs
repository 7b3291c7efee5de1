//! Products of matrices.

use drawloom_model::ObjectType;

use super::{REALS, one, output};
use crate::attribute::{AttributeKind, Constant, defaulted};
use crate::rule::{Call, Sizes, tensor};
use crate::{Signature, SignatureError, ValueType};

pub(super) const SIGNATURES: &[Signature] = &[Signature {
    name: "matmul",
    summary: "Multiplies two matrices; halves in f32.",
    inputs: &[
        one("a", REALS, "[m, k], or [k, m] with transpose_a"),
        one("b", REALS, "[k, n], or [n, k] with transpose_b"),
    ],
    outputs: &[output("y", "[m, n]")],
    attributes: &[
        defaulted("transpose_a", AttributeKind::Bool, Constant::Bool(false), "take a transposed"),
        defaulted("transpose_b", AttributeKind::Bool, Constant::Bool(false), "take b transposed"),
    ],
    rule: matmul,
    flops,
}];

fn matmul(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let dtype = call.same_dtype(&[0, 1])?;
    let (mut a, mut b) = (call.ranked(0, 2)?, call.ranked(1, 2)?);
    if call.arguments.bool("transpose_a") {
        a.swap(0, 1);
    }
    if call.arguments.bool("transpose_b") {
        b.swap(0, 1);
    }
    if let (Some(left), Some(right)) = (a[1], b[0])
        && left != right
    {
        return Err(call.mismatch("inner extents differ", &[0, 1]));
    }
    Ok(vec![tensor(dtype, Some(vec![a[0], b[1]]))])
}

fn flops(sizes: &Sizes<'_>) -> u64 {
    let transposed = sizes.arguments.bool("transpose_a");
    let inner = match sizes.inputs.first() {
        Some(ObjectType::Tensor { shape, .. }) if shape.rank() == 2 => {
            shape.extents()[usize::from(!transposed)]
        }
        _ => 0,
    };
    sizes.output(0).saturating_mul(inner).saturating_mul(2)
}
