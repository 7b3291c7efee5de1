//! What people read when something is wrong with what they gave.

use crate::harness::{GraphFile, say};

/// Runs a graph file that is wrong; checks the exit code and that the message has these parts.
fn check(name: &str, text: &str, code: i32, parts: &[&str]) {
    let file = GraphFile::new(name, text);
    let said = say(&["run", file.path(), "--no-gpus"]);
    assert_eq!(said.code, Some(code), "{}", said.err);
    for part in parts {
        assert!(said.err.contains(part), "{part:?} is not in:\n{}", said.err);
    }
}

#[test]
fn cycles_are_named() {
    let text = r#"
[[tasks]]
name = "a"
kernel = "noop"
after = ["c"]
[[tasks]]
name = "b"
kernel = "noop"
after = ["a"]
[[tasks]]
name = "c"
kernel = "noop"
after = ["b"]
"#;
    check("cycle.toml", text, 2, &["cycle.toml:", "cycle", "\"a\"", "\"b\"", "\"c\""]);
}

#[test]
fn unknown_kernels_are_named_with_the_nearest() {
    let text = "[[tasks]]\nname = \"a\"\nkernel = \"matmull\"\n";
    check("k.toml", text, 2, &["k.toml:", "matmull", "did you mean", "matmul"]);
}

#[test]
fn unknown_inputs_are_named() {
    let text = "tasks:\n  - {name: a, kernel: noop, inputs: [nowhere]}\n";
    check("i.yaml", text, 2, &["i.yaml:2", "nowhere"]);
}

#[test]
fn unknown_fields_are_named() {
    let text = "{\"tasks\": [{\"name\": \"a\", \"kernal\": \"noop\"}]}";
    check("f.json", text, 2, &["f.json:1", "kernal"]);
}

#[test]
fn wrong_shapes_are_found_before_anything_runs() {
    let text = r#"
[inputs.a]
value = [[1, 2, 3], [4, 5, 6]]
[inputs.b]
value = [[1, 2], [3, 4]]
[[tasks]]
name = "product"
kernel = "matmul"
inputs = ["a", "b"]
"#;
    check("s.toml", text, 2, &["s.toml:6", "product", "[2, 3]", "[2, 2]"]);
}

#[test]
fn wrong_element_types_are_found_before_anything_runs() {
    let text = r#"
[inputs.a]
value = [1, 2]
dtype = "u8"
[[tasks]]
name = "soft"
kernel = "softmax"
inputs = ["a"]
"#;
    check("d.toml", text, 2, &["d.toml:", "soft", "u8"]);
}

#[test]
fn duplicate_names_are_named() {
    let text = "tasks:\n  - {name: a, kernel: noop}\n  - {name: a, kernel: noop}\n";
    check("dup.yaml", text, 2, &["dup.yaml:3", "\"a\" is taken by the task of line 2"]);
}

#[test]
fn impossible_requests_are_refused_with_the_resource_and_the_line() {
    for (request, part) in [
        ("request = { cpu = 100000 }", "asks for 100000 cores"),
        ("request = { memory = \"900TiB\" }", "memory: asks for"),
        ("request = { gpu = 1 }", "gpu: asks for 1 device(s)"),
        ("request = { custom = { licence = 1 } }", "licence: asks for 1"),
        ("labels = [\"zone in (a)\"]", "zone in (a)"),
    ] {
        let text = format!("\n[[tasks]]\nname = \"greedy\"\nkernel = \"noop\"\n{request}\n");
        check("r.toml", &text, 2, &["r.toml:2: ", "\"greedy\" fits no executor", part]);
    }
}

#[test]
fn files_beyond_the_limit_are_refused() {
    let file = GraphFile::new("large.json", "");
    let open = std::fs::File::options().write(true).open(file.path()).expect("the file");
    open.set_len(1 << 40).expect("a sparse file");
    let said = say(&["run", file.path()]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("it is larger than the limit of"), "{}", said.err);
}

#[test]
fn objects_that_fit_nowhere_fail_their_task() {
    let text = r#"
[[tasks]]
name = "huge"
kernel = "fill"
attributes = { shape = [100000, 2000000], value = 1.0 }
"#;
    check("h.toml", text, 1, &["\"huge\" failed", "bytes"]);
}

#[test]
fn missing_executables_are_named() {
    let text = "tasks:\n  - {name: a, process: {argv: [no-such-program-here]}}\n";
    check("e.yaml", text, 1, &["task \"a\" failed", "no-such-program-here"]);
}

#[test]
fn files_that_are_no_programs_are_told() {
    let file = GraphFile::new("plain.txt", "no program");
    let text = format!("tasks:\n  - {{name: a, process: {{argv: [{:?}]}}}}\n", file.path());
    check("p.yaml", &text, 1, &["task \"a\" failed", "Permission denied"]);
}

#[test]
fn failing_processes_show_their_last_words() {
    let text = "tasks:\n  - {name: a, process: {argv: [sh, -c, \"echo too bad >&2; exit 3\"]}}\n";
    check("x.yaml", text, 1, &["task \"a\" failed", "3", "too bad"]);
}

#[test]
fn output_that_is_no_text_is_described() {
    let text = "tasks:\n  - {name: a, process: {argv: [printf, '\\377\\376']}}\noutputs: {a: a}\n";
    let file = GraphFile::new("b.yaml", text);
    let said = say(&["run", file.path()]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "a = blob of 2 B\n"), "{}", said.err);
}

#[test]
fn programs_end() {
    let text = "def forever():\n    for i in range(1000000000):\n        pass\nforever()\n";
    check("loop.star", text, 2, &["loop.star", "step"]);
}

#[test]
fn formats_and_files_are_named() {
    check("graph.txt", "", 2, &["graph.txt", ".toml, .yaml"]);
    let said = say(&["run", "no-such-file.toml"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("no-such-file.toml: cannot be read"), "{}", said.err);
}

#[test]
fn endpoints_are_checked() {
    let said = say(&["--endpoint", "ftp://somewhere", "jobs"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("expected http://HOST:PORT or unix:/PATH"), "{}", said.err);
    // Nobody listens at port 1.
    let said = say(&["--endpoint", "http://127.0.0.1:1", "jobs"]);
    assert_eq!(said.code, Some(3));
    assert!(said.err.contains("Connection refused"), "{}", said.err);
}

#[test]
fn kernels_and_schema_are_shown() {
    assert!(say(&["kernels"]).out.lines().any(|line| line.starts_with("matmul(")));
    assert!(say(&["kernels", "matmul"]).out.contains("input a"));
    let unknown = say(&["kernels", "matmull"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("did you mean \"matmul\"?"), "{}", unknown.err);
    let schema: serde_json::Value =
        serde_json::from_str(&say(&["schema"]).out).expect("a JSON Schema");
    assert!(schema["properties"]["tasks"].is_object());
    assert!(say(&["completions", "bash"]).out.contains("drawloom"));
}
