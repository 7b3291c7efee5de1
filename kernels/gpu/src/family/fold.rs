//! Folds along an axis, in segments: what reductions and scans share.

use drawloom_model::DType;

use crate::argument::arguments;
use crate::builder::{Builder, THREADS, product};
use crate::{Argument, Buffer, PlanError};

/// A tensor seen as three axes, of which the middle one is folded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Extent {
    pub(crate) outer: u64,
    pub(crate) along: u64,
    pub(crate) inner: u64,
}

impl Extent {
    /// A tensor as what comes before the axis at `start`, the axes up to `end`, and what follows.
    pub(crate) fn new(extents: &[u64], start: usize, end: usize) -> Self {
        Extent {
            outer: product(&extents[..start]),
            along: product(&extents[start..end]),
            inner: product(&extents[end..]),
        }
    }

    /// How many results there are.
    pub(crate) fn kept(&self) -> u64 {
        self.outer.saturating_mul(self.inner)
    }
}

/// An axis in segments of so many places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Axis {
    pub(crate) extent: Extent,
    pub(crate) segment: u64,
    pub(crate) segments: u64,
}

impl Axis {
    /// An axis in segments of `segment` places; all of it in one where that is 0.
    pub(crate) fn cut(extent: Extent, segment: u64) -> Self {
        let segment = if segment == 0 { extent.along } else { segment }.max(1);
        Axis { extent, segment, segments: extent.along.div_ceil(segment).max(1) }
    }

    /// How many segments there are of all lines.
    pub(crate) fn results(&self) -> u64 {
        self.extent.kept().saturating_mul(self.segments)
    }

    /// The structure that kernels take.
    pub(crate) fn argument(&self) -> Argument {
        let Extent { outer, along, inner } = self.extent;
        Argument::Longs(vec![outer, along, inner, self.segment, self.segments])
    }
}

/// One way of folding, in one module.
#[derive(Clone, Copy)]
pub(crate) struct Fold<'a> {
    pub(crate) module: &'a str,
    pub(crate) name: &'static str,
    /// How many bytes a result of its takes in memory.
    pub(crate) result_bytes: u64,
}

/// What a fold is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    Elements(Buffer),
    /// Results of earlier folds.
    Parts(Buffer),
}

/// Where the results of a fold go, and as what.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Target {
    /// As results, for further folds.
    Parts(Buffer),
    /// As elements, of the fold's kind.
    Elements { y: Buffer, stage: u32, divisor: f64 },
}

/// The stages of kernels that write elements.
pub(crate) const TOTAL: u32 = 1;
pub(crate) const MEAN: u32 = 2;

/// Up to how many values a thread folds by itself where neighbours are in one line.
const FEW: u64 = 16;
/// Up to how many values a warp folds by itself.
const SOME: u64 = 1024;
/// From how many results on threads that fold one each have enough to do.
const MANY: u64 = 1024;
/// Into how many parts contiguous lines are cut together, where there are few, and how many values a
/// part has at least. A team folds a part.
const PARTS: u64 = 1024;
const LEAST_PART: u64 = 4096;
/// The same for lines next to each other, of which a thread folds a part: neighbours in memory are
/// then read by neighbouring threads.
const COLUMN_PARTS: u64 = 1 << 16;
const LEAST_COLUMN_PART: u64 = 64;

