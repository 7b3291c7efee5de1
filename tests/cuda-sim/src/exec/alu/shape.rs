//! Macros that make one function per operation and type.

/// `d = f(a)`, with `x` the instruction's detail.
macro_rules! un {
    (|$a:ident: $A:ty| -> $D:ident $body:expr) => { un!(_x; |$a: $A| -> $D $body) };
    ($x:ident; |$a:ident: $A:ty| -> $D:ident $body:expr) => {{
        unsafe fn run(regs: &mut crate::exec::regs::Regs, args: &crate::exec::regs::Args, mask: u32) {
            let $x = args.x;
            // SAFETY: the lowering chose this function for registers of these types.
            unsafe { crate::exec::regs::map1::<$A, $D>(regs, args, mask, |$a| $body) }
        }
        run as crate::exec::regs::AluFn
    }};
}

/// `d = f(a, b)`.
macro_rules! bin {
    (|$a:ident: $A:ty, $b:ident: $B:ty| -> $D:ident $body:expr) => {
        bin!(_x; |$a: $A, $b: $B| -> $D $body)
    };
    ($x:ident; |$a:ident: $A:ty, $b:ident: $B:ty| -> $D:ident $body:expr) => {{
        unsafe fn run(regs: &mut crate::exec::regs::Regs, args: &crate::exec::regs::Args, mask: u32) {
            let $x = args.x;
            // SAFETY: the lowering chose this function for registers of these types.
            unsafe { crate::exec::regs::map2::<$A, $B, $D>(regs, args, mask, |$a, $b| $body) }
        }
        run as crate::exec::regs::AluFn
    }};
}

/// `d = f(a, b, c)`.
macro_rules! ter {
    (|$a:ident: $A:ty, $b:ident: $B:ty, $c:ident: $C:ty| -> $D:ident $body:expr) => {
        ter!(_x; |$a: $A, $b: $B, $c: $C| -> $D $body)
    };
    ($x:ident; |$a:ident: $A:ty, $b:ident: $B:ty, $c:ident: $C:ty| -> $D:ident $body:expr) => {{
        unsafe fn run(regs: &mut crate::exec::regs::Regs, args: &crate::exec::regs::Args, mask: u32) {
            let $x = args.x;
            // SAFETY: the lowering chose this function for registers of these types.
            unsafe {
                crate::exec::regs::map3::<$A, $B, $C, $D>(regs, args, mask, |$a, $b, $c| $body)
            }
        }
        run as crate::exec::regs::AluFn
    }};
}

/// Like the others, compiled a second time for processors with AVX2 and FMA.
macro_rules! fast {
    ($map:ident::<$($T:ty),*>, |$($v:ident),*| $body:expr) => {{
        unsafe fn plain(regs: &mut crate::exec::regs::Regs, args: &crate::exec::regs::Args, mask: u32) {
            // SAFETY: the lowering chose this function for registers of these types.
            unsafe { crate::exec::regs::$map::<$($T),*>(regs, args, mask, |$($v),*| $body) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn wide(regs: &mut crate::exec::regs::Regs, args: &crate::exec::regs::Args, mask: u32) {
            // SAFETY: as above; the processor has the features, or `plain` was chosen.
            unsafe { crate::exec::regs::$map::<$($T),*>(regs, args, mask, |$($v),*| $body) }
        }
        #[cfg(target_arch = "x86_64")]
        let chosen = if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            wide as crate::exec::regs::AluFn
        } else {
            plain as crate::exec::regs::AluFn
        };
        #[cfg(not(target_arch = "x86_64"))]
        let chosen = plain as crate::exec::regs::AluFn;
        chosen
    }};
}
