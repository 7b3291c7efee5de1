//! A workload on a platform.

use drawloom_plan::{Problem, ProblemBuilder, ProblemError};

use crate::platform::is_modelled;
use crate::workload::Cost;
use crate::{Platform, SimError, Workload};

/// A workload on a platform, as a problem that can be planned.
#[derive(Clone, Debug)]
pub struct Case {
    /// The workload's name.
    pub workload: String,
    /// The platform's name.
    pub platform: String,
    /// The least makespan that is possible, in seconds, where that is known.
    pub optimum: Option<f64>,
    /// Tasks of the workload; the problem may have one more, which stands for what is there from the
    /// beginning.
    pub tasks: usize,
    /// What is modelled and not measured of it, in words.
    pub modelled: Option<&'static str>,
    /// Whether one kind of processor runs everything, that is: cores.
    pub(crate) has_cores_alone: bool,
    pub(crate) problem: Problem,
    /// Bytes of the problem's edges, by file, for counting each once at each place.
    pub(crate) moves: Vec<Move>,
}

/// A file that a task takes from another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub file: u32,
    pub bytes: f64,
    pub from: u32,
    pub to: u32,
}

impl Case {
    /// Joins the two.
    ///
    /// # Errors
    /// When a task cannot run on any processor, with its name, or tasks need each other in a ring.
    pub fn new(workload: &Workload, platform: &Platform) -> Result<Self, SimError> {
        let platform = workload.platform.as_ref().unwrap_or(platform);
        let unfit = |message: String| SimError::Unfit {
            workload: workload.name.clone(),
            platform: platform.name.clone(),
            message,
        };
        let kinds = platform.kinds.len();
        let mut builder = ProblemBuilder::default();
        for group in &platform.groups {
            for _ in 0..group.count {
                builder.processor(group.kind, group.place);
            }
        }
        for (from, to, link) in &platform.links {
            builder.link(*from, *to, *link);
        }
        for task in &workload.tasks {
            builder.task(
                seconds(&task.cost, platform).map_err(|m| unfit(format!("{}: {m}", task.name)))?,
            );
        }
        let home = home(workload, platform, kinds, &mut builder);
        let mut moves = Vec::new();
        for (number, task) in (0u32..).zip(&workload.tasks) {
            for file in &task.inputs {
                let Some(made) = workload.files.get(*file as usize) else { continue };
                let Some(from) = made.maker.or(home).filter(|from| *from != number) else {
                    continue;
                };
                moves.push(Move { file: *file, bytes: made.bytes, from, to: number });
            }
        }
        for it in &moves {
            builder.edge(it.from, it.to, it.bytes);
        }
        for (number, task) in (0u32..).zip(&workload.tasks) {
            for before in &task.after {
                builder.edge(*before, number, 0.0);
            }
        }
        let name = |task: usize| workload.tasks.get(task).map_or("", |task| &*task.name);
        let problem = builder.build().map_err(|error| {
            unfit(match &error {
                ProblemError::Impossible { task }
                | ProblemError::Cycle { task }
                | ProblemError::BadTime { task, .. } => format!("{}: {error}", name(*task)),
                _ => error.to_string(),
            })
        })?;
        let has_modelled = workload
            .tasks
            .iter()
            .any(|task| matches!(task.cost, Cost::Measured { kernel, .. } if is_modelled(kernel)));
        Ok(Case {
            workload: workload.name.clone(),
            platform: platform.name.clone(),
            optimum: workload.optimum,
            tasks: workload.tasks.len(),
            modelled: platform.modelled.filter(|_| has_modelled),
            has_cores_alone: kinds == 1,
            problem,
            moves,
        })
    }
}

/// A task that takes no time stands for what is there from the beginning, where that is at a place of
/// its own: it runs on a processor of its own there.
fn home(
    workload: &Workload,
    platform: &Platform,
    kinds: usize,
    builder: &mut ProblemBuilder,
) -> Option<u32> {
    let is_wanted = workload.files.iter().any(|file| file.maker.is_none());
    let is_apart = platform.groups.iter().all(|group| group.place != platform.home);
    if !is_wanted || !is_apart {
        return None;
    }
    builder.processor(kinds as u32, platform.home);
    let mut seconds = vec![f64::INFINITY; kinds];
    seconds.push(0.0);
    Some(builder.task(seconds))
}

fn seconds(cost: &Cost, platform: &Platform) -> Result<Vec<f64>, String> {
    match cost {
        // Other kinds of processors run no ordinary code.
        Cost::OnCore(seconds) => Ok(vec![*seconds]),
        Cost::ByKind(seconds) => Ok(seconds.clone()),
        Cost::Measured { kernel, tile } => {
            platform.measured.get(&(*kernel, *tile)).cloned().ok_or_else(|| {
                let known = platform.measured.keys().filter(|(name, _)| name == kernel);
                let known: Vec<String> = known.map(|(_, tile)| tile.to_string()).collect();
                if known.is_empty() {
                    format!("{kernel} was not measured there")
                } else {
                    let known = known.join(", ");
                    format!("{kernel} was not measured for tiles of {tile}, but of {known}")
                }
            })
        }
    }
}
