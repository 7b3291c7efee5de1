//! Actors on an executor, with the scheduler's end of its channels in the test's hands.

mod common;

use std::time::Duration;

use common::*;
use drawloom_executor::{Config, LocalActor};
use drawloom_model::{
    ActorKind, ActorPart, ActorRef, ActorSpec, AfterStop, Assignment, Attribute, Attributes, Call,
    CallArgument, CallFault, CallSpec, Failure, FailureKind, FromExecutor, Outcome, ProcessSpec,
    Run, ToExecutor, Value, WhenFull,
};

/// Says how a process of the tests behaves; `exec` makes the shell's child the process itself.
fn python(body: &str) -> ActorSpec {
    let program = format!("{PRELUDE}\n{body}");
    ActorSpec::process(["python3", "-c", &program])
}

/// What every process of the tests knows: how to read and write frames.
const PRELUDE: &str = r#"
import os, socket, struct, sys, time
s = socket.socket(fileno=int(os.environ["DRAWLOOM_ACTOR_FD"]))
def read(n):
    d = b""
    while len(d) < n:
        p = s.recv(n - len(d))
        if not p: sys.exit(0)
        d += p
    return d
def receive():
    (n,) = struct.unpack("<I", read(4))
    return read(n)
def send(kind, body): s.sendall(struct.pack("<IB", 1 + len(body), kind) + body)
def begin():
    receive(); send(65, struct.pack("<H", 1))
    receive(); send(66, struct.pack("<QH", 0, 0))
def call():
    f = receive()
    if f[0] == 6: sys.exit(0)
    return struct.unpack_from("<Q", f, 1)[0]
"#;

fn actor(index: u32, spec: ActorSpec) -> Assignment {
    assignment(index, Run::Actor(Box::new(spec)), 0)
}

fn counter() -> ActorSpec {
    ActorSpec::native("counter", Attributes::new())
}

/// A call as a task.
fn call(index: u32, of: u32, method: &str) -> Assignment {
    let (actor, method) = (ActorRef::Task(of), method.to_owned());
    let call = CallSpec { actor, method, attributes: Attributes::new() };
    let mut assignment = assignment(index, Run::Call(call), 1);
    *request(&mut assignment) = Default::default();
    assignment.actor = Some(Box::new(ActorPart::Callee(attempt(of))));
    assignment
}

fn direct(method: &str) -> Call {
    Call {
        method: method.to_owned(),
        attributes: Attributes::new(),
        arguments: Vec::new(),
        timeout: None,
        when_full: WhenFull::Refuse,
    }
}

/// Waits until the actor answers calls.
async fn begun(loom: &mut Loom, index: u32) -> LocalActor {
    loop {
        match loom.next().await {
            FromExecutor::Started { attempt: started } if started == attempt(index) => break,
            FromExecutor::Ended(end) => panic!("it ended: {end:?}"),
            _ => {}
        }
    }
    loom.handle.actors().find(attempt(index)).expect("it is here")
}

async fn failure(loom: &mut Loom) -> Failure {
    match loom.ended().await.outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("it was to fail, not {other:?}"),
    }
}

/// How many processes descend from this one.
fn children() -> usize {
    let me = std::process::id().to_string();
    let list = std::process::Command::new("ps").args(["--ppid", &me, "-o", "comm="]).output();
    let list = String::from_utf8(list.expect("ps runs").stdout).expect("names");
    list.lines().filter(|name| name.contains("python")).count()
}

async fn message(spec: ActorSpec) -> Failure {
    let mut loom = Loom::new(config()).await;
    loom.run(actor(0, spec));
    failure(&mut loom).await
}

