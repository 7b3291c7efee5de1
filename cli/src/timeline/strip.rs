//! A lane at the resolution of the picture: what is narrower than a pixel is merged.

use std::collections::BTreeMap;

use drawloom_model::Time;

use super::{Attempt, Outcome};

/// How much of a pixel must be taken for the darkest of so many shades.
const SHADES: u8 = 4;

/// From moments to pixels.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    /// Where time begins.
    pub left: f64,
    /// How many pixels there are.
    pub width: f64,
    /// How long all of them are.
    pub until: Time,
}

impl Scale {
    pub fn x(&self, moment: Time) -> f64 {
        let share = moment.as_secs_f64() / self.until.as_secs_f64().max(1e-9);
        self.left + share.min(1.0) * self.width
    }

    fn pixel(&self, x: f64) -> usize {
        ((x - self.left).max(0.0) as usize).min(self.width as usize - 1)
    }
}

/// What to draw of a lane.
#[derive(Default)]
pub(super) struct Strip {
    /// Attempts at least a pixel wide.
    pub wide: Vec<usize>,
    /// Stretches of narrower ones, from the left to the right.
    pub merged: Vec<Stretch>,
    /// Pixels with a failed attempt among those merged.
    pub failed: Vec<usize>,
}

/// Neighbouring pixels that look alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stretch {
    pub first: usize,
    pub count: usize,
    /// What took the most time there.
    pub run: usize,
    /// How much of the time was taken, from 1 to [`Stretch::DARKEST`].
    pub shade: u8,
}

impl Stretch {
    pub const DARKEST: u8 = SHADES;
}

impl Strip {
    /// Draws the attempts of one lane, which are in the order of their starts.
    pub fn new(attempts: &[Attempt], spans: &[(Time, Time)], lane: &[usize], scale: Scale) -> Self {
        let mut strip = Strip::default();
        let mut pixels: BTreeMap<usize, BTreeMap<usize, f64>> = BTreeMap::new();
        for index in lane {
            let (start, end) = spans[*index];
            let (left, right) = (scale.x(start), scale.x(end));
            if right - left >= 1.0 {
                strip.wide.push(*index);
                continue;
            }
            let pixel = scale.pixel(left);
            let taken = pixels.entry(pixel).or_default();
            // Even what took no time has run.
            *taken.entry(attempts[*index].run).or_default() += (right - left).max(1e-3);
            if attempts[*index].outcome == Outcome::Failed && strip.failed.last() != Some(&pixel) {
                strip.failed.push(pixel);
            }
        }
        for (pixel, taken) in pixels {
            strip.extend(pixel, &taken);
        }
        strip
    }

    fn extend(&mut self, pixel: usize, taken: &BTreeMap<usize, f64>) {
        let most = taken.iter().max_by(|a, b| a.1.total_cmp(b.1));
        let Some((run, _)) = most else { return };
        let total: f64 = taken.values().sum();
        let shade = (total * f64::from(SHADES)).ceil().clamp(1.0, f64::from(SHADES)) as u8;
        match self.merged.last_mut() {
            Some(last)
                if (last.run, last.shade) == (*run, shade) && last.first + last.count == pixel =>
            {
                last.count += 1;
            }
            _ => self.merged.push(Stretch { first: pixel, count: 1, run: *run, shade }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::critical::tests::attempt;
    use super::*;

    const SCALE: Scale = Scale { left: 0.0, width: 10.0, until: Time::from_nanos(1000) };

    fn strip(attempts: &[Attempt]) -> Strip {
        let spans: Vec<_> = attempts.iter().map(|a| (a.start, a.end)).collect();
        let lane: Vec<usize> = (0..attempts.len()).collect();
        Strip::new(attempts, &spans, &lane, SCALE)
    }

    #[test]
    fn a_hundred_thousand_attempts_are_a_few_stretches() {
        let attempts: Vec<Attempt> =
            (0..100_000).map(|i| attempt(i, u64::from(i) / 100, u64::from(i) / 100)).collect();
        let strip = strip(&attempts);
        assert!(strip.wide.is_empty());
        assert_eq!(strip.merged, [Stretch { first: 0, count: 10, run: 0, shade: 4 }]);
    }

    #[test]
    fn shades_tell_how_much_is_taken_and_wide_attempts_stay() {
        let mut other = attempt(2, 330, 390);
        other.run = 1;
        let attempts = [attempt(0, 0, 100), attempt(1, 310, 330), other, attempt(3, 900, 910)];
        let strip = strip(&attempts);
        assert_eq!(strip.wide, [0]);
        let stretch = |first, run, shade| Stretch { first, count: 1, run, shade };
        assert_eq!(strip.merged, [stretch(3, 1, 4), stretch(9, 0, 1)]);
    }

    #[test]
    fn failures_are_seen_among_many() {
        let mut attempts: Vec<Attempt> = (0..50).map(|i| attempt(i, 400, 401)).collect();
        attempts[7].outcome = Outcome::Failed;
        assert_eq!(strip(&attempts).failed, [4]);
    }
}
