//! Programs: Starlark files whose calls add tasks.
//!
//! A program is hermetic: it sees its parameters and the files beside and below it, nothing else,
//! so the same program and parameters make the same graph. The language is Starlark with
//! f-strings and statements at top level; `k` holds every kernel of the catalogue.

mod actors;
mod call;
mod cuda;
mod functions;
mod handle;
mod kernels;
mod parameters;
mod session;
mod values;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::Once;

use starlark::codemap::{FileSpan, FileSpanRef};
use starlark::environment::{Globals, GlobalsBuilder, LibraryExtension, Module};
use starlark::eval::{BeforeStmtFunc, Evaluator};
use starlark::syntax::{AstModule, Dialect};

use crate::build::Builder;
use crate::error::{Fault, LoadError};
use crate::load::LoadOptions;
use kernels::Kernels;
use session::Session;

/// How deep calls may be nested; Starlark has no recursion that a graph would need.
const CALL_DEPTH_LIMIT: usize = 100;

/// How deep brackets may be nested, and a stack on which that much is read and run.
const BRACKETS_LIMIT: usize = 10_000;
const STACK_BYTES: usize = 256 * 1024 * 1024;
/// The thread on which programs run.
const THREAD: &str = "drawloom-program";

/// Runs the program at `path` and gives the builder back with what it added, checked.
pub(crate) fn run_program(
    path: &Path,
    text: String,
    builder: Builder,
    options: &LoadOptions,
) -> Result<Builder, LoadError> {
    keep_panics_quiet();
    std::thread::scope(|scope| {
        let run = || run_here(path, text, builder, options);
        let thread = std::thread::Builder::new().name(THREAD.to_owned()).stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, run).map_err(|error| {
            let message = format!("no thread can be started for the program: {error}");
            LoadError::Invalid { path: path.to_owned(), line: None, field: String::new(), message }
        })?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// The interpreter's panics are caught and told as errors, so they are not shown as they come.
fn keep_panics_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let shown = take_hook();
        set_hook(Box::new(move |panic| {
            if std::thread::current().name() != Some(THREAD) {
                shown(panic);
            }
        }));
    });
}

fn run_here(
    path: &Path,
    text: String,
    builder: Builder,
    options: &LoadOptions,
) -> Result<Builder, LoadError> {
    let session = Session::new(path, builder, options);
    let evaluated = Module::with_temp_heap(|module| evaluate(&module, path, text, &session));
    evaluated?;
    session.refuse_unknown_parameters(path)?;
    let builder = session.into_builder();
    builder.check().map_err(|error| {
        let task = error.task.and_then(|task| builder.places.get(task));
        let gang = error.gang.and_then(|(gang, _)| builder.gang_places.get(gang));
        let place = task.or(gang);
        LoadError::Invalid {
            path: place.map_or(path, |place| &place.path).to_owned(),
            line: place.map(|place| place.line),
            field: String::new(),
            message: error.message,
        }
    })?;
    Ok(builder)
}

