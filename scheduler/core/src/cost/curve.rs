//! How long something takes by the size of what it takes and makes.
//!
//! Sizes are told by their bucket: 0 for no bytes, then one for each power of two. A bucket with
//! samples has their mean (a history model). One without takes it from the others, as
//! `nanos = a * bytes^b` (a regression model; both are StarPU's, Augonnet et al. 2009): between two
//! buckets with samples the power law through both, beyond them, up to `REACH` buckets away, the
//! nearest one's mean times `2^(b * distance)`, where `b` is the slope of the line that fits the
//! logarithms of all means best (least squares, weighted by samples). Farther away, and where one
//! bucket alone has samples, nothing is known.

use super::cell::Cell;
use super::logarithm::{exp2, log2};

/// So many buckets beyond those with samples, a power law is trusted.
const REACH: u8 = 3;
/// Bounds of the exponent beyond the buckets with samples: nothing takes less time for more bytes,
/// and what takes more than the square of them is measured before it is believed.
const EXPONENTS: (f64, f64) = (0.0, 2.0);

/// A size's bucket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Bucket(u8);

impl Bucket {
    pub fn of(bytes: u64) -> Bucket {
        Bucket((u64::BITS - bytes.leading_zeros()) as u8)
    }

    /// The least size in it.
    pub fn least_bytes(self) -> u64 {
        match self.0 {
            0 => 0,
            bucket => 1 << (bucket - 1),
        }
    }
}

/// What a curve says of a size.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Told {
    /// It was measured, so often.
    Measured(f64, u64),
    /// It follows from other sizes.
    Fitted(f64),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Curve {
    /// In the order of buckets.
    cells: Vec<(Bucket, Cell)>,
}

impl Curve {
    pub fn cell(&self, bucket: Bucket) -> Option<&Cell> {
        let place = self.cells.binary_search_by_key(&bucket, |(of, _)| *of).ok()?;
        Some(&self.cells[place].1)
    }

    pub fn cell_mut(&mut self, bucket: Bucket) -> &mut Cell {
        let place = match self.cells.binary_search_by_key(&bucket, |(of, _)| *of) {
            Ok(place) => place,
            Err(place) => {
                self.cells.insert(place, (bucket, Cell::default()));
                place
            }
        };
        &mut self.cells[place].1
    }

    /// Buckets with samples, in order.
    pub fn measured(&self) -> impl DoubleEndedIterator<Item = (Bucket, &Cell)> {
        self.cells.iter().filter(|(_, cell)| cell.is_measured()).map(|(of, cell)| (*of, cell))
    }

    pub fn at(&self, bucket: Bucket) -> Option<Told> {
        match self.cell(bucket) {
            Some(cell) if cell.is_measured() => Some(Told::Measured(cell.mean(), cell.samples)),
            _ => self.fitted(bucket).map(Told::Fitted),
        }
    }

    /// What the buckets with samples tell of one without.
    fn fitted(&self, bucket: Bucket) -> Option<f64> {
        // No bytes have no logarithm.
        let sized = || self.measured().filter(|(of, _)| of.0 > 0);
        if bucket.0 == 0 {
            return None;
        }
        let point = |(of, cell): (Bucket, &Cell)| (f64::from(of.0), log2(cell.mean().max(1.0)));
        let below = sized().rfind(|(of, _)| *of < bucket).map(point);
        let above = sized().find(|(of, _)| *of > bucket).map(point);
        let at = f64::from(bucket.0);
        let (nearest, slope) = match (below, above) {
            (Some(below), Some(above)) => (below, (above.1 - below.1) / (above.0 - below.0)),
            (Some(nearest), None) | (None, Some(nearest)) => {
                let weighted = sized().map(|cell| (point(cell), cell.1.weight().into()));
                let slope = slope(&weighted.collect::<Vec<_>>())?;
                if (at - nearest.0).abs() > f64::from(REACH) {
                    return None;
                }
                (nearest, slope.clamp(EXPONENTS.0, EXPONENTS.1))
            }
            (None, None) => return None,
        };
        Some(exp2(nearest.1 + slope * (at - nearest.0)))
    }
}

