//! "Did you mean": the known name nearest to one that is not known.

/// `; did you mean "x"?` where a known name is near, else `; WHAT: a, b, c`.
pub(crate) fn advice<'a>(
    wanted: &str,
    known: impl IntoIterator<Item = &'a str>,
    what: &str,
) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(name) = nearest(wanted, &known) {
        return format!("; did you mean {name:?}?");
    }
    match known.len() {
        0 => format!("; {what}: none"),
        // A longer list would hide the message.
        1..=24 => format!("; {what}: {}", known.join(", ")),
        _ => String::new(),
    }
}

/// The name nearest to `wanted`, where at most a third of its letters differ.
fn nearest<'a>(wanted: &str, known: &[&'a str]) -> Option<&'a str> {
    // Names from outside may be of any length and number.
    if wanted.len() > 64 {
        return None;
    }
    let limit = (wanted.chars().count() / 3).max(1);
    let near = |name: &&&str| name.len().abs_diff(wanted.len()) <= limit * 4;
    known
        .iter()
        .filter(near)
        .map(|name| (distance(wanted, name), *name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

/// How many letters must be inserted, deleted or replaced to make `b` of `a` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::advice;

    #[test]
    fn the_nearest_name_or_the_list_is_offered() {
        let known = ["kernel", "inputs", "after"];
        assert_eq!(advice("kernl", known, "known"), "; did you mean \"kernel\"?");
        assert_eq!(advice("zzz", known, "known"), "; known: kernel, inputs, after");
        assert_eq!(advice("zzz", [], "known"), "; known: none");
    }
}
