//! What is planned: tasks, what they need of each other, and who could run them.

/// Someone who runs one task at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Processor {
    /// The kind, which decides how long tasks take.
    pub kind: u32,
    /// The place, which decides what data is there already. Processors at one place share memory.
    pub place: u32,
}

/// What it costs to move data from one place to another: latency + bytes × seconds per byte.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Link {
    /// Seconds before the first byte.
    pub latency: f64,
    /// Seconds for each byte; infinite where there is no way.
    pub seconds_per_byte: f64,
}

impl Link {
    /// Seconds to move so many bytes.
    pub fn seconds(&self, bytes: f64) -> f64 {
        if bytes <= 0.0 { 0.0 } else { self.latency + bytes * self.seconds_per_byte }
    }
}

/// A dependence, seen from one of its ends.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Edge {
    /// The task at the other end.
    pub task: u32,
    /// Bytes that move along it where the two tasks run at different places.
    pub bytes: f64,
}

/// A problem that can be planned: acyclic, and with a processor for each task.
#[derive(Clone, Debug)]
pub struct Problem {
    processors: Vec<Processor>,
    kinds: usize,
    places: usize,
    /// Seconds, tasks × kinds; infinite where the kind cannot run the task.
    times: Vec<f64>,
    before: Adjacency,
    after: Adjacency,
    /// Places × places.
    links: Vec<Link>,
    /// Tasks in an order in which each follows what it needs.
    order: Vec<u32>,
    /// The mean link between two different processors.
    mean_link: Link,
}

#[derive(Clone, Debug, Default)]
struct Adjacency {
    first: Vec<u32>,
    edges: Vec<Edge>,
}

impl Adjacency {
    /// The edges by `from`, which is below `count`, in the order given.
    fn new(count: usize, edges: impl Iterator<Item = (u32, Edge)> + Clone) -> Self {
        let mut first = vec![0u32; count + 1];
        for (from, _) in edges.clone() {
            first[from as usize + 1] += 1;
        }
        for index in 0..count {
            first[index + 1] += first[index];
        }
        let mut next = first.clone();
        let mut sorted = vec![Edge { task: 0, bytes: 0.0 }; first[count] as usize];
        for (from, edge) in edges {
            sorted[next[from as usize] as usize] = edge;
            next[from as usize] += 1;
        }
        Adjacency { first, edges: sorted }
    }

    fn of(&self, task: usize) -> &[Edge] {
        &self.edges[self.first[task] as usize..self.first[task + 1] as usize]
    }
}

impl Problem {
    /// The number of tasks.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Who runs tasks.
    pub fn processors(&self) -> &[Processor] {
        &self.processors
    }

    /// The number of kinds of processors.
    pub fn kinds(&self) -> usize {
        self.kinds
    }

    /// The number of places.
    pub fn places(&self) -> usize {
        self.places
    }

    /// Seconds that a task takes on a kind of processor; infinite where it cannot run there.
    pub fn seconds_on_kind(&self, task: usize, kind: usize) -> f64 {
        self.times[task * self.kinds + kind]
    }

    /// Seconds that a task takes on a processor; infinite where it cannot run there.
    pub fn seconds(&self, task: usize, processor: usize) -> f64 {
        self.seconds_on_kind(task, self.processors[processor].kind as usize)
    }

    /// The same problem, where each task takes so many times its seconds, everywhere.
    ///
    /// # Panics
    /// When there are fewer factors than tasks.
    pub fn scaled(&self, factors: &[f64]) -> Self {
        let mut scaled = self.clone();
        for (task, row) in scaled.times.chunks_mut(self.kinds).enumerate() {
            row.iter_mut().for_each(|seconds| *seconds *= factors[task]);
        }
        scaled
    }

    /// What a task needs.
    pub fn before(&self, task: usize) -> &[Edge] {
        self.before.of(task)
    }

    /// What needs a task.
    pub fn after(&self, task: usize) -> &[Edge] {
        self.after.of(task)
    }

    /// Seconds to move bytes from one place to another; none where they are the same.
    pub fn transfer(&self, bytes: f64, from: u32, to: u32) -> f64 {
        if from == to { 0.0 } else { self.link(from, to).seconds(bytes) }
    }

    /// Seconds to move bytes between two different processors, on average.
    pub fn mean_transfer(&self, bytes: f64) -> f64 {
        self.mean_link.seconds(bytes)
    }

    /// The tasks, each after what it needs.
    pub fn order(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.order.iter().map(|task| *task as usize)
    }

