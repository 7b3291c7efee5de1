//! Modules and their kernels.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::context::Context;
use super::error::Code;
use super::handles;
use super::system::KERNELS;
use crate::ir::lower::{Globals, lower};
use crate::ir::program::Program;
use crate::report;

/// A loaded module.
pub struct Module {
    /// Its handle.
    pub handle: usize,
    /// The context.
    pub context: Arc<Context>,
    /// The program.
    pub program: Arc<Program>,
    kernels: Mutex<Vec<Arc<Kernel>>>,
    globals: Vec<u64>,
}

/// A kernel.
pub struct Kernel {
    /// Its handle.
    pub handle: usize,
    /// The context.
    pub context: Arc<Context>,
    /// The program.
    pub program: Arc<Program>,
    /// Its number in the program.
    pub index: usize,
    /// The most dynamic shared memory a launch may ask for.
    pub max_dynamic: AtomicU32,
}

struct Variables<'a> {
    context: &'a Context,
    allocated: Vec<u64>,
    /// Whether the device had no memory for one.
    is_full: bool,
}

impl Globals for Variables<'_> {
    fn allocate(&mut self, bytes: usize, _align: usize) -> Option<u64> {
        let address = self.context.device.allocate(bytes as u64);
        self.is_full |= address.is_err();
        let address = address.ok()?;
        self.context.allocated(address, None);
        self.allocated.push(address);
        Some(address)
    }

    fn write(&mut self, address: u64, bytes: &[u8]) {
        let memory = &self.context.device.memory;
        if let Some(to) = memory.bytes_at(address, bytes.len() as u64) {
            // SAFETY: the range lies in an allocation that was just made for this variable.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        }
    }
}

impl Module {
    /// Loads PTX text.
    pub fn load(context: &Arc<Context>, text: &str) -> Result<Arc<Self>, Code> {
        let refused = |error: &dyn std::fmt::Display| {
            report::tell("ptx", &error.to_string());
            Code::INVALID_PTX
        };
        let module = crate::ptx::parser::parse(text).map_err(|error| refused(&error))?;
        let (major, minor) = context.device.spec.capability;
        let wanted: u32 = module
            .target
            .trim_start_matches("sm_")
            .trim_end_matches(char::is_alphabetic)
            .parse()
            .unwrap_or(0);
        if wanted > major * 10 + minor {
            report::tell(
                "ptx",
                &format!("the module is for {}, the device has {major}.{minor}", module.target),
            );
            return Err(Code::NO_BINARY);
        }
        let mut variables = Variables { context, allocated: Vec::new(), is_full: false };
        let program = match lower(&module, &mut variables) {
            Ok(program) => program,
            Err(error) => {
                for address in &variables.allocated {
                    let _ = context.release(*address);
                }
                let is_full = variables.is_full;
                return Err(if is_full { Code::OUT_OF_MEMORY } else { refused(&error) });
            }
        };
        Ok(Arc::new(Self {
            handle: handles::fresh(),
            context: Arc::clone(context),
            program: Arc::new(program),
            kernels: Mutex::default(),
            globals: variables.allocated,
        }))
    }

    /// The kernel of a name.
    pub fn kernel(&self, name: &str) -> Result<Arc<Kernel>, Code> {
        let index = *self.program.kernels.get(name).ok_or(Code::NOT_FOUND)?;
        let mut kernels = self.kernels.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = kernels.iter().find(|kernel| kernel.index == index) {
            return Ok(Arc::clone(known));
        }
        let kernel = Arc::new(Kernel {
            handle: handles::fresh(),
            context: Arc::clone(&self.context),
            program: Arc::clone(&self.program),
            index,
            max_dynamic: AtomicU32::new(super::limits::DEFAULT_SHARED),
        });
        KERNELS.insert(kernel.handle, Arc::clone(&kernel));
        kernels.push(Arc::clone(&kernel));
        Ok(kernel)
    }

    /// Unloads it: its kernels' handles end, its variables' memory is freed.
    pub fn unload(&self) {
        let kernels = self.kernels.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for kernel in kernels.iter() {
            // A handle that is gone already is no trouble.
            let _ = KERNELS.remove(kernel.handle);
        }
        for address in &self.globals {
            let _ = self.context.release(*address);
        }
    }
}

impl Kernel {
    /// What it is.
    pub fn function(&self) -> &crate::ir::program::Function {
        &self.program.functions[self.index]
    }

    /// The most threads a block may have.
    pub fn max_threads(&self) -> u32 {
        self.function().max_threads.unwrap_or(1024).min(1024)
    }

    /// Dynamic shared memory allowed.
    pub fn dynamic_limit(&self) -> u32 {
        self.max_dynamic.load(Ordering::Acquire)
    }
}
