//! TOML to nodes.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Entry, Kind, Node};
use crate::error::{Checked, Fault};

/// Parses a TOML file. The parser itself bounds the depth of nesting.
pub(crate) fn parse_toml(text: &str) -> Checked<Node> {
    let lines = Lines::new(text);
    let table = DeTable::parse(text).map_err(|error| {
        let line = lines.line(error.span().unwrap_or_default());
        Fault::new(format!("TOML: {}", error.message())).on_line(line)
    })?;
    Ok(Node::new(1, map(table.get_ref(), &lines)?))
}

fn node(value: &Spanned<DeValue<'_>>, lines: &Lines) -> Checked<Node> {
    let line = lines.line(value.span());
    let kind = match value.get_ref() {
        DeValue::String(text) => Kind::Text(text.to_string()),
        DeValue::Integer(integer) => {
            let parsed = i64::from_str_radix(integer.as_str(), integer.radix());
            Kind::Int(parsed.map_err(|_| {
                Fault::new(format!("the integer {integer} has more than 64 bits")).on_line(line)
            })?)
        }
        DeValue::Float(float) => {
            let parsed = float.as_str().parse();
            Kind::Float(
                parsed.map_err(|_| Fault::new(format!("bad number {float}")).on_line(line))?,
            )
        }
        DeValue::Boolean(value) => Kind::Bool(*value),
        DeValue::Datetime(_) => {
            return Err(Fault::new("dates have no place in a graph file").on_line(line));
        }
        DeValue::Array(items) => {
            Kind::List(items.iter().map(|item| node(item, lines)).collect::<Checked<_>>()?)
        }
        DeValue::Table(table) => map(table, lines)?,
    };
    Ok(Node::new(line, kind))
}

/// The entries in the order of the file; the parser keeps them in that of their names.
fn map(table: &DeTable<'_>, lines: &Lines) -> Checked<Kind> {
    let mut entries = table.iter().collect::<Vec<_>>();
    entries.sort_by_key(|(key, _)| key.span().start);
    let entries = entries.into_iter().map(|(key, value)| {
        let value = node(value, lines)?;
        Ok(Entry { key: key.get_ref().to_string(), line: lines.line(key.span()), value })
    });
    Ok(Kind::Map(entries.collect::<Checked<_>>()?))
}

/// Where each line starts.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Lines(std::iter::once(0).chain(after_breaks.map(|(place, _)| place + 1)).collect())
    }

    fn line(&self, span: Range<usize>) -> u32 {
        self.0.partition_point(|start| *start <= span.start) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Step;

    #[test]
    fn lines_are_kept_and_errors_have_theirs() {
        let tree = parse_toml("a = 1\n[b]\nc = [\n 2,\n 3]\n[[d]]\nx = 1\n[[d]]\nx = 2\n");
        let tree = tree.expect("good TOML");
        let line = |steps: &[Step]| tree.line_of(steps);
        let key = |key: &str| Step::Key(key.to_owned());
        assert_eq!(line(&[key("b"), key("c"), Step::Index(1)]), 5);
        assert_eq!(line(&[key("d"), Step::Index(1)]), 8);
        assert_eq!(parse_toml("a = 1\nb = = 2").expect_err("bad").line, Some(2));
        assert_eq!(parse_toml("a = 1\na = 2").expect_err("twice").line, Some(2));
    }
}
