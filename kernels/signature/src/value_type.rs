//! What is known of an object before anything runs.

use std::fmt;

use drawloom_model::{DType, ObjectType, Shape};

/// What is known of an object before anything runs. What is not known fits everything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum ValueType {
    /// Nothing is known.
    #[default]
    Unknown,
    /// Bytes without further meaning.
    Blob,
    /// A tensor.
    Tensor {
        /// Its element type, where known.
        dtype: Option<DType>,
        /// Its extents, where their number is known; each where it is known.
        extents: Option<Vec<Option<u64>>>,
    },
}

impl ValueType {
    /// A tensor of which all is known.
    pub fn tensor(dtype: DType, extents: impl IntoIterator<Item = u64>) -> Self {
        let extents = Some(extents.into_iter().map(Some).collect());
        ValueType::Tensor { dtype: Some(dtype), extents }
    }

    /// A tensor without extents.
    pub fn scalar(dtype: Option<DType>) -> Self {
        ValueType::Tensor { dtype, extents: Some(Vec::new()) }
    }

    /// The object type, where all of it is known.
    pub fn concrete(&self) -> Option<ObjectType> {
        match self {
            ValueType::Unknown => None,
            ValueType::Blob => Some(ObjectType::Blob),
            ValueType::Tensor { dtype, extents } => {
                let extents: Option<_> = extents.as_ref()?.iter().copied().collect();
                Some(ObjectType::Tensor { dtype: (*dtype)?, shape: Shape(extents?) })
            }
        }
    }

    /// All that is known from both, or `None` when no object can be of both types.
    pub fn unify(&self, other: &ValueType) -> Option<ValueType> {
        match (self, other) {
            (ValueType::Unknown, known) | (known, ValueType::Unknown) => Some(known.clone()),
            (ValueType::Blob, ValueType::Blob) => Some(ValueType::Blob),
            (
                ValueType::Tensor { dtype, extents },
                ValueType::Tensor { dtype: other_dtype, extents: other_extents },
            ) => Some(ValueType::Tensor {
                dtype: unify_known(*dtype, *other_dtype)?,
                extents: unify_extents(extents.as_deref(), other_extents.as_deref())?,
            }),
            (ValueType::Blob, ValueType::Tensor { .. })
            | (ValueType::Tensor { .. }, ValueType::Blob) => None,
        }
    }

    /// The least size that a value of this type can have, or `None` when 64 bits do not hold it.
    /// An extent that is not known may be 0.
    pub(crate) fn least_bytes(&self) -> Option<u64> {
        let ValueType::Tensor { dtype, extents } = self else { return Some(0) };
        let extents = extents.as_deref().unwrap_or_default();
        if extents.iter().any(|extent| matches!(extent, Some(0) | None)) {
            return Some(0);
        }
        let size = dtype.map_or(1, |dtype| dtype.size_bytes() as u64);
        extents.iter().flatten().try_fold(size, |product, extent| product.checked_mul(*extent))
    }
}

/// What is known from both, or `None` when they differ.
pub(crate) fn unify_known<T: PartialEq>(a: Option<T>, b: Option<T>) -> Option<Option<T>> {
    match (a, b) {
        (Some(a), Some(b)) if a != b => None,
        (a, b) => Some(a.or(b)),
    }
}

/// What is known of the extents from both, or `None` when they differ.
#[allow(clippy::type_complexity)]
pub(crate) fn unify_extents(
    a: Option<&[Option<u64>]>,
    b: Option<&[Option<u64>]>,
) -> Option<Option<Vec<Option<u64>>>> {
    match (a, b) {
        (Some(a), Some(b)) if a.len() == b.len() => {
            let both = a.iter().zip(b).map(|(a, b)| unify_known(*a, *b));
            both.collect::<Option<Vec<_>>>().map(Some)
        }
        (Some(_), Some(_)) => None,
        (a, b) => Some(a.or(b).map(<[_]>::to_vec)),
    }
}

impl From<&ObjectType> for ValueType {
    fn from(object_type: &ObjectType) -> Self {
        match object_type {
            ObjectType::Blob => ValueType::Blob,
            ObjectType::Tensor { dtype, shape } => {
                ValueType::tensor(*dtype, shape.extents().iter().copied())
            }
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ValueType::Tensor { dtype, extents } = self else {
            return f.write_str(if *self == ValueType::Blob { "blob" } else { "unknown" });
        };
        f.write_str(dtype.map_or("?", DType::name))?;
        let Some(extents) = extents else { return f.write_str("[..]") };
        let extents: Vec<String> = extents
            .iter()
            .map(|extent| extent.map_or_else(|| "?".to_owned(), |extent| extent.to_string()))
            .collect();
        write!(f, "[{}]", extents.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_as_people_write_them() {
        let partly =
            ValueType::Tensor { dtype: Some(DType::F32), extents: Some(vec![Some(128), None]) };
        assert_eq!(partly.to_string(), "f32[128, ?]");
        assert_eq!(ValueType::Tensor { dtype: None, extents: None }.to_string(), "?[..]");
        assert_eq!(ValueType::scalar(Some(DType::I64)).to_string(), "i64[]");
        assert_eq!(ValueType::Blob.to_string(), "blob");
    }

    #[test]
    fn unknown_parts_fit_everything() {
        let partly = ValueType::Tensor { dtype: None, extents: Some(vec![Some(2), None]) };
        let whole = ValueType::tensor(DType::F32, [2, 3]);
        assert_eq!(partly.unify(&whole), Some(whole.clone()));
        assert_eq!(ValueType::Unknown.unify(&ValueType::Blob), Some(ValueType::Blob));
        assert_eq!(whole.unify(&ValueType::tensor(DType::F32, [2, 4])), None);
        assert_eq!(whole.unify(&ValueType::Blob), None);
        assert_eq!(partly.concrete(), None);
    }
}
