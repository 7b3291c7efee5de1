//! One lane.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::strip::{Stretch, Strip};
use super::super::xml::escape;
use super::super::{Attempt, Outcome};
use super::{Drawing, shortened};
use crate::text;

/// About how wide a letter inside a bar is.
const LETTER: f64 = 5.6;
/// How opaque each shade of a stretch is.
const OPACITY: [f64; Stretch::DARKEST as usize] = [0.35, 0.55, 0.78, 1.0];

impl Drawing<'_> {
    /// Draws attempts that ran one after another.
    pub(super) fn lane(&mut self, indexes: &[usize], y: f64, height: f64) {
        self.background(y, height);
        let strip = Strip::new(&self.timeline.attempts, &self.plan.spans, indexes, self.scale);
        self.merged(&strip, y, height);
        for index in &strip.wide {
            self.bar(*index, y, height);
        }
        for index in indexes.iter().filter(|index| self.critical.contains(index)) {
            self.middles.insert(*index, y + height / 2.0);
        }
    }

    fn merged(&mut self, strip: &Strip, y: f64, height: f64) {
        let mut paths: BTreeMap<(usize, u8), String> = BTreeMap::new();
        for Stretch { first, count, run, shade } in strip.merged.iter().copied() {
            let x = self.scale.left + first as f64;
            let path = paths.entry((run, shade)).or_default();
            let _ = write!(path, "M{x:.0},{y:.1}h{count}v{height:.1}h-{count}z");
        }
        for ((run, shade), path) in paths {
            let (colour, opacity) =
                (self.palette.colour(run), OPACITY[usize::from(shade.clamp(1, 4)) - 1]);
            let _ = writeln!(
                self.body,
                "<path fill=\"{colour}\" fill-opacity=\"{opacity}\" d=\"{path}\"/>"
            );
        }
        let mark = (height * 0.4).max(2.0);
        for pixel in &strip.failed {
            let x = self.scale.left + *pixel as f64 - 0.5;
            let _ = writeln!(
                self.body,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"2\" height=\"{mark:.1}\" fill=\"#d11f2f\"/>"
            );
        }
    }

    /// Draws one attempt, with a text that shows when it is pointed at.
    fn bar(&mut self, index: usize, y: f64, height: f64) {
        let attempt = &self.timeline.attempts[index];
        let (start, end) = self.plan.spans[index];
        let (x, right) = (self.scale.x(start), self.scale.x(end));
        // Neighbours are told apart by a little space.
        let width = if right - x > 4.0 { right - x - 0.7 } else { right - x };
        let colour = self.palette.colour(attempt.run);
        let title = escape(&tooltip(attempt, &self.timeline.runs));
        let look = match attempt.outcome {
            Outcome::Succeeded => "",
            Outcome::Failed => " fill-opacity=\".5\"",
            Outcome::Cancelled => {
                " fill-opacity=\".35\" stroke=\"#8b929c\" stroke-dasharray=\"3 2\""
            }
            Outcome::Running => " fill-opacity=\".65\"",
        };
        let _ = writeln!(
            self.body,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{:.0}\" \
             fill=\"{colour}\"{look}><title>{title}</title></rect>",
            if height > 8.0 && width > 6.0 { 2.0 } else { 0.0 },
        );
        self.bar_text(attempt, x, width, y, height);
        if attempt.outcome == Outcome::Failed {
            self.cross(x, width, y, height);
        } else if self.critical.contains(&index) && height > 3.0 {
            let (inner, tall) = ((width - 1.6).max(0.4), height - 1.6);
            let (x, y) = (x + 0.8, y + 0.8);
            let _ = writeln!(
                self.body,
                "<rect class=\"c\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{inner:.1}\" height=\"{tall:.1}\" rx=\"1.5\"/>"
            );
        }
    }

    fn bar_text(&mut self, attempt: &Attempt, x: f64, width: f64, y: f64, height: f64) {
        let letters = ((width - 8.0) / LETTER) as usize;
        if height < 11.0 || letters < 3 {
            return;
        }
        let name = attempt.name.as_deref().unwrap_or(&self.timeline.runs[attempt.run]);
        let name = escape(&shortened(name, letters));
        let (x, y) = (x + 4.0, y + height / 2.0 + 3.5);
        let faded = matches!(attempt.outcome, Outcome::Failed | Outcome::Cancelled);
        let class = if faded { "d" } else { "i" };
        let _ =
            writeln!(self.body, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{name}</text>");
    }

    /// Marks a failed attempt.
    fn cross(&mut self, x: f64, width: f64, y: f64, height: f64) {
        let _ = writeln!(
            self.body,
            "<rect class=\"f\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        );
        let half = (height.min(width) / 2.0 - 2.5).clamp(0.0, 4.0);
        if half >= 1.5 {
            let (cx, cy) = (x + width - half - 4.0, y + height / 2.0);
            let (a, b, c, d) = (cx - half, cy - half, cx + half, cy + half);
            let _ = writeln!(
                self.body,
                "<path class=\"f\" d=\"M{a:.1},{b:.1}L{c:.1},{d:.1}M{a:.1},{d:.1}L{c:.1},{b:.1}\"/>"
            );
        }
    }
}

fn tooltip(attempt: &Attempt, runs: &[String]) -> String {
    let mut lines = vec![
        format!("{}, task {}, attempt {}", attempt.title(runs), attempt.task, attempt.number),
        format!("{} after {}", attempt.outcome.name(), text::span(attempt.run_time())),
        format!("queue delay {}", text::span(attempt.queue_delay())),
    ];
    lines.extend(attempt.failure.clone());
    lines.join("\n")
}
