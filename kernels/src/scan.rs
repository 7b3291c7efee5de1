//! Running sums, products and extremes along an axis.

use bytemuck::Pod;
use drawloom_signature::axes::normalise_axis;

use crate::call::Call;
use crate::context::CHUNK;
use crate::element::{Number, for_numbers};
use crate::elementwise::Wide;
use crate::fold::Extent;
use crate::step::{Largest, Product, Smallest, Step, Sum};
use crate::wide::Widen;
use crate::{KernelError, Outputs};

pub(crate) fn scan(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_numbers!(call, call.dtype(0), T => match call.arguments.text("op") {
        "prod" => along::<T, Product<Wide<T>>, _>(call, outputs, T::total),
        "max" => along::<T, Largest<Wide<T>>, T>(call, outputs, T::narrow),
        "min" => along::<T, Smallest<Wide<T>>, T>(call, outputs, T::narrow),
        _ => along::<T, Sum<Wide<T>>, _>(call, outputs, T::total),
    })
}

fn along<T: Widen, S: Step<Item = T::Wide>, O: Pod + Send>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
    finish: impl Fn(S::Result) -> O + Copy + Sync,
) -> Result<(), KernelError> {
    let extents = call.extents(0);
    let axis = normalise_axis(call.arguments.int("axis"), extents.len())
        .ok_or_else(|| call.invalid("there is no such axis"))?;
    let (exclusive, reverse) = (call.arguments.bool("exclusive"), call.arguments.bool("reverse"));
    let way = Way {
        reverse,
        start: S::START,
        combine: S::combine,
        scan_row: &|y: &mut [O], x: &[T], carry: &mut [S::Result]| {
            for ((y, x), carry) in y.iter_mut().zip(x).zip(carry) {
                let before = *carry;
                *carry = S::step(before, x.wide());
                *y = finish(if exclusive { before } else { *carry });
            }
        },
        fold_row: |carry: &mut [S::Result], x: &[T]| {
            if let [carry] = carry {
                *carry = x.iter().fold(*carry, |carry, x| S::step(carry, x.wide()));
                return;
            }
            for (carry, x) in carry.iter_mut().zip(x) {
                *carry = S::step(*carry, x.wide());
            }
        },
        scan_line: &|y: &mut [O], x: &[T], carry: &mut S::Result| {
            let place = |(y, x): (&mut O, &T)| {
                let before = *carry;
                *carry = S::step(before, x.wide());
                *y = finish(if exclusive { before } else { *carry });
            };
            let places = y.iter_mut().zip(x);
            if reverse {
                places.rev().for_each(place);
            } else {
                places.for_each(place);
            }
        },
    };
    let x = call.input::<T>(0);
    let y = call.create_one::<O>(outputs)?;
    way.scan(call, &x, y, Extent::new(&extents, axis, axis + 1))
}

type ScanRow<'a, T, R, O> = &'a (dyn Fn(&mut [O], &[T], &mut [R]) + Sync);
type ScanLine<'a, T, R, O> = &'a (dyn Fn(&mut [O], &[T], &mut R) + Sync);

/// How places of the axis are taken, and in which order. Functions, so that what goes round them
/// is compiled once for all.
struct Way<'a, T, R, O> {
    reverse: bool,
    /// What the first place starts from.
    start: R,
    combine: fn(R, R) -> R,
    /// Makes a row of results, one for each carry.
    scan_row: ScanRow<'a, T, R, O>,
    /// Takes in a row without results; where there is one carry, all of it goes there.
    fold_row: fn(&mut [R], &[T]),
    /// Makes the results of a whole line where it is contiguous.
    scan_line: ScanLine<'a, T, R, O>,
}

