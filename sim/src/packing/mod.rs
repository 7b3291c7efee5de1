//! Packs pods that ask for GPUs, or parts of them, onto the nodes of a cluster.
//!
//! [`Packing`] is a list of pods on a list of nodes, in the form of the Alibaba trace
//! `cluster-trace-gpu-v2023`. Pods arrive one by one and never leave; [`Packing::run`] places each
//! under a policy, checks every placement by rules that no policy knows of, and tells how much of the
//! GPUs is allocated as more and more are asked for. The method is that of Weng et al., "Beware of
//! Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent", USENIX ATC
//! 2023.

mod arrivals;
mod check;
mod cluster;
mod curve;
mod policy;
mod scored;
mod table;
mod trace;
mod typical;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

pub use policy::policies as packing_policies;

use crate::{Format, SimError};
use cluster::{Node, Placement, Request};
use curve::{Curve, Point};
use policy::Given;
use scored::Policy;
use typical::{Typical, fragmented};

/// Pods and the nodes to pack them on.
#[derive(Clone, Debug)]
pub struct Packing {
    workload: String,
    platform: String,
    file: PathBuf,
    nodes: Vec<Node>,
    pods: Vec<Request>,
    /// The sorts of pods, and of which each pod is.
    classes: Vec<Request>,
    class: Vec<u32>,
    typical: Vec<Typical>,
}

/// One run: pods on nodes under a policy.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PackingRecord {
    /// The list of pods.
    pub workload: String,
    /// The list of nodes.
    pub platform: String,
    /// The policy's name.
    pub policy: String,
    /// The seed of the arrivals and of whatever else is random.
    pub seed: u64,
    /// Percent of all GPUs that are allocated when as much is asked for as there is.
    pub alloc_pct_at_100: f64,
    /// The same when 130 % is asked for.
    pub alloc_pct_at_130: f64,
    /// Percent of the free GPUs that a typical pod cannot use when 90 % is asked for.
    pub frag_pct_at_90: f64,
    /// Whether the run was checked and found to be possible. Records of others are not made.
    pub valid: bool,
    /// Pods that arrived.
    pub tasks: usize,
    /// Pods that were placed; the others fitted nowhere.
    pub decisions: usize,
    /// How long the policy took, by the clock.
    pub scheduler_wall_s: f64,
}

impl Packing {
    /// Whether a workload is a list of pods: it is said to be, or is a table that has their columns.
    pub fn is_meant(source: &str, format: Format) -> bool {
        let is_table = source.ends_with(".csv") || source.ends_with(".csv.gz");
        format == Format::OpenB
            || (format == Format::Auto && is_table && trace::is_pod_list(Path::new(source)))
    }

    /// Reads a list of pods and a list of nodes, packed with gzip or not.
    ///
    /// # Errors
    /// When one cannot be read or is not as it must be, with line and field.
    pub fn load(pods: &str, nodes: &str) -> Result<Self, SimError> {
        if !(nodes.ends_with(".csv") || nodes.ends_with(".csv.gz")) {
            let message = "a list of pods needs a list of nodes as its platform, a .csv file";
            return Err(SimError::bad(Path::new(nodes), "", message));
        }
        let platform = stem(nodes);
        let nodes = trace::nodes(Path::new(nodes))?;
        let file = PathBuf::from(pods);
        let pods_read = trace::pods(&file, &nodes)?;
        let mut numbers = BTreeMap::new();
        for pod in &pods_read {
            numbers.entry(*pod).or_insert(0);
        }
        for (number, (_, class)) in (0u32..).zip(&mut numbers) {
            *class = number;
        }
        Ok(Packing {
            workload: stem(pods),
            platform,
            file,
            class: pods_read.iter().map(|pod| numbers[pod]).collect(),
            classes: numbers.into_keys().collect(),
            typical: typical::typical(&pods_read),
            nodes: nodes.nodes,
            pods: pods_read,
        })
    }

    /// Lets pods arrive until they ask for 130 % of the GPUs, and places each.
    ///
    /// # Errors
    /// When there is no such policy, or it placed a pod where it does not fit.
    pub fn run(&self, policy: &str, seed: u64) -> Result<PackingRecord, SimError> {
        let make = policy::find(policy)?;
        let mut random = fastrand::Rng::with_seed(seed);
        let order = arrivals::arrivals(&self.file, &self.pods, &self.nodes, &mut random)?;
        // Of nodes that are as good the first is taken: another one for each seed.
        let mut nodes = self.nodes.clone();
        random.shuffle(&mut nodes);
        let start = Instant::now();
        let mut policy_made =
            make(Given { nodes: &nodes, classes: &self.classes, typical: &self.typical, random });
        let placements = self.place_all(policy_made.as_mut(), nodes.clone(), &order);
        let scheduler_wall_s = start.elapsed().as_secs_f64();
        check::check(&nodes, &self.pods, &order, &placements).map_err(|message| {
            SimError::Invalid {
                policy: policy.to_owned(),
                workload: self.workload.clone(),
                platform: self.platform.clone(),
                message,
            }
        })?;
        let curve = self.curve(nodes, &order, &placements);
        Ok(PackingRecord {
            workload: self.workload.clone(),
            platform: self.platform.clone(),
            policy: policy.to_owned(),
            seed,
            alloc_pct_at_100: curve.taken_at(100),
            alloc_pct_at_130: curve.taken_at(130),
            frag_pct_at_90: curve.fragmented_at(90),
            valid: true,
            tasks: order.len(),
            decisions: placements.iter().flatten().count(),
            scheduler_wall_s,
        })
    }

    fn place_all(
        &self,
        policy: &mut dyn Policy,
        mut nodes: Vec<Node>,
        order: &[u32],
    ) -> Vec<Option<Placement>> {
        let mut placements = Vec::with_capacity(order.len());
        for pod in order {
            let class = self.class[*pod as usize] as usize;
            let request = &self.pods[*pod as usize];
            let placement = policy.place(&nodes, class, request);
            if let Some(placement) = placement {
                nodes[placement.node as usize].take(request, placement.devices);
                policy.changed(placement.node);
            }
            placements.push(placement);
        }
        placements
    }

    /// Goes through a run that was checked, once more for the figures.
    fn curve(
        &self,
        mut nodes: Vec<Node>,
        order: &[u32],
        placements: &[Option<Placement>],
    ) -> Curve {
        let total = nodes.iter().map(Node::gpu_left).sum();
        let mut sum: f64 = nodes.iter().map(|node| fragmented(node, &self.typical)).sum();
        let (mut asked, mut taken) = (0, 0);
        let mut points = Vec::with_capacity(order.len());
        for (pod, placement) in order.iter().zip(placements) {
            let request = &self.pods[*pod as usize];
            asked += request.gpu_milli();
            if let Some(placement) = placement {
                let node = &mut nodes[placement.node as usize];
                sum -= fragmented(node, &self.typical);
                node.take(request, placement.devices);
                sum += fragmented(node, &self.typical);
                taken += request.gpu_milli();
            }
            points.push(Point { asked, taken, fragmented: sum });
        }
        Curve { total, points }
    }
}

/// The name of a table.
fn stem(file: &str) -> String {
    let name = Path::new(file).file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.strip_suffix(".csv").unwrap_or(name).to_owned()
}
