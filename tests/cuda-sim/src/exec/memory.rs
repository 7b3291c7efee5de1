//! Loads and stores of a warp.

use super::block::Shared;
use super::fault::{BadAccess, Trap};
use super::regs::{LANES, Lane, each_lane};
use super::warp::Warp;
use crate::exec::alu::ty::Ty;
use crate::ir::program::{Access, Address, NONE};
use crate::ptx::ast::Space;

/// Generic addresses of a block's shared memory start here.
pub const SHARED_WINDOW: u64 = 0x0f00_0000_0000;
/// Generic addresses of a thread's own memory start here.
pub const LOCAL_WINDOW: u64 = 0x0e00_0000_0000;
/// Generic addresses of a kernel's arguments start here.
pub const PARAM_WINDOW: u64 = 0x0d00_0000_0000;

/// Windows are this long.
const WINDOW: u64 = 1 << 32;

/// What is added to an address of a space to make it generic.
pub fn window(space: Space) -> u64 {
    match space {
        Space::Shared => SHARED_WINDOW,
        Space::Local => LOCAL_WINDOW,
        Space::Param => PARAM_WINDOW,
        _ => 0,
    }
}

/// The space of a generic address, and the address in it.
pub fn split(address: u64) -> (Space, u64) {
    for (space, base) in
        [(Space::Shared, SHARED_WINDOW), (Space::Local, LOCAL_WINDOW), (Space::Param, PARAM_WINDOW)]
    {
        if let Some(at) = address.checked_sub(base)
            && at < WINDOW
        {
            return (space, at);
        }
    }
    (Space::Global, address)
}

/// Addresses by lane.
pub type Addresses = [u64; LANES];

impl Warp {
    /// The addresses of the lanes of `mask`.
    #[inline(always)]
    pub(super) fn addresses(&self, address: &Address, mask: u32) -> Addresses {
        let mut out = [0; LANES];
        let frame = if address.frame { u64::from(self.frame.local) } else { 0 };
        let offset = frame.wrapping_add_signed(address.offset);
        // SAFETY: the lowering named a register of this frame and its width.
        unsafe {
            if address.wide {
                let base = self.regs.cell::<u64>(address.base);
                each_lane(mask, |lane| out[lane] = (*base.add(lane)).wrapping_add(offset));
            } else {
                let base = self.regs.cell::<u32>(address.base);
                each_lane(mask, |lane| out[lane] = u64::from(*base.add(lane)).wrapping_add(offset));
            }
        }
        out
    }

    /// The byte behind one lane's address.
    #[inline]
    pub(super) fn byte(
        &mut self,
        shared: &mut Shared<'_>,
        space: Space,
        address: u64,
        bytes: u64,
        lane: usize,
        write: bool,
    ) -> Result<*mut u8, BadAccess> {
        let (space, at) = match space {
            Space::Generic | Space::Const => split(address),
            space => (space, address),
        };
        let bad = |what: &str| BadAccess {
            address,
            bytes,
            write,
            what: what.to_owned(),
            misaligned: false,
        };
        if at & (bytes - 1) != 0 {
            let what = format!("not a multiple of {bytes}");
            return Err(BadAccess { misaligned: true, ..bad(&what) });
        }
        match space {
            Space::Shared => {
                let end = at.checked_add(bytes);
                if end.is_none_or(|end| end > shared.memory.len() as u64 * 8) {
                    let size = shared.memory.len() * 8;
                    return Err(bad(&format!("the block has {size} bytes of shared memory")));
                }
                Ok(shared.memory.as_mut_ptr().cast::<u8>().wrapping_add(at as usize))
            }
            Space::Local => {
                let end = at.checked_add(bytes);
                if end.is_none_or(|end| end > self.local_stride as u64) {
                    return Err(bad("outside the thread's own memory"));
                }
                let place = lane * self.local_stride + at as usize;
                Ok(self.local.as_mut_ptr().cast::<u8>().wrapping_add(place))
            }
            Space::Param => {
                let end = at.checked_add(bytes);
                if write || end.is_none_or(|end| end > shared.params.len() as u64 * 8) {
                    return Err(bad("outside the kernel's arguments"));
                }
                Ok(shared.params.as_ptr().cast::<u8>().cast_mut().wrapping_add(at as usize))
            }
            _ => shared.view.resolve(address, bytes, write),
        }
    }

