//! The driver without a network.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use drawloom_model::ToExecutor;
use drawloom_scheduler::{DriverConfig, Handle, JobLog, Stopped, SubmitError, driver};
use drawloom_scheduler_core::{JobEvent, JobState};
use tokio::sync::mpsc;

use crate::cluster::{graph, info, succeeded};

/// How long a test waits for what would never come otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

async fn join(handle: &Handle) {
    let (sender, mut orders) = mpsc::unbounded_channel();
    let attachment = handle.attach(info("here", 2, ""), sender).await.expect("it runs");
    tokio::spawn(async move {
        while let Some(batch) = orders.recv().await {
            let done = batch.iter().filter_map(|order| match order {
                ToExecutor::Run(run) => Some(succeeded(run)),
                _ => None,
            });
            if attachment.say(done.collect()).await.is_err() {
                return;
            }
        }
    });
}

async fn events(log: &Arc<JobLog>) -> Vec<JobEvent> {
    let mut events = Vec::new();
    while let Some(batch) = log.next(events.len() as u64, 100).await {
        events.extend(batch);
    }
    events
}

#[tokio::test]
async fn jobs_run_in_one_process() {
    let handle = driver::start(DriverConfig::default());
    join(&handle).await;
    let admitted = handle.submit(graph(1000), None).await.expect("a good graph");
    assert_eq!((admitted.tasks, admitted.existing), (1000, false));
    let events = events(&admitted.log).await;
    assert_eq!(events.last(), Some(&JobEvent::JobEnded { state: JobState::Succeeded }));
    let ended = events.iter().filter(|event| matches!(event, JobEvent::TaskEnded { .. })).count();
    assert_eq!(ended, 1000);
    assert!(admitted.log.has_job_ended());
    let log = handle.job_log(admitted.job).await.expect("it runs").expect("it is kept");
    assert!(Arc::ptr_eq(&log, &admitted.log));
}

#[tokio::test]
async fn only_large_graphs_are_checked_beside_the_loop() {
    let handle = driver::start(DriverConfig::default());
    for (tasks, on_the_spot) in [(1000, true), (60_000, false)] {
        let mut wrong = graph(tasks);
        wrong.tasks[0].template = 7;
        let mut submitting = pin!(handle.submit(wrong, None));
        let first = tokio::select! {
            biased;
            refused = &mut submitting => Some(refused),
            () = std::future::ready(()) => None,
        };
        assert_eq!(first.is_some(), on_the_spot, "{tasks} tasks");
        let refused = match first {
            Some(refused) => refused,
            None => submitting.await,
        };
        let error = refused.expect_err("there is no such template");
        assert!(matches!(error, SubmitError::Structure(_)), "{error}");
    }
}

#[tokio::test]
async fn more_executors_join_than_inputs_may_wait() {
    let handle = driver::start(DriverConfig::default());
    let count = || handle.query(|scheduler, _| scheduler.executors().count());
    let joined_and_left = async {
        let mut seats = Vec::new();
        for _ in 0..5000 {
            let (sender, orders) = mpsc::unbounded_channel();
            let seat = handle.attach(info("one of many", 1, ""), sender).await.expect("it runs");
            seats.push((seat, orders));
        }
        assert_eq!(count().await, Ok(5000));
        drop(seats);
        while count().await != Ok(0) {}
    };
    tokio::time::timeout(PATIENCE, joined_and_left).await.expect("the driver is not blocked");
}

#[tokio::test]
async fn a_stopped_driver_says_so() {
    let handle = driver::start(DriverConfig::default());
    let mut open = graph(1);
    open.options.wait_for_resources = true;
    let admitted = handle.submit(open, None).await.expect("it may wait");
    let watcher = tokio::spawn(async move { events(&admitted.log).await });
    handle.stop().await;
    handle.stopped().await;
    let seen = watcher.await.expect("no panic");
    assert!(!seen.iter().any(|event| matches!(event, JobEvent::JobEnded { .. })));
    let error = handle.submit(graph(1), None).await.expect_err("it stopped");
    assert_eq!(error, SubmitError::Stopped(Stopped));
}
