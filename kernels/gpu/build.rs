//! Lists the PTX files for `src/module.rs` to embed.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    let manifest = env::var("CARGO_MANIFEST_DIR").expect("cargo tells the folder");
    let folder = Path::new(&manifest).join("../ptx");
    println!("cargo::rerun-if-changed={}", folder.display());
    let entries = fs::read_dir(&folder).expect("a folder of PTX");
    let paths = entries.map(|entry| entry.expect("an entry of the folder").path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "ptx")).collect();
    paths.sort();
    let mut code = "&[\n".to_owned();
    for path in paths {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let path = path.canonicalize().expect("a path");
        writeln!(code, "    Module {{ name: {name:?}, ptx: include_str!({path:?}) }},")
            .expect("a String takes everything");
    }
    code.push_str("]\n");
    let out = env::var("OUT_DIR").expect("cargo tells the folder");
    fs::write(Path::new(&out).join("modules.rs"), code).expect("the folder is there");
}
