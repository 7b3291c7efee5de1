//! The picture: a lane for each attempt that runs at a time, time from the left to the right.
//!
//! It is as readable for ten attempts as for a hundred thousand: what is narrower than a pixel is
//! merged into stretches, darker the more of the time is taken.

mod axis;
mod lane;
mod legend;
mod queue;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use drawloom_model::Time;

use super::lanes::{Plan, Row};
use super::palette::Palette;
use super::strip::Scale;
use super::xml::escape;
use super::{Executor, Outcome, Timeline};
use crate::text;

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 172.0;
const RIGHT: f64 = 24.0;
/// Where the first lane begins.
const TOP: f64 = 92.0;
/// About how high all lanes together are.
const LANES_HEIGHT: f64 = 560.0;
const EXECUTOR_GAP: f64 = 14.0;
/// Room for an executor's name and what it did.
const LABEL_HEIGHT: f64 = 32.0;
const CRITICAL_HEIGHT: f64 = 14.0;
/// Longer critical paths are not drawn from lane to lane.
const LINKED_TASKS: usize = 80;

const STYLE: &str = "\
text{font-family:Inter,'Helvetica Neue',Helvetica,Arial,'DejaVu Sans',sans-serif;fill:#1d232b}\
.t{font-size:17px;font-weight:600}.s{font-size:12px;fill:#55606e}.n{font-size:12px;font-weight:600}\
.a{font-size:11px;fill:#55606e}.i{font-size:10px;fill:#fff}.d{font-size:10px;fill:#1d232b}\
.c{fill:none;stroke:#11161d;stroke-width:1.6}.k{fill:none;stroke:#11161d;stroke-opacity:.5}\
.f{fill:none;stroke:#d11f2f;stroke-width:1.8}.g{stroke:#e3e7ec}.b{fill:#f4f6f8}";

/// A picture on its way.
struct Drawing<'a> {
    timeline: &'a Timeline,
    plan: &'a Plan,
    palette: &'a Palette,
    scale: Scale,
    lane_height: f64,
    /// Attempts on the critical path.
    critical: BTreeSet<usize>,
    /// The middle of the lane of each attempt on the critical path.
    middles: BTreeMap<usize, f64>,
    /// What bars are drawn upon.
    beneath: String,
    body: String,
}

/// The picture of a timeline.
pub(super) fn draw(timeline: &Timeline, plan: &Plan) -> String {
    let palette = Palette::new(timeline);
    let until = timeline.until.max(Time::from_nanos(1));
    let mut drawing = Drawing {
        timeline,
        plan,
        palette: &palette,
        scale: Scale { left: LEFT, width: WIDTH - LEFT - RIGHT, until },
        lane_height: (LANES_HEIGHT / plan.lane_count().max(1) as f64).clamp(2.0, 20.0),
        critical: timeline.critical.iter().copied().collect(),
        middles: BTreeMap::new(),
        beneath: String::new(),
        body: String::new(),
    };
    let bottom = drawing.rows();
    let axis = axis::draw(drawing.scale, TOP - 6.0, bottom);
    let (legend, height) = legend::draw(timeline, &palette, bottom + 34.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\"><style>{STYLE}</style>\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    svg.push_str(&title(timeline));
    svg.push_str(&axis);
    svg.push_str(&drawing.beneath);
    svg.push_str(&drawing.body);
    svg.push_str(&legend);
    svg.push_str("</svg>\n");
    svg
}

impl Drawing<'_> {
    /// Draws the critical path and every executor; answers where they end.
    fn rows(&mut self) -> f64 {
        let mut y = TOP;
        if self.timeline.critical.len() > 1 {
            self.label(y + 11.0, "n", "critical path");
            self.lane(&self.timeline.critical, y, CRITICAL_HEIGHT);
            y += CRITICAL_HEIGHT + EXECUTOR_GAP;
        }
        self.middles.clear();
        for (executor, row) in self.timeline.executors.iter().zip(&self.plan.rows) {
            y = self.executor(executor, row, y) + EXECUTOR_GAP;
        }
        self.links();
        y - EXECUTOR_GAP / 2.0
    }

    /// Draws one executor's lanes; answers where they end.
    fn executor(&mut self, executor: &Executor, row: &Row, top: f64) -> f64 {
        self.label(top + 12.0, "n", &shortened(&executor.name, 22));
        self.label(top + 27.0, "a", &describe(self.timeline, executor));
        let mut y = top;
        for lane in &row.lanes {
            self.lane(lane, y, self.lane_height);
            y += self.lane_height + self.lane_gap();
        }
        if row.lanes.is_empty() {
            self.background(y, self.lane_height);
            y += self.lane_height;
        }
        y = y.max(top + LABEL_HEIGHT);
        self.queue(executor, y + 2.0).unwrap_or(y)
    }

    fn lane_gap(&self) -> f64 {
        if self.lane_height < 6.0 { 0.5 } else { 2.0 }
    }

    fn background(&mut self, y: f64, height: f64) {
        let Scale { left, width, .. } = self.scale;
        let _ = writeln!(
            self.beneath,
            "<rect class=\"b\" x=\"{left}\" y=\"{y:.1}\" width=\"{width}\" height=\"{height:.1}\"/>"
        );
    }

    fn label(&mut self, y: f64, class: &str, text: &str) {
        let text = escape(text);
        let _ = writeln!(self.body, "<text class=\"{class}\" x=\"16\" y=\"{y:.1}\">{text}</text>");
    }

    /// Draws the critical path from lane to lane.
    fn links(&mut self) {
        if self.timeline.critical.len() > LINKED_TASKS {
            return;
        }
        for pair in self.timeline.critical.windows(2) {
            let (Some(from), Some(to)) = (self.middles.get(&pair[0]), self.middles.get(&pair[1]))
            else {
                continue;
            };
            let left = self.scale.x(self.plan.spans[pair[0]].1);
            let right = self.scale.x(self.plan.spans[pair[1]].0);
            let _ = writeln!(
                self.beneath,
                "<path class=\"k\" d=\"M{left:.1},{from:.1}L{right:.1},{to:.1}\"/>"
            );
        }
    }
}

