//! Whole numbers that follow from shapes and constants, such as `ceil_div(len(x), 256)`.

mod parse;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A whole number, told by an expression of inputs' shapes and of named numbers.
///
/// There are numbers, names, `+ - * / %`, brackets, `min` and `max` of two or more, `ceil_div(a, b)`,
/// and of an input `x`: `len(x)`, how many elements it has, `rank(x)`, how many axes, and
/// `shape(x, i)`, its extent along axis `i`, counted from 0. A division leaves the fraction out, as in C.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Expression {
    text: Box<str>,
    root: Node,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Node {
    Number(i128),
    Name(Box<str>),
    Length(Box<str>),
    Rank(Box<str>),
    Extent(Box<str>, Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Min,
    Max,
    CeilDiv,
}

/// Why an expression means nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ExpressionError {
    #[error("{text:?} is no expression: at character {place}, {message}")]
    Syntax { text: String, place: usize, message: String },
    #[error("{text}: there is no {kind} {name:?}; {known}")]
    Unknown { text: String, kind: &'static str, name: String, known: String },
    #[error("{text}: {input} has no axis {axis}, only {rank}")]
    NoAxis { text: String, input: String, axis: i128, rank: usize },
    #[error("{text}: division by {divisor}")]
    BadDivisor { text: String, divisor: i128 },
    #[error("{text}: the numbers become too large")]
    Overflow { text: String },
}

/// What names in expressions stand for, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    inputs: BTreeMap<Box<str>, Option<Vec<Option<u64>>>>,
    numbers: BTreeMap<Box<str>, Option<i128>>,
}

impl Scope {
    /// Adds an input: its extents where their number is known, each where it is known.
    pub fn add_input(&mut self, name: &str, extents: Option<Vec<Option<u64>>>) {
        self.inputs.insert(name.into(), extents);
    }

    /// Adds a number.
    pub fn add_number(&mut self, name: &str, value: Option<i128>) {
        self.numbers.insert(name.into(), value);
    }
}

impl Expression {
    /// An expression that is a number.
    pub fn number(value: impl Into<i128>) -> Self {
        let value = value.into();
        Expression { text: value.to_string().into(), root: Node::Number(value) }
    }

    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The number, or `None` where it follows from what is not known yet.
    ///
    /// # Errors
    /// A name stands for nothing, there is no such axis, or there is no such number.
    pub fn evaluate(&self, scope: &Scope) -> Result<Option<i128>, ExpressionError> {
        self.value(&self.root, scope)
    }

    fn value(&self, node: &Node, scope: &Scope) -> Result<Option<i128>, ExpressionError> {
        match node {
            Node::Number(value) => Ok(Some(*value)),
            Node::Name(name) => match scope.numbers.get(name) {
                Some(value) => Ok(*value),
                None => Err(self.unknown("number", name, scope.numbers.keys())),
            },
            Node::Length(input) => self.length(input, scope),
            Node::Rank(input) => {
                Ok(self.extents(input, scope)?.map(|extents| extents.len() as i128))
            }
            Node::Extent(input, axis) => {
                let axis = self.value(axis, scope)?;
                let (Some(axis), Some(extents)) = (axis, self.extents(input, scope)?) else {
                    return Ok(None);
                };
                let found = usize::try_from(axis).ok().and_then(|axis| extents.get(axis));
                let extent = found.ok_or_else(|| ExpressionError::NoAxis {
                    text: self.text.to_string(),
                    input: input.to_string(),
                    axis,
                    rank: extents.len(),
                })?;
                Ok(extent.map(i128::from))
            }
            Node::Binary(operator, a, b) => {
                let (a, b) = (self.value(a, scope)?, self.value(b, scope)?);
                if let Some(divisor) = b.filter(|b| operator.refuses(*b)) {
                    return Err(ExpressionError::BadDivisor {
                        text: self.text.to_string(),
                        divisor,
                    });
                }
                let (Some(a), Some(b)) = (a, b) else { return Ok(None) };
                operator.apply(a, b).map(Some).ok_or_else(|| self.overflow())
            }
        }
    }

    fn length(&self, input: &str, scope: &Scope) -> Result<Option<i128>, ExpressionError> {
        let Some(extents) = self.extents(input, scope)? else { return Ok(None) };
        let Some(extents) = extents.iter().copied().collect::<Option<Vec<u64>>>() else {
            return Ok(None);
        };
        let mut extents = extents.into_iter().map(i128::from);
        let length = extents.try_fold(1i128, |product, extent| product.checked_mul(extent));
        length.map(Some).ok_or_else(|| self.overflow())
    }

