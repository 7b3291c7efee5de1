//! Tensors in NumPy's file format.

use drawloom_model::DType;

use super::{NUMBER_NAMES, one, output};
use crate::attribute::{AttributeKind, optional};
use crate::rule::tensor;
use crate::{Arity, InputKind, InputSpec, Signature, ValueType};

/// Element types that the format has names for.
const NAMED: &[DType] = &[DType::U8, DType::I32, DType::I64, DType::F16, DType::F32, DType::F64];

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        name: "read_npy",
        summary: "Reads a tensor from NumPy's .npy format, versions 1 to 3, of either byte order; \
                  columns before rows are put in order.",
        inputs: &[InputSpec {
            name: "file",
            kind: InputKind::Blob,
            arity: Arity::One,
            doc: "the file's bytes",
        }],
        outputs: &[output("x", "the tensor; booleans become u8")],
        attributes: &[
            optional(
                "dtype",
                AttributeKind::OneOf(NUMBER_NAMES),
                "which element type it must have",
            ),
            optional("shape", AttributeKind::Ints { min: 0 }, "which extents it must have"),
        ],
        rule: |call| {
            let dtype = call.arguments.optional_text("dtype").and_then(DType::from_name);
            let extents = call
                .arguments
                .optional_ints("shape")
                .map(|extents| extents.iter().map(|extent| Some(extent.unsigned_abs())).collect());
            Ok(vec![tensor(dtype, extents)])
        },
        flops: |_| 0,
    },
    Signature {
        name: "write_npy",
        summary: "Writes a tensor in NumPy's .npy format, version 1, little-endian, rows first.",
        inputs: &[one("x", NAMED, "the tensor")],
        outputs: &[output("file", "the file's bytes")],
        attributes: &[],
        rule: |_| Ok(vec![ValueType::Blob]),
        flops: |_| 0,
    },
];
