//! Programs: what they make, and what their errors say.

use std::fs;
use std::path::Path;
use std::time::Duration;

use drawloom_graphfile::{LoadOptions, Loaded, load};
use drawloom_model::{
    Attribute, Demand, Gang, GangStrategy, Input, OnFailure, ProcessInput, Run, Shared, Topology,
};

/// Loads the first of these files, with the others beside it.
fn load_files(files: &[(&str, &str)], options: &LoadOptions) -> Result<Loaded, String> {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }
    let prefix = format!("{}/", directory.path().display());
    let path = directory.path().join(files[0].0);
    load(&path, options).map_err(|error| error.to_string().replace(&prefix, ""))
}

fn run(text: &str) -> Result<Loaded, String> {
    load_files(&[("g.star", text)], &LoadOptions::default())
}

#[test]
fn calls_add_tasks() {
    let text = "\
job(name = 'demo', on_failure = 'cancel_job')
a = k.fill(shape = [2, 3], value = 1)
for i in range(3):
    a = k.add(a, constant([1, 2, 3]), name = 'add.{}'.format(i), priority = i)
loss, gradient = k.cross_entropy(a, constant([0, 1], dtype = 'i32'))
wait = k.noop(a, [loss], after = [loss])
output('sum', k.sum_n(a, a, after = wait, cpu = '500m', memory = '1MiB'))
";
    let loaded = run(text).expect("a good program");
    let graph = &loaded.graph;
    assert_eq!((graph.name.as_str(), graph.options.on_failure), ("demo", OnFailure::CancelJob));
    assert_eq!(graph.tasks.len(), 7);
    assert_eq!(graph.literals.len(), 2, "equal constants are shared");
    assert_eq!(graph.tasks[2].name.as_deref(), Some("add.1"));
    assert_eq!(graph.tasks[5].after, [4]);
    assert_eq!(graph.tasks[6].inputs, [Input::Task { task: 3, output: 0 }; 2]);
    assert_eq!(graph.tasks[6].after, [5]);
    let request = &graph.templates[graph.tasks[6].template as usize].variants[0].request;
    assert_eq!((request.cpu_milli, request.memory_bytes), (500, 1 << 20));
    assert_eq!(graph.outputs[0].object, Input::Task { task: 6, output: 0 });
    let lines: Vec<u32> = loaded.places.iter().map(|place| place.line).collect();
    assert_eq!(lines, [2, 4, 4, 4, 5, 6, 7]);
}

#[test]
fn processes_take_objects() {
    let text = "\
words = text('b a')
out, code = process(argv = ['sort', 'x'], stdin = words, files = {'x': words, 'y': file('d/x.csv')},
    outputs = ['stdout', 'exit_code'], env = {'LC_ALL': 'C'}, timeout = '5s', name = 'sort')
process(argv = ['wc'], stdin = out)
";
    let files = [("g.star", text), ("d/x.csv", "1,2")];
    let graph = load_files(&files, &LoadOptions::default()).expect("good").graph;
    let Run::Process(process) = &graph.templates[0].variants[0].run else { panic!("a process") };
    let file = |name: &str| ProcessInput::File(name.to_owned());
    assert_eq!(process.inputs, [ProcessInput::Stdin, file("x"), file("y")]);
    assert_eq!(graph.tasks[0].inputs, [0, 0, 1].map(Input::Literal));
    assert_eq!(graph.tasks[1].inputs, [Input::Task { task: 0, output: 0 }]);
}

#[test]
fn parameters_have_the_type_of_their_defaults() {
    let text = "k.fill(shape = [param('n', 2)], value = param('value', 0.5))";
    let options = |name: &str, value: &str| LoadOptions {
        parameters: [(name.to_owned(), value.to_owned())].into(),
        ..LoadOptions::default()
    };
    let load = |name, value| load_files(&[("g.star", text)], &options(name, value));
    let graph = load("n", "7").expect("good").graph;
    let Run::Kernel(call) = &graph.templates[0].variants[0].run else { panic!("a kernel") };
    assert_eq!(call.attributes["shape"], Attribute::Ints(vec![7]));
    assert_eq!(call.attributes["value"], Attribute::Float(0.5));
    assert_eq!(
        load("m", "7").expect_err("unknown"),
        "g.star: there is no parameter \"m\"; did you mean \"n\"?"
    );
    assert_eq!(
        load("n", "many").expect_err("no integer"),
        "g.star:1: parameter \"n\" must be an integer, is \"many\""
    );
}

