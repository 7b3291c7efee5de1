//! Each rule of the executor, by an example.

mod common;

use std::time::Duration;

use common::*;
use drawloom_executor_core::{Command, Config, Event, Executor, KillReason};
use drawloom_model::{
    AfterStop, AttemptId, Capacity, DeviceCapacity, DeviceIndex, Failure, FailureKind,
    FromExecutor, GpuRequest, ObjectReport, Outcome, ResourceRequest, TemplateKey, Time,
    ToExecutor, Value,
};

/// The tasks that these commands start.
fn started(commands: &[Command]) -> Vec<u32> {
    let starts = commands.iter().filter_map(|command| match command {
        Command::Start { assignment, .. } => Some(assignment.attempt.task.index),
        _ => None,
    });
    starts.collect()
}

/// What the scheduler is told of attempts.
fn told(commands: &[Command]) -> Vec<String> {
    let said = commands.iter().filter_map(|command| match command {
        Command::Say(FromExecutor::Ended(end)) => {
            let outcome = match &end.outcome {
                Outcome::Succeeded(_) => "succeeded",
                Outcome::Failed(failure) => failure.kind.name(),
                Outcome::Cancelled => "cancelled",
            };
            Some(format!("{} {outcome}", end.attempt.task.index))
        }
        Command::Say(FromExecutor::Recalled { attempt }) => {
            Some(format!("{} recalled", attempt.task.index))
        }
        _ => None,
    });
    said.collect()
}

fn ended(index: u32, outcome: Outcome) -> Event {
    Event::AttemptEnded {
        attempt: attempt(index),
        outcome,
        run_time: Duration::ZERO,
        outputs_on: None,
    }
}

fn succeeded(index: u32) -> Event {
    let report = ObjectReport::Inline(Value::scalar_f32(1.0));
    ended(index, Outcome::Succeeded([report].into_iter().collect()))
}

fn failed(index: u32) -> Event {
    ended(index, Outcome::Failed(Failure::new(FailureKind::Application, "no")))
}

fn one_core(index: u32) -> drawloom_model::Assignment {
    assignment(index, ResourceRequest::cores(1))
}

fn after(index: u32, waits_for: &[u32]) -> drawloom_model::Assignment {
    let mut assignment = one_core(index);
    assignment.waits_for = waits_for.iter().map(|index| task(*index)).collect();
    assignment
}

#[test]
fn a_chain_is_released_without_the_scheduler() {
    let mut executor = executor(4);
    assert_eq!(started(&handle(&mut executor, run(one_core(0)))), [0]);
    for index in 1..4 {
        let mut next = after(index, &[index - 1]);
        next.inputs.push(local(object(index - 1)));
        assert_eq!(started(&handle(&mut executor, run(next))), []);
    }
    for index in 0..3 {
        assert_eq!(started(&handle(&mut executor, succeeded(index))), [index + 1]);
    }
    handle(&mut executor, succeeded(3));
    assert_eq!(executor.attempts(), 0);
    let late = after(4, &[3]);
    assert_eq!(started(&handle(&mut executor, run(late))), [4], "what is gone has succeeded");
}

#[test]
fn what_waits_for_a_failure_is_dropped_without_a_word() {
    let mut executor = executor(4);
    handle(&mut executor, run(one_core(0)));
    handle(&mut executor, run(after(1, &[0])));
    handle(&mut executor, run(after(2, &[1])));
    assert_eq!(told(&handle(&mut executor, failed(0))), ["0 application"]);
    assert_eq!(executor.attempts(), 0);
    assert_eq!(handle(&mut executor, run(after(3, &[2]))), [], "sent before the failure was known");
    let again = drawloom_model::Assignment {
        attempt: AttemptId { task: task(0), number: 2 },
        ..one_core(0)
    };
    assert_eq!(started(&handle(&mut executor, run(again))), [0]);
    handle(&mut executor, run(after(4, &[0])));
    assert_eq!(executor.attempts(), 2, "a new attempt may be waited for");
    let templates = vec![TemplateKey { job: JOB, index: 0 }];
    handle(&mut executor, Event::Told(ToExecutor::ForgetTemplates { templates }));
    assert_eq!(started(&handle(&mut executor, run(after(5, &[2])))), [5]);
}

