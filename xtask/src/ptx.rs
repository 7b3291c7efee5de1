//! `cargo xtask ptx`: compiles `kernels/cuda/*.cu` to `kernels/ptx/*.ptx`, assembles these for every
//! architecture as a driver would, and writes what ptxas says of each kernel to `kernels/ptx/TABLE.md`.
//! `--check` does it again and fails where what is committed is out of date or a kernel spills.

mod assembly;
mod library;
mod nvjitlink;
mod nvrtc;
mod occupancy;
mod source;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use assembly::Kernel;
use nvjitlink::NvJitLink;
use nvrtc::Nvrtc;
use source::Module;

/// Architectures whose assembly is reported.
const ARCHITECTURES: &[u32] = &[75, 80, 86, 89, 90, 100, 120];

/// What is kept of one module.
struct Compiled {
    ptx: String,
    /// For each architecture that the module is for, its kernels.
    kernels: BTreeMap<u32, Vec<Kernel>>,
}

pub(crate) fn write() -> Result<(), String> {
    let folder = folder("ptx");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let compiled = compile_all()?;
    for path in committed()? {
        let kept = compiled.keys().any(|name| path.file_stem().is_some_and(|stem| stem == &**name));
        if !kept {
            fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    for (path, text) in files(&compiled) {
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let bytes: usize = compiled.values().map(|module| module.ptx.len()).sum();
    eprintln!("xtask: {} modules, {} KiB of PTX", compiled.len(), bytes / 1024);
    refuse_spills(&compiled)
}

pub(crate) fn check() -> Result<(), String> {
    let compiled = compile_all()?;
    for (path, text) in files(&compiled) {
        if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            return Err(format!("{} is out of date: run `cargo xtask ptx`", path.display()));
        }
    }
    let count = committed()?.len();
    if count != compiled.len() {
        return Err(format!("{count} files for {} modules: run `cargo xtask ptx`", compiled.len()));
    }
    refuse_spills(&compiled)
}

/// A folder beside the kernels' crate.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../kernels").join(name)
}

/// The PTX files there are.
fn committed() -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder("ptx")).map_err(|error| format!("kernels/ptx: {error}"))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths.filter(|path| path.extension().is_some_and(|extension| extension == "ptx")).collect())
}

/// Every file that is committed, and what it holds.
fn files(compiled: &BTreeMap<String, Compiled>) -> Vec<(PathBuf, String)> {
    let folder = folder("ptx");
    let ptx = |(name, module): (&String, &Compiled)| {
        (folder.join(format!("{name}.ptx")), module.ptx.clone())
    };
    let mut files: Vec<(PathBuf, String)> = compiled.iter().map(ptx).collect();
    files.push((folder.join("TABLE.md"), table::table(compiled)));
    files
}

fn refuse_spills(compiled: &BTreeMap<String, Compiled>) -> Result<(), String> {
    for (name, module) in compiled {
        for (architecture, kernels) in &module.kernels {
            if let Some(kernel) = kernels.iter().find(|kernel| kernel.spill_bytes > 0) {
                let (entry, bytes) = (&kernel.entry, kernel.spill_bytes);
                return Err(format!("{name}: {entry} spills {bytes} bytes on sm_{architecture}"));
            }
        }
    }
    Ok(())
}

/// Compiles every module on all cores.
fn compile_all() -> Result<BTreeMap<String, Compiled>, String> {
    let (nvrtc, linker) = (Nvrtc::fetch()?, NvJitLink::fetch()?);
    let modules = Mutex::new(source::modules(&folder("cuda"))?.into_iter());
    let compiled = Mutex::new(Ok(BTreeMap::new()));
    let next = || modules.lock().ok()?.next();
    let work = || {
        while let Some(module) = next() {
            eprintln!("xtask: {}", module.name());
            let result = compile(&nvrtc, &linker, &module);
            let Ok(mut all) = compiled.lock() else { return };
            match (&mut *all, result) {
                (Ok(all), Ok(result)) => drop(all.insert(module.name(), result)),
                (Ok(_), Err(reason)) => *all = Err(format!("{}: {reason}", module.name())),
                (Err(_), _) => return,
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    compiled.into_inner().map_err(|_| "a compilation panicked".to_owned())?
}

fn compile(nvrtc: &Nvrtc, linker: &NvJitLink, module: &Module) -> Result<Compiled, String> {
    let ptx = assembly::portable(&nvrtc.compile(module)?);
    let mut kernels = BTreeMap::new();
    for &architecture in ARCHITECTURES {
        if architecture >= module.architecture {
            let log = linker.assemble(&ptx, architecture)?;
            kernels.insert(architecture, assembly::kernels(&log, &ptx)?);
        }
    }
    Ok(Compiled { ptx: format!("{}{ptx}", module.header()), kernels })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Tells without NVRTC, by a hash of the sources, whether what is committed is of these sources.
    #[test]
    fn committed_ptx_is_up_to_date() {
        let modules = source::modules(&folder("cuda")).expect("sources");
        for module in &modules {
            let path = folder("ptx").join(format!("{}.ptx", module.name()));
            let ptx = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                ptx.starts_with(&module.header()),
                "{} is out of date: run `cargo xtask ptx`",
                path.display()
            );
        }
        let names: BTreeSet<String> = modules.iter().map(|module| module.name() + ".ptx").collect();
        for path in committed().expect("a folder") {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            assert!(names.contains(&name), "{name} is of no source");
        }
    }
}
