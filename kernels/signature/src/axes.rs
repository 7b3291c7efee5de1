//! How attributes name axes and places on them; the rules and the kernels read them alike.

/// The axis that `value` means among `rank` axes: negative counts from the end.
pub fn normalise_axis(value: i64, rank: usize) -> Option<usize> {
    let rank = i64::try_from(rank).ok()?;
    let axis = if value < 0 { value.checked_add(rank)? } else { value };
    (0..rank).contains(&axis).then_some(axis as usize)
}

/// Which of `rank` axes `axes` names; all of them where it is absent.
///
/// # Errors
/// There is no such axis, or one is named twice.
pub fn reduced_axes(axes: Option<&[i64]>, rank: usize) -> Result<Vec<bool>, String> {
    let Some(axes) = axes else { return Ok(vec![true; rank]) };
    let mut reduced = vec![false; rank];
    for value in axes {
        let axis =
            normalise_axis(*value, rank).ok_or_else(|| format!("there is no axis {value}"))?;
        if std::mem::replace(&mut reduced[axis], true) {
            return Err(format!("axis {value} is named twice"));
        }
    }
    Ok(reduced)
}

/// From where up to where a slice of an axis goes, or `None` when that is not within the axis.
/// Negative places count from the end, and an absent `stop` is the end.
pub fn slice_bounds(start: i64, stop: Option<i64>, extent: u64) -> Option<(u64, u64)> {
    let place = |value: i64| {
        let place =
            if value < 0 { extent.checked_sub(value.unsigned_abs()) } else { Some(value as u64) };
        place.filter(|place| *place <= extent)
    };
    let (start, stop) = (place(start)?, stop.map_or(Some(extent), place)?);
    (start <= stop).then_some((start, stop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_places_count_from_the_end() {
        assert_eq!(normalise_axis(-1, 3), Some(2));
        assert_eq!(normalise_axis(3, 3), None);
        assert_eq!(normalise_axis(i64::MIN, 3), None);
        assert_eq!(slice_bounds(-3, Some(-1), 10), Some((7, 9)));
        assert_eq!(slice_bounds(0, None, 0), Some((0, 0)));
        assert_eq!(slice_bounds(4, Some(3), 10), None);
        assert_eq!(slice_bounds(0, Some(11), 10), None);
        assert_eq!(reduced_axes(Some(&[-1, 1]), 2), Err("axis 1 is named twice".to_owned()));
    }
}