/// The slope of the line nearest to weighted points; none where they have one place alone.
fn slope(points: &[((f64, f64), f64)]) -> Option<f64> {
    let total: f64 = points.iter().map(|(_, weight)| weight).sum();
    let mean_of = |part: fn((f64, f64)) -> f64| {
        points.iter().map(|(point, weight)| part(*point) * weight).sum::<f64>() / total
    };
    let (x, y) = (mean_of(|point| point.0), mean_of(|point| point.1));
    let moment = |part: fn(f64, f64) -> f64| {
        let parts = points.iter().map(|(point, weight)| part(point.0 - x, point.1 - y) * weight);
        parts.sum::<f64>()
    };
    let spread = moment(|x, _| x * x);
    (spread > 0.0).then(|| moment(|x, y| x * y) / spread)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn curve(points: &[(u64, u64)]) -> Curve {
        let mut curve = Curve::default();
        for (bytes, nanos) in points {
            curve.cell_mut(Bucket::of(*bytes)).add(*nanos);
        }
        curve
    }

    fn nanos(curve: &Curve, bytes: u64) -> Option<u64> {
        curve.at(Bucket::of(bytes)).map(|told| match told {
            Told::Measured(nanos, _) | Told::Fitted(nanos) => nanos.round() as u64,
        })
    }

    #[test]
    fn buckets_are_powers_of_two() {
        for (bytes, bucket) in [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (u64::MAX, 64)] {
            assert_eq!(Bucket::of(bytes), Bucket(bucket));
            assert_eq!(Bucket::of(Bucket(bucket).least_bytes()), Bucket(bucket));
        }
    }

    #[test]
    fn between_sizes_the_power_law_holds() {
        // Sixteen times the bytes take sixteen times as long.
        let curve = curve(&[(1 << 10, 1000), (1 << 14, 16_000)]);
        assert_eq!(curve.at(Bucket::of(1 << 10)), Some(Told::Measured(1000.0, 1)));
        for (bytes, expected) in [(1 << 11, 2000), (1 << 12, 4000), (1 << 13, 8000)] {
            assert_eq!(nanos(&curve, bytes), Some(expected));
        }
    }

    #[test]
    fn beyond_sizes_it_holds_for_a_while() {
        let curve = curve(&[(1 << 10, 1000), (1 << 11, 2000), (1 << 12, 4000)]);
        assert_eq!(nanos(&curve, 1 << 15), Some(32_000));
        assert_eq!(nanos(&curve, 1 << 16), None);
        assert_eq!(nanos(&curve, 1 << 7), Some(125));
        assert_eq!(nanos(&curve, 1 << 6), None);
        assert_eq!(nanos(&curve, 0), None);
    }

    #[test]
    fn one_size_tells_of_itself_alone() {
        let curve = curve(&[(1 << 10, 1000), (0, 5)]);
        assert_eq!(nanos(&curve, 1 << 10), Some(1000));
        assert_eq!(nanos(&curve, 1 << 11), None);
        assert_eq!(nanos(&curve, 0), Some(5));
    }

    #[test]
    fn time_does_not_fall_beyond_what_was_measured() {
        let curve = curve(&[(1 << 10, 1000), (1 << 11, 900)]);
        assert_eq!(nanos(&curve, 1 << 13), Some(900));
    }

    proptest! {
        #[test]
        fn a_power_law_is_found_again(
            exponent in 0.0f64..2.0,
            buckets in prop::collection::btree_set(4u8..30, 2..8),
            asked in 4u8..30,
        ) {
            let law = |bucket: u8| 1e4 * (exponent * f64::from(bucket - 4)).exp2();
            let mut curve = Curve::default();
            for bucket in &buckets {
                curve.cell_mut(Bucket(*bucket)).add(law(*bucket) as u64);
            }
            match curve.at(Bucket(asked)) {
                Some(Told::Measured(nanos, _) | Told::Fitted(nanos)) => {
                    prop_assert!((nanos / law(asked) - 1.0).abs() < 0.01, "{nanos}");
                }
                None => {
                    let (first, last) = (buckets.first().unwrap(), buckets.last().unwrap());
                    prop_assert!(asked + REACH < *first || asked > *last + REACH);
                }
            }
        }
    }
}
