//! Objects: immutable values that tasks take and make.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use smallvec::SmallVec;

/// Objects up to this size travel inside messages; larger ones live in an executor's arena and
/// travel between executors directly.
pub const INLINE_LIMIT_BYTES: usize = 64 * 1024;

/// What an attempt's small inputs, or its small outputs, may take of one message together. Further
/// ones go into a store by themselves, so that a message's size is bounded whatever a task takes
/// and makes.
pub const INLINE_SUM_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// The element type of a tensor. Elements are stored little-endian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs)]
pub enum DType {
    U8,
    I32,
    I64,
    F16,
    BF16,
    F32,
    F64,
}

impl DType {
    /// Every element type.
    pub const ALL: [DType; 7] =
        [DType::U8, DType::I32, DType::I64, DType::F16, DType::BF16, DType::F32, DType::F64];

    /// Bytes per element.
    pub const fn size_bytes(self) -> usize {
        match self {
            DType::U8 => 1,
            DType::F16 | DType::BF16 => 2,
            DType::I32 | DType::F32 => 4,
            DType::I64 | DType::F64 => 8,
        }
    }

    /// The name used in files, messages and errors.
    pub const fn name(self) -> &'static str {
        match self {
            DType::U8 => "u8",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::F32 => "f32",
            DType::F64 => "f64",
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A tensor's extents, outermost first; elements are stored row-major without gaps. A scalar has
/// no extents.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Shape(pub SmallVec<[u64; 4]>);

impl Shape {
    /// The shape with these extents.
    pub fn new(extents: impl IntoIterator<Item = u64>) -> Self {
        Shape(extents.into_iter().collect())
    }

    /// The shape of one element.
    pub fn scalar() -> Self {
        Shape::default()
    }

    /// The extents, outermost first.
    pub fn extents(&self) -> &[u64] {
        &self.0
    }

    /// How many extents there are.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// How many elements there are, or `None` on overflow.
    pub fn checked_elements(&self) -> Option<u64> {
        self.0.iter().try_fold(1u64, |product, extent| product.checked_mul(*extent))
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (position, extent) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{extent}")?;
        }
        f.write_str("]")
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an object's bytes mean.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ObjectType {
    /// Bytes without further meaning, such as a file.
    Blob,
    /// A dense, row-major tensor.
    Tensor {
        /// Its element type.
        dtype: DType,
        /// Its extents.
        shape: Shape,
    },
}

impl ObjectType {
    /// The size that a value of this type must have, where the type tells it (`None` for blobs
    /// and for tensors too large to address).
    pub fn size_bytes(&self) -> Option<u64> {
        match self {
            ObjectType::Blob => None,
            ObjectType::Tensor { dtype, shape } => {
                shape.checked_elements()?.checked_mul(dtype.size_bytes() as u64)
            }
        }
    }
}

impl fmt::Display for ObjectType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObjectType::Blob => f.write_str("blob"),
            ObjectType::Tensor { dtype, shape } => write!(f, "{dtype}{shape}"),
        }
    }
}

/// The text is no object's type.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{text:?} is no type of an object: write blob, f32[] or f32[2, 3]; element types are {}", DType::ALL.map(DType::name).join(", "))]
pub struct ParseTypeError {
    text: String,
}

impl FromStr for ObjectType {
    type Err = ParseTypeError;

    /// Reads what [`ObjectType`]'s `Display` writes.
    fn from_str(text: &str) -> Result<Self, ParseTypeError> {
        if text == "blob" {
            return Ok(ObjectType::Blob);
        }
        let tensor = || {
            let (name, extents) = text.strip_suffix(']')?.split_once('[')?;
            let dtype = DType::from_name(name)?;
            let extents = extents.trim();
            if extents.is_empty() {
                return Some(ObjectType::Tensor { dtype, shape: Shape::scalar() });
            }
            let extent = |part: &str| part.trim().parse::<u64>().ok();
            let extents = extents.split(',').map(extent).collect::<Option<_>>()?;
            Some(ObjectType::Tensor { dtype, shape: Shape(extents) })
        };
        tensor().ok_or_else(|| ParseTypeError { text: text.to_owned() })
    }
}

/// An object's type and bytes, in memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Value {
    /// What the bytes mean.
    pub object_type: ObjectType,
    /// The bytes; cheap to clone.
    pub data: Bytes,
}

impl Value {
    /// A blob.
    pub fn blob(data: impl Into<Bytes>) -> Self {
        Value { object_type: ObjectType::Blob, data: data.into() }
    }

    /// A scalar tensor.
    pub fn scalar_f32(value: f32) -> Self {
        Value {
            object_type: ObjectType::Tensor { dtype: DType::F32, shape: Shape::scalar() },
            data: Bytes::copy_from_slice(&value.to_le_bytes()),
        }
    }

    /// A scalar tensor.
    pub fn scalar_f64(value: f64) -> Self {
        Value {
            object_type: ObjectType::Tensor { dtype: DType::F64, shape: Shape::scalar() },
            data: Bytes::copy_from_slice(&value.to_le_bytes()),
        }
    }

    /// Whether the bytes have the size that the type asks for.
    pub fn is_consistent(&self) -> bool {
        match &self.object_type {
            ObjectType::Blob => true,
            // No data has the size of a tensor whose size is beyond all numbers.
            tensor @ ObjectType::Tensor { .. } => {
                tensor.size_bytes() == Some(self.data.len() as u64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_has_as_many_bytes_as_its_shape_says() {
        let is_consistent = |extents: Vec<u64>, bytes: usize| {
            let object_type = ObjectType::Tensor { dtype: DType::F32, shape: Shape::new(extents) };
            Value { object_type, data: vec![0; bytes].into() }.is_consistent()
        };
        assert!(is_consistent(vec![2, 3], 24) && is_consistent(vec![0, 3], 0));
        assert!(!is_consistent(vec![2, 3], 23) && !is_consistent(vec![1 << 63, 1 << 63], 0));
        assert!(Value::blob(vec![1, 2, 3]).is_consistent());
    }

    #[test]
    fn types_survive_their_text_form() {
        for text in ["blob", "f32[]", "u8[3]", "bf16[2, 0, 7]"] {
            let object_type: ObjectType = text.parse().expect(text);
            assert_eq!(object_type.to_string(), text);
        }
        assert_eq!("i64[2,3]".parse::<ObjectType>().expect("a type").to_string(), "i64[2, 3]");
        for text in ["", "f32", "f32[", "f32[-1]", "f99[1]", "f32[1,]", "blob[1]"] {
            let error = text.parse::<ObjectType>().expect_err(text).to_string();
            assert!(error.contains("element types are u8, i32"), "{error}");
        }
    }
}
