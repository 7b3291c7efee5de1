//! Actors, called from the command line and by tasks.

use serde_json::json;

use crate::harness::{Cluster, GraphFile, Server, eventually, example, say};

const TALLY: &str = r#"
[[tasks]]
name = "counter"
actor = { type = "counter", name = "tally", detached = true, max_restarts = 3, checkpoint_every = 1 }
"#;

#[test]
fn a_named_actor_outlives_its_executor() {
    let mut cluster = Cluster::start(2);
    let job = cluster.submit(GraphFile::new("tally.toml", TALLY).path());
    let call = |cluster: &Cluster, arguments: &[&str]| {
        let mut all = vec!["--json", "call", "tally"];
        all.extend(arguments);
        let said = cluster.say(&all);
        assert_eq!(said.code, Some(0), "{}", said.err);
        said.json()
    };
    assert_eq!(call(&cluster, &["add", "5"]), [json!(5)]);
    assert_eq!(call(&cluster, &["add", "-c", "by=2"]), [json!(7)]);
    let actor = cluster.say(&["--json", "actors"]).last();
    assert_eq!((&actor["name"], &actor["incarnation"]), (&json!("tally"), &json!(1)));
    let nodes = cluster.nodes();
    let home =
        nodes.iter().find(|node| node["executor"] == actor["executor"]).expect("it lives there");
    let place = usize::from(home["name"] == "x1");
    cluster.executors[place].kill();
    // The next call finds the second incarnation, with the state that the first has kept.
    assert_eq!(call(&cluster, &["add", "1"]), [json!(8)]);
    let actor = cluster.say(&["--json", "actors", &job]).last();
    assert_eq!((&actor["incarnation"], &actor["restarts"]), (&json!(2), &json!(1)));
    call(&cluster, &["--stop"]);
    assert_eq!(cluster.say(&["watch", &job]).code, Some(0));
    let gone = cluster.say(&["call", "tally", "get"]);
    assert_eq!(gone.code, Some(2));
    let told = "there is no actor named \"tally\"; it was never made, or has ended";
    assert_eq!(gone.err.matches(told).count(), 1, "{}", gone.err);
}

#[test]
fn calls_that_fail_say_why() {
    let cluster = Cluster::start(1);
    let job = cluster.submit(GraphFile::new("tally.toml", TALLY).path());
    let name = format!("{job}/counter");
    let said = cluster.say(&["call", &name, "fly"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    let told = r#"counter has no method "fly"; it has add, get, set"#;
    assert!(said.err.contains(told) && said.err.contains("(incarnation 1 on e1)"), "{}", said.err);
    let said = cluster.say(&["call", &name, "set", "[1, [2]]"]);
    assert_eq!(said.code, Some(2));
    let taken = cluster.say(&["submit", GraphFile::new("again.toml", TALLY).path()]);
    assert_eq!(taken.code, Some(2));
    assert!(taken.err.contains(r#"has an actor named "tally" already"#), "{}", taken.err);
    assert_eq!(cluster.say(&["cancel", &job]).code, Some(0));
    eventually("it has ended", || cluster.say(&["--json", "actors"]).json().is_empty());
}

#[test]
fn a_parameter_server_of_f32_is_fed() {
    let cluster = Cluster::start(1);
    let server = "[inputs]\nw = { dtype = \"f32\", value = [1, 2] }\n\
                  [[tasks]]\nactor = { type = \"parameter_server\", name = \"server\", detached = true }\n\
                  inputs = [\"w\"]\nattributes = { lr = 0.5 }\n";
    cluster.submit(GraphFile::new("server.toml", server).path());
    let wrong = cluster.say(&["call", "server", "apply", "[0.5, -1]"]);
    assert_eq!(wrong.code, Some(1), "{}", wrong.err);
    let applied = cluster.say(&["call", "server", "apply", "[2, -4]", "--dtype", "f32"]);
    assert_eq!((applied.code, applied.out.trim()), (Some(0), "1"), "{}", applied.err);
    assert_eq!(cluster.say(&["call", "server", "get"]).out.trim(), "f32[2] [0.0, 4.0]");
    let refused = cluster.say(&["call", "server", "apply", "[1e40]", "--dtype", "f32"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("1e+40 is no f32"), "{}", refused.err);
    assert_eq!(cluster.say(&["call", "server", "--stop"]).code, Some(0));
}

#[test]
fn actors_that_cannot_be_made_fail_their_jobs() {
    let check = |actor: &str, code: i32, told: &str| {
        let text = format!("[[tasks]]\nname = \"a\"\n{actor}\n");
        let said = say(&["run", GraphFile::new("a.toml", &text).path()]);
        assert_eq!(said.code, Some(code), "{}", said.err);
        assert!(said.err.contains(told), "{}", said.err);
    };
    let constants = "actor = { type = \"counter\" }\nattributes = { begin = 1 }";
    check(constants, 1, "task \"a\" failed: application: begin: unknown; known are start");
    let unknown = "actor = { type = \"countre\" }";
    check(unknown, 2, "actors of type \"countre\"; did you mean \"counter\"?");
    let mailbox = "actor = { type = \"counter\", mailbox = 0 }";
    check(mailbox, 2, "a.toml:3: tasks[0].actor.mailbox: must be between 1 and 1048576");
}

#[test]
fn who_waits_for_a_detached_actor_hears_how_to_stop_it() {
    let cluster = Cluster::start(1);
    let file = GraphFile::new("tally.toml", TALLY);
    let endpoint = cluster.scheduler.endpoint();
    let mut run = Server::start_talking(&["--endpoint", endpoint, "run", file.path()]);
    let hint = run.line_with("is detached");
    assert!(hint.contains("`drawloom call tally --stop`"), "{hint}");
    assert_eq!(cluster.say(&["call", "tally", "--stop"]).code, Some(0));
    assert_eq!(run.wait(), Some(0));
}

#[test]
fn a_python_actor_and_a_native_one_count_together() {
    let program = example("actors/counters.star");
    let said = say(&["--json", "run", &program, "--param", "rounds=3"]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.out.contains("succeeded"), "{}", said.out);
}

#[test]
fn graph_files_with_wrong_actors_are_refused_with_their_lines() {
    let check = |text: &str, told: &str| {
        let said = say(&["run", GraphFile::new("wrong.toml", text).path()]);
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(said.err.contains(told), "{}", said.err);
    };
    check(
        "[[tasks]]\nname = \"a\"\nactor = { type = \"counter\", argv = [\"x\"] }\n",
        "give exactly one of `type` and `argv`",
    );
    check("[[tasks]]\ncall = { actor = \"b\", method = \"add\" }\n", "there is no task \"b\"");
    check("[[tasks]]\ncall = { method = \"add\" }\n", "give `actor` or `named`: whom to call");
    let both = "[[tasks]]\nkernel = \"noop\"\nactor = { type = \"counter\" }\n";
    check(both, "a task is one of `kernel`, `process`, `cuda`, `actor` and `call`");
}
