//! Every kernel there is, a file per family.

mod activation;
mod compare;
mod control;
mod convert;
mod convolution;
mod dropout;
mod elementwise;
mod embedding;
mod fill;
mod gather;
mod image;
mod layout;
mod matmul;
mod normalisation;
mod npy;
mod pooling;
mod random;
mod reduce;
mod scan;
mod sort;
mod table;
mod training;

use std::sync::LazyLock;

use drawloom_model::{DType, nearest};

use crate::{Arity, InputKind, InputSpec, OutputSpec, Signature};

/// Each family's kernels.
const FAMILIES: [&[Signature]; 22] = [
    activation::SIGNATURES,
    compare::SIGNATURES,
    control::SIGNATURES,
    convert::SIGNATURES,
    convolution::SIGNATURES,
    dropout::SIGNATURES,
    elementwise::SIGNATURES,
    embedding::SIGNATURES,
    fill::SIGNATURES,
    gather::SIGNATURES,
    image::SIGNATURES,
    layout::SIGNATURES,
    matmul::SIGNATURES,
    normalisation::SIGNATURES,
    npy::SIGNATURES,
    pooling::SIGNATURES,
    random::SIGNATURES,
    reduce::SIGNATURES,
    scan::SIGNATURES,
    sort::SIGNATURES,
    table::SIGNATURES,
    training::SIGNATURES,
];

/// Every kernel, in the order of their names.
pub fn catalogue() -> &'static [Signature] {
    static CATALOGUE: LazyLock<Vec<Signature>> = LazyLock::new(|| {
        let mut signatures = FAMILIES.concat();
        signatures.sort_by_key(|signature| signature.name);
        signatures
    });
    &CATALOGUE
}

/// The kernel of that name.
pub fn find(name: &str) -> Option<&'static Signature> {
    let catalogue = catalogue();
    let place = catalogue.binary_search_by_key(&name, |signature| signature.name).ok()?;
    Some(&catalogue[place])
}

/// The name of the kernel that was perhaps meant by a name that no kernel has.
pub fn suggest(name: &str) -> Option<&'static str> {
    nearest(name, catalogue().iter().map(|signature| signature.name))
}

/// Element types of floating point that are computed with as they are.
const FLOATS: &[DType] = &[DType::F32, DType::F64];
/// Element types of floating point; halves are computed with in f32.
const REALS: &[DType] = &[DType::F16, DType::BF16, DType::F32, DType::F64];
/// Element types that have negative values.
const SIGNED: &[DType] = &[DType::I32, DType::I64, DType::F16, DType::BF16, DType::F32, DType::F64];
/// Element types that are computed with.
const NUMBERS: &[DType] = &DType::ALL;
/// Element types of class labels.
const LABELS: &[DType] = &[DType::U8, DType::I32, DType::I64];
/// Element types of indices.
const INDICES: &[DType] = &[DType::I32, DType::I64];
/// Every element type.
const ANY: &[DType] = &DType::ALL;
/// The names of [`REALS`].
const REAL_NAMES: &[&str] = &["f16", "bf16", "f32", "f64"];
/// The names of [`NUMBERS`].
const NUMBER_NAMES: &[&str] = &["u8", "i32", "i64", "f16", "bf16", "f32", "f64"];

/// One tensor.
const fn one(name: &'static str, dtypes: &'static [DType], doc: &'static str) -> InputSpec {
    InputSpec { name, kind: InputKind::Tensor(dtypes), arity: Arity::One, doc }
}

/// One or more tensors.
const fn many(name: &'static str, dtypes: &'static [DType], doc: &'static str) -> InputSpec {
    let arity = Arity::Many { at_least: 1 };
    InputSpec { name, kind: InputKind::Tensor(dtypes), arity, doc }
}

/// Any number of objects, which order tasks and are not read.
const fn ignored(name: &'static str, doc: &'static str) -> InputSpec {
    InputSpec { name, kind: InputKind::Any, arity: Arity::Many { at_least: 0 }, doc }
}

/// An output.
const fn output(name: &'static str, doc: &'static str) -> OutputSpec {
    OutputSpec { name, doc }
}

#[cfg(test)]
mod tests {
    use drawloom_model::{Attribute, Attributes, ObjectType, Shape};

    use super::*;
    use crate::{AttributeKind, Presence, SignatureError, ValueType};

