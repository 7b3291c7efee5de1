//! Kernels that move elements and leave them as they are.

use super::fill::represents;
use super::{ANY, many, one, output};
use crate::attribute::{AttributeKind, Constant, defaulted, optional, required};
use crate::axes::slice_bounds;
use crate::rule::{Call, Extents, tensor};
use crate::{Signature, SignatureError, ValueType};

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        name: "slice",
        summary: "Takes the part of a tensor from `start` up to `stop` along an axis.",
        inputs: &[one("x", ANY, "the tensor")],
        outputs: &[output("y", "the part")],
        attributes: &[
            defaulted("axis", AttributeKind::INT, Constant::Int(0), "negative: from the last"),
            defaulted("start", AttributeKind::INT, Constant::Int(0), "negative: from the end"),
            optional("stop", AttributeKind::INT, "negative: from the end; the end where absent"),
        ],
        rule: slice,
        flops: |_| 0,
    },
    Signature {
        name: "concat",
        summary: "Joins tensors along an axis.",
        inputs: &[many("tensors", ANY, "alike in all but that axis")],
        outputs: &[output("y", "the tensors, one after the other")],
        attributes: &[defaulted(
            "axis",
            AttributeKind::INT,
            Constant::Int(0),
            "negative: from the last",
        )],
        rule: concat,
        flops: |_| 0,
    },
    Signature {
        name: "reshape",
        summary: "Gives a tensor another shape with as many elements.",
        inputs: &[one("x", ANY, "the tensor")],
        outputs: &[output("y", "the same elements in the same order")],
        attributes: &[required(
            "shape",
            AttributeKind::Ints { min: -1 },
            "the new extents; one may be -1, which stands for what is left",
        )],
        rule: reshape,
        flops: |_| 0,
    },
    Signature {
        name: "transpose",
        summary: "Reorders a tensor's axes.",
        inputs: &[one("x", ANY, "the tensor")],
        outputs: &[output("y", "y's axis i is x's axis perm[i]")],
        attributes: &[optional(
            "perm",
            AttributeKind::Ints { min: 0 },
            "every axis once; the reverse order where absent",
        )],
        rule: transpose,
        flops: |_| 0,
    },
    Signature {
        name: "pad",
        summary: "Puts elements of one value before and after a tensor along its axes.",
        inputs: &[one("x", ANY, "the tensor")],
        outputs: &[output("y", "the tensor in its frame")],
        attributes: &[
            required("before", AttributeKind::Ints { min: 0 }, "how many before, for each axis"),
            required("after", AttributeKind::Ints { min: 0 }, "how many after, for each axis"),
            defaulted("value", AttributeKind::FLOAT, Constant::Float(0.0), "their value"),
        ],
        rule: pad,
        flops: |_| 0,
    },
];

fn pad(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let (dtype, value) = (call.dtype(0), call.arguments.float("value"));
    if let Some(dtype) = dtype.filter(|dtype| !represents(*dtype, value)) {
        return Err(call.arguments.refuse("value", format!("{value} is no {dtype}")));
    }
    let Some(extents) = call.extents(0) else { return Ok(vec![tensor(dtype, None)]) };
    let mut extents = extents.to_vec();
    for name in ["before", "after"] {
        let lengths = call.arguments.ints(name);
        if lengths.len() != extents.len() {
            let message = format!("has {} length(s), x is {}", lengths.len(), call.inputs[0]);
            return Err(call.arguments.refuse(name, message));
        }
        for (extent, length) in extents.iter_mut().zip(lengths) {
            *extent = extent.map(|extent| extent.saturating_add(length.unsigned_abs()));
        }
    }
    Ok(vec![tensor(dtype, Some(extents))])
}

