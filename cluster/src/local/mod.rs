//! The way from a client to a scheduler in the same process.

mod actor;
mod convert;
mod object;
mod refusal;

use std::str::FromStr;
use std::sync::Arc;

use drawloom_client::{
    ActorName, ActorPlace, ActorView, Addition, Admission, Answer, Calls, ClusterView, Code,
    EVENT_BATCHES, Error, EventBatch, EventReceiver, Explanation, JobDetail, JobState, JobView,
    ListedObject, Living, ObjectRef, Page, PageRequest, Submission, TaskCounts, TaskNeeds, TaskRef,
    TaskState, TaskView, Transport,
};
use drawloom_executor::{LocalActors, LocalObjects};
use drawloom_model::{
    ExecutorId, JobId, JobKey, MeasuredCost, ObjectId, TaskGraph, TaskKey, Time, Value,
};
use drawloom_scheduler::{Handle, JobLog};
use drawloom_scheduler_core::{Event, Reply, Scheduler};
use tokio::sync::mpsc;

use refusal::{no_such_job, no_such_task};

/// The most events in one batch.
const BATCH: usize = 4096;
/// The size of a page that leaves it to us, and of the largest.
const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 1000;
/// How many tasks one list of needs looks at: the core does nothing else meanwhile.
const LISTED: u32 = 20_000;

/// A scheduler and the executor beside it.
pub(crate) struct Local {
    scheduler: Handle,
    objects: LocalObjects,
    actors: LocalActors,
    executor: ExecutorId,
}

impl Local {
    pub(crate) fn new(
        scheduler: Handle,
        objects: LocalObjects,
        actors: LocalActors,
        executor: ExecutorId,
    ) -> Self {
        Local { scheduler, objects, actors, executor }
    }

    /// Asks the core for something.
    async fn ask(
        &self,
        event: impl FnOnce(drawloom_model::RequestId) -> Event,
    ) -> Result<Reply, Error> {
        self.scheduler.ask(event).await.map_err(refusal::ask)
    }

    /// Looks at the core's state.
    async fn query<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Scheduler, Time) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.scheduler.query(look).await.map_err(|_| Error::Stopped)?
    }

    async fn log(&self, job: JobId) -> Result<Arc<JobLog>, Error> {
        let log = self.scheduler.job_log(job).await.map_err(|_| Error::Stopped)?;
        log.ok_or_else(|| no_such_job(job))
    }
}

/// A job's events from a number on, on their way until the reader has gone.
fn events(log: Arc<JobLog>, from_seq: u64) -> EventReceiver {
    let (sender, receiver) = mpsc::channel(EVENT_BATCHES);
    tokio::spawn(async move {
        let mut first_seq = from_seq;
        loop {
            let events = tokio::select! {
                events = log.next(first_seq, BATCH) => events,
                () = sender.closed() => return,
            };
            let Some(events) = events else { return };
            let count = events.len() as u64;
            let events = events.into_iter().map(convert::event).collect();
            if sender.send(Ok(EventBatch { first_seq, events })).await.is_err() {
                return;
            }
            first_seq += count;
        }
    });
    receiver
}

fn job_key(scheduler: &Scheduler, job: JobId) -> Result<JobKey, Error> {
    scheduler.job_key(job).ok_or_else(|| no_such_job(job))
}

/// The task of that index or name.
fn task_key(scheduler: &Scheduler, job: JobId, task: &TaskRef) -> Result<TaskKey, Error> {
    let key = job_key(scheduler, job)?;
    let index = match task {
        TaskRef::Index(index) => Some(*index),
        TaskRef::Name(name) => scheduler.task_by_name(key, name),
    };
    let found = index.map(|index| TaskKey { job: key, index });
    found.filter(|key| scheduler.task(*key).is_some()).ok_or_else(|| no_such_task(job, task))
}

/// How many items a page has, and after which item it begins.
fn page_of<T: FromStr>(request: &PageRequest) -> Result<(usize, Option<T>), Error> {
    let size = if request.size == 0 { PAGE } else { request.size.min(LARGEST_PAGE) };
    let last = request.token.as_ref().map(|token| token.parse()).transpose();
    let last = last.map_err(|_| Error::refused(Code::InvalidArgument, "the page token is wrong"));
    Ok((size as usize, last?))
}

/// Cuts the item that shows that there are more.
fn page<T, K: ToString>(mut items: Vec<T>, size: usize, token: impl Fn(&T) -> K) -> Page<T> {
    let more = items.len() > size;
    items.truncate(size);
    let next = items.last().filter(|_| more).map(|item| token(item).to_string());
    Page { items, next }
}

