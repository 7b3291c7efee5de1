//! Logarithms from the arithmetic that IEEE 754 rounds in one way alone, so that every machine
//! decides alike: those of mathematical libraries differ in their last digits.

/// How many binary places are told.
const PLACES: u32 = 20;

/// The logarithm to the base 2 of a positive, normal number.
pub(super) fn log2(number: f64) -> f64 {
    const FRACTION_BITS: u32 = 52;
    const BIAS: i64 = 1023;
    let bits = number.to_bits();
    let exponent = (bits >> FRACTION_BITS) as i64 - BIAS;
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    let mut rest = f64::from_bits(fraction | ((BIAS as u64) << FRACTION_BITS));
    let (mut log, mut place) = (exponent as f64, 0.5);
    for _ in 0..PLACES {
        rest *= rest;
        if rest >= 2.0 {
            rest /= 2.0;
            log += place;
        }
        place /= 2.0;
    }
    log
}

/// 2 to the power of a number between 0 and 1000.
pub(super) fn exp2(log: f64) -> f64 {
    let log = log.clamp(0.0, 1000.0);
    let whole = log.floor();
    let (mut power, mut rest) = (1.0, log - whole);
    let (mut root, mut place) = (2f64, 1.0);
    for _ in 0..PLACES {
        root = root.sqrt();
        place /= 2.0;
        if rest >= place {
            rest -= place;
            power *= root;
        }
    }
    (0..whole as u32).fold(power, |power, _| power * 2.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn powers_of_two_are_exact() {
        for power in 0..53u32 {
            let number = (1u64 << power) as f64;
            assert_eq!((log2(number), exp2(power.into())), (f64::from(power), number));
        }
    }

    proptest! {
        #[test]
        fn both_agree_with_the_library(number in 1u64..1 << 52) {
            let number = number as f64;
            prop_assert!((log2(number) - number.log2()).abs() < 2e-6);
            prop_assert!((exp2(log2(number)) / number - 1.0).abs() < 2e-6);
        }
    }
}
