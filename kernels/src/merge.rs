//! A sort of one long line by several cores.

use crate::context::CHUNK;
use crate::rank::Ranked;
use crate::sort::{least, sort_ranks};
use crate::{CpuContext, KernelError};

/// The least `count` of some ranks, which are in the order of their places, in their own: parts are sorted, then merged in pairs. Every
/// core merges pieces of equal size, found by bisection (Odeh et al. 2012, merge path).
pub(crate) fn sort_long<R: Ranked>(
    context: &CpuContext<'_>,
    mut ranked: Vec<R>,
    count: usize,
) -> Result<Vec<R>, KernelError> {
    let mut part = CHUNK;
    if count < part / 8 {
        context.for_each(ranked.chunks_mut(part), |part| {
            least(part, count);
        })?;
        let mut rest: Vec<R> =
            ranked.chunks(part).flat_map(|part| &part[..count.min(part.len())]).copied().collect();
        return Ok(least(&mut rest, count).to_vec());
    }
    context.for_each(ranked.chunks_mut(part), |part| {
        let mut spare = part.to_vec();
        sort_ranks(part, &mut spare);
    })?;
    let mut merged = vec![R::new(0, 0); ranked.len()];
    while part < ranked.len() {
        context.for_each(merged.chunks_mut(CHUNK).enumerate(), |(chunk, merged)| {
            let at = chunk * CHUNK;
            let start = at / (2 * part) * (2 * part);
            let middle = (start + part).min(ranked.len());
            let end = (start + 2 * part).min(ranked.len());
            merge_from(&ranked[start..middle], &ranked[middle..end], at - start, merged);
        })?;
        std::mem::swap(&mut ranked, &mut merged);
        part *= 2;
    }
    ranked.truncate(count);
    Ok(ranked)
}

/// Writes what the merge of `a` and `b` has from the place `skipped` on.
fn merge_from<R: Ranked>(a: &[R], b: &[R], skipped: usize, merged: &mut [R]) {
    let (mut low, mut high) = (skipped.saturating_sub(b.len()), skipped.min(a.len()));
    // How many of those skipped are from `a`.
    while low < high {
        let middle = low.midpoint(high);
        if a[middle] < b[skipped - middle - 1] { low = middle + 1 } else { high = middle }
    }
    let (mut a, mut b) = (&a[low..], &b[skipped - low..]);
    for merged in merged {
        let from_a = match (a.first(), b.first()) {
            (Some(left), Some(right)) => left < right,
            (left, _) => left.is_some(),
        };
        let (least, rest) = if from_a { (a, &mut a) } else { (b, &mut b) };
        *merged = least[0];
        *rest = &least[1..];
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn every_piece_of_a_merge_is_found() {
        let (a, b): (Vec<u64>, Vec<u64>) =
            ((0..50).map(|i| i * 3).collect(), (0..20).map(|i| i * 5 + 1).collect());
        let mut whole = [a.clone(), b.clone()].concat();
        whole.sort_unstable();
        for skipped in 0..=whole.len() {
            let mut piece = vec![0; (whole.len() - skipped).min(7)];
            merge_from(&a, &b, skipped, &mut piece);
            assert_eq!(piece, whole[skipped..][..piece.len()]);
        }
    }

    #[test]
    fn few_are_found_without_a_whole_sort() {
        let cancel = AtomicBool::new(false);
        let context = CpuContext::new(1, &cancel, None);
        let rank = |place: usize| place as u64 * 7919 % 10_007;
        let ranked: Vec<u64> = (0..100_000).map(|place| Ranked::new(rank(place), place)).collect();
        let mut sorted = ranked.clone();
        sorted.sort_unstable();
        for count in [0, 1, 1000, 5000, 100_000] {
            assert_eq!(
                sort_long(&context, ranked.clone(), count).expect("a sort"),
                sorted[..count]
            );
        }
    }
}
