use drawloom_client::{JobState, JobView, TaskCounts};
use drawloom_model::{ExecutorId, JobId};

use super::super::critical::critical_path;
use super::super::critical::tests::attempt;
use super::super::{Attempt, Executor};
use super::*;

fn timeline(attempts: Vec<Attempt>, until: u64) -> Timeline {
    let job = JobView {
        job: JobId(1),
        name: "<digits>".into(),
        state: JobState::Succeeded,
        open: false,
        tasks: TaskCounts::default(),
        submitted_at: std::time::SystemTime::UNIX_EPOCH,
        ended_at: None,
        priority: 0,
    };
    let executor = Executor { id: ExecutorId(1), name: "here".into(), cores: 2.0 };
    Timeline {
        job,
        until: Time::from_nanos(until),
        runs: vec!["matmul".into(), "add".into()],
        executors: vec![executor],
        attempts,
        critical: Vec::new(),
    }
}

fn picture(timeline: &Timeline) -> String {
    draw(timeline, &Plan::new(timeline))
}

#[test]
fn a_few_attempts_are_bars_with_names_marks_and_the_critical_path() {
    let mut attempts = vec![attempt(0, 0, 400), attempt(0, 400, 700), attempt(1, 700, 1000)];
    attempts[0].outcome = Outcome::Failed;
    attempts[0].failure = Some("application: no & more".into());
    attempts[1].number = 2;
    attempts[2].name = Some("a<b".into());
    let needs = [(1, vec![0])].into();
    let mut timeline = timeline(attempts, 1000);
    timeline.critical = critical_path(&mut timeline.attempts, &needs);
    let svg = picture(&timeline);
    for part in [
        "&lt;digits&gt;",
        "a&lt;b",
        "application: no &amp; more",
        "failed attempt",
        "on the critical path",
        "matmul: 3 ×",
        "2 cores, busy 50.0 %",
        "3 attempts (1 failed)",
    ] {
        assert!(svg.contains(part), "{part:?} is not in {svg}");
    }
    // One in the lane of the critical path, one in the executor's lane.
    assert_eq!(svg.matches("application: no &amp; more").count(), 1);
    assert_eq!(svg.matches("class=\"c\"").count(), 2 * 2 + 1);
}

#[test]
fn the_picture_of_many_attempts_stays_small() {
    let many = |i: u32| {
        let mut attempt = attempt(i, u64::from(i) * 5, u64::from(i) * 5 + 9);
        attempt.run = (i % 2) as usize;
        attempt
    };
    let svg = picture(&timeline((0..100_000).map(many).collect(), 500_010));
    assert!(svg.len() < 200_000, "{} bytes", svg.len());
    assert!(svg.contains("100000 attempts"));
}

#[test]
fn a_job_without_attempts_has_a_picture_too() {
    let svg = picture(&timeline(Vec::new(), 0));
    assert!(svg.contains("nothing has run") && svg.ends_with("</svg>\n"));
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}