#[test]
fn cancelling_ends_queued_and_running_attempts() {
    let cancel = |index| Event::Told(ToExecutor::Cancel { attempt: attempt(index) });
    let mut executor = executor(1);
    handle(&mut executor, run(one_core(0)));
    handle(&mut executor, run(one_core(1)));
    assert_eq!(told(&handle(&mut executor, cancel(1))), ["1 cancelled"]);
    let kill = Command::Kill { attempt: attempt(0), why: KillReason::Cancelled };
    assert_eq!(handle(&mut executor, cancel(0)), [kill]);
    let commands = handle(&mut executor, succeeded(0));
    assert_eq!(told(&commands), ["0 cancelled"], "even where it was done already");
    assert!(commands.contains(&Command::Drop { objects: vec![object(0)] }));
    assert_eq!(handle(&mut executor, cancel(0)), []);
}

#[test]
fn nothing_is_remembered_of_a_job_that_was_over_before_its_attempts() {
    let mut executor = executor(2);
    handle(&mut executor, run(one_core(0)));
    handle(&mut executor, Event::Told(ToExecutor::Cancel { attempt: attempt(0) }));
    let templates = vec![TemplateKey { job: JOB, index: 0 }];
    handle(&mut executor, Event::Told(ToExecutor::ForgetTemplates { templates }));
    handle(&mut executor, succeeded(0));
    assert_eq!(started(&handle(&mut executor, run(after(5, &[0])))), [5]);
}

#[test]
fn what_waits_for_tasks_has_no_cores_meanwhile_and_is_the_first_to_get_some() {
    let suspend = |index| Event::Told(ToExecutor::Suspend { attempt: attempt(index) });
    let resume = |index| Event::Told(ToExecutor::Resume { attempt: attempt(index) });
    let resumed = |commands: &[Command], index| {
        commands.contains(&Command::Say(FromExecutor::Resumed { attempt: attempt(index) }))
    };
    let mut executor = executor(1);
    handle(&mut executor, run(one_core(0)));
    handle(&mut executor, run(one_core(1)));
    assert_eq!(started(&handle(&mut executor, suspend(0))), [1]);
    assert_eq!(handle(&mut executor, suspend(0)), [], "said twice");
    handle(&mut executor, run(one_core(2)));
    assert_eq!(handle(&mut executor, resume(0)), [], "its core is taken");
    let commands = handle(&mut executor, succeeded(1));
    assert!(resumed(&commands, 0) && started(&commands).is_empty(), "{commands:?}");
    assert_eq!(started(&handle(&mut executor, succeeded(0))), [2]);
    handle(&mut executor, suspend(2));
    handle(&mut executor, succeeded(2));
    assert_eq!(executor.free().cpu_milli, 1000, "nothing is given back twice");
    handle(&mut executor, run(one_core(3)));
    handle(&mut executor, suspend(3));
    handle(&mut executor, run(one_core(4)));
    handle(&mut executor, resume(3));
    handle(&mut executor, succeeded(3));
    handle(&mut executor, succeeded(4));
    assert_eq!(executor.free().cpu_milli, 1000);
    assert_eq!(started(&handle(&mut executor, run(one_core(5)))), [5]);
}

#[test]
fn only_what_has_not_started_is_recalled() {
    let recall = |index| Event::Told(ToExecutor::Recall { attempt: attempt(index) });
    let mut executor = executor(1);
    handle(&mut executor, run(one_core(0)));
    handle(&mut executor, run(one_core(1)));
    handle(&mut executor, run(after(2, &[1])));
    assert_eq!(handle(&mut executor, recall(0)), []);
    assert_eq!(told(&handle(&mut executor, recall(1))), ["1 recalled"]);
    assert_eq!(executor.attempts(), 1);
}

#[test]
fn timeouts_kill() {
    let limit = Duration::from_secs(2);
    let mut executor = executor(1);
    handle(&mut executor, run(with_timeout(one_core(0), limit)));
    let due = executor.next_timeout().expect("a timeout");
    assert_eq!(due, Time::ZERO + limit);
    let kill = Command::Kill { attempt: attempt(0), why: KillReason::TimedOut(limit) };
    assert_eq!(handle_at(&mut executor, due, Event::TimeoutDue), [kill]);
    assert_eq!(executor.next_timeout(), None);
    assert_eq!(told(&handle_at(&mut executor, due, failed(0))), ["0 timed_out"]);
}

