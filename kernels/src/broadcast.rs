//! How the elements of two tensors meet when their shapes broadcast.

/// An axis of the result: how far one step along it moves in each operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Axis {
    extent: usize,
    a_step: usize,
    b_step: usize,
}

/// Two operands' way to their common shape, in as few axes as it takes.
#[derive(Debug)]
pub(crate) struct Broadcast {
    axes: Vec<Axis>,
}

/// Neighbouring elements of the result, and where their operands are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    /// Where in the part of the result asked for.
    pub(crate) at: usize,
    /// How many elements.
    pub(crate) len: usize,
    /// Where the first operands are.
    pub(crate) a: usize,
    pub(crate) b: usize,
}

impl Broadcast {
    /// The way of operands with these extents, which do broadcast.
    pub(crate) fn new(a: &[usize], b: &[usize]) -> Self {
        let rank = a.len().max(b.len());
        let (mut a_size, mut b_size) = (1usize, 1usize);
        let mut axes: Vec<Axis> = Vec::with_capacity(rank);
        for place in 1..=rank {
            let extent = |extents: &[usize]| match extents.len().checked_sub(place) {
                Some(axis) => extents[axis],
                None => 1,
            };
            let (a_extent, b_extent) = (extent(a), extent(b));
            let axis = Axis {
                extent: if a_extent == 1 { b_extent } else { a_extent },
                a_step: if a_extent == 1 { 0 } else { a_size },
                b_step: if b_extent == 1 { 0 } else { b_size },
            };
            a_size = a_size.saturating_mul(a_extent);
            b_size = b_size.saturating_mul(b_extent);
            match axes.last_mut() {
                _ if axis.extent == 1 => {}
                Some(inner) if inner.continues_in(axis) => inner.extent *= axis.extent,
                _ => axes.push(axis),
            }
        }
        Broadcast { axes }
    }

    /// How far a step along the innermost axis moves in each operand: 1 or 0.
    pub(crate) fn inner_steps(&self) -> (usize, usize) {
        self.axes.first().map_or((0, 0), |axis| (axis.a_step, axis.b_step))
    }

    /// The runs that make up `len` elements of the result from the one at `from`.
    pub(crate) fn runs(&self, from: usize, len: usize) -> impl Iterator<Item = Run> {
        let row = self.axes.first().map_or(1, |axis| axis.extent);
        let mut at = 0;
        std::iter::from_fn(move || {
            let left = len.checked_sub(at).filter(|left| *left > 0)?;
            let (a, b) = self.operands(from + at);
            let run = Run { at, len: left.min(row - (from + at) % row), a, b };
            at += run.len;
            Some(run)
        })
    }

    /// Where the operands of an element of the result are.
    pub(crate) fn operands(&self, mut element: usize) -> (usize, usize) {
        let (mut a, mut b) = (0, 0);
        for axis in &self.axes {
            let place = element % axis.extent;
            element /= axis.extent;
            a += place * axis.a_step;
            b += place * axis.b_step;
        }
        (a, b)
    }
}

impl Axis {
    /// Whether steps along `outer` go on where those along this axis end, in both operands.
    fn continues_in(&self, outer: Axis) -> bool {
        self.extent.checked_mul(self.a_step) == Some(outer.a_step)
            && self.extent.checked_mul(self.b_step) == Some(outer.b_step)
            && self.extent.checked_mul(outer.extent).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shapes_are_one_run() {
        let same = Broadcast::new(&[3, 1, 4, 5], &[3, 1, 4, 5]);
        let runs: Vec<Run> = same.runs(7, 40).collect();
        assert_eq!(runs, [Run { at: 0, len: 40, a: 7, b: 7 }]);
        assert_eq!(same.inner_steps(), (1, 1));
    }

    #[test]
    fn rows_meet_a_bias() {
        let rows = Broadcast::new(&[2, 3], &[3]);
        let runs: Vec<Run> = rows.runs(1, 4).collect();
        assert_eq!(runs, [Run { at: 0, len: 2, a: 1, b: 1 }, Run { at: 2, len: 2, a: 3, b: 0 }]);
    }

    #[test]
    fn a_scalar_stays_where_it_is() {
        let scalar = Broadcast::new(&[4], &[]);
        assert_eq!(scalar.inner_steps(), (1, 0));
        assert_eq!(scalar.runs(0, 4).count(), 1);
        assert_eq!(Broadcast::new(&[], &[]).runs(0, 1).count(), 1);
    }
}
