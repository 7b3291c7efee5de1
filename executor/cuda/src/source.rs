//! Users' source made PTX: compiled where it has to be, and kept so that it need not be again.

mod cache;
mod library;
mod nvrtc;
mod prune;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drawloom_kernels_gpu::UserModule;
use drawloom_model::{CudaSource, CudaSpec};

use crate::Error;
use crate::recent::Recent;
use cache::Cache;
use nvrtc::Nvrtc;

/// How many texts are kept in memory.
const KEPT: usize = 256;

/// Where the compiler is, and where its work is kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// NVRTC's library; looked for in the usual places where none is named.
    pub nvrtc: Option<PathBuf>,
    /// A folder for compiled texts, which is made when it is needed; none are kept on disk without one.
    /// Everything in it may be deleted at any time.
    pub cache: Option<PathBuf>,
}

impl Settings {
    /// As `DRAWLOOM_NVRTC` and `DRAWLOOM_CACHE_DIR` tell; without the latter the folder is the user's own
    /// for caches.
    pub fn from_environment() -> Self {
        let path = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty());
        let of_user = || {
            let folder =
                path("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
            let folder = folder.or_else(|| Some(PathBuf::from(path("HOME")?).join(".cache")));
            folder.map(|folder| folder.join("drawloom"))
        };
        let folder = path("DRAWLOOM_CACHE_DIR").map(PathBuf::from).or_else(of_user);
        Settings {
            nvrtc: path("DRAWLOOM_NVRTC").map(PathBuf::from),
            cache: folder.map(|folder| folder.join("ptx")),
        }
    }
}

/// Makes PTX of users' source. For threads that may block.
pub struct Compiler {
    settings: Settings,
    cache: Option<Cache>,
    nvrtc: Mutex<Option<Arc<Nvrtc>>>,
    modules: Mutex<Recent<Slot>>,
}

/// A place for a module. Whoever is first makes it while others wait.
type Slot = Arc<Mutex<Option<Arc<UserModule>>>>;

impl Default for Compiler {
    /// A compiler as the environment has it.
    fn default() -> Self {
        Compiler::new(Settings::from_environment())
    }
}

impl Compiler {
    /// A compiler. The library is loaded when it is first asked for.
    pub fn new(settings: Settings) -> Self {
        Compiler {
            cache: settings.cache.clone().map(Cache::new),
            settings,
            nvrtc: Mutex::default(),
            modules: Mutex::new(Recent::new(KEPT)),
        }
    }

    /// Whether there is a compiler; a line in the log tells why not.
    pub fn is_there(&self) -> bool {
        self.nvrtc().inspect_err(|why| tracing::info!(%why, "no CUDA C++")).is_ok()
    }

    /// The PTX of a user's kernel for devices of a compute capability.
    ///
    /// # Errors
    /// The source does not compile, or there is no compiler.
    pub fn module(
        &self,
        spec: &CudaSpec,
        compute_capability: (u32, u32),
    ) -> Result<Arc<UserModule>, Error> {
        match &spec.source {
            CudaSource::Ptx(text) => self.made_once(hash(&[text]), |_| Ok(text.to_string())),
            CudaSource::Cpp(text) => {
                let nvrtc = self.nvrtc()?;
                let options = nvrtc.options(&spec.options, compute_capability);
                let mut parts = vec![text.as_ref(), nvrtc.version()];
                parts.extend(options.iter().map(String::as_str));
                self.made_once(hash(&parts), |key| self.compiled(&nvrtc, text, &options, key))
            }
        }
    }

    fn compiled(
        &self,
        nvrtc: &Nvrtc,
        source: &str,
        options: &[String],
        key: &str,
    ) -> Result<String, Error> {
        if let Some(ptx) = self.cache.as_ref().and_then(|cache| cache.read(key)) {
            metrics::counter!("executor_compilations_total", "outcome" => "kept").increment(1);
            return Ok(ptx);
        }
        let compiled = nvrtc.compile(source, options);
        let outcome = if compiled.is_ok() { "compiled" } else { "failed" };
        metrics::counter!("executor_compilations_total", "outcome" => outcome).increment(1);
        let ptx = compiled?;
        if let Some(cache) = &self.cache {
            cache.write(key, &ptx);
        }
        Ok(ptx)
    }

    /// The module of a key, made by `make` unless it is there. One is made at a time of each key.
    fn made_once(
        &self,
        key: String,
        make: impl FnOnce(&str) -> Result<String, Error>,
    ) -> Result<Arc<UserModule>, Error> {
        let slot = lock(&self.modules).get_or_insert(&key, Slot::default);
        let mut place = lock(&slot);
        if let Some(module) = &*place {
            return Ok(Arc::clone(module));
        }
        let ptx = make(&key)?;
        Ok(Arc::clone(place.insert(Arc::new(UserModule { key, ptx }))))
    }

    /// The library. One that is missing is looked for again the next time.
    fn nvrtc(&self) -> Result<Arc<Nvrtc>, Error> {
        let mut nvrtc = lock(&self.nvrtc);
        if let Some(nvrtc) = &*nvrtc {
            return Ok(Arc::clone(nvrtc));
        }
        let opened = library::open(self.settings.nvrtc.as_deref()).and_then(Nvrtc::new);
        let opened = opened.map_err(Error::NoCompiler)?;
        tracing::info!(version = opened.version(), "NVRTC compiles users' CUDA code");
        Ok(Arc::clone(nvrtc.insert(Arc::new(opened))))
    }
}

/// What is behind a lock stays whole when its holder panics: values are put there when they are made.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A name for texts, which others do not share.
fn hash(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        // The length tells where each ends.
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_know_where_texts_end() {
        assert_eq!(hash(&["ab", "c"]), hash(&["ab", "c"]));
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_ne!(hash(&["abc"]), hash(&["abc", ""]));
    }
}
