//! Errors: on the way up they collect where they happened.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::node::Node;

/// Why a graph file cannot be loaded. Prints as `path:line: field.path: message`.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: std::io::Error,
    },
    /// The file's name does not tell its format.
    #[error(
        "{}: its name must end in .toml, .yaml, .yml, .json or .star to tell what it is",
        path.display()
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// What the file says makes no graph.
    #[error("{}{}", Location(path, *line, field), message)]
    Invalid {
        /// The file at fault: the graph file, or one that it loads.
        path: PathBuf,
        /// The line at fault, from 1, where a line is.
        line: Option<u32>,
        /// The field at fault, such as `tasks[3].request.memory`; empty where no field is.
        field: String,
        /// What is wrong.
        message: String,
    },
}

/// `path:line: field: `, as far as they are known.
struct Location<'a>(&'a Path, Option<u32>, &'a str);

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Location(path, line, field) = self;
        write!(f, "{}:", path.display())?;
        if let Some(line) = line {
            write!(f, "{line}:")?;
        }
        f.write_str(" ")?;
        if field.is_empty() { Ok(()) } else { write!(f, "{field}: ") }
    }
}

/// One step from a node to a node within it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// A fault within one file: what is wrong, and where as far as is known yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    pub message: String,
    pub line: Option<u32>,
    /// Innermost first, because it grows on the way up.
    steps: Vec<Step>,
}

/// What can go wrong within one file. A fault is boxed: the good case should stay small.
pub(crate) type Checked<T> = Result<T, Box<Fault>>;

impl Fault {
    pub fn new(message: impl Into<String>) -> Box<Fault> {
        Box::new(Fault { message: message.into(), line: None, steps: Vec::new() })
    }

    /// The same fault, found under the field `key`.
    pub fn under(mut self: Box<Self>, key: &str) -> Box<Fault> {
        self.steps.push(Step::Key(key.to_owned()));
        self
    }

    /// The same fault, found in the item at `index`.
    pub fn within(mut self: Box<Self>, index: usize) -> Box<Fault> {
        self.steps.push(Step::Index(index));
        self
    }

    /// The same fault on `line`, unless a line nearer to it is known.
    pub fn on_line(mut self: Box<Self>, line: u32) -> Box<Fault> {
        self.line.get_or_insert(line);
        self
    }

    /// The path of the field at fault, such as `tasks[3].request.memory`.
    pub fn field(&self) -> String {
        let mut text = String::new();
        for step in self.steps.iter().rev() {
            match step {
                Step::Index(index) => text.push_str(&format!("[{index}]")),
                Step::Key(key) if text.is_empty() => text.push_str(key),
                Step::Key(key) => text.push_str(&format!(".{key}")),
            }
        }
        text
    }

    /// The error to show, with the line looked up in the file's tree where it is not known yet.
    pub fn in_file(self, path: &Path, root: &Node) -> LoadError {
        let line = self.line.unwrap_or_else(|| root.line_of(self.steps.iter().rev()));
        LoadError::Invalid {
            path: path.to_owned(),
            line: Some(line),
            field: self.field(),
            message: self.message,
        }
    }
}

/// `field: message`, where there is a field.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field();
        if field.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{field}: {}", self.message)
    }
}

impl std::error::Error for Fault {}

impl From<Box<Fault>> for starlark::Error {
    fn from(fault: Box<Fault>) -> Self {
        starlark::Error::new_other(*fault)
    }
}
