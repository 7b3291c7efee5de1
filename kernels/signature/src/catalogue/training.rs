//! What training a classifier needs beside general arithmetic.

use drawloom_model::DType;

use super::{FLOATS, LABELS, one, output};
use crate::attribute::{AttributeKind, AttributeSpec, Constant, defaulted, optional, required};
use crate::rule::{Call, Extents, tensor};
use crate::{InputSpec, Signature, SignatureError, ValueType};

const POSITIVE: AttributeKind = AttributeKind::Float { min: f64::MIN_POSITIVE, max: f64::MAX };
const NOT_NEGATIVE: AttributeKind = AttributeKind::Float { min: 0.0, max: f64::MAX };
const DECAY: AttributeKind = AttributeKind::Float { min: 0.0, max: 1.0 - f64::EPSILON };

const CLASSIFIED: &[InputSpec] = &[
    one("logits", FLOATS, "[n, classes]"),
    one("labels", LABELS, "[n], each from 0 up to the number of classes"),
];

const fn learning_rate(default: f64) -> AttributeSpec {
    defaulted("lr", NOT_NEGATIVE, Constant::Float(default), "the learning rate")
}

const WEIGHT_DECAY: AttributeSpec = defaulted(
    "weight_decay",
    NOT_NEGATIVE,
    Constant::Float(0.0),
    "how much of each parameter, times the learning rate, is taken away",
);

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        name: "softmax",
        summary: "Turns each row into probabilities: exp(x) divided by its sum over the last axis.",
        inputs: &[one("x", FLOATS, "[..., classes]")],
        outputs: &[output("y", "of x's shape; each row adds up to 1")],
        attributes: &[],
        rule: |call| {
            if call.extents(0).is_some_and(<[_]>::is_empty) {
                return Err(call.bad_input(0, "a tensor with rows"));
            }
            Ok(vec![call.same_type(&[0])?])
        },
        flops: |sizes| sizes.output(0).saturating_mul(24),
    },
    Signature {
        name: "cross_entropy",
        summary: "The cross entropy of softmax(logits) against labels, and its gradient.",
        inputs: CLASSIFIED,
        outputs: &[
            output("loss", "scalar: the sum over the rows, divided by `denominator`"),
            output("dlogits", "[n, classes], the gradient of the loss"),
        ],
        attributes: &[optional(
            "denominator",
            POSITIVE,
            "what the sum is divided by; the number of rows where absent. Shards of one batch \
             give the whole batch's size, so that their gradients add up",
        )],
        rule: |call| {
            let extents = classified(call)?;
            let dtype = call.dtype(0);
            Ok(vec![ValueType::scalar(dtype), tensor(dtype, Some(extents))])
        },
        flops: |sizes| sizes.input(0).saturating_mul(28),
    },
    Signature {
        name: "accuracy",
        summary: "The share of rows whose largest logit is the label's; NaN for no rows.",
        inputs: CLASSIFIED,
        outputs: &[output("accuracy", "f32 scalar from 0 to 1")],
        attributes: &[],
        rule: |call| {
            classified(call)?;
            Ok(vec![ValueType::scalar(Some(DType::F32))])
        },
        flops: |sizes| sizes.input(0),
    },
    Signature {
        name: "sgd",
        summary: "One step of gradient descent: param - lr * (grad + weight_decay * param).",
        inputs: &[one("param", FLOATS, "the parameters"), one("grad", FLOATS, "their gradient")],
        outputs: &[output("param", "the new parameters")],
        attributes: &[learning_rate(0.01), WEIGHT_DECAY],
        rule: |call| Ok(vec![call.same_type(&[0, 1])?]),
        flops: |sizes| sizes.output(0).saturating_mul(4),
    },
    Signature {
        name: "sgd_momentum",
        summary: "One step of gradient descent with momentum (Sutskever et al. 2013): velocity * \
                  momentum + grad + weight_decay * param is the new velocity, which lr times is \
                  taken away.",
        inputs: &[
            one("param", FLOATS, "the parameters"),
            one("grad", FLOATS, "their gradient"),
            one("velocity", FLOATS, "of past steps; zeros before the first"),
        ],
        outputs: &[output("param", "the new parameters"), output("velocity", "the new velocity")],
        attributes: &[
            learning_rate(0.01),
            defaulted("momentum", DECAY, Constant::Float(0.9), "how much of the velocity stays"),
            defaulted(
                "nesterov",
                AttributeKind::Bool,
                Constant::Bool(false),
                "whether the step looks one ahead: grad + weight_decay * param + momentum * the \
                 new velocity is taken away",
            ),
            WEIGHT_DECAY,
        ],
        rule: |call| Ok(vec![call.same_type(&[0, 1, 2])?; 2]),
        flops: |sizes| sizes.output(0).saturating_mul(8),
    },
    Signature {
        name: "adam",
        summary: "One step of Adam with decoupled weight decay (Kingma and Ba 2015; Loshchilov and \
                  Hutter 2019).",
        inputs: &[
            one("param", FLOATS, "the parameters"),
            one("grad", FLOATS, "their gradient"),
            one("m", FLOATS, "the running mean of gradients; zeros before the first step"),
            one("v", FLOATS, "the running mean of squared gradients; zeros before the first step"),
        ],
        outputs: &[
            output("param", "the new parameters"),
            output("m", "the new mean"),
            output("v", "the new mean of squares"),
        ],
        attributes: &[
            required("step", AttributeKind::Int { min: 1, max: i64::MAX }, "counted from 1"),
            learning_rate(0.001),
            defaulted("beta1", DECAY, Constant::Float(0.9), "how much of m stays"),
            defaulted("beta2", DECAY, Constant::Float(0.999), "how much of v stays"),
            defaulted("eps", NOT_NEGATIVE, Constant::Float(1e-8), "added to the root of v"),
            WEIGHT_DECAY,
        ],
        rule: |call| Ok(vec![call.same_type(&[0, 1, 2, 3])?; 3]),
        flops: |sizes| sizes.output(0).saturating_mul(16),
    },
];

/// The extents of logits that go with the labels.
fn classified(call: &Call<'_>) -> Result<Extents, SignatureError> {
    let (mut logits, labels) = (call.ranked(0, 2)?, call.ranked(1, 1)?);
    if let (Some(rows), Some(labels)) = (logits[0], labels[0])
        && rows != labels
    {
        return Err(call.mismatch("numbers of rows differ", &[0, 1]));
    }
    logits[0] = logits[0].or(labels[0]);
    Ok(logits)
}
