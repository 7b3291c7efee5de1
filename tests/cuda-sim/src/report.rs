//! What the double found: told on the standard error and kept for tests to read.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Reports kept.
const KEPT: usize = 1000;

#[derive(Default)]
struct Reports {
    kept: Vec<(String, String)>,
    once: BTreeSet<String>,
    printed: String,
}

static REPORTS: Mutex<Option<Reports>> = Mutex::new(None);

fn with<T>(f: impl FnOnce(&mut Reports) -> T) -> T {
    let mut reports = REPORTS.lock().unwrap_or_else(PoisonError::into_inner);
    f(reports.get_or_insert_default())
}

/// Tells something of a kind such as `shared-race`.
pub fn tell(kind: &str, text: &str) {
    if !crate::settings::get().quiet {
        // The standard error may be closed: the report is kept all the same.
        let _ = writeln!(std::io::stderr(), "[simulated cuda] {kind}: {text}");
    }
    with(|reports| {
        if reports.kept.len() < KEPT {
            reports.kept.push((kind.to_owned(), text.to_owned()));
        }
    });
}

/// Tells it, but only the first time.
pub fn tell_once(kind: &str, text: &str) {
    if with(|reports| reports.once.insert(format!("{kind}: {text}"))) {
        tell(kind, text);
    }
}

/// What a kernel printed.
pub fn print(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
    with(|reports| reports.printed.push_str(text));
}

/// All reports as lines `kind: text`.
pub fn lines() -> String {
    with(|reports| reports.kept.iter().map(|(kind, text)| format!("{kind}: {text}\n")).collect())
}

/// What kernels printed.
pub fn printed() -> String {
    with(|reports| reports.printed.clone())
}

/// Forgets all.
pub fn clear() {
    with(|reports| *reports = Reports::default());
}
