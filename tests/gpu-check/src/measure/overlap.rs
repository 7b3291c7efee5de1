//! Whether copies go on beside kernels.

use std::time::{Duration, Instant};

use drawloom_cuda::Lane;
use drawloom_model::DType;

use super::products::Product;
use super::{Bench, Figure, MeasureError};

impl Bench {
    pub(super) fn overlap(&self) -> Result<Vec<Figure>, MeasureError> {
        let bytes = self.effort.copy_bytes / 4;
        let stream = self.context.new_stream()?;
        // SAFETY: written before it is read.
        let mut pinned = unsafe { self.context.alloc_pinned_with_flags::<u8>(bytes, 0) }?;
        pinned.as_mut_slice()?.fill(1);
        let mut there = stream.alloc_zeros::<u8>(bytes)?;
        let lane = Lane::without_library(&self.device)?;
        let mut product = Product::new(self, lane, DType::F32, self.effort.extent / 2)?;

        let one_copy = super::timed(&stream, 1, || Ok(stream.memcpy_htod(&pinned, &mut there)?))?;
        product.time(self, 1)?;
        let one_product = product.time(self, 1)?;
        // As many of one as take as long as the other.
        let (copies, products) = balanced(one_copy, one_product, self.effort.repeats);
        let copying =
            super::timed(&stream, copies, || Ok(stream.memcpy_htod(&pinned, &mut there)?))?;
        let computing = product.time(self, products)?;
        let start = Instant::now();
        let last = product.launch(products)?;
        for _ in 0..copies {
            stream.memcpy_htod(&pinned, &mut there)?;
        }
        last.land(&self.device)?;
        stream.synchronize()?;
        let both = start.elapsed();

        let note =
            format!("{copying:.1?} of copies and {computing:.1?} of kernels took {both:.1?}");
        let share = hidden(copying, computing, both) * 100.0;
        Ok(vec![Figure::new("copies beside kernels", share, "% hidden", note).of(Some(100.0))])
    }
}

/// How often to do each of two things so that both take about as long.
fn balanced(a: Duration, b: Duration, repeats: u32) -> (u32, u32) {
    const MOST: f64 = 1000.0;
    let times = |longer: Duration, shorter: Duration| {
        let ratio = longer.as_secs_f64() / shorter.as_secs_f64().max(1e-9);
        repeats * ratio.clamp(1.0, MOST) as u32
    };
    (times(b, a), times(a, b))
}

/// Which part of the shorter of two things vanished behind the longer: 1 where both took no longer
/// than the longer one alone.
fn hidden(a: Duration, b: Duration, both: Duration) -> f64 {
    let saved = (a + b).saturating_sub(both).as_secs_f64();
    (saved / a.min(b).as_secs_f64().max(1e-9)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_a_part_of_the_shorter() {
        let ms = Duration::from_millis;
        assert_eq!(hidden(ms(10), ms(10), ms(20)), 0.0);
        assert_eq!(hidden(ms(10), ms(10), ms(10)), 1.0);
        assert_eq!(hidden(ms(10), ms(20), ms(25)), 0.5);
        assert_eq!(hidden(ms(10), ms(20), ms(40)), 0.0);
        assert_eq!(balanced(ms(10), ms(31), 2), (6, 2));
        assert_eq!(balanced(ms(0), ms(1), 1), (1000, 1));
    }
}
