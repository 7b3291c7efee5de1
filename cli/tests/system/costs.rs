//! What kernels were measured to take: shown, kept, believed again.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::harness::{GraphFile, Said, Server, example, say};

fn directory() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state").to_str().expect("UTF-8").to_owned();
    (folder, path)
}

/// How often each name was measured.
fn samples(said: &Said) -> BTreeMap<String, u64> {
    assert_eq!(said.code, Some(0), "{}", said.err);
    let mut samples = BTreeMap::new();
    for row in said.json() {
        assert!(row["mean_s"].as_f64().is_some_and(|mean| mean > 0.0), "{row}");
        assert_eq!((&row["device_class"], &row["variant"]), (&"cpu".into(), &"1 core".into()));
        let name = row["name"].as_str().expect("a name").to_owned();
        *samples.entry(name).or_default() += row["samples"].as_u64().expect("a number");
    }
    samples
}

fn kept(directory: &str) -> Said {
    say(&["--json", "kernels", "--costs", "--state-dir", directory])
}

#[test]
fn costs_outlive_the_scheduler() {
    let (_folder, directory) = directory();
    let process =
        GraphFile::new("process.yaml", "tasks:\n  - name: t\n    process: { argv: ['true'] }\n");
    let arguments =
        ["--json", "up", "--cores", "1", "--listen", "127.0.0.1:0", "--state-dir", &directory];
    let up = Server::start(&arguments);
    let endpoint = up.endpoint().to_owned();
    for file in [&*example("hello.toml"), process.path()] {
        let ran = say(&["--endpoint", &endpoint, "--json", "run", file]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }
    let shown = say(&["--endpoint", &endpoint, "--json", "kernels", "--costs"]);
    let measured = samples(&shown);
    let names: Vec<&str> = measured.keys().map(String::as_str).collect();
    assert_eq!(names, ["fill", "matmul", "sum", "true"]);
    assert!(measured.values().all(|samples| *samples == 1), "{measured:?}");
    let table = say(&["--endpoint", &endpoint, "kernels", "--costs", "matmul"]);
    assert!(table.out.contains("DEVIATION") && table.out.contains("matmul"), "{}", table.out);
    assert!(!table.out.contains("fill"), "{}", table.out);
    assert_eq!(up.stop(), Some(0));
    assert_eq!(kept(&directory).out, shown.out);

    let again = Server::start(&arguments);
    let endpoint = again.endpoint().to_owned();
    let known = say(&["--endpoint", &endpoint, "--json", "kernels", "--costs"]);
    assert_eq!(known.out, shown.out, "before anything has run");
    let job = say(&["--endpoint", &endpoint, "submit", &example("hello.toml")]);
    let job = job.out.trim();
    assert_eq!(say(&["--endpoint", &endpoint, "watch", job]).code, Some(0));
    let why = say(&["--endpoint", &endpoint, "why", job, "ones"]);
    assert!(why.out.contains("(measured once there for that size)"), "{}", why.out);
    assert_eq!(again.stop(), Some(0));
    assert_eq!(samples(&kept(&directory))["matmul"], 2);
}

#[test]
fn a_run_keeps_costs_where_it_is_told_to() {
    let (_folder, directory) = directory();
    for runs in 1..=2 {
        let ran = say(&["run", &example("hello.toml"), "--state-dir", &directory]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert_eq!(samples(&kept(&directory))["sum"], runs);
    }
}

#[test]
fn a_directory_has_one_scheduler() {
    let (_folder, directory) = directory();
    let arguments = ["--json", "scheduler", "--listen", "127.0.0.1:0", "--state-dir", &directory];
    let first = Server::start(&arguments);
    let second = say(&arguments);
    assert_eq!(second.code, Some(3));
    assert!(second.err.contains("another scheduler uses the state directory"), "{}", second.err);
    assert!(second.err.contains(&directory), "{}", second.err);
    assert_eq!(first.stop(), Some(0));
    assert_eq!(Server::start(&arguments).stop(), Some(0));
}

#[test]
fn a_damaged_file_is_set_aside_with_a_warning() {
    let (_folder, directory) = directory();
    std::fs::create_dir(&directory).expect("made");
    let file = Path::new(&directory).join("costs.json");
    for (place, text) in ["{", r#"{"format": "drawloom-costs", "version": 9}"#].iter().enumerate() {
        std::fs::write(&file, text).expect("written");
        let ran = say(&["run", &example("hello.toml"), "--state-dir", &directory]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let named = ran.err.contains("costs.json") && ran.err.contains("set aside");
        assert!(named, "{}", ran.err);
        let end = if place == 0 { String::new() } else { format!(".{place}") };
        let aside = Path::new(&directory).join(format!("costs.json.aside{end}"));
        assert_eq!(&std::fs::read_to_string(aside).expect("kept"), text);
        let rows: Vec<Value> = kept(&directory).json();
        assert!(!rows.is_empty(), "it begins anew");
    }
}

#[test]
fn costs_that_cannot_be_shown_are_bad_input() {
    let (_folder, directory) = directory();
    let missing = kept(&directory);
    assert_eq!(missing.code, Some(2));
    assert!(missing.err.contains("costs.json"), "{}", missing.err);
    let alone = say(&["kernels", "--state-dir", &directory]);
    assert_eq!(alone.code, Some(2));
    assert!(alone.err.contains("--costs"), "{}", alone.err);
}
