//! The PTX of every module.

/// A unit of PTX that is loaded at a time.
#[derive(Debug)]
pub struct Module {
    /// Its name: that of its source, and of the element type that it was compiled for.
    pub name: &'static str,
    /// Its text. Every driver for the architecture that it targets, and later ones, takes it.
    pub ptx: &'static str,
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

impl Module {
    /// The types of an entry's parameters, such as `u64`, or `b8[40]` for a structure of 40 bytes;
    /// `None` where there is no such entry.
    pub fn parameters(&self, entry: &str) -> Option<Vec<&'static str>> {
        let (_, rest) = self.ptx.split_once(&format!(".entry {entry}("))?;
        let (list, _) = rest.split_once("\n)")?;
        let lines = list.lines().map(str::trim).filter(|line| !line.is_empty());
        Some(lines.map(parameter).collect())
    }
}

/// `.param .align 8 .b8 name[40],` is `b8 name[40]`, `.param .u64 name,` is `u64`.
fn parameter(line: &'static str) -> &'static str {
    let line = line.trim_end_matches(',');
    match line.split_once(".align ") {
        Some((_, aligned)) => aligned.split_once('.').map_or(line, |(_, rest)| rest),
        None => line.split('.').next_back().and_then(|rest| rest.split(' ').next()).unwrap_or(line),
    }
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
        assert_eq!(fill.parameters("fill"), Some(vec!["u64", "u64", "u32"]));
        assert_eq!(fill.parameters("nothing"), None);
    }
}
