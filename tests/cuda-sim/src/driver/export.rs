//! How functions are exported: no panic leaves them, and failures are codes.

/// Exports C functions whose bodies give a `Result<(), Code>`.
macro_rules! api {
    ($($(#[$meta:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block)*) => {
        $(
            $(#[$meta])*
            ///
            /// # Safety
            /// As the CUDA driver's function of this name: pointers are valid for what is read or
            /// written through them.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($arg: $ty),*) -> i32 {
                // Bodies are unsafe as a whole: not each of them needs it.
                #[allow(unused_unsafe)]
                // SAFETY: the caller keeps the contract of the driver's function.
                let body = || -> Result<(), $crate::driver::error::Code> { unsafe { $body } };
                $crate::driver::error::guarded(stringify!($name), body)
            }
        )*
    };
}
