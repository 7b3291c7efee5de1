//! How windows slide over images; the rules and the kernels read the attributes alike.

use crate::{Arguments, SignatureError};

/// A window along one axis of an image: which elements it meets at each of its places.
///
/// Place `p` of tap `t` is element `p * stride + t * dilation - padding`; elements before the
/// first and after the last are nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// How many elements it meets at a place.
    pub taps: u64,
    /// How far it moves from a place to the next.
    pub stride: u64,
    /// How far before the first element it begins, and after the last it ends.
    pub padding: u64,
    /// How far its elements are apart.
    pub dilation: u64,
}

impl Window {
    /// From its first to its last element, both included.
    fn span(&self) -> Option<u64> {
        self.taps.checked_sub(1)?.checked_mul(self.dilation)?.checked_add(1)
    }

    /// How many places it has along `extent` elements, or `None` where it does not fit even once.
    pub fn places(&self, extent: u64) -> Option<u64> {
        let padded = self.padding.checked_mul(2)?.checked_add(extent)?;
        Some(padded.checked_sub(self.span()?)? / self.stride + 1)
    }

    /// The least number of elements along which it has that many places, or `None` where it has
    /// more along none.
    pub fn least_extent(&self, places: u64) -> Option<u64> {
        let moved = places.checked_sub(1)?.checked_mul(self.stride)?;
        moved.checked_add(self.span()?)?.checked_sub(self.padding.checked_mul(2)?)
    }
}

/// The window that the attributes `stride`, `padding` and `dilation` describe, along the rows and
/// along the columns of an image. `taps` and the `stride` where none is given are told by the
/// kernel.
///
/// # Errors
/// An attribute is neither one number for both axes nor one for each.
pub fn windows(
    arguments: &Arguments<'_>,
    taps: [u64; 2],
    stride: [u64; 2],
) -> Result<[Window; 2], SignatureError> {
    let strides = pair(arguments, "stride", stride)?;
    let paddings = pair(arguments, "padding", [0; 2])?;
    let dilations = pair(arguments, "dilation", [1; 2])?;
    Ok([0, 1].map(|axis| Window {
        taps: taps[axis],
        stride: strides[axis],
        padding: paddings[axis],
        dilation: dilations[axis],
    }))
}

/// A list attribute that says one number for both axes of an image, or one for its rows and one
/// for its columns.
///
/// # Errors
/// It says something else.
pub fn pair(
    arguments: &Arguments<'_>,
    name: &'static str,
    absent: [u64; 2],
) -> Result<[u64; 2], SignatureError> {
    let number = |value: i64| {
        let fits = u32::try_from(value).map(u64::from);
        fits.map_err(|_| arguments.refuse(name, format!("{value} is above {}", u32::MAX)))
    };
    match arguments.optional_ints(name) {
        None => Ok(absent),
        Some(&[both]) => Ok([number(both)?; 2]),
        Some(&[rows, columns]) => Ok([number(rows)?, number(columns)?]),
        Some(others) => {
            let message = format!("must be 1 number or 2 (rows, columns), is {}", others.len());
            Err(arguments.refuse(name, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_extents_go_together() {
        for (taps, stride, padding, dilation) in
            [(1, 1, 0, 1), (3, 1, 1, 1), (3, 2, 1, 1), (2, 3, 0, 2), (5, 2, 2, 3)]
        {
            let window = Window { taps, stride, padding, dilation };
            for extent in 0..40 {
                let starts = (-(padding as i64)..).step_by(stride as usize);
                let end = (extent + padding) as i64;
                let ends = starts.map(|start| start + ((taps - 1) * dilation) as i64);
                let expected = ends.take_while(|last| *last < end).count() as u64;
                assert_eq!(window.places(extent).unwrap_or(0), expected, "{window:?} {extent}");
                if let Some(least) = window.least_extent(expected) {
                    assert!(least <= extent && window.places(least) == Some(expected));
                    assert!(least == 0 || window.places(least - 1) != Some(expected));
                }
            }
        }
    }

    #[test]
    fn windows_too_large_to_count_fit_nowhere() {
        let window = Window { taps: u64::MAX, stride: 1, padding: 0, dilation: u64::MAX };
        assert_eq!((window.places(u64::MAX), window.least_extent(1)), (None, None));
        let none = Window { taps: 0, stride: 1, padding: 1, dilation: 1 };
        assert_eq!(none.places(5), None);
    }
}
