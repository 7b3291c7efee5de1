//! Tasks that start together, on executors in processes of their own.

use crate::harness::{Cluster, GraphFile, eventually, example};

#[test]
fn peers_on_different_executors_meet() {
    let cluster = Cluster::start(2);
    let said = cluster.say(&["--json", "run", &example("ring.toml")]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let report = said.last();
    let outputs = &report["outputs"];
    assert_eq!(
        (&outputs["left_saw"], &outputs["right_saw"]),
        (&"right\n".into(), &"left\n".into())
    );
    let job = report["job"].as_str().expect("an id");
    let why = cluster.say(&["why", job, "left"]);
    assert!(why.out.contains("its gang was placed as a whole"), "{}", why.out);
}

#[test]
fn a_gang_without_enough_executors_is_refused_or_waits_for_them() {
    let mut cluster = Cluster::start(1);
    let refused = cluster.say(&["run", &example("ring.toml")]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    let missing = "gang \"peers\" needs room for its 2 members at once (pack), there is room for 1; add executors";
    assert!(refused.err.contains(missing), "{}", refused.err);
    let file = std::fs::read_to_string(example("ring.toml")).expect("an example");
    let file =
        GraphFile::new("ring.toml", &format!("options = {{ wait_for_resources = true }}\n{file}"));
    let job = cluster.submit(file.path());
    eventually("the peers are ready", || cluster.count(&job, "ready") == 2);
    let why = cluster.say(&["why", &job, "left"]);
    assert!(why.out.contains("there is room for 1 even when all are idle"), "{}", why.out);
    cluster.add_executor("late");
    assert_eq!(cluster.say(&["watch", &job]).code, Some(0));
}

const SLEEPERS: &str = r#"
[[tasks]]
name = "a"
process = { argv = ["sleep", "2"] }
[[tasks]]
name = "b"
process = { argv = ["sleep", "2"] }
[[gangs]]
name = "pair"
members = ["a", "b"]
strategy = "strict_spread"
"#;

#[test]
fn a_gang_that_lost_an_executor_starts_again_as_a_whole() {
    let mut cluster = Cluster::start(2);
    let file = GraphFile::new("pair.toml", SLEEPERS);
    let job = cluster.submit(file.path());
    eventually("both run", || cluster.count(&job, "running") == 2);
    cluster.executors[0].kill();
    eventually("both are taken back", || cluster.count(&job, "running") == 0);
    cluster.add_executor("new");
    let watched = cluster.say(&["--json", "watch", &job]);
    assert_eq!(watched.code, Some(0), "{}", watched.out);
    let mut retried: Vec<_> =
        watched.json().into_iter().filter(|event| event["event"] == "task_retried").collect();
    retried.sort_by_key(|event| event["failure"]["kind"].to_string());
    let kinds: Vec<_> = retried.iter().map(|event| &event["failure"]["kind"]).collect();
    assert_eq!(kinds, ["executor_lost", "upstream"]);
}
