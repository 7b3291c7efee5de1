//! Processes in an executor.

mod common;

use std::time::Duration;

use std::os::unix::fs::PermissionsExt as _;

use common::*;
use drawloom_executor::Config;
use drawloom_model::{
    Assignment, Failure, FailureKind, FromExecutor, JobKey, ObjectKey, Outcome, ProcessInput,
    ProcessOutput, ProcessSpec, TaskKey, ToExecutor, Value,
};

async fn run(assignment: Assignment) -> Result<Vec<Value>, Failure> {
    Loom::new(config()).await.result(assignment).await
}

async fn fails(spec: ProcessSpec) -> Failure {
    run(process(0, spec)).await.expect_err("it fails")
}

fn text(value: &Value) -> String {
    String::from_utf8_lossy(&value.data).into_owned()
}

#[tokio::test]
async fn objects_become_files_and_files_become_objects() {
    let spec = ProcessSpec {
        inputs: vec![ProcessInput::Stdin, ProcessInput::File("in/thread.txt".into())],
        ..script(
            "tr a-z A-Z; cat in/thread.txt >&2; mkdir out; printf weft > out/x; exit 3",
            vec![
                ProcessOutput::Stdout,
                ProcessOutput::File("out/x".into()),
                ProcessOutput::Stderr,
                ProcessOutput::ExitCode,
            ],
        )
    };
    let mut task = process(0, spec);
    task.inputs.extend([inline(Value::blob("warp")), inline(Value::blob(vec![0xff, 0xfe]))]);
    let made = run(task).await.expect("outputs");
    assert_eq!(text(&made[0]), "WARP");
    assert_eq!(text(&made[1]), "weft");
    assert_eq!(&made[2].data[..], [0xff, 0xfe], "no need for text");
    assert_eq!(&made[3].data[..], 3i32.to_le_bytes());
}

#[tokio::test]
async fn large_objects_pass_through_pipes() {
    let spec = ProcessSpec {
        inputs: vec![ProcessInput::Stdin],
        ..script("cat", vec![ProcessOutput::Stdout])
    };
    let mut task = process(0, spec);
    let data = (0..3_000_000u32).map(|byte| byte as u8).collect::<Vec<_>>();
    task.inputs.push(inline(Value::blob(data.clone())));
    assert!(run(task).await.expect("a copy")[0].data == data);
}

#[tokio::test]
async fn unread_input_is_no_failure() {
    let spec = ProcessSpec { inputs: vec![ProcessInput::Stdin], ..script("exit 0", vec![]) };
    let mut task = process(0, spec);
    task.inputs.push(inline(Value::blob(vec![0; 1 << 20])));
    assert_eq!(run(task).await, Ok(Vec::new()));
}

#[tokio::test]
async fn the_environment_is_small_and_tells_what_was_given() {
    let mut spec = script("env", vec![ProcessOutput::Stdout]);
    spec.env.insert("PATTERN".into(), "twill".into());
    let mut task = process(7, spec);
    request(&mut task).cpu_milli = 2000;
    let made = run(task).await.expect("the environment");
    let environment = text(&made[0]);
    let lines = environment.lines().collect::<Vec<_>>();
    for expected in [
        "PATTERN=twill",
        "DRAWLOOM_JOB=1",
        "DRAWLOOM_TASK=7",
        "DRAWLOOM_ATTEMPT=1",
        "DRAWLOOM_CORES=0,1",
        "OMP_NUM_THREADS=2",
        "CUDA_VISIBLE_DEVICES=",
    ] {
        assert!(lines.contains(&expected), "{expected} is missing in {environment}");
    }
    assert!(!environment.contains("CARGO"), "{environment}");
}

