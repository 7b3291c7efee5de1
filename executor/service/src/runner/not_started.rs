//! Why a process could not be started.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use drawloom_model::{Failure, FailureKind, ProcessSpec, ResourceRequest};

use super::process::DEFAULT_PATH;

/// What the system's answer means for the task.
pub(crate) fn not_started(
    spec: &ProcessSpec,
    request: &ResourceRequest,
    error: &std::io::Error,
) -> Failure {
    let program = spec.argv.first().map_or("", String::as_str);
    let asked = request.memory_bytes;
    if error.kind() == std::io::ErrorKind::OutOfMemory && asked > 0 {
        let message =
            format!("cannot start {program:?} within the {asked} bytes of memory it asked for");
        return Failure::new(FailureKind::OutOfMemory, message);
    }
    let told = spec.env.get("PATH").cloned();
    let path = told.or_else(|| std::env::var("PATH").ok());
    let path = path.as_deref().unwrap_or(DEFAULT_PATH);
    let missing = error.kind() == std::io::ErrorKind::NotFound;
    if let Some(what) = missing.then(|| not_loaded(spec, program, path)).flatten() {
        return Failure::new(FailureKind::Spawn, format!("cannot start {program:?}: {what}"));
    }
    let message = match error.kind() {
        std::io::ErrorKind::NotFound if program.contains('/') => {
            format!("there is no executable {program:?}")
        }
        std::io::ErrorKind::NotFound => {
            format!("there is no executable {program:?} in PATH {path}")
        }
        _ => format!("cannot start {program:?}: {error}"),
    };
    Failure::new(FailureKind::Spawn, message)
}

/// How much of a script's first line the system reads.
const SCRIPT_LINE_BYTES: u64 = 256;

/// What is missing of an executable that is there itself: the system says the same of both.
fn not_loaded(spec: &ProcessSpec, program: &str, path: &str) -> Option<String> {
    let here = |name: &Path| match &spec.working_directory {
        Some(directory) => Path::new(directory).join(name),
        None => name.to_owned(),
    };
    let mut places: Vec<PathBuf> = vec![here(Path::new(program))];
    if !program.contains('/') {
        places = path.split(':').map(|place| here(&Path::new(place).join(program))).collect();
    }
    let file = places.into_iter().find(|place| place.is_file())?;
    let mut line = Vec::new();
    File::open(file).ok()?.take(SCRIPT_LINE_BYTES).read_to_end(&mut line).ok()?;
    let Some(script) = line.strip_prefix(b"#!") else {
        return Some("what loads it, its ELF interpreter, is not on this machine".to_owned());
    };
    let first = String::from_utf8_lossy(script.split(|byte| *byte == b'\n').next()?).into_owned();
    let interpreter = first.trim_matches([' ', '\t']).split([' ', '\t']).next()?;
    Some(format!("there is no interpreter {interpreter:?}, which its first line names"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_is_told_apart_from_none() {
        let spec = ProcessSpec { argv: vec!["weave".into()], ..ProcessSpec::default() };
        let mut request = ResourceRequest::default();
        let full = std::io::Error::from(std::io::ErrorKind::OutOfMemory);
        let failure = not_started(&spec, &request, &full);
        assert_eq!(failure.kind, FailureKind::Spawn);
        request.memory_bytes = 1024;
        let told = "cannot start \"weave\" within the 1024 bytes of memory it asked for";
        assert_eq!(
            not_started(&spec, &request, &full),
            Failure::new(FailureKind::OutOfMemory, told)
        );
    }
}
