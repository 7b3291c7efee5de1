//! Lines of styled text, cut to the width of a screen.

/// How a text looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Style {
    #[default]
    Plain,
    Bold,
    Dim,
    Good,
    Bad,
    Busy,
}

impl Style {
    /// What switches it on, in the codes of ECMA-48.
    const fn code(self) -> &'static str {
        match self {
            Style::Plain => "",
            Style::Bold => "\x1b[1m",
            Style::Dim => "\x1b[2m",
            Style::Good => "\x1b[32m",
            Style::Bad => "\x1b[31m",
            Style::Busy => "\x1b[36m",
        }
    }
}

/// A line, its parts from the left to the right.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Line(Vec<(String, Style)>);

impl Line {
    pub fn new() -> Self {
        Line::default()
    }

    pub fn text(mut self, text: impl AsRef<str>, style: Style) -> Self {
        self.0.push((clean(text.as_ref()), style));
        self
    }

    /// A column: the text cut or filled up to the width, and a space.
    pub fn left(self, text: impl AsRef<str>, width: usize, style: Style) -> Self {
        let text = cut(&clean(text.as_ref()), width);
        self.text(format!("{text:<width$} "), style)
    }

    /// A column whose text ends at its right edge.
    pub fn right(self, text: impl AsRef<str>, width: usize, style: Style) -> Self {
        let text = cut(&clean(text.as_ref()), width);
        self.text(format!("{text:>width$} "), style)
    }

    /// A bar of which a share is full, and a space.
    pub fn bar(self, share: f64, width: usize) -> Self {
        // A share that is not nothing is seen.
        let full = (share.clamp(0.0, 1.0) * width as f64).ceil() as usize;
        let line = self.text("━".repeat(full), Style::Busy);
        line.text("─".repeat(width - full) + " ", Style::Dim)
    }

    /// The line, cut to a width; with codes for styles where they are wanted.
    pub fn render(&self, width: usize, styled: bool) -> String {
        let mut rendered = String::new();
        let mut left = width;
        for (text, style) in &self.0 {
            let part: String = text.chars().take(left).collect();
            left -= part.chars().count();
            let code = if styled { style.code() } else { "" };
            if code.is_empty() || part.is_empty() {
                rendered.push_str(&part);
            } else {
                rendered.push_str(code);
                rendered.push_str(&part);
                rendered.push_str("\x1b[0m");
            }
        }
        let end = rendered.trim_end_matches(' ').len();
        rendered.truncate(end);
        rendered
    }
}

/// Names come from anybody: what would steer a terminal is replaced.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_cut_and_filled() {
        let line = Line::new()
            .left("abc", 5, Style::Bold)
            .right("abcdef", 4, Style::Plain)
            .bar(0.5, 4)
            .text("end", Style::Bad);
        assert_eq!(line.render(80, false), "abc   abc… ━━── end");
        assert_eq!(line.render(8, false), "abc   ab");
        assert_eq!(line.render(7, true), "\x1b[1mabc   \x1b[0ma");
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        assert_eq!(Line::new().text("a\x1b[2Jb", Style::Plain).render(9, false), "a\u{fffd}[2Jb");
    }

    #[test]
    fn a_little_is_not_nothing() {
        assert_eq!(Line::new().bar(0.001, 3).render(9, false), "━──");
        assert_eq!(Line::new().bar(0.0, 3).render(9, false), "───");
        assert_eq!(Line::new().bar(7.0, 3).render(9, false), "━━━");
    }
}