#[tokio::test]
async fn calls_as_tasks_run_in_order_and_the_actor_is_stopped() {
    let mut loom = Loom::new(config()).await;
    loom.run(actor(0, counter()));
    begun(&mut loom, 0).await;
    for index in 1..4 {
        let count = loom.result(call(index, 0, "add")).await.expect("counted");
        assert_eq!(count[0].data[..], i64::from(index).to_le_bytes());
    }
    loom.tell(vec![ToExecutor::StopActor { attempt: attempt(0), then: AfterStop::Ended }]);
    assert_eq!(loom.ended().await.outcome, Outcome::Succeeded(Default::default()));
    assert!(loom.handle.actors().find(attempt(0)).is_none());
    // Its incarnation is over: another may take the call.
    loom.run(call(5, 0, "add"));
    assert_eq!(loom.ended().await.outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn an_actor_that_moves_keeps_its_state() {
    let mut loom = Loom::new(config()).await;
    let spec = ActorSpec { checkpoint_every: Some(100), ..counter() };
    loom.run(actor(0, spec.clone()));
    begun(&mut loom, 0).await;
    loom.result(call(1, 0, "add")).await.expect("counted");
    loom.tell(vec![ToExecutor::StopActor { attempt: attempt(0), then: AfterStop::Moved }]);
    let state = loop {
        if let FromExecutor::Checkpointed { state, .. } = loom.next().await {
            break state;
        }
    };
    assert_eq!(loom.ended().await.outcome, Outcome::Cancelled, "another incarnation follows");
    let mut again = actor(2, spec);
    again.actor = Some(Box::new(ActorPart::Restore(state)));
    loom.run(again);
    let here = begun(&mut loom, 2).await;
    let count = here.call(direct("get")).await.expect("answered").expect("counted");
    assert_eq!(count[0].data[..], 1i64.to_le_bytes());
}

#[tokio::test]
async fn unknown_types_and_constants_are_told() {
    let unknown = message(ActorSpec::native("clock", Attributes::new())).await;
    let told =
        r#"this executor makes no actors of type "clock"; it knows counter, parameter_server"#;
    assert_eq!((unknown.kind, unknown.message.as_str()), (FailureKind::Spawn, told));
    let attributes = Attributes::from([("start".to_owned(), Attribute::Text("x".into()))]);
    let wrong = message(ActorSpec::native("counter", attributes)).await;
    assert_eq!(wrong.message, r#"start: a whole number is wanted, not "x""#);
    let alone = message(ActorSpec::native("parameter_server", Attributes::new())).await;
    assert_eq!(alone.message, "parameter_server takes its parameters as inputs; there are none");
    let missing = message(ActorSpec::process(["/does/not/exist"])).await;
    assert_eq!(missing.message, r#"there is no executable "/does/not/exist""#);
    let mut loom = Loom::new(Config { runs_processes: false, ..config() }).await;
    loom.run(actor(0, ActorSpec::process(["true"])));
    assert_eq!(failure(&mut loom).await.message, "this executor runs no processes");
}

#[tokio::test]
async fn the_example_in_python_counts() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/actors/counter.py");
    let mut loom = Loom::new(config()).await;
    let spec = ActorSpec { checkpoint_every: Some(1), ..ActorSpec::process(["python3", script]) };
    loom.run(actor(0, spec));
    let here = begun(&mut loom, 0).await;
    let mut add = direct("add");
    add.attributes.insert("by".to_owned(), Attribute::Int(3));
    here.call(add).await.expect("answered").expect("counted");
    let mut add = direct("add");
    let number = Value { data: 4i64.to_le_bytes().to_vec().into(), ..i64_zero() };
    add.arguments.push(CallArgument::Value(number));
    let count = here.call(add).await.expect("answered").expect("counted");
    assert_eq!(count[0].data[..], 7i64.to_le_bytes());
    let fault = here.call(direct("fly")).await.expect("answered").expect_err("no such method");
    let told = "application: counter.py has no method 'fly'; it has add, get";
    assert_eq!(fault.to_string(), told);
    loom.tell(vec![ToExecutor::StopActor { attempt: attempt(0), then: AfterStop::Ended }]);
    assert_eq!(loom.ended().await.outcome, Outcome::Succeeded(Default::default()));
    let kept = loom.said.iter().filter(|said| matches!(said, FromExecutor::Checkpointed { .. }));
    assert!(kept.count() >= 3, "after each call, and at its end");
}

fn i64_zero() -> Value {
    let shape = drawloom_model::Shape::scalar();
    let object_type =
        drawloom_model::ObjectType::Tensor { dtype: drawloom_model::DType::I64, shape };
    Value { object_type, data: vec![0; 8].into() }
}

#[tokio::test]
async fn processes_that_break_the_protocol_are_killed() {
    let killed = "it was killed (killed by signal 9 (SIGKILL))";
    let check = |body: &str, told: String| {
        let spec = python(body);
        async move {
            let failure = message(spec).await;
            assert_eq!((failure.kind, failure.message), (FailureKind::Application, told));
        }
    };
    let broke = |what: &str| format!("the actor's process broke the protocol: {what}; {killed}");
    let wait = "time.sleep(60)";
    check(
        &format!("receive(); send(65, struct.pack('<H', 9)); {wait}"),
        broke("the process speaks version 9, not 1"),
    )
    .await;
    check(
        &format!("receive(); s.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); {wait}"),
        broke("a frame of 542393671 bytes is larger than the limit of 272629760"),
    )
    .await;
    check(&format!("receive(); send(9, b''); {wait}"), broke("there is no frame of type 9")).await;
    check(
        &format!("receive(); send(66, struct.pack('<QH', 0, 0)); {wait}"),
        broke("it began with a RESULT of 0"),
    )
    .await;
    let blob = "struct.pack('<BBQ', 0, 0, 0)";
    check(
        &format!(
            "receive(); send(65, struct.pack('<H', 1)); receive()\n\
             send(66, struct.pack('<QH', 0, 1) + {blob}); {wait}"
        ),
        broke("START was answered with 1 value(s), not with none"),
    )
    .await;
    check(
        "sys.stderr.write('no luck'); sys.exit(3)",
        "the actor's process is gone: exit code 3: no luck".to_owned(),
    )
    .await;
    assert_eq!(children(), 0, "nothing is left");
}

#[tokio::test]
async fn a_state_is_one_value() {
    let mut loom = Loom::new(config()).await;
    let body = "begin(); send(66, struct.pack('<QH', call(), 0)); receive()\n\
                send(66, struct.pack('<QH', 2, 2) + struct.pack('<BBQ', 0, 0, 0) * 2); time.sleep(60)";
    loom.run(actor(0, ActorSpec { checkpoint_every: Some(1), ..python(body) }));
    let here = begun(&mut loom, 0).await;
    assert_eq!(here.call(direct("any")).await.expect("answered"), Ok(Vec::new()));
    let told = failure(&mut loom).await.message;
    let expected = "the actor's process broke the protocol: CHECKPOINT was answered with 2 values;";
    assert!(told.starts_with(expected), "{told}");
}

#[tokio::test]
async fn an_error_at_the_start_fails_the_incarnation() {
    let body = "receive(); send(65, struct.pack('<H', 1)); receive()\n\
                send(67, struct.pack('<QI', 0, 7) + b'no data'); time.sleep(60)";
    assert_eq!(message(python(body)).await.message, "no data");
}

#[tokio::test]
async fn a_process_that_exits_between_calls_ends_its_incarnation() {
    let failure = message(python("begin(); time.sleep(0.1); sys.exit(4)")).await;
    assert_eq!(failure.message, "the actor's process has exited: exit code 4");
}

#[tokio::test]
async fn a_process_that_exits_in_a_call_loses_it_and_gives_back_the_rest() {
    let mut loom = Loom::new(config()).await;
    loom.run(actor(0, python("begin(); call(); os.kill(os.getpid(), 9)")));
    begun(&mut loom, 0).await;
    loom.tell((1..3).map(|index| ToExecutor::Run(Box::new(call(index, 0, "any")))).collect());
    let mut ends = Vec::new();
    for _ in 0..3 {
        let end = loom.ended().await;
        ends.push((end.attempt.task.index, end.outcome));
    }
    let told = "the actor's process is gone: killed by signal 9 (SIGKILL)";
    let crashed = Outcome::Failed(Failure::new(FailureKind::Application, told));
    let why = format!("the actor ended while it had the call: {told}");
    let lost = Outcome::Failed(Failure::new(FailureKind::ActorLost, why));
    ends.sort_by_key(|(index, _)| *index);
    assert_eq!(ends, [(0, crashed), (1, lost), (2, Outcome::Cancelled)]);
}

#[tokio::test]
async fn silence_beyond_the_calls_timeout_kills_the_process() {
    let mut loom = Loom::new(config()).await;
    loom.run(actor(0, python("begin(); call(); time.sleep(60)")));
    let here = begun(&mut loom, 0).await;
    let limit = Duration::from_millis(50);
    let late = here.call(Call { timeout: Some(limit), ..direct("any") });
    let next = here.call(direct("any"));
    assert_eq!(late.await.expect("answered"), Err(CallFault::TimedOut { limit }));
    let incarnation = attempt(0);
    assert_eq!(next.await.expect("answered"), Err(CallFault::NotHere { incarnation }));
    let failure = failure(&mut loom).await;
    assert_eq!(failure.kind, FailureKind::TimedOut);
    let told = "the process did not answer in time and was killed (killed by signal 9 (SIGKILL))";
    assert_eq!(failure.message, told);
}

#[tokio::test]
async fn an_answer_that_does_not_end_is_late() {
    let mut loom = Loom::new(config()).await;
    let body = "begin(); call(); s.sendall(struct.pack('<IB', 1 << 28, 66))\n\
                piece = bytes(1 << 20)\n\
                while True: s.sendall(piece)";
    loom.run(actor(0, python(body)));
    let here = begun(&mut loom, 0).await;
    let limit = Duration::from_millis(20);
    let late = here.call(Call { timeout: Some(limit), ..direct("any") });
    assert_eq!(late.await.expect("answered"), Err(CallFault::TimedOut { limit }));
}

#[tokio::test]
async fn a_cancelled_actor_is_killed_with_what_it_started() {
    let mut loom = Loom::new(config()).await;
    let body = "import subprocess; begin(); subprocess.Popen(['sleep', '4321']); time.sleep(60)";
    loom.run(actor(0, python(body)));
    begun(&mut loom, 0).await;
    loom.tell(vec![ToExecutor::Cancel { attempt: attempt(0) }]);
    assert_eq!(loom.ended().await.outcome, Outcome::Cancelled);
    let left = std::process::Command::new("pgrep").args(["-f", "sleep 4321"]).output();
    assert!(left.expect("pgrep runs").stdout.is_empty(), "its child is gone, too");
}

#[tokio::test]
async fn a_process_that_will_not_stop_is_killed_with_the_executor() {
    let mut loom = Loom::new(config()).await;
    let spec = ActorKind::Process(ProcessSpec {
        argv: vec!["python3".into(), "-c".into(), format!("{PRELUDE}\nbegin(); time.sleep(4322)")],
        ..ProcessSpec::default()
    });
    loom.run(actor(0, ActorSpec::new(spec)));
    begun(&mut loom, 0).await;
    loom.handle.abandon();
    loom.handle.ended().await;
    assert!(loom.handle.actors().find(attempt(0)).is_none());
}
