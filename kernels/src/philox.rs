//! Random numbers by a counter.

/// Philox 4x32-10 (Salmon et al. 2011): 128 random bits for every number, in any order, so that
/// results depend neither on the number of cores nor on who computes which part.
#[derive(Clone, Copy)]
pub(crate) struct Philox {
    key: [u32; 2],
    stream: [u32; 2],
}

impl Philox {
    /// The sequence `stream` of the key `seed`.
    pub(crate) fn new(seed: i64, stream: i64) -> Self {
        Philox { key: halves(seed as u64), stream: halves(stream as u64) }
    }

    /// The random bits of one number.
    pub(crate) fn block(&self, counter: u64) -> [u32; 4] {
        let [low, high] = halves(counter);
        let mut state = [low, high, self.stream[0], self.stream[1]];
        let mut key = self.key;
        for _ in 0..10 {
            let [low0, high0] = halves(0xD251_1F53 * u64::from(state[0]));
            let [low1, high1] = halves(0xCD9E_8D57 * u64::from(state[2]));
            state = [high1 ^ state[1] ^ key[0], low1, high0 ^ state[3] ^ key[1], low0];
            key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        }
        state
    }

    /// Two random words of 64 bits.
    pub(crate) fn words(&self, counter: u64) -> [u64; 2] {
        let [a, b, c, d] = self.block(counter);
        [u64::from(a) | u64::from(b) << 32, u64::from(c) | u64::from(d) << 32]
    }

    /// Two independent values, normally distributed (Box and Muller 1958).
    pub(crate) fn normals(&self, counter: u64) -> [f64; 2] {
        let [a, b] = self.words(counter);
        // From above 0 up to and including 1, so that the logarithm is finite.
        let radius = (-2.0 * (unit(a) + UNIT_STEP).ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * unit(b)).sin_cos();
        [radius * cosine, radius * sine]
    }
}

const UNIT_STEP: f64 = 1.0 / (1u64 << 53) as f64;

/// A value from 0 up to 1 of the upper 53 bits.
pub(crate) fn unit(word: u64) -> f64 {
    (word >> 11) as f64 * UNIT_STEP
}

/// A value from 0 up to `bound` of 64 bits (Lemire 2019, without rejection: the bias is below
/// `bound` / 2^64).
pub(crate) fn below(word: u64, bound: u64) -> u64 {
    ((u128::from(word) * u128::from(bound)) >> 64) as u64
}

fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_test_vectors_hold() {
        // Random123's `kat_vectors`: counter and key of all zeros, of all ones, and of pi's digits.
        let zeros = Philox::new(0, 0).block(0);
        assert_eq!(zeros, [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        let ones = Philox::new(-1, -1).block(u64::MAX);
        assert_eq!(ones, [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
        let stream = 0x0370_7344_1319_8a2e;
        let pi = Philox::new(0x299f_31d0_a409_3822, stream).block(0x85a3_08d3_243f_6a88);
        assert_eq!(pi, [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]);
    }

    #[test]
    fn bounds_hold() {
        assert_eq!(below(u64::MAX, 10), 9);
        assert_eq!(below(0, 10), 0);
        assert!(unit(u64::MAX) < 1.0);
        assert!(Philox::new(1, 2).normals(3).into_iter().all(f64::is_finite));
    }
}
