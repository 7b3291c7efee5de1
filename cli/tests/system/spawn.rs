//! Tasks that add tasks to their own job.

use crate::harness::{Cluster, GraphFile, example, say};

#[test]
fn tasks_wait_for_those_they_add_without_holding_cores() {
    // One core and many tasks that wait for others: with their cores, the first would wait for ever.
    let said = say(&["--json", "run", &example("spawn/fib.yaml"), "--cores", "1"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let report = said.last();
    // What was added on the way is shown to whoever added it.
    assert_eq!(report["outputs"], serde_json::json!({ "fib": "21\n" }), "{report}");
    assert_eq!(report["tasks"]["succeeded"], 67);
}

#[test]
fn who_waits_for_added_tasks_hears_why_they_failed() {
    let cluster = Cluster::start(1);
    let open = "[options]\nopen = true\n[[tasks]]\nkernel = \"noop\"\n";
    let job = cluster.submit(GraphFile::new("open.toml", open).path());
    let more = "[[tasks]]\nname = \"torn\"\n\
                process = { argv = [\"/bin/sh\", \"-c\", \"echo thread torn >&2; exit 3\"] }\n\
                [[tasks]]\nkernel = \"noop\"\nafter = [\"torn\"]\n";
    let more = GraphFile::new("more.toml", more);
    let said = cluster.say(&["add", more.path(), "--job", &job, "--wait"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    let told = "task \"torn@1\" failed: application: exit code 3: thread torn";
    assert_eq!(said.err.matches("failed").count(), 1, "{}", said.err);
    assert!(said.err.contains(told), "{}", said.err);
}

#[test]
fn whoever_adds_from_outside_names_the_job() {
    let cluster = Cluster::start(1);
    let open = GraphFile::new("open.yaml", "name: open\noptions: { open: true }\ntasks: []\n");
    let job = cluster.submit(open.path());
    let more =
        "tasks: [{ name: sum, kernel: fill, attributes: { shape: [2] } }]\noutputs: { sum: sum }\n";
    let more = GraphFile::new("more.yaml", more);
    for first_task in [0, 1] {
        let added = cluster.say(&["--json", "add", more.path(), "--job", &job, "--wait"]);
        assert_eq!(added.code, Some(0), "{}", added.err);
        assert_eq!(added.last()["first_task"], first_task);
        assert_eq!(added.last()["states"][0], "succeeded");
    }
    let last = cluster.say(&["add", more.path(), "--job", &job, "--close"]);
    assert_eq!(last.code, Some(0), "{}", last.err);
    let watched = cluster.say(&["watch", &job]);
    assert_eq!(watched.code, Some(0), "{}", watched.err);
    let nowhere = cluster.say(&["add", more.path()]);
    assert_eq!(nowhere.code, Some(2), "{}", nowhere.err);
    assert!(nowhere.err.contains("no --job, and DRAWLOOM_"), "{}", nowhere.err);
}

/// An actor whose every call adds a task to its job and answers with what the task has made.
const PLANNER: &str = r#"
import os, subprocess, sys
source = open(sys.argv[1]).read()
exec(source[: source.index("def main")])
plan = "tasks: [{ name: sum, process: { argv: [echo, done] } }]\noutputs: { sum: sum }\n"
while True:
    frame = receive()
    kind = frame.number("B")
    if kind == HELLO:
        send(READY, struct.pack("<H", VERSION))
    elif kind == START:
        send(RESULT, struct.pack("<QH", 0, 0))
    elif kind == CALL:
        call = frame.number("Q")
        open("plan.yaml", "w").write(plan)
        add = [os.environ["DRAWLOOM"], "add", "plan.yaml", "--wait"]
        made = subprocess.run(add, capture_output=True, check=True).stdout
        send(RESULT, struct.pack("<QHBBQ", call, 1, 0, 0, len(made)) + made)
    elif kind == STOP:
        sys.exit()
"#;

#[test]
fn a_process_actor_adds_tasks_and_lends_them_its_only_core() {
    let script = GraphFile::new("planner.py", PLANNER);
    let (script, counter) = (script.path(), example("actors/counter.py"));
    let graph = format!(
        r#"
[[tasks]]
name = "planner"
actor = {{ argv = ["python3", "{script}", "{counter}"], spawns = true }}

[[tasks]]
name = "plan"
call = {{ actor = "planner", method = "plan" }}

[outputs]
made = "plan"
"#
    );
    let graph = GraphFile::new("plan.toml", &graph);
    let said = say(&["--json", "run", graph.path(), "--cores", "1"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.last()["outputs"]["made"], "sum = done\n", "{}", said.out);
}
