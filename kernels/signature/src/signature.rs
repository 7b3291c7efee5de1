//! A kernel's signature.

use std::fmt;

use drawloom_model::{Attributes, DType, ObjectType};

use crate::rule::{Call, Sizes};
use crate::{Arguments, AttributeSpec, SignatureError, TENSOR_LIMIT_BYTES, ValueType};

/// What a kernel takes, makes and costs.
#[derive(Clone, Copy, Debug)]
pub struct Signature {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// The objects it takes, in order; only the last may stand for several.
    pub inputs: &'static [InputSpec],
    /// The objects it makes, in order.
    pub outputs: &'static [OutputSpec],
    /// The constants it takes.
    pub attributes: &'static [AttributeSpec],
    /// The types of its outputs, when the number and kinds of the inputs are right already.
    pub(crate) rule: fn(&Call<'_>) -> Result<Vec<ValueType>, SignatureError>,
    /// How many arithmetic operations a call does, roughly.
    pub(crate) flops: fn(&Sizes<'_>) -> u64,
}

/// An object that a kernel takes.
#[derive(Clone, Copy, Debug)]
pub struct InputSpec {
    /// Its name, for people.
    pub name: &'static str,
    /// What it may be.
    pub kind: InputKind,
    /// Whether it stands for several inputs.
    pub arity: Arity,
    /// What it means.
    pub doc: &'static str,
}

/// What an input may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InputKind {
    /// Anything.
    Any,
    /// Bytes.
    Blob,
    /// A tensor of one of these element types.
    Tensor(&'static [DType]),
}

/// How many inputs one specification stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Arity {
    /// Exactly one.
    One,
    /// Any number, but not fewer than this.
    Many { at_least: usize },
}

/// An object that a kernel makes.
#[derive(Clone, Copy, Debug)]
pub struct OutputSpec {
    /// Its name, for people.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// What a call costs, as a hint for placement; measured times replace it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cost {
    /// Arithmetic operations.
    pub flops: u64,
    /// Bytes of the tensors it reads and writes; a blob's size is not known from its type.
    pub bytes: u64,
}

impl Signature {
    /// The types of the outputs of a call with inputs of these types.
    ///
    /// # Errors
    /// The call can be told to fail from what is known of its inputs and attributes.
    pub fn infer(
        &self,
        inputs: &[ValueType],
        attributes: &Attributes,
    ) -> Result<Vec<ValueType>, SignatureError> {
        let arguments = Arguments::new(self, attributes)?;
        self.check_count(inputs.len())?;
        for (index, input) in inputs.iter().enumerate() {
            self.check_kind(index, input)?;
        }
        let outputs = (self.rule)(&Call { signature: self, inputs, arguments })?;
        for (spec, output) in self.outputs.iter().zip(&outputs) {
            if output.least_bytes().is_none_or(|bytes| bytes > TENSOR_LIMIT_BYTES) {
                let (kernel, value_type) = (self.name, output.to_string());
                return Err(SignatureError::TooLarge { kernel, output: spec.name, value_type });
            }
        }
        Ok(outputs)
    }

    /// What a call costs; nothing where the call is not possible.
    pub fn cost(&self, inputs: &[ObjectType], attributes: &Attributes) -> Cost {
        let types: Vec<ValueType> = inputs.iter().map(ValueType::from).collect();
        let (Ok(outputs), Ok(arguments)) =
            (self.infer(&types, attributes), Arguments::new(self, attributes))
        else {
            return Cost::default();
        };
        let outputs: Vec<ObjectType> = outputs.iter().filter_map(ValueType::concrete).collect();
        let sizes = inputs.iter().chain(&outputs).filter_map(ObjectType::size_bytes);
        Cost {
            flops: (self.flops)(&Sizes { inputs, outputs: &outputs, arguments }),
            bytes: sizes.fold(0, u64::saturating_add),
        }
    }

