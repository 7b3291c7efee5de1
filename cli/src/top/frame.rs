//! What is shown of a cluster, without a terminal in sight.

use std::time::Duration;

use drawloom_client::{ExecutorView, JobState, JobView, TaskState};

use super::sample::{Rates, Sample};
use super::table::{Line, Style};
use crate::text;

/// How it is to be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    pub width: usize,
    /// The most lines; `None` for all.
    pub height: Option<usize>,
    /// Whether colours are wanted.
    pub styled: bool,
}

/// What two samples show: the later one, and how fast things went since the earlier one. `remark`
/// is something to tell beside.
pub fn frame(
    earlier: Option<&Sample>,
    later: &Sample,
    look: Look,
    remark: Option<&str>,
) -> Vec<String> {
    let rates = Rates::between(earlier, later);
    let mut lines = heading(later, &rates);
    if let Some(remark) = remark {
        lines.push(Line::new().text(remark, Style::Bad));
    }
    let executors: Vec<Line> = later
        .cluster
        .executors
        .iter()
        .flat_map(|view| executor(view, &rates, look.width))
        .collect();
    let jobs: Vec<Line> = later.jobs.iter().map(|view| job(view, &rates, look.width)).collect();
    let (some_executors, some_jobs) = match look.height {
        None => (executors.len(), jobs.len()),
        Some(height) => share(height.saturating_sub(lines.len() + 4), executors.len(), jobs.len()),
    };
    lines.push(Line::new());
    lines.push(executor_headings(look.width));
    lines.extend(some(executors, some_executors));
    lines.push(Line::new());
    lines.push(job_headings(look.width));
    lines.extend(some(jobs, some_jobs));
    lines.truncate(look.height.unwrap_or(usize::MAX));
    lines.iter().map(|line| line.render(look.width, look.styled)).collect()
}

/// How many of each there is room for: half each, but for what the others leave.
fn share(room: usize, executors: usize, jobs: usize) -> (usize, usize) {
    let most = (room / 2).max(room.saturating_sub(jobs));
    let some_executors = executors.min(most);
    (some_executors, jobs.min(room - some_executors))
}

/// The first lines, and how many more there are.
fn some(mut lines: Vec<Line>, count: usize) -> Vec<Line> {
    let more = lines.len() - count;
    lines.truncate(count);
    if more > 0
        && let Some(last) = lines.last_mut()
    {
        *last = Line::new().text(format!("and {} more", more + 1), Style::Dim);
    }
    lines
}

fn heading(sample: &Sample, rates: &Rates) -> Vec<Line> {
    let cluster = &sample.cluster;
    let cores: u64 = cluster.executors.iter().map(|view| view.info.capacity.cpu_milli).sum();
    let free: u64 = cluster.executors.iter().map(|view| view.free.cpu_milli).sum();
    let first = Line::new()
        .text(format!("drawloom {}", cluster.version), Style::Bold)
        .text(
            format!(
                "  {} executor(s), {}/{} cores busy, {} job(s) running",
                cluster.executors.len(),
                text::milli(cores.saturating_sub(free)),
                text::milli(cores),
                cluster.running_jobs
            ),
            Style::Plain,
        )
        .text(
            rates.total().map(|rate| format!(", {}", text::rate(rate))).unwrap_or_default(),
            Style::Good,
        );
    let mut second = Line::new().text("tasks", Style::Dim);
    for state in [TaskState::Waiting, TaskState::Ready, TaskState::Queued, TaskState::Running] {
        second = second
            .text(format!("  {state} "), Style::Dim)
            .text(cluster.tasks.get(state).to_string(), Style::Plain);
    }
    vec![first, second]
}

/// Widths that follow the screen's: names and bars take what the figures leave.
struct Widths {
    name: usize,
    bar: usize,
}

/// What the columns beside names and bars take.
const EXECUTOR_FIGURES: usize = 56;
const JOB_FIGURES: usize = 52;

fn widths(width: usize, figures: usize) -> Widths {
    let room = width.saturating_sub(figures).max(14);
    let bar = (room / 3).clamp(4, 24);
    Widths { name: (room - bar).min(36), bar }
}

