//! What an expected run time rests on.

use std::fmt;

use crate::cost::Expected;

/// What an expected run time rests on, the firmest last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Basis {
    /// Nothing: it is a guess, the same for all.
    #[default]
    Nothing,
    /// The submitter's hint.
    Hint,
    /// Tasks of the same request class, whatever their size and their devices.
    Class,
    /// Measurements on such a device, for other sizes.
    OtherSizes,
    /// So many measurements on such a device for inputs and outputs of that size.
    Measured(u32),
}

impl Basis {
    pub(crate) fn of(expected: Expected) -> Basis {
        match expected.samples {
            Some(samples) => Basis::Measured(u32::try_from(samples).unwrap_or(u32::MAX)),
            None => Basis::OtherSizes,
        }
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Basis::Nothing => f.write_str("a guess, nothing is known of it yet"),
            Basis::Hint => f.write_str("its cost hint"),
            Basis::Class => f.write_str("measured of its request class"),
            Basis::OtherSizes => f.write_str("from measurements of other sizes there"),
            Basis::Measured(1) => f.write_str("measured once there for that size"),
            Basis::Measured(times) => write!(f, "measured {times} times there for that size"),
        }
    }
}
