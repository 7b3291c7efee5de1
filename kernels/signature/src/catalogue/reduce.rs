//! Kernels that make one element of many.

use drawloom_model::DType;

use super::{NUMBERS, REALS, many, one, output};
use crate::attribute::{AttributeKind, AttributeSpec, Constant, defaulted, optional};
use crate::axes::reduced_axes;
use crate::rule::{Call, Extents, tensor};
use crate::{InputSpec, OutputSpec, Signature, SignatureError, ValueType};

const KEEP_DIMS: AttributeSpec = defaulted(
    "keep_dims",
    AttributeKind::Bool,
    Constant::Bool(false),
    "whether reduced axes stay, with extent 1",
);
const AXES: &[AttributeSpec] = &[
    optional(
        "axes",
        AttributeKind::Ints { min: i64::MIN },
        "the axes to reduce, negative: from the last; all where absent",
    ),
    KEEP_DIMS,
];
const REDUCED: &[OutputSpec] = &[output("y", "in the shape of x without the axes")];
const OF_NUMBERS: &[InputSpec] = &[one("x", NUMBERS, "the elements")];
const OF_REALS: &[InputSpec] = &[one("x", REALS, "the elements")];
const PLACES: &[OutputSpec] = &[output("indices", "i64, in the shape of x without the axis")];
const ALONG: &[AttributeSpec] = &[
    defaulted("axis", AttributeKind::INT, Constant::Int(-1), "negative: from the last"),
    KEEP_DIMS,
];

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        rule: |call| Ok(vec![tensor(call.dtype(0).map(sum_dtype), reduced(call)?)]),
        ..over_axes("sum", OF_NUMBERS, "Adds up elements; integers as i64, which wraps around.")
    },
    Signature {
        rule: |call| Ok(vec![tensor(call.dtype(0).map(sum_dtype), reduced(call)?)]),
        ..over_axes("prod", OF_NUMBERS, "Multiplies elements; integers as i64, which wraps around.")
    },
    over_axes("mean", OF_REALS, "The mean of elements; NaN where there are none."),
    over_axes("max", OF_NUMBERS, "The largest of elements, of which there must be one; NaN wins."),
    over_axes("min", OF_NUMBERS, "The smallest of elements, of which there must be one; NaN wins."),
    Signature {
        attributes: &[
            AXES[0],
            KEEP_DIMS,
            defaulted(
                "ddof",
                AttributeKind::COUNT,
                Constant::Int(0),
                "what the divisor, the number of elements, is lessened by; 1 for a sample's",
            ),
        ],
        flops: |sizes| sizes.input(0).saturating_mul(4),
        ..over_axes(
            "variance",
            OF_REALS,
            "The mean squared distance of elements from their mean; NaN where there are none.",
        )
    },
    along_axis(
        "argmax",
        "Where the largest element is along an axis: the first of equals; NaN wins.",
    ),
    along_axis(
        "argmin",
        "Where the smallest element is along an axis: the first of equals; NaN wins.",
    ),
    Signature {
        name: "sum_n",
        summary: "Adds up tensors of one shape, in their order. Integers wrap around.",
        inputs: &[many("tensors", NUMBERS, "alike in type")],
        outputs: &[output("y", "of that type")],
        attributes: &[],
        rule: |call| {
            let all: Vec<usize> = (0..call.inputs.len()).collect();
            Ok(vec![call.same_type(&all)?])
        },
        flops: |sizes| sizes.output(0).saturating_mul(sizes.inputs.len() as u64),
    },
];

const fn over_axes(
    name: &'static str,
    inputs: &'static [InputSpec],
    summary: &'static str,
) -> Signature {
    Signature {
        name,
        summary,
        inputs,
        outputs: REDUCED,
        attributes: AXES,
        rule: |call| {
            let extents = reduced(call)?;
            Ok(vec![tensor(call.dtype(0), extents)])
        },
        flops: |sizes| sizes.input(0),
    }
}

const fn along_axis(name: &'static str, summary: &'static str) -> Signature {
    Signature {
        name,
        summary,
        inputs: OF_NUMBERS,
        outputs: PLACES,
        attributes: ALONG,
        rule: places,
        flops: |sizes| sizes.input(0),
    }
}

/// The element type in which elements of type `dtype` are added up.
pub(super) fn sum_dtype(dtype: DType) -> DType {
    match dtype {
        DType::U8 | DType::I32 | DType::I64 => DType::I64,
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => dtype,
    }
}

fn reduced(call: &Call<'_>) -> Result<Option<Extents>, SignatureError> {
    let keep_dims = call.arguments.bool("keep_dims");
    let Some(extents) = call.extents(0) else {
        let to_scalar = !keep_dims && call.arguments.optional_ints("axes").is_none();
        return Ok(to_scalar.then(Vec::new));
    };
    let drop =
        reduced_axes(call.arguments.optional_ints("axes"), extents.len()).map_err(|message| {
            call.arguments.refuse("axes", format!("{message} in {}", call.inputs[0]))
        })?;
    Ok(Some(without(extents, &drop, keep_dims)))
}

fn without(extents: &[Option<u64>], drop: &[bool], keep_dims: bool) -> Extents {
    let kept = extents.iter().zip(drop).filter_map(|(extent, drop)| match (drop, keep_dims) {
        (false, _) => Some(*extent),
        (true, true) => Some(Some(1)),
        (true, false) => None,
    });
    kept.collect()
}

fn places(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let Some(extents) = call.extents(0) else { return Ok(vec![tensor(Some(DType::I64), None)]) };
    let axis = call.axis("axis", call.arguments.int("axis"), 0, extents.len())?;
    let mut drop = vec![false; extents.len()];
    drop[axis] = true;
    let extents = without(extents, &drop, call.arguments.bool("keep_dims"));
    Ok(vec![tensor(Some(DType::I64), Some(extents))])
}