#[tokio::test]
async fn exit_codes_and_signals_are_failures() {
    let failure = fails(script("echo thread torn >&2; exit 3", vec![])).await;
    assert_eq!(failure, Failure::new(FailureKind::Application, "exit code 3: thread torn"));
    let failure = fails(script("kill -SEGV $$", vec![])).await;
    assert_eq!(failure.message, "killed by signal 11 (SIGSEGV)");
    let failure = fails(script(r"printf 'a\377b' >&2; exit 1", vec![])).await;
    assert_eq!(failure.message, "exit code 1: a\u{fffd}b");
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let argv = vec!["no-such-loom".to_owned()];
    let failure = fails(ProcessSpec { argv, ..ProcessSpec::default() }).await;
    assert_eq!(failure.kind, FailureKind::Spawn);
    let expected = "there is no executable \"no-such-loom\" in PATH ";
    assert!(failure.message.starts_with(expected), "{failure}");
    let working_directory = Some("/no/such/place".to_owned());
    let failure = fails(ProcessSpec { working_directory, ..script("true", vec![]) }).await;
    assert_eq!(failure.message, "working directory /no/such/place does not exist");
    let place = tempfile::tempdir().expect("a place");
    let file = place.path().join("woven");
    std::fs::write(&file, "#!/no/such/loom -q\ntrue\n").expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("ours");
    let name = file.to_str().expect("UTF-8").to_owned();
    let expected = "there is no interpreter \"/no/such/loom\", which its first line names";
    let failure = fails(ProcessSpec { argv: vec![name.clone()], ..ProcessSpec::default() }).await;
    assert_eq!(failure.message, format!("cannot start {name:?}: {expected}"));
    let working_directory = place.path().to_str().map(str::to_owned);
    let argv = vec!["./woven".to_owned()];
    let failure = fails(ProcessSpec { argv, working_directory, ..ProcessSpec::default() }).await;
    assert_eq!(failure.message, format!("cannot start \"./woven\": {expected}"));
    let working_directory = Some(name.clone());
    let failure = fails(ProcessSpec { working_directory, ..script("true", vec![]) }).await;
    assert_eq!(failure.message, format!("working directory {name} is no directory"));
    let failure = fails(script("true", vec![ProcessOutput::File("../x".into())])).await;
    assert!(failure.message.contains("stay in the working directory"), "{failure}");
    let failure = fails(script("true", vec![ProcessOutput::File("x".into())])).await;
    assert_eq!(failure.message, "output file \"x\" was not written");
}

#[tokio::test]
async fn outputs_are_bounded() {
    let config = Config { output_limit_bytes: 10_000, ..config() };
    let mut loom = Loom::new(config).await;
    let endless = script("yes", vec![ProcessOutput::Stdout]);
    let failure = loom.result(process(0, endless)).await.expect_err("endless");
    assert_eq!(failure.message, "the standard output has more than 10000 bytes");
    let large = script("head -c 20000 /dev/zero > x", vec![ProcessOutput::File("x".into())]);
    let failure = loom.result(process(1, large)).await.expect_err("too large");
    let expected = "output file \"x\" has 20000 bytes, more than the limit of 10000";
    assert_eq!(failure.message, expected);
}

/// Whether a process with this in its command line is alive; zombies have none.
fn is_alive(marker: &str) -> bool {
    let entries = std::fs::read_dir("/proc").expect("/proc");
    let lines = entries.filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
    let marker = marker.as_bytes();
    lines.into_iter().any(|line| line.split(|byte| *byte == 0).any(|word| word == marker))
}

async fn wait_until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..2000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} never came true");
}

/// A script whose grandchild sleeps for so many seconds.
fn with_grandchild(seconds: &str) -> ProcessSpec {
    script(&format!("sleep {seconds} & wait"), vec![])
}

#[tokio::test]
async fn timeouts_kill_the_whole_group() {
    let mut task = process(0, with_grandchild("9119.01"));
    std::sync::Arc::make_mut(&mut task.template).timeout = Some(Duration::from_millis(300));
    let failure = run(task).await.expect_err("a timeout");
    assert_eq!(failure.kind, FailureKind::TimedOut);
    wait_until("the end of the grandchild", || !is_alive("9119.01")).await;
}

