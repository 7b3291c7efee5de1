//! What the rules of the catalogue are written with: one call's inputs, seen as tensors.

use drawloom_model::{DType, ObjectType};

use crate::axes::normalise_axis;
use crate::value_type::{unify_extents, unify_known};
use crate::{Arguments, Signature, SignatureError, ValueType};

/// Extents of a tensor, each where it is known.
pub(crate) type Extents = Vec<Option<u64>>;

/// One call, its inputs right in number and kind.
pub(crate) struct Call<'a> {
    pub(crate) signature: &'a Signature,
    pub(crate) inputs: &'a [ValueType],
    pub(crate) arguments: Arguments<'a>,
}

/// The concrete types of one call, for its cost.
pub(crate) struct Sizes<'a> {
    pub(crate) inputs: &'a [ObjectType],
    pub(crate) outputs: &'a [ObjectType],
    pub(crate) arguments: Arguments<'a>,
}

impl Sizes<'_> {
    /// How many elements the input has.
    pub(crate) fn input(&self, index: usize) -> u64 {
        self.inputs.get(index).map_or(0, elements)
    }

    /// How many elements the output has.
    pub(crate) fn output(&self, index: usize) -> u64 {
        self.outputs.get(index).map_or(0, elements)
    }
}

fn elements(object_type: &ObjectType) -> u64 {
    match object_type {
        ObjectType::Blob => 0,
        ObjectType::Tensor { shape, .. } => shape.checked_elements().unwrap_or(u64::MAX),
    }
}

/// A tensor of which this much is known.
pub(crate) fn tensor(dtype: Option<DType>, extents: Option<Extents>) -> ValueType {
    ValueType::Tensor { dtype, extents }
}

impl Call<'_> {
    /// The element type of an input, where known.
    pub(crate) fn dtype(&self, index: usize) -> Option<DType> {
        match &self.inputs[index] {
            ValueType::Tensor { dtype, .. } => *dtype,
            ValueType::Unknown | ValueType::Blob => None,
        }
    }

    /// The extents of an input, where their number is known.
    pub(crate) fn extents(&self, index: usize) -> Option<&[Option<u64>]> {
        match &self.inputs[index] {
            ValueType::Tensor { extents, .. } => extents.as_deref(),
            ValueType::Unknown | ValueType::Blob => None,
        }
    }

    /// The extents of an input that must have `rank` of them.
    pub(crate) fn ranked(&self, index: usize, rank: usize) -> Result<Extents, SignatureError> {
        match self.extents(index) {
            None => Ok(vec![None; rank]),
            Some(extents) if extents.len() == rank => Ok(extents.to_vec()),
            Some(_) => Err(self.bad_input(index, &format!("a tensor with {rank} extent(s)"))),
        }
    }

    /// The one element type of all these inputs.
    pub(crate) fn same_dtype(&self, indexes: &[usize]) -> Result<Option<DType>, SignatureError> {
        let mut known: (Option<DType>, usize) = (None, 0);
        for &index in indexes {
            match unify_known(known.0, self.dtype(index)) {
                Some(dtype) if known.0.is_none() => known = (dtype, index),
                Some(_) => {}
                None => return Err(self.mismatch("element types differ", &[known.1, index])),
            }
        }
        Ok(known.0)
    }

    /// The one type of all these inputs.
    pub(crate) fn same_type(&self, indexes: &[usize]) -> Result<ValueType, SignatureError> {
        let dtype = self.same_dtype(indexes)?;
        let mut extents: Option<Extents> = None;
        for &index in indexes {
            extents = unify_extents(extents.as_deref(), self.extents(index))
                .ok_or_else(|| self.mismatch("shapes differ", &[indexes[0], index]))?;
        }
        Ok(tensor(dtype, extents))
    }

    /// The axis that `value` means in an input of `rank` extents: negative counts from the end.
    pub(crate) fn axis(
        &self,
        name: &'static str,
        value: i64,
        index: usize,
        rank: usize,
    ) -> Result<usize, SignatureError> {
        normalise_axis(value, rank).ok_or_else(|| {
            let message = format!("there is no axis {value} in {}", self.describe(index));
            self.arguments.refuse(name, message)
        })
    }

    /// The error that shows these inputs, which do not go together.
    pub(crate) fn mismatch(&self, message: &str, indexes: &[usize]) -> SignatureError {
        let shown: Vec<String> = indexes
            .iter()
            .map(|&index| {
                format!("{} is {}", self.signature.input_name(index), self.describe(index))
            })
            .collect();
        SignatureError::Mismatch {
            kernel: self.signature.name,
            message: message.to_owned(),
            inputs: shown.join(", "),
        }
    }

    /// The error that tells what an input should have been.
    pub(crate) fn bad_input(&self, index: usize, expected: &str) -> SignatureError {
        SignatureError::InputType {
            kernel: self.signature.name,
            input: self.signature.input_name(index),
            expected: expected.to_owned(),
            got: self.describe(index),
        }
    }

    fn describe(&self, index: usize) -> String {
        self.inputs[index].to_string()
    }
}