    fn attributes(given: &[(&str, Attribute)]) -> Attributes {
        given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn f32s(extents: &[Option<u64>]) -> ValueType {
        ValueType::Tensor { dtype: Some(DType::F32), extents: Some(extents.to_vec()) }
    }

    fn infer(
        kernel: &str,
        inputs: &[ValueType],
        given: &[(&str, Attribute)],
    ) -> Result<Vec<ValueType>, SignatureError> {
        find(kernel).expect("a kernel").infer(inputs, &attributes(given))
    }

    fn check(kernel: &str, inputs: &[ValueType], given: &[(&str, Attribute)], expected: &str) {
        let shown = match infer(kernel, inputs, given) {
            Ok(types) => types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected);
    }

    /// A value for each attribute that must be given.
    fn least(signature: &Signature) -> Attributes {
        let needed =
            signature.attributes.iter().filter(|spec| matches!(spec.presence, Presence::Required));
        let value = |kind| match kind {
            AttributeKind::Bool => Attribute::Bool(false),
            AttributeKind::Int { min, .. } => Attribute::Int(min.max(0)),
            AttributeKind::Float { min, .. } => Attribute::Float(min.max(0.0)),
            AttributeKind::Text => Attribute::Text(String::new()),
            AttributeKind::OneOf(allowed) => Attribute::Text(allowed[0].to_owned()),
            AttributeKind::Ints { min } => Attribute::Ints(vec![min.max(1)]),
        };
        needed.map(|spec| (spec.name.to_owned(), value(spec.kind))).collect()
    }

    #[test]
    fn every_signature_is_sound() {
        assert!(catalogue().is_sorted_by(|a, b| a.name < b.name));
        for signature in catalogue() {
            assert_eq!(find(signature.name).map(|found| found.name), Some(signature.name));
            let inputs = vec![ValueType::Unknown; signature.inputs.len()];
            let outputs = signature.infer(&inputs, &least(signature)).expect("unknown types fit");
            assert_eq!(outputs.len(), signature.outputs.len(), "{signature}");
            let scalar = ObjectType::Tensor { dtype: DType::F32, shape: Shape::scalar() };
            // No panic, whatever the inputs are.
            for count in 0..4 {
                signature.cost(&vec![scalar.clone(); count], &least(signature));
            }
        }
    }

    #[test]
    fn shapes_broadcast() {
        let (a, b) = (f32s(&[Some(4), Some(1)]), f32s(&[Some(3)]));
        check("add", &[a.clone(), b.clone()], &[], "f32[4, 3]");
        check("add", &[f32s(&[None, Some(1)]), b], &[], "f32[?, 3]");
        let wrong = "add: shapes do not broadcast: a is f32[4, 2], b is f32[3]";
        check("add", &[f32s(&[Some(4), Some(2)]), f32s(&[Some(3)])], &[], wrong);
        let other = ValueType::tensor(DType::F64, [3]);
        let wrong = "add: element types differ: a is f32[4, 1], b is f64[3]";
        check("add", &[a, other], &[], wrong);
    }

    #[test]
    fn layouts_are_inferred() {
        let x = [f32s(&[Some(4), Some(6)])];
        let ints = |values: &[i64]| Attribute::Ints(values.to_vec());
        check("reshape", &x, &[("shape", ints(&[3, -1]))], "f32[3, 8]");
        let wrong = "reshape: cannot become [5, -1], numbers of elements differ: x is f32[4, 6]";
        check("reshape", &x, &[("shape", ints(&[5, -1]))], wrong);
        check("transpose", &x, &[], "f32[6, 4]");
        let part = [("axis", Attribute::Int(-1)), ("start", Attribute::Int(-2))];
        check("slice", &x, &part, "f32[4, 2]");
        check(
            "slice",
            &x,
            &[("stop", Attribute::Int(5))],
            "slice: 0 to 5 is not within axis 0: x is f32[4, 6]",
        );
        let two = [x[0].clone(), f32s(&[None, Some(6)])];
        check("concat", &two, &[], "f32[?, 6]");
        check("concat", &two, &[("axis", Attribute::Int(1))], "f32[4, 12]");
        let rows = [x[0].clone(), ValueType::tensor(DType::I64, [2, 3])];
        check("gather", &rows, &[], "f32[2, 3, 6]");
        check("sum", &x, &[("axes", ints(&[0]))], "f32[6]");
        check(
            "sum",
            &x,
            &[("axes", ints(&[2]))],
            "sum, attribute axes: there is no axis 2 in f32[4, 6]",
        );
    }

    #[test]
    fn attributes_are_checked() {
        check("fill", &[], &[], "fill: attribute shape is missing (the extents, outermost first)");
        let shape = ("shape", Attribute::Ints(vec![1 << 40, 1 << 40]));
        check(
            "fill",
            &[],
            std::slice::from_ref(&shape),
            "fill, output y: f32[1099511627776, 1099511627776] is larger than the limit of 1 TiB",
        );
        let dtype = ("dtype", Attribute::Text("f31".into()));
        check(
            "fill",
            &[],
            &[shape, dtype],
            r#"fill, attribute dtype: must be one of u8, i32, i64, f16, bf16, f32, f64, is "f31""#,
        );
        let small = ("shape", Attribute::Ints(vec![1]));
        let given =
            [small, ("dtype", Attribute::Text("u8".into())), ("value", Attribute::Int(300))];
        check("fill", &[], &given, "fill, attribute value: 300 is no u8");
        check("matmul", &[ValueType::Unknown], &[], "matmul: takes 2 inputs (a, b), got 1");
    }

    #[test]
    fn training_types_go_together() {
        let logits = f32s(&[Some(8), Some(10)]);
        let labels = |n| ValueType::tensor(DType::U8, [n]);
        check("cross_entropy", &[logits.clone(), labels(8)], &[], "f32[] f32[8, 10]");
        check(
            "cross_entropy",
            &[logits.clone(), labels(7)],
            &[],
            "cross_entropy: numbers of rows differ: logits is f32[8, 10], labels is u8[7]",
        );
        let step = [("step", Attribute::Int(1))];
        let state = vec![logits; 4];
        check("adam", &state, &step, "f32[8, 10] f32[8, 10] f32[8, 10]");
    }

    #[test]
    fn costs_count_operations_and_bytes() {
        let tensor = |extents: [u64; 2]| ObjectType::Tensor {
            dtype: DType::F32,
            shape: Shape::new(extents),
        };
        let matmul = find("matmul").expect("a kernel");
        let cost = matmul.cost(&[tensor([3, 5]), tensor([5, 2])], &Attributes::new());
        assert_eq!((cost.flops, cost.bytes), (2 * 3 * 5 * 2, 4 * (15 + 10 + 6)));
        let given = attributes(&[("transpose_a", Attribute::Bool(true))]);
        assert_eq!(matmul.cost(&[tensor([5, 3]), tensor([5, 2])], &given).flops, cost.flops);
    }

    #[test]
    fn signatures_are_shown_in_a_line() {
        assert_eq!(
            find("argmax").expect("a kernel").to_string(),
            "argmax(x: tensor) -> (indices) \
             {axis: int = -1, keep_dims: bool = false}"
        );
    }
}