fn slice(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let (start, stop) = (call.arguments.int("start"), call.arguments.optional_int("stop"));
    let Some(extents) = call.extents(0) else { return Ok(vec![tensor(call.dtype(0), None)]) };
    let axis = call.axis("axis", call.arguments.int("axis"), 0, extents.len())?;
    let mut extents = extents.to_vec();
    extents[axis] = match extents[axis] {
        Some(extent) => {
            let (start, stop) = slice_bounds(start, stop, extent).ok_or_else(|| {
                let stop = stop.map_or_else(|| "the end".to_owned(), |stop| stop.to_string());
                let message = format!("{start} to {stop} is not within axis {axis}");
                call.mismatch(&message, &[0])
            })?;
            Some(stop - start)
        }
        None => match stop {
            Some(stop) if start >= 0 && stop >= start => Some((stop - start).unsigned_abs()),
            _ => None,
        },
    };
    Ok(vec![tensor(call.dtype(0), Some(extents))])
}

fn concat(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let all: Vec<usize> = (0..call.inputs.len()).collect();
    let dtype = call.same_dtype(&all)?;
    let known: Vec<usize> = all.into_iter().filter(|i| call.extents(*i).is_some()).collect();
    let Some((&first, _)) = known.split_first() else { return Ok(vec![tensor(dtype, None)]) };
    let mut joined: Extents = call.extents(first).unwrap_or_default().to_vec();
    let axis = call.axis("axis", call.arguments.int("axis"), first, joined.len())?;
    let mut sum = Some(0u64);
    for &index in &known {
        let extents = call.extents(index).unwrap_or_default();
        if extents.len() != joined.len() {
            return Err(call.mismatch("numbers of axes differ", &[first, index]));
        }
        for (place, extent) in extents.iter().enumerate() {
            match (joined[place], extent) {
                _ if place == axis => {}
                (Some(a), Some(b)) if a != *b => {
                    let message = format!("extents differ beside axis {axis}");
                    return Err(call.mismatch(&message, &[first, index]));
                }
                (a, b) => joined[place] = a.or(*b),
            }
        }
        sum = sum.zip(extents[axis]).map(|(sum, extent)| sum.saturating_add(extent));
    }
    joined[axis] = if known.len() == call.inputs.len() { sum } else { None };
    Ok(vec![tensor(dtype, Some(joined))])
}

fn reshape(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let wanted = call.arguments.ints("shape");
    let mut extents: Extents = wanted.iter().map(|extent| u64::try_from(*extent).ok()).collect();
    let elements = call.extents(0).and_then(product);
    let open: Vec<usize> = (0..extents.len()).filter(|i| extents[*i].is_none()).collect();
    let fixed = extents.iter().flatten().try_fold(1u64, |p, extent| p.checked_mul(*extent));
    let Some(fixed) = fixed else {
        return Err(call.arguments.refuse("shape", "has more elements than 64 bits count"));
    };
    let fits = match (open.as_slice(), elements) {
        ([] | [_], None) => true,
        ([], Some(elements)) => fixed == elements,
        (&[place], Some(elements)) => {
            extents[place] = elements.checked_div(fixed);
            fixed > 0 && elements % fixed == 0
        }
        (_, _) => return Err(call.arguments.refuse("shape", "has more than one -1")),
    };
    if !fits {
        let message = format!("cannot become {wanted:?}, numbers of elements differ");
        return Err(call.mismatch(&message, &[0]));
    }
    Ok(vec![tensor(call.dtype(0), Some(extents))])
}

fn product(extents: &[Option<u64>]) -> Option<u64> {
    extents.iter().try_fold(1u64, |product, extent| product.checked_mul((*extent)?))
}

fn transpose(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let perm = call.arguments.optional_ints("perm");
    if let Some(perm) = perm {
        let mut sorted: Vec<i64> = perm.to_vec();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..perm.len() as i64) {
            let message = format!("{perm:?} does not name every axis once");
            return Err(call.arguments.refuse("perm", message));
        }
    }
    let Some(extents) = call.extents(0) else {
        let extents = perm.map(|perm| vec![None; perm.len()]);
        return Ok(vec![tensor(call.dtype(0), extents)]);
    };
    let turned: Extents = match perm {
        None => extents.iter().rev().copied().collect(),
        Some(perm) if perm.len() == extents.len() => {
            perm.iter().map(|axis| extents[*axis as usize]).collect()
        }
        Some(perm) => {
            let message = format!("perm {perm:?} names another number of axes");
            return Err(call.mismatch(&message, &[0]));
        }
    };
    Ok(vec![tensor(call.dtype(0), Some(turned))])
}
