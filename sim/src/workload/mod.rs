//! Task graphs, from files and generators.

mod generate;
mod matrix;
mod source;
mod wfformat;

pub(crate) use source::read as read_source;

use std::path::Path;
use std::str::FromStr;

use crate::SimError;
use crate::platform::Platform;

/// A file that tasks make and take.
#[derive(Clone, PartialEq, Debug)]
pub struct File {
    /// Its size.
    pub bytes: f64,
    /// The task that makes it; one that nobody makes is there from the beginning, at home.
    pub maker: Option<u32>,
}

/// How long a task takes.
#[derive(Clone, PartialEq, Debug)]
pub enum Cost {
    /// Seconds on one core of an ordinary processor.
    OnCore(f64),
    /// Seconds on each kind of processor of the platform that came with the workload.
    ByKind(Vec<f64>),
    /// A kernel that the platform has measured, on tiles of so many rows and columns.
    Measured {
        /// The kernel.
        kernel: &'static str,
        /// Rows and columns of a tile.
        tile: u32,
    },
}

/// A task of a workload.
#[derive(Clone, PartialEq, Debug)]
pub struct Task {
    /// Its name in the file.
    pub name: String,
    /// How long it takes.
    pub cost: Cost,
    /// The files that it takes.
    pub inputs: Vec<u32>,
    /// Tasks that must be over, of which it takes nothing.
    pub after: Vec<u32>,
}

/// A task graph.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// Its tasks.
    pub tasks: Vec<Task>,
    /// Their files.
    pub files: Vec<File>,
    /// The platform that came with it, which stands for any other.
    pub platform: Option<Platform>,
    /// The least makespan that is possible, in seconds, where that is known.
    pub optimum: Option<f64>,
}

/// How a file is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// By its content.
    #[default]
    Auto,
    /// WfFormat 1.5, of WfCommons.
    WfFormat,
    /// Processing times by processor.
    Matrix,
    /// A list of pods, which a [`Packing`](crate::Packing) reads.
    OpenB,
}

impl Format {
    /// The formats by name.
    pub const NAMES: [(&'static str, Format); 4] = [
        ("auto", Format::Auto),
        ("wfformat", Format::WfFormat),
        ("matrix", Format::Matrix),
        ("openb", Format::OpenB),
    ];
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Format::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, format)| *format).ok_or_else(|| {
            let names: Vec<&str> = Format::NAMES.iter().map(|(name, _)| *name).collect();
            format!("there is no format {name:?}; there are: {}", names.join(", "))
        })
    }
}

/// The workloads of a file, or of a generator such as `cholesky:8:960`.
///
/// # Errors
/// When the file cannot be read or is not as its format says, with the field at fault.
pub fn load(source: &str, format: Format) -> Result<Vec<Workload>, SimError> {
    if let Some(workload) = generate::generate(source)? {
        return Ok(vec![workload]);
    }
    let path = Path::new(source);
    if format == Format::OpenB {
        return Err(SimError::bad(path, "", "a list of pods is no task graph"));
    }
    let value = source::read_json(path)?;
    let format = match format {
        Format::Auto => source::recognise(path, &value)?,
        known => known,
    };
    match format {
        Format::WfFormat => wfformat::workload(path, &value).map(|workload| vec![workload]),
        Format::Matrix | Format::Auto | Format::OpenB => matrix::workloads(path, &value),
    }
}

/// A name for what a file holds.
fn stem(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.strip_suffix(".json").unwrap_or(name).to_owned()
}
