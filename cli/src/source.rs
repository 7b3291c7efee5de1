//! From a graph file to a graph that can be submitted.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use drawloom_client::{Client, JobHandle};
use drawloom_graphfile::{FileObject, LoadOptions, Loaded, Place, load};
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

/// Submits a loaded graph with its data files.
///
/// # Errors
/// When a file cannot be put, or the graph is refused: with the line of the task at fault.
pub async fn submit(client: &Client, loaded: Loaded, token: Option<String>) -> Result<JobHandle> {
    let Loaded { mut graph, files, places } = loaded;
    let put = put_files(client, &mut graph, files).await?;
    let submitted = match token {
        Some(token) => client.submit_with_token(graph, token).await,
        None => client.submit(graph).await,
    };
    // The job, if there is one, holds what it takes.
    release(client, put).await;
    submitted.map_err(|error| {
        match error.task().and_then(|task| places.get(task as usize).cloned()) {
            Some(Place { path, line }) => {
                anyhow::Error::new(error).context(format!("{}:{line}", path.display()))
            }
            None => error.into(),
        }
    })
}

/// Puts the data files of a graph and writes their ids into it.
async fn put_files(
    client: &Client,
    graph: &mut TaskGraph,
    files: Vec<FileObject>,
) -> Result<Vec<ObjectId>> {
    let mut put = Vec::with_capacity(files.len());
    for file in files {
        let object = client.put(Value::blob(file.bytes)).await;
        let object = object.with_context(|| format!("{} cannot be put", file.path.display()))?;
        if let Some(external) = graph.externals.get_mut(file.external as usize) {
            *external = object;
        }
        put.push(object);
    }
    Ok(put)
}

async fn release(client: &Client, objects: Vec<ObjectId>) {
    for object in objects {
        if let Err(error) = client.release(object).await {
            tracing::warn!(%object, %error, "a data file that was put could not be released");
        }
    }
}
