//! Numbers and operands.

use super::ast::Operand;
use super::parser::{ParseError, Parser};

/// A number's operand, or `None` for a name.
pub fn number(word: &str) -> Option<Operand> {
    let bytes = word.as_bytes();
    if !bytes.first()?.is_ascii_digit() {
        return None;
    }
    if bytes.len() == 10 && (word.starts_with("0f") || word.starts_with("0F")) {
        return u32::from_str_radix(&word[2..], 16).ok().map(Operand::F32);
    }
    if bytes.len() == 18 && (word.starts_with("0d") || word.starts_with("0D")) {
        return u64::from_str_radix(&word[2..], 16).ok().map(Operand::F64);
    }
    integer(word).map(Operand::Int).or_else(|| {
        let value: f64 = word.parse().ok()?;
        Some(Operand::F64(value.to_bits()))
    })
}

/// An integer of any of PTX's bases.
pub fn integer(word: &str) -> Option<i128> {
    let digits = word.trim_end_matches(['U', 'u']);
    let lower = digits.to_ascii_lowercase();
    if let Some(hex) = lower.strip_prefix("0x") {
        return i128::from_str_radix(hex, 16).ok();
    }
    if let Some(binary) = lower.strip_prefix("0b") {
        return i128::from_str_radix(binary, 2).ok();
    }
    if lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|byte| byte.is_ascii_digit())
    {
        return i128::from_str_radix(&lower, 8).ok();
    }
    lower.parse().ok()
}

impl Parser {
    /// One operand, with `a|b` pairs.
    pub(super) fn operand(&mut self) -> Result<Operand, ParseError> {
        let first = self.simple_operand()?;
        if self.take('|') {
            let second = self.simple_operand()?;
            return Ok(Operand::Pair(Box::new(first), Box::new(second)));
        }
        Ok(first)
    }

    fn simple_operand(&mut self) -> Result<Operand, ParseError> {
        if self.take('!') {
            return Ok(Operand::Not(Box::new(self.simple_operand()?)));
        }
        if self.take('-') {
            return match self.simple_operand()? {
                Operand::Int(value) => Ok(Operand::Int(-value)),
                Operand::F32(bits) => Ok(Operand::F32(bits ^ (1 << 31))),
                Operand::F64(bits) => Ok(Operand::F64(bits ^ (1 << 63))),
                _ => Err(self.error("a number is wanted after '-'")),
            };
        }
        if self.take('[') {
            return self.address();
        }
        if self.take('{') {
            return Ok(Operand::Vector(self.operands_until('}')?));
        }
        if self.take('(') {
            return Ok(Operand::List(self.operands_until(')')?));
        }
        let word = self.word()?;
        Ok(number(&word).unwrap_or(Operand::Name(word)))
    }

    fn operands_until(&mut self, end: char) -> Result<Vec<Operand>, ParseError> {
        let mut list = Vec::new();
        while !self.take(end) {
            list.push(self.operand()?);
            self.take(',');
        }
        Ok(list)
    }

    fn address(&mut self) -> Result<Operand, ParseError> {
        let base = self.simple_operand()?;
        let mut offset = 0;
        loop {
            let sign = if self.take('+') {
                1
            } else if self.take('-') {
                -1
            } else {
                break;
            };
            match self.simple_operand()? {
                Operand::Int(value) => offset += sign * i64::try_from(value).unwrap_or(0),
                _ => return Err(self.error("a number is wanted in an address")),
            }
        }
        self.expect(']')?;
        Ok(Operand::Address(Box::new(base), offset))
    }
}
