//! Selection by index.

use super::{ANY, INDICES, one, output};
use crate::Signature;
use crate::rule::tensor;

pub(super) const SIGNATURES: &[Signature] = &[Signature {
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
}];
