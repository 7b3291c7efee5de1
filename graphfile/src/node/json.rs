//! JSON to nodes.

use serde::de::IgnoredAny;

use super::{Node, parse_yaml};
use crate::error::{Checked, Fault};

/// Parses a JSON file: it must be JSON by the letter, and is then read as the YAML that it is too,
/// for the sake of the lines.
pub(crate) fn parse_json(text: &str) -> Checked<Node> {
    serde_json::from_str::<IgnoredAny>(text)
        .map_err(|error| Fault::new(format!("JSON: {error}")).on_line(error.line() as u32))?;
    parse_yaml(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Entry, Kind};

    #[test]
    fn tabs_and_escapes_are_read_and_yaml_is_not() {
        let tree =
            parse_json("{\n\t\"a\": \"\\u00e9\\/\",\n\t\"b\": [\n\t\t1.5]\n}").expect("good");
        let text = Node::new(2, Kind::Text("é/".to_owned()));
        let list = Node::new(3, Kind::List(vec![Node::new(4, Kind::Float(1.5))]));
        let entries = vec![
            Entry { key: "a".to_owned(), line: 2, value: text },
            Entry { key: "b".to_owned(), line: 3, value: list },
        ];
        assert_eq!(tree, Node::new(1, Kind::Map(entries)));
        assert_eq!(parse_json("{\"a\": 1,}\n").expect_err("comma").line, Some(1));
        assert!(parse_json("a: 1").is_err());
    }
}