#[test]
fn programs_load_others_from_their_tree() {
    let files = [
        ("g.star", "load('lib/layers.star', 'dense')\noutput('y', dense(k.fill(shape = [2, 3])))"),
        (
            "lib/layers.star",
            "load('init.star', 'weights')\ndef dense(x):\n    return k.matmul(x, weights())",
        ),
        ("lib/init.star", "def weights():\n    return k.fill(shape = [4, 5])"),
    ];
    let error = load_files(&files, &LoadOptions::default()).expect_err("shapes differ");
    assert_eq!(
        error,
        "lib/layers.star:3: task 2: matmul: inner extents differ: a is f32[2, 3], b is f32[4, 5]"
    );
    let twice = "load('x.star', 'x')\nload('./x.star', y = 'x')\n";
    let graph = load_files(
        &[("g.star", twice), ("x.star", "x = k.fill(shape = [1])")],
        &LoadOptions::default(),
    );
    assert_eq!(graph.expect("good").graph.tasks.len(), 1, "a file runs once");
}

#[test]
fn loading_ends_at_the_tree_and_in_circles() {
    let error = run("\nload('../x.star', 'x')").expect_err("outside");
    assert!(error.starts_with("g.star:2: \"../x.star\" is outside "), "{error}");
    let error = run("load('x.star', 'x')").expect_err("missing");
    assert!(error.starts_with("g.star:1: the file \"x.star\" cannot be read: "), "{error}");
    let files = [("g.star", "load('x.star', 'x')"), ("x.star", "\nload('g.star', 'y')")];
    let error = load_files(&files, &LoadOptions::default()).expect_err("a circle");
    assert_eq!(error, "x.star:2: \"g.star\" loads itself, perhaps through others");
    let error = run("file('/etc/passwd')").expect_err("outside");
    assert!(error.starts_with("g.star:1: \"/etc/passwd\" is outside "), "{error}");
}

#[test]
fn endless_programs_end() {
    let options = LoadOptions { max_steps: 20_000, ..LoadOptions::default() };
    let fails = |text: &str| load_files(&[("g.star", text)], &options).expect_err("too long");
    let message = "the program takes more than 20000 steps; does a loop never end?";
    assert_eq!(
        fails("x = 0\nfor i in range(1000000000):\n    x += 1\n"),
        format!("g.star:3: {message}")
    );
    let calls = "def f(n):\n    return n\n\n[f(i) for i in range(1000000000)]";
    assert_eq!(fails(calls), format!("g.star:4: {message}"));
    let error = fails("def f(n):\n    return f(n + 1)\n\nf(0)\n");
    assert!(error.starts_with("g.star:2: ") && error.contains("call stack"), "{error}");
}

