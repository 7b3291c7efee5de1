//! Names and what they stand for.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Names of numbered things, some of which have none; found by either.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Names {
    by_index: BTreeMap<u32, Arc<str>>,
    /// Only looked into, never walked through.
    by_name: HashMap<Arc<str>, u32>,
}

impl Names {
    /// Names a thing; the name must be free.
    pub fn insert(&mut self, index: u32, name: &str) {
        let name: Arc<str> = name.into();
        self.by_index.insert(index, Arc::clone(&name));
        self.by_name.insert(name, index);
    }

    /// The thing's name.
    pub fn name(&self, index: u32) -> Option<&str> {
        self.by_index.get(&index).map(AsRef::as_ref)
    }

    /// What is called so.
    pub fn index(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_both_ways() {
        let mut names = Names::default();
        names.insert(3, "three");
        assert_eq!((names.name(3), names.index("three")), (Some("three"), Some(3)));
        assert_eq!((names.name(1), names.index("one")), (None, None));
    }
}
