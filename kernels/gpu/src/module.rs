//! The PTX of every module.

use std::fmt;
use std::sync::Arc;

/// A unit of PTX that is loaded at a time.
#[derive(Debug)]
pub struct Module {
    /// Its name: that of its source, and of the element type that it was compiled for.
    pub name: &'static str,
    /// Its text. Every driver for the architecture that it targets, and later ones, takes it.
    pub ptx: &'static str,
}

/// A module of a launch.
#[derive(Clone, PartialEq, Debug)]
pub enum ModuleRef {
    /// One of the catalogue's.
    Catalogue(&'static Module),
    /// A user's.
    Users(Arc<UserModule>),
}

/// PTX that came with a task.
#[derive(PartialEq, Eq)]
pub struct UserModule {
    /// A hash of all that it depends on.
    pub key: String,
    /// Its text.
    pub ptx: String,
}

impl ModuleRef {
    /// Its name, or its key.
    pub fn name(&self) -> &str {
        match self {
            ModuleRef::Catalogue(module) => module.name,
            ModuleRef::Users(module) => &module.key,
        }
    }

    /// Its text.
    pub fn ptx(&self) -> &str {
        match self {
            ModuleRef::Catalogue(module) => module.ptx,
            ModuleRef::Users(module) => &module.ptx,
        }
    }
}

impl fmt::Debug for UserModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of PTX, {}", self.ptx.len(), self.key)
    }
}

/// All modules, in the order of their names.
pub fn modules() -> &'static [Module] {
    static MODULES: &[Module] = include!(concat!(env!("OUT_DIR"), "/modules.rs"));
    MODULES
}

/// The module of that name.
pub(crate) fn find(name: &str) -> Option<&'static Module> {
    let place = modules().binary_search_by_key(&name, |module| module.name).ok()?;
    Some(&modules()[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_by_name() {
        assert!(modules().is_sorted_by(|a, b| a.name < b.name));
        assert!(modules().len() > 100);
        let fill = find("fill_b4").expect("a module");
        assert!(fill.ptx.contains(".target sm_75"));
    }
}