#[test]
fn deep_nesting_is_read_or_refused() {
    let nested = |depth: usize| format!("\nx = {}1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(run(&nested(9_000)).is_ok());
    let error = run(&nested(100_000)).expect_err("too deep");
    assert_eq!(error, "g.star:2: brackets are nested more than 10000 deep");
}

#[test]
fn large_values_end_programs() {
    let options = LoadOptions { max_heap_bytes: 1 << 20, ..LoadOptions::default() };
    let text = "x = []\nfor i in range(1000000):\n    x.append([i])\n";
    let error = load_files(&[("g.star", text)], &options).expect_err("too large");
    assert_eq!(error, "g.star:3: the program's values take more than 1048576 bytes");
}

#[test]
fn values_too_large_to_address_are_refused() {
    let text = "x = 1\ny = list(range(2000000000))\n";
    let error = load_files(&[("g.star", text)], &LoadOptions::default()).expect_err("too large");
    assert_eq!(error, "g.star:1: here or further on, the program makes a value that is too large");
}

#[test]
fn mistakes_are_named_with_their_lines() {
    let start = "x = k.fill(shape = [2, 3])\n";
    let cases = [
        (
            "k.matmull(x, x)",
            "Object of type `kernels` has no attribute `matmull`, did you mean `matmul`?",
        ),
        ("k.matmul(x, x)", "task 1: matmul: inner extents differ: a is f32[2, 3], b is f32[2, 3]"),
        (
            "k.matmul(x)",
            "matmul: input b is missing ([..., k, n], or [..., n, k] with transpose_b)",
        ),
        ("k.matmul(x, x, x)", "matmul takes 2 object(s), got 3; attributes are given by name"),
        ("k.matmul(x, a = x)", "matmul: input a is given twice"),
        (
            "k.matmul(x, x, transpos_b = True)",
            "matmul takes no argument \"transpos_b\"; did you mean \"transpose_b\"?",
        ),
        (
            "k.matmul(x, x, transpose_b = 3)",
            "attributes.transpose_b: matmul, attribute transpose_b: must be bool, is 3",
        ),
        ("k.scale(x, nmae = 'y')", "scale takes no argument \"nmae\"; did you mean \"name\"?"),
        ("k.add(x, 1.0)", "add, input b: must be an object, is float; wrap it: constant(...)"),
        (
            "k.relu(x, timeout = 5)",
            "timeout: cannot be 5; give a span of time such as \"100ms\", \"30s\", \"5min\", \"2h\" or \"1d\"",
        ),
        (
            "k.relu(x, memory = 'much')",
            "request.memory: cannot be \"much\"; give bytes such as 4096, \"500MB\" or \"1.5GiB\"",
        ),
        (
            "k.relu(k.cross_entropy(x, x))",
            "relu, input x: the task makes several objects; unpack them and name one",
        ),
        (
            "k.relu(k.noop())",
            "relu, input x: the task makes no object; to run after it, use `after`",
        ),
        ("k.noop(after = [3])", "after: must be a task, is int"),
        (
            "k.noop(name = 'a'); k.noop(name = 'a')",
            "name: the name \"a\" is taken by the task of line 2",
        ),
        ("process(argv = [])", "process.argv: an executable is needed"),
        ("process(argv = ['ls'], stdn = x)", "stdn: a value of type handle has no place here"),
        ("process(argv = ['ls'], stdin = 'x')", "stdin: must be an object, is string"),
        (
            "constant([[1, 2], [3]])",
            "[1]: is a list of 1 where the first of its level is a list of 2",
        ),
        (
            "constant(1, dtype = 'f31')",
            "dtype: there is no element type \"f31\"; there are: u8, i32, i64, f16, bf16, f32, f64",
        ),
        ("output('y', x); output('y', x)", "there is an output \"y\" already"),
        (
            "job(on_failure = 'stop')",
            "on_failure: cannot be \"stop\"; it may be: continue, cancel_job",
        ),
        (
            "job(nme = 'x')",
            "nme: unknown field; there are: priority, deadline, on_failure, wait_for_resources, open",
        ),
        ("fail('no', 'way')", "fail: no way"),
        ("1 // 0", "Floor division by zero: 1 // 0"),
    ];
    for (line, expected) in cases {
        let error = run(&format!("{start}{line}\n")).expect_err(line);
        assert_eq!(error, format!("g.star:2: {expected}"), "{line}");
    }
    let error = run("x = (\ny = ]\n").expect_err("bad syntax");
    assert!(error.starts_with("g.star:2: "), "{error}");
    let error = run("\n\nundefined()\n").expect_err("an unknown name");
    assert!(error.starts_with("g.star:3: "), "{error}");
}

#[test]
fn a_program_must_be_text() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("g.star");
    fs::write(&path, b"x = 1\n\xff").expect("written");
    let error = load(&path, &LoadOptions::default()).expect_err("not UTF-8").to_string();
    assert!(error.ends_with("g.star:2: the text is not UTF-8 (byte 6 of the file)"), "{error}");
}

#[test]
fn the_same_program_makes_the_same_graph() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/digits/digits.star");
    let options = LoadOptions {
        parameters: [("epochs".to_owned(), "1".to_owned())].into(),
        ..LoadOptions::default()
    };
    let once = load(&path, &options).expect("good");
    assert_eq!(once, load(&path, &options).expect("good"));
}

#[test]
fn programs_make_gangs() {
    let text = "\
peers = [k.fill(shape = [i + 1], value = 1) for i in range(3)]
gang('g', peers, strategy = 'spread', timeout = '3s', topology = {'devices': 'linked'})
gang('h', k.noop([peers], name = 'end'))
";
    let graph = run(text).expect("a good program").graph;
    let mut first = Gang::new("g", vec![0, 1, 2], GangStrategy::Spread);
    first.timeout = Some(Duration::from_secs(3));
    first.topology = Some(Topology { shared: Shared::LinkedDevices, demand: Demand::Preferred });
    assert_eq!(graph.gangs, [first, Gang::new("h", vec![3], GangStrategy::Pack)]);
}

#[test]
fn what_is_wrong_with_a_gang_is_told_with_its_line() {
    let check = |text: &str, expected: &str| {
        assert_eq!(run(text).expect_err("a bad gang"), expected);
    };
    check(
        "a = k.fill(shape = [1], value = 1)\ngang('g', [a], strategy = 'tight')\n",
        "g.star:2: strategy: cannot be \"tight\"; it may be: pack, spread, strict_pack, strict_spread",
    );
    check("gang('g', [1])\n", "g.star:1: members: must be a task, is int");
    check(
        "a = k.fill(shape = [1], value = 1)\nb = k.relu(a)\ngang('g', [a, b])\n",
        "g.star:3: gang \"g\", members: they can never be ready together: task 1 needs task 0",
    );
}
