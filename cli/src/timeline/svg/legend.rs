//! What the colours and marks mean.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::palette::{Palette, Share};
use super::super::xml::escape;
use super::super::{Outcome, Timeline};
use super::shortened;
use crate::text;

const COLUMNS: usize = 4;
const COLUMN: f64 = 292.0;
const LINE: f64 = 19.0;
/// How many kernels are named; the others are summed up.
const NAMED: usize = 11;

/// The legend, and where the picture ends below it.
pub(super) fn draw(timeline: &Timeline, palette: &Palette, top: f64) -> (String, f64) {
    let mut entries: Vec<(String, String)> = Vec::new();
    for share in palette.shares.iter().take(NAMED) {
        let name = shortened(&timeline.runs[share.run], 20);
        entries.push((swatch(palette.colour(share.run)), describe(&name, share)));
    }
    if let Some(rest) = rest(&palette.shares) {
        let colour = palette.colour(rest.run);
        let name = format!("{} others", palette.shares.len() - NAMED);
        entries.push((swatch(colour), describe(&name, &rest)));
    }
    entries.extend(marks(timeline));
    let mut legend = String::new();
    for (place, (mark, text)) in entries.iter().enumerate() {
        let x = 16.0 + COLUMN * (place % COLUMNS) as f64;
        let y = top + LINE * (place / COLUMNS) as f64;
        let _ = writeln!(
            legend,
            "<g transform=\"translate({x:.0} {y:.1})\">{mark}\
             <text class=\"s\" x=\"20\" y=\"10\">{}</text></g>",
            escape(text)
        );
    }
    (legend, (top + LINE * entries.len().div_ceil(COLUMNS) as f64 + 12.0).ceil())
}

fn swatch(colour: &str) -> String {
    format!("<rect width=\"13\" height=\"11\" rx=\"2\" fill=\"{colour}\"/>")
}

fn describe(name: &str, share: &Share) -> String {
    let mean = share.time / share.attempts.max(1) as u32;
    format!("{name}: {} × {}", share.attempts, text::span(mean))
}

/// The kernels that are not named, as one.
fn rest(shares: &[Share]) -> Option<Share> {
    let rest = shares.get(NAMED..).filter(|rest| !rest.is_empty())?;
    Some(Share {
        run: rest[0].run,
        attempts: rest.iter().map(|share| share.attempts).sum(),
        time: rest.iter().map(|share| share.time).sum::<Duration>(),
    })
}

/// The marks that occur.
fn marks(timeline: &Timeline) -> Vec<(String, String)> {
    let has = |outcome| timeline.attempts.iter().any(|attempt| attempt.outcome == outcome);
    let mut marks = Vec::new();
    if timeline.critical.len() > 1 {
        let mark = "<rect class=\"c\" x=\".8\" y=\".8\" width=\"11.4\" height=\"9.4\" rx=\"1.5\"/>";
        marks.push((mark.to_owned(), "on the critical path".to_owned()));
    }
    if has(Outcome::Failed) {
        let mark = "<rect class=\"f\" width=\"13\" height=\"11\"/>\
                    <path class=\"f\" d=\"M4,3L9,8M4,8L9,3\"/>";
        marks.push((mark.to_owned(), "failed attempt".to_owned()));
    }
    if has(Outcome::Cancelled) {
        let mark = "<rect width=\"13\" height=\"11\" fill=\"#d5d9de\" stroke=\"#8b929c\" \
                    stroke-dasharray=\"3 2\"/>";
        marks.push((mark.to_owned(), "cancelled".to_owned()));
    }
    marks
}
