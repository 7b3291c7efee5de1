//! Checks of users' own CUDA code that need no inputs.

use crate::{
    CUDA_SOURCE_LIMIT_BYTES, CudaScalar, CudaSource, CudaSpec, CudaValue, Expression, Real, Scope,
    Variant,
};

/// The most parameters; far more than the 4 KiB that a kernel's take.
const ARGUMENTS_LIMIT: usize = 512;

/// The options that are passed on. Others reach files of the executor's machine, or are ours to set.
const OPTIONS: [&str; 21] = [
    "-D",
    "--define-macro=",
    "-U",
    "--undefine-macro=",
    "-std=",
    "--std=",
    "-use_fast_math",
    "--use_fast_math",
    "-fmad=",
    "--fmad=",
    "-ftz=",
    "--ftz=",
    "-prec-div=",
    "--prec-div=",
    "-prec-sqrt=",
    "--prec-sqrt=",
    "-maxrregcount=",
    "--maxrregcount=",
    "-lineinfo",
    "--generate-line-info",
    "--extra-device-vectorization",
];

type Fault = (String, String);

/// What is wrong with a variant that runs `spec`: the field and the fault.
pub(super) fn check(spec: &CudaSpec, variant: &Variant, outputs: u16) -> Result<(), Fault> {
    match &variant.request.gpu {
        None => {
            return bad("request.gpu", "CUDA code runs on a GPU: ask for one, such as gpu = 1");
        }
        Some(gpu) if gpu.devices != 1 => {
            return bad("request.gpu", "CUDA code runs on one GPU: ask for gpu = 1");
        }
        Some(_) => {}
    }
    check_source(spec)?;
    if spec.outputs() != usize::from(outputs) {
        return bad("cuda.arguments", "there must be an output for each output of the task");
    }
    let scope = check_arguments(spec)?;
    check_extents("grid", &spec.grid, &scope)?;
    check_extents("block", &spec.block, &scope)?;
    evaluates("shared_bytes", &spec.shared_bytes, &scope)
}

fn bad(field: &str, message: impl Into<String>) -> Result<(), Fault> {
    Err((field.to_owned(), message.into()))
}

fn check_source(spec: &CudaSpec) -> Result<(), Fault> {
    let (CudaSource::Cpp(text) | CudaSource::Ptx(text)) = &spec.source;
    if text.trim().is_empty() {
        return bad("cuda.source", "must not be empty");
    }
    if text.len() > CUDA_SOURCE_LIMIT_BYTES {
        let message =
            format!("{} bytes are more than the limit of {CUDA_SOURCE_LIMIT_BYTES}", text.len());
        return bad("cuda.source", message);
    }
    if text.contains('\0') {
        return bad("cuda.source", "contains a null character");
    }
    if !is_entry(&spec.entry) {
        return bad("cuda.entry", format!("{:?} is no name of a function", spec.entry));
    }
    if matches!(spec.source, CudaSource::Ptx(_)) && !spec.options.is_empty() {
        return bad("cuda.options", "PTX is not compiled: it takes no options");
    }
    for (place, option) in spec.options.iter().enumerate() {
        if option.contains('\0') || !OPTIONS.iter().any(|known| option.starts_with(known)) {
            let known = OPTIONS.join(" ");
            let message = format!("{option:?} is not passed on; these are: {known}");
            return bad(&format!("cuda.options[{place}]"), message);
        }
    }
    Ok(())
}

/// What a kernel can be called in PTX, mangled or not.
fn is_entry(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '$');
    starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
}

/// What expressions can name.
fn is_name(name: &str) -> bool {
    is_entry(name) && !name.contains('$')
}

/// Checks the arguments; what the grid may refer to.
fn check_arguments(spec: &CudaSpec) -> Result<Scope, Fault> {
    if spec.arguments.len() > ARGUMENTS_LIMIT {
        let message = format!("there are more than {ARGUMENTS_LIMIT}");
        return Err(("cuda.arguments".to_owned(), message));
    }
    let mut scope = Scope::default();
    for (place, argument) in spec.arguments.iter().enumerate() {
        let name = &argument.name;
        let field = || format!("cuda.arguments[{place}].name");
        if !is_name(name) {
            return Err((field(), format!("{name:?} is no name that expressions can have")));
        }
        if spec.arguments[..place].iter().any(|earlier| earlier.name == *name) {
            return Err((field(), format!("the name {name:?} is used twice")));
        }
        if matches!(argument.value, CudaValue::Input(_)) {
            scope.add_input(name, None);
        }
    }
    // Numbers may refer to inputs, and to numbers before them.
    for (place, argument) in spec.arguments.iter().enumerate() {
        let CudaValue::Scalar(scalar) = &argument.value else { continue };
        let field = format!("arguments[{place}].value");
        match scalar {
            CudaScalar::F32(Real::Constant(_)) | CudaScalar::F64(Real::Constant(_)) => {}
            CudaScalar::F32(Real::Expression(value)) | CudaScalar::F64(Real::Expression(value)) => {
                evaluates(&field, value, &scope)?
            }
            CudaScalar::I32(value)
            | CudaScalar::U32(value)
            | CudaScalar::I64(value)
            | CudaScalar::U64(value) => {
                evaluates(&field, value, &scope)?;
                scope.add_number(&argument.name, None);
            }
        }
    }
    for (place, argument) in spec.arguments.iter().enumerate() {
        let CudaValue::Output { shape, .. } = &argument.value else { continue };
        for (axis, extent) in shape.iter().enumerate() {
            evaluates(&format!("arguments[{place}].shape[{axis}]"), extent, &scope)?;
        }
    }
    Ok(scope)
}