#[tokio::test]
async fn cancelling_kills_what_runs_and_forgets_what_waits() {
    let mut loom = Loom::new(config()).await;
    loom.run(process(0, with_grandchild("9119.02")));
    let mut waiting = process(1, script("true", vec![]));
    waiting.waits_for.push(TaskKey { job: JOB, index: 0 });
    loom.run(waiting);
    let mut large = process(2, script("true", vec![]));
    request(&mut large).cpu_milli = 4000;
    loom.run(large);
    let attempt_0 = attempt(0);
    assert_eq!(loom.next().await, FromExecutor::Started { attempt: attempt_0 });
    wait_until("the grandchild", || is_alive("9119.02")).await;
    loom.tell(vec![
        ToExecutor::Recall { attempt: attempt(0) },
        ToExecutor::Recall { attempt: attempt(2) },
        ToExecutor::Cancel { attempt: attempt(0) },
    ]);
    assert_eq!(loom.next().await, FromExecutor::Recalled { attempt: attempt(2) });
    let end = loom.ended().await;
    assert_eq!((end.attempt, end.outcome), (attempt_0, Outcome::Cancelled));
    wait_until("the end of the grandchild", || !is_alive("9119.02")).await;
    assert_eq!(loom.result(process(3, script("true", vec![]))).await, Ok(Vec::new()));
    assert!(
        !loom.said.iter().any(|m| matches!(m, FromExecutor::Ended(e) if e.attempt == attempt(1)))
    );
}

#[tokio::test]
async fn stubborn_processes_are_killed_after_a_grace() {
    let mut loom = Loom::new(config()).await;
    let stubborn = "trap '' TERM; echo ready > /dev/null; while :; do sleep 9119.03; done";
    loom.run(process(0, script(stubborn, vec![])));
    wait_until("the process", || is_alive("9119.03")).await;
    loom.tell(vec![ToExecutor::Cancel { attempt: attempt(0) }]);
    assert_eq!(loom.ended().await.outcome, Outcome::Cancelled);
    wait_until("its end", || !is_alive("9119.03")).await;
}

#[tokio::test]
async fn what_a_process_leaves_behind_is_killed() {
    let made = run(process(0, script("sleep 9119.04 & echo done", vec![ProcessOutput::Stdout])));
    assert_eq!(text(&made.await.expect("an output")[0]), "done\n");
    wait_until("the end of the grandchild", || !is_alive("9119.04")).await;
}

#[tokio::test]
async fn abandoned_executors_leave_nothing_running() {
    let mut loom = Loom::new(config()).await;
    loom.run(process(0, with_grandchild("9119.05")));
    wait_until("the process", || is_alive("9119.05")).await;
    loom.handle.abandon();
    loom.handle.ended().await;
    wait_until("its end", || !is_alive("9119.05")).await;
}

#[tokio::test]
async fn memory_beyond_the_request_is_refused() {
    // Takes some 200 MB for the last line of a long text.
    let hungry = "head -c 200000000 /dev/zero | tail -n 1 > /dev/null";
    for control_groups in [true, false] {
        let mut loom = Loom::new(Config { control_groups, ..config() }).await;
        let mut modest = process(0, script("true", vec![]));
        request(&mut modest).memory_bytes = 64 << 20;
        assert_eq!(loom.result(modest).await, Ok(Vec::new()));
        let mut task = process(1, script(&format!("set -e; {hungry}"), vec![]));
        request(&mut task).memory_bytes = 64 << 20;
        let failure = loom.result(task).await.expect_err("too much");
        assert_eq!(failure.kind, FailureKind::OutOfMemory, "{failure}");
    }
}

/// Reads what is mapped as `x`.
const READ_X: &str = r#"
IFS=: read descriptor offset length <<END
$DRAWLOOM_MAP_x
END
tail -c +$((offset + 1)) /proc/self/fd/$descriptor | head -c $length
"#;

