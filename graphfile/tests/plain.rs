//! Plain files: what they make, and what their errors say.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drawloom_graphfile::{LoadOptions, Loaded, load, schema};
use drawloom_model::{
    Demand, Gang, GangStrategy, Input, Limits, ProcessInput, ProcessOutput, Run, Shared, Topology,
};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

fn load_text(name: &str, text: impl AsRef<[u8]>) -> Result<Loaded, String> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(name);
    fs::write(&path, text).expect("written");
    let prefix = format!("{}/", directory.path().display());
    load(&path, &LoadOptions::default()).map_err(|error| error.to_string().replace(&prefix, ""))
}

fn check(name: &str, text: impl AsRef<[u8]>, expected: &str) {
    let error = load_text(name, text).expect_err("a bad file");
    assert_eq!(error, expected);
}

#[test]
fn graphs_beyond_the_limits_are_refused_where_they_exceed_them() {
    let limits = Limits { tasks: 47, ..Limits::default() };
    let options = LoadOptions { limits, ..LoadOptions::default() };
    let error = load(&example("sweep.json"), &options).expect_err("48 tasks").to_string();
    assert!(error.contains("sweep.json:") && error.contains("more than 47 tasks"), "{error}");
}

#[test]
fn the_examples_load() {
    for (name, tasks, outputs) in
        [("hello.toml", 3, 2), ("ring.toml", 4, 3), ("wordcount.yaml", 5, 2), ("sweep.json", 48, 3)]
    {
        let loaded = load(&example(name), &LoadOptions::default());
        let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            (loaded.graph.tasks.len(), loaded.graph.outputs.len()),
            (tasks, outputs),
            "{name}"
        );
        assert_eq!(loaded.places.len(), tasks);
    }
}

#[test]
fn one_graph_in_three_formats_is_one_graph() {
    let toml = "name = 'g'\n[[tasks]]\nname = 'a'\nkernel = 'fill'\nattributes = { shape = [2, 3] }\n\
                [[tasks]]\nkernel = 'relu'\ninputs = ['a']\nrequest = { cpu = '500m', gpu = { share = 0.5, vram = '1GiB' } }\n\
                labels = ['zone in (a, b)']\n";
    let yaml = "name: g\ntasks:\n- {name: a, kernel: fill, attributes: {shape: [2, 3]}}\n\
                - kernel: relu\n  inputs: [a]\n  request: {cpu: 0.5, gpu: {share: 500m, vram: 1GiB}}\n  labels: ['zone in (a, b)']\n";
    let json = r#"{"name": "g", "tasks": [{"name": "a", "kernel": "fill", "attributes": {"shape": [2, 3]}},
        {"kernel": "relu", "inputs": ["a"], "labels": ["zone in (a, b)"],
         "request": {"cpu": 0.5, "gpu": {"share": 0.5, "vram": 1073741824}}}]}"#;
    let graph = load_text("g.toml", toml).expect("good").graph;
    assert_eq!(load_text("g.yml", yaml).expect("good").graph, graph);
    assert_eq!(load_text("g.json", json).expect("good").graph, graph);
    let request = &graph.templates[1].variants[0].request;
    assert_eq!(request.cpu_milli, 500);
    assert_eq!(request.gpu.as_ref().map(|gpu| (gpu.milli, gpu.vram_bytes)), Some((500, 1 << 30)));
}

#[test]
fn equal_templates_are_shared() {
    let mut text = "tasks:\n".to_owned();
    for _ in 0..1000 {
        text.push_str("- {kernel: fill, attributes: {shape: [2]}}\n");
    }
    let graph = load_text("g.yaml", text).expect("good").graph;
    assert_eq!((graph.tasks.len(), graph.templates.len()), (1000, 1));
}

#[test]
fn large_files_become_externals_and_small_ones_literals() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("small.csv"), "1,2").expect("written");
    fs::write(directory.path().join("large.csv"), vec![b'1'; 100_000]).expect("written");
    let path = directory.path().join("g.yaml");
    let text = "inputs: {s: {file: small.csv}, l: {file: large.csv}}\n\
                tasks: [{kernel: read_csv, inputs: [s]}, {kernel: read_csv, inputs: [l]}]\n";
    fs::write(&path, text).expect("written");
    let loaded = load(&path, &LoadOptions::default()).expect("good");
    assert_eq!(loaded.graph.tasks[0].inputs, [Input::Literal(0)]);
    assert_eq!(loaded.graph.tasks[1].inputs, [Input::External(0)]);
    assert_eq!(loaded.graph.externals.len(), 1);
    assert_eq!((loaded.files[0].external, loaded.files[0].bytes.len()), (0, 100_000));
    assert_eq!(loaded.files[0].name, "large.csv");
}

