//! The library itself: the few of its functions that are called.

use std::ffi::{OsStr, c_int, c_longlong, c_void};
use std::mem::ManuallyDrop;
use std::path::Path;

use drawloom_model::DType;

use super::Gemm;
use super::mapping::Factor;
use crate::nvidia::{find, function, load};

/// Names the library, or is `off`.
pub(super) const VARIABLE: &str = "DRAWLOOM_CUBLAS";
/// The first is preferred: drivers for CUDA 12 refuse version 13, while later ones take 12.
const NAMES: [&str; 3] = ["libcublas.so.12", "libcublas.so.13", "libcublas.so"];

/// A `cublasHandle_t`.
pub(super) type Handle = *mut c_void;
/// A `cublasStatus_t`: 0 is success.
type Status = c_int;
/// `CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION`, beside the default: halves are added up in f32
/// also where several blocks make a result.
const MATH: c_int = 16;
/// `CUBLAS_GEMM_DEFAULT`: the library chooses.
const CHOOSES: c_int = -1;

type GemmFunction = unsafe extern "C" fn(
    Handle,
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    *const c_void,
    *const c_void,
    c_int,
    c_int,
    c_longlong,
    *const c_void,
    c_int,
    c_int,
    c_longlong,
    *const c_void,
    *mut c_void,
    c_int,
    c_int,
    c_longlong,
    c_int,
    c_int,
    c_int,
) -> Status;

/// cuBLAS. Its functions may be called from any thread.
pub(super) struct Library {
    create: unsafe extern "C" fn(*mut Handle) -> Status,
    destroy: unsafe extern "C" fn(Handle) -> Status,
    set_stream: unsafe extern "C" fn(Handle, *mut c_void) -> Status,
    set_math: unsafe extern "C" fn(Handle, c_int) -> Status,
    gemm: GemmFunction,
    version: String,
    /// The functions above are of this library. It is never unloaded: it has threads of its own.
    _library: ManuallyDrop<libloading::os::unix::Library>,
}

impl Library {
    /// The library that the environment names, or else the first that is found.
    ///
    /// # Errors
    /// There is none, or it is not wanted.
    pub(super) fn open() -> Result<Self, String> {
        let library = match std::env::var_os(VARIABLE) {
            Some(off) if off == OsStr::new("off") => {
                return Err(format!("{VARIABLE} is off"));
            }
            Some(path) if Path::new(&path).is_absolute() => load(&path)?,
            Some(path) => {
                let path = path.display();
                return Err(format!("{VARIABLE} is {path}: neither an absolute path nor \"off\""));
            }
            None => find(&NAMES).ok_or("there is no libcublas")?,
        };
        // SAFETY: cublas_v2.h gives the functions these types.
        unsafe {
            let property: unsafe extern "C" fn(c_int, *mut c_int) -> Status =
                function(&library, "cublasGetProperty")?;
            let part = |which| {
                let mut value = 0;
                property(which, &mut value);
                value
            };
            Ok(Library {
                create: function(&library, "cublasCreate_v2")?,
                destroy: function(&library, "cublasDestroy_v2")?,
                set_stream: function(&library, "cublasSetStream_v2")?,
                set_math: function(&library, "cublasSetMathMode")?,
                gemm: function(&library, "cublasGemmStridedBatchedEx")?,
                version: format!("{}.{}.{}", part(0), part(1), part(2)),
                _library: ManuallyDrop::new(library),
            })
        }
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// A handle for the thread's context.
    pub(super) fn create(&self) -> Result<Handle, String> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: there is room for the handle.
        told("cublasCreate", unsafe { (self.create)(&mut handle) })?;
        Ok(handle)
    }

    /// Lets a handle work in a stream of its context.
    pub(super) fn prepare(&self, handle: Handle, stream: *mut c_void) -> Result<(), String> {
        // SAFETY: the handle is one of the library's, and the stream one of its context's.
        told("cublasSetStream", unsafe { (self.set_stream)(handle, stream) })?;
        // SAFETY: as above.
        told("cublasSetMathMode", unsafe { (self.set_math)(handle, MATH) })
    }

    /// Gives a handle back.
    pub(super) fn destroy(&self, handle: Handle) {
        // SAFETY: the handle is one of the library's, and nobody uses it any more.
        unsafe { (self.destroy)(handle) };
    }

    /// Launches a product.
    ///
    /// # Safety
    /// There are matrices at the addresses as the call says, until the handle's stream has come past.
    pub(super) unsafe fn gemm(
        &self,
        handle: Handle,
        gemm: &Gemm,
        [a, b]: [u64; 2],
        y: u64,
    ) -> Result<(), String> {
        // Factors of the product and of what was there before, in the type that is computed in.
        let (single, double) = ([1.0f32, 0.0], [1.0f64, 0.0]);
        let [one, zero]: [*const c_void; 2] = match gemm.dtype {
            DType::F64 => [(&raw const double[0]).cast(), (&raw const double[1]).cast()],
            _ => [(&raw const single[0]).cast(), (&raw const single[1]).cast()],
        };
        let (kind, compute) = types(gemm.dtype);
        let turned = |factor: &Factor| c_int::from(factor.is_transposed);
        let (left, right) = (&gemm.left, &gemm.right);
        // SAFETY: as the caller promises; the numbers are read before the call returns.
        let status = unsafe {
            (self.gemm)(
                handle,
                turned(left),
                turned(right),
                gemm.rows,
                gemm.columns,
                gemm.inner,
                one,
                b as *const c_void,
                kind,
                left.stride,
                left.step,
                a as *const c_void,
                kind,
                right.stride,
                right.step,
                zero,
                y as *mut c_void,
                kind,
                gemm.stride,
                gemm.step,
                gemm.count,
                compute,
                CHOOSES,
            )
        };
        told("cublasGemmStridedBatchedEx", status)
    }
}

/// The `cudaDataType` of elements, and the `cublasComputeType_t`: f32 for halves, too, and never
/// TF32.
fn types(dtype: DType) -> (c_int, c_int) {
    const COMPUTE_32F: c_int = 68;
    const COMPUTE_64F: c_int = 70;
    match dtype {
        DType::F16 => (2, COMPUTE_32F),
        DType::BF16 => (14, COMPUTE_32F),
        DType::F64 => (1, COMPUTE_64F),
        _ => (0, COMPUTE_32F),
    }
}

fn told(what: &str, status: Status) -> Result<(), String> {
    if status == 0 { Ok(()) } else { Err(format!("{what} answers {status}")) }
}
