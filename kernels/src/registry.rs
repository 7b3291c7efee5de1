//! Which kernels there are, by name.

use drawloom_model::KernelCall;
use drawloom_signature::find;

use crate::call::Call;
use crate::{
    CpuContext, KernelError, Operand, Outputs, control, convert, convolution, dropout, elementwise,
    embedding, fill, gather, image, layer_norm, layout, loss, matmul, optimizer, pooling, reduce,
    softmax, table,
};

type Form = fn(&Call<'_>, &mut dyn Outputs) -> Result<(), KernelError>;

/// Every kernel's CPU form, in the order of the names.
const FORMS: &[(&str, Form)] = &[
    ("abs", elementwise::abs),
    ("accuracy", loss::accuracy),
    ("adam", optimizer::adam),
    ("add", elementwise::add),
    ("argmax", reduce::argmax),
    ("avg_pool2d", pooling::avg_pool2d),
    ("avg_pool2d_grad", pooling::avg_pool2d_grad),
    ("bias_add", elementwise::add),
    ("busy", control::busy),
    ("cast", convert::cast),
    ("concat", layout::concat),
    ("conv2d", convolution::conv2d),
    ("conv2d_grad_input", convolution::conv2d_grad_input),
    ("conv2d_grad_weights", convolution::conv2d_grad_weights),
    ("cross_entropy", loss::cross_entropy),
    ("div", elementwise::div),
    ("dropout", dropout::dropout),
    ("dropout_grad", dropout::dropout),
    ("embedding", gather::gather),
    ("embedding_grad", embedding::embedding_grad),
    ("exp", elementwise::exp),
    ("fill", fill::fill),
    ("gather", gather::gather),
    ("image_shift", image::image_shift),
    ("layer_norm", layer_norm::layer_norm),
    ("layer_norm_grad", layer_norm::layer_norm_grad),
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
    ("permutation", fill::permutation),
    ("read_csv", table::read_csv),
    ("relu", elementwise::relu),
    ("relu_grad", elementwise::relu_grad),
    ("reshape", layout::reshape),
    ("scale", elementwise::scale),
    ("sgd", optimizer::sgd),
    ("sgd_momentum", optimizer::sgd_momentum),
    ("slice", layout::slice),
    ("softmax", softmax::softmax),
    ("softmax_grad", softmax::softmax_grad),
    ("sqrt", elementwise::sqrt),
    ("sub", elementwise::sub),
    ("sum", reduce::sum),
    ("sum_n", elementwise::sum_n),
    ("tanh", elementwise::tanh),
    ("transpose", layout::transpose),
    ("uniform", fill::uniform),
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
