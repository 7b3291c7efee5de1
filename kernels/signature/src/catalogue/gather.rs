//! Selection by index.

use super::{ANY, INDICES, NUMBERS, one, output};
use crate::rule::{Call, Extents, tensor};
use crate::value_type::unify_extents;
use crate::{Signature, SignatureError, ValueType};

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        name: "gather",
        summary: "Takes rows of a table by their indices.",
        inputs: &[
            one("table", ANY, "rows along axis 0"),
            one("indices", INDICES, "each from 0 up to the number of rows, checked when it runs"),
        ],
        outputs: &[output("rows", "the shape of indices, then the shape of a row")],
        attributes: &[],
        rule: |call| {
            if call.extents(0).is_some_and(<[_]>::is_empty) {
                return Err(call.bad_input(0, "a tensor with rows"));
            }
            let extents = call
                .extents(0)
                .zip(call.extents(1))
                .map(|(table, indices)| indices.iter().chain(&table[1..]).copied().collect());
            Ok(vec![tensor(call.dtype(0), extents)])
        },
        flops: |_| 0,
    },
    Signature {
        name: "scatter",
        summary: "Replaces rows of a tensor; where several go to one row, the last stays.",
        inputs: &[
            one("x", ANY, "rows along axis 0"),
            one("indices", INDICES, "each from 0 up to the number of rows, checked when it runs"),
            one("updates", ANY, "the shape of indices, then the shape of a row"),
        ],
        outputs: &[output("y", "of x's type")],
        attributes: &[],
        rule: scatter,
        flops: |_| 0,
    },
    Signature {
        name: "scatter_add",
        summary: "Adds to rows of a tensor, in the order of the indices. Integers wrap around.",
        inputs: &[
            one("x", NUMBERS, "rows along axis 0"),
            one("indices", INDICES, "each from 0 up to the number of rows, checked when it runs"),
            one("updates", NUMBERS, "the shape of indices, then the shape of a row"),
        ],
        outputs: &[output("y", "of x's type")],
        attributes: &[],
        rule: scatter,
        flops: |sizes| sizes.input(2),
    },
];

fn scatter(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let dtype = call.same_dtype(&[0, 2])?;
    let extents = call.extents(0).map(<[_]>::to_vec);
    if extents.as_deref().is_some_and(<[_]>::is_empty) {
        return Err(call.bad_input(0, "a tensor with rows"));
    }
    if let (Some(x), Some(indices), Some(updates)) =
        (call.extents(0), call.extents(1), call.extents(2))
    {
        let wanted: Extents = indices.iter().chain(&x[1..]).copied().collect();
        if unify_extents(Some(&wanted), Some(updates)).is_none() {
            return Err(call.mismatch("there must be a row for each index", &[0, 1, 2]));
        }
    }
    Ok(vec![tensor(dtype, extents)])
}
