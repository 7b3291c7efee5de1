//! What the files of one program share while it runs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use starlark::PrintHandler;
use starlark::any::ProvidesStaticType;
use starlark::environment::{FrozenModule, Module};
use starlark::eval::{Evaluator, FileLoader};

use super::evaluate;
use super::parameters::Parameters;
use crate::build::Builder;
use crate::data::{Source, directory_of, read_text};
use crate::error::{Fault, LoadError};
use crate::load::{LoadOptions, Place};

/// The graph in the making, the parameters, and the files loaded so far.
#[derive(ProvidesStaticType)]
pub(super) struct Session {
    pub builder: RefCell<Builder>,
    pub parameters: RefCell<Parameters>,
    root: PathBuf,
    loaded: RefCell<BTreeMap<PathBuf, FrozenModule>>,
    /// The files being run, the innermost last.
    loading: RefCell<Vec<Loading>>,
    max_steps: u64,
    steps_left: Cell<u64>,
    max_heap_bytes: usize,
    print: fn(&str),
}

/// A file being run: its path as the system knows it, and as people do.
struct Loading {
    real: PathBuf,
    shown: PathBuf,
}

/// What one file may use.
pub(super) struct Allowance {
    pub steps: u64,
    pub heap_bytes: usize,
}

impl Session {
    /// A session for the program at `path`.
    pub fn new(path: &Path, builder: Builder, options: &LoadOptions) -> Self {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Session {
            builder: RefCell::new(builder),
            parameters: RefCell::new(Parameters::new(options.parameters.clone())),
            root: directory_of(path),
            loaded: RefCell::default(),
            loading: RefCell::new(vec![Loading { real, shown: path.to_owned() }]),
            max_steps: options.max_steps,
            steps_left: Cell::new(options.max_steps),
            max_heap_bytes: options.max_heap_bytes,
            print: options.print,
        }
    }

    /// The session of a call.
    pub fn of<'e>(evaluator: &Evaluator<'_, 'e, '_>) -> Result<&'e Session, Box<Fault>> {
        let session = evaluator.extra.and_then(|extra| extra.downcast_ref::<Session>());
        session.ok_or_else(|| Fault::new("the call is not part of a program"))
    }

    pub fn max_steps(&self) -> u64 {
        self.max_steps
    }

    /// What the next file may use. Limits must be above 0.
    pub fn limits(&self) -> Allowance {
        Allowance { steps: self.steps_left.get().max(1), heap_bytes: self.max_heap_bytes.max(1) }
    }

    pub fn spend(&self, steps: u64) {
        self.steps_left.set(self.steps_left.get().saturating_sub(steps));
    }

    pub fn into_builder(self) -> Builder {
        self.builder.into_inner()
    }

    /// Refuses a parameter that was given and that the program never asks for.
    pub fn refuse_unknown_parameters(&self, path: &Path) -> Result<(), LoadError> {
        self.parameters.borrow().unknown().map_or(Ok(()), |message| {
            let (path, field) = (path.to_owned(), String::new());
            Err(LoadError::Invalid { path, line: None, field, message })
        })
    }

    /// Runs the file `name`, told from the file that loads it, unless it ran before.
    fn load_file(&self, name: &str) -> Result<FrozenModule, LoadFault> {
        let base = self.loading.borrow().last().map(|file| directory_of(&file.shown));
        let base = base.unwrap_or_else(|| self.root.clone());
        let relative = base.strip_prefix(&self.root).unwrap_or(&base).join(name);
        let source = Source { directory: self.root.clone(), allow_outside: false };
        let real = source.locate(&relative.to_string_lossy())?;
        let path = self.root.join(relative);
        if let Some(module) = self.loaded.borrow().get(&real) {
            return Ok(module.clone());
        }
        if self.loading.borrow().iter().any(|file| file.real == real) {
            return Err(Fault::new(format!("{name:?} loads itself, perhaps through others")).into());
        }
        let text = read_text(&path)?;
        self.loading.borrow_mut().push(Loading { real: real.clone(), shown: path.clone() });
        let module = Module::with_temp_heap(|module| {
            evaluate(&module, &path, text, self)?;
            module.freeze().map_err(|error| LoadError::Invalid {
                path: path.clone(),
                line: None,
                field: String::new(),
                message: format!("{error:?}"),
            })
        });
        self.loading.borrow_mut().pop();
        let module = module?;
        self.loaded.borrow_mut().insert(real, module.clone());
        Ok(module)
    }
}

/// A [`Fault`] of the `load` itself, or a [`LoadError`] of the file loaded.
type LoadFault = Box<dyn std::error::Error + Send + Sync>;

impl FileLoader for Session {
    fn load(&self, path: &str) -> starlark::Result<FrozenModule> {
        self.load_file(path).map_err(|error| {
            let error = match error.downcast::<LoadError>() {
                Ok(error) => anyhow::Error::new(*error),
                Err(other) => anyhow::Error::from_boxed(other),
            };
            starlark::Error::new_other(error)
        })
    }
}

impl PrintHandler for Session {
    fn println(&self, text: &str) -> starlark::Result<()> {
        (self.print)(text);
        Ok(())
    }
}

/// Where the innermost call stands.
pub(super) fn place(evaluator: &Evaluator<'_, '_, '_>) -> Place {
    match evaluator.call_stack_top_location() {
        Some(span) => Place {
            path: Path::new(span.filename()).into(),
            line: span.resolve_span().begin.line as u32 + 1,
        },
        None => Place { path: Path::new("").into(), line: 0 },
    }
}