#[test]
fn variants_take_over_what_they_leave_out() {
    let text = "tasks:\n- {name: a, kernel: fill, attributes: {shape: [2]}}\n\
                - {kernel: relu, inputs: [a], variants: [{request: {gpu: 1}}, {request: {gpu: 0.25}}, {request: {cpu: 4}}]}\n";
    let graph = load_text("g.yaml", text).expect("good").graph;
    let variants = &graph.templates[1].variants;
    let milli = |place: usize| variants[place].request.gpu.as_ref().map(|gpu| gpu.milli);
    assert_eq!((milli(0), milli(1)), (Some(1000), Some(250)));
    assert_eq!(variants[2].request.cpu_milli, 4000);
    assert!(variants.iter().all(|variant| variant.run.name() == "relu"));
}

#[test]
fn a_process_takes_its_files_and_standard_input() {
    let graph = load(&example("wordcount.yaml"), &LoadOptions::default()).expect("good").graph;
    let merge = &graph.tasks[3];
    let Run::Process(process) = &graph.templates[merge.template as usize].variants[0].run else {
        panic!("a process")
    };
    let file = |name: &str| ProcessInput::File(name.to_owned());
    assert_eq!(process.inputs, [file("first.txt"), file("second.txt")]);
    assert_eq!(merge.inputs, [1, 2].map(|task| Input::Task { task, output: 0 }));
}

#[test]
fn unknown_fields_kernels_and_names_are_guessed() {
    check(
        "g.toml",
        "[[tasks]]\nkernel = 'fill'\nattributes = { shape = [2] }\nimputs = []\n",
        "g.toml:4: tasks[0].imputs: unknown field; did you mean \"inputs\"?",
    );
    check(
        "g.toml",
        "[[tasks]]\nname = 'a'\nkernel = 'matmull'\n",
        "g.toml:3: tasks[0].kernel: there is no kernel \"matmull\"; did you mean \"matmul\"?",
    );
    check(
        "g.yaml",
        "tasks:\n- name: first\n  kernel: fill\n  attributes: {shape: [2]}\n- kernel: relu\n  inputs:\n  - frist\n",
        "g.yaml:7: tasks[1].inputs[0]: there is no input or task \"frist\"; did you mean \"first\"?",
    );
    check(
        "g.yaml",
        "tasks:\n- kernel: fill\n  attributes:\n    shpe: [2]\n",
        "g.yaml:4: tasks[0].attributes.shpe: fill: unknown attribute \"shpe\"; did you mean \"shape\"?",
    );
    check(
        "g.yaml",
        "tasks:\n- name: t\n  kernel: noop\n- kernel: noop\n  after: [u]\n",
        "g.yaml:5: tasks[1].after[0]: there is no task \"u\"; did you mean \"t\"?",
    );
    check(
        "g.yaml",
        "tasks: []\noutputs:\n  loss: t\n",
        "g.yaml:3: outputs.loss: there is no input or task \"t\"; there are: none",
    );
}

#[test]
fn a_cycle_is_named_with_its_line() {
    check(
        "g.yaml",
        "tasks:\n- {name: a, kernel: relu, inputs: [c]}\n- {name: b, kernel: relu, inputs: [a]}\n- {name: c, kernel: relu, inputs: [b]}\n",
        "g.yaml:2: tasks[0]: the tasks form a cycle: task \"a\" -> task \"b\" -> task \"c\" -> task \"a\"",
    );
}

#[test]
fn wrong_shapes_and_types_are_shown() {
    check(
        "g.toml",
        "[inputs.a]\nvalue = [[1, 2, 3]]\n[inputs.b]\nvalue = [[1, 2]]\n[[tasks]]\nname = 'm'\nkernel = 'matmul'\ninputs = ['a', 'b']\n",
        "g.toml:5: tasks[0]: task \"m\": matmul: inner extents differ: a is f32[1, 3], b is f32[1, 2]",
    );
    check(
        "g.toml",
        "[inputs.a]\nvalue = [1]\ndtype = 'i32'\n[[tasks]]\nname = 'e'\nkernel = 'exp'\ninputs = ['a']\n",
        "g.toml:4: tasks[0]: task \"e\": exp, input x: must be a tensor of f16 or bf16 or f32 or f64, is i32[1]",
    );
}

