//! Pages of long lists.

use drawloom_proto::FieldError;

const DEFAULT: u32 = 100;
const MOST: u32 = 1000;

/// How many items a page has.
pub(super) fn page_size(asked: u32) -> usize {
    if asked == 0 { DEFAULT as usize } else { asked.min(MOST) as usize }
}

/// The number in a page's token; `None` for the first page.
pub(super) fn page_token(token: &str) -> Result<Option<u64>, FieldError> {
    if token.is_empty() {
        return Ok(None);
    }
    let bad = |_| FieldError::new("page_token", format_args!("{token:?} is not from a reply"));
    u64::from_str_radix(token, 16).map(Some).map_err(bad)
}

/// The token of a number.
pub(super) fn token(number: u64) -> String {
    format!("{number:x}")
}

/// The states of a filter.
pub(super) fn states<S: TryFrom<i32, Error = impl std::fmt::Display>>(
    numbers: &[i32],
) -> Result<Vec<S>, FieldError> {
    let state = |(position, number): (usize, &i32)| {
        S::try_from(*number).map_err(|error| FieldError::new(format!("states[{position}]"), error))
    };
    numbers.iter().enumerate().map(state).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_bounded() {
        assert_eq!((page_size(0), page_size(7), page_size(u32::MAX)), (100, 7, 1000));
    }

    #[test]
    fn tokens_survive() {
        assert_eq!(page_token(&token(u64::MAX)), Ok(Some(u64::MAX)));
        assert_eq!(page_token(""), Ok(None));
        assert!(page_token("nonsense").is_err());
    }
}
