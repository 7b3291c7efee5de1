//! Which kernels there are, by name.

use drawloom_model::KernelCall;
use drawloom_signature::find;

use crate::call::Call;
use crate::{
    CpuContext, KernelError, Operand, Outputs, activation, compare, control, convert, convolution,
    dropout, elementwise, embedding, fill, gather, histogram, image, layer_norm, layout, loss,
    matmul, npy, optimizer, pad, pooling, reduce, scan, scatter, softmax, sort, table,
};

type Form = fn(&Call<'_>, &mut dyn Outputs) -> Result<(), KernelError>;

/// Every kernel's CPU form, in the order of the names.
const FORMS: &[(&str, Form)] = &[
    ("abs", elementwise::abs),
    ("accuracy", loss::accuracy),
    ("adam", optimizer::adam),
    ("add", elementwise::add),
    ("argmax", reduce::argmax),
    ("argmin", reduce::argmin),
    ("avg_pool2d", pooling::avg_pool2d),
    ("avg_pool2d_grad", pooling::avg_pool2d_grad),
    ("axpy", elementwise::axpy),
    ("bias_add", elementwise::add),
    ("busy", control::busy),
    ("cast", convert::cast),
    ("ceil", elementwise::ceil),
    ("clip", elementwise::clip),
    ("concat", layout::concat),
    ("conv2d", convolution::conv2d),
    ("conv2d_grad_input", convolution::conv2d_grad_input),
    ("conv2d_grad_weights", convolution::conv2d_grad_weights),
    ("cos", elementwise::cos),
    ("cross_entropy", loss::cross_entropy),
    ("div", elementwise::div),
    ("dropout", dropout::dropout),
    ("dropout_grad", dropout::dropout),
    ("embedding", gather::gather),
    ("embedding_grad", embedding::embedding_grad),
    ("equal", compare::equal),
    ("exp", elementwise::exp),
    ("fill", fill::fill),
    ("floor", elementwise::floor),
    ("gather", gather::gather),
    ("gelu", activation::gelu),
    ("gelu_grad", activation::gelu_grad),
    ("greater", compare::greater),
    ("greater_equal", compare::greater_equal),
    ("histogram", histogram::histogram),
    ("image_shift", image::image_shift),
    ("layer_norm", layer_norm::layer_norm),
    ("layer_norm_grad", layer_norm::layer_norm_grad),
    ("less", compare::less),
    ("less_equal", compare::less_equal),
    ("log", elementwise::log),
    ("log_softmax", softmax::log_softmax),
    ("log_softmax_grad", softmax::log_softmax_grad),
    ("matmul", matmul::matmul),
    ("max", reduce::max),
    ("max_pool2d", pooling::max_pool2d),
    ("max_pool2d_grad", pooling::max_pool2d_grad),
    ("maximum", elementwise::maximum),
    ("mean", reduce::mean),
    ("min", reduce::min),
    ("minimum", elementwise::minimum),
    ("mul", elementwise::mul),
    ("neg", elementwise::neg),
    ("noop", control::noop),
    ("normal", fill::normal),
    ("not_equal", compare::not_equal),
    ("pad", pad::pad),
    ("permutation", fill::permutation),
    ("pow", elementwise::pow),
    ("prod", reduce::prod),
    ("read_csv", table::read_csv),
    ("read_npy", npy::read_npy),
    ("reciprocal", elementwise::reciprocal),
    ("relu", activation::relu),
    ("relu_grad", activation::relu_grad),
    ("reshape", layout::reshape),
    ("round", elementwise::round),
    ("rsqrt", elementwise::rsqrt),
    ("scale", elementwise::scale),
    ("scan", scan::scan),
    ("scatter", scatter::scatter),
    ("scatter_add", scatter::scatter_add),
    ("sgd", optimizer::sgd),
    ("sgd_momentum", optimizer::sgd_momentum),
    ("sigmoid", activation::sigmoid),
    ("sigmoid_grad", activation::sigmoid_grad),
    ("sign", elementwise::sign),
    ("silu", activation::silu),
    ("silu_grad", activation::silu_grad),
    ("sin", elementwise::sin),
    ("slice", layout::slice),
    ("softmax", softmax::softmax),
    ("softmax_grad", softmax::softmax_grad),
    ("sort", sort::sort),
    ("sqrt", elementwise::sqrt),
    ("square", elementwise::square),
    ("sub", elementwise::sub),
    ("sum", reduce::sum),
    ("sum_n", elementwise::sum_n),
    ("tanh", activation::tanh),
    ("tanh_grad", activation::tanh_grad),
    ("top_k", sort::top_k),
    ("transpose", layout::transpose),
    ("uniform", fill::uniform),
    ("variance", reduce::variance),
    ("where", compare::choose),
    ("write_csv", table::write_csv),
    ("write_npy", npy::write_npy),
];

/// The kernels that have a CPU form, in alphabetical order.
pub fn names() -> impl Iterator<Item = &'static str> {
    FORMS.iter().map(|(name, _)| *name)
}

/// Runs a kernel to its end, on the context's cores.
///
/// # Errors
/// The call is not what the kernel's signature asks for, its inputs hold what cannot be computed
/// with, there is no memory for its outputs, or it is cancelled. Outputs that were made by then
/// hold nothing of use.
pub fn run(
    call: &KernelCall,
    inputs: &[Operand<'_>],
    context: &CpuContext<'_>,
    outputs: &mut dyn Outputs,
) -> Result<(), KernelError> {
    let unknown = || KernelError::UnknownKernel(call.name.clone());
    let signature = find(&call.name).ok_or_else(unknown)?;
    if signature.is_instant() && call.attributes.is_empty() {
        return Ok(());
    }
    let name = call.name.as_str();
    let place = FORMS.binary_search_by_key(&name, |(name, _)| name).map_err(|_| unknown())?;
    let call = Call::new(signature, &call.attributes, inputs, context)?;
    context.check_cancelled()?;
    FORMS[place].1(&call, outputs)
}

#[cfg(test)]
mod tests {
    use drawloom_model::{Attribute, Attributes, Value};

    use super::*;
    use crate::trial::{attributes, tensor, trial};

    #[test]
    fn every_kernel_of_the_catalogue_has_a_form() {
        let catalogue = drawloom_signature::catalogue();
        assert!(names().eq(catalogue.iter().map(|signature| signature.name)));
    }

    #[test]
    fn calls_are_checked_again() {
        let x = tensor(&[2, 3], &[0f32; 6]);
        let refusal = |kernel: &str, inputs: &[Value]| {
            trial(kernel, Attributes::new(), inputs).expect_err("a bad call").to_string()
        };
        assert_eq!(refusal("nope", &[]), r#"there is no kernel "nope""#);
        assert_eq!(
            refusal("matmul", &[x.clone(), x.clone()]),
            "matmul: inner extents differ: a is f32[2, 3], b is f32[2, 3]"
        );
        let mut cut = x.clone();
        cut.data = cut.data.slice(..20);
        assert_eq!(refusal("exp", &[cut]), "exp: input 0 is f32[2, 3] of 20 bytes");
        let given = attributes(&[("x", Attribute::Int(1))]);
        assert!(trial("noop", given, &[]).is_err());
    }
}
