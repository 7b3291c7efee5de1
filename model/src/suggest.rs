//! "Did you mean": the known name nearest to one that is not known.

/// The name nearest to `wanted`, where at most a third of its letters differ.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Names from outside may be of any length and number.
    if wanted.len() > 64 {
        return None;
    }
    let limit = (wanted.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter(|name| name.len().abs_diff(wanted.len()) <= limit * 4)
        .map(|name| (distance(wanted, name), name))
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
    use super::nearest;

    #[test]
    fn what_is_near_is_found() {
        let known = ["counter", "parameter_server"];
        assert_eq!(nearest("countre", known), Some("counter"));
        assert_eq!(nearest("paramter_server", known), Some("parameter_server"));
        assert_eq!(nearest("model", known), None);
        assert_eq!(nearest(&"a".repeat(1000), known), None);
    }

    #[test]
    fn near_names_are_found() {
        let names = ["matmul", "maximum", "add", "adam"];
        assert_eq!(nearest("matmull", names), Some("matmul"));
        assert_eq!(nearest("mamtul", names), Some("matmul"));
        assert_eq!(nearest("ad", names), Some("add"));
        assert_eq!(nearest("convolve", names), None);
        assert_eq!(nearest(&"a".repeat(1000), names), None);
    }
}
