//! Products of matrices by cuBLAS, where it is installed: it knows devices better than one kernel for
//! all of them does. Without it, and whenever it refuses, plans' own launches make them.

mod library;
mod mapping;

use std::sync::{Arc, OnceLock};

use cudarc::driver::CudaStream;
use drawloom_kernels_gpu::Product;

use library::{Handle, Library};
pub(crate) use mapping::Gemm;

/// Products of fewer terms are made by the plans' own kernels: what launches cost counts more.
const LEAST_TERMS: u64 = 1 << 24;

/// What makes a lane's products.
pub(crate) enum Maker {
    /// Nothing large was to be multiplied so far.
    Unasked,
    /// The library, by a handle of the lane's own: its results are the same every time only where
    /// streams share none.
    Library(Blas),
    /// The plans' launches.
    Launches,
}

/// The library for one stream.
pub(crate) struct Blas {
    library: &'static Library,
    handle: Handle,
    stream: Arc<CudaStream>,
}

// SAFETY: cuBLAS's handles may be used by any thread, by one at a time.
unsafe impl Send for Blas {}

impl Maker {
    /// The call of the library for a product, and the library, where it is to make that product in
    /// this stream.
    pub(crate) fn for_product(
        &mut self,
        product: &Product,
        stream: &Arc<CudaStream>,
        is_simulated: bool,
    ) -> Option<(&Blas, Gemm)> {
        let gemm = Gemm::of(product).filter(|_| terms(product) >= LEAST_TERMS)?;
        if let Maker::Unasked = self {
            *self = match loaded(is_simulated).map(|library| Blas::new(library, stream)) {
                Some(Ok(blas)) => Maker::Library(blas),
                Some(Err(why)) => {
                    say_refused(&why);
                    Maker::Launches
                }
                None => Maker::Launches,
            };
        }
        match self {
            Maker::Library(blas) => Some((blas, gemm)),
            Maker::Unasked | Maker::Launches => None,
        }
    }

    /// The library has failed: it is asked no more.
    pub(crate) fn give_up(&mut self, why: &str) {
        say_refused(why);
        *self = Maker::Launches;
    }
}

fn say_refused(why: &str) {
    tracing::warn!(why, "cuBLAS refuses: products of matrices are made by own kernels");
}

fn terms(product: &Product) -> u64 {
    [product.rows, product.columns, product.inner, product.products]
        .into_iter()
        .fold(1, u64::saturating_mul)
}

/// The library, looked for once; a line of the log says what came of it. It cannot run on simulated
/// devices, unless the environment names one that can.
fn loaded(is_simulated: bool) -> Option<&'static Library> {
    static LOADED: OnceLock<Option<Library>> = OnceLock::new();
    if is_simulated && std::env::var_os(library::VARIABLE).is_none() {
        return None;
    }
    let load = || match Library::open() {
        Ok(library) => {
            tracing::info!(version = library.version(), "large products of matrices go to cuBLAS");
            Some(library)
        }
        Err(why) => {
            tracing::info!(why, "products of matrices are made by own kernels");
            None
        }
    };
    LOADED.get_or_init(load).as_ref()
}

impl Blas {
    fn new(library: &'static Library, stream: &Arc<CudaStream>) -> Result<Self, String> {
        // A handle is made for the thread's context.
        stream.context().bind_to_thread().map_err(|error| format!("{error:?}"))?;
        let handle = library.create()?;
        let blas = Blas { library, handle, stream: Arc::clone(stream) };
        library.prepare(handle, stream.cu_stream().cast())?;
        Ok(blas)
    }

    /// Its version, such as `12.9.1`.
    pub(crate) fn version(&self) -> &'static str {
        self.library.version()
    }

    /// Has a product made in the stream, from the addresses of inputs 0 and 1.
    ///
    /// # Safety
    /// There are matrices at the addresses as the product that the call is of tells, until the stream
    /// has come past the call.
    ///
    /// # Errors
    /// The library refuses; then nothing has begun.
    pub(crate) unsafe fn multiply(
        &self,
        gemm: &Gemm,
        [a, b]: [u64; 2],
        y: u64,
    ) -> Result<(), String> {
        self.stream.context().bind_to_thread().map_err(|error| format!("{error:?}"))?;
        // SAFETY: as the caller promises.
        unsafe { self.library.gemm(self.handle, gemm, [a, b], y) }
    }
}

impl Drop for Blas {
    fn drop(&mut self) {
        // Where the context is broken, there is nothing to give back.
        if self.stream.context().bind_to_thread().is_ok() {
            self.library.destroy(self.handle);
        }
    }
}
