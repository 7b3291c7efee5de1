//! Codes, and how functions are exported.

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A code other than success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u32);

impl Code {
    pub const UNINITIALIZED: Self = Self(1);
    pub const INVALID_ARGUMENT: Self = Self(2);
    pub const NOT_SUPPORTED: Self = Self(3);
    pub const NOT_FOUND: Self = Self(6);
    pub const INSUFFICIENT_SIZE: Self = Self(7);
    pub const TIMEOUT: Self = Self(10);
    pub const GPU_IS_LOST: Self = Self(15);
    pub const UNKNOWN: Self = Self(999);

    /// What it says.
    pub fn text(self) -> &'static CStr {
        match self.0 {
            0 => c"Success",
            1 => c"Uninitialized",
            2 => c"Invalid Argument",
            3 => c"Not Supported",
            6 => c"Not Found",
            7 => c"Insufficient Size",
            10 => c"Timeout",
            15 => c"GPU is lost",
            _ => c"Unknown Error",
        }
    }
}

/// Runs an exported function's body: panics become a code.
pub fn guarded(body: impl FnOnce() -> Result<(), Code>) -> u32 {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => 0,
        Ok(Err(code)) => code.0,
        Err(_) => Code::UNKNOWN.0,
    }
}

/// Writes a result through a pointer; null is refused.
///
/// # Safety
/// `to` is null or valid for a write.
pub unsafe fn give<T>(to: *mut T, value: T) -> Result<(), Code> {
    if to.is_null() {
        return Err(Code::INVALID_ARGUMENT);
    }
    // SAFETY: it is not null, and the caller vouches for the rest.
    unsafe { to.write(value) };
    Ok(())
}

/// Writes a text with its zero byte.
///
/// # Safety
/// `to` is null or valid for `len` bytes.
pub unsafe fn give_text(to: *mut std::ffi::c_char, len: u32, text: &str) -> Result<(), Code> {
    if to.is_null() {
        return Err(Code::INVALID_ARGUMENT);
    }
    if (len as usize) <= text.len() {
        return Err(Code::INSUFFICIENT_SIZE);
    }
    // SAFETY: there is room for the text and the zero.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), to.cast::<u8>(), text.len());
        *to.add(text.len()) = 0;
    }
    Ok(())
}

/// Exports C functions whose bodies give a `Result<(), Code>`.
macro_rules! api {
    ($($(#[$meta:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block)*) => {
        $(
            $(#[$meta])*
            ///
            /// # Safety
            /// As NVML's function of this name: pointers are valid for what is read or written.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($arg: $ty),*) -> u32 {
                // Bodies are unsafe as a whole: not each of them needs it.
                #[allow(unused_unsafe)]
                // SAFETY: the caller keeps the contract of NVML's function.
                let body = || -> Result<(), $crate::code::Code> { unsafe { $body } };
                $crate::code::guarded(body)
            }
        )*
    };
}
pub(crate) use api;