fn title(timeline: &Timeline) -> String {
    let job = &timeline.job;
    let name = if job.name.is_empty() { "a job" } else { &job.name };
    let mut text = String::new();
    let lines =
        [("t", 32, name.to_owned()), ("s", 52, about(timeline)), ("s", 69, delays(timeline))];
    for (class, y, line) in lines {
        let line = escape(&line);
        let _ = writeln!(text, "<text class=\"{class}\" x=\"16\" y=\"{y}\">{line}</text>");
    }
    text
}

/// What the job was.
fn about(timeline: &Timeline) -> String {
    let (job, attempts) = (&timeline.job, &timeline.attempts);
    let failed = attempts.iter().filter(|attempt| attempt.outcome == Outcome::Failed).count();
    let failed = if failed > 0 { format!(" ({failed} failed)") } else { String::new() };
    format!(
        "{} {} · makespan {} · {} tasks, {} attempts{failed}",
        job.job,
        job.state,
        text::span(timeline.until - Time::ZERO),
        job.tasks.total(),
        attempts.len()
    )
}

/// What attempts waited for.
fn delays(timeline: &Timeline) -> String {
    let mut delays: Vec<Duration> =
        timeline.attempts.iter().map(super::Attempt::queue_delay).collect();
    delays.sort_unstable();
    let Some(last) = delays.len().checked_sub(1) else { return "nothing has run".to_owned() };
    let (median, p99) = (delays[last / 2], delays[last * 99 / 100]);
    let mut line = format!("queue delay: median {}, p99 {}", text::span(median), text::span(p99));
    if timeline.critical.len() > 1 {
        let path = timeline.critical.iter().map(|index| timeline.attempts[*index].run_time());
        let path: Duration = path.sum();
        let share = 100.0 * path.as_secs_f64() / timeline.until.as_secs_f64().max(1e-9);
        let _ = write!(
            line,
            " · critical path: {} tasks that run for {} ({share:.0} % of the makespan)",
            timeline.critical.len(),
            text::span(path),
        );
    }
    line
}

fn describe(timeline: &Timeline, executor: &Executor) -> String {
    match timeline.busy(executor) {
        Some(busy) => {
            let s = if executor.cores == 1.0 { "" } else { "s" };
            format!("{} core{s}, busy {:.1} %", executor.cores, busy * 100.0)
        }
        None => "has left".to_owned(),
    }
}

/// The beginning of a text that is longer than so many characters.
fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
