//! Declarations of variables and parameters.

use super::ast::{Init, Operand, Space, Variable};
use super::parser::{ParseError, Parser, type_bytes};

impl Parser {
    pub(super) fn params(&mut self) -> Result<Vec<Variable>, ParseError> {
        let mut params = Vec::new();
        while !self.take(')') {
            params.push(self.variable_head(false)?);
            self.take(',');
        }
        Ok(params)
    }

    /// `.space .align N .ptr ... .type name[N]`, without initialiser and end.
    fn variable_head(&mut self, external: bool) -> Result<Variable, ParseError> {
        let (mut space, mut align, mut element, mut lanes) = (Space::Generic, 0, None, 1);
        loop {
            let word = self.word()?;
            let Some(directive) = word.strip_prefix('.') else {
                let element: usize =
                    element.ok_or_else(|| self.error(format!("'{word}' has no type")))?;
                let size = self.dimensions()?.unwrap_or(1) * element * lanes;
                let align = if align == 0 { element * lanes } else { align };
                return Ok(Variable {
                    name: word,
                    space,
                    size_bytes: size,
                    align,
                    init: Vec::new(),
                    element_bytes: element,
                    external,
                });
            };
            if let Some(named) = Space::named(directive) {
                // `.param .ptr .global` names what a pointer points to.
                if space == Space::Generic {
                    space = named;
                }
            } else if let Some(bytes) = type_bytes(directive) {
                element = Some(bytes);
            } else {
                match directive {
                    "align" => align = usize::try_from(self.number()?).unwrap_or(1),
                    "v2" => lanes = 2,
                    "v4" => lanes = 4,
                    "reg" => space = Space::Param,
                    "ptr" | "attribute" | "managed" => {}
                    other => return Err(self.error(format!("unsupported directive .{other}"))),
                }
            }
            if self.take('(') {
                while !self.take(')') {
                    self.at += 1;
                }
            }
        }
    }

    fn dimensions(&mut self) -> Result<Option<usize>, ParseError> {
        let mut total = None;
        while self.take('[') {
            let size = if self.take(']') {
                0
            } else {
                let size = usize::try_from(self.number()?).unwrap_or(0);
                self.expect(']')?;
                size
            };
            total = Some(total.unwrap_or(1) * size);
        }
        Ok(total)
    }

    pub(super) fn variables(&mut self, external: bool) -> Result<Vec<Variable>, ParseError> {
        let mut first = self.variable_head(external)?;
        let mut all = Vec::new();
        loop {
            if self.take('=') {
                self.initialiser(&mut first.init)?;
            }
            all.push(first.clone());
            if self.take(';') {
                return Ok(all);
            }
            self.expect(',')?;
            first.name = self.word()?;
            first.init.clear();
            first.size_bytes = self.dimensions()?.unwrap_or(1) * first.element_bytes;
        }
    }

    fn initialiser(&mut self, init: &mut Vec<Init>) -> Result<(), ParseError> {
        if self.take('{') {
            while !self.take('}') {
                self.initialiser(init)?;
                self.take(',');
            }
            return Ok(());
        }
        let element = match self.operand()? {
            Operand::Int(value) => Init::Bits(value as u64),
            Operand::F32(bits) => Init::Bits(u64::from(bits)),
            Operand::F64(bits) => Init::Bits(bits),
            Operand::Name(mut name) => {
                if name == "generic" && self.take('(') {
                    name = self.word()?;
                    self.expect(')')?;
                }
                let mut offset = 0;
                if self.take('+') {
                    offset = i64::try_from(self.number()?).unwrap_or(0);
                }
                Init::Address(name, offset)
            }
            other => return Err(self.error(format!("unsupported initialiser {other:?}"))),
        };
        init.push(element);
        Ok(())
    }
}
