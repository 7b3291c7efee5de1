//! Running graphs in this process and on a cluster.

use serde_json::Value;

use crate::harness::{Cluster, GraphFile, drawloom, eventually, example, say};

#[test]
fn the_first_example_runs_here_and_tells_all_in_one_line() {
    let said = say(&["--json", "run", &example("hello.toml")]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let report = said.last();
    assert_eq!(report["state"], "succeeded");
    assert!(report["job"].as_str().is_some_and(|job| job.starts_with("job-")));
    assert!(report["makespan_s"].as_f64().is_some_and(|seconds| seconds > 0.0));
    assert_eq!(report["tasks"]["succeeded"], 3);
    assert_eq!(report["tasks"]["failed"], 0);
    assert_eq!(report["outputs"]["total"], 42.0);
    assert_eq!(report["outputs"]["product"]["type"], "f32[2, 2]");
    let device = &report["devices"][0];
    assert_eq!(device["device"], "cpu");
    assert!(device["busy"].as_f64().is_some_and(|busy| (0.0..=1.0).contains(&busy)));
}

#[test]
fn people_read_outputs_on_the_standard_output_and_the_rest_elsewhere() {
    let said = say(&["run", &example("hello.toml")]);
    assert_eq!(said.out, "product = f32[2, 2] [6.0, 6.0, 15.0, 15.0]\ntotal = 42.0\n");
    assert!(said.err.contains("succeeded in"), "{}", said.err);
    // Simulated GPUs would be told of in any case.
    let quiet = say(&["--quiet", "run", &example("hello.toml"), "--no-gpus"]);
    assert_eq!((quiet.out, quiet.err), (said.out, String::new()));
}

#[test]
fn processes_pass_objects_on() {
    let report = say(&["--json", "run", &example("wordcount.yaml")]).last();
    assert_eq!(report["outputs"]["status"], 0);
    let counts = report["outputs"]["counts"].as_str().expect("a text");
    assert!(counts.starts_with("4 the\n3 and\n3 warp\n"), "{counts}");
}

#[test]
fn a_network_is_trained_on_real_data() {
    let file = example("digits/digits.star");
    let said =
        say(&["--json", "run", &file, "-p", "epochs=1", "-p", "shards=2", "-p", "hidden=32"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let report = said.last();
    let accuracy = report["outputs"]["accuracy"].as_f64().expect("a number");
    // Guessing is right once in ten times.
    assert!(accuracy > 0.5, "{report}");
    assert!(report["tasks"]["total"].as_u64().is_some_and(|tasks| tasks > 100));
}

#[test]
fn a_network_of_convolutions_is_trained_too() {
    let file = example("cnn/cnn.star");
    let said = say(&["--json", "run", &file, "-p", "epochs=2", "-p", "width=8", "-p", "rate=0.02"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let accuracy = said.last()["outputs"]["accuracy"].as_f64().expect("a number");
    assert!(accuracy > 0.5, "{accuracy}");
}

#[test]
fn simulated_gpus_learn_the_same_and_say_what_they_are() {
    let file = example("digits/digits.star");
    let small = ["-p", "epochs=1", "-p", "shards=2", "-p", "hidden=32"];
    let accuracy = |more: &[&str]| {
        let said = say(&[&["--json", "run", &file], &small[..], more].concat());
        assert_eq!(said.code, Some(0), "{}", said.err);
        (said.last()["outputs"]["accuracy"].as_f64().expect("a number"), said.err)
    };
    let (on_cores, _) = accuracy(&["--no-gpus"]);
    let (on_gpus, told) = accuracy(&["--simulated-gpus", "2"]);
    assert!(told.contains("2 SIMULATED GPU(s)"), "{told}");
    // Sums are added up in another order there.
    assert!((on_cores - on_gpus).abs() < 0.02, "{on_cores} {on_gpus}");
}

#[test]
fn a_policy_is_learnt_by_playing() {
    let file = example("cartpole/cartpole.star");
    let small = ["-p", "rounds=2", "-p", "players=2", "-p", "episodes=1", "-p", "tested=4"];
    let said = say(&[&["--json", "run", &file, "-p", "report_every=1"], &small[..]].concat());
    assert_eq!(said.code, Some(0), "{}", said.err);
    let outputs = &said.last()["outputs"];
    for name in ["mean return in round 1", "mean return in round 2", "mean return of 4 episodes"] {
        let steps = outputs[name].as_f64().expect("a number");
        assert!((1.0..=500.0).contains(&steps), "{name}: {steps}");
    }
}

#[test]
fn programs_refuse_parameters_that_they_do_not_have() {
    let said = say(&["run", &example("digits/digits.star"), "-p", "epoch=1"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("epoch"), "{}", said.err);
}

#[test]
fn benches_report_in_json() {
    let said = say(&["--json", "bench", "chain", "idle_memory", "--runs", "1"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let records = said.json();
    let of = |record: &serde_json::Value, key: &str| record[key].as_str().map(str::to_owned);
    let names: Vec<_> = records.iter().map(|r| (of(r, "bench"), of(r, "mode"))).collect();
    let name = |bench: &str, mode: &str| (Some(bench.to_owned()), Some(mode.to_owned()));
    assert_eq!(
        names,
        [name("chain", "embedded"), name("chain", "remote"), name("idle_memory", "remote")]
    );
    assert!(records.iter().all(|r| r["value"].as_f64().is_some_and(|value| value > 0.0)));
    assert!(records.iter().all(|r| r["runs"] == 1 && r["min"] == r["max"]));
}

#[test]
fn kernels_are_held_against_what_bounds_them() {
    let bench = ["--json", "bench", "kernels", "--runs", "1", "--kernel"];
    let said = say(&[&bench[..], &["permutation"]].concat());
    assert_eq!(said.code, Some(0), "{}", said.err);
    let record = said.last();
    assert_eq!((&record["bench"], &record["kernel"]), (&"kernels".into(), &"permutation".into()));
    assert_eq!((&record["mode"], &record["unit"]), (&"embedded".into(), &"ratio".into()));
    for figure in ["value", "seconds", "bytes_per_second", "flops_per_second"] {
        assert!(record[figure].as_f64().is_some_and(|value| value > 0.0), "{figure}: {record}");
    }
    let said = say(&[&bench[..], &["sofmax"]].concat());
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains(r#"did you mean "softmax"?"#), "{}", said.err);
}

#[test]
fn json_graphs_run() {
    let report = say(&["--json", "run", &example("sweep.json")]).last();
    assert_eq!(report["state"], "succeeded");
}

#[test]
fn a_cluster_runs_the_same_graphs_and_remembers_them() {
    let cluster = Cluster::start(2);
    let report = cluster.say(&["--json", "run", &example("wordcount.yaml")]).last();
    assert_eq!(report["state"], "succeeded");
    assert_eq!(report["devices"].as_array().map(Vec::len), Some(2));
    let job = report["job"].as_str().expect("an id").to_owned();
    let jobs = cluster.say(&["--json", "jobs"]).json();
    assert_eq!(jobs[0]["job"], report["job"]);
    let tasks = cluster.say(&["--json", "tasks", &job]).json();
    assert_eq!(tasks.len(), 5);
    assert!(tasks.iter().all(|task| task["state"] == "succeeded"));
    let why = cluster.say(&["why", &job, "merge"]);
    assert!(why.out.contains("is succeeded") && why.out.contains("was placed on"), "{}", why.out);
    let unknown = cluster.say(&["why", &job, "nothing"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("has no task"), "{}", unknown.err);
}

#[test]
fn a_watch_goes_on_where_another_ended() {
    let cluster = Cluster::start(1);
    let job = cluster.submit(&example("hello.toml"));
    let all = cluster.say(&["--json", "watch", &job]);
    assert_eq!(all.code, Some(0), "{}", all.err);
    let all = all.json();
    assert!(all.iter().enumerate().all(|(seq, event)| event["seq"] == seq));
    assert_eq!(all.last().expect("events")["event"], "job_ended");
    let rest = cluster.say(&["--json", "watch", &job, "--from", "2"]).json();
    assert_eq!(rest, all[2..]);
}

#[test]
fn the_same_token_makes_one_job() {
    let cluster = Cluster::start(1);
    let file = example("hello.toml");
    let submit = || cluster.say(&["--json", "submit", &file, "--token", "once"]).last();
    let (first, second) = (submit(), submit());
    assert_eq!(first["job"], second["job"]);
    assert_eq!((&first["existing"], &second["existing"]), (&false.into(), &true.into()));
}

const SLEEPERS: &str = r#"
tasks = [
    { name = "slow", process = { argv = ["sleep", "600"] } },
    { name = "never", kernel = "noop", after = ["slow"] },
]
"#;

#[test]
fn cancelling_ends_what_runs() {
    let cluster = Cluster::start(1);
    let file = GraphFile::new("sleep.toml", SLEEPERS);
    let job = cluster.submit(file.path());
    eventually("the process runs", || cluster.count(&job, "running") == 1);
    let waiting = cluster.say(&["why", &job, "never"]);
    assert!(waiting.out.contains("\"slow\" (running)"), "{}", waiting.out);
    assert_eq!(cluster.say(&["cancel", &job]).out, "2 task(s) cancelled\n");
    let watched = cluster.say(&["--json", "watch", &job]);
    assert_eq!(watched.code, Some(1));
    assert_eq!(watched.last()["state"], "cancelled");
    let ran = |event: &Value| event["run_s"].as_f64().is_some_and(|seconds| seconds > 0.0);
    assert_eq!(watched.json().iter().filter(|event| ran(event)).count(), 1, "{}", watched.out);
    eventually("the core is free again", || cluster.nodes()[0]["free"]["cores"] == 1.0);
}

#[test]
fn an_interrupted_run_cancels_its_job() {
    let file = GraphFile::new("sleep.toml", SLEEPERS);
    let cluster = Cluster::start(1);
    let endpoint = cluster.scheduler.endpoint();
    let mut run =
        crate::harness::Server::start_silent(&["--endpoint", endpoint, "run", file.path()]);
    eventually("the process runs", || {
        cluster.nodes()[0]["running"].as_u64().is_some_and(|running| running > 0)
    });
    run.signal("INT");
    assert_eq!(run.wait(), Some(130));
    assert_eq!(cluster.say(&["--json", "jobs"]).json()[0]["state"], "cancelled");
}

#[test]
fn nobody_needs_to_read_what_is_said_for_people() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
    let mut command = drawloom();
    command.args(["run", &example("hello.toml")]).stderr(full);
    let output = command.output().expect("drawloom starts");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn words_are_mapped_shuffled_and_reduced() {
    let small = ["--param", "files=8", "--param", "lines=4000", "--param", "reducers=2"];
    let program = example("words/words.star");
    // Some 1.6 MB of text go through a store of 1 MiB.
    let store = ["--object-memory", "1MiB"];
    let said = say(&[&["--json", "run", &program], &small[..], &store[..]].concat());
    assert_eq!(said.code, Some(0), "{}", said.err);
    // The program itself fails where a word is missing.
    assert_eq!(said.last()["outputs"]["words"], "320000\n");
    let said = say(&[&["run", &program], &small[..], &store[..], &["--spill-limit", "0"]].concat());
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("out_of_memory"), "{}", said.err);
}
