//! Objects that processes map: inputs to read and outputs to write, in shared memory.
//!
//! A process gets file descriptors, never names: of its own job's arena, opened for reading alone,
//! and of files in memory made for its outputs. What lies in another arena, or in none, is copied
//! into its job's first, so that a descriptor shows nothing of other jobs.

use std::fs::File;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use drawloom_executor_core::RoomFor;
use drawloom_model::{
    Assignment, Failure, FailureKind, INLINE_LIMIT_BYTES, ProcessOutput, ProcessSpec, Value,
};
use rustix::fs::MemfdFlags;

use crate::store::Store;

/// What a process maps.
#[derive(Default)]
pub(super) struct Mappings {
    variables: Vec<(String, String)>,
    inherited: Vec<Arc<OwnedFd>>,
    outputs: Vec<(String, Arc<OwnedFd>)>,
    /// The inputs' bytes stay where they are for as long as this lives.
    _inputs: Vec<Bytes>,
}

impl Mappings {
    /// Adds an input.
    pub(super) fn add_input(
        &mut self,
        name: &str,
        value: &Value,
        assignment: &Assignment,
        store: &Store,
    ) -> Result<(), Failure> {
        let variable = variable("DRAWLOOM_MAP_", name)?;
        let job = assignment.attempt.task.job;
        let mut data = value.data.clone();
        let mut place = store.memory().place_of(&data).filter(|place| place.shows_only(job));
        if place.is_none() {
            let purpose = RoomFor::Attempt(assignment.attempt);
            let draft = store.allocate_blocking(job, data.len(), purpose);
            let mut draft = draft.map_err(|full| {
                Failure::new(FailureKind::OutOfMemory, format!("input {name:?}: {full}"))
            })?;
            draft.bytes_mut().copy_from_slice(&data);
            data = draft.freeze();
            place = store.memory().place_of(&data);
        }
        let place = place.ok_or_else(|| {
            let message = format!("input {name:?}: its memory cannot be shared");
            Failure::new(FailureKind::Spawn, message)
        })?;
        let (descriptor, len) = (place.file.as_raw_fd(), data.len());
        self.variables.push((variable, format!("{descriptor}:{}:{len}", place.offset)));
        self.inherited.push(place.file);
        self._inputs.push(data);
        Ok(())
    }

    /// Makes the files for outputs.
    pub(super) fn add_outputs(&mut self, spec: &ProcessSpec) -> Result<(), Failure> {
        for output in &spec.outputs {
            let ProcessOutput::Map(name) = output else { continue };
            let variable = variable("DRAWLOOM_OUT_", name)?;
            let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
            let file = rustix::fs::memfd_create("drawloom-output", flags).map_err(|error| {
                let message = format!("output {name:?}: no file in memory: {error}");
                Failure::new(FailureKind::Spawn, message)
            })?;
            let file = Arc::new(file);
            self.variables.push((variable, file.as_raw_fd().to_string()));
            self.inherited.push(Arc::clone(&file));
            self.outputs.push((name.clone(), file));
        }
        Ok(())
    }

    /// Tells the process where its objects are.
    pub(super) fn tell(&self, command: &mut Command) {
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }

    /// The descriptors that it inherits.
    pub(super) fn inherited(&self) -> Vec<Arc<OwnedFd>> {
        self.inherited.clone()
    }

    /// Whether it has outputs to write.
    pub(super) fn has_outputs(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// An output, once the process and all it left behind have ended.
    pub(super) fn output(
        &self,
        name: &str,
        limit_bytes: u64,
        assignment: &Assignment,
        store: &Store,
    ) -> Result<Bytes, Failure> {
        let failed = |kind, what: String| Failure::new(kind, format!("output {name:?} {what}"));
        let found = self.outputs.iter().find(|(known, _)| known == name);
        let (_, file) = found.ok_or_else(|| failed(FailureKind::Spawn, "was not made".into()))?;
        let file = file.try_clone().map(File::from);
        let file = file.map_err(|error| failed(FailureKind::Application, error.to_string()))?;
        let size = file.metadata().map(|data| data.len());
        let size = size.map_err(|error| failed(FailureKind::Application, error.to_string()))?;
        if size > limit_bytes {
            let what = format!("has {size} bytes, more than the limit of {limit_bytes}");
            return Err(failed(FailureKind::Application, what));
        }
        let len = size as usize;
        if len <= INLINE_LIMIT_BYTES {
            let mut data = vec![0; len];
            let read = file.read_exact_at(&mut data, 0);
            read.map_err(|error| failed(FailureKind::Application, error.to_string()))?;
            return Ok(data.into());
        }
        let purpose = RoomFor::Attempt(assignment.attempt);
        let adopted = store.adopt_blocking(file, len, purpose);
        adopted.map_err(|full| failed(FailureKind::OutOfMemory, format!("has no room: {full}")))
    }
}

/// A variable's name.
fn variable(prefix: &str, name: &str) -> Result<String, Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        let message = format!("map {name:?} must be named by letters, digits and _ alone");
        return Err(Failure::new(FailureKind::Spawn, message));
    }
    Ok(format!("{prefix}{name}"))
}
