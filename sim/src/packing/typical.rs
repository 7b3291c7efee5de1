//! Fragmentation: how much of what is left of GPUs a typical pod cannot use.

use std::collections::BTreeMap;

use super::cluster::{Node, Request};

/// How much of all pods the typical ones are, in percent.
const POPULAR_PERCENT: f64 = 95.0;

/// A sort of pods, and which share of the pods are like it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Typical {
    pub request: Request,
    pub share: f64,
}

/// The most frequent sorts of pods that make up 95 % of all, memory aside: the distribution by which
/// Weng et al. measure fragmentation ("Beware of Fragmentation: Scheduling GPU-Sharing Workloads with
/// Fragmentation Gradient Descent", USENIX ATC 2023, section 3; `GetTypicalPods` of their simulator).
pub(super) fn typical(pods: &[Request]) -> Vec<Typical> {
    let mut counts: BTreeMap<Request, usize> = BTreeMap::new();
    for pod in pods {
        *counts.entry(Request { memory: 0, ..*pod }).or_default() += 1;
    }
    let mut sorts: Vec<(Request, usize)> = counts.into_iter().collect();
    sorts.sort_by_key(|(request, count)| std::cmp::Reverse((*count, *request)));
    let wanted = POPULAR_PERCENT / 100.0 * pods.len() as f64;
    let mut sum = 0;
    let popular = sorts.iter().take_while(|(_, count)| {
        let is_wanted = (sum as f64) < wanted;
        sum += count;
        is_wanted
    });
    let popular: Vec<&(Request, usize)> = popular.collect();
    let all: usize = popular.iter().map(|(_, count)| count).sum();
    let share = |count: usize| count as f64 / all as f64;
    popular.iter().map(|it| Typical { request: it.0, share: share(it.1) }).collect()
}

/// The expected thousandths of a node's GPUs that a typical pod cannot use.
///
/// For a pod that the node cannot run (no fitting GPU, too few cores, another model) and for one
/// without GPUs it is all that is left; else what is left of GPUs that have too little for it.
/// F_n = Σ share_m · F_n(m), formula 3 of the paper. O(sorts × GPUs).
pub(super) fn fragmented(node: &Node, typical: &[Typical]) -> f64 {
    let left = node.gpu_left();
    if left == 0 {
        return 0.0;
    }
    let part = |it: &Typical| it.share * unusable(node, &it.request, left) as f64;
    typical.iter().map(part).sum()
}

fn unusable(node: &Node, request: &Request, left: i64) -> i64 {
    if request.gpus == 0 || node.cpu < request.cpu || !request.allows(node.model) {
        return left;
    }
    let (mut able, mut lost) = (0, 0);
    for gpu in &node.gpus {
        if *gpu >= request.milli {
            able += 1;
        } else {
            lost += i64::from(*gpu);
        }
    }
    if able >= request.gpus { lost } else { left }
}
