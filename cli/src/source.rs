//! From a graph file to a graph that can be submitted.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use drawloom_client::{Client, JobHandle};
use drawloom_graphfile::{LoadOptions, Loaded, Place, load};
use drawloom_model::{ObjectId, TaskGraph, Value};

use crate::quantity::parse_pair;

/// The graph file and what it is told.
#[derive(Clone, Debug, Args)]
pub struct Source {
    /// A graph (.toml, .yaml, .json) or a program that makes one (.star)
    pub file: PathBuf,
    /// Set a parameter of a program; may be given several times
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub parameters: Vec<(String, String)>,
    /// Let the graph file read data from anywhere, not only from beside or below itself
    #[arg(long)]
    pub allow_outside: bool,
    /// Wait for an executor that every task fits, instead of refusing tasks that fit none
    #[arg(long)]
    pub wait_for_resources: bool,
}

impl Source {
    /// Loads and checks the graph.
    ///
    /// # Errors
    /// The first fault found, with its file and line.
    pub fn load(&self) -> Result<Loaded> {
        let parameters: BTreeMap<String, String> = self.parameters.iter().cloned().collect();
        let allow_outside = self.allow_outside;
        let options = LoadOptions { parameters, allow_outside, ..LoadOptions::default() };
        let mut loaded = load(&self.file, &options)?;
        loaded.graph.options.wait_for_resources |= self.wait_for_resources;
        Ok(loaded)
    }
}

/// A graph whose data files are put.
pub struct Prepared {
    /// The graph.
    pub graph: TaskGraph,
    places: Vec<Place>,
    put: Vec<ObjectId>,
}

impl Prepared {
    /// Puts a loaded graph's data files.
    ///
    /// # Errors
    /// When a file cannot be put; then none stays.
    pub async fn put(client: &Client, loaded: Loaded) -> Result<Prepared> {
        let Loaded { graph, files, places } = loaded;
        let mut prepared = Prepared { graph, places, put: Vec::with_capacity(files.len()) };
        for file in files {
            let object = client.put(Value::blob(file.bytes)).await;
            let object = object.with_context(|| format!("{} cannot be put", file.path.display()));
            if object.is_err() {
                prepared.release(client).await;
            }
            let object = object?;
            if let Some(external) = prepared.graph.externals.get_mut(file.external as usize) {
                *external = object;
            }
            prepared.put.push(object);
        }
        Ok(prepared)
    }

    /// Lets go of the data files: the job, if there is one, holds what it takes.
    pub async fn release(&self, client: &Client) {
        for object in &self.put {
            if let Err(error) = client.release(*object).await {
                tracing::warn!(%object, %error, "a data file that was put could not be released");
            }
        }
    }

    /// An answer whose error names the line of the task at fault, of those from `first_task` on.
    ///
    /// # Errors
    /// That error.
    pub fn with_lines<T>(
        &self,
        first_task: u32,
        answer: Result<T, drawloom_client::Error>,
    ) -> Result<T> {
        answer.map_err(|error| {
            let place = error
                .task()
                .and_then(|task| self.places.get(task.checked_sub(first_task)? as usize));
            match place {
                Some(Place { path, line }) => {
                    let context = format!("{}:{line}", path.display());
                    anyhow::Error::new(error).context(context)
                }
                None => error.into(),
            }
        })
    }
}

/// Submits a loaded graph with its data files.
///
/// # Errors
/// When a file cannot be put, or the graph is refused: with the line of the task at fault.
pub async fn submit(client: &Client, loaded: Loaded, token: Option<String>) -> Result<JobHandle> {
    let mut prepared = Prepared::put(client, loaded).await?;
    let graph = std::mem::take(&mut prepared.graph);
    let submitted = match token {
        Some(token) => client.submit_with_token(graph, token).await,
        None => client.submit(graph).await,
    };
    prepared.release(client).await;
    prepared.with_lines(0, submitted)
}
