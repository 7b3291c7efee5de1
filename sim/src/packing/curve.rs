//! How full the GPUs are as more and more are asked for.

/// What is taken, and what of the rest is fragmented, after each arrival.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    /// Thousandths of GPUs asked for so far, met or not.
    pub asked: i64,
    /// Thousandths taken.
    pub taken: i64,
    /// Thousandths of the rest that a typical pod cannot use, on average.
    pub fragmented: f64,
}

/// The points of a run, over so many thousandths of GPUs.
pub(super) struct Curve {
    pub total: i64,
    pub points: Vec<Point>,
}

impl Curve {
    /// The GPUs taken where as many percent are asked for, in percent.
    pub fn taken_at(&self, percent: i64) -> f64 {
        self.mean_at(percent, |point| 100.0 * point.taken as f64 / self.total as f64)
    }

    /// The share of the rest that is fragmented where as many percent are asked for, in percent.
    pub fn fragmented_at(&self, percent: i64) -> f64 {
        self.mean_at(percent, |point| {
            let rest = (self.total - point.taken) as f64;
            if rest > 0.0 { 100.0 * point.fragmented / rest } else { 0.0 }
        })
    }

    /// The mean over the arrivals within half a percent, as the authors take it; where there are
    /// none, the last arrival before.
    fn mean_at(&self, percent: i64, value: impl Fn(&Point) -> f64) -> f64 {
        // In 1/200 of a percent of the total, so that halves are whole.
        let is_near = |point: &&Point| {
            let asked = point.asked * 200;
            asked >= self.total * (2 * percent - 1) && asked <= self.total * (2 * percent + 1)
        };
        let (mut sum, mut count) = (0.0, 0);
        for point in self.points.iter().filter(is_near) {
            sum += value(point);
            count += 1;
        }
        if count > 0 {
            return sum / f64::from(count);
        }
        let before = |point: &&Point| point.asked * 100 <= self.total * percent;
        self.points.iter().rev().find(before).map_or(0.0, value)
    }
}
