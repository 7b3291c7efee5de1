//! Order along an axis.

use drawloom_signature::axes::normalise_axis;

use crate::call::{Call, elements};
use crate::context::CHUNK;
use crate::element::for_numbers;
use crate::fold::Extent;
use crate::merge::sort_long;
use crate::rank::{Rank, Ranked};
use crate::{KernelError, Outputs};

pub(crate) fn sort(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let descending = call.arguments.bool("descending");
    for_numbers!(call, call.dtype(0), T => by_rank::<T>(call, outputs, descending, None))
}

pub(crate) fn top_k(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let (largest, count) = (call.arguments.bool("largest"), call.arguments.int("k") as usize);
    for_numbers!(call, call.dtype(0), T => by_rank::<T>(call, outputs, largest, Some(count)))
}

fn by_rank<T: Rank>(
    call: &Call<'_>,
    outputs: &mut dyn Outputs,
    descending: bool,
    count: Option<usize>,
) -> Result<(), KernelError> {
    let extents = call.extents(0);
    let axis = normalise_axis(call.arguments.int("axis"), extents.len())
        .ok_or_else(|| call.invalid("there is no such axis"))?;
    let extent = Extent::new(&extents, axis, axis + 1);
    let count = count.unwrap_or(extent.along);
    let [values, indices] = call.create_all(outputs)?;
    let (values, indices) = (elements::<T>(values)?, elements::<i64>(indices)?);
    if values.is_empty() {
        return Ok(());
    }
    let lines = Lines { x: &call.input::<T>(0), extent, descending, count };
    if size_of::<T>() <= 4 && u32::try_from(extent.along).is_ok() {
        lines.put_in_order::<u64>(call, values, indices)
    } else {
        lines.put_in_order::<u128>(call, values, indices)
    }
}

/// The lines along an axis, and how many places of each are wanted.
struct Lines<'a, T> {
    x: &'a [T],
    extent: Extent,
    descending: bool,
    count: usize,
}

impl<T: Rank> Lines<'_, T> {
    fn put_in_order<R: Ranked>(
        &self,
        call: &Call<'_>,
        values: &mut [T],
        indices: &mut [i64],
    ) -> Result<(), KernelError> {
        let order = self.order::<R>(call)?;
        let Extent { inner, .. } = self.extent;
        let chunks = values.chunks_mut(CHUNK).zip(indices.chunks_mut(CHUNK)).enumerate();
        call.context.for_each(chunks, |(chunk, (values, indices))| {
            let elements = values.iter_mut().zip(indices);
            for (element, (value, index)) in (chunk * CHUNK..).zip(elements) {
                let (outer, place) = (element / inner / self.count, element / inner % self.count);
                let line = outer * inner + element % inner;
                let from = order[line * self.count + place].place();
                *value = self.x[self.start(line) + from * inner];
                *index = from as i64;
            }
        })
    }

    /// The wanted places of every line in their order, one line after the other.
    fn order<R: Ranked>(&self, call: &Call<'_>) -> Result<Vec<R>, KernelError> {
        let Extent { outer, along, inner } = self.extent;
        let mut order = vec![R::new(0, 0); outer * inner * self.count];
        if along > 2 * CHUNK {
            for (line, order) in order.chunks_mut(self.count).enumerate() {
                let mut ranked = vec![R::new(0, 0); along];
                let parts = ranked.chunks_mut(CHUNK).enumerate();
                call.context.for_each(parts, |(part, ranked)| {
                    self.rank(line, part * CHUNK, ranked);
                })?;
                order.copy_from_slice(&sort_long(call.context, ranked, self.count)?);
            }
            return Ok(order);
        }
        let lines_at_once = (CHUNK / along).max(1);
        let chunks = order.chunks_mut(lines_at_once * self.count).enumerate();
        call.context.for_each(chunks, |(chunk, order)| {
            let mut ranked = vec![R::new(0, 0); along];
            let mut spare = ranked.clone();
            for (line, order) in (chunk * lines_at_once..).zip(order.chunks_mut(self.count)) {
                self.rank(line, 0, &mut ranked);
                if self.count == along {
                    sort_ranks(&mut ranked, &mut spare);
                    order.copy_from_slice(&ranked);
                } else {
                    order.copy_from_slice(least(&mut ranked, self.count));
                }
            }
        })?;
        Ok(order)
    }

    /// The ranks of a line's elements from the place `first` on.
    fn rank<R: Ranked>(&self, line: usize, first: usize, ranked: &mut [R]) {
        let elements = self.x[self.start(line)..].iter().step_by(self.extent.inner).skip(first);
        for ((place, x), ranked) in (first..).zip(elements).zip(ranked) {
            *ranked = R::new(x.rank(self.descending), place);
        }
    }

    fn start(&self, line: usize) -> usize {
        let Extent { along, inner, .. } = self.extent;
        line / inner * along * inner + line % inner
    }
}

/// From how many ranks on they are sorted digit by digit.
const MANY: usize = 256;

