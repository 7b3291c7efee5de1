//! The header of a file in NumPy's format: a dictionary of Python with three entries.

use drawloom_model::DType;

/// What a header says of the elements behind it.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) dtype: DType,
    pub(crate) extents: Vec<u64>,
    /// Whether the first axis is the innermost in the file.
    pub(crate) columns_first: bool,
    /// Whether bytes are in the other order than on this machine.
    pub(crate) swapped: bool,
}

/// The format's names without the byte order. Booleans are bytes of 0 and 1.
const NAMES: [(&str, DType); 7] = [
    ("b1", DType::U8),
    ("u1", DType::U8),
    ("i4", DType::I32),
    ("i8", DType::I64),
    ("f2", DType::F16),
    ("f4", DType::F32),
    ("f8", DType::F64),
];

/// The name of an element type, little-endian, where the format has one.
pub(crate) fn name(dtype: DType) -> Option<&'static str> {
    match dtype {
        DType::U8 => Some("|u1"),
        DType::I32 => Some("<i4"),
        DType::I64 => Some("<i8"),
        DType::F16 => Some("<f2"),
        DType::F32 => Some("<f4"),
        DType::F64 => Some("<f8"),
        DType::BF16 => None,
    }
}

impl Header {
    /// The size of the elements, where 64 bits hold it.
    pub(crate) fn size_bytes(&self) -> Option<u64> {
        let size = self.dtype.size_bytes() as u64;
        if self.extents.contains(&0) {
            return Some(0);
        }
        self.extents.iter().try_fold(size, |product, extent| product.checked_mul(*extent))
    }

    /// Reads a header.
    ///
    /// # Errors
    /// It is no dictionary with just the entries `descr`, `fortran_order` and `shape`, or names
    /// an element type that is none of ours.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut literal = Literal { rest: text };
        let (mut descr, mut order, mut extents) = (None, None, None);
        literal.expect('{')?;
        while !literal.take('}') {
            let key = literal.string()?;
            literal.expect(':')?;
            let again = match key {
                "descr" => descr.replace(literal.string()?).is_some(),
                "fortran_order" => order.replace(literal.boolean()?).is_some(),
                "shape" => extents.replace(literal.tuple()?).is_some(),
                other => return Err(format!("the header has an unknown entry {other:?}")),
            };
            if again {
                return Err(format!("the header has {key} twice"));
            }
            if !literal.take(',') {
                literal.expect('}')?;
                break;
            }
        }
        if !literal.rest.trim().is_empty() {
            return Err(literal.unexpected("the end"));
        }
        let missing = |name: &str| format!("the header lacks {name}");
        let (dtype, swapped) = element_type(descr.ok_or_else(|| missing("descr"))?)?;
        Ok(Header {
            dtype,
            extents: extents.ok_or_else(|| missing("shape"))?,
            columns_first: order.ok_or_else(|| missing("fortran_order"))?,
            swapped,
        })
    }
}

/// The element type of that name, and whether its bytes are in the other order.
fn element_type(descr: &str) -> Result<(DType, bool), String> {
    let refusal = || {
        let names = NAMES.map(|(name, _)| name).join(", ");
        format!("element type {descr:?} is none of {names}, after <, >, | or =")
    };
    let mut characters = descr.chars();
    let order = characters.next().ok_or_else(refusal)?;
    let name = characters.as_str();
    let (_, dtype) = NAMES.into_iter().find(|(own, _)| *own == name).ok_or_else(refusal)?;
    match order {
        '<' => Ok((dtype, cfg!(target_endian = "big"))),
        '>' => Ok((dtype, cfg!(target_endian = "little"))),
        '=' => Ok((dtype, false)),
        '|' if dtype.size_bytes() == 1 => Ok((dtype, false)),
        _ => Err(refusal()),
    }
}

/// A literal of Python, read from its start.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    /// Steps over a character where it comes next.
    fn take(&mut self, wanted: char) -> bool {
        match self.rest.trim_start().strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(self.unexpected(&format!("{wanted:?}"))) }
    }

    fn unexpected(&self, wanted: &str) -> String {
        let shown: String = self.rest.trim_start().chars().take(20).collect();
        format!("the header has {shown:?} where {wanted} should be")
    }

    /// A string without escapes.
    fn string(&mut self) -> Result<&'a str, String> {
        let quote = if self.take('\'') { '\'' } else { '"' };
        if quote == '"' && !self.take('"') {
            return Err(self.unexpected("a string"));
        }
        let (string, rest) =
            self.rest.split_once(quote).ok_or_else(|| self.unexpected("the end of a string"))?;
        self.rest = rest;
        Ok(string)
    }

    fn boolean(&mut self) -> Result<bool, String> {
        let text = self.rest.trim_start();
        for (name, value) in [("True", true), ("False", false)] {
            if let Some(rest) = text.strip_prefix(name) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(self.unexpected("True or False"))
    }

    /// A tuple of whole numbers that are not negative.
    fn tuple(&mut self) -> Result<Vec<u64>, String> {
        let mut extents = Vec::new();
        self.expect('(')?;
        while !self.take(')') {
            let text = self.rest.trim_start();
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let extent = text[..digits].parse().map_err(|_| self.unexpected("an extent"))?;
            extents.push(extent);
            self.rest = &text[digits..];
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(extents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Header::parse(text).expect_err("a bad header")
    }

    #[test]
    fn mistakes_are_shown() {
        let check = |text: &str, message: &str| assert_eq!(refusal(text), message);
        check("", r#"the header has "" where '{' should be"#);
        check("{}", "the header lacks descr");
        check("{'descr': '<f4'}", "the header lacks shape");
        check("{'descr': '<f4', 'shape': ()}", "the header lacks fortran_order");
        check("{'what': 1}", r#"the header has an unknown entry "what""#);
        check("{'shape': (), 'shape': ()}", "the header has shape twice");
        check("{'shape': (-1,)}", r#"the header has "-1,)}" where an extent should be"#);
        check("{'shape': (1 2)}", r#"the header has "2)}" where ')' should be"#);
        check(
            "{'shape': (99999999999999999999,)}",
            r#"the header has "99999999999999999999" where an extent should be"#,
        );
        check("{'fortran_order': 0}", r#"the header has "0}" where True or False should be"#);
        check("{'descr", r#"the header has "descr" where the end of a string should be"#);
        check("{} x", r#"the header has "x" where the end should be"#);
    }

    #[test]
    fn element_types_are_ours_or_refused() {
        let header = |descr: &str| {
            Header::parse(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ()}}"))
        };
        assert_eq!(header("<f8").expect("a header").dtype, DType::F64);
        assert!(header(">f2").expect("a header").swapped);
        for descr in ["", "<", "<f16", "|f4", "<U3", "|O", "<V2", "<c8", "?"] {
            let message = header(descr).expect_err("no such type");
            assert!(message.starts_with(&format!("element type {descr:?} is none of b1, u1")));
        }
    }
}