    /// Seconds that a task takes on average over the processors that can run it.
    pub fn mean_seconds(&self, task: usize) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for processor in &self.processors {
            let seconds = self.seconds_on_kind(task, processor.kind as usize);
            if seconds.is_finite() {
                sum += seconds;
                count += 1.0;
            }
        }
        sum / count
    }

    /// Seconds that a task takes where it is fastest.
    pub fn least_seconds(&self, task: usize) -> f64 {
        self.times[task * self.kinds..][..self.kinds].iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn link(&self, from: u32, to: u32) -> Link {
        self.links[from as usize * self.places + to as usize]
    }
}

/// Why something is no problem that can be planned.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum ProblemError {
    /// There is nobody to run anything.
    #[error("there are no processors")]
    NoProcessors,
    /// A time is negative or no number.
    #[error("task {task}: a time of {seconds} s on processors of kind {kind}")]
    BadTime {
        /// The task.
        task: usize,
        /// The kind of processors.
        kind: usize,
        /// The time.
        seconds: f64,
    },
    /// No processor can run the task.
    #[error("task {task}: no processor of the platform can run it")]
    Impossible {
        /// The task.
        task: usize,
    },
    /// A dependence names a task that is not there, or has a bad size.
    #[error(
        "edge {from} -> {to} of {bytes} bytes: there are {count} tasks, and sizes are not negative"
    )]
    BadEdge {
        /// The task that is needed.
        from: usize,
        /// The task that needs it.
        to: usize,
        /// The data that moves.
        bytes: f64,
        /// The number of tasks.
        count: usize,
    },
    /// Tasks need each other in a ring.
    #[error("task {task} needs itself, through others or directly")]
    Cycle {
        /// One of them.
        task: usize,
    },
}

/// Collects a problem.
#[derive(Clone, Debug, Default)]
pub struct ProblemBuilder {
    processors: Vec<Processor>,
    links: Vec<(u32, u32, Link)>,
    times: Vec<Vec<f64>>,
    edges: Vec<(u32, u32, f64)>,
}

impl ProblemBuilder {
    /// Adds a processor. Kinds and places are numbered from 0.
    pub fn processor(&mut self, kind: u32, place: u32) -> &mut Self {
        self.processors.push(Processor { kind, place });
        self
    }

    /// Says what moving data from one place to another costs; where nothing is said it is free.
    pub fn link(&mut self, from: u32, to: u32, link: Link) -> &mut Self {
        self.links.push((from, to, link));
        self
    }

    /// Adds a task with its seconds on each kind of processor, infinite where it cannot run; its
    /// number.
    pub fn task(&mut self, seconds: Vec<f64>) -> u32 {
        self.times.push(seconds);
        self.times.len() as u32 - 1
    }

    /// One task needs so many bytes of another.
    pub fn edge(&mut self, from: u32, to: u32, bytes: f64) -> &mut Self {
        self.edges.push((from, to, bytes));
        self
    }

    /// The problem.
    ///
    /// # Errors
    /// When it cannot be planned, with the task at fault.
    pub fn build(self) -> Result<Problem, ProblemError> {
        if self.processors.is_empty() {
            return Err(ProblemError::NoProcessors);
        }
        let kinds = self.processors.iter().map(|p| p.kind as usize + 1).max().unwrap_or(0);
        let places = self.processors.iter().map(|p| p.place as usize + 1).max().unwrap_or(0);
        let times = checked_times(&self.times, &self.processors, kinds)?;
        let count = self.times.len();
        for (from, to, bytes) in &self.edges {
            let (from, to, bytes) = (*from as usize, *to as usize, *bytes);
            if from >= count || to >= count || !bytes.is_finite() || bytes < 0.0 {
                return Err(ProblemError::BadEdge { from, to, bytes, count });
            }
        }
        let mut links = vec![Link::default(); places * places];
        for (from, to, link) in self.links {
            let (from, to) = (from as usize, to as usize);
            if from < places && to < places && from != to {
                links[from * places + to] = link;
            }
        }
        let forward =
            self.edges.iter().map(|(from, to, bytes)| (*from, Edge { task: *to, bytes: *bytes }));
        let backward =
            self.edges.iter().map(|(from, to, bytes)| (*to, Edge { task: *from, bytes: *bytes }));
        let after = Adjacency::new(count, forward);
        let before = Adjacency::new(count, backward);
        let order = topological(count, &before, &after)?;
        let mean_link = mean_link(&self.processors, &links, places);
        Ok(Problem {
            processors: self.processors,
            kinds,
            places,
            times,
            before,
            after,
            links,
            order,
            mean_link,
        })
    }
}

