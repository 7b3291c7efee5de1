//! Pods and nodes from the lists of the Alibaba trace `cluster-trace-gpu-v2023` ("openb").

use std::collections::BTreeMap;
use std::path::Path;

use super::cluster::{GPUS_LIMIT, MODELS_LIMIT, Node, Request, WHOLE};
use super::table::Table;
use crate::SimError;
use crate::workload::read_source;

/// No core count or memory comes near; sums of as many lines as a file may have stay below 2^63.
const MOST: i64 = 1_000_000_000_000;

/// Nodes, and the models of their GPUs.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    pub nodes: Vec<Node>,
    models: BTreeMap<String, u8>,
}

/// The text of a file.
fn text(path: &Path) -> Result<String, SimError> {
    let bytes = read_source(path)?;
    String::from_utf8(bytes).map_err(|error| {
        let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        SimError::bad(path, format!("line {line}"), "it is not text in UTF-8")
    })
}

/// Whether a table has columns that lists of pods alone have; a file that cannot be read has none.
/// One that lacks others is still meant as such a list, and told what is missing.
pub(super) fn is_pod_list(path: &Path) -> bool {
    let bytes = read_source(path).unwrap_or_default();
    let top = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let top = String::from_utf8_lossy(top);
    let mut names = top.trim_end().split(',');
    names.any(|name| ["num_gpu", "gpu_milli", "gpu_spec"].contains(&name))
}

/// Reads a list of nodes.
pub(super) fn nodes(path: &Path) -> Result<Nodes, SimError> {
    let text = text(path)?;
    let table = Table::new(path, &text)?;
    let (name, cpu, memory) =
        (table.column("sn")?, table.column("cpu_milli")?, table.column("memory_mib")?);
    let (gpu, model) = (table.column("gpu")?, table.column("model")?);
    let mut models = BTreeMap::new();
    let mut nodes = Vec::new();
    for row in table.rows() {
        let gpus = row.number(gpu, i64::from(GPUS_LIMIT))?;
        let id = match row.text(model) {
            "" => None,
            name => {
                let next = models.len();
                let id = *models.entry(name.to_owned()).or_insert(next as u8);
                if usize::from(id) >= MODELS_LIMIT {
                    let message = format!("there are more than {MODELS_LIMIT} models");
                    return Err(row.bad(model, message));
                }
                Some(id)
            }
        };
        nodes.push(Node {
            name: row.text(name).to_owned(),
            model: id,
            cpu: row.number(cpu, MOST)?,
            memory: row.number(memory, MOST)?,
            gpus: vec![WHOLE; gpus as usize],
            kinds: 0,
        });
    }
    if nodes.iter().all(|node| node.gpus.is_empty()) {
        return Err(SimError::bad(path, "gpu", "no node has GPUs"));
    }
    Ok(Nodes { nodes, models })
}

/// Reads a list of pods that will run on those nodes.
pub(super) fn pods(path: &Path, nodes: &Nodes) -> Result<Vec<Request>, SimError> {
    let text = text(path)?;
    let table = Table::new(path, &text)?;
    let (cpu, memory) = (table.column("cpu_milli")?, table.column("memory_mib")?);
    let (num, milli) = (table.column("num_gpu")?, table.column("gpu_milli")?);
    let spec = table.column("gpu_spec")?;
    let mut pods = Vec::new();
    for row in table.rows() {
        let gpus = row.number(num, i64::from(GPUS_LIMIT))? as u32;
        let part = row.number(milli, i64::from(WHOLE))? as u16;
        if gpus > 0 && part == 0 {
            return Err(row.bad(milli, format!("nothing of {gpus} GPUs")));
        }
        if gpus > 1 && part < WHOLE {
            let message = format!("{part} of each of {gpus} GPUs: parts are of a single GPU only");
            return Err(row.bad(milli, message));
        }
        pods.push(Request {
            cpu: row.number(cpu, MOST)?,
            memory: row.number(memory, MOST)?,
            gpus,
            milli: if gpus == 0 { 0 } else { part },
            models: allowed(row.text(spec), nodes),
        });
    }
    if pods.iter().all(|pod| pod.gpus == 0) {
        return Err(SimError::bad(path, "num_gpu", "no pod asks for GPUs"));
    }
    Ok(pods)
}

/// The models of a specification such as `V100M16|V100M32`; one that no node has is of no use.
fn allowed(spec: &str, nodes: &Nodes) -> Option<u64> {
    let mut names = spec.split('|').filter(|name| !name.is_empty()).peekable();
    names.peek()?;
    Some(names.filter_map(|name| nodes.models.get(name)).fold(0, |bits, id| bits | 1 << id))
}