#[test]
fn names_are_unique() {
    check(
        "g.yaml",
        "tasks:\n- {name: a, kernel: noop}\n- kernel: noop\n  name: a\n",
        "g.yaml:4: tasks[1].name: the name \"a\" is taken by the task of line 2",
    );
    check(
        "g.json",
        "{\"tasks\": [],\n \"tasks\": []}",
        "g.json:2: tasks: the field is given twice",
    );
}

#[test]
fn values_of_the_wrong_kind_are_refused_where_they_stand() {
    let task = |field: &str| format!("tasks:\n- kernel: noop\n  {field}\n");
    let cases = [
        (
            "priority: high",
            "g.yaml:3: tasks[0].priority: invalid type: string \"high\", expected i32",
        ),
        (
            "timeout: 10",
            "g.yaml:3: tasks[0].timeout: cannot be 10; give a span of time such as \"100ms\", \"30s\", \"5min\", \"2h\" or \"1d\"",
        ),
        (
            "request: {memory: 5 lightyears}",
            "g.yaml:3: tasks[0].request.memory: cannot be \"5 lightyears\"; give bytes such as 4096, \"500MB\" or \"1.5GiB\"",
        ),
        (
            "request: {gpu: 1.5}",
            "g.yaml:3: tasks[0].request.gpu: cannot be 1.5: it is a number of whole GPUs or a part of one, such as 0.25",
        ),
        (
            "request: {gpu: {share: 2}}",
            "g.yaml:3: tasks[0].request.gpu.share: is at most 1, a whole device",
        ),
        (
            "retry: {max_retries: 1, on: [aplication]}",
            "g.yaml:3: tasks[0].retry.on[0]: cannot be \"aplication\"; did you mean \"application\"?",
        ),
        (
            "labels: [zone in]",
            "g.yaml:3: tasks[0].labels[0]: cannot be \"zone in\"; write `zone in (a, b)`, `zone not in (a)`, `zone = a`, `zone != a`, `zone` or `!zone`",
        ),
        (
            "process: {argv: [ls]}",
            "g.yaml:3: tasks[0].process: a task runs a kernel or a process, not both",
        ),
        (
            "variants: [{process: {argv: []}}]",
            "g.yaml:3: tasks[0].variants[0].process.argv: an executable is needed",
        ),
    ];
    for (field, expected) in cases {
        check("g.yaml", task(field), expected);
    }
}

#[test]
fn a_task_with_several_outputs_must_be_told_which() {
    let text = "tasks:\n- name: s\n  process: {argv: [ls], outputs: [stdout, exit_code]}\n- process: {argv: [wc], stdin: REF}\n";
    check(
        "g.yaml",
        text.replace("REF", "s"),
        "g.yaml:4: tasks[1].process.stdin: task \"s\" makes 2 objects; name one: s.stdout, s.exit_code",
    );
    check(
        "g.yaml",
        text.replace("REF", "s.stdoot"),
        "g.yaml:4: tasks[1].process.stdin: task \"s\" makes no \"stdoot\"; did you mean \"stdout\"?",
    );
    let graph = load_text("g.yaml", text.replace("REF", "s.exit_code")).expect("good").graph;
    assert_eq!(graph.tasks[1].inputs, [Input::Task { task: 0, output: 1 }]);
}

#[test]
fn data_must_be_there_and_beside_the_file() {
    let text = |file: &str| format!("inputs:\n  x: {{file: {file}}}\ntasks: []\n");
    let error = load_text("g.yaml", text("no.csv")).expect_err("missing");
    assert!(
        error.starts_with(
            "g.yaml:2: inputs.x.file: the file \"no.csv\" cannot be read: No such file"
        ),
        "{error}"
    );
    for outside in ["/etc/passwd", "../x.csv", "a/../../x"] {
        let error = load_text("g.yaml", text(outside)).expect_err("outside");
        let start = format!("g.yaml:2: inputs.x.file: {outside:?} is outside ");
        assert!(error.starts_with(&start), "{error}");
    }
}

#[test]
fn text_that_is_no_graph_file_is_refused() {
    check(
        "g.toml",
        b"name = 'x'\nb = '\xff'",
        "g.toml:2: the text is not UTF-8 (byte 16 of the file)",
    );
    check("g.yaml", "[".repeat(100_000), "g.yaml:1: YAML: recursion limit exceeded");
    check(
        "g.txt",
        "",
        "g.txt: its name must end in .toml, .yaml, .yml, .json or .star to tell what it is",
    );
    check("g.yaml", "- 1", "g.yaml:1: must be a table of fields");
    let error = load_text("g.toml", "[[tasks]\n").expect_err("bad TOML");
    assert!(error.starts_with("g.toml:1: TOML: "), "{error}");
    let missing = load(Path::new("/nowhere/g.toml"), &LoadOptions::default()).expect_err("missing");
    assert!(missing.to_string().starts_with("/nowhere/g.toml: cannot be read: "), "{missing}");
}