    /// Runs a load.
    pub(super) fn load(
        &mut self,
        shared: &mut Shared<'_>,
        access: &Access,
        mask: u32,
    ) -> Result<(), Trap> {
        match (access.ty, access.wide) {
            (Ty::U8, false) => self.load_as::<u8, u8>(shared, access, mask),
            (Ty::S8, false) => self.load_as::<i8, i8>(shared, access, mask),
            (Ty::S16, false) => self.load_as::<i16, i32>(shared, access, mask),
            (Ty::U16 | Ty::F16 | Ty::Bf16, false) => self.load_as::<u16, u16>(shared, access, mask),
            (_, false) => self.load_as::<u32, u32>(shared, access, mask),
            (Ty::U8, true) => self.load_as::<u8, u64>(shared, access, mask),
            (Ty::S8, true) => self.load_as::<i8, i64>(shared, access, mask),
            (Ty::U16 | Ty::F16 | Ty::Bf16, true) => self.load_as::<u16, u64>(shared, access, mask),
            (Ty::S16, true) => self.load_as::<i16, i64>(shared, access, mask),
            (Ty::S32, true) => self.load_as::<i32, i64>(shared, access, mask),
            (Ty::U32 | Ty::F32 | Ty::F16x2 | Ty::Bf16x2, true) => {
                self.load_as::<u32, u64>(shared, access, mask)
            }
            (_, true) => self.load_as::<u64, u64>(shared, access, mask),
        }
    }

    /// Loads `M`s into registers of `R`.
    fn load_as<M: Copy, R: Lane + From<M>>(
        &mut self,
        shared: &mut Shared<'_>,
        access: &Access,
        mask: u32,
    ) -> Result<(), Trap> {
        if access.space == Space::Param && self.load_uniform::<M, R>(shared, access, mask) {
            return Ok(());
        }
        let each = size_of::<M>() as u64;
        let bytes = each * u64::from(access.count);
        let addresses = self.addresses(&access.address, mask);
        self.note(shared, access.space, &addresses, bytes, mask, false)?;
        if let Some(delta) = shared.together(access.space, &addresses, bytes, mask, false) {
            if access.count == 1 && access.regs[0] != NONE {
                // SAFETY: the lowering named a register of this frame, and all lanes' bytes lie in
                // one allocation, aligned.
                unsafe {
                    let out = self.regs.cell::<R::Cell>(access.regs[0]);
                    each_lane(mask, |lane| {
                        let from = (addresses[lane] as *const M).wrapping_byte_offset(delta);
                        *out.add(lane) = R::from(*from).put();
                    });
                }
                return Ok(());
            }
            each_lane(mask, |lane| {
                let from = (addresses[lane] as *const M).wrapping_byte_offset(delta);
                // SAFETY: all lanes' bytes lie in one allocation, aligned.
                unsafe { self.fill::<M, R>(access, lane, from) };
            });
            return Ok(());
        }
        let mut rest = mask;
        while rest != 0 {
            let lane = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let from = self
                .byte(shared, access.space, addresses[lane], bytes, lane, false)
                .map_err(|bad| Trap::Access(bad, lane as u32))?;
            // SAFETY: `byte` checked range and alignment.
            unsafe { self.fill::<M, R>(access, lane, from.cast::<M>()) };
        }
        Ok(())
    }

    /// # Safety
    /// `from` points to the access's elements.
    #[inline(always)]
    unsafe fn fill<M: Copy, R: Lane + From<M>>(
        &mut self,
        access: &Access,
        lane: usize,
        from: *const M,
    ) {
        for at in 0..access.count as usize {
            let reg = access.regs[at];
            if reg != NONE {
                // SAFETY: the caller checked the bytes, the lowering the registers.
                unsafe { self.regs.put::<R>(reg, lane, R::from(*from.add(at))) };
            }
        }
    }