    fn extents<'s>(
        &self,
        input: &str,
        scope: &'s Scope,
    ) -> Result<Option<&'s Vec<Option<u64>>>, ExpressionError> {
        match scope.inputs.get(input) {
            Some(extents) => Ok(extents.as_ref()),
            None => Err(self.unknown("input", input, scope.inputs.keys())),
        }
    }

    fn unknown<'s>(
        &self,
        kind: &'static str,
        name: &str,
        known: impl Iterator<Item = &'s Box<str>>,
    ) -> ExpressionError {
        let known: Vec<&str> = known.map(AsRef::as_ref).collect();
        let known = match known.is_empty() {
            true => "there are none here".to_owned(),
            false => format!("there are: {}", known.join(", ")),
        };
        ExpressionError::Unknown { text: self.text.to_string(), kind, name: name.to_owned(), known }
    }

    fn overflow(&self) -> ExpressionError {
        ExpressionError::Overflow { text: self.text.to_string() }
    }
}

impl Operator {
    /// Whether there is no result with this second operand.
    fn refuses(self, b: i128) -> bool {
        match self {
            Operator::Divide | Operator::Remainder => b == 0,
            Operator::CeilDiv => b <= 0,
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Min
            | Operator::Max => false,
        }
    }

    fn apply(self, a: i128, b: i128) -> Option<i128> {
        match self {
            Operator::Add => a.checked_add(b),
            Operator::Subtract => a.checked_sub(b),
            Operator::Multiply => a.checked_mul(b),
            Operator::Divide => a.checked_div(b),
            Operator::Remainder => a.checked_rem(b),
            Operator::Min => Some(a.min(b)),
            Operator::Max => Some(a.max(b)),
            Operator::CeilDiv => {
                let whole = a.checked_div_euclid(b)?;
                whole.checked_add(i128::from(a.checked_rem_euclid(b)? != 0))
            }
        }
    }
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        Ok(Expression { text: text.into(), root: parse::parse(text)? })
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope() -> Scope {
        let mut scope = Scope::default();
        scope.add_input("x", Some(vec![Some(1000), Some(3)]));
        scope.add_input("row", Some(vec![None, Some(3)]));
        scope.add_input("any", None);
        scope.add_number("n", Some(7));
        scope.add_number("later", None);
        scope
    }

    fn value(text: &str) -> Result<Option<i128>, String> {
        let expression: Expression = text.parse().map_err(|e: ExpressionError| e.to_string())?;
        expression.evaluate(&scope()).map_err(|error| error.to_string())
    }

    #[test]
    fn shapes_and_numbers_make_numbers() {
        for (text, expected) in [
            ("256", 256),
            ("1 + 2 * 3", 7),
            ("(1 + 2) * 3", 9),
            ("10 - 2 - 3", 5),
            ("-n + 1", -6),
            ("7 / 2 * 2 + 7 % 2", 7),
            ("-7 / 2", -3),
            ("ceil_div(len(x), 256)", 12),
            ("ceil_div(-7, 2)", -3),
            ("shape(x, 1)", 3),
            ("shape(x, n - 7)", 1000),
            ("shape(row, 1) * rank(row)", 6),
            ("min(n, 3, 5) + max(1, n)", 10),
        ] {
            assert_eq!(value(text), Ok(Some(expected)), "{text}");
        }
        for text in ["later + 1", "len(row)", "shape(row, 0)", "rank(any)", "shape(x, later)"] {
            assert_eq!(value(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn faults_tell_what_is_wrong() {
        for (text, expected) in [
            ("m", r#"m: there is no number "m"; there are: later, n"#),
            ("len(y) * 2", r#"len(y) * 2: there is no input "y"; there are: any, row, x"#),
            ("later + m", r#"later + m: there is no number "m"; there are: later, n"#),
            ("shape(x, 2)", "shape(x, 2): x has no axis 2, only 2"),
            ("shape(x, -1)", "shape(x, -1): x has no axis -1, only 2"),
            ("1 / (n - 7)", "1 / (n - 7): division by 0"),
            ("later % 0", "later % 0: division by 0"),
            ("ceil_div(1, -1)", "ceil_div(1, -1): division by -1"),
        ] {
            assert_eq!(value(text), Err(expected.to_owned()));
        }
        let large = ["18446744073709551615"; 3].join(" * ");
        assert!(value(&large).is_err_and(|error| error.ends_with("become too large")));
    }

    proptest! {
        /// Against Rust's own arithmetic; what Rust calls overflow cannot be reached here.
        #[test]
        fn arithmetic_is_that_of_rust(a in -1000i64..1000, b in -1000i64..1000, c in 1i64..1000) {
            let text = format!("{a} + {b} * ({c} - {a}) / {c} % 17 - min({a}, {b}) + ceil_div({b}, {c})");
            let ceiling = (b as f64 / c as f64).ceil() as i64;
            let expected = a + b * (c - a) / c % 17 - a.min(b) + ceiling;
            prop_assert_eq!(value(&text), Ok(Some(i128::from(expected))));
        }

        /// Nothing that can be written ends the process, and what is refused is refused with reasons.
        #[test]
        fn any_text_is_taken_or_refused(text in "[-a-z0-9_+*/%(), ]{0,40}") {
            if let Err(error) = value(&text) {
                prop_assert!(!error.is_empty());
            }
        }
    }
}
