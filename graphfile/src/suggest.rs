//! "Did you mean": the known name nearest to one that is not known.

use drawloom_model::nearest;

/// `; did you mean "x"?` where a known name is near, else `; WHAT: a, b, c`.
pub(crate) fn advice<'a>(
    wanted: &str,
    known: impl IntoIterator<Item = &'a str>,
    what: &str,
) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(name) = nearest(wanted, known.iter().copied()) {
        return format!("; did you mean {name:?}?");
    }
    match known.len() {
        0 => format!("; {what}: none"),
        // A longer list would hide the message.
        1..=24 => format!("; {what}: {}", known.join(", ")),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::advice;

    #[test]
    fn the_nearest_name_or_the_list_is_offered() {
        let known = ["kernel", "inputs", "after"];
        assert_eq!(advice("kernl", known, "known"), "; did you mean \"kernel\"?");
        assert_eq!(advice("afetr", known, "known"), "; did you mean \"after\"?");
        assert_eq!(advice("zzz", known, "known"), "; known: kernel, inputs, after");
        assert_eq!(advice("zzz", [], "known"), "; known: none");
    }
}
