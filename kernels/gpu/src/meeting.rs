//! How the elements of tensors meet when their shapes broadcast, as kernels are told of it.

use crate::Argument;

/// An axis of the result: how far one step along it moves in each operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Axis<const N: usize> {
    pub(crate) extent: u64,
    pub(crate) steps: [u64; N],
}

/// The operands' way to their common shape, in as few axes as it takes; the innermost first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Meeting<const N: usize> {
    pub(crate) axes: Vec<Axis<N>>,
}

impl<const N: usize> Meeting<N> {
    /// The way of operands with these extents, which do broadcast.
    pub(crate) fn new(operands: [&[u64]; N]) -> Self {
        let rank = operands.map(<[u64]>::len).into_iter().max().unwrap_or(0);
        let mut sizes = [1u64; N];
        let axes = (1..=rank).map(|place| {
            let extents = operands.map(|extents| match extents.len().checked_sub(place) {
                Some(axis) => extents[axis],
                None => 1,
            });
            let extent = extents.into_iter().find(|extent| *extent != 1).unwrap_or(1);
            let steps = std::array::from_fn(|i| if extents[i] == 1 { 0 } else { sizes[i] });
            sizes = std::array::from_fn(|i| sizes[i].saturating_mul(extents[i]));
            Axis { extent, steps }
        });
        Self::joined(axes)
    }

    /// These axes, the innermost first, those joined that can be.
    pub(crate) fn joined(all: impl IntoIterator<Item = Axis<N>>) -> Self {
        let mut axes: Vec<Axis<N>> = Vec::new();
        for axis in all {
            match axes.last_mut() {
                _ if axis.extent == 1 => {}
                Some(inner) if inner.continues_in(axis) => inner.extent *= axis.extent,
                _ => axes.push(axis),
            }
        }
        Meeting { axes }
    }

    /// The structure that kernels take, with room for `room` axes; `None` where there are more.
    pub(crate) fn argument(&self, room: usize) -> Option<Argument> {
        if self.axes.len() > room {
            return None;
        }
        let mut words = vec![self.axes.len() as u64];
        let axis = |place: usize| self.axes.get(place);
        words.extend((0..room).map(|place| axis(place).map_or(1, |axis| axis.extent)));
        for operand in 0..N {
            words.extend((0..room).map(|place| axis(place).map_or(0, |axis| axis.steps[operand])));
        }
        Some(Argument::Longs(words))
    }
}

impl<const N: usize> Axis<N> {
    /// Whether steps along `outer` go on where those along this axis end, in every operand.
    fn continues_in(&self, outer: Axis<N>) -> bool {
        let follows = |(step, outer): (&u64, u64)| self.extent.checked_mul(*step) == Some(outer);
        self.steps.iter().zip(outer.steps).all(follows)
            && self.extent.checked_mul(outer.extent).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes<const N: usize>(operands: [&[u64]; N]) -> Vec<(u64, [u64; N])> {
        Meeting::new(operands).axes.iter().map(|axis| (axis.extent, axis.steps)).collect()
    }

    #[test]
    fn axes_are_joined() {
        assert_eq!(axes([&[3, 1, 4, 5], &[3, 1, 4, 5]]), [(60, [1, 1])]);
        assert_eq!(axes([&[2, 3], &[3]]), [(3, [1, 1]), (2, [3, 0])]);
        assert_eq!(axes([&[4], &[]]), [(4, [1, 0])]);
        assert_eq!(axes([&[], &[]]), []);
        assert_eq!(axes([&[2, 1], &[3], &[]]), [(3, [0, 1, 0]), (2, [1, 0, 0])]);
    }

    #[test]
    fn structures_have_a_fixed_size() {
        let meeting = Meeting::new([&[2, 3], &[3]]);
        let words = vec![2, 3, 2, 1, 1, 1, 3, 0, 0, 1, 0, 0, 0];
        assert_eq!(meeting.argument(4), Some(Argument::Longs(words)));
        assert_eq!(meeting.argument(1), None);
    }
}