#[test]
fn only_programs_have_parameters() {
    let options = LoadOptions {
        parameters: [("epochs".to_owned(), "3".to_owned())].into(),
        ..LoadOptions::default()
    };
    let error = load(&example("hello.toml"), &options).expect_err("no parameters").to_string();
    assert!(
        error.ends_with("parameter \"epochs\": only programs (.star) have parameters"),
        "{error}"
    );
}

#[test]
fn the_schema_describes_every_field() {
    let schema = schema();
    assert_eq!(schema["properties"]["tasks"]["type"], "array");
    assert_eq!(schema["additionalProperties"], false);
    let task = &schema["$defs"]["TaskEntry"];
    for field in ["name", "kernel", "process", "inputs", "after", "request", "retry", "timeout"] {
        assert!(task["properties"][field].is_object(), "{field}");
    }
}

const PEERS: &str =
    "[[tasks]]\nname = 'a'\nkernel = 'noop'\n[[tasks]]\nname = 'b'\nkernel = 'noop'\n";

#[test]
fn gangs_are_read_with_all_they_say() {
    let gang = "[[gangs]]\nname = 'g'\nmembers = ['b', 'a']\nstrategy = 'strict_spread'\n\
                timeout = '2s'\ntopology = { label = 'rack', required = true }\n\
                [[gangs]]\nname = 'h'\nmembers = ['c']\n[[tasks]]\nname = 'c'\nkernel = 'noop'\n";
    let graph = load_text("g.toml", format!("{PEERS}{gang}")).expect("good").graph;
    let mut first = Gang::new("g", vec![1, 0], GangStrategy::StrictSpread);
    first.timeout = Some(Duration::from_secs(2));
    let shared = Shared::Label("rack".into());
    first.topology = Some(Topology { shared, demand: Demand::Required });
    assert_eq!(graph.gangs, [first, Gang::new("h", vec![2], GangStrategy::Pack)]);
}

#[test]
fn what_is_wrong_with_a_gang_is_told_with_its_line_and_field() {
    let check = |gang: &str, expected: &str| check("g.toml", format!("{PEERS}{gang}"), expected);
    check(
        "[[gangs]]\nname = 'g'\nmembers = ['a', 'nobody']\n",
        "g.toml:9: gangs[0].members[1]: there is no task \"nobody\"; there are: a, b",
    );
    check(
        "[[gangs]]\nname = 'g'\nmembers = ['a']\nstrategy = 'tight'\n",
        "g.toml:10: gangs[0].strategy: cannot be \"tight\"; it may be: pack, spread, strict_pack, strict_spread",
    );
    check(
        "[[gangs]]\nname = 'g'\nmembers = ['a']\ntopology = { required = true }\n",
        "g.toml:10: gangs[0].topology: give exactly one of `label` and `devices`",
    );
    check(
        "[[gangs]]\nname = 'g'\nmembers = ['a', 'a']\n",
        "g.toml:9: gangs[0].members[1]: gang \"g\", members[1]: task \"a\" is listed twice",
    );
    check(
        "after = ['a']\n[[gangs]]\nname = 'g'\nmembers = ['a', 'b']\n",
        "g.toml:10: gangs[0].members: gang \"g\", members: they can never be ready together: task \"b\" needs task \"a\"",
    );
    check(
        "[[gangs]]\nname = 'g'\nmembers = ['a']\n[[gangs]]\nname = 'g'\nmembers = ['b']\n",
        "g.toml:11: gangs[1].name: the name \"g\" is taken by the gang of line 7",
    );
}

#[test]
fn processes_map_objects() {
    let text = "tasks:\n- name: s\n  process: {argv: [ls], outputs: [{map: big}, stdout]}\n- process: {argv: [wc], maps: {x: s.big, y: s.stdout}}\n";
    let graph = load_text("g.yaml", text).expect("good").graph;
    let Run::Process(makes) = &graph.templates[0].variants[0].run else { panic!("a process") };
    assert_eq!(makes.outputs[0], ProcessOutput::Map("big".into()));
    let Run::Process(takes) = &graph.templates[1].variants[0].run else { panic!("a process") };
    assert_eq!(takes.inputs, ["x", "y"].map(|name| ProcessInput::Map(name.into())));
    let both = text.replace("{map: big}", "{map: big, file: big}");
    let error = load_text("g.yaml", both).expect_err("which of them?").to_string();
    assert!(error.contains("{ file = \"path\" } or { map = \"name\" }"), "{error}");
}
