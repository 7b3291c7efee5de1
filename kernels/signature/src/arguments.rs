//! A call's attributes, checked, with defaults filled in.

use drawloom_model::{Attribute, Attributes, DType, nearest};

use crate::attribute::{AttributeSpec, Constant, Presence};
use crate::{Signature, SignatureError};

/// A call's attributes, checked against the kernel's signature.
///
/// The getters take the names that the signature declares and read a value or its default.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<'a> {
    kernel: &'static str,
    specs: &'static [AttributeSpec],
    given: &'a Attributes,
}

impl<'a> Arguments<'a> {
    /// Checks `given` against what `signature` declares.
    ///
    /// # Errors
    /// An attribute is unknown, missing, or has a value that it may not have.
    pub fn new(signature: &Signature, given: &'a Attributes) -> Result<Self, SignatureError> {
        let (kernel, specs) = (signature.name, signature.attributes);
        for (name, value) in given {
            let Some(spec) = specs.iter().find(|spec| spec.name == name) else {
                return Err(unknown(kernel, specs, name));
            };
            if let Some(message) = spec.kind.refusal(value) {
                let attribute = spec.name;
                return Err(SignatureError::BadAttribute { kernel, attribute, message });
            }
        }
        let absent = |spec: &&AttributeSpec| {
            matches!(spec.presence, Presence::Required) && !given.contains_key(spec.name)
        };
        if let Some(AttributeSpec { name: attribute, doc, .. }) = specs.iter().find(absent) {
            return Err(SignatureError::MissingAttribute { kernel, attribute, doc });
        }
        Ok(Arguments { kernel, specs, given })
    }

    /// A bool.
    pub fn bool(&self, name: &str) -> bool {
        match (self.given.get(name), self.default(name)) {
            (Some(Attribute::Bool(value)), _) | (None, Some(Constant::Bool(value))) => *value,
            _ => self.undeclared(name),
        }
    }

    /// An integer that was given or has a default.
    pub fn int(&self, name: &str) -> i64 {
        self.optional_int(name).unwrap_or_else(|| self.undeclared(name))
    }

    /// An integer, where there is one.
    pub fn optional_int(&self, name: &str) -> Option<i64> {
        match (self.given.get(name), self.default(name)) {
            (Some(Attribute::Int(value)), _) | (None, Some(Constant::Int(value))) => Some(*value),
            _ => None,
        }
    }

    /// A number that was given or has a default.
    pub fn float(&self, name: &str) -> f64 {
        self.optional_float(name).unwrap_or_else(|| self.undeclared(name))
    }

    /// A number, where there is one.
    pub fn optional_float(&self, name: &str) -> Option<f64> {
        match (self.given.get(name), self.default(name)) {
            (Some(Attribute::Float(value)), _) | (None, Some(Constant::Float(value))) => {
                Some(*value)
            }
            (Some(Attribute::Int(value)), _) => Some(*value as f64),
            _ => None,
        }
    }

    /// A text that was given or has a default.
    pub fn text(&self, name: &str) -> &'a str {
        self.optional_text(name).unwrap_or_else(|| self.undeclared(name))
    }

    /// A text, where there is one.
    pub fn optional_text(&self, name: &str) -> Option<&'a str> {
        match (self.given.get(name), self.default(name)) {
            (Some(Attribute::Text(value)), _) => Some(value),
            (None, Some(Constant::Text(value))) => Some(value),
            _ => None,
        }
    }

    /// An element type that was given or has a default.
    pub fn dtype(&self, name: &str) -> DType {
        DType::from_name(self.text(name)).unwrap_or_else(|| self.undeclared(name))
    }

    /// A list of integers that was given.
    pub fn ints(&self, name: &str) -> &'a [i64] {
        self.optional_ints(name).unwrap_or_else(|| self.undeclared(name))
    }

    /// A list of integers, where there is one.
    pub fn optional_ints(&self, name: &str) -> Option<&'a [i64]> {
        match self.given.get(name) {
            Some(Attribute::Ints(values)) => Some(values),
            Some(Attribute::Floats(_)) => Some(&[]),
            _ => None,
        }
    }

    /// The error that says why the value of a declared attribute cannot be.
    pub(crate) fn refuse(&self, name: &'static str, message: impl Into<String>) -> SignatureError {
        let (kernel, message) = (self.kernel, message.into());
        SignatureError::BadAttribute { kernel, attribute: name, message }
    }

    fn default(&self, name: &str) -> Option<&'static Constant> {
        let spec = self.specs.iter().find(|spec| spec.name == name)?;
        match &spec.presence {
            Presence::Default(constant) => Some(constant),
            Presence::Required | Presence::Optional => None,
        }
    }

    /// Only a mistake in the catalogue leads here; its test calls every kernel.
    fn undeclared(&self, name: &str) -> ! {
        panic!("{} declares no attribute {name} of this kind", self.kernel)
    }
}

fn unknown(
    kernel: &'static str,
    specs: &'static [AttributeSpec],
    attribute: &str,
) -> SignatureError {
    let names: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
    let advice = match nearest(attribute, names.iter().copied()) {
        Some(name) => format!("did you mean {name:?}?"),
        None if names.is_empty() => "it takes none".to_owned(),
        None => format!("it takes {}", names.join(", ")),
    };
    SignatureError::UnknownAttribute { kernel, attribute: attribute.to_owned(), advice }
}
