//! Kernels for ordering and measuring.

use drawloom_model::DType;

use super::{ignored, output};
use crate::attribute::{AttributeKind, required};
use crate::{Signature, ValueType};

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        name: "noop",
        summary: "Does nothing.",
        inputs: &[ignored("inputs", "objects to wait for; they are not read")],
        outputs: &[],
        attributes: &[],
        rule: |_| Ok(Vec::new()),
        flops: |_| 0,
    },
    Signature {
        name: "busy",
        summary: "Keeps one core busy with integer arithmetic and makes a checksum of it.",
        inputs: &[ignored("inputs", "objects to wait for; they are not read")],
        outputs: &[output("checksum", "i64 scalar, the same for the same number of iterations")],
        attributes: &[required(
            "iterations",
            AttributeKind::COUNT,
            "dependent multiply-and-shift steps, of about 2 ns each",
        )],
        rule: |_| Ok(vec![ValueType::scalar(Some(DType::I64))]),
        flops: |sizes| 3u64.saturating_mul(sizes.arguments.int("iterations").unsigned_abs()),
    },
];
