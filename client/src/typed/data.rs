//! Which Rust types stand for which objects.

use bytes::Bytes;
use drawloom_model::{DType, ObjectType, Shape, Value};
use drawloom_signature::ValueType;

/// A Rust type that an object can be read as:
///
/// | Rust | object |
/// |---|---|
/// | `f32`, `f64`, `i32`, `i64`, `u8` | a tensor with one element |
/// | `Vec<f32>` and so on | a tensor's elements, row after row, whatever its shape |
/// | [`Tensor<f32>`](Tensor) and so on | a tensor with its shape |
/// | [`Bytes`] | a blob |
/// | `String` | a blob in UTF-8 |
pub trait Data: Sized + Send + 'static {
    /// What objects of this type are, for people.
    const EXPECTED: &'static str;

    /// Whether an object of which so much is known may be read as this.
    fn fits(found: &ValueType) -> bool;

    /// Reads an object.
    ///
    /// # Errors
    /// It is something else.
    fn from_value(value: Value) -> Result<Self, WrongType>;

    /// The object.
    fn into_value(self) -> Value;
}

/// An object is not what it was to be read as.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the object is {found}, not {expected}")]
pub struct WrongType {
    /// What was wanted.
    pub expected: &'static str,
    /// What it is.
    pub found: String,
}

impl WrongType {
    fn new<T: Data>(found: &Value) -> Self {
        WrongType { expected: T::EXPECTED, found: found.object_type.to_string() }
    }
}

/// An element of tensors. Not for other types to implement: objects have no other elements.
pub trait Element: Copy + Send + sealed::Sealed + 'static {
    /// The element type's name in the catalogue.
    const DTYPE: DType;
    /// A name for objects of many of it.
    const MANY: &'static str;

    /// Reads elements one after another.
    fn read(data: &[u8]) -> Vec<Self>;

    /// Writes elements one after another.
    fn write(elements: &[Self]) -> Bytes;
}

mod sealed {
    pub trait Sealed {}
}

/// A dense tensor, its elements row after row.
#[derive(Clone, PartialEq, Debug)]
pub struct Tensor<T> {
    shape: Shape,
    elements: Vec<T>,
}

impl<T: Element> Tensor<T> {
    /// A tensor of these extents, outermost first.
    ///
    /// # Errors
    /// There are not as many elements as the extents ask for; both numbers are told.
    pub fn new(
        extents: impl IntoIterator<Item = u64>,
        elements: Vec<T>,
    ) -> Result<Self, ShapeMismatch> {
        let shape = Shape::new(extents);
        if shape.checked_elements() != Some(elements.len() as u64) {
            return Err(ShapeMismatch { shape, elements: elements.len() });
        }
        Ok(Tensor { shape, elements })
    }

    /// Its extents, outermost first.
    pub fn extents(&self) -> &[u64] {
        self.shape.extents()
    }

    /// Its elements, row after row.
    pub fn elements(&self) -> &[T] {
        &self.elements
    }

    /// Its elements, row after row.
    pub fn into_elements(self) -> Vec<T> {
        self.elements
    }
}

/// A tensor's extents do not suit its number of elements.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{elements} element(s) do not make a tensor of shape {shape}")]
pub struct ShapeMismatch {
    /// The extents.
    pub shape: Shape,
    /// How many elements there are.
    pub elements: usize,
}

fn is_tensor_of(found: &ValueType, wanted: DType) -> bool {
    match found {
        ValueType::Unknown => true,
        ValueType::Blob => false,
        ValueType::Tensor { dtype, .. } => dtype.is_none_or(|dtype| dtype == wanted),
    }
}

/// The shape and elements of a tensor; `None` where it is something else.
fn tensor_of<T: Element>(value: &Value) -> Option<Tensor<T>> {
    let ObjectType::Tensor { dtype, shape } = &value.object_type else { return None };
    if *dtype != T::DTYPE || !value.is_consistent() {
        return None;
    }
    Some(Tensor { shape: shape.clone(), elements: T::read(&value.data) })
}

impl<T: Element> Data for Tensor<T> {
    const EXPECTED: &'static str = T::MANY;

    fn fits(found: &ValueType) -> bool {
        is_tensor_of(found, T::DTYPE)
    }

    fn from_value(value: Value) -> Result<Self, WrongType> {
        tensor_of(&value).ok_or_else(|| WrongType::new::<Self>(&value))
    }

    fn into_value(self) -> Value {
        let object_type = ObjectType::Tensor { dtype: T::DTYPE, shape: self.shape };
        Value { object_type, data: T::write(&self.elements) }
    }
}

impl<T: Element> Data for Vec<T> {
    const EXPECTED: &'static str = T::MANY;

    fn fits(found: &ValueType) -> bool {
        is_tensor_of(found, T::DTYPE)
    }

    fn from_value(value: Value) -> Result<Self, WrongType> {
        Ok(Tensor::from_value(value)?.into_elements())
    }