#[test]
fn inputs_are_fetched_while_attempts_queue() {
    let mut executor = executor(1);
    handle(&mut executor, run(one_core(0)));
    let mut waiting = one_core(1);
    waiting.inputs.push(remote(object(9)));
    let commands = handle(&mut executor, run(waiting));
    assert!(matches!(&commands[..], [Command::Fetch { object: key, .. }] if *key == object(9)));
    handle(&mut executor, succeeded(0));
    let arrived = Event::InputArrived { object: object(9), size_bytes: 5 };
    assert_eq!(started(&handle(&mut executor, arrived)), [1]);
}

#[test]
fn a_lost_input_fails_whoever_waits_for_it() {
    let mut executor = executor(2);
    for index in 0..2 {
        let mut waiting = one_core(index);
        waiting.inputs.push(remote(object(9)));
        handle(&mut executor, run(waiting));
    }
    let failed = Event::FetchFailed { object: object(9), why: "gone".into() };
    let commands = handle(&mut executor, failed);
    assert_eq!(told(&commands), ["0 object_lost", "1 object_lost"]);
    let mut missing = one_core(2);
    missing.inputs.push(local(object(7)));
    assert_eq!(told(&handle(&mut executor, run(missing))), ["2 object_lost"]);
}

#[test]
fn larger_priorities_go_first() {
    let mut executor = executor(1);
    handle(&mut executor, run(one_core(0)));
    for (index, priority) in [(1, 0), (2, 5), (3, 0)] {
        handle(&mut executor, run(drawloom_model::Assignment { priority, ..one_core(index) }));
    }
    for (ends, starts) in [(0, 2), (2, 1), (1, 3)] {
        assert_eq!(started(&handle(&mut executor, succeeded(ends))), [starts]);
    }
}

/// Runs one-core attempts on two cores, one always running, with a two-core attempt waiting.
/// How many start before the large one.
fn starts_before_the_large_one(executor: &mut Executor) -> u32 {
    handle(executor, run(one_core(0)));
    handle(executor, run(assignment(1, ResourceRequest::cores(2))));
    for small in 2..1000 {
        let start = started(&handle(executor, run(one_core(small))));
        if start.is_empty() {
            handle(executor, succeeded(small - 1));
            return small - 2;
        }
        let previous = if small == 2 { 0 } else { small - 1 };
        assert!(started(&handle(executor, succeeded(previous))).is_empty());
    }
    panic!("the large one starves");
}

#[test]
fn a_large_attempt_does_not_starve() {
    let mut executor = executor(2);
    let passed = starts_before_the_large_one(&mut executor);
    assert!(passed > 10, "smaller ones may pass for a while, {passed} did");
    // All that is left are the large one, running now, and the small one that was kept back.
    assert_eq!(executor.free().cpu_milli, 0);
    assert_eq!(started(&handle(&mut executor, succeeded(1))).len(), 1);
}

fn in_set_aside_room(index: u32, cores: u64) -> drawloom_model::Assignment {
    let assignment = assignment(index, ResourceRequest::cores(cores));
    drawloom_model::Assignment { set_aside: true, ..assignment }
}

#[test]
fn room_that_is_set_aside_waits_for_its_attempt() {
    let mut executor = executor(2);
    let mut member = in_set_aside_room(0, 1);
    member.inputs.push(remote(object(9)));
    handle(&mut executor, run(member));
    assert_eq!(executor.free().cpu_milli, 1000);
    assert_eq!(started(&handle(&mut executor, run(one_core(1)))), [1]);
    assert_eq!(started(&handle(&mut executor, run(one_core(2)))), [], "the room is not its own");
    let arrived = Event::InputArrived { object: object(9), size_bytes: 5 };
    assert_eq!(started(&handle(&mut executor, arrived)), [0]);
    assert_eq!(started(&handle(&mut executor, succeeded(0))), [2], "room comes back as ever");
}

#[test]
fn room_that_is_set_aside_comes_back_unused() {
    let mut executor = executor(1);
    let mut member = in_set_aside_room(0, 1);
    member.inputs.push(remote(object(9)));
    handle(&mut executor, run(member));
    assert_eq!(started(&handle(&mut executor, run(one_core(1)))), []);
    let cancel = Event::Told(ToExecutor::Cancel { attempt: attempt(0) });
    let commands = handle(&mut executor, cancel);
    assert_eq!((told(&commands), started(&commands)), (vec!["0 cancelled".to_owned()], vec![1]));
}

