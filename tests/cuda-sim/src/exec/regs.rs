//! A warp's registers: cells of 32 lanes side by side, so that one instruction is one loop over lanes.

use half::{bf16, f16};

/// Lanes of a warp.
pub const LANES: usize = 32;

/// All lanes.
pub const FULL: u32 = u32::MAX;

/// What an arithmetic instruction works on: places in the register file, counted in 32-bit words, or
/// numbers of predicates. Immediates and special registers live in registers too.
#[derive(Clone, Copy, Debug, Default)]
pub struct Args {
    /// The result.
    pub d: u32,
    /// First operand.
    pub a: u32,
    /// Second operand.
    pub b: u32,
    /// Third operand.
    pub c: u32,
    /// A detail, such as a second result or a mode.
    pub x: u32,
}

/// An arithmetic instruction over the lanes of a mask.
pub type AluFn = unsafe fn(&mut Regs, &Args, u32);

/// The registers of the function a warp is in.
#[derive(Clone, Copy, Debug)]
pub struct Regs {
    /// The frame's first cell.
    pub words: *mut u32,
    /// The frame's first predicate: a bit for each lane.
    pub preds: *mut u32,
    /// The carry flags.
    pub carry: u32,
}

/// The storage of a register in one lane.
pub trait Cell: Copy + Default {
    /// 32-bit words in a lane.
    const WORDS: usize;
}

impl Cell for u32 {
    const WORDS: usize = 1;
}

impl Cell for u64 {
    const WORDS: usize = 2;
}

/// A type that instructions compute with.
pub trait Lane: Copy {
    /// How it is stored.
    type Cell: Cell;
    /// Reads it.
    fn get(cell: Self::Cell) -> Self;
    /// Writes it, with zeros above.
    fn put(self) -> Self::Cell;
}

macro_rules! lane {
    ($ty:ty, $cell:ty, |$c:ident| $get:expr, |$v:ident| $put:expr) => {
        impl Lane for $ty {
            type Cell = $cell;
            #[inline(always)]
            fn get($c: $cell) -> Self {
                $get
            }
            #[inline(always)]
            fn put(self) -> $cell {
                let $v = self;
                $put
            }
        }
    };
}

lane!(u8, u32, |c| c as u8, |v| u32::from(v));
lane!(i8, u32, |c| c as i8, |v| v as i32 as u32);
lane!(u16, u32, |c| c as u16, |v| u32::from(v));
lane!(i16, u32, |c| c as i16, |v| u32::from(v as u16));
lane!(u32, u32, |c| c, |v| v);
lane!(i32, u32, |c| c as i32, |v| v as u32);
lane!(f32, u32, |c| f32::from_bits(c), |v| v.to_bits());
lane!(f16, u32, |c| f16::from_bits(c as u16), |v| u32::from(v.to_bits()));
lane!(bf16, u32, |c| bf16::from_bits(c as u16), |v| u32::from(v.to_bits()));
lane!(u64, u64, |c| c, |v| v);
lane!(i64, u64, |c| c as i64, |v| v as u64);
lane!(f64, u64, |c| f64::from_bits(c), |v| v.to_bits());

impl Regs {
    /// The lanes of a register.
    ///
    /// # Safety
    /// `at` is a place of this frame that holds a register of this width.
    #[inline(always)]
    pub unsafe fn cell<C: Cell>(&self, at: u32) -> *mut C {
        // SAFETY: the caller names a register of the frame.
        unsafe { self.words.add(at as usize).cast() }
    }

    /// One lane of a register.
    ///
    /// # Safety
    /// As for [`Regs::cell`].
    #[inline(always)]
    pub unsafe fn get<T: Lane>(&self, at: u32, lane: usize) -> T {
        // SAFETY: the caller names a register of the frame, and lanes are below 32.
        unsafe { T::get(*self.cell::<T::Cell>(at).add(lane)) }
    }

    /// Writes one lane of a register.
    ///
    /// # Safety
    /// As for [`Regs::cell`].
    #[inline(always)]
    pub unsafe fn put<T: Lane>(&mut self, at: u32, lane: usize, value: T) {
        // SAFETY: the caller names a register of the frame, and lanes are below 32.
        unsafe { *self.cell::<T::Cell>(at).add(lane) = value.put() }
    }

