//! What a text of PTX says of its kernels: their names and parameters.

/// A kernel of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// The types of its parameters, such as `u64`, or `b8[40]` for a structure.
    pub parameters: Vec<ParameterType>,
}

/// A parameter's type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParameterType {
    /// Its name in PTX.
    pub text: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Whether it is a number that need not be whole.
    pub is_float: bool,
    /// Whether it is a whole number, or an address.
    pub is_whole: bool,
}

/// The kernels of a text, in its order. What is not PTX has none: drivers say what is wrong with it.
pub fn entries(ptx: &str) -> Vec<Entry> {
    let text = without_comments(ptx);
    let mut words = words(&text).peekable();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        if word != ".entry" {
            continue;
        }
        let Some(name) = words.next() else { break };
        let mut parameters = Vec::new();
        if words.next_if_eq(&"(").is_some() {
            let list: Vec<&str> = words.by_ref().take_while(|word| *word != ")").collect();
            let list = list.split(|word| *word == ",");
            parameters.extend(list.filter_map(parameter));
        }
        found.push(Entry { name: name.to_owned(), parameters });
    }
    found
}

/// `.param .align 8 .b8 name[40]` is of type `b8[40]`, `.param .u64 .ptr .global name` of `u64`.
fn parameter(words: &[&str]) -> Option<ParameterType> {
    let (name, bits) = words.iter().find_map(|word| {
        let name = word.strip_prefix('.')?;
        let digits = name.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let kind = &name[..name.len() - digits.len()];
        let is_type = matches!(kind, "u" | "s" | "b" | "f");
        Some((name, digits.parse::<u64>().ok().filter(|_| is_type)?))
    })?;
    let array = words.iter().position(|word| *word == "[").map(|place| place + 1);
    let count = array.and_then(|place| words.get(place)).map(|count| count.parse::<u64>());
    let (text, count) = match count {
        Some(count) => {
            let count = count.ok()?;
            (format!("{name}[{count}]"), count)
        }
        None => (name.to_owned(), 1),
    };
    let scalar = array.is_none();
    Some(ParameterType {
        text,
        bytes: (bits / 8).saturating_mul(count),
        is_float: scalar && name.starts_with('f'),
        is_whole: scalar && name.starts_with(['u', 's']),
    })
}

/// Names, numbers and directives; every other character is a word of its own.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '%' | '.');
        let end = match rest.find(|c: char| !of_name(c)) {
            Some(0) => first.len_utf8(),
            Some(end) => end,
            None => rest.len(),
        };
        let (word, left) = rest.split_at(end);
        rest = left;
        Some(word)
    })
}

/// The text with spaces for comments and for what stands between quotes.
fn without_comments(ptx: &str) -> String {
    let mut text = String::with_capacity(ptx.len());
    let mut rest = ptx;
    while let Some(start) = rest.find(['/', '"']) {
        text.push_str(&rest[..start]);
        let (begins, found) = (&rest[start..], &rest[start + 1..]);
        let ends = [("//", "\n"), ("/*", "*/"), ("\"", "\"")];
        let kind = ends.iter().find(|(begin, _)| begins.starts_with(begin));
        rest = match kind {
            Some((begin, end)) => {
                text.push(' ');
                let inside = &begins[begin.len()..];
                inside.find(end).map_or("", |place| &inside[place + end.len()..])
            }
            None => found,
        };
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules;

    #[test]
    fn kernels_and_their_parameters_are_found() {
        let ptx = r#"
// .entry commented(
/* .entry commented
.entry out( */
.version 8.8 .file 1 "a.entry b"
.visible .entry _Z1fPf(
    .param .u64 .ptr .global .align 16 _Z1fPf_param_0, // an address
    .param .f32 by,
    .param .align 8 .b8 s[40]
) .maxntid 256, 1, 1 { ret; }
.entry bare { ret; }
.visible .entry none() { ret; }
.func (.param .b32 r) device(.param .b64 x) { ret; }
"#;
        let told: Vec<(String, Vec<(String, u64)>)> = entries(ptx)
            .into_iter()
            .map(|entry| {
                let parameters = entry.parameters.into_iter();
                (entry.name, parameters.map(|one| (one.text, one.bytes)).collect())
            })
            .collect();
        let of = |text: &str, bytes| (text.to_owned(), bytes);
        assert_eq!(
            told,
            [
                ("_Z1fPf".to_owned(), vec![of("u64", 8), of("f32", 4), of("b8[40]", 40)]),
                ("bare".to_owned(), vec![]),
                ("none".to_owned(), vec![]),
            ]
        );
    }

    #[test]
    fn what_is_no_ptx_has_no_kernels() {
        for text in ["", ".entry", "/* .entry f(", "\"", ".entry f(.param .u64", "é .entré /"] {
            assert!(entries(text).iter().all(|entry| entry.name == "f"), "{text}");
        }
    }

    #[test]
    fn the_catalogue_has_kernels() {
        for module in modules() {
            assert!(!entries(module.ptx).is_empty(), "{}", module.name);
        }
        let fill = modules().iter().find(|module| module.name == "fill_b4").expect("a module");
        let fill = &entries(fill.ptx)[0];
        let texts: Vec<&str> = fill.parameters.iter().map(|one| &*one.text).collect();
        assert_eq!((&*fill.name, &texts[..]), ("fill", &["u64", "u64", "u32"][..]));
    }
}
