//! Selection by index.

use crate::call::Call;
use crate::context::CHUNK;
use crate::element::{Number, for_dtypes};
use crate::{KernelError, Outputs};

pub(crate) fn gather(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let rows = call.extents(0)[0];
    let indices = for_dtypes!(call, call.dtype(1), [I32: i32, I64: i64], T => {
        checked_indices::<T>(call, 1, rows, "rows")
    })?;
    let table = call.bytes(0);
    let [y] = call.create_all(outputs)?;
    let Some(row_bytes) = table.len().checked_div(rows).filter(|bytes| *bytes > 0) else {
        return Ok(());
    };
    let rows_at_once = (4 * CHUNK / row_bytes).max(1);
    let chunks = y.chunks_mut(rows_at_once * row_bytes).zip(indices.chunks(rows_at_once));
    call.context.for_each(chunks, |(y, indices)| {
        for (y, index) in y.chunks_exact_mut(row_bytes).zip(indices) {
            y.copy_from_slice(&table[index * row_bytes..][..row_bytes]);
        }
    })
}

/// An input's elements as indices, each below `bound`.
pub(crate) fn checked_indices<T: Number>(
    call: &Call<'_>,
    input: usize,
    bound: usize,
    of_what: &str,
) -> Result<Vec<usize>, KernelError> {
    let values = call.input::<T>(input);
    let mut indices = Vec::with_capacity(values.len());
    for (place, value) in values.iter().enumerate() {
        match value.to_index().filter(|index| *index < bound) {
            Some(index) => indices.push(index),
            None => {
                let message = format!(
                    "index {} at place {place}: there are {bound} {of_what}",
                    value.to_f64()
                );
                return Err(call.invalid(message));
            }
        }
    }
    Ok(indices)
}

#[cfg(test)]
mod tests {
    use crate::trial::{made, random, refused, tensor};

    #[test]
    fn rows_are_taken_in_order() {
        let table = tensor(&[3, 2], &[1u8, 2, 3, 4, 5, 6]);
        let indices = tensor(&[2, 2], &[2i64, 0, 0, 1]);
        let rows = made("gather", &[], &[table.clone(), indices]);
        assert_eq!(rows, tensor(&[2, 2, 2], &[5u8, 6, 1, 2, 1, 2, 3, 4]));
        let none = made("gather", &[], &[table, tensor::<i32>(&[0], &[])]);
        assert_eq!(none, tensor::<u8>(&[0, 2], &[]));
    }

    #[test]
    fn many_rows_come_back_in_their_order() {
        let table = random::<f64>(&[50_000, 3], 1);
        let order: Vec<i32> = (0..50_000).collect();
        let same = made("gather", &[], &[table.clone(), tensor(&[50_000], &order)]);
        assert_eq!(same, table);
        let empty = random::<f32>(&[4, 0], 1);
        let rows = made("gather", &[], &[empty, tensor(&[2], &[3i32, 3])]);
        assert_eq!(rows, tensor::<f32>(&[2, 0], &[]));
    }

    #[test]
    fn indices_are_checked() {
        let table = random::<f32>(&[3, 2], 1);
        for index in [-1i64, 3, i64::MAX] {
            let message = refused("gather", &[], &[table.clone(), tensor(&[2], &[0, index])]);
            assert!(message.contains("at place 1: there are 3 rows"), "{message}");
        }
        let none = random::<f32>(&[0, 2], 1);
        assert!(refused("gather", &[], &[none, tensor(&[1], &[0i32])]).contains("0 rows"));
    }
}