    /// Whether a call takes so little time that an executor runs it in its own loop.
    pub fn is_instant(&self) -> bool {
        self.name == "noop"
    }

    /// The name of the input at `index` of a call, such as `a` or `tensors[2]`.
    pub(crate) fn input_name(&self, index: usize) -> String {
        match self.inputs.get(index.min(self.inputs.len().saturating_sub(1))) {
            Some(InputSpec { name, arity: Arity::Many { .. }, .. }) => {
                format!("{name}[{}]", index + 1 - self.inputs.len())
            }
            Some(spec) => spec.name.to_owned(),
            None => index.to_string(),
        }
    }

    fn check_count(&self, got: usize) -> Result<(), SignatureError> {
        let fits = match self.inputs.last().map(|spec| spec.arity) {
            Some(Arity::Many { at_least }) => got >= self.inputs.len() - 1 + at_least,
            Some(Arity::One) | None => got == self.inputs.len(),
        };
        if fits {
            return Ok(());
        }
        let expected = self.describe_inputs();
        Err(SignatureError::InputCount { kernel: self.name, expected, got })
    }

    fn describe_inputs(&self) -> String {
        let names: Vec<&str> = self.inputs.iter().map(|spec| spec.name).collect();
        match self.inputs.last().map(|spec| spec.arity) {
            None => "no inputs".to_owned(),
            Some(Arity::Many { at_least }) => {
                format!("{} or more inputs ({}...)", names.len() - 1 + at_least, names.join(", "))
            }
            Some(Arity::One) if names.len() == 1 => format!("1 input ({})", names[0]),
            Some(Arity::One) => format!("{} inputs ({})", names.len(), names.join(", ")),
        }
    }

    fn check_kind(&self, index: usize, input: &ValueType) -> Result<(), SignatureError> {
        let Some(last) = self.inputs.len().checked_sub(1) else { return Ok(()) };
        let kind = self.inputs[index.min(last)].kind;
        let fits = match (kind, input) {
            (InputKind::Any, _) | (_, ValueType::Unknown) => true,
            (InputKind::Blob, ValueType::Blob) => true,
            (InputKind::Tensor(allowed), ValueType::Tensor { dtype, .. }) => {
                dtype.is_none_or(|dtype| allowed.contains(&dtype))
            }
            (InputKind::Blob, ValueType::Tensor { .. }) => false,
            (InputKind::Tensor(_), ValueType::Blob) => false,
        };
        if fits {
            return Ok(());
        }
        Err(SignatureError::InputType {
            kernel: self.name,
            input: self.input_name(index),
            expected: format!("a {kind}"),
            got: input.to_string(),
        })
    }
}

impl fmt::Display for InputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputKind::Any => f.write_str("object"),
            InputKind::Blob => f.write_str("blob"),
            InputKind::Tensor(dtypes) if dtypes.len() == DType::ALL.len() => f.write_str("tensor"),
            InputKind::Tensor(dtypes) => {
                let names: Vec<&str> = dtypes.iter().map(|dtype| dtype.name()).collect();
                write!(f, "tensor of {}", names.join(" or "))
            }
        }
    }
}

/// `name(input: kind, ...) -> (output, ...) {attribute: kind = default, ...}` in one line.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inputs = self.inputs.iter().map(|spec| {
            let more = if spec.arity == Arity::One { "" } else { "..." };
            format!("{}{more}: {}", spec.name, spec.kind)
        });
        let outputs: Vec<&str> = self.outputs.iter().map(|spec| spec.name).collect();
        let inputs = inputs.collect::<Vec<_>>().join(", ");
        write!(f, "{}({inputs}) -> ({})", self.name, outputs.join(", "))?;
        let attributes: Vec<String> = self.attributes.iter().map(ToString::to_string).collect();
        if attributes.is_empty() {
            return Ok(());
        }
        write!(f, " {{{}}}", attributes.join(", "))
    }
}
