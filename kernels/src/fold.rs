//! Folding the elements along some of a tensor's axes into one, on several cores.

use crate::KernelError;
use crate::call::Call;
use crate::context::CHUNK;
use crate::step::Step;
use crate::vector::vectorised;
use crate::wide::{BLOCK, Widen};

/// A fold of a tensor's elements as they are stored. Functions, not a trait: what goes round them
/// is compiled once for all folds of the same types.
pub(crate) struct Fold<T, R> {
    /// The result of no elements.
    pub(crate) start: R,
    pub(crate) combine: fn(R, R) -> R,
    /// Takes in neighbours, of which the first is at this place of the axis.
    pub(crate) run: fn(R, &[T], usize) -> R,
    /// Takes in an element for each result, all of them at this place of the axis.
    pub(crate) columns: fn(&mut [R], &[T], usize),
}

/// The fold of elements, widened, by steps.
fn of_elements<T: Widen, S: Step<Item = T::Wide>>() -> Fold<T, S::Result> {
    Fold {
        start: S::START,
        combine: S::combine,
        run: |result, x, _| {
            let mut block = T::block();
            x.chunks(BLOCK).fold(result, |result, x| run::<S>(result, T::read(x, &mut block)))
        },
        columns: |results, x, _| {
            let mut block = T::block();
            for (results, x) in results.chunks_mut(BLOCK).zip(x.chunks(BLOCK)) {
                columns::<S>(results, T::read(x, &mut block));
            }
        },
    }
}

fn run<S: Step>(result: S::Result, x: &[S::Item]) -> S::Result {
    vectorised(
        #[inline(always)]
        || S::run(result, x),
    )
}

fn columns<S: Step>(results: &mut [S::Result], x: &[S::Item]) {
    vectorised(
        #[inline(always)]
        || {
            for (result, x) in results.iter_mut().zip(x) {
                *result = S::step(*result, *x);
            }
        },
    );
}

/// The fold of results of earlier folds.
fn of_parts<S: Step>() -> Fold<S::Result, S::Result> {
    Fold {
        start: S::START,
        combine: S::combine,
        run: |result, parts, _| parts.iter().copied().fold(result, S::combine),
        columns: |results, parts, _| {
            for (result, part) in results.iter_mut().zip(parts) {
                *result = S::combine(*result, *part);
            }
        },
    }
}

/// Folds the axes that are marked. The results are in the order of the elements of a tensor
/// without these axes.
pub(crate) fn fold<T: Widen, S: Step<Item = T::Wide>>(
    call: &Call<'_>,
    x: &[T],
    dropped: &[bool],
) -> Result<Vec<S::Result>, KernelError> {
    let mut axes: Vec<(usize, bool)> =
        call.extents(0).into_iter().zip(dropped.iter().copied()).collect();
    let mut results = match next_extent(&mut axes) {
        Some(extent) => fold_axis(call, x, extent, &of_elements::<T, S>())?,
        None => x.iter().map(|x| S::step(S::START, x.wide())).collect(),
    };
    while let Some(extent) = next_extent(&mut axes) {
        results = fold_axis(call, &results, extent, &of_parts::<S>())?;
    }
    Ok(results)
}

/// A tensor seen as three axes, of which the middle one is of interest.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) outer: usize,
    pub(crate) along: usize,
    pub(crate) inner: usize,
}

impl Extent {
    /// A tensor as what comes before the axis at `start`, the axes up to `end`, and what follows.
    pub(crate) fn new(extents: &[usize], start: usize, end: usize) -> Self {
        Extent {
            outer: product(&extents[..start]),
            along: product(&extents[start..end]),
            inner: product(&extents[end..]),
        }
    }
}

/// How many elements there are with these extents.
pub(crate) fn product(extents: &[usize]) -> usize {
    if extents.contains(&0) { 0 } else { extents.iter().copied().fold(1, usize::saturating_mul) }
}

/// Takes the last axes that are marked, as many as are neighbours, off `axes`.
fn next_extent(axes: &mut Vec<(usize, bool)>) -> Option<Extent> {
    let end = axes.iter().rposition(|(_, dropped)| *dropped)? + 1;
    let start = axes[..end].iter().rposition(|(_, dropped)| !*dropped).map_or(0, |kept| kept + 1);
    let extents: Vec<usize> = axes.iter().map(|(extent, _)| *extent).collect();
    axes.drain(start..end);
    Some(Extent::new(&extents, start, end))
}

/// Folds the middle axis. It is cut into blocks by its extent alone, so that results are the same
/// however many cores take part.
pub(crate) fn fold_axis<T: Copy + Sync, R: Copy + Send + Sync>(
    call: &Call<'_>,
    x: &[T],
    Extent { outer, along, inner }: Extent,
    fold: &Fold<T, R>,
) -> Result<Vec<R>, KernelError> {
    let kept = outer.saturating_mul(inner);
    let block = match kept {
        4096.. => along,
        _ => (CHUNK / inner.max(1)).max(along.div_ceil(64)),
    }
    .max(1);
    // Even no elements are a block, whose result is the start.
    let blocks = along.div_ceil(block).max(1);
    let mut partial = vec![fold.start; kept * blocks];
    if along == 0 {
        return Ok(partial);
    }
    let chunk = (CHUNK / block).max(inner.min(1024)).max(1);
    call.context.for_each(partial.chunks_mut(chunk).enumerate(), |(index, partial)| {
        let mut at = 0;
        while at < partial.len() {
            let (row, column) = ((index * chunk + at) / inner, (index * chunk + at) % inner);
            let len = (inner - column).min(partial.len() - at);
            let first = row % blocks * block;
            let places = first..(first + block).min(along);
            let start = row / blocks * along * inner + column;
            fold_rows(&mut partial[at..at + len], &x[start..], places, inner, fold);
            at += len;
        }
    })?;
    if blocks == 1 {
        return Ok(partial);
    }
    let part = |place: usize, block: usize| {
        partial[(place / inner * blocks + block) * inner + place % inner]
    };
    let whole = |place| (0..blocks).map(|block| part(place, block)).fold(fold.start, fold.combine);
    Ok((0..kept).map(whole).collect())
}

/// Folds neighbouring columns over the rows at `places`, which are `inner` apart.
fn fold_rows<T, R: Copy>(
    results: &mut [R],
    x: &[T],
    places: std::ops::Range<usize>,
    inner: usize,
    fold: &Fold<T, R>,
) {
    if inner == 1 {
        results[0] = (fold.run)(results[0], &x[places.clone()], places.start);
        return;
    }
    for place in places {
        let row = &x[place * inner..];
        (fold.columns)(results, &row[..results.len()], place);
    }
}
