//! A program's parameters: declared by `param(name, default)`, given by whoever loads it.

use std::collections::BTreeMap;

use crate::error::{Checked, Fault};
use crate::suggest::advice;

/// Values given from outside, and the names that the program asked for.
pub(super) struct Parameters {
    given: BTreeMap<String, String>,
    declared: Vec<String>,
}

/// A parameter's value, of the default's type.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Parameter {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl Parameters {
    pub fn new(given: BTreeMap<String, String>) -> Self {
        Parameters { given, declared: Vec::new() }
    }

    /// The value of parameter `name`: the given text read as the default's type, or the default.
    pub fn value(&mut self, name: &str, default: Parameter) -> Checked<Parameter> {
        if !self.declared.iter().any(|declared| declared == name) {
            self.declared.push(name.to_owned());
        }
        let Some(text) = self.given.get(name) else { return Ok(default) };
        let (value, expected) = match default {
            Parameter::Bool(_) => (boolean(text), "true or false"),
            Parameter::Int(_) => (text.parse().ok().map(Parameter::Int), "an integer"),
            Parameter::Float(_) => (float(text), "a number"),
            Parameter::Text(_) => (Some(Parameter::Text(text.clone())), "text"),
        };
        value.ok_or_else(|| {
            Fault::new(format!("parameter {name:?} must be {expected}, is {text:?}"))
        })
    }

    /// What is wrong with a parameter that was given and never asked for.
    pub fn unknown(&self) -> Option<String> {
        let unknown = self.given.keys().find(|name| !self.declared.contains(name))?;
        let known = self.declared.iter().map(String::as_str);
        let advice = advice(unknown, known, "the program has");
        Some(format!("there is no parameter {unknown:?}{advice}"))
    }
}

fn boolean(text: &str) -> Option<Parameter> {
    match text {
        "true" | "True" | "yes" | "1" => Some(Parameter::Bool(true)),
        "false" | "False" | "no" | "0" => Some(Parameter::Bool(false)),
        _ => None,
    }
}

fn float(text: &str) -> Option<Parameter> {
    text.parse().ok().filter(|value: &f64| value.is_finite()).map(Parameter::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_type_of_their_defaults() {
        let given = [("n", "3"), ("x", "3"), ("b", "yes"), ("bad", "many")];
        let given = given.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let mut parameters = Parameters::new(given);
        assert_eq!(parameters.value("n", Parameter::Int(1)), Ok(Parameter::Int(3)));
        assert_eq!(parameters.value("x", Parameter::Float(1.0)), Ok(Parameter::Float(3.0)));
        assert_eq!(parameters.value("b", Parameter::Bool(false)), Ok(Parameter::Bool(true)));
        assert_eq!(parameters.value("m", Parameter::Int(1)), Ok(Parameter::Int(1)));
        assert_eq!(
            parameters.unknown().as_deref(),
            Some("there is no parameter \"bad\"; the program has: n, x, b, m")
        );
        let fault = parameters.value("bad", Parameter::Int(1)).expect_err("no integer");
        assert_eq!(fault.message, "parameter \"bad\" must be an integer, is \"many\"");
        assert_eq!(parameters.unknown(), None);
    }
}