#[test]
fn room_that_is_not_free_yet_is_set_aside_as_it_becomes_free() {
    let mut executor = executor(2);
    handle(&mut executor, run(one_core(0)));
    handle(&mut executor, run(one_core(1)));
    handle(&mut executor, run(drawloom_model::Assignment { priority: 9, ..one_core(2) }));
    assert_eq!(started(&handle(&mut executor, run(in_set_aside_room(3, 2)))), []);
    assert_eq!(started(&handle(&mut executor, succeeded(0))), [], "kept for the larger one");
    assert_eq!(started(&handle(&mut executor, succeeded(1))), [3]);
    assert_eq!(started(&handle(&mut executor, succeeded(3))), [2]);
}

#[test]
fn impossible_requests_fail_at_once() {
    let mut executor = executor(2);
    let commands = handle(&mut executor, run(assignment(0, ResourceRequest::cores(3))));
    assert_eq!(told(&commands), ["0 spawn"]);
}

#[test]
fn replicas_come_and_go() {
    let mut executor = executor(1);
    let key = object(3);
    let replicate =
        || Event::Told(ToExecutor::Replicate { object: key, sources: Default::default() });
    let release = || Event::Told(ToExecutor::Release { objects: vec![key] });
    let arrived = || Event::InputArrived { object: key, size_bytes: 5 };
    let is_added = |commands: &[Command]| {
        matches!(commands, [Command::Say(FromExecutor::ReplicaAdded { size_bytes: 5, .. })])
    };
    assert!(matches!(handle(&mut executor, replicate())[..], [Command::Fetch { .. }]));
    assert!(is_added(&handle(&mut executor, arrived())));
    assert!(is_added(&handle(&mut executor, replicate())), "it is here already");
    assert_eq!(handle(&mut executor, release()), [Command::Drop { objects: vec![key] }]);
    assert_eq!(handle(&mut executor, release()), []);
    handle(&mut executor, replicate());
    assert_eq!(handle(&mut executor, release()), [], "dropped when it arrives");
    assert_eq!(handle(&mut executor, arrived()), [Command::Drop { objects: vec![key] }]);
}

#[test]
fn an_actor_is_stopped_wherever_it_is() {
    let stop = |index, then| Event::Told(ToExecutor::StopActor { attempt: attempt(index), then });
    let nothing = || ended(0, Outcome::Succeeded(Default::default()));
    let mut executor = executor(1);
    handle(&mut executor, run(one_core(0)));
    handle(&mut executor, run(one_core(1)));
    handle(&mut executor, run(one_core(2)));
    // Those that have not begun have ended, or are given back.
    assert_eq!(told(&handle(&mut executor, stop(1, AfterStop::Ended))), ["1 succeeded"]);
    assert_eq!(told(&handle(&mut executor, stop(2, AfterStop::Moved))), ["2 recalled"]);
    let commands = handle(&mut executor, stop(0, AfterStop::Moved));
    assert_eq!(commands, [Command::StopActor { attempt: attempt(0) }]);
    assert_eq!(handle(&mut executor, stop(0, AfterStop::Moved)), [], "it was told before");
    assert_eq!(told(&handle(&mut executor, nothing())), ["0 cancelled"], "another follows");
    assert_eq!(handle(&mut executor, stop(0, AfterStop::Ended)), [], "it is gone");
}

#[test]
fn an_actor_that_is_to_end_does_not_move() {
    let mut executor = executor(1);
    handle(&mut executor, run(one_core(0)));
    for then in [AfterStop::Moved, AfterStop::Ended, AfterStop::Moved] {
        handle(&mut executor, Event::Told(ToExecutor::StopActor { attempt: attempt(0), then }));
    }
    let nothing = ended(0, Outcome::Succeeded(Default::default()));
    assert_eq!(told(&handle(&mut executor, nothing)), ["0 succeeded"]);
}