fn checked_times(
    rows: &[Vec<f64>],
    processors: &[Processor],
    kinds: usize,
) -> Result<Vec<f64>, ProblemError> {
    let mut times = Vec::with_capacity(rows.len() * kinds);
    for (task, row) in rows.iter().enumerate() {
        for kind in 0..kinds {
            let seconds = row.get(kind).copied().unwrap_or(f64::INFINITY);
            if seconds.is_nan() || seconds < 0.0 {
                return Err(ProblemError::BadTime { task, kind, seconds });
            }
            times.push(seconds);
        }
        let row = &times[task * kinds..];
        if !processors.iter().any(|processor| row[processor.kind as usize].is_finite()) {
            return Err(ProblemError::Impossible { task });
        }
    }
    Ok(times)
}

/// Kahn's algorithm; among tasks that could come next the lowest number comes first.
fn topological(
    count: usize,
    before: &Adjacency,
    after: &Adjacency,
) -> Result<Vec<u32>, ProblemError> {
    let mut missing: Vec<u32> = (0..count).map(|task| before.of(task).len() as u32).collect();
    let mut ready: std::collections::BinaryHeap<std::cmp::Reverse<u32>> = (0..count as u32)
        .filter(|task| missing[*task as usize] == 0)
        .map(std::cmp::Reverse)
        .collect();
    let mut order = Vec::with_capacity(count);
    while let Some(std::cmp::Reverse(task)) = ready.pop() {
        order.push(task);
        for edge in after.of(task as usize) {
            let missing = &mut missing[edge.task as usize];
            *missing -= 1;
            if *missing == 0 {
                ready.push(std::cmp::Reverse(edge.task));
            }
        }
    }
    match missing.iter().position(|missing| *missing > 0) {
        Some(task) => Err(ProblemError::Cycle { task }),
        None => Ok(order),
    }
}

/// Over all pairs of different processors, those at one place included.
fn mean_link(processors: &[Processor], links: &[Link], places: usize) -> Link {
    let mut at = vec![0f64; places];
    for processor in processors {
        at[processor.place as usize] += 1.0;
    }
    let count = processors.len() as f64;
    let pairs = (count * (count - 1.0)).max(1.0);
    let mut mean = Link::default();
    for from in 0..places {
        for to in (0..places).filter(|to| *to != from) {
            let weight = at[from] * at[to] / pairs;
            let link = links[from * places + to];
            mean.latency += weight * link.latency;
            mean.seconds_per_byte += weight * link.seconds_per_byte;
        }
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_planned_is_refused_with_its_task() {
        let mut builder = ProblemBuilder::default();
        assert_eq!(builder.clone().build().err(), Some(ProblemError::NoProcessors));
        builder.processor(1, 0);
        builder.task(vec![1.0]);
        assert_eq!(builder.clone().build().err(), Some(ProblemError::Impossible { task: 0 }));
        builder.processor(0, 0);
        builder.task(vec![f64::INFINITY, 2.0]);
        let problem = builder.clone().build().expect("kinds differ by task");
        assert_eq!((problem.len(), problem.kinds(), problem.mean_seconds(1)), (2, 2, 2.0));
        builder.edge(0, 1, 1.0);
        let mut ring = builder.clone();
        ring.edge(1, 0, 1.0);
        assert_eq!(ring.build().err(), Some(ProblemError::Cycle { task: 0 }));
        let mut wrong = builder.clone();
        wrong.edge(0, 7, 1.0);
        assert!(matches!(wrong.build(), Err(ProblemError::BadEdge { to: 7, .. })));
        builder.task(vec![-1.0, 1.0]);
        assert!(matches!(builder.build(), Err(ProblemError::BadTime { task: 2, kind: 0, .. })));
    }

    #[test]
    fn the_mean_link_is_over_pairs_of_processors() {
        let mut builder = ProblemBuilder::default();
        builder.processor(0, 0).processor(0, 0).processor(0, 1);
        let link = Link { latency: 3.0, seconds_per_byte: 6.0 };
        builder.link(0, 1, link).link(1, 0, link);
        let problem = builder.build().expect("sound");
        // Four of six ordered pairs lie at different places.
        assert!((problem.mean_transfer(1.0) - 6.0).abs() < 1e-12);
        assert_eq!(problem.transfer(1.0, 0, 1), 9.0);
        assert_eq!((problem.transfer(1.0, 1, 1), problem.transfer(0.0, 0, 1)), (0.0, 0.0));
    }
}
