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

/// How many letters must be inserted, deleted, replaced or swapped with their neighbour to make
/// `b` of `a` (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i];
        for j in 1..=b.len() {
            let replaced = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
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
        assert_eq!(advice("afetr", known, "known"), "; did you mean \"after\"?");
        assert_eq!(advice("zzz", known, "known"), "; known: kernel, inputs, after");
        assert_eq!(advice("zzz", [], "known"), "; known: none");
    }
}