    /// A predicate's bits.
    ///
    /// # Safety
    /// `at` is a predicate of this frame.
    #[inline(always)]
    pub unsafe fn pred(&self, at: u32) -> u32 {
        // SAFETY: the caller names a predicate of the frame.
        unsafe { *self.preds.add(at as usize) }
    }

    /// Writes a predicate in the lanes of `mask`.
    ///
    /// # Safety
    /// `at` is a predicate of this frame.
    #[inline(always)]
    pub unsafe fn set_pred(&mut self, at: u32, bits: u32, mask: u32) {
        // SAFETY: the caller names a predicate of the frame.
        unsafe {
            let place = self.preds.add(at as usize);
            *place = (*place & !mask) | (bits & mask);
        }
    }
}

/// Calls `f` for every lane of `mask`.
#[inline(always)]
pub fn each_lane(mask: u32, mut f: impl FnMut(usize)) {
    if mask == FULL {
        for lane in 0..LANES {
            f(lane);
        }
        return;
    }
    let mut rest = mask;
    while rest != 0 {
        f(rest.trailing_zeros() as usize);
        rest &= rest - 1;
    }
}

/// Writes `f(lane)` to the result's lanes of `mask`.
#[inline(always)]
unsafe fn write<D: Lane>(regs: &mut Regs, at: u32, mask: u32, f: impl Fn(usize) -> D) {
    // SAFETY: the caller names a register of the frame; results are made before they are written, so
    // an instruction may overwrite its operands.
    unsafe {
        let out = regs.cell::<D::Cell>(at);
        if mask == FULL {
            let mut made = [D::Cell::default(); LANES];
            for (lane, cell) in made.iter_mut().enumerate() {
                *cell = f(lane).put();
            }
            *out.cast::<[D::Cell; LANES]>() = made;
        } else {
            each_lane(mask, |lane| *out.add(lane) = f(lane).put());
        }
    }
}

/// `d = f(a)`.
///
/// # Safety
/// The places of `args` are registers of the frame with these types' widths.
#[inline(always)]
pub unsafe fn map1<A: Lane, D: Lane>(regs: &mut Regs, args: &Args, mask: u32, f: impl Fn(A) -> D) {
    // SAFETY: as for the caller.
    unsafe {
        let a = regs.cell::<A::Cell>(args.a);
        write(regs, args.d, mask, |lane| f(A::get(*a.add(lane))));
    }
}

/// `d = f(a, b)`.
///
/// # Safety
/// As for [`map1`].
#[inline(always)]
pub unsafe fn map2<A: Lane, B: Lane, D: Lane>(
    regs: &mut Regs,
    args: &Args,
    mask: u32,
    f: impl Fn(A, B) -> D,
) {
    // SAFETY: as for the caller.
    unsafe {
        let (a, b) = (regs.cell::<A::Cell>(args.a), regs.cell::<B::Cell>(args.b));
        write(regs, args.d, mask, |lane| f(A::get(*a.add(lane)), B::get(*b.add(lane))));
    }
}

/// `d = f(a, b, c)`.
///
/// # Safety
/// As for [`map1`].
#[inline(always)]
pub unsafe fn map3<A: Lane, B: Lane, C: Lane, D: Lane>(
    regs: &mut Regs,
    args: &Args,
    mask: u32,
    f: impl Fn(A, B, C) -> D,
) {
    // SAFETY: as for the caller.
    unsafe {
        let (a, b) = (regs.cell::<A::Cell>(args.a), regs.cell::<B::Cell>(args.b));
        let c = regs.cell::<C::Cell>(args.c);
        write(regs, args.d, mask, |lane| {
            f(A::get(*a.add(lane)), B::get(*b.add(lane)), C::get(*c.add(lane)))
        });
    }
}

/// The lanes where `f(a, b)` holds; all lanes are asked, so `f` must not fault.
///
/// # Safety
/// As for [`map1`].
#[inline(always)]
pub unsafe fn test2<A: Lane>(regs: &Regs, args: &Args, f: impl Fn(A, A) -> bool) -> u32 {
    // SAFETY: as for the caller.
    unsafe {
        let (a, b) = (regs.cell::<A::Cell>(args.a), regs.cell::<A::Cell>(args.b));
        let mut bits = 0;
        for lane in 0..LANES {
            bits |= u32::from(f(A::get(*a.add(lane)), A::get(*b.add(lane)))) << lane;
        }
        bits
    }
}