impl Fold<'_> {
    /// How an axis is cut, by its extents alone.
    pub(crate) fn cut(extent: Extent) -> Axis {
        let (most, least) = match extent.inner {
            1 => (PARTS, LEAST_PART),
            _ => (COLUMN_PARTS, LEAST_COLUMN_PART),
        };
        let parts = (most / extent.kept().max(1)).min(extent.along.div_ceil(least)).max(1);
        Axis::cut(extent, extent.along.div_ceil(parts))
    }

    /// Folds each segment of an axis.
    pub(crate) fn segments(
        &self,
        builder: &mut Builder<'_>,
        source: Source,
        axis: Axis,
        target: Target,
    ) -> Result<(), PlanError> {
        let results = axis.results();
        builder.within_32_bits(&[results, axis.segments])?;
        if results == 0 {
            return Ok(());
        }
        let (x, kind) = match source {
            Source::Elements(x) => (x, ""),
            Source::Parts(x) => (x, "_parts"),
        };
        let (parts, y, stage, divisor) = match target {
            Target::Parts(parts) => (parts, Buffer::Nothing, 0, 0.0),
            Target::Elements { y, stage, divisor } => (Buffer::Nothing, y, stage, divisor),
        };
        let team = team(axis, results);
        let arguments = arguments![x, parts, y, axis.argument(), team.unwrap_or(1), stage, divisor];
        let name = self.name;
        match team {
            None => {
                let entry = format!("{name}{kind}_by_threads");
                builder.launch_each(self.module, entry, results, arguments)
            }
            Some(team) => {
                let blocks = results.div_ceil(u64::from(THREADS / team));
                builder.launch(self.module, format!("{name}{kind}_by_teams"), blocks, arguments)
            }
        }
    }

    /// Folds the axes that are marked, neighbours together, the last ones first.
    pub(crate) fn all(
        &self,
        builder: &mut Builder<'_>,
        x: Buffer,
        extents: &[u64],
        dropped: &[bool],
        target: Target,
    ) -> Result<(), PlanError> {
        let mut steps = steps(extents, dropped).into_iter().peekable();
        let mut source = Source::Elements(x);
        while let Some(extent) = steps.next() {
            let last = steps.peek().is_none();
            let axis = Self::cut(extent);
            if axis.segments > 1 {
                let parts = builder.scratch(axis.results().saturating_mul(self.result_bytes));
                self.segments(builder, source, axis, Target::Parts(parts))?;
                source = Source::Parts(parts);
            }
            let whole = match axis.segments {
                1 => axis,
                segments => Axis::cut(Extent { along: segments, ..extent }, 0),
            };
            let own = match last {
                true => target,
                false => {
                    let bytes = whole.results().saturating_mul(self.result_bytes);
                    Target::Parts(builder.scratch(bytes))
                }
            };
            self.segments(builder, source, whole, own)?;
            if let Target::Parts(parts) = own {
                source = Source::Parts(parts);
            }
        }
        Ok(())
    }
}

/// How many threads fold one result together; none where each thread folds one by itself.
fn team(axis: Axis, results: u64) -> Option<u32> {
    let contiguous = axis.extent.inner == 1;
    let few = axis.segment <= FEW || (!contiguous && results >= MANY);
    (!few).then_some(if axis.segment <= SOME { 32 } else { THREADS })
}

/// The axes to fold one after the other: the last that are marked and neighbours first.
fn steps(extents: &[u64], dropped: &[bool]) -> Vec<Extent> {
    let mut axes: Vec<(u64, bool)> = extents.iter().copied().zip(dropped.iter().copied()).collect();
    let mut steps = Vec::new();
    while let Some(last) = axes.iter().rposition(|(_, dropped)| *dropped) {
        let end = last + 1;
        let start =
            axes[..end].iter().rposition(|(_, dropped)| !*dropped).map_or(0, |kept| kept + 1);
        let left: Vec<u64> = axes.iter().map(|(extent, _)| *extent).collect();
        steps.push(Extent::new(&left, start, end));
        axes.drain(start..end);
    }
    if steps.is_empty() {
        // Every element is a result by itself.
        steps.push(Extent { outer: product(extents), along: 1, inner: 1 });
    }
    steps
}

/// How many bytes of memory a result of sums, products and extremes takes.
pub(crate) fn result_bytes(name: &str, dtype: DType) -> u64 {
    match (name, dtype) {
        ("sum" | "prod", _) => 8,
        (_, DType::F16 | DType::BF16) => 4,
        (_, other) => other.size_bytes() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_folded_together() {
        let extent = |outer, along, inner| Extent { outer, along, inner };
        assert_eq!(steps(&[4, 5, 6, 7], &[false, true, true, false]), [extent(4, 30, 7)]);
        assert_eq!(
            steps(&[4, 5, 6, 7], &[true, false, true, false]),
            [extent(20, 6, 7), extent(1, 4, 35)]
        );
        assert_eq!(steps(&[4, 5], &[false, false]), [extent(20, 1, 1)]);
        assert_eq!(steps(&[], &[]), [extent(1, 1, 1)]);
    }

    #[test]
    fn few_long_lines_are_cut() {
        let axis = |outer, along, inner| Fold::cut(Extent { outer, along, inner });
        assert_eq!(axis(1, 1 << 20, 1).segments, 256);
        assert_eq!(axis(10_000, 1 << 20, 1).segments, 1);
        assert_eq!(axis(1, 0, 3).segments, 1);
        assert_eq!(axis(3, 5000, 1).segments, 2);
        assert_eq!(axis(1, 60_000, 10).segments, 938);
        assert_eq!(axis(1, 60_000, 1000).segments, 65);
    }
}
