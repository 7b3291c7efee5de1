//! Kernels that move elements and leave them as they are.

use bytemuck::Pod;
use drawloom_signature::axes::{normalise_axis, slice_bounds};

use crate::call::Call;
use crate::context::CHUNK;
use crate::{KernelError, Outputs};

/// How many bytes a core copies at a time.
const CHUNK_BYTES: usize = 8 * CHUNK;

/// A tensor as parts one after the other: all that goes with one place of the axes before.
struct Parts {
    /// Bytes that go with one place of the axis in a part.
    place_bytes: usize,
    extent: usize,
}

fn parts(call: &Call<'_>, input: usize) -> Result<Parts, KernelError> {
    let extents = call.extents(input);
    let axis = normalise_axis(call.arguments.int("axis"), extents.len())
        .ok_or_else(|| call.invalid("there is no such axis"))?;
    let element = call.dtype(input).size_bytes();
    let place_bytes = extents[axis + 1..].iter().copied().fold(element, usize::saturating_mul);
    Ok(Parts { place_bytes, extent: extents[axis] })
}

pub(crate) fn slice(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let parts = parts(call, 0)?;
    let (start, stop) = (call.arguments.int("start"), call.arguments.optional_int("stop"));
    let (start, stop) = slice_bounds(start, stop, parts.extent as u64)
        .ok_or_else(|| call.invalid("the part is not within the axis"))?;
    let (x, [y]) = (call.bytes(0), call.create_all(outputs)?);
    if y.is_empty() {
        return Ok(());
    }
    let (whole, from) = (parts.extent * parts.place_bytes, start as usize * parts.place_bytes);
    let wanted = (stop - start) as usize * parts.place_bytes;
    let parts_at_once = (CHUNK_BYTES / wanted).max(1);
    call.context.for_each(y.chunks_mut(parts_at_once * wanted).enumerate(), |(index, y)| {
        for (part, y) in (index * parts_at_once..).zip(y.chunks_exact_mut(wanted)) {
            y.copy_from_slice(&x[part * whole + from..][..wanted]);
        }
    })
}

pub(crate) fn concat(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let mut sources = Vec::new();
    for input in 0..call.input_count() {
        let parts = parts(call, input)?;
        sources.push((call.bytes(input), parts.extent.saturating_mul(parts.place_bytes)));
    }
    let [y] = call.create_all(outputs)?;
    if y.is_empty() {
        return Ok(());
    }
    let whole: usize = sources.iter().map(|(_, bytes)| bytes).sum();
    let parts_at_once = (CHUNK_BYTES / whole).max(1);
    call.context.for_each(y.chunks_mut(parts_at_once * whole).enumerate(), |(index, y)| {
        for (part, mut y) in (index * parts_at_once..).zip(y.chunks_exact_mut(whole)) {
            for (source, bytes) in &sources {
                let (here, rest) = y.split_at_mut(*bytes);
                here.copy_from_slice(&source[part * bytes..][..*bytes]);
                y = rest;
            }
        }
    })
}

pub(crate) fn reshape(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let (x, [y]) = (call.bytes(0), call.create_all(outputs)?);
    let chunks = y.chunks_mut(CHUNK_BYTES).zip(x.chunks(CHUNK_BYTES));
    call.context.for_each(chunks, |(y, x)| y.copy_from_slice(x))
}

pub(crate) fn transpose(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    match call.dtype(0).size_bytes() {
        1 => turn::<u8>(call, outputs),
        2 => turn::<u16>(call, outputs),
        4 => turn::<u32>(call, outputs),
        _ => turn::<u64>(call, outputs),
    }
}

/// Reorders the axes of elements of which only the size matters.
fn turn<T: Pod + Send + Sync>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
) -> Result<(), KernelError> {
    let extents = call.extents(0);
    let mut steps = vec![1; extents.len()];
    for axis in (1..extents.len()).rev() {
        steps[axis - 1] = extents[axis].saturating_mul(steps[axis]);
    }
    let order: Vec<usize> = match call.arguments.optional_ints("perm") {
        Some(perm) => perm.iter().map(|axis| *axis as usize).collect(),
        None => (0..extents.len()).rev().collect(),
    };
    // The result's axes, the innermost first: their extents, and their steps in x.
    let axes: Vec<(usize, usize)> =
        order.iter().rev().map(|axis| (extents[*axis], steps[*axis])).collect();
    let x = call.input::<T>(0);
    let y = call.create_one::<T>(outputs)?;
    if let [(row, step), (rows, 1), outer @ ..] = axes.as_slice()
        && rows.saturating_mul(*row) >= TILE * TILE
    {
        return turn_matrices(call, &x, y, [*rows, *row, *step], outer);
    }
    call.context.for_each(y.chunks_mut(CHUNK).enumerate(), |(index, y)| {
        let (row, step) = axes.first().copied().unwrap_or((1, 0));
        let mut at = 0;
        while at < y.len() {
            let element = index * CHUNK + at;
            let len = (y.len() - at).min(row - element % row);
            let from = offset(&axes, element);
            for (place, y) in y[at..at + len].iter_mut().enumerate() {
                *y = x[from + place * step];
            }
            at += len;
        }
    })
}