/// Sorts ranks that are in the order of their places. Many are put in the order of one byte after
/// the other, the last first, by counting; `spare` is as long as they are.
pub(crate) fn sort_ranks<R: Ranked>(ranked: &mut [R], spare: &mut [R]) {
    if ranked.len() < MANY {
        return ranked.sort_unstable();
    }
    let mut counts = vec![[0usize; 256]; R::DIGITS];
    for rank in &*ranked {
        for (digit, counts) in counts.iter_mut().enumerate() {
            counts[rank.digit(digit)] += 1;
        }
    }
    let (mut from, mut to, mut is_swapped) = (ranked, spare, false);
    for (digit, counts) in counts.iter_mut().enumerate() {
        if counts.contains(&from.len()) {
            // All have the same digit here.
            continue;
        }
        let mut start = 0;
        for count in counts.iter_mut() {
            start += std::mem::replace(count, start);
        }
        for rank in &*from {
            let place = &mut counts[rank.digit(digit)];
            to[*place] = *rank;
            *place += 1;
        }
        std::mem::swap(&mut from, &mut to);
        is_swapped = !is_swapped;
    }
    if is_swapped {
        to.copy_from_slice(from);
    }
}

/// The least `count` of some ranks, in their order.
pub(crate) fn least<R: Ranked>(ranked: &mut [R], count: usize) -> &[R] {
    let count = count.min(ranked.len());
    if count < ranked.len() {
        ranked.select_nth_unstable(count);
    }
    let least = &mut ranked[..count];
    least.sort_unstable();
    least
}

#[cfg(test)]
mod tests {
    use drawloom_model::{Attribute, Value};
    use half::bf16;

    use crate::element::Number;
    use crate::trial::{assert_near, attributes, extents, numbers, random, refused, tensor, trial};

    fn sort(x: &Value, axis: i64, descending: bool) -> [Value; 2] {
        let given = attributes(&[
            ("axis", Attribute::Int(axis)),
            ("descending", Attribute::Bool(descending)),
        ]);
        let made = trial("sort", given, std::slice::from_ref(x)).expect("an order");
        made.try_into().expect("two outputs")
    }

    /// The lines of a tensor along an axis, one after the other.
    fn lines(x: &Value, axis: usize) -> Vec<Vec<f64>> {
        let (shape, elements) = (extents(x), numbers(x));
        let inner = shape[axis + 1..].iter().product::<u64>() as usize;
        let along = shape[axis] as usize;
        let line = |line: usize| {
            let start = line / inner * along * inner + line % inner;
            (0..along).map(|place| elements[start + place * inner]).collect()
        };
        (0..elements.len() / along.max(1)).map(line).collect()
    }

    fn check<T: Number>(shape: &[u64], axis: usize) {
        let x = random::<T>(shape, 7);
        for descending in [false, true] {
            let [values, indices] = sort(&x, axis as i64, descending);
            let got = lines(&values, axis).into_iter().zip(lines(&indices, axis));
            for (line, (values, indices)) in lines(&x, axis).iter().zip(got) {
                let mut expected: Vec<usize> = (0..line.len()).collect();
                expected.sort_by(|a, b| {
                    let order = line[*a].total_cmp(&line[*b]);
                    if descending { order.reverse() } else { order }
                });
                let places: Vec<usize> = indices.iter().map(|index| *index as usize).collect();
                assert_eq!(places, expected);
                assert!(values.iter().zip(places).all(|(value, place)| *value == line[place]));
            }
        }
    }

    #[test]
    fn lines_are_sorted_and_equal_elements_keep_their_order() {
        for (shape, axis) in
            [(&[0][..], 0), (&[1], 0), (&[3, 0], 1), (&[900, 20], 0), (&[90, 200], 1)]
        {
            check::<u8>(shape, axis);
            check::<f32>(shape, axis);
            check::<i64>(shape, axis);
        }
        check::<bf16>(&[3, 500, 2], 1);
        check::<i32>(&[200_003], 0);
        check::<f64>(&[150_001], 0);
        check::<f32>(&[70_000, 2], 0);
    }

    #[test]
    fn nan_is_last_in_both_directions() {
        let x = tensor(&[5], &[f32::NAN, 1.0, -0.0, f32::NEG_INFINITY, 0.0]);
        let [values, indices] = sort(&x, 0, false);
        assert_near(&values, &[f64::NEG_INFINITY, 0.0, 0.0, 1.0, f64::NAN], 0.0);
        assert_near(&indices, &[3.0, 2.0, 4.0, 1.0, 0.0], 0.0);
        let [values, indices] = sort(&x, -1, true);
        assert_near(&values, &[1.0, 0.0, 0.0, f64::NEG_INFINITY, f64::NAN], 0.0);
        assert_near(&indices, &[1.0, 2.0, 4.0, 3.0, 0.0], 0.0);
    }

    #[test]
    fn the_first_of_a_sort_are_the_top() {
        for (shape, axis, k) in [
            (&[50, 30][..], 0, 7),
            (&[50, 30], 1, 30),
            (&[200_001], 0, 100),
            (&[200_001], 0, 90_000),
        ] {
            for largest in [true, false] {
                let x = random::<f32>(shape, 3);
                let given = attributes(&[
                    ("axis", Attribute::Int(axis)),
                    ("k", Attribute::Int(k)),
                    ("largest", Attribute::Bool(largest)),
                ]);
                let top = trial("top_k", given, std::slice::from_ref(&x)).expect("the top");
                for (top, all) in top.iter().zip(sort(&x, axis, largest)) {
                    let all = lines(&all, axis as usize);
                    let expected: Vec<&[f64]> =
                        all.iter().map(|line| &line[..k as usize]).collect();
                    assert_eq!(lines(top, axis as usize), expected);
                }
            }
        }
    }

    #[test]
    fn more_than_there_are_cannot_be_the_top() {
        let x = [random::<f32>(&[2, 3], 1)];
        let message = "top_k, attribute k: 4 of 3 along axis 1 of f32[2, 3]";
        assert_eq!(refused("top_k", &[("k", Attribute::Int(4))], &x), message);
    }
}