impl<T: Sync, R: Copy + Send + Sync, O: Send> Way<'_, T, R, O> {
    fn scan(
        &self,
        call: &Call<'_>,
        x: &[T],
        y: &mut [O],
        extent: Extent,
    ) -> Result<(), KernelError> {
        let whole = extent.along.saturating_mul(extent.inner);
        if y.is_empty() {
            Ok(())
        } else if whole <= CHUNK {
            self.scan_many(call, x, y, extent)
        } else if extent.inner >= CHUNK {
            self.scan_wide(call, x, y, extent)
        } else {
            self.scan_long(call, x, y, extent)
        }
    }

    /// Many short scans: each core takes whole ones.
    fn scan_many(
        &self,
        call: &Call<'_>,
        x: &[T],
        y: &mut [O],
        Extent { along, inner, .. }: Extent,
    ) -> Result<(), KernelError> {
        let whole = along * inner;
        let chunk = CHUNK / whole * whole;
        call.context.for_each(y.chunks_mut(chunk).zip(x.chunks(chunk)), |(y, x)| {
            let mut carry = vec![self.start; inner];
            for (y, x) in y.chunks_mut(whole).zip(x.chunks(whole)) {
                carry.fill(self.start);
                self.scan_rows(y, x, &mut carry);
            }
        })
    }

    /// Scans of long rows: each core takes a part of every row.
    fn scan_wide(
        &self,
        call: &Call<'_>,
        x: &[T],
        y: &mut [O],
        Extent { along, inner, .. }: Extent,
    ) -> Result<(), KernelError> {
        let whole = along * inner;
        let mut carry = vec![self.start; inner];
        for (y, x) in y.chunks_mut(whole).zip(x.chunks(whole)) {
            carry.fill(self.start);
            for place in 0..along {
                let row = if self.reverse { along - 1 - place } else { place };
                let row = row * inner..(row + 1) * inner;
                let parts = y[row.clone()].chunks_mut(CHUNK).zip(x[row].chunks(CHUNK));
                call.context.for_each(parts.zip(carry.chunks_mut(CHUNK)), |((y, x), carry)| {
                    (self.scan_row)(y, x, carry);
                })?;
            }
        }
        Ok(())
    }

    /// Long scans: blocks of rows are folded first, which tells what each block starts from.
    /// Blocks are cut by the extents alone, so that results are the same however many cores take
    /// part.
    fn scan_long(
        &self,
        call: &Call<'_>,
        x: &[T],
        y: &mut [O],
        Extent { outer, along, inner }: Extent,
    ) -> Result<(), KernelError> {
        let (whole, block) = (along * inner, CHUNK / inner * inner);
        let blocks = whole.div_ceil(block);
        let mut carries = vec![self.start; outer * blocks * inner];
        let x_blocks = || x.chunks(whole).flat_map(|x| x.chunks(block));
        call.context.for_each(carries.chunks_mut(inner).zip(x_blocks()), |(carry, x)| {
            // A line is one row, whose elements all go to one carry.
            let row = if inner == 1 { x.len() } else { inner };
            for x in x.chunks(row) {
                (self.fold_row)(carry, x);
            }
        })?;
        for carries in carries.chunks_mut(blocks * inner) {
            self.start_from_earlier(carries, inner);
        }
        let y_blocks = y.chunks_mut(whole).flat_map(|y| y.chunks_mut(block));
        let parts = y_blocks.zip(x_blocks()).zip(carries.chunks_mut(inner));
        call.context.for_each(parts, |((y, x), carry)| self.scan_rows(y, x, carry))
    }

    /// Replaces the results of blocks by what each block starts from.
    fn start_from_earlier(&self, carries: &mut [R], inner: usize) {
        let blocks = carries.len() / inner;
        let mut earlier = vec![self.start; inner];
        for place in 0..blocks {
            let block = if self.reverse { blocks - 1 - place } else { place };
            for (carry, earlier) in carries[block * inner..][..inner].iter_mut().zip(&mut earlier) {
                let after = (self.combine)(*earlier, *carry);
                *carry = std::mem::replace(earlier, after);
            }
        }
    }

    /// Scans rows of as many elements as there are carries, which come from earlier rows and go
    /// on to later ones.
    fn scan_rows(&self, y: &mut [O], x: &[T], carry: &mut [R]) {
        if let [carry] = carry {
            return (self.scan_line)(y, x, carry);
        }
        let inner = carry.len();
        let row = |(y, x): (&mut [O], &[T])| (self.scan_row)(y, x, carry);
        let rows = y.chunks_exact_mut(inner).zip(x.chunks_exact(inner));
        if self.reverse { rows.rev().for_each(row) } else { rows.for_each(row) }
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use drawloom_model::{Attribute, Value};
    use half::f16;

    use crate::element::Number;
    use crate::trial::{assert_near, extents, made, numbers, random, refused, tensor};

    fn given(op: &str, axis: usize, exclusive: bool, reverse: bool) -> [(&str, Attribute); 4] {
        [
            ("op", Attribute::Text(op.to_owned())),
            ("axis", Attribute::Int(axis as i64)),
            ("exclusive", Attribute::Bool(exclusive)),
            ("reverse", Attribute::Bool(reverse)),
        ]
    }

    /// One place after the other, line by line.
    fn scanned(
        x: &Value,
        axis: usize,
        (start, step): (f64, fn(f64, f64) -> f64),
        exclusive: bool,
        reverse: bool,
    ) -> Vec<f64> {
        let (shape, elements) = (extents(x), numbers(x));
        let along = shape[axis] as usize;
        let inner: u64 = shape[axis + 1..].iter().product();
        let inner = inner as usize;
        let mut y = vec![0.0; elements.len()];
        for line in 0..elements.len() / along.max(1) {
            let mut result = start;
            for place in 0..along {
                let place = if reverse { along - 1 - place } else { place };
                let at = line / inner * along * inner + place * inner + line % inner;
                let before = result;
                result = step(result, elements[at]);
                y[at] = if exclusive { before } else { result };
            }
        }
        y
    }

    fn check<T: Number>(shape: &[u64], axis: usize, tolerance: f64) {
        let x = random::<T>(shape, 1);
        let low = if T::INTEGER { T::LOWEST.to_f64() } else { f64::NEG_INFINITY };
        type Rule = (f64, fn(f64, f64) -> f64);
        let ops: [(&str, Rule); 2] = [("sum", (0.0, |a, b| a + b)), ("max", (low, f64::max))];
        for (op, rule) in ops {
            for (exclusive, reverse) in [(false, false), (true, false), (false, true), (true, true)]
            {
                let given = given(op, axis, exclusive, reverse);
                let expected = scanned(&x, axis, rule, exclusive, reverse);
                assert_near(&made("scan", &given, from_ref(&x)), &expected, tolerance);
            }
        }
    }

    #[test]
    fn every_place_sees_those_before_it() {
        for (shape, axis) in [
            (&[7][..], 0),
            (&[0, 3], 0),
            (&[3, 0], 0),
            (&[1, 1, 1], 1),
            (&[100_003], 0),
            (&[3, 40_000, 2], 1),
            (&[300, 200], 1),
            (&[300, 200], 0),
            (&[3, 50_000], 0),
            (&[2, 3, 33_000], 1),
        ] {
            check::<i32>(shape, axis, 0.0);
            check::<f64>(shape, axis, 1e-9);
        }
        check::<f32>(&[2, 70_000], 1, 1e-5);
        check::<f16>(&[500], 0, 1e-2);
        check::<u8>(&[500, 3], 0, 0.0);
    }

    #[test]
    fn products_and_least_elements_run_too() {
        let x = tensor(&[4], &[3i32, -2, 5, -7]);
        let run = |op| made("scan", &given(op, 0, false, false), from_ref(&x));
        assert_eq!(run("prod"), tensor(&[4], &[3i64, -6, -30, 210]));
        assert_eq!(run("min"), tensor(&[4], &[3i32, -2, -2, -7]));
        let nan = tensor(&[3], &[1.0f32, f32::NAN, 2.0]);
        for op in ["sum", "prod", "max", "min"] {
            let y = made("scan", &given(op, 0, false, false), from_ref(&nan));
            assert_near(&y, &[1.0, f64::NAN, f64::NAN], 0.0);
        }
    }

    #[test]
    fn scalars_have_no_axis() {
        let message = refused("scan", &[], &[tensor(&[], &[1.0f32])]);
        assert_eq!(message, "scan, attribute axis: there is no axis -1 in f32[]");
    }
}
