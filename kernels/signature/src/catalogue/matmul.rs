//! Products of matrices.

use drawloom_model::ObjectType;

use super::elementwise::broadcast;
use super::{REALS, one, output};
use crate::attribute::{AttributeKind, Constant, defaulted};
use crate::rule::{Call, Extents, Sizes, tensor};
use crate::{Signature, SignatureError, ValueType};

pub(super) const SIGNATURES: &[Signature] = &[Signature {
    name: "matmul",
    summary: "Multiplies two matrices, or batches of them, whose leading axes broadcast as NumPy's \
              do; halves in f32.",
    inputs: &[
        one("a", REALS, "[..., m, k], or [..., k, m] with transpose_a"),
        one("b", REALS, "[..., k, n], or [..., n, k] with transpose_b"),
    ],
    outputs: &[output("y", "[..., m, n]")],
    attributes: &[
        defaulted("transpose_a", AttributeKind::Bool, Constant::Bool(false), "take a transposed"),
        defaulted("transpose_b", AttributeKind::Bool, Constant::Bool(false), "take b transposed"),
    ],
    rule: matmul,
    flops,
}];

fn matmul(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let dtype = call.same_dtype(&[0, 1])?;
    let (a, b) = (matrices(call, 0, "transpose_a")?, matrices(call, 1, "transpose_b")?);
    let Some(((mut batch, [m, left]), (other, [right, n]))) = a.zip(b) else {
        return Ok(vec![tensor(dtype, None)]);
    };
    if left.zip(right).is_some_and(|(left, right)| left != right) {
        return Err(call.mismatch("inner extents differ", &[0, 1]));
    }
    batch = broadcast(&batch, &other)
        .ok_or_else(|| call.mismatch("batches do not broadcast", &[0, 1]))?;
    batch.extend([m, n]);
    Ok(vec![tensor(dtype, Some(batch))])
}

/// The leading extents of an input, and those of each of its matrices.
type Matrices = (Extents, [Option<u64>; 2]);

/// The matrices of an input, turned round where told.
fn matrices(
    call: &Call<'_>,
    index: usize,
    transpose: &str,
) -> Result<Option<Matrices>, SignatureError> {
    let Some(extents) = call.extents(index) else { return Ok(None) };
    let [batch @ .., rows, columns] = extents else {
        return Err(call.bad_input(index, "a tensor with 2 extents or more"));
    };
    let turned = call.arguments.bool(transpose);
    let matrix = if turned { [*columns, *rows] } else { [*rows, *columns] };
    Ok(Some((batch.to_vec(), matrix)))
}

fn flops(sizes: &Sizes<'_>) -> u64 {
    let transposed = sizes.arguments.bool("transpose_a");
    let inner = match sizes.inputs.first() {
        Some(ObjectType::Tensor { shape, .. }) => {
            shape.extents().iter().rev().nth(usize::from(transposed)).copied().unwrap_or(0)
        }
        Some(ObjectType::Blob) | None => 0,
    };
    sizes.output(0).saturating_mul(inner).saturating_mul(2)
}
