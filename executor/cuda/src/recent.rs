//! The things that were used last.

use std::collections::BTreeMap;

/// Things by their keys, of which only the most recently used are kept.
pub(crate) struct Recent<T> {
    by_key: BTreeMap<String, (u64, T)>,
    most: usize,
    uses: u64,
}

impl<T: Clone> Recent<T> {
    /// Keeps at most so many.
    pub(crate) fn new(most: usize) -> Self {
        Recent { by_key: BTreeMap::new(), most, uses: 0 }
    }

    /// The thing of a key.
    pub(crate) fn get(&mut self, key: &str) -> Option<T> {
        self.uses += 1;
        let (used, thing) = self.by_key.get_mut(key)?;
        *used = self.uses;
        Some(thing.clone())
    }

    /// Keeps a thing, and forgets the one that was not used for the longest time where there are too
    /// many.
    pub(crate) fn insert(&mut self, key: &str, thing: T) {
        self.uses += 1;
        self.by_key.insert(key.to_owned(), (self.uses, thing));
        if self.by_key.len() > self.most {
            let oldest = self.by_key.iter().min_by_key(|(_, (used, _))| *used);
            let oldest = oldest.map(|(key, _)| key.clone());
            oldest.and_then(|key| self.by_key.remove(&key));
        }
    }

    /// The thing of a key, made where there is none.
    pub(crate) fn get_or_insert(&mut self, key: &str, make: impl FnOnce() -> T) -> T {
        self.get(key).unwrap_or_else(|| {
            let thing = make();
            self.insert(key, thing.clone());
            thing
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut recent = Recent::new(2);
        recent.insert("a", 1);
        recent.insert("b", 2);
        assert_eq!(recent.get_or_insert("a", || 7), 1);
        recent.insert("c", 3);
        assert_eq!((recent.get("a"), recent.get("b"), recent.get("c")), (Some(1), None, Some(3)));
        assert_eq!(recent.get_or_insert("b", || 7), 7);
    }
}
