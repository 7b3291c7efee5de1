//! The sources of device code, and which modules they are compiled to.

use std::fs;
use std::path::Path;

use super::assembly::PTX_VERSION;
use super::library::VERSION;

/// The least architecture that there is PTX for, where a source does not say otherwise.
const BASELINE: u32 = 75;

/// One compilation: a source, for one element type where it is for several.
pub(crate) struct Module {
    /// The source's name, without its extension.
    pub(crate) source: String,
    pub(crate) text: String,
    /// The element type that `ELEMENT` stands for.
    pub(crate) element: Option<String>,
    /// The least architecture that its PTX is for.
    pub(crate) architecture: u32,
    /// Names and texts of all headers.
    pub(crate) headers: Vec<(String, String)>,
}

impl Module {
    /// The module's name: `source`, or `source_element`.
    pub(crate) fn name(&self) -> String {
        match &self.element {
            Some(element) => format!("{}_{element}", self.source),
            None => self.source.clone(),
        }
    }

    /// The options of the compilation but for the architecture.
    pub(crate) fn options(&self) -> Vec<String> {
        let mut options = vec!["--std=c++17".to_owned(), "--fmad=false".to_owned()];
        options.extend(self.element.iter().map(|element| format!("-DELEMENT={element}")));
        options
    }

    /// The first line of the module's PTX, which tells what it was made of.
    pub(crate) fn header(&self) -> String {
        let mut hash = Hash::new();
        hash.add(VERSION);
        hash.add(PTX_VERSION);
        hash.add(&self.architecture.to_string());
        self.options().iter().for_each(|option| hash.add(option));
        for (name, text) in &self.headers {
            hash.add(name);
            hash.add(text);
        }
        hash.add(&self.text);
        let source = &self.source;
        format!("// {source}.cu by NVRTC {VERSION}; hash of sources {:016x}\n", hash.0)
    }
}

/// FNV-1a of 64 bits (Fowler, Noll and Vo).
struct Hash(u64);

impl Hash {
    fn new() -> Self {
        Hash(0xcbf2_9ce4_8422_2325)
    }

    /// Takes in a text and that it ends.
    fn add(&mut self, text: &str) {
        for byte in text.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// Every module of the sources in a folder.
pub(crate) fn modules(folder: &Path) -> Result<Vec<Module>, String> {
    let headers = texts(folder, "cuh")?;
    let mut modules = Vec::new();
    for (name, text) in texts(folder, "cu")? {
        let architecture = match directive(&text, "architecture") {
            Some(value) => value
                .strip_prefix("compute_")
                .and_then(|number| number.parse().ok())
                .ok_or_else(|| format!("{name}: {value:?} is no architecture"))?,
            None => BASELINE,
        };
        let elements: Vec<Option<String>> = match directive(&text, "elements") {
            Some(names) => names.split(' ').map(|name| Some(name.to_owned())).collect(),
            None => vec![None],
        };
        modules.extend(elements.into_iter().map(|element| Module {
            source: name.trim_end_matches(".cu").to_owned(),
            text: text.clone(),
            element,
            architecture,
            headers: headers.clone(),
        }));
    }
    Ok(modules)
}

/// What a line such as `// elements: f32 f64` at the start of a source says.
fn directive<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let comments = text.lines().map_while(|line| line.strip_prefix("//"));
    comments.filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": ")).next()
}

/// Names and texts of the files with an extension, in the order of their names.
fn texts(folder: &Path, extension: &str) -> Result<Vec<(String, String)>, String> {
    let fault = |error| format!("{}: {error}", folder.display());
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.extension().is_some_and(|own| own == extension) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            texts.push((name, fs::read_to_string(&path).map_err(fault)?));
        }
    }
    texts.sort();
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_comments_at_the_start() {
        let text = "// elements: f32 f64\n// architecture: compute_80\n\ncode // elements: u8\n";
        assert_eq!(directive(text, "elements"), Some("f32 f64"));
        assert_eq!(directive(text, "architecture"), Some("compute_80"));
        assert_eq!(directive("\n// elements: f32\n", "elements"), None);
    }

    #[test]
    fn the_hash_is_the_published_one() {
        let mut hash = Hash::new();
        "a".bytes()
            .for_each(|byte| hash.0 = (hash.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        assert_eq!(hash.0, 0xaf63_dc4c_8601_ec8c);
    }
}
