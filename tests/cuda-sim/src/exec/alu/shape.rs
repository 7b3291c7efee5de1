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

/// The lanes' loop of [`fast`], written out: a closure would not be compiled for the same processor.
macro_rules! lanes_loop {
    ($regs:ident, $args:ident, $mask:ident, [$($v:ident: $T:ty = $place:ident),+] -> $D:ty, $body:expr) => {{
        use crate::exec::regs::{FULL, LANES, Lane};
        let out = $regs.cell::<<$D as Lane>::Cell>($args.d);
        $(let $place = $regs.cell::<<$T as Lane>::Cell>($args.$place).cast_const();)+
        if $mask == FULL {
            let mut made = [<<$D as Lane>::Cell as Default>::default(); LANES];
            for (lane, cell) in made.iter_mut().enumerate() {
                $(let $v = <$T as Lane>::get(*$place.add(lane));)+
                let value: $D = $body;
                *cell = value.put();
            }
            *out.cast() = made;
        } else {
            let mut rest = $mask;
            while rest != 0 {
                let lane = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                $(let $v = <$T as Lane>::get(*$place.add(lane));)+
                let value: $D = $body;
                *out.add(lane) = value.put();
            }
        }
    }};
}

/// Like the others, compiled a second time for processors with AVX2 and FMA.
macro_rules! fast {
    (map1::<$A:ty, $D:ty>, |$a:ident| $body:expr) => {
        fast!([$a: $A = a] -> $D, $body)
    };
    (map2::<$A:ty, $B:ty, $D:ty>, |$a:ident, $b:ident| $body:expr) => {
        fast!([$a: $A = a, $b: $B = b] -> $D, $body)
    };
    (map3::<$A:ty, $B:ty, $C:ty, $D:ty>, |$a:ident, $b:ident, $c:ident| $body:expr) => {
        fast!([$a: $A = a, $b: $B = b, $c: $C = c] -> $D, $body)
    };
    ([$($v:ident: $T:ty = $place:ident),+] -> $D:ty, $body:expr) => {{
        unsafe fn plain(regs: &mut crate::exec::regs::Regs, args: &crate::exec::regs::Args, mask: u32) {
            // SAFETY: the lowering chose this function for registers of these types.
            unsafe { lanes_loop!(regs, args, mask, [$($v: $T = $place),+] -> $D, $body) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        unsafe fn wide(regs: &mut crate::exec::regs::Regs, args: &crate::exec::regs::Args, mask: u32) {
            // SAFETY: as above; the processor has the features, or `plain` was chosen.
            unsafe { lanes_loop!(regs, args, mask, [$($v: $T = $place),+] -> $D, $body) }
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
