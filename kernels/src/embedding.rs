//! Gradients of tables whose rows were taken by their indices; taking them is `gather`'s.

use crate::call::Call;
use crate::context::CHUNK;
use crate::element::{Number, for_dtypes, for_floats};
use crate::gather::checked_indices;
use crate::{KernelError, Outputs};

/// Adds up in the order of places, so that the result is the same on any number of cores.
pub(crate) fn embedding_grad(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
) -> Result<(), KernelError> {
    let rows = call.arguments.int("rows") as usize;
    let indices = for_dtypes!(call, call.dtype(0), [I32: i32, I64: i64], T => {
        checked_indices::<T>(call, 0, rows, "rows")
    })?;
    let width = call.extents(1).last().copied().unwrap_or(0);
    for_floats!(call, call.dtype(1), T => {
        let dy = call.input::<T>(1);
        let y = call.create_one::<T>(outputs)?;
        if y.is_empty() {
            return Ok(());
        }
        let places = Places::new(&indices, rows);
        let rows_at_once = (CHUNK / 4 / width).max(1);
        let chunks = y.chunks_mut(rows_at_once * width).enumerate();
        call.context.for_each(chunks, |(index, y)| {
            let mut sum = vec![0.0f64; width];
            for (row, y) in (index * rows_at_once..).zip(y.chunks_exact_mut(width)) {
                sum.fill(0.0);
                for place in places.of(row) {
                    for (sum, dy) in sum.iter_mut().zip(&dy[place * width..]) {
                        *sum += dy.to_f64();
                    }
                }
                for (y, sum) in y.iter_mut().zip(&sum) {
                    *y = T::from_f64(*sum);
                }
            }
        })
    })
}

/// For each row, the places where its index stands, in their order.
struct Places {
    /// Where each row's places end; they begin where those of the row before end.
    ends: Vec<usize>,
    places: Vec<usize>,
}

impl Places {
    fn new(indices: &[usize], rows: usize) -> Self {
        let mut ends = vec![0; rows];
        for index in indices {
            ends[*index] += 1;
        }
        let mut before = 0;
        for end in &mut ends {
            // For now where the row's places begin; each place put there moves it on.
            let count = std::mem::replace(end, before);
            before += count;
        }
        let mut places = vec![0; indices.len()];
        for (place, index) in indices.iter().enumerate() {
            places[ends[*index]] = place;
            ends[*index] += 1;
        }
        Places { ends, places }
    }

    fn of(&self, row: usize) -> &[usize] {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.places[start..self.ends[row]]
    }
}

#[cfg(test)]
mod tests {
    use drawloom_model::{Attribute, Value};

    use crate::element::Number;
    use crate::trial::{
        assert_gradient, assert_near, extents, made, numbers, random, refused, tensor,
    };

    fn rows(count: i64) -> [(&'static str, Attribute); 1] {
        [("rows", Attribute::Int(count))]
    }

    fn some_indices(shape: &[u64], rows: u64) -> Value {
        let indices = numbers(&random::<i64>(shape, 3));
        tensor(shape, &indices.iter().map(|x| (*x as u64 % rows) as i64).collect::<Vec<_>>())
    }

    fn check<T: Number>(shape: &[u64], table_rows: u64, width: u64) {
        let indices = some_indices(shape, table_rows);
        let table = random::<T>(&[table_rows, width], 1);
        let whole: Vec<u64> = shape.iter().copied().chain([width]).collect();
        let y = made("embedding", &[], &[table.clone(), indices.clone()]);
        assert_eq!(extents(&y), whole);
        let of_table = numbers(&table);
        let row = |index: &f64| &of_table[*index as usize * width as usize..][..width as usize];
        let expected: Vec<f64> = numbers(&indices).iter().flat_map(row).copied().collect();
        assert_near(&y, &expected, 0.0);
        let dy = random::<T>(&whole, 2);
        let mut expected = vec![0.0; (table_rows * width) as usize];
        for (place, index) in numbers(&indices).into_iter().enumerate() {
            for column in 0..width as usize {
                expected[index as usize * width as usize + column] +=
                    numbers(&dy)[place * width as usize + column];
            }
        }
        let dtable = made("embedding_grad", &rows(table_rows as i64), &[indices, dy]);
        assert_near(&dtable, &expected, 1e-6);
    }

    #[test]
    fn rows_are_taken_and_their_gradients_added_up() {
        check::<f32>(&[7], 5, 3);
        check::<f64>(&[2, 3], 4, 1);
        check::<f32>(&[], 2, 9);
        check::<f32>(&[300], 40, 2);
        check::<f32>(&[0], 3, 2);
        check::<f64>(&[4], 3, 0);
    }

    #[test]
    fn gradients_are_slopes() {
        let (table, indices) = (random::<f64>(&[3, 2], 1), tensor(&[4], &[2i32, 0, 2, 2]));
        let dy = random::<f64>(&[4, 2], 2);
        let dtable = made("embedding_grad", &rows(3), &[indices.clone(), dy.clone()]);
        assert_gradient("embedding", &[], &[table, indices], 0, &dy, &dtable);
    }

    #[test]
    fn indices_and_shapes_are_checked() {
        let dy = random::<f32>(&[2, 3], 1);
        let wrong = [tensor(&[2], &[0i32, 4]), dy.clone()];
        assert_eq!(
            refused("embedding_grad", &rows(4), &wrong),
            "embedding_grad: index 4 at place 1: there are 4 rows"
        );
        let few = [tensor(&[1], &[0i32]), dy];
        assert_eq!(
            refused("embedding_grad", &rows(4), &few),
            "embedding_grad: numbers of rows differ: indices is i32[1], dy is f32[2, 3]"
        );
        let none = [random::<f32>(&[0, 2], 1), tensor(&[1], &[0i64])];
        assert!(refused("embedding", &[], &none).contains("there are 0 rows"));
    }
}
