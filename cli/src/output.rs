//! The one place that writes to the standard output and the standard error.

use std::borrow::Cow;
use std::io::{self, Write as _};

use serde::Serialize;

/// Text as a terminal may show it: what tasks say must not steer it.
fn plain(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            plain.extend(c.escape_default());
        } else {
            plain.push(c);
        }
    }
    Cow::Owned(plain)
}

/// Writes one line.
///
/// # Errors
/// When it cannot be written, as when nobody reads any more.
pub fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(plain(text).as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes a line for people to the standard error. Nobody may be there to read it: that is no
/// reason to end.
macro_rules! note {
    ($($text:tt)*) => {
        $crate::output::write_note(format_args!($($text)*))
    };
}
pub(crate) use note;

pub(crate) fn write_note(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{}", plain(&text.to_string()));
}

/// Writes text as it is: what a screen shows.
///
/// # Errors
/// When it cannot be written.
pub fn raw(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes one value as a line of JSON.
///
/// # Errors
/// When it cannot be written.
pub fn json(value: &impl Serialize) -> io::Result<()> {
    line(&serde_json::to_string(value)?)
}

/// Writes bytes as they are.
///
/// # Errors
/// When they cannot be written.
pub fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Writes rows under headings, in columns.
///
/// # Errors
/// When it cannot be written.
pub fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let mut widths = headings.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    line(&columns(headings, widths))?;
    for row in rows {
        line(&columns(row.each_ref().map(String::as_str), widths))?;
    }
    Ok(())
}

fn columns<const N: usize>(cells: [&str; N], widths: [usize; N]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        assert_eq!(columns(["a", "bc", ""], [3, 2, 4]), "a    bc");
    }
}
