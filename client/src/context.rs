//! Programs that tasks run, and what they may ask of their own job.

use std::env;

use drawloom_model::{JobId, TaskGraph};

use crate::{Addition, Client, Error, TaskState};

/// The task that runs this program, of a process that `spawns`: it can add tasks to its job and
/// wait for them, while others have its cores.
///
/// ```no_run
/// # async fn example() -> Result<(), drawloom_client::Error> {
/// use drawloom_client::{GraphBuilder, TaskContext, attributes};
///
/// let task = TaskContext::from_env()?;
/// let client = task.connect().await?;
/// let added = task
///     .add(&client, |first_task| {
///         let mut graph = GraphBuilder::addition(first_task);
///         graph.task("busy", attributes([("iterations", 1_000)])).add();
///         graph.build()
///     })
///     .await?;
/// let states = task.wait(&client, (added.first_task..added.tasks).collect()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskContext {
    /// Where the scheduler is.
    pub endpoint: String,
    /// The job.
    pub job: JobId,
    /// The task's index in the job.
    pub task: u32,
    /// The attempt's number.
    pub attempt: u32,
}

/// How often tasks are built anew because others were added meanwhile.
const ADDITIONS: u32 = 100;

impl TaskContext {
    /// What the executor told this process.
    ///
    /// # Errors
    /// This is no process of a task that spawns: a variable is missing, or means nothing.
    pub fn from_env() -> Result<TaskContext, Error> {
        Ok(TaskContext {
            endpoint: variable("DRAWLOOM_ENDPOINT")?,
            job: variable("DRAWLOOM_JOB_ID")?,
            task: variable("DRAWLOOM_TASK")?,
            attempt: variable("DRAWLOOM_ATTEMPT")?,
        })
    }

    /// Connects to the scheduler.
    ///
    /// # Errors
    /// Nothing answers there.
    pub async fn connect(&self) -> Result<Client, Error> {
        Client::connect(&self.endpoint).await
    }

    /// Adds tasks to the job. `build` makes the addition for the number of tasks that the job has;
    /// it is called again when others have added some meanwhile.
    ///
    /// # Errors
    /// The addition is refused.
    pub async fn add(
        &self,
        client: &Client,
        build: impl FnMut(u32) -> TaskGraph,
    ) -> Result<Addition, Error> {
        client.add_to(self.job, build).await
    }

    /// Waits until tasks of the job have ended; their states. Others have this task's cores
    /// meanwhile, and it has cores again when this returns.
    ///
    /// # Errors
    /// There are no such tasks, or one of them needs this one.
    pub async fn wait(&self, client: &Client, tasks: Vec<u32>) -> Result<Vec<TaskState>, Error> {
        client.wait_tasks(self.job, tasks, Some((self.task, self.attempt))).await
    }
}

impl Client {
    /// Adds tasks to a running job, whoever else does. `build` makes the addition for the number of
    /// tasks that the job has; it is called again when others have added some meanwhile.
    ///
    /// # Errors
    /// The job has ended, or the addition is refused.
    pub async fn add_to(
        &self,
        job: JobId,
        mut build: impl FnMut(u32) -> TaskGraph,
    ) -> Result<Addition, Error> {
        let mut tries = 0;
        loop {
            let has = self.describe(job).await?.job.tasks.total();
            match self.add_tasks(job, build(has)).await {
                Err(error) if error.is_outrun() && tries < ADDITIONS => tries += 1,
                answer => return answer,
            }
        }
    }
}

fn variable<T: std::str::FromStr>(name: &'static str) -> Result<T, Error> {
    let text = env::var(name).map_err(|_| Error::NotInTask { variable: name, value: None })?;
    text.parse().map_err(|_| Error::NotInTask { variable: name, value: Some(text) })
}
