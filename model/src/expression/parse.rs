//! Reading expressions: recursive descent over characters.

use super::{ExpressionError, Node, Operator};

/// The longest text, in bytes.
const LENGTH_LIMIT: usize = 1024;
/// How deep brackets may be nested, so that no text can exhaust the stack.
const DEPTH_LIMIT: usize = 32;

/// The functions of two or more numbers.
const FUNCTIONS: [(&str, Operator); 3] =
    [("min", Operator::Min), ("max", Operator::Max), ("ceil_div", Operator::CeilDiv)];

/// The tree of an expression.
pub(super) fn parse(text: &str) -> Result<Node, ExpressionError> {
    let mut parser = Parser { text, place: 0, depth: 0 };
    if text.len() > LENGTH_LIMIT {
        return Err(parser.error(format!("there are more than {LENGTH_LIMIT} bytes")));
    }
    let node = parser.sum()?;
    match parser.peek() {
        None => Ok(node),
        Some(character) => Err(parser.error(format!("{character:?} has no place"))),
    }
}

struct Parser<'a> {
    text: &'a str,
    /// Where to read on, in bytes.
    place: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn sum(&mut self) -> Result<Node, ExpressionError> {
        self.chain(&[('+', Operator::Add), ('-', Operator::Subtract)], Self::product)
    }

    fn product(&mut self) -> Result<Node, ExpressionError> {
        let operators =
            [('*', Operator::Multiply), ('/', Operator::Divide), ('%', Operator::Remainder)];
        self.chain(&operators, Self::signed)
    }

    /// Operands of one rank, from left to right.
    fn chain(
        &mut self,
        operators: &[(char, Operator)],
        operand: fn(&mut Self) -> Result<Node, ExpressionError>,
    ) -> Result<Node, ExpressionError> {
        let mut node = operand(self)?;
        loop {
            let next = self.peek();
            let Some((_, operator)) = operators.iter().find(|(sign, _)| next == Some(*sign)) else {
                return Ok(node);
            };
            self.place += 1;
            node = Node::Binary(*operator, Box::new(node), Box::new(operand(self)?));
        }
    }

    fn signed(&mut self) -> Result<Node, ExpressionError> {
        if self.take('-') {
            let operand = self.deeper(Self::signed)?;
            return Ok(Node::Binary(
                Operator::Subtract,
                Box::new(Node::Number(0)),
                Box::new(operand),
            ));
        }
        self.operand()
    }

    fn operand(&mut self) -> Result<Node, ExpressionError> {
        if self.take('(') {
            let node = self.deeper(Self::sum)?;
            self.expect(')')?;
            return Ok(node);
        }
        match self.peek() {
            Some(digit) if digit.is_ascii_digit() => {
                let digits = self.word();
                let number =
                    digits.parse().map_err(|_| self.error(format!("{digits} is no number")))?;
                Ok(Node::Number(number))
            }
            Some(letter) if letter.is_ascii_alphabetic() || letter == '_' => {
                let name = self.word();
                if self.take('(') { self.call(name) } else { Ok(Node::Name(name.into())) }
            }
            Some(other) => Err(self.error(format!("a number or a name is wanted, not {other:?}"))),
            None => Err(self.error("a number or a name is wanted".to_owned())),
        }
    }

    /// What follows a function's bracket.
    fn call(&mut self, name: &str) -> Result<Node, ExpressionError> {
        let node = match name {
            "len" => Node::Length(self.input()?),
            "rank" => Node::Rank(self.input()?),
            "shape" => {
                let input = self.input()?;
                self.expect(',')?;
                Node::Extent(input, Box::new(self.deeper(Self::sum)?))
            }
            _ => {
                let known = FUNCTIONS.iter().find(|(known, _)| *known == name);
                let (_, operator) = known.ok_or_else(|| {
                    let known = "len, rank, shape, min, max, ceil_div";
                    self.error(format!("there is no function {name}; there are: {known}"))
                })?;
                self.fold(*operator)?
            }
        };
        self.expect(')')?;
        Ok(node)
    }

    fn fold(&mut self, operator: Operator) -> Result<Node, ExpressionError> {
        let mut node = self.deeper(Self::sum)?;
        self.expect(',')?;
        loop {
            node = Node::Binary(operator, Box::new(node), Box::new(self.deeper(Self::sum)?));
            if operator == Operator::CeilDiv || !self.take(',') {
                return Ok(node);
            }
        }
    }

    fn input(&mut self) -> Result<Box<str>, ExpressionError> {
        match self.peek() {
            Some(letter) if letter.is_ascii_alphabetic() || letter == '_' => Ok(self.word().into()),
            _ => Err(self.error("an input's name is wanted".to_owned())),
        }
    }

    fn deeper(
        &mut self,
        read: fn(&mut Self) -> Result<Node, ExpressionError>,
    ) -> Result<Node, ExpressionError> {
        if self.depth == DEPTH_LIMIT {
            return Err(self.error(format!("there are more than {DEPTH_LIMIT} levels")));
        }
        self.depth += 1;
        let node = read(self)?;
        self.depth -= 1;
        Ok(node)
    }

    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.place..];
        self.place += rest.len() - rest.trim_start().len();
        self.text[self.place..].chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.place += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), ExpressionError> {
        if self.take(wanted) { Ok(()) } else { Err(self.error(format!("{wanted:?} is wanted"))) }
    }

    fn word(&mut self) -> &'a str {
        let rest = &self.text[self.place..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let word = &rest[..end.unwrap_or(rest.len())];
        self.place += word.len();
        word
    }

    fn error(&self, message: String) -> ExpressionError {
        let place = self.text.get(..self.place).unwrap_or_default().chars().count() + 1;
        ExpressionError::Syntax { text: self.text.to_owned(), place, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_expression_is_pointed_at() {
        for (text, expected) in [
            ("", r#""" is no expression: at character 1, a number or a name is wanted"#),
            ("1 +", r#""1 +" is no expression: at character 4, a number or a name is wanted"#),
            ("1 2", r#""1 2" is no expression: at character 3, '2' has no place"#),
            ("(1", r#""(1" is no expression: at character 3, ')' is wanted"#),
            ("3x", r#""3x" is no expression: at character 3, 3x is no number"#),
            ("len(1)", r#""len(1)" is no expression: at character 5, an input's name is wanted"#),
            ("é", r#""é" is no expression: at character 1, a number or a name is wanted, not 'é'"#),
            ("min(1)", r#""min(1)" is no expression: at character 6, ',' is wanted"#),
            (
                "log(2)",
                r#""log(2)" is no expression: at character 5, there is no function log; there are: len, rank, shape, min, max, ceil_div"#,
            ),
        ] {
            assert_eq!(parse(text).expect_err(text).to_string(), expected);
        }
    }

    #[test]
    fn no_text_exhausts_the_stack() {
        for deep in ["(".repeat(1000), "-".repeat(1000), "min(1,".repeat(170)] {
            let error = parse(&deep).expect_err("deep").to_string();
            assert!(error.ends_with("there are more than 32 levels"), "{error}");
        }
        assert!(parse(&"1+".repeat(600)).is_err());
        assert!(parse(&format!("{}1", "1+".repeat(500))).is_ok());
    }
}