/// How many rows and columns of a matrix are turned at a time: what they touch stays in the
/// fastest cache, and of what is fetched nothing goes to waste.
const TILE: usize = 32;

/// Turns matrices one after the other: the result's rows are columns of x, in which neighbours are
/// `step` apart.
fn turn_matrices<T: Pod + Send + Sync>(
    call: &Call<'_>,
    x: &[T],
    y: &mut [T],
    [rows, row, step]: [usize; 3],
    outer: &[(usize, usize)],
) -> Result<(), KernelError> {
    if y.is_empty() {
        return Ok(());
    }
    let matrices = y.chunks_mut(rows * row).enumerate();
    let parts = matrices.flat_map(|(matrix, y)| {
        let first = offset(outer, matrix);
        y.chunks_mut(TILE * row).enumerate().map(move |(part, y)| (first + part * TILE, y))
    });
    call.context.for_each(parts, |(first, y)| {
        // By way of a tile, so that neighbours are read and written together: memory that is a
        // power of 2 apart shares few places of a cache.
        let mut tile = [[T::zeroed(); TILE]; TILE];
        let columns = y.len() / row;
        for start in (0..row).step_by(TILE) {
            let end = (start + TILE).min(row);
            for (place, tile) in (start..end).zip(&mut tile) {
                tile[..columns].copy_from_slice(&x[first + place * step..][..columns]);
            }
            for (column, y) in y.chunks_exact_mut(row).enumerate() {
                for (y, tile) in y[start..end].iter_mut().zip(&tile) {
                    *y = tile[column];
                }
            }
        }
    })
}

/// Where in x an element of the result comes from.
fn offset(axes: &[(usize, usize)], mut element: usize) -> usize {
    let mut offset = 0;
    for (extent, step) in axes {
        offset += element % extent * step;
        element /= extent;
    }
    offset
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use drawloom_model::{Attribute, Value};

    use crate::trial::{extents, made, numbers, random, tensor};

    fn int(name: &'static str, value: i64) -> (&'static str, Attribute) {
        (name, Attribute::Int(value))
    }

    #[test]
    fn slices_are_taken_along_any_axis() {
        let x = tensor(&[2, 3, 2], &(0..12).collect::<Vec<i32>>());
        let part = |given: &[_]| made("slice", given, from_ref(&x));
        assert_eq!(part(&[int("start", 1)]), tensor(&[1, 3, 2], &[6, 7, 8, 9, 10, 11]));
        let middle = part(&[int("axis", 1), int("start", 1), int("stop", 2)]);
        assert_eq!(middle, tensor(&[2, 1, 2], &[2, 3, 8, 9]));
        let last = part(&[int("axis", -1), int("start", -1)]);
        assert_eq!(last, tensor(&[2, 3, 1], &[1, 3, 5, 7, 9, 11]));
        assert_eq!(part(&[int("start", 2)]), tensor::<i32>(&[0, 3, 2], &[]));
    }

    #[test]
    fn what_is_sliced_is_joined_again() {
        for axis in 0..3 {
            let x = random::<f32>(&[7, 11, 13], axis);
            let cut = |start, stop| {
                let given = [int("axis", axis), int("start", start), int("stop", stop)];
                made("slice", &given, from_ref(&x))
            };
            let given = [int("axis", axis), int("start", 3)];
            let rest = made("slice", &given, from_ref(&x));
            let parts = [cut(0, 1), cut(1, 1), cut(1, 3), rest];
            assert_eq!(made("concat", &[int("axis", axis)], &parts), x);
        }
    }

    fn transposed(x: &Value, perm: &[usize]) -> Vec<f64> {
        let (old, x) = (extents(x), numbers(x));
        let new: Vec<u64> = perm.iter().map(|axis| old[*axis]).collect();
        let place = |mut element: u64| {
            let mut places = vec![0; old.len()];
            for (axis, extent) in perm.iter().zip(&new).rev() {
                places[*axis] = element % extent;
                element /= extent;
            }
            places.iter().zip(&old).fold(0, |offset, (place, extent)| offset * extent + place)
        };
        (0..x.len() as u64).map(|element| x[place(element) as usize]).collect()
    }

    #[test]
    fn axes_are_reordered() {
        let x = random::<i64>(&[40, 50, 60], 1);
        for perm in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]] {
            let given = [("perm", Attribute::Ints(perm.map(|axis| axis as i64).to_vec()))];
            let y = made("transpose", &given, from_ref(&x));
            assert_eq!(numbers(&y), transposed(&x, &perm));
        }
        for shape in [&[][..], &[0, 3], &[1, 5], &[300, 200]] {
            let x = random::<u8>(shape, 2);
            let reversed: Vec<usize> = (0..shape.len()).rev().collect();
            assert_eq!(numbers(&made("transpose", &[], from_ref(&x))), transposed(&x, &reversed));
        }
    }

    #[test]
    fn reshaping_keeps_the_elements() {
        let x = random::<f32>(&[600, 500], 1);
        let y = made("reshape", &[("shape", Attribute::Ints(vec![-1, 1000]))], from_ref(&x));
        assert_eq!((extents(&y), &y.data), (vec![300, 1000], &x.data));
    }
}
