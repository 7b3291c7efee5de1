//! What becomes of jobs when executors go.

use crate::harness::{Cluster, GraphFile, eventually};

/// Processes that are still there when something happens, and end soon after.
fn sleepers(count: usize, seconds: f64) -> GraphFile {
    let tasks: Vec<String> = (0..count)
        .map(|index| format!("  - {{name: s{index}, process: {{argv: [sleep, \"{seconds}\"]}}}}"))
        .collect();
    GraphFile::new("sleepers.yaml", &format!("tasks:\n{}\n", tasks.join("\n")))
}

#[test]
fn work_of_a_killed_executor_is_done_elsewhere() {
    let mut cluster = Cluster::start(2);
    let file = sleepers(6, 0.5);
    let job = cluster.submit(file.path());
    eventually("both executors are busy", || cluster.count(&job, "running") == 2);
    cluster.executors[0].kill();
    let watched = cluster.say(&["--json", "watch", &job]);
    assert_eq!(watched.code, Some(0), "{}", watched.out);
    let retried: Vec<_> =
        watched.json().into_iter().filter(|event| event["event"] == "task_retried").collect();
    assert!(!retried.is_empty());
    assert!(retried.iter().all(|event| event["failure"]["kind"] == "executor_lost"));
    assert_eq!(cluster.nodes().len(), 1);
}

#[test]
fn a_drained_executor_leaves_and_loses_nothing() {
    let mut cluster = Cluster::start(2);
    let file = sleepers(6, 0.3);
    let job = cluster.submit(file.path());
    eventually("both executors are busy", || cluster.count(&job, "running") == 2);
    let drained = cluster.say(&["nodes", "--drain", "x0"]);
    assert_eq!(drained.code, Some(0), "{}", drained.err);
    assert_eq!(cluster.executors[0].wait(), Some(0));
    let watched = cluster.say(&["--json", "watch", &job]);
    assert_eq!(watched.code, Some(0));
    assert!(watched.json().iter().all(|event| event["event"] != "task_retried"));
    assert_eq!(cluster.nodes().len(), 1);
}

#[test]
fn an_executor_that_is_told_to_end_drains_first() {
    let mut cluster = Cluster::start(2);
    let file = sleepers(4, 0.3);
    let job = cluster.submit(file.path());
    eventually("both executors are busy", || cluster.count(&job, "running") == 2);
    cluster.executors[1].signal("TERM");
    assert_eq!(cluster.executors[1].wait(), Some(0));
    assert_eq!(cluster.say(&["watch", &job]).code, Some(0));
}

/// Whether a process runs with this argument.
fn runs(argument: &str) -> bool {
    let wanted = argument.as_bytes();
    let processes = std::fs::read_dir("/proc").expect("Linux").flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.into_iter().any(|line| line.split(|byte| *byte == 0).any(|part| part == wanted))
}

fn is_empty(place: &std::path::Path) -> bool {
    std::fs::read_dir(place).expect("a directory").next().is_none()
}

#[test]
fn an_executor_that_is_interrupted_twice_leaves_nothing() {
    let mut cluster = Cluster::start(0);
    let place = tempfile::tempdir().expect("a place");
    let scratch = place.path().to_str().expect("Unicode");
    cluster.add_executor_with("x0", &["--scratch", scratch]);
    eventually("it has joined", || cluster.nodes().len() == 1);
    // A number that no other process sleeps for.
    let seconds = format!("{}.{}", 7000 + std::process::id() % 1000, std::process::id());
    let script = format!("sh -c 'sleep {seconds}; true'; true");
    let text = format!("tasks: [{{name: a, process: {{argv: [sh, -c, \"{script}\"]}}}}]\n");
    cluster.submit(GraphFile::new("deep.yaml", &text).path());
    eventually("it sleeps", || runs(&seconds));
    cluster.executors[0].signal("TERM");
    eventually("it is being emptied", || cluster.nodes()[0]["draining"] == true);
    cluster.executors[0].signal("TERM");
    assert_eq!(cluster.executors[0].wait(), Some(3));
    assert!(!runs(&seconds));
    assert!(is_empty(place.path()));
}

#[test]
fn an_executor_that_ends_removes_what_it_kept_for_processes() {
    let mut cluster = Cluster::start(0);
    let place = tempfile::tempdir().expect("a place");
    let scratch = place.path().to_str().expect("Unicode");
    cluster.add_executor_with("x0", &["--scratch", scratch]);
    eventually("it has joined", || cluster.nodes().len() == 1);
    // One that leaves nothing, and one that leaves what may not even be looked at.
    let text = "tasks:\n  - {name: a, process: {argv: ['true']}}\n  - {name: b, process: {argv: \
                [sh, -c, 'mkdir -p d/e; touch d/e/f; chmod 0 d/e; chmod 0 d']}}\n";
    let job = cluster.submit(GraphFile::new("left.yaml", text).path());
    assert_eq!(cluster.say(&["watch", &job]).code, Some(0));
    assert_eq!(cluster.executors.remove(0).stop(), Some(0));
    assert!(is_empty(place.path()));
}
