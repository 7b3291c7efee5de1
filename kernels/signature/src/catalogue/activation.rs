//! Activation functions of neural networks, and their gradients.

use super::elementwise::{transcendental, unary};
use super::{REALS, SIGNED, one, output};
use crate::rule::Sizes;
use crate::{InputSpec, OutputSpec, Signature};

const OF_REALS: &[InputSpec] = &[one("x", REALS, "the elements")];
const DX: &[OutputSpec] = &[output("dx", "the gradient of x")];

pub(super) const SIGNATURES: &[Signature] = &[
    unary(
        "relu",
        &[one("x", SIGNED, "the elements")],
        "x where it is above 0, else 0; NaN stays.",
        |sizes| sizes.output(0),
    ),
    unary("tanh", OF_REALS, "The hyperbolic tangent of x.", transcendental),
    unary("sigmoid", OF_REALS, "The logistic function of x, 1 / (1 + e^-x).", transcendental),
    unary("silu", OF_REALS, "x * sigmoid(x), also called swish.", transcendental),
    unary(
        "gelu",
        OF_REALS,
        "x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) (Hendrycks and Gimpel 2016).",
        transcendental,
    ),
    gradient(
        "relu_grad",
        "The gradient of `relu`: dy where x is above 0, else 0.",
        &[one("x", REALS, "what relu took"), one("dy", REALS, "the gradient of relu(x)")],
        |sizes| sizes.output(0),
    ),
    gradient(
        "tanh_grad",
        "The gradient of `tanh`, from what it made: dy * (1 - y * y).",
        &[one("y", REALS, "what tanh made"), one("dy", REALS, "the gradient of y")],
        |sizes| sizes.output(0).saturating_mul(3),
    ),
    gradient(
        "sigmoid_grad",
        "The gradient of `sigmoid`, from what it made: dy * y * (1 - y).",
        &[one("y", REALS, "what sigmoid made"), one("dy", REALS, "the gradient of y")],
        |sizes| sizes.output(0).saturating_mul(3),
    ),
    gradient(
        "silu_grad",
        "The gradient of `silu`.",
        &[one("x", REALS, "what silu took"), one("dy", REALS, "the gradient of silu(x)")],
        transcendental,
    ),
    gradient(
        "gelu_grad",
        "The gradient of `gelu`.",
        &[one("x", REALS, "what gelu took"), one("dy", REALS, "the gradient of gelu(x)")],
        transcendental,
    ),
];

const fn gradient(
    name: &'static str,
    summary: &'static str,
    inputs: &'static [InputSpec],
    flops: fn(&Sizes<'_>) -> u64,
) -> Signature {
    Signature {
        name,
        summary,
        inputs,
        outputs: DX,
        attributes: &[],
        rule: |call| Ok(vec![call.same_type(&[0, 1])?]),
        flops,
    }
}
