//! What holds for every planner on every problem.

use drawloom_plan::{Bounds, Link, PLANNERS, Problem, ProblemBuilder};
use proptest::prelude::*;

/// A problem from numbers: times of 0 now and then, kinds that cannot run a task, places that share
/// memory.
fn problem(shape: (usize, usize, usize), numbers: &[u32]) -> Problem {
    let (tasks, processors, kinds) = shape;
    let mut next = numbers.iter().copied().cycle();
    let mut number = |below: u32| next.next().unwrap_or(0) % below;
    let mut builder = ProblemBuilder::default();
    for processor in 0..processors {
        builder.processor((processor % kinds) as u32, number(3));
    }
    for from in 0..3 {
        for to in 0..3 {
            let link = Link {
                latency: f64::from(number(3)),
                seconds_per_byte: f64::from(number(10)) / 4.0,
            };
            builder.link(from, to, link);
        }
    }
    for task in 0..tasks {
        // The first kind runs everything.
        let mut times = vec![f64::from(number(20))];
        times.extend((1..kinds).map(|_| match number(22) {
            0 => f64::INFINITY,
            time => f64::from(time),
        }));
        builder.task(times);
        for _ in 0..number(3).min(task as u32) {
            builder.edge(number(task as u32), task as u32, f64::from(number(12)));
        }
    }
    builder.build().expect("edges lead forward")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn schedules_are_possible_and_no_shorter_than_the_bounds(
        tasks in 0usize..24,
        kinds in 1usize..4,
        more in 0usize..3,
        numbers in proptest::collection::vec(0u32..10_000, 200),
    ) {
        let problem = problem((tasks, kinds + more, kinds), &numbers);
        let bounds = Bounds::of(&problem);
        let mut ours = f64::INFINITY;
        for planner in &PLANNERS {
            let schedule = planner.plan(&problem, 3);
            prop_assert_eq!(schedule.check(&problem), Ok(()), "{}", planner.name);
            let makespan = schedule.makespan();
            if planner.name == "drawloom" {
                ours = makespan;
            }
            prop_assert!(makespan >= bounds.best() - 1e-9, "{}: {makespan}, {bounds:?}", planner.name);
            let is_chance = matches!(planner.name, "random" | "round-robin" | "cpop" | "fifo");
            prop_assert!(is_chance || ours <= makespan + 1e-9, "{} is better", planner.name);
        }
    }
}
