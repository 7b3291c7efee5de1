//! Tensor-core instructions: `mma`, `ldmatrix`, `stmatrix`, `movmatrix`.
//!
//! Lane `l` belongs to group `g = l / 4` and is its thread `t = l % 4`; which elements of a matrix a
//! lane holds follows PTX's tables. Sums are made in double precision and rounded once: real devices
//! round differently in the last bits.

use half::{bf16, f16};

use super::block::Shared;
use super::fault::Trap;
use super::regs::{LANES, each_lane};
use super::warp::Warp;
use crate::ir::program::{LdMatrix, MatrixTy, Mma};

const M: usize = 16;
const N: usize = 8;
const MAX_K: usize = 32;

impl MatrixTy {
    /// Elements in a register.
    fn per_register(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::S8 | Self::U8 => 4,
            Self::Tf32 | Self::F64 => 1,
        }
    }

    fn element(self, bits: u32, at: usize) -> f64 {
        match self {
            Self::F16 => f16::from_bits((bits >> (16 * at)) as u16).to_f64(),
            Self::Bf16 => bf16::from_bits((bits >> (16 * at)) as u16).to_f64(),
            Self::S8 => f64::from((bits >> (8 * at)) as i8),
            Self::U8 => f64::from((bits >> (8 * at)) as u8),
            // The unit ignores the lower 13 bits.
            Self::Tf32 | Self::F64 => f64::from(f32::from_bits(bits & !0x1fff)),
        }
    }
}

impl Warp {
    fn reg32(&self, at: u32, lane: usize) -> u32 {
        self.get_sized(at, false, lane) as u32
    }

    /// D = A B + C on 16 x 8 elements.
    pub(super) fn mma(&mut self, mma: &Mma) {
        let k = mma.k as usize;
        let (mut a, mut b) = ([[0f64; MAX_K]; M], [[0f64; N]; MAX_K]);
        let per = mma.a_ty.per_register();
        let halves = k / (4 * per);
        for lane in 0..LANES {
            let (g, t) = (lane / 4, lane % 4);
            for half in 0..halves {
                for rows in 0..2 {
                    let bits = self.reg32(mma.a[half * 2 + rows], lane);
                    for at in 0..per {
                        let column = half * 4 * per + t * per + at;
                        a[g + 8 * rows][column] = mma.a_ty.element(bits, at);
                    }
                }
                let bits = self.reg32(mma.b[half], lane);
                for at in 0..per {
                    b[half * 4 * per + t * per + at][g] = mma.b_ty.element(bits, at);
                }
            }
        }
        let dot =
            |row: usize, column: usize| (0..k).map(|at| a[row][at] * b[at][column]).sum::<f64>();
        let integer = matches!(mma.a_ty, MatrixTy::S8 | MatrixTy::U8);
        for lane in 0..LANES {
            let (g, t) = (lane / 4, lane % 4);
            for rows in 0..2 {
                let sums = [dot(g + 8 * rows, 2 * t), dot(g + 8 * rows, 2 * t + 1)];
                if mma.half_sums {
                    let bits = self.reg32(mma.c[rows], lane);
                    let made = [0, 1].map(|at| {
                        let c = f16::from_bits((bits >> (16 * at)) as u16).to_f64();
                        u32::from(f16::from_f64(sums[at] + c).to_bits()) << (16 * at)
                    });
                    self.put_sized(mma.d[rows], false, lane, (made[0] | made[1]).into());
                    continue;
                }
                for (at, sum) in sums.into_iter().enumerate() {
                    let bits = self.reg32(mma.c[rows * 2 + at], lane);
                    let made = if integer {
                        (bits as i32).wrapping_add(sum as i64 as i32) as u32
                    } else {
                        ((sum + f64::from(f32::from_bits(bits))) as f32).to_bits()
                    };
                    self.put_sized(mma.d[rows * 2 + at], false, lane, made.into());
                }
            }
        }
    }

    /// Loads or stores 8 x 8 matrices whose rows' addresses lanes give.
    pub(super) fn ldmatrix(
        &mut self,
        shared: &mut Shared<'_>,
        op: &LdMatrix,
        mask: u32,
    ) -> Result<(), Trap> {
        let rows = 8 * op.count as usize;
        let givers = mask & ((1u64 << rows) - 1) as u32;
        let addresses = self.addresses(&op.address, givers);
        self.note(shared, op.space, &addresses, 16, givers, op.store)?;
        let mut places = [std::ptr::null_mut::<u16>(); LANES];
        for lane in 0..rows {
            places[lane] = self
                .byte(shared, op.space, addresses[lane], 16, lane, op.store)
                .map_err(|bad| Trap::Access(bad, lane as u32))?
                .cast();
        }
        for matrix in 0..op.count as usize {
            each_lane(mask, |lane| {
                let element = |at: usize| {
                    let (row, column) = (lane / 4, lane % 4 * 2 + at);
                    let (row, column) = if op.trans { (column, row) } else { (row, column) };
                    places[matrix * 8 + row].wrapping_add(column)
                };
                let reg = op.regs[matrix];
                // SAFETY: every row's 16 bytes were checked.
                unsafe {
                    if op.store {
                        let bits = self.reg32(reg, lane);
                        *element(0) = bits as u16;
                        *element(1) = (bits >> 16) as u16;
                    } else {
                        let bits = u64::from(*element(0)) | u64::from(*element(1)) << 16;
                        self.put_sized(reg, false, lane, bits);
                    }
                }
            });
        }
        Ok(())
    }

    /// Transposes an 8 x 8 matrix spread over the lanes.
    pub(super) fn movmatrix(&mut self, d: u32, a: u32) {
        let mut matrix = [[0u16; 8]; 8];
        for lane in 0..LANES {
            let bits = self.reg32(a, lane);
            matrix[lane / 4][lane % 4 * 2] = bits as u16;
            matrix[lane / 4][lane % 4 * 2 + 1] = (bits >> 16) as u16;
        }
        for lane in 0..LANES {
            let element = |at: usize| u64::from(matrix[lane % 4 * 2 + at][lane / 4]);
            self.put_sized(d, false, lane, element(0) | element(1) << 16);
        }
    }
}
