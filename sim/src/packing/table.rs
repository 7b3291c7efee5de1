//! Comma-separated tables with a line of names at the top.

use std::path::Path;

use crate::SimError;

/// A table, as it lies in a file.
pub(super) struct Table<'a> {
    path: &'a Path,
    names: Vec<&'a str>,
    rows: Vec<(usize, Vec<&'a str>)>,
}

/// A line of a table.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    table: &'a Table<'a>,
    line: usize,
    fields: &'a [&'a str],
}

impl<'a> Table<'a> {
    /// Splits a file into its fields.
    pub fn new(path: &'a Path, text: &'a str) -> Result<Self, SimError> {
        let mut lines = (1..).zip(text.strip_prefix('\u{feff}').unwrap_or(text).lines());
        let names = lines.next().map_or(Vec::new(), |(_, line)| line.split(',').collect());
        let mut rows = Vec::new();
        for (line, content) in lines.filter(|(_, content)| !content.is_empty()) {
            let fields: Vec<&str> = content.split(',').collect();
            let bad = |message: String| Err(SimError::bad(path, format!("line {line}"), message));
            if content.contains('"') {
                return bad("quoted fields are not understood".to_owned());
            }
            if fields.len() != names.len() {
                return bad(format!(
                    "{} fields, and there are {} columns",
                    fields.len(),
                    names.len()
                ));
            }
            rows.push((line, fields));
        }
        Ok(Table { path, names, rows })
    }

    /// The lines below the names.
    pub fn rows(&'a self) -> impl Iterator<Item = Row<'a>> {
        self.rows.iter().map(|(line, fields)| Row { table: self, line: *line, fields })
    }

    /// Where a column is.
    pub fn column(&self, name: &'static str) -> Result<Column, SimError> {
        let found = self.names.iter().position(|known| *known == name);
        found.map(|index| Column { index, name }).ok_or_else(|| {
            SimError::bad(self.path, "line 1", format!("there is no column {name:?}"))
        })
    }
}

/// A column by its place and name.
#[derive(Clone, Copy)]
pub(super) struct Column {
    index: usize,
    name: &'static str,
}

impl<'a> Row<'a> {
    /// The text of a field.
    pub fn text(&self, column: Column) -> &'a str {
        self.fields.get(column.index).copied().unwrap_or_default()
    }

    /// The number in a field, from nought to a limit.
    pub fn number(&self, column: Column, most: i64) -> Result<i64, SimError> {
        let text = self.text(column);
        if text.is_empty() {
            return Err(self.bad(column, "a number is missing"));
        }
        // Digits that do not fit in an i64 are a number beyond every limit.
        let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<i64>() {
            Ok(number) if number < 0 => Err(self.bad(column, format!("{number} is negative"))),
            Ok(number) if number <= most => Ok(number),
            Err(_) if !is_digits => Err(self.bad(column, format!("{text:?} is no whole number"))),
            _ => Err(self.bad(column, format!("{text} is more than {most}"))),
        }
    }

    /// A field is not as it must be.
    pub fn bad(&self, column: Column, message: impl Into<String>) -> SimError {
        let field = format!("line {}: {}", self.line, column.name);
        SimError::bad(self.table.path, field, message)
    }
}
