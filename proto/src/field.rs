//! Errors that name the field at fault.

use std::fmt::Display;

/// A message from outside does not mean anything; the field at fault is named.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{field}: {message}")]
pub struct FieldError {
    /// The path from the message to the field, such as `tasks[17].inputs[0]`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl FieldError {
    /// An error in a field of the message at hand.
    pub fn new(field: impl Into<String>, message: impl Display) -> Self {
        FieldError { field: field.into(), message: message.to_string() }
    }

    /// The same error seen from the message that holds this one in `outer`.
    #[must_use]
    pub fn within(mut self, outer: impl Display) -> Self {
        self.field = if self.field.is_empty() {
            outer.to_string()
        } else {
            format!("{outer}.{}", self.field)
        };
        self
    }
}

/// The message of a field that must be there.
pub(crate) fn required<T>(value: Option<T>, field: &str) -> Result<T, FieldError> {
    value.ok_or_else(|| FieldError::new(field, "must be set"))
}

/// A message field that must be there, converted.
pub(crate) fn nested<W, M>(value: Option<W>, field: &str) -> Result<M, FieldError>
where
    M: TryFrom<W, Error = FieldError>,
{
    M::try_from(required(value, field)?).map_err(|error| error.within(field))
}

/// A message field that may be absent, converted.
pub(crate) fn optional<W, M>(value: Option<W>, field: &str) -> Result<Option<M>, FieldError>
where
    M: TryFrom<W, Error = FieldError>,
{
    value.map(M::try_from).transpose().map_err(|error| error.within(field))
}

/// Every item of a repeated field, converted; `first` is the number of the first item.
pub(crate) fn each<W, M, C>(
    values: Vec<W>,
    field: &str,
    first: usize,
    convert: impl Fn(W) -> Result<M, FieldError>,
) -> Result<C, FieldError>
where
    C: FromIterator<M>,
{
    let at = |(position, value)| {
        convert(value).map_err(|error| error.within(format_args!("{field}[{}]", first + position)))
    };
    values.into_iter().enumerate().map(at).collect()
}

/// A number that must fit a smaller type.
pub(crate) fn narrow<T: TryFrom<u32>>(value: u32, field: &str) -> Result<T, FieldError> {
    T::try_from(value).map_err(|_| FieldError::new(field, format_args!("{value} is out of range")))
}