    fn into_value(self) -> Value {
        let shape = Shape::new([self.len() as u64]);
        Tensor { shape, elements: self }.into_value()
    }
}

macro_rules! elements {
    ($($element:ident $dtype:ident),* $(,)?) => {
        $(
            impl sealed::Sealed for $element {}

            impl Element for $element {
                const DTYPE: DType = DType::$dtype;
                const MANY: &'static str = concat!("a tensor of ", stringify!($element));

                fn read(data: &[u8]) -> Vec<Self> {
                    let (elements, _) = data.as_chunks();
                    elements.iter().map(|bytes| $element::from_le_bytes(*bytes)).collect()
                }

                fn write(elements: &[Self]) -> Bytes {
                    elements.iter().flat_map(|element| element.to_le_bytes()).collect()
                }
            }

            impl Data for $element {
                const EXPECTED: &'static str =
                    concat!("a tensor of one ", stringify!($element));

                fn fits(found: &ValueType) -> bool {
                    let one = match found {
                        ValueType::Tensor { extents: Some(extents), .. } => {
                            extents.iter().all(|extent| matches!(extent, Some(1) | None))
                        }
                        _ => true,
                    };
                    one && is_tensor_of(found, DType::$dtype)
                }

                fn from_value(value: Value) -> Result<Self, WrongType> {
                    match tensor_of(&value).as_ref().map(Tensor::elements) {
                        Some([element]) => Ok(*element),
                        _ => Err(WrongType::new::<Self>(&value)),
                    }
                }

                fn into_value(self) -> Value {
                    Tensor { shape: Shape::scalar(), elements: vec![self] }.into_value()
                }
            }
        )*
    };
}

elements!(f32 F32, f64 F64, i32 I32, i64 I64, u8 U8);

impl Data for Bytes {
    const EXPECTED: &'static str = "a blob";

    fn fits(found: &ValueType) -> bool {
        matches!(found, ValueType::Unknown | ValueType::Blob)
    }

    fn from_value(value: Value) -> Result<Self, WrongType> {
        match value.object_type {
            ObjectType::Blob => Ok(value.data),
            ObjectType::Tensor { .. } => Err(WrongType::new::<Self>(&value)),
        }
    }

    fn into_value(self) -> Value {
        Value::blob(self)
    }
}

impl Data for String {
    const EXPECTED: &'static str = "a blob in UTF-8";

    fn fits(found: &ValueType) -> bool {
        Bytes::fits(found)
    }

    fn from_value(value: Value) -> Result<Self, WrongType> {
        match (&value.object_type, std::str::from_utf8(&value.data)) {
            (ObjectType::Blob, Ok(text)) => Ok(text.to_owned()),
            _ => Err(WrongType::new::<Self>(&value)),
        }
    }

    fn into_value(self) -> Value {
        Value::blob(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<T: Data + Clone + PartialEq + std::fmt::Debug>(data: T) {
        let value = data.clone().into_value();
        assert!(value.is_consistent() && T::fits(&ValueType::from(&value.object_type)));
        assert_eq!(T::from_value(value), Ok(data));
    }

    #[test]
    fn what_is_written_is_read_again() {
        round_trip(1.5f32);
        round_trip(-2i64);
        round_trip(vec![1.5f64, f64::MIN, -0.0]);
        round_trip(Vec::<u8>::new());
        round_trip(Tensor::new([2, 3], vec![1i32, -2, 3, -4, 5, -6]).expect("six elements"));
        round_trip(Bytes::from_static(b"\xff\x00"));
        round_trip("warp and weft".to_owned());
    }

    #[test]
    fn other_types_are_refused_with_both_names() {
        let error = f32::from_value(Value::scalar_f64(1.0)).expect_err("of another type");
        assert_eq!(error.to_string(), "the object is f64[], not a tensor of one f32");
        let error = f32::from_value(vec![1f32, 2.0].into_value()).expect_err("two");
        assert_eq!(error.to_string(), "the object is f32[2], not a tensor of one f32");
        assert!(Vec::<f32>::from_value(Value::blob("a")).is_err());
        assert!(Bytes::from_value(Value::scalar_f32(1.0)).is_err());
        assert!(String::from_value(Value::blob(vec![0xff])).is_err());
    }

    #[test]
    fn tensors_have_as_many_elements_as_their_shape_says() {
        let error = Tensor::new([2, 2], vec![1f32]).expect_err("one is not four");
        assert_eq!(error.to_string(), "1 element(s) do not make a tensor of shape [2, 2]");
        assert!(Tensor::<f32>::new([u64::MAX, 2], Vec::new()).is_err());
        // Bytes that are cut short are no tensor, whoever made them.
        let mut value = vec![1f32, 2.0].into_value();
        value.data = value.data.slice(..7);
        assert!(Vec::<f32>::from_value(value).is_err());
    }
}
