//! Writing rows to where indices say.

use bytemuck::Pod;

use crate::call::Call;
use crate::context::CHUNK;
use crate::element::{Number, for_dtypes, for_numbers};
use crate::gather::checked_indices;
use crate::{KernelError, Outputs};

pub(crate) fn scatter(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let targets = targets(call)?;
    let (base, updates) = (call.bytes(0), call.bytes(2));
    let [y] = call.create_all(outputs)?;
    by_rows(call, y, &targets, |y, row, places| {
        let bytes = y.len();
        // Of several, the last stays.
        let (from, place) = places.last().map_or((base, row), |place| (updates, *place));
        y.copy_from_slice(&from[place * bytes..][..bytes]);
    })
}

pub(crate) fn scatter_add(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let targets = targets(call)?;
    for_numbers!(call, call.dtype(0), T => {
        let (base, updates) = (call.input::<T>(0), call.input::<T>(2));
        let y = call.create_one::<T>(outputs)?;
        by_rows(call, y, &targets, |y, row, places| add_rows(y, row, &base, &updates, places))
    })
}

/// Adds up a row and its updates in their order, in what elements are added up in.
fn add_rows<T: Number>(y: &mut [T], row: usize, base: &[T], updates: &[T], places: &[usize]) {
    let len = y.len();
    let base = &base[row * len..][..len];
    if places.is_empty() {
        y.copy_from_slice(base);
        return;
    }
    let mut sums: Vec<T::Sum> = base.iter().map(|x| x.add_to(T::EMPTY_SUM)).collect();
    for place in places {
        for (sum, x) in sums.iter_mut().zip(&updates[place * len..]) {
            *sum = x.add_to(*sum);
        }
    }
    for (y, sum) in y.iter_mut().zip(sums) {
        *y = T::of_sum(sum);
    }
}

/// The rows that updates go to.
fn targets(call: &Call<'_>) -> Result<Targets, KernelError> {
    let rows = call.extents(0)[0];
    let indices = for_dtypes!(call, call.dtype(1), [I32: i32, I64: i64], T => {
        checked_indices::<T>(call, 1, rows, "rows")
    })?;
    // Rows of nothing may be more than there is memory to list.
    Ok(if call.bytes(0).is_empty() { Targets::new(0, &[]) } else { Targets::new(rows, &indices) })
}

/// For each row, the places of the updates that go to it, in their order.
struct Targets {
    /// Where the places of each row begin, and where the last ones end.
    starts: Vec<usize>,
    places: Vec<usize>,
}

impl Targets {
    /// A counting sort of the updates' places by their rows.
    fn new(rows: usize, indices: &[usize]) -> Self {
        let mut starts = vec![0; rows + 1];
        for index in indices {
            starts[index + 1] += 1;
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut places = vec![0; indices.len()];
        for (place, index) in indices.iter().enumerate() {
            places[next[*index]] = place;
            next[*index] += 1;
        }
        Targets { starts, places }
    }

    fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    fn of(&self, row: usize) -> &[usize] {
        &self.places[self.starts[row]..self.starts[row + 1]]
    }
}

/// Makes each row of the result, by itself, from its number and its updates' places.
fn by_rows<T: Pod + Send>(
    call: &Call<'_>,
    y: &mut [T],
    targets: &Targets,
    make: impl Fn(&mut [T], usize, &[usize]) + Sync,
) -> Result<(), KernelError> {
    let Some(len) = y.len().checked_div(targets.rows()).filter(|len| *len > 0) else {
        return Ok(());
    };
    let rows_at_once = (CHUNK / len).max(1);
    call.context.for_each(y.chunks_mut(rows_at_once * len).enumerate(), |(chunk, y)| {
        for (row, y) in (chunk * rows_at_once..).zip(y.chunks_exact_mut(len)) {
            make(y, row, targets.of(row));
        }
    })
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use crate::element::Number;
    use crate::trial::{assert_near, made, numbers, random, refused, tensor};

    #[test]
    fn the_last_row_stays() {
        let base = tensor(&[4, 2], &[1u8, 2, 3, 4, 5, 6, 7, 8]);
        let rows = tensor(&[3, 2], &[10u8, 11, 20, 21, 30, 31]);
        let y = made("scatter", &[], &[base.clone(), tensor(&[3], &[2i64, 0, 2]), rows]);
        assert_eq!(y, tensor(&[4, 2], &[20u8, 21, 3, 4, 30, 31, 7, 8]));
        let none = [base.clone(), tensor::<i32>(&[0], &[]), tensor::<u8>(&[0, 2], &[])];
        assert_eq!(made("scatter", &[], &none), base);
    }

    fn check_sums<T: Number>(rows: u64, columns: u64, updates: u64, tolerance: f64) {
        let base = random::<T>(&[rows, columns], 1);
        let indices: Vec<i32> = (0..updates).map(|i| (i * i % rows) as i32).collect();
        let more = random::<T>(&[updates, columns], 2);
        let (mut expected, elements) = (numbers(&base), numbers(&more));
        for (place, x) in elements.iter().enumerate() {
            let (update, column) = (place / columns as usize, place % columns as usize);
            expected[indices[update] as usize * columns as usize + column] += x;
        }
        let y = made("scatter_add", &[], &[base, tensor(&[updates], &indices), more]);
        assert_near(&y, &expected, tolerance);
    }

    #[test]
    fn rows_add_up() {
        check_sums::<f32>(500, 130, 3000, 1e-5);
        check_sums::<f64>(7, 1, 100_000, 1e-9);
        check_sums::<i64>(1000, 3, 10, 0.0);
        check_sums::<bf16>(20, 5, 300, 8e-3);
        let ones = [
            tensor(&[1], &[bf16::ZERO]),
            tensor(&[1000], &[0i32; 1000]),
            tensor(&[1000], &[bf16::ONE; 1000]),
        ];
        assert_near(&made("scatter_add", &[], &ones), &[1000.0], 0.0);
    }

    #[test]
    fn rows_of_nothing_are_left_alone() {
        let none = [
            tensor::<f32>(&[1 << 60, 0], &[]),
            tensor(&[2], &[0i64, 1 << 50]),
            tensor::<f32>(&[2, 0], &[]),
        ];
        assert_eq!(made("scatter", &[], &none), none[0]);
        assert_eq!(made("scatter_add", &[], &none), none[0]);
    }

    #[test]
    fn places_and_shapes_are_checked() {
        let (base, rows) = (random::<f32>(&[4, 2], 1), random::<f32>(&[2, 2], 2));
        let beyond = [base.clone(), tensor(&[2], &[0i32, 4]), rows.clone()];
        let message = "scatter_add: index 4 at place 1: there are 4 rows";
        assert_eq!(refused("scatter_add", &[], &beyond), message);
        let few = [base, tensor(&[3], &[0i32, 1, 2]), rows];
        let message = "scatter: there must be a row for each index: \
                       x is f32[4, 2], indices is i32[3], updates is f32[2, 2]";
        assert_eq!(refused("scatter", &[], &few), message);
    }
}