#[test]
fn what_runs_on_a_failed_device_ends_and_what_waits_goes_back() {
    const DEVICE: DeviceCapacity =
        DeviceCapacity { milli: 1000, vram_bytes: 10, compute_capability: 80 };
    let capacity = Capacity { cpu_milli: 4000, devices: vec![DEVICE; 2], ..Capacity::default() };
    let config = Config { capacity, cores: (0..4).collect(), can_spill: false };
    let mut executor = Executor::new(config);
    let on = |index, device, vram_bytes| {
        let gpu = GpuRequest { devices: 1, milli: 1000, vram_bytes, min_compute_capability: 0 };
        let gpu = Some(gpu);
        let mut new = assignment(index, ResourceRequest { gpu, ..ResourceRequest::default() });
        new.devices.push(DeviceIndex(device));
        new
    };
    let changed = |capacity| Event::DeviceChanged { device: DeviceIndex(0), capacity };
    let mut say = |event| {
        let commands = handle(&mut executor, event);
        let killed = commands.iter().filter_map(|command| match command {
            Command::Kill { attempt, why } => Some((attempt.task.index, *why)),
            _ => None,
        });
        (started(&commands), told(&commands), killed.collect::<Vec<_>>())
    };
    assert_eq!(say(run(on(1, 0, 10))).0, [1]);
    say(run(on(2, 0, 10)));
    say(run(after(3, &[2])));
    assert_eq!(say(run(on(4, 1, 10))).0, [4]);
    let (_, gave_back, killed) = say(changed(DeviceCapacity::NONE));
    assert_eq!(gave_back, ["2 recalled"], "and 3, which waits for it, goes without a word");
    assert_eq!(killed, [(1, KillReason::DeviceLost)]);
    assert_eq!(say(run(on(5, 0, 0))).1, ["5 recalled"], "it was on its way");
    assert_eq!(say(succeeded(1)).1, ["1 device_lost"], "whatever it made");
    assert_eq!(say(succeeded(4)).1, ["4 succeeded"], "on another device");
    // It comes back with less memory.
    say(changed(DeviceCapacity { vram_bytes: 5, ..DEVICE }));
    assert_eq!(say(run(on(6, 0, 10))).1, ["6 recalled"]);
    assert_eq!(say(run(on(7, 0, 5))).0, [7]);
}

#[test]
fn devices_are_told_what_will_be_wanted_there() {
    const DEVICE: DeviceCapacity =
        DeviceCapacity { milli: 1000, vram_bytes: 10, compute_capability: 80 };
    let devices = [DEVICE].into_iter().collect();
    let capacity = Capacity { cpu_milli: 4000, devices, ..Capacity::default() };
    let mut executor = Executor::new(Config { capacity, cores: vec![], can_spill: false });
    let on_device = |index: u32, waits_for: &[u32]| {
        let gpu = GpuRequest { devices: 1, milli: 1000, vram_bytes: 1, min_compute_capability: 0 };
        let request = ResourceRequest { gpu: Some(gpu), ..ResourceRequest::default() };
        let mut new = assignment(index, request);
        new.devices.push(DeviceIndex(0));
        new.inputs.push(local(object(0)));
        new.waits_for = waits_for.iter().map(|index| task(*index)).collect();
        new
    };
    let mut say = |event| {
        let commands = handle(&mut executor, event).into_iter();
        let told = commands.filter_map(|command| match command {
            Command::Expect { attempt, device: DeviceIndex(0), turn, objects } => {
                assert_eq!(objects[..], [object(0)]);
                Some(format!("{} with {}", attempt.task.index, turn.priority.0))
            }
            Command::ExpectNoMore { attempt, device: DeviceIndex(0) } => {
                Some(format!("no {}", attempt.task.index))
            }
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(say(run(one_core(0))), [""; 0], "cores take nothing from devices");
    let mut urgent = on_device(1, &[0]);
    urgent.priority = 3;
    assert_eq!(say(run(urgent)), ["1 with 3"]);
    assert_eq!(say(run(on_device(2, &[0]))), ["2 with 0"]);
    assert_eq!(say(run(on_device(3, &[2]))), ["3 with 0"]);
    assert_eq!(say(run(on_device(4, &[3]))), ["4 with 0"]);
    let recall = ToExecutor::Recall { attempt: attempt(2) };
    assert_eq!(say(Event::Told(recall)), ["no 2", "no 3", "no 4"], "and what waits for it");
    assert_eq!(say(succeeded(0)), [""; 0], "the first runs, and is expected until it has ended");
    assert_eq!(say(succeeded(1)), ["no 1"]);
}
