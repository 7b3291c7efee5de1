//! Which kernels have plans, by name.

use crate::builder::Builder;
use crate::family::{
    convolution, elementwise, gather, image, layout, loss, matmul, optimizer, permutation, pooling,
    random, reduce, rows, scan, sort,
};
use crate::{CPU_ONLY, PlanError};

pub(crate) type Planner = fn(&mut Builder<'_>) -> Result<(), PlanError>;

/// Every kernel's planner, in the order of the names.
const PLANNERS: &[(&str, Planner)] = &[
    ("abs", |b| elementwise::unary(b, "abs_of")),
    ("accuracy", loss::accuracy),
    ("adam", optimizer::adam),
    ("add", |b| elementwise::binary(b, "add")),
    ("argmax", |b| reduce::argreduce(b, "argmax")),
    ("argmin", |b| reduce::argreduce(b, "argmin")),
    ("avg_pool2d", pooling::avg_pool2d),
    ("avg_pool2d_grad", pooling::avg_pool2d_grad),
    ("axpy", elementwise::axpy),
    ("bias_add", |b| elementwise::binary(b, "add")),
    ("cast", elementwise::cast),
    ("ceil", |b| elementwise::unary(b, "ceil_of")),
    ("clip", elementwise::clip),
    ("concat", layout::concat),
    ("conv2d", convolution::conv2d),
    ("conv2d_grad_input", convolution::conv2d_grad_input),
    ("conv2d_grad_weights", convolution::conv2d_grad_weights),
    ("cos", |b| elementwise::unary(b, "cos_of")),
    ("cross_entropy", loss::cross_entropy),
    ("div", elementwise::div),
    ("dropout", random::dropout),
    ("dropout_grad", random::dropout),
    ("embedding", gather::gather),
    ("embedding_grad", gather::embedding_grad),
    ("equal", |b| elementwise::compare(b, "equal")),
    ("exp", |b| elementwise::unary(b, "exp_of")),
    ("fill", random::fill),
    ("floor", |b| elementwise::unary(b, "floor_of")),
    ("gather", gather::gather),
    ("gelu", |b| elementwise::unary(b, "gelu")),
    ("gelu_grad", |b| elementwise::gradient(b, "gelu_grad")),
    ("greater", |b| elementwise::compare(b, "greater")),
    ("greater_equal", |b| elementwise::compare(b, "greater_equal")),
    ("histogram", scan::histogram),
    ("image_shift", image::image_shift),
    ("layer_norm", rows::layer_norm),
    ("layer_norm_grad", rows::layer_norm_grad),
    ("less", |b| elementwise::compare(b, "less")),
    ("less_equal", |b| elementwise::compare(b, "less_equal")),
    ("log", |b| elementwise::unary(b, "log_of")),
    ("log_softmax", |b| rows::softmax(b, "log_softmax")),
    ("log_softmax_grad", |b| rows::softmax_grad(b, "log_softmax_grad")),
    ("matmul", matmul::matmul),
    ("max", |b| reduce::extreme(b, "max")),
    ("max_pool2d", pooling::max_pool2d),
    ("max_pool2d_grad", pooling::max_pool2d_grad),
    ("maximum", |b| elementwise::binary(b, "maximum")),
    ("mean", reduce::mean),
    ("min", |b| reduce::extreme(b, "min")),
    ("minimum", |b| elementwise::binary(b, "minimum")),
    ("mul", |b| elementwise::binary(b, "mul")),
    ("neg", |b| elementwise::unary(b, "negate")),
    ("normal", |b| random::spread(b, "normal", ["mean", "std"])),
    ("not_equal", |b| elementwise::compare(b, "not_equal")),
    ("pad", layout::pad),
    ("permutation", permutation::permutation),
    ("pow", elementwise::pow),
    ("prod", |b| reduce::total(b, "prod")),
    ("reciprocal", |b| elementwise::unary(b, "reciprocal")),
    ("relu", |b| elementwise::unary(b, "relu")),
    ("relu_grad", |b| elementwise::gradient(b, "relu_grad")),
    ("reshape", layout::reshape),
    ("round", |b| elementwise::unary(b, "round_of")),
    ("rsqrt", |b| elementwise::unary(b, "rsqrt_of")),
    ("scale", elementwise::scale),
    ("scan", scan::scan),
    ("scatter", gather::scatter),
    ("scatter_add", gather::scatter_add),
    ("sgd", optimizer::sgd),
    ("sgd_momentum", optimizer::sgd_momentum),
    ("sigmoid", |b| elementwise::unary(b, "sigmoid")),
    ("sigmoid_grad", |b| elementwise::gradient(b, "sigmoid_grad")),
    ("sign", |b| elementwise::unary(b, "sign")),
    ("silu", |b| elementwise::unary(b, "silu")),
    ("silu_grad", |b| elementwise::gradient(b, "silu_grad")),
    ("sin", |b| elementwise::unary(b, "sin_of")),
    ("slice", layout::slice),
    ("softmax", |b| rows::softmax(b, "softmax")),
    ("softmax_grad", |b| rows::softmax_grad(b, "softmax_grad")),
    ("sort", sort::sort),
    ("sqrt", |b| elementwise::unary(b, "sqrt_of")),
    ("square", |b| elementwise::unary(b, "square")),
    ("sub", |b| elementwise::binary(b, "sub")),
    ("sum", |b| reduce::total(b, "sum")),
    ("sum_n", elementwise::sum_n),
    ("tanh", |b| elementwise::unary(b, "tanh_of")),
    ("tanh_grad", |b| elementwise::gradient(b, "tanh_grad")),
    ("top_k", sort::top_k),
    ("transpose", layout::transpose),
    ("uniform", |b| random::spread(b, "uniform", ["low", "high"])),
    ("variance", reduce::variance),
    ("where", elementwise::choose),
];

/// The kernels that have a CUDA form, in alphabetical order.
pub fn names() -> impl Iterator<Item = &'static str> {
    PLANNERS.iter().map(|(name, _)| *name)
}

/// What plans calls of a kernel of the catalogue.
pub(crate) fn planner(kernel: &'static str) -> Result<Planner, PlanError> {
    match PLANNERS.binary_search_by_key(&kernel, |(name, _)| name) {
        Ok(place) => Ok(PLANNERS[place].1),
        Err(_) => {
            let reason = match CPU_ONLY.contains(&kernel) {
                true => "it is for CPUs alone".to_owned(),
                false => "it has no plan yet".to_owned(),
            };
            Err(PlanError::Unsupported { kernel, reason })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_of_the_catalogue_has_a_plan_or_is_for_cpus_alone() {
        assert!(PLANNERS.is_sorted_by_key(|(name, _)| name));
        let mut names: Vec<&str> = names().chain(CPU_ONLY.iter().copied()).collect();
        names.sort_unstable();
        let catalogue = drawloom_signature::catalogue();
        assert!(names.into_iter().eq(catalogue.iter().map(|signature| signature.name)));
    }
}
