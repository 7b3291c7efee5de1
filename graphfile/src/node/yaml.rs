//! YAML to nodes, within bounds.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::{Entry, Kind, Node};
use crate::error::{Checked, Fault};

/// The deepest nesting taken.
const DEPTH_LIMIT: usize = 64;
/// The most nodes that aliases may add, so that a few lines cannot become gigabytes.
const ALIASED_LIMIT: usize = 100_000;

/// Parses a YAML file of one document, by YAML 1.2's core schema.
pub(crate) fn parse_yaml(text: &str) -> Checked<Node> {
    let mut reader =
        Reader { parser: Parser::new_from_str(text), anchors: HashMap::new(), aliased: 0 };
    let root = loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Err(Fault::new("the file is empty").on_line(1)),
            (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
            (event, span) => break reader.node(event, span, 0)?,
        }
    };
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(root),
            (Event::DocumentStart(_), span) => {
                return Err(Fault::new("a graph file has one document").on_line(line(span)));
            }
            _ => {}
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    /// Anchored nodes and how many nodes each holds.
    anchors: HashMap<usize, (Node, usize)>,
    aliased: usize,
}

fn line(span: Span) -> u32 {
    span.start.line() as u32
}

fn syntax(error: &ScanError) -> Box<Fault> {
    Fault::new(format!("YAML: {}", error.info())).on_line(error.marker().line() as u32)
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Checked<(Event<'a>, Span)> {
        match self.parser.next_event() {
            Some(event) => event.map_err(|error| syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Checked<Node> {
        let line = line(span);
        if depth > DEPTH_LIMIT {
            let message = format!("more than {DEPTH_LIMIT} levels of nesting");
            return Err(Fault::new(message).on_line(line));
        }
        let (kind, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let kind = if plain { scalar(&text) } else { Kind::Text(text.into_owned()) };
                (kind, anchor)
            }
            Event::SequenceStart(anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(anchor) => return self.alias(anchor, line),
            _ => return Err(Fault::new("YAML: a value is missing").on_line(line)),
        };
        let node = Node::new(line, kind);
        if anchor > 0 {
            let size = size(&node);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Checked<Kind> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Kind::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Checked<Kind> {
        let mut entries = Vec::new();
        let mut keys = HashSet::new();
        loop {
            let (event, span) = self.next()?;
            let line = line(span);
            let key = match event {
                Event::MappingEnd => return Ok(Kind::Map(entries)),
                Event::Scalar(key, ..) => key.into_owned(),
                _ => return Err(Fault::new("a key must be text").on_line(line)),
            };
            if !keys.insert(key.clone()) {
                return Err(Fault::new("the field is given twice").under(&key).on_line(line));
            }
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            entries.push(Entry { key, line, value });
        }
    }

    fn alias(&mut self, anchor: usize, line: u32) -> Checked<Node> {
        let Some((node, size)) = self.anchors.get(&anchor) else {
            return Err(Fault::new("an alias within its own anchor").on_line(line));
        };
        self.aliased += size;
        if self.aliased > ALIASED_LIMIT {
            let message = format!("aliases add more than {ALIASED_LIMIT} values");
            return Err(Fault::new(message).on_line(line));
        }
        Ok(node.clone())
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::List(items) => items.iter().map(size).sum(),
        Kind::Map(entries) => entries.iter().map(|entry| size(&entry.value)).sum(),
        _ => 0,
    }
}

/// A plain scalar by the core schema of YAML 1.2.2, section 10.3.2.
fn scalar(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" => return Kind::Bool(true),
        "false" | "False" | "FALSE" => return Kind::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" => return Kind::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Kind::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Kind::Float(f64::NAN),
        _ => {}
    }
    let radix = |prefix, radix| {
        text.strip_prefix(prefix).and_then(|digits| i64::from_str_radix(digits, radix).ok())
    };
    if let Some(value) = radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| text.parse().ok()) {
        return Kind::Int(value);
    }
    // Rust also reads `inf`, `nan` and `infinity` as numbers; YAML takes them for text.
    let numeric =
        text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    match text.parse() {
        Ok(value) if numeric => Kind::Float(value),
        _ => Kind::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        let fault = parse_yaml(text).expect_err("bad YAML");
        format!("{}: {fault}", fault.line.unwrap_or_default())
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        assert_eq!(scalar("0x10"), Kind::Int(16));
        assert_eq!(scalar("1e3"), Kind::Float(1000.0));
        assert_eq!(scalar("no"), Kind::Text("no".to_owned()));
        assert_eq!(scalar("infinity"), Kind::Text("infinity".to_owned()));
        assert_eq!(scalar("~"), Kind::Null);
    }

    #[test]
    fn deep_nesting_and_alias_bombs_end_early() {
        assert_eq!(fault(&"[".repeat(100)), "1: more than 64 levels of nesting");
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        assert_eq!(fault(&bomb), "5: aliases add more than 100000 values");
    }

    #[test]
    fn faults_have_their_lines() {
        assert_eq!(fault("a: 1\na: 2"), "2: a: the field is given twice");
        assert_eq!(fault(""), "1: the file is empty");
        assert_eq!(fault("a: 1\n---\nb: 2"), "2: a graph file has one document");
        assert!(
            fault("a: 1\nb: [1, 2").starts_with("3: YAML: ")
                || fault("a: [").starts_with("1: YAML")
        );
    }
}