    /// Arguments are the same for all lanes: one read serves them.
    fn load_uniform<M: Copy, R: Lane + From<M>>(
        &mut self,
        shared: &Shared<'_>,
        access: &Access,
        mask: u32,
    ) -> bool {
        let first = mask.trailing_zeros() as usize;
        let addresses = self.addresses(&access.address, mask);
        let same = (0..LANES).all(|l| mask >> l & 1 == 0 || addresses[l] == addresses[first]);
        let bytes = size_of::<M>() * access.count as usize;
        let at = addresses[first] as usize;
        if !same || !at.is_multiple_of(size_of::<M>()) || at + bytes > shared.params.len() * 8 {
            return false;
        }
        let from = shared.params.as_ptr().cast::<u8>().wrapping_add(at).cast::<M>();
        // SAFETY: the range was checked just above.
        each_lane(mask, |lane| unsafe { self.fill::<M, R>(access, lane, from) });
        true
    }

    /// Runs a store.
    pub(super) fn store(
        &mut self,
        shared: &mut Shared<'_>,
        access: &Access,
        mask: u32,
    ) -> Result<(), Trap> {
        match (access.ty.bytes(), access.wide) {
            (1, false) => self.store_as(shared, access, mask, |cell: u32| cell as u8),
            (2, false) => self.store_as(shared, access, mask, |cell: u32| cell as u16),
            (_, false) => self.store_as(shared, access, mask, |cell: u32| cell),
            (1, true) => self.store_as(shared, access, mask, |cell: u64| cell as u8),
            (2, true) => self.store_as(shared, access, mask, |cell: u64| cell as u16),
            (4, true) => self.store_as(shared, access, mask, |cell: u64| cell as u32),
            (_, true) => self.store_as(shared, access, mask, |cell: u64| cell),
        }
    }

    fn store_as<R: Lane, M: Copy>(
        &mut self,
        shared: &mut Shared<'_>,
        access: &Access,
        mask: u32,
        narrow: impl Fn(R) -> M,
    ) -> Result<(), Trap> {
        let bytes = size_of::<M>() as u64 * u64::from(access.count);
        let addresses = self.addresses(&access.address, mask);
        self.note(shared, access.space, &addresses, bytes, mask, true)?;
        let delta = shared.together(access.space, &addresses, bytes, mask, true);
        if let (Some(delta), 1) = (delta, access.count) {
            // SAFETY: as for loads.
            unsafe {
                let from = self.regs.cell::<R::Cell>(access.regs[0]);
                each_lane(mask, |lane| {
                    let to = (addresses[lane] as *mut M).wrapping_byte_offset(delta);
                    *to = narrow(R::get(*from.add(lane)));
                });
            }
            return Ok(());
        }
        let mut rest = mask;
        while rest != 0 {
            let lane = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            let to = match delta {
                Some(delta) => (addresses[lane] as *mut u8).wrapping_offset(delta),
                None => self
                    .byte(shared, access.space, addresses[lane], bytes, lane, true)
                    .map_err(|bad| Trap::Access(bad, lane as u32))?,
            }
            .cast::<M>();
            for at in 0..access.count as usize {
                // SAFETY: the range was checked, the lowering named the registers.
                unsafe { *to.add(at) = narrow(self.regs.get::<R>(access.regs[at], lane)) };
            }
        }
        Ok(())
    }

    /// Tells the detector of races about accesses to shared memory.
    #[inline(always)]
    pub(super) fn note(
        &mut self,
        shared: &mut Shared<'_>,
        space: Space,
        addresses: &Addresses,
        bytes: u64,
        mask: u32,
        write: bool,
    ) -> Result<(), Trap> {
        if shared.races.is_none() || !matches!(space, Space::Shared | Space::Generic) {
            return Ok(());
        }
        self.note_slowly(shared, space, addresses, bytes, mask, write)
    }

    #[cold]
    fn note_slowly(
        &mut self,
        shared: &mut Shared<'_>,
        space: Space,
        addresses: &Addresses,
        bytes: u64,
        mask: u32,
        write: bool,
    ) -> Result<(), Trap> {
        let (warp, line) = (self.index, self.line);
        let mut found = None;
        if let Some(races) = &mut shared.races {
            each_lane(mask, |lane| {
                let (space, at) = if space == Space::Shared {
                    (space, addresses[lane])
                } else {
                    split(addresses[lane])
                };
                if space == Space::Shared && found.is_none() {
                    found = races.access(warp, lane, at, bytes, write, line);
                }
            });
        }
        match found {
            Some(text) => shared.race_found(text),
            None => Ok(()),
        }
    }
}
