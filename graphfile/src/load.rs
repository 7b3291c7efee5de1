//! Loading a graph file by its extension.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use drawloom_model::{Limits, TaskGraph};

use crate::build::Builder;
use crate::data::{FileObject, Source, directory_of, read_text};
use crate::error::{Checked, LoadError};
use crate::node::{Node, parse_json, parse_toml, parse_yaml};
use crate::plain::read_plain;
use crate::star::run_program;

/// What whoever loads a graph file decides.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Values for the parameters of a program.
    pub parameters: BTreeMap<String, String>,
    /// How many steps a program may take: one for each turn of a loop and each call.
    pub max_steps: u64,
    /// Bounds on the graph.
    pub limits: Limits,
    /// How many bytes a program's values may take.
    pub max_heap_bytes: usize,
    /// Whether data files may lie outside the graph file's directory.
    pub allow_outside: bool,
    /// Where a program's `print` goes, line by line; standard error unless told otherwise.
    pub print: fn(&str),
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions {
            parameters: BTreeMap::new(),
            limits: Limits::default(),
            max_steps: 20_000_000,
            max_heap_bytes: 1 << 30,
            allow_outside: false,
            print: |line| {
                // Nobody may be there to read it.
                let _ = writeln!(std::io::stderr().lock(), "{line}");
            },
        }
    }
}

/// A graph file's graph and what goes with it.
#[derive(Clone, PartialEq, Debug)]
pub struct Loaded {
    /// The graph, checked. The ids in its `externals` are placeholders, see [`FileObject`].
    pub graph: TaskGraph,
    /// Data files too large to travel inside the graph.
    pub files: Vec<FileObject>,
    /// Where each task was said, in the order of the tasks.
    pub places: Vec<Place>,
}

/// A line of a graph file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The file.
    pub path: Arc<Path>,
    /// The line, from 1.
    pub line: u32,
}

/// Loads the graph file at `path`, in the format that its extension tells.
///
/// # Errors
/// The first fault found, with its line, see [`LoadError`].
pub fn load(path: &Path, options: &LoadOptions) -> Result<Loaded, LoadError> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let parse: Option<fn(&str) -> Checked<Node>> = match extension {
        Some("toml") => Some(parse_toml),
        Some("yaml" | "yml") => Some(parse_yaml),
        Some("json") => Some(parse_json),
        Some("star") => None,
        _ => return Err(LoadError::UnknownFormat { path: path.to_owned() }),
    };
    let text = read_text(path)?;
    let source = Source { directory: directory_of(path), allow_outside: options.allow_outside };
    let mut builder = Builder::new(source, options.limits);
    builder.graph.name =
        path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let builder = match parse {
        Some(parse) => {
            refuse_parameters(path, options)?;
            let root = parse(&text).map_err(|fault| LoadError::Invalid {
                path: path.to_owned(),
                line: fault.line,
                field: fault.field(),
                message: fault.message,
            })?;
            read_plain(path, &root, &mut builder)?;
            builder
        }
        None => run_program(path, text, builder, options)?,
    };
    Ok(Loaded { graph: builder.graph, files: builder.files, places: builder.places })
}

fn refuse_parameters(path: &Path, options: &LoadOptions) -> Result<(), LoadError> {
    let Some(name) = options.parameters.keys().next() else { return Ok(()) };
    Err(LoadError::Invalid {
        path: path.to_owned(),
        line: None,
        field: String::new(),
        message: format!("parameter {name:?}: only programs (.star) have parameters"),
    })
}
