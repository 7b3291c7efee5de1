//! What is wrong with a file is told with the file's name and the field.

use std::path::PathBuf;

use drawloom_sim::{Case, Format, Platform, RunOptions, load};
use tempfile::TempDir;

fn file(directory: &TempDir, text: &str) -> PathBuf {
    let path = directory.path().join("given.json");
    std::fs::write(&path, text).expect("written");
    path
}

/// What is said of a file, to its name.
fn refusal(text: &str) -> String {
    let directory = TempDir::new().expect("a directory");
    let path = file(&directory, text).to_string_lossy().into_owned();
    let workloads = match load(&path, Format::Auto) {
        Ok(workloads) => workloads,
        Err(error) => return error.to_string().replace(&path, "FILE"),
    };
    let platform = Platform::find("cpu:2x1").expect("a platform");
    Case::new(&workloads[0], &platform).expect_err("it is refused").to_string()
}

fn wfformat(task: &str, execution: &str) -> String {
    format!(
        r#"{{"workflow": {{"specification": {{"tasks": [{task}], "files": []}},
            "execution": {{"tasks": [{execution}]}}}}}}"#
    )
}

#[test]
fn files_are_told_apart_from_workloads() {
    assert!(refusal("{").starts_with("FILE: EOF while parsing"), "{}", refusal("{"));
    assert_eq!(refusal("{}"), "FILE: its format is not recognised: say which by --format");
    let error = load("no/such/file.json", Format::Auto).expect_err("it is not there").to_string();
    assert!(error.starts_with("no/such/file.json: No such file"), "{error}");
}

#[test]
fn fields_of_workflows_are_named() {
    let task = r#"{"id": "a", "parents": ["b"]}"#;
    let run = r#"{"id": "a", "runtimeInSeconds": 1}"#;
    let parents = "FILE: workflow.specification.tasks[0].parents: there is no task \"b\"";
    assert_eq!(refusal(&wfformat(task, run)), parents);
    let missing = refusal(&wfformat(r#"{"id": "a"}"#, ""));
    assert!(missing.contains("tasks[0].id: \"a\" has no entry"), "{missing}");
    let negative = refusal(&wfformat(r#"{"id": "a"}"#, r#"{"id": "a", "runtimeInSeconds": -1}"#));
    assert!(negative.contains("tasks[0].runtimeInSeconds: a run time of -1"), "{negative}");
    let ring = refusal(&wfformat(r#"{"id": "a", "parents": ["a"]}"#, run));
    assert!(ring.ends_with("a: task 0 needs itself, through others or directly"), "{ring}");
}

#[test]
fn fields_of_matrices_are_named() {
    let matrix =
        |w: &str, edges: &str| refusal(&format!(r#"{{"id": "x", "w": {w}, "edges": {edges}}}"#));
    let edge = matrix("[[1, 2], [3, 4]]", "[[0, 5, 1]]");
    assert_eq!(edge, "FILE: edges[0]: from 0 to 5, and there are 2 tasks");
    assert_eq!(matrix("[[1, 2], [3]]", "[]"), "FILE: w[1]: 1 times where others have 2");
    assert_eq!(matrix("[[1, -2]]", "[]"), "FILE: w[0][1]: a time of -2");
    assert!(matrix("[[1], [1]]", "[[0, 1, 0], [1, 0, 0]]").contains("needs itself"));
    let large = matrix("[[1e999]]", "[]");
    // Which of them depends on how the reader of JSON was built.
    let told = ["FILE: number out of range", "FILE: w[0][0]: a time of inf"];
    assert!(told.iter().any(|told| large.starts_with(told)), "{large}");
}

#[test]
fn platforms_and_policies_are_known_or_told() {
    let workloads = load("cholesky:4:960", Format::Auto).expect("a workload");
    let platform = Platform::find("cpu:2x1").expect("a platform");
    let error = Case::new(&workloads[0], &platform).expect_err("no model").to_string();
    assert!(error.ends_with("potrf was not measured there"), "{error}");
    let workloads = load("random:5", Format::Auto).expect("a workload");
    let case = Case::new(&workloads[0], &platform).expect("a case");
    let error =
        case.run("hefd", &RunOptions::default(), &case.bounds()).expect_err("unknown").to_string();
    assert_eq!(error, "there is no policy \"hefd\"; is \"heft\" meant?");
}