impl Transport for Local {
    fn submit(&self, submission: Submission) -> Answer<'_, Admission> {
        Box::pin(async move {
            let token = submission.token.map(String::into_boxed_str);
            let graph = Arc::unwrap_or_clone(submission.graph);
            let admitted = self.scheduler.submit(graph, token).await;
            let admitted = admitted.map_err(refusal::submit)?;
            Ok(Admission {
                job: admitted.job,
                tasks: admitted.tasks,
                existing: admitted.existing,
                events: events(admitted.log, 0),
            })
        })
    }

    fn add_tasks(&self, job: JobId, graph: TaskGraph) -> Answer<'_, Addition> {
        Box::pin(async move {
            let log = self.log(job).await?;
            let added = self.scheduler.add_tasks(&log, graph).await.map_err(refusal::submit)?;
            Ok(Addition { first_task: added.first_task, tasks: added.tasks })
        })
    }

    fn close(&self, job: JobId) -> Answer<'_, ()> {
        Box::pin(async move {
            self.ask(|request| Event::JobClosed { request, job }).await?;
            Ok(())
        })
    }

    fn cancel(&self, job: JobId, tasks: Option<Vec<TaskRef>>) -> Answer<'_, u32> {
        Box::pin(async move {
            let tasks = match tasks {
                None => None,
                Some(tasks) => Some(
                    self.query(move |scheduler, _| {
                        let index = |task| task_key(scheduler, job, task).map(|key| key.index);
                        tasks.iter().map(index).collect::<Result<Vec<u32>, Error>>()
                    })
                    .await?,
                ),
            };
            let event = |request| Event::CancelRequested { request, job, tasks };
            match self.ask(event).await? {
                Reply::Cancelled { tasks } => Ok(tasks),
                _ => Ok(0),
            }
        })
    }

    fn wait_tasks(
        &self,
        job: JobId,
        tasks: Vec<u32>,
        waiter: Option<(u32, u32)>,
    ) -> Answer<'_, Vec<TaskState>> {
        Box::pin(async move {
            let event = |request| Event::WaitRequested { request, job, tasks, waiter };
            match self.ask(event).await? {
                Reply::TasksEnded { states } => {
                    Ok(states.into_iter().map(convert::task_state).collect())
                }
                _ => Ok(Vec::new()),
            }
        })
    }

    fn watch(&self, job: JobId, from_seq: u64) -> Answer<'_, EventReceiver> {
        Box::pin(async move {
            let log = self.log(job).await?;
            let start = log.start(from_seq);
            let start =
                start.map_err(|error| Error::refused(Code::OutOfRange, error.to_string()))?;
            Ok(events(log, start))
        })
    }

    fn jobs(&self, wanted: PageRequest, states: Vec<JobState>) -> Answer<'_, Page<JobView>> {
        let clock = *self.scheduler.clock();
        Box::pin(async move {
            let (size, last) = page_of::<u64>(&wanted)?;
            let page = self.query(move |scheduler, _| {
                let wanted = |state| states.is_empty() || states.contains(&state);
                let jobs = scheduler.jobs_before(last.unwrap_or(u64::MAX)).rev();
                let jobs = jobs.filter(|job| wanted(convert::job_state(job.state)));
                Ok(page(jobs.take(size + 1).collect(), size, |job| job.order))
            });
            let Page { items, next } = page.await?;
            let items = items.into_iter().map(|job| convert::job(&clock, job)).collect();
            Ok(Page { items, next })
        })
    }

    fn tasks(
        &self,
        job: JobId,
        wanted: PageRequest,
        states: Vec<TaskState>,
    ) -> Answer<'_, Page<TaskView>> {
        let clock = *self.scheduler.clock();
        Box::pin(async move {
            let (size, last) = page_of::<u64>(&wanted)?;
            let first = last.map_or(0, |last| u32::try_from(last).unwrap_or(u32::MAX - 1) + 1);
            let page = self.query(move |scheduler, _| {
                let key = job_key(scheduler, job)?;
                let total = scheduler.job(key).map_or(0, |job| job.tasks.total());
                let tasks = (first..total)
                    .filter_map(|index| scheduler.task(TaskKey { job: key, index }))
                    .map(|task| convert::task(&clock, task))
                    .filter(|task| states.is_empty() || states.contains(&task.state));
                Ok(page(tasks.take(size + 1).collect(), size, |task| u64::from(task.task)))
            });
            page.await
        })
    }

    fn needs(&self, job: JobId, first_task: u32) -> Answer<'_, TaskNeeds> {
        Box::pin(self.query(move |scheduler, _| {
            let key = job_key(scheduler, job)?;
            let end = first_task.saturating_add(LISTED);
            let needs = |index| Some((index, scheduler.needs(TaskKey { job: key, index })?));
            let listed: Vec<(u32, Vec<u32>)> = (first_task..end).map_while(needs).collect();
            let next = (listed.len() == LISTED as usize).then_some(end);
            let tasks = listed.into_iter().filter(|(_, needs)| !needs.is_empty()).collect();
            Ok(TaskNeeds { tasks, next })
        }))
    }

    fn describe(&self, job: JobId) -> Answer<'_, JobDetail> {
        let clock = *self.scheduler.clock();
        Box::pin(async move {
            let next_seq = self.log(job).await?.next_seq();
            self.query(move |scheduler, _| {
                let key = job_key(scheduler, job)?;
                let summary = scheduler.job(key).ok_or_else(|| no_such_job(job))?;
                let output = |(name, key)| Some((name, convert::object(&scheduler.object(key)?)));
                Ok(JobDetail {
                    job: convert::job(&clock, summary),
                    outputs: scheduler.outputs(key).into_iter().filter_map(output).collect(),
                    next_seq,
                })
            })
            .await
        })
    }

    fn describe_task(&self, job: JobId, task: TaskRef) -> Answer<'_, TaskView> {
        let clock = *self.scheduler.clock();
        Box::pin(self.query(move |scheduler, _| {
            let key = task_key(scheduler, job, &task)?;
            let summary = scheduler.task(key).ok_or_else(|| no_such_task(job, &task))?;
            Ok(convert::task(&clock, summary))
        }))
    }

    fn explain(&self, job: JobId, task: TaskRef) -> Answer<'_, Explanation> {
        Box::pin(self.query(move |scheduler, now| {
            let key = task_key(scheduler, job, &task)?;
            let explanation = scheduler.explain(now, key);
            explanation.map(convert::explanation).ok_or_else(|| no_such_task(job, &task))
        }))
    }

    fn cluster(&self) -> Answer<'_, ClusterView> {
        Box::pin(self.query(|scheduler, _| {
            let mut counts = [0; TaskState::ALL.len()];
            let mut running_jobs = 0;
            let running = drawloom_scheduler_core::JobState::Running;
            for job in scheduler.jobs().filter(|job| job.state == running) {
                running_jobs += 1;
                for (sum, count) in counts.iter_mut().zip(job.tasks.0) {
                    *sum += count;
                }
            }
            Ok(ClusterView {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                executors: scheduler.executors().map(convert::executor).collect(),
                running_jobs,
                tasks: TaskCounts::new(counts),
            })
        }))
    }

    fn drain(&self, executor: ExecutorId) -> Answer<'_, ()> {
        Box::pin(async move {
            self.ask(|request| Event::DrainRequested { request, executor }).await?;
            Ok(())
        })
    }

    fn put(&self, value: Value) -> Answer<'_, ObjectId> {
        Box::pin(object::put(self, value))
    }

    fn get(&self, object: ObjectRef) -> Answer<'_, Value> {
        Box::pin(object::get(self, object))
    }

    fn release(&self, object: ObjectId) -> Answer<'_, ()> {
        Box::pin(async move {
            self.ask(|request| Event::ObjectReleased { request, object }).await?;
            Ok(())
        })
    }

    fn objects(&self, job: Option<JobId>, wanted: PageRequest) -> Answer<'_, Page<ListedObject>> {
        Box::pin(self.query(move |scheduler, _| object::list(scheduler, job, &wanted)))
    }

    fn locate_actor(&self, actor: ActorName) -> Answer<'_, ActorPlace> {
        Box::pin(actor::locate(self, actor))
    }

    fn open_calls(&self, living: Living) -> Answer<'_, Arc<dyn Calls>> {
        Box::pin(actor::open_calls(self, living))
    }

    fn stop_actor(&self, actor: ActorName) -> Answer<'_, ()> {
        Box::pin(actor::stop(self, actor))
    }

    fn costs(&self, wanted: PageRequest) -> Answer<'_, Page<MeasuredCost>> {
        Box::pin(self.query(move |scheduler, _| {
            let (size, from) = page_of(&wanted)?;
            let (items, next) = scheduler.measured_costs(from.unwrap_or(0), size);
            Ok(Page { items, next: next.map(|next: usize| next.to_string()) })
        }))
    }

    fn actors(&self, job: Option<JobId>) -> Answer<'_, Vec<ActorView>> {
        Box::pin(actor::list(self, job))
    }
}