fn executor_headings(width: usize) -> Line {
    let Widths { name, bar } = widths(width, EXECUTOR_FIGURES);
    Line::new()
        .left("EXECUTOR", name, Style::Bold)
        .left("CORES", bar, Style::Bold)
        .right("BUSY", 7, Style::Bold)
        .right("MEMORY FREE", 11, Style::Bold)
        .right("RUN", 4, Style::Bold)
        .right("QUEUE", 6, Style::Bold)
        .right("TASKS", 9, Style::Bold)
        .right("OBJECTS", 10, Style::Bold)
}

/// An executor, and its devices below it.
fn executor(view: &ExecutorView, rates: &Rates, width: usize) -> Vec<Line> {
    let Widths { name, bar } = widths(width, EXECUTOR_FIGURES);
    let (capacity, free) = (&view.info.capacity, &view.free);
    let busy = capacity.cpu_milli.saturating_sub(free.cpu_milli);
    let style = if view.draining { Style::Dim } else { Style::Plain };
    let draining = if view.draining { " (draining)" } else { "" };
    let rate = rates.of_executor(view.executor).map_or_else(|| "-".to_owned(), text::rate);
    let line = Line::new()
        .left(format!("{}{draining}", view.info.name), name, style)
        .bar(busy as f64 / capacity.cpu_milli.max(1) as f64, bar)
        .right(format!("{}/{}", text::milli(busy), text::milli(capacity.cpu_milli)), 7, style)
        .right(text::bytes(free.memory_bytes), 11, style)
        .right(view.running.to_string(), 4, style)
        .right(view.queued.to_string(), 6, style)
        .right(rate, 9, Style::Good)
        .right(text::bytes(view.object_bytes), 10, style);
    let devices = capacity.devices.iter().zip(&free.devices).zip(&view.info.devices);
    let devices = devices.map(|((capacity, free), device)| {
        let busy = capacity.milli.saturating_sub(free.milli);
        Line::new()
            .left(format!("  {}", device.name), name, Style::Dim)
            .bar(f64::from(busy) / f64::from(capacity.milli.max(1)), bar)
            .right(
                format!("{} %", u64::from(busy) * 100 / u64::from(capacity.milli.max(1))),
                7,
                style,
            )
            .right(text::bytes(free.vram_bytes), 11, style)
    });
    std::iter::once(line).chain(devices).collect()
}

fn job_headings(width: usize) -> Line {
    let Widths { name, bar } = widths(width, JOB_FIGURES);
    Line::new()
        .left("JOB", name, Style::Bold)
        .left("STATE", 9, Style::Bold)
        .left("PROGRESS", bar, Style::Bold)
        .right("DONE", 15, Style::Bold)
        .right("TASKS", 9, Style::Bold)
        .right("TIME", 14, Style::Bold)
}

fn job(view: &JobView, rates: &Rates, width: usize) -> Line {
    let Widths { name, bar } = widths(width, JOB_FIGURES);
    let (done, total) = (view.tasks.ended(), view.tasks.total());
    let style = match view.state {
        JobState::Running => Style::Plain,
        JobState::Succeeded => Style::Good,
        JobState::Failed => Style::Bad,
        JobState::Cancelled => Style::Dim,
    };
    let shown = if view.name.is_empty() { view.job.to_string() } else { view.name.clone() };
    let rate = rates.of_job(view.job).filter(|_| view.state == JobState::Running);
    Line::new()
        .left(shown, name, Style::Plain)
        .left(view.state.name(), 9, style)
        .bar(f64::from(done) / f64::from(total.max(1)), bar)
        .right(format!("{done}/{total}"), 15, Style::Plain)
        .right(rate.map_or_else(|| "-".to_owned(), text::rate), 9, Style::Good)
        .right(time(view, rate), 14, Style::Plain)
}

/// How long a job took, or how long the rest takes at the same rate.
fn time(view: &JobView, rate: Option<f64>) -> String {
    if let Some(makespan) = view.makespan() {
        return text::span(makespan);
    }
    let left = view.tasks.total().saturating_sub(view.tasks.ended());
    match rate {
        Some(rate) if rate > 0.0 => {
            let left = Duration::try_from_secs_f64(f64::from(left) / rate);
            left.map_or_else(|_| "-".to_owned(), |left| format!("{} left", text::span(left)))
        }
        _ => text::age(view.submitted_at),
    }
}

#[cfg(test)]
mod tests;