#[tokio::test]
async fn inputs_are_mapped_from_shared_memory() {
    let mut loom = Loom::new(config()).await;
    let made = loom.result(fill(0, 1_000_000, 0.25)).await.expect("a vector");
    let put = ObjectKey { job: JobKey::VAULT, index: 7 };
    let value = Value::blob((0..200_000).map(|index| (index / 9) as u8).collect::<Vec<_>>());
    loom.handle.objects().put(put, value.clone()).await.expect("room");
    let small = Value::blob("a few words");
    // One lies in the arena of its job, one in another, one in none.
    let inputs = [(local(object(0)), made[0].data.clone()), (local(put), value.data)];
    let inputs = inputs.into_iter().chain([(inline(small.clone()), small.data)]);
    for (index, (input, expected)) in (1..).zip(inputs) {
        let mut spec = script(READ_X, vec![ProcessOutput::Stdout]);
        spec.inputs = vec![ProcessInput::Map("x".into())];
        let mut task = process(index, spec);
        task.inputs.push(input);
        let read = loom.result(task).await.expect("mapped");
        assert!(read[0].data == expected);
    }
    let before = loom.handle.objects().usage();
    assert_eq!(before.arenas, 2, "of the job and of what was put");
}

#[tokio::test]
async fn what_is_mapped_cannot_be_written_through_its_descriptor() {
    let mut loom = Loom::new(config()).await;
    loom.result(fill(0, 100_000, 0.25)).await.expect("a vector");
    // A plain shell knows no descriptors beyond 9.
    let argv = ["bash", "-c", "echo spoilt >&${DRAWLOOM_MAP_x%%:*}"].map(str::to_owned).to_vec();
    let mut spec = ProcessSpec { argv, ..ProcessSpec::default() };
    spec.inputs = vec![ProcessInput::Map("x".into())];
    let mut task = process(1, spec);
    task.inputs.push(local(object(0)));
    let failure = loom.result(task).await.expect_err("it may only read");
    assert!(failure.message.contains("Bad file descriptor"), "{failure}");
    let kept = loom.handle.objects().get(object(0)).expect("there");
    assert_eq!(f32s(&kept), vec![0.25; 100_000]);
}

#[tokio::test]
async fn outputs_are_kept_where_they_were_written() {
    let mut loom = Loom::new(config()).await;
    let text = "head -c 3000000 /dev/zero > /proc/self/fd/$DRAWLOOM_OUT_big
        printf tiny > /proc/self/fd/$DRAWLOOM_OUT_small";
    let outputs = ["big", "small", "none"].map(|name| ProcessOutput::Map(name.into())).to_vec();
    let made = loom.result(process(1, script(text, outputs))).await.expect("written");
    let lens = made.iter().map(|value| value.data.len()).collect::<Vec<_>>();
    assert_eq!((lens, made[1].data.as_ref()), (vec![3_000_000, 4, 0], &b"tiny"[..]));
    // The next one maps what this one wrote.
    let mut spec = script(READ_X, vec![ProcessOutput::Stdout]);
    spec.inputs = vec![ProcessInput::Map("x".into())];
    let mut next = process(2, spec);
    next.inputs.push(local(object(100)));
    assert_eq!(loom.result(next).await.expect("mapped")[0].data.len(), 3_000_000);
}

#[tokio::test]
async fn what_cannot_be_mapped_is_told() {
    let limited = drawloom_executor::Config { output_limit_bytes: 1_000_000, ..config() };
    let mut loom = Loom::new(limited).await;
    let too_much = "head -c 3000000 /dev/zero > /proc/self/fd/$DRAWLOOM_OUT_x";
    let outputs = vec![ProcessOutput::Map("x".into())];
    let failure = loom.result(process(1, script(too_much, outputs))).await.expect_err("too much");
    assert!(
        ["ile too large", "SIGXFSZ", "ile size limit"].iter().any(|t| failure.message.contains(t)),
        "{failure}"
    );
    let outputs = vec![ProcessOutput::Map("a b".into())];
    let failure = loom.result(process(2, script("true", outputs))).await.expect_err("bad name");
    assert_eq!(failure.message, "map \"a b\" must be named by letters, digits and _ alone");
}
