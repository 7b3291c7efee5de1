//! Timelines of jobs that ran.

use serde_json::Value;

use crate::harness::{Cluster, GraphFile, example, say};

/// One task fails once and is run again, one needs it, one fails for good.
const STUMBLING: &str = r#"
tasks:
  - name: second try
    process: { argv: [sh, -c, 'mkdir "$MARK" 2>/dev/null || exit 0; sleep 0.05; exit 7'], env: { MARK: "@" } }
    retry: { max_retries: 2, on: [application], backoff: { initial: 10ms, factor: 1, max: 10ms } }
  - { name: after, process: { argv: [sleep, "0.05"] }, after: [second try] }
  - { name: hopeless, process: { argv: ["false"] } }
"#;

fn slices(trace: &Value) -> Vec<&Value> {
    let events = trace["traceEvents"].as_array().expect("events");
    events.iter().filter(|event| event["ph"] == "X").collect()
}

fn read(path: &std::path::Path) -> String {
    std::fs::read_to_string(path).expect("written")
}

#[test]
fn a_trace_tells_every_attempt_with_its_place_and_time() {
    let cluster = Cluster::start(2);
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let text = STUMBLING.replace('@', mark.to_str().expect("UTF-8"));
    let job = cluster.submit(GraphFile::new("stumbling.yaml", &text).path());
    assert_eq!(cluster.say(&["watch", &job]).code, Some(1));
    let path = folder.path().join("trace.json");
    let said = cluster.say(&["timeline", &job, "-o", path.to_str().expect("UTF-8")]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let trace: Value = serde_json::from_str(&read(&path)).expect("JSON");
    assert_eq!(trace["otherData"]["job"], job.as_str());
    let shown = slices(&trace);
    let of = |task: u32, state: &str| {
        let found = shown
            .iter()
            .find(|slice| slice["args"]["task"] == task && slice["args"]["state"] == state);
        *found.unwrap_or_else(|| panic!("task {task} {state} is not in {shown:?}"))
    };
    let (first, second) = (of(0, "failed"), of(0, "succeeded"));
    let (after, hopeless) = (of(1, "succeeded"), of(2, "failed"));
    assert_eq!(shown.len(), 4);
    assert_eq!(first["cname"], "terrible");
    assert!(first["args"]["attempt"].as_u64() < second["args"]["attempt"].as_u64());
    assert!(hopeless["args"]["failure"].as_str().is_some_and(|why| why.contains("exit code 1")));
    let ts = |slice: &Value| slice["ts"].as_f64().expect("a number");
    let end = |slice: &Value| ts(slice) + slice["dur"].as_f64().expect("a number");
    assert!(end(first) <= ts(second) && end(second) <= ts(after) + 1000.0, "{shown:?}");
    assert!(first["dur"].as_f64().expect("a number") >= 50_000.0);
    let events = trace["traceEvents"].as_array().expect("events");
    let names: Vec<&str> = events
        .iter()
        .filter(|event| event["name"] == "process_name")
        .filter_map(|event| event["args"]["name"].as_str())
        .collect();
    assert!(names[0].starts_with("x0 (1 cores, busy") && names[1].starts_with("x1 "), "{names:?}");
    assert_eq!(events.iter().filter(|event| event["ph"] == "s").count(), 1, "one arrow");
}

#[test]
fn a_run_draws_its_picture_here_and_on_a_cluster() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(1);
    let draw = |name: &str, run: &dyn Fn(&[&str]) -> crate::harness::Said| {
        let path = folder.path().join(name);
        let file = path.to_str().expect("UTF-8").to_owned();
        let said = run(&["run", &example("hello.toml"), "--timeline", &file]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        read(&path)
    };
    for picture in [draw("a.svg", &|a| say(a)), draw("b.svg", &|a| cluster.say(a))] {
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
        for part in ["hello</text>", "3 tasks, 3 attempts", "matmul: 1 ×", "critical path: 3 tasks"]
        {
            assert!(picture.contains(part), "{part:?} is not in {picture}");
        }
    }
}

#[test]
fn what_cannot_be_written_is_said() {
    let cluster = Cluster::start(0);
    let nobody = "job-00000000000000000000000000000001";
    let unknown = cluster.say(&["timeline", nobody]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("there is no job"), "{}", unknown.err);
    let ending = cluster.say(&["timeline", nobody, "-o", "a.png"]);
    assert_eq!(ending.code, Some(2));
    assert!(ending.err.contains("a.png does not tell the format"), "{}", ending.err);
    let ending = say(&["run", &example("hello.toml"), "--timeline", "picture"]);
    assert_eq!(ending.code, Some(2), "before anything runs");
    let nowhere = say(&["run", &example("hello.toml"), "--timeline", "/nonexistent/a.svg"]);
    assert_eq!(nowhere.code, Some(3));
    assert!(nowhere.err.contains("/nonexistent/a.svg cannot be written"), "{}", nowhere.err);
}
