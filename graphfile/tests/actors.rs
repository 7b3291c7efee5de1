//! Actors and calls in graph files of both kinds.

use drawloom_graphfile::{LoadOptions, load};
use drawloom_model::{
    ActorKind, ActorRef, Attribute, FailureKind, Lifetime, ResourceRequest, Run, TaskGraph,
};

fn read(name: &str, text: &str) -> Result<TaskGraph, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("written");
    let loaded = load(&path, &LoadOptions::default());
    loaded.map(|loaded| loaded.graph).map_err(|error| error.to_string())
}

const PLAIN: &str = r#"
[inputs.first]
value = 2

[[tasks]]
name = "tally"
actor = { type = "counter", name = "t", detached = true, mailbox = 7, checkpoint_every = 3, max_restarts = 4 }
attributes = { start = 5 }
request = { cpu = 0.5 }

[[tasks]]
name = "add"
call = { actor = "tally", method = "add", outputs = 2 }
attributes = { by = 3 }
inputs = ["first"]

[[tasks]]
call = { named = "other", method = "get" }

[outputs]
second = "add.1"
"#;

#[test]
fn plain_files_make_actors_and_calls() {
    let graph = read("graph.toml", PLAIN).expect("a good file");
    let actor = graph.templates[0].actor().expect("an actor");
    let start = [("start".to_owned(), Attribute::Int(5))];
    let type_name = "counter".to_owned();
    assert_eq!(actor.kind, ActorKind::Native { type_name, attributes: start.into() });
    assert_eq!((actor.name.as_deref(), actor.lifetime), (Some("t"), Lifetime::Detached));
    assert_eq!((actor.mailbox, actor.checkpoint_every), (7, Some(3)));
    let retry = graph.templates[0].retry;
    assert!(retry.max_retries == 4 && retry.on.contains(FailureKind::Application));
    assert_eq!(graph.templates[0].variants[0].request.cpu_milli, 500);
    let call = graph.templates[1].call().expect("a call");
    assert_eq!((&call.actor, call.method.as_str()), (&ActorRef::Task(0), "add"));
    assert_eq!((graph.templates[1].outputs, graph.templates[1].retry.max_retries), (2, 0));
    assert_eq!(graph.templates[1].variants[0].request, ResourceRequest::default());
    let other = graph.templates[2].call().expect("a call");
    assert_eq!((&other.actor, graph.templates[2].outputs), (&ActorRef::Name("other".into()), 1));
}

#[test]
fn programs_make_actors_and_calls() {
    let program = r#"
tally = actor("counter", constant(1), start = 5, actor_name = "t", max_restarts = 2)
script = actor(argv = ["python3", "x.py"], cpu = 2)
count = call(tally, "add", constant(3), by = 2)
pair = call(script, "split", count, outputs = 2)
output("left", pair[0])
call("elsewhere", "note", pair[1], outputs = 0, after = count)
"#;
    let graph = read("graph.star", program).expect("a good program");
    let runs: Vec<&Run> = graph.templates.iter().map(|t| &t.variants[0].run).collect();
    assert!(matches!(runs[0], Run::Actor(actor) if actor.name.as_deref() == Some("t")));
    assert_eq!(graph.tasks[0].inputs.len(), 1, "the constructor's argument");
    let process = graph.templates[1].actor().map(|actor| actor.kind.clone());
    assert!(matches!(process, Some(ActorKind::Process(spec)) if spec.argv == ["python3", "x.py"]));
    let outputs: Vec<u16> = graph.templates.iter().map(|template| template.outputs).collect();
    assert_eq!(outputs, [0, 0, 1, 2, 0]);
    assert_eq!(graph.tasks[4].after, [2]);
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let check = |name: &str, text: &str, told: &str| {
        let error = read(name, text).expect_err("a bad file");
        assert!(error.contains(told), "{error}");
    };
    check(
        "a.star",
        "call(constant(1), \"add\")\n",
        "must be an actor or an actor's name, is handle",
    );
    check("a.star", "x = k.noop()\ncall(x, \"add\")\n", "it calls task 0, which is no actor");
    check("a.star", "actor()\n", "give exactly one of `type` and `argv`");
    check("a.star", "a = actor(\"counter\")\nk.noop(after = a)\n", "waits for the end of task 0");
    check(
        "a.toml",
        "[[tasks]]\nactor = { argv = [\"x\"] }\nattributes = { a = 1 }\n",
        "a process takes no attributes; use its argv or env",
    );
    check(
        "a.toml",
        "[[tasks]]\ncall = { named = \"x\", method = \"y\" }\nrequest = { cpu = 1 }\n",
        "a call takes no resources: its actor has them",
    );
    check(
        "a.toml",
        "[[tasks]]\nactor = { type = \"counter\", mailbox = 0 }\n",
        "must be between 1 and 1048576",
    );
}
