//! A stretch of memory that is used again and again in one order.

use std::collections::VecDeque;
use std::ops::Range;

/// Who has which part of a stretch of bytes; each part with a ticket that tells when it is free.
pub(super) struct Ring<T> {
    len: u64,
    /// Counts bytes for ever; a byte's place is the remainder by `len`.
    end: u64,
    taken: VecDeque<(u64, T)>,
}

impl<T> Ring<T> {
    pub(super) fn new(len: usize) -> Self {
        Ring { len: len as u64, end: 0, taken: VecDeque::new() }
    }

    /// The next part of so many bytes, at most half of all. `free` waits for whoever has a part that
    /// is in the way.
    pub(super) fn next<E>(
        &mut self,
        bytes: usize,
        mut free: impl FnMut(T) -> Result<(), E>,
    ) -> Result<Range<usize>, E> {
        let bytes = bytes as u64;
        debug_assert!(bytes <= self.len / 2);
        let mut start = self.end;
        if start % self.len + bytes > self.len {
            start = start.next_multiple_of(self.len);
        }
        let end = start + bytes;
        // Parts are taken in order, so the oldest is always the next one in the way.
        while self.taken.front().is_some_and(|(from, _)| from + self.len < end) {
            if let Some((_, ticket)) = self.taken.pop_front() {
                free(ticket)?;
            }
        }
        self.end = end;
        let place = (start % self.len) as usize;
        Ok(place..place + bytes as usize)
    }

    /// The part that was given last is in use until the ticket says otherwise.
    pub(super) fn take(&mut self, part: &Range<usize>, ticket: T) {
        self.taken.push_back((self.end - part.len() as u64, ticket));
    }

    /// Every ticket, the oldest first.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.taken.drain(..).map(|(_, ticket)| ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes parts of these sizes; where each is, and which were waited for before it.
    fn check(len: usize, sizes: &[usize], expected: &[(usize, &[usize])]) {
        let mut ring = Ring::new(len);
        let got: Vec<(usize, Vec<usize>)> = sizes
            .iter()
            .enumerate()
            .map(|(number, bytes)| {
                let mut freed = Vec::new();
                let free = |ticket| {
                    freed.push(ticket);
                    Ok::<(), ()>(())
                };
                let part = ring.next(*bytes, free).expect("nothing fails");
                assert_eq!(part.len(), *bytes);
                ring.take(&part, number);
                (part.start, freed)
            })
            .collect();
        let got: Vec<(usize, &[usize])> =
            got.iter().map(|(start, freed)| (*start, freed.as_slice())).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn parts_follow_each_other_and_wait_for_what_is_in_the_way() {
        check(10, &[5, 5, 5, 5], &[(0, &[]), (5, &[]), (0, &[0]), (5, &[1])]);
        // The last three bytes are too few: left out, and whoever has the first is waited for.
        check(10, &[4, 3, 4, 2], &[(0, &[]), (4, &[]), (0, &[0]), (4, &[1])]);
        check(
            8,
            &[1, 1, 1, 4, 4, 1],
            &[(0, &[]), (1, &[]), (2, &[]), (3, &[]), (0, &[0, 1, 2, 3]), (4, &[])],
        );
    }

    /// Parts that are in use at the same time never share a byte, whatever their sizes.
    #[test]
    fn no_byte_is_given_twice() {
        let mut ring = Ring::new(64);
        let mut owners = [None; 64];
        let mut random = 1u64;
        for number in 0..10_000u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let bytes = 1 + (random >> 33) as usize % 32;
            let free = |ticket: u64| {
                owners.iter_mut().filter(|owner| **owner == Some(ticket)).for_each(|it| *it = None);
                Ok::<(), ()>(())
            };
            let part = ring.next(bytes, free).expect("nothing fails");
            for owner in &mut owners[part.clone()] {
                assert_eq!(*owner, None);
                *owner = Some(number);
            }
            ring.take(&part, number);
        }
    }
}