fn check_extents(name: &str, extents: &[Expression], scope: &Scope) -> Result<(), Fault> {
    if extents.is_empty() || extents.len() > 3 {
        return bad(&format!("cuda.{name}"), "has one to three dimensions");
    }
    for (axis, extent) in extents.iter().enumerate() {
        evaluates(&format!("{name}[{axis}]"), extent, scope)?;
    }
    Ok(())
}

fn evaluates(field: &str, expression: &Expression, scope: &Scope) -> Result<(), Fault> {
    match expression.evaluate(scope) {
        Ok(_) => Ok(()),
        Err(error) => bad(&format!("cuda.{field}"), error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        CudaArgument, CudaScalar, CudaSource, CudaSpec, CudaValue, DType, GpuRequest, GraphError,
        Limits, ResourceRequest, Run, TaskGraph, Template, Variant, validate,
    };

    fn spec() -> CudaSpec {
        let of = |text: &str| text.parse().expect(text);
        let argument = |name: &str, value| CudaArgument { name: name.to_owned(), value };
        CudaSpec {
            source: CudaSource::Cpp("extern \"C\" __global__ void twice() {}".into()),
            entry: "twice".to_owned(),
            grid: vec![of("ceil_div(n, 256)")],
            block: vec![of("256"), of("1")],
            shared_bytes: of("4 * n"),
            arguments: vec![
                argument("n", CudaValue::Scalar(CudaScalar::I32(of("len(x)")))),
                argument("x", CudaValue::Input(DType::F32)),
                argument("y", CudaValue::Output { dtype: Some(DType::F32), shape: vec![of("n")] }),
            ],
            options: vec!["--use_fast_math".to_owned(), "-DN=3".to_owned()],
        }
    }

    fn verdict(change: impl FnOnce(&mut CudaSpec, &mut Variant)) -> Result<(), GraphError> {
        let gpu = GpuRequest { devices: 1, milli: 1000, vram_bytes: 0, min_compute_capability: 0 };
        let request = ResourceRequest { gpu: Some(gpu), ..ResourceRequest::cores(1) };
        let mut variant = Variant { request, ..Variant::kernel("", Default::default()) };
        let mut spec = spec();
        change(&mut spec, &mut variant);
        variant.run = Run::Cuda(Box::new(spec));
        let templates = vec![Template::new(variant, 1).into()];
        let graph = TaskGraph { templates, ..TaskGraph::default() };
        validate(&graph, &Limits::default(), |_| None)
    }

    fn fault(change: impl FnOnce(&mut CudaSpec, &mut Variant)) -> String {
        let error = verdict(change).expect_err("a bad template").to_string();
        error.strip_prefix("template 0, ").expect("the template").to_owned()
    }

    #[test]
    fn a_whole_kernel_passes() {
        assert_eq!(verdict(|_, _| {}), Ok(()));
    }

    #[test]
    fn one_gpu_is_needed() {
        let none = fault(|_, variant| variant.request.gpu = None);
        assert_eq!(none, "request.gpu: CUDA code runs on a GPU: ask for one, such as gpu = 1");
        let two = fault(|_, variant| {
            variant.request.gpu.iter_mut().for_each(|gpu| gpu.devices = 2);
        });
        assert_eq!(two, "request.gpu: CUDA code runs on one GPU: ask for gpu = 1");
    }

    #[test]
    fn every_field_is_named() {
        let of = |text: &str| text.parse().expect(text);
        let sources = [("", "must not be empty"), ("a\0", "contains a null character")];
        for (text, expected) in sources {
            let told = fault(|spec, _| spec.source = CudaSource::Cpp(text.into()));
            assert_eq!(told, format!("cuda.source: {expected}"));
        }
        let told = fault(|spec, _| spec.entry = "a b".to_owned());
        assert_eq!(told, r#"cuda.entry: "a b" is no name of a function"#);
        let told = fault(|spec, _| spec.grid.clear());
        assert_eq!(told, "cuda.grid: has one to three dimensions");
        let told = fault(|spec, _| spec.block[1] = of("m"));
        assert_eq!(told, r#"cuda.block[1]: m: there is no number "m"; there are: n"#);
        let told = fault(|spec, _| spec.shared_bytes = of("len(y)"));
        assert_eq!(told, r#"cuda.shared_bytes: len(y): there is no input "y"; there are: x"#);
        let told = fault(|spec, _| spec.arguments[1].name = "n".to_owned());
        assert_eq!(told, r#"cuda.arguments[1].name: the name "n" is used twice"#);
        let told = fault(|spec, _| spec.arguments.truncate(2));
        assert!(told.starts_with("cuda.arguments: there must be an output"), "{told}");
        let told = fault(|spec, _| spec.source = CudaSource::Ptx("ptx".into()));
        assert_eq!(told, "cuda.options: PTX is not compiled: it takes no options");
    }

    #[test]
    fn options_do_not_reach_files() {
        for option in ["-I/etc", "--gpu-architecture=sm_80", "--time=/tmp/x", "x.cu", "-Dx\0"] {
            let told = fault(|spec, _| spec.options[1] = option.to_owned());
            assert!(told.starts_with("cuda.options[1]: "), "{told}");
            assert!(told.contains("is not passed on; these are: -D"), "{told}");
        }
    }

    #[test]
    fn numbers_refer_only_to_those_before_them() {
        let told = fault(|spec, _| {
            let later = CudaValue::Scalar(CudaScalar::I32("m".parse().expect("a name")));
            spec.arguments[0].value = later;
        });
        assert_eq!(
            told,
            r#"cuda.arguments[0].value: m: there is no number "m"; there are none here"#
        );
    }
}
