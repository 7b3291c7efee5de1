//! Placing and completing one task, without I/O: 1,000 executors, 100,000 tasks ready.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use drawloom_model::{
    AttemptEnd, AttemptId, Attributes, Capacity, ExecutorId, ExecutorInfo, FromExecutor, JobId,
    Outcome, RequestId, Task, TaskGraph, Template, Time, ToExecutor, Variant,
};
use drawloom_scheduler_core::{Command, Commands, Config, Event, Scheduler, TaskState};
use smallvec::SmallVec;

const EXECUTORS: u32 = 1_000;
const TASKS: usize = 100_000;
/// Completions that arrive together.
const BATCH: usize = 64;

struct Bench {
    scheduler: Scheduler,
    now: Time,
    running: std::collections::VecDeque<(ExecutorId, AttemptId)>,
    commands: Commands,
    jobs: u128,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Bench {
            scheduler: Scheduler::new(Config { max_ahead: 4, ..Config::default() }),
            now: Time::ZERO,
            running: std::collections::VecDeque::new(),
            commands: Commands::new(),
            jobs: 0,
        };
        for id in 0..EXECUTORS {
            let info = ExecutorInfo {
                name: format!("executor-{id}"),
                capacity: Capacity { cpu_milli: 4_000, ..Capacity::default() },
                kernels: vec!["noop".into()],
                ..ExecutorInfo::default()
            };
            let executor = ExecutorId(id);
            bench.tell(Event::ExecutorJoined { executor, info: Arc::new(info) });
        }
        bench
    }

    fn tell(&mut self, event: Event) {
        self.scheduler.handle(self.now, event, &mut self.commands);
    }

    fn submit(&mut self) {
        let template = Template::new(Variant::kernel("noop", Attributes::new()), 0);
        let graph = TaskGraph {
            templates: vec![Arc::new(template)],
            tasks: vec![Task::default(); TASKS],
            ..TaskGraph::default()
        };
        self.jobs += 1;
        let (request, job) = (RequestId(0), JobId(self.jobs));
        self.tell(Event::JobSubmitted { request, job, token: None, graph: Arc::new(graph) });
        self.round();
    }

    fn round(&mut self) {
        self.tell(Event::RoundDue);
        for command in self.commands.drain(..) {
            if let Command::Send { executor, message: ToExecutor::Run(assignment) } = command {
                self.running.push_back((executor, assignment.attempt));
            }
        }
    }

    /// Sees to it that enough tasks are ready.
    fn refill(&mut self) {
        let ready = self.scheduler.counters().tasks[TaskState::Ready as usize];
        if ready < TASKS as u64 {
            for job in 1..self.jobs {
                self.tell(Event::JobForgotten { job: JobId(job) });
            }
            self.submit();
        }
    }

    /// Ends as many tasks as a batch holds, and places as many.
    fn batch(&mut self) {
        self.now = self.now + Duration::from_micros(BATCH as u64);
        for _ in 0..BATCH {
            let Some((executor, attempt)) = self.running.pop_front() else { break };
            let end = AttemptEnd {
                attempt,
                outcome: Outcome::Succeeded(SmallVec::new()),
                run_time: Duration::from_millis(1),
                queue_time: Duration::ZERO,
                outputs_on: None,
            };
            self.tell(Event::ExecutorSaid {
                executor,
                message: FromExecutor::Ended(Box::new(end)),
            });
        }
        self.round();
    }
}

fn core_round(criterion: &mut Criterion) {
    let mut bench = Bench::new();
    bench.submit();
    let mut group = criterion.benchmark_group("core_round");
    group.throughput(criterion::Throughput::Elements(BATCH as u64));
    group.bench_function("place_and_complete_64_of_100k_on_1000_executors", |bencher| {
        // Admitting the tasks is not what is measured.
        bencher.iter_custom(|batches| {
            let mut took = Duration::ZERO;
            for _ in 0..batches {
                bench.refill();
                let start = Instant::now();
                bench.batch();
                took += start.elapsed();
            }
            took
        });
    });
    group.finish();
}

criterion_group!(benches, core_round);
criterion_main!(benches);
