//! Tables of parameters whose rows stand for symbols.

use super::{FLOATS, INDICES, one, output};
use crate::attribute::{AttributeKind, required};
use crate::rule::{Call, tensor};
use crate::{Signature, SignatureError, ValueType};

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        name: "embedding",
        summary: "Takes the row of a table of parameters that each index names.",
        inputs: &[
            one("table", FLOATS, "[rows, width]"),
            one("indices", INDICES, "each from 0 up to the number of rows, checked when it runs"),
        ],
        outputs: &[output("y", "[..., width], after the shape of indices")],
        attributes: &[],
        rule: |call| {
            let width = call.ranked(0, 2)?[1];
            let extents =
                call.extents(1).map(|indices| indices.iter().copied().chain([width]).collect());
            Ok(vec![tensor(call.dtype(0), extents)])
        },
        flops: |_| 0,
    },
    Signature {
        name: "embedding_grad",
        summary: "The gradient of an `embedding`'s table: each row adds up, in their order, the \
                  gradients of where its index stands.",
        inputs: &[
            one("indices", INDICES, "as embedding took them"),
            one("dy", FLOATS, "[..., width], the gradient of what embedding made"),
        ],
        outputs: &[output("dtable", "[rows, width]; rows that no index names are 0")],
        attributes: &[required("rows", AttributeKind::COUNT, "how many rows the table has")],
        rule: embedding_grad,
        flops: |sizes| sizes.input(1),
    },
];

fn embedding_grad(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let rows = call.arguments.int("rows").unsigned_abs();
    let Some(dy) = call.extents(1) else {
        return Ok(vec![tensor(call.dtype(1), Some(vec![Some(rows), None]))]);
    };
    let Some((width, places)) = dy.split_last() else {
        return Err(call.bad_input(1, "a tensor with rows"));
    };
    if let Some(indices) = call.extents(0) {
        let differ = |(a, b): (&Option<u64>, &Option<u64>)| a.zip(*b).is_some_and(|(a, b)| a != b);
        if indices.len() != places.len() || indices.iter().zip(places).any(differ) {
            return Err(call.mismatch("numbers of rows differ", &[0, 1]));
        }
    }
    Ok(vec![tensor(call.dtype(1), Some(vec![Some(rows), *width]))])
}