/// Evaluates one file in `module`: the program itself, or one that it loads.
fn evaluate<'v>(
    module: &Module<'v>,
    path: &Path,
    text: String,
    session: &Session,
) -> Result<(), LoadError> {
    refuse_deep_nesting(path, &text)?;
    let name = path.to_string_lossy();
    let ast =
        AstModule::parse(&name, text, &Dialect::Extended).map_err(|error| located(error, path))?;
    // Where a program is when it exceeds a limit is told by no error.
    let last = RefCell::new(None);
    let record = |span: FileSpanRef<'_>, _: bool, _: &mut Evaluator<'_, '_, '_>| {
        *last.borrow_mut() = Some(span.to_file_span());
    };
    let mut evaluator = Evaluator::new(module);
    evaluator.before_stmt_for_dap(BeforeStmtFunc::Fn(&record));
    evaluator.extra = Some(session);
    evaluator.set_loader(session);
    evaluator.set_print_handler(session);
    let limits = session.limits();
    let set = |result: anyhow::Result<()>| {
        result.map_err(|error| located(starlark::Error::new_other(error), path))
    };
    set(evaluator.set_max_callstack_size(CALL_DEPTH_LIMIT))?;
    set(evaluator.set_max_tick_count(limits.steps))?;
    set(evaluator.set_max_heap_size(limits.heap_bytes))?;
    let invalid = |message: String| {
        let at = last.borrow().as_ref().map(position);
        let (path, line) = at.map_or((path.to_owned(), None), |(path, line)| (path, Some(line)));
        LoadError::Invalid { path, line, field: String::new(), message }
    };
    // The interpreter panics on a single value beyond what it can address, such as a huge list;
    // it may compute constants ahead of the statements that ask for them.
    let run = AssertUnwindSafe(|| evaluator.eval_module(ast, &globals()));
    let Ok(result) = catch_unwind(run) else {
        return Err(invalid(
            "here or further on, the program makes a value that is too large".to_owned(),
        ));
    };
    session.spend(evaluator.get_total_tick_count());
    result.map(|_| ()).map_err(|error| {
        let used =
            evaluator.heap().peak_allocated_bytes() + evaluator.frozen_heap().allocated_bytes();
        let message = if evaluator.get_total_tick_count() > limits.steps {
            let steps = session.max_steps();
            format!("the program takes more than {steps} steps; does a loop never end?")
        } else if used > limits.heap_bytes {
            format!("the program's values take more than {} bytes", limits.heap_bytes)
        } else {
            return located(error, path);
        };
        invalid(message)
    })
}

/// Nesting is what the parser's stack grows with.
fn refuse_deep_nesting(path: &Path, text: &str) -> Result<(), LoadError> {
    let mut depth = 0usize;
    for (line, text) in text.lines().enumerate() {
        for byte in text.bytes() {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > BRACKETS_LIMIT {
                let message = format!("brackets are nested more than {BRACKETS_LIMIT} deep");
                let (path, line) = (path.to_owned(), Some(line as u32 + 1));
                return Err(LoadError::Invalid { path, line, field: String::new(), message });
            }
        }
    }
    Ok(())
}

fn globals() -> Globals {
    let extensions = [
        LibraryExtension::StructType,
        LibraryExtension::Map,
        LibraryExtension::Filter,
        LibraryExtension::Partial,
        LibraryExtension::Print,
    ];
    let mut globals = GlobalsBuilder::extended_by(&extensions)
        .with(functions::objects)
        .with(functions::tasks)
        .with(cuda::cuda)
        .with(actors::actors)
        .with_namespace("math", functions::mathematics);
    globals.set("k", Kernels);
    globals.build()
}

/// The error with its file and line, and the field where one of a task's options is at fault.
fn located(error: starlark::Error, path: &Path) -> LoadError {
    let at = error.span().map(position);
    let (path, line) = at.map_or((path.to_owned(), None), |(path, line)| (path, Some(line)));
    let text = error.without_diagnostic().to_string();
    let source = match error.into_kind() {
        starlark::ErrorKind::Native(source) | starlark::ErrorKind::Other(source) => source,
        _ => return LoadError::Invalid { path, line, field: String::new(), message: text },
    };
    match source.downcast::<LoadError>() {
        // From a loaded file, which knows its own lines.
        Ok(error) => error,
        Err(source) => {
            let fault = source.downcast_ref::<Fault>();
            let field = fault.map(Fault::field).unwrap_or_default();
            let message = fault.map_or(text, |fault| fault.message.clone());
            LoadError::Invalid { path, line, field, message }
        }
    }
}

/// The file and the line, from 1, at which a span begins.
fn position(span: &FileSpan) -> (PathBuf, u32) {
    (span.filename().into(), span.resolve_span().begin.line as u32 + 1)
}
