//! How the elements of tensors meet when their shapes broadcast.

/// An axis of the result: how far one step along it moves in each operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Axis<const N: usize> {
    extent: usize,
    steps: [usize; N],
}

/// The operands' way to their common shape, in as few axes as it takes; the innermost first.
#[derive(Debug)]
pub(crate) struct Broadcast<const N: usize> {
    axes: Vec<Axis<N>>,
}

/// Neighbouring elements of the result, and where their operands are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Run<const N: usize> {
    /// Where in the part of the result asked for.
    pub(crate) at: usize,
    /// How many elements.
    pub(crate) len: usize,
    /// Where the first element of each operand is.
    pub(crate) starts: [usize; N],
}

impl<const N: usize> Broadcast<N> {
    /// The way of operands with these extents, which do broadcast.
    pub(crate) fn new(operands: [&[usize]; N]) -> Self {
        let rank = operands.map(<[usize]>::len).into_iter().max().unwrap_or(0);
        let mut sizes = [1usize; N];
        let mut axes: Vec<Axis<N>> = Vec::with_capacity(rank);
        for place in 1..=rank {
            let extents = operands.map(|extents| match extents.len().checked_sub(place) {
                Some(axis) => extents[axis],
                None => 1,
            });
            let extent = extents.into_iter().find(|extent| *extent != 1).unwrap_or(1);
            let steps = std::array::from_fn(|i| if extents[i] == 1 { 0 } else { sizes[i] });
            sizes = std::array::from_fn(|i| sizes[i].saturating_mul(extents[i]));
            let axis = Axis { extent, steps };
            match axes.last_mut() {
                _ if axis.extent == 1 => {}
                Some(inner) if inner.continues_in(axis) => inner.extent *= axis.extent,
                _ => axes.push(axis),
            }
        }
        Broadcast { axes }
    }

    /// How far a step along the innermost axis moves in each operand: 1 or 0.
    pub(crate) fn inner_steps(&self) -> [usize; N] {
        self.axes.first().map_or([0; N], |axis| axis.steps)
    }

    /// The runs that make up `len` elements of the result from the one at `from`.
    pub(crate) fn runs(&self, from: usize, len: usize) -> impl Iterator<Item = Run<N>> {
        let row = self.axes.first().map_or(1, |axis| axis.extent);
        let mut at = 0;
        std::iter::from_fn(move || {
            let left = len.checked_sub(at).filter(|left| *left > 0)?;
            let starts = self.places(from + at);
            let run = Run { at, len: left.min(row - (from + at) % row), starts };
            at += run.len;
            Some(run)
        })
    }

    /// Where the operands of an element of the result are.
    pub(crate) fn places(&self, mut element: usize) -> [usize; N] {
        let mut places = [0; N];
        for axis in &self.axes {
            let along = element % axis.extent;
            element /= axis.extent;
            for (place, step) in places.iter_mut().zip(axis.steps) {
                *place += along * step;
            }
        }
        places
    }
}

impl<const N: usize> Axis<N> {
    /// Whether steps along `outer` go on where those along this axis end, in every operand.
    fn continues_in(&self, outer: Axis<N>) -> bool {
        let follows =
            |(step, outer): (&usize, usize)| self.extent.checked_mul(*step) == Some(outer);
        self.steps.iter().zip(outer.steps).all(follows)
            && self.extent.checked_mul(outer.extent).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shapes_are_one_run() {
        let same = Broadcast::new([&[3, 1, 4, 5], &[3, 1, 4, 5]]);
        let runs: Vec<_> = same.runs(7, 40).collect();
        assert_eq!(runs, [Run { at: 0, len: 40, starts: [7, 7] }]);
        assert_eq!(same.inner_steps(), [1, 1]);
    }

    #[test]
    fn rows_meet_a_bias() {
        let rows = Broadcast::new([&[2, 3], &[3]]);
        let runs: Vec<_> = rows.runs(1, 4).collect();
        let expected =
            [Run { at: 0, len: 2, starts: [1, 1] }, Run { at: 2, len: 2, starts: [3, 0] }];
        assert_eq!(runs, expected);
    }

    #[test]
    fn a_scalar_stays_where_it_is() {
        let scalar = Broadcast::new([&[4], &[]]);
        assert_eq!(scalar.inner_steps(), [1, 0]);
        assert_eq!(scalar.runs(0, 4).count(), 1);
        assert_eq!(Broadcast::new([&[], &[]]).runs(0, 1).count(), 1);
    }

    #[test]
    fn three_operands_meet() {
        let meeting = Broadcast::new([&[2, 1], &[3], &[]]);
        let runs: Vec<_> = meeting.runs(0, 6).map(|run| run.starts).collect();
        assert_eq!(runs, [[0, 0, 0], [1, 0, 0]]);
    }
}
