//! Rows brought to one scale, and the gradients of that; `softmax` itself is with what trains
//! classifiers.

use super::{FLOATS, one, output};
use crate::attribute::{AttributeKind, AttributeSpec, Constant, defaulted};
use crate::rule::{Call, tensor};
use crate::{InputSpec, OutputSpec, Signature, SignatureError, ValueType};

const EPS: AttributeSpec = defaulted(
    "eps",
    AttributeKind::Float { min: 0.0, max: f64::MAX },
    Constant::Float(1e-5),
    "added to the variance",
);
const OF_X: &[OutputSpec] = &[output("dx", "the gradient of x")];
const ROWS: InputSpec = one("x", FLOATS, "[..., c]");
const GAMMA: InputSpec = one("gamma", FLOATS, "[c], what each column is multiplied by");

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        name: "softmax_grad",
        summary: "The gradient of what `softmax` took: y * (dy - the row's sum of y * dy).",
        inputs: &[
            one("y", FLOATS, "[..., classes], what softmax made"),
            one("dy", FLOATS, "its gradient"),
        ],
        outputs: OF_X,
        attributes: &[],
        rule: |call| rows(call, &[0, 1]),
        flops: |sizes| sizes.output(0).saturating_mul(4),
    },
    Signature {
        name: "log_softmax",
        summary: "The logarithm of `softmax`, exact for small probabilities too.",
        inputs: &[one("x", FLOATS, "[..., classes]")],
        outputs: &[output("y", "of x's shape; the exponentials of each row add up to 1")],
        attributes: &[],
        rule: |call| rows(call, &[0]),
        flops: |sizes| sizes.output(0).saturating_mul(24),
    },
    Signature {
        name: "log_softmax_grad",
        summary: "The gradient of what `log_softmax` took: dy - exp(y) * the row's sum of dy.",
        inputs: &[
            one("y", FLOATS, "[..., classes], what log_softmax made"),
            one("dy", FLOATS, "its gradient"),
        ],
        outputs: OF_X,
        attributes: &[],
        rule: |call| rows(call, &[0, 1]),
        flops: |sizes| sizes.output(0).saturating_mul(24),
    },
    Signature {
        name: "layer_norm",
        summary: "Brings each row to mean 0 and variance 1, then multiplies by gamma and adds beta \
                  (Ba et al. 2016).",
        inputs: &[ROWS, GAMMA, one("beta", FLOATS, "[c], what is added to each column then")],
        outputs: &[output("y", "of x's shape")],
        attributes: &[EPS],
        rule: |call| {
            let (x, _) = normalised(call, &[1, 2])?;
            Ok(vec![x])
        },
        flops: |sizes| sizes.output(0).saturating_mul(8),
    },
    Signature {
        name: "layer_norm_grad",
        summary: "The gradients of what `layer_norm` took.",
        inputs: &[ROWS, GAMMA, one("dy", FLOATS, "[..., c], the gradient of layer_norm's y")],
        outputs: &[output("dx", "of x's shape"), output("dgamma", "[c]"), output("dbeta", "[c]")],
        attributes: &[EPS],
        rule: |call| {
            call.same_type(&[0, 2])?;
            let (x, column) = normalised(call, &[1])?;
            Ok(vec![x, column.clone(), column])
        },
        flops: |sizes| sizes.output(0).saturating_mul(16),
    },
];

/// The one type of these inputs, which have rows.
fn rows(call: &Call<'_>, indexes: &[usize]) -> Result<Vec<ValueType>, SignatureError> {
    if let Some(index) =
        indexes.iter().find(|index| call.extents(**index).is_some_and(<[_]>::is_empty))
    {
        return Err(call.bad_input(*index, "a tensor with rows"));
    }
    Ok(vec![call.same_type(indexes)?])
}

/// The types of x, the first input, and of what there is one of for each of its columns, as the
/// inputs at `columns` are.
fn normalised(
    call: &Call<'_>,
    columns: &[usize],
) -> Result<(ValueType, ValueType), SignatureError> {
    let all: Vec<usize> = (0..call.inputs.len()).collect();
    let dtype = call.same_dtype(&all)?;
    let mut extents = call.extents(0).map(<[_]>::to_vec);
    let mut own = match extents.as_mut().map(|extents| extents.last_mut()) {
        Some(None) => return Err(call.bad_input(0, "a tensor with rows")),
        Some(Some(last)) => *last,
        None => None,
    };
    for &index in columns {
        let given = call.ranked(index, 1)?[0];
        if own.zip(given).is_some_and(|(own, given)| own != given) {
            return Err(call.mismatch("row lengths differ", &[0, index]));
        }
        own = own.or(given);
    }
    if let Some(last) = extents.as_mut().and_then(|extents| extents.last_mut()) {
        *last = own;
    }
    Ok((tensor(dtype, extents), tensor(dtype, Some(vec![own]))))
}
