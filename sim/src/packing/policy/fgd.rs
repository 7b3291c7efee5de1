//! FGD: the node, and the GPU, where fragmentation grows least.
//!
//! score = sigmoid((F_before - F_after) / 1000) in whole percent, F the expected thousandths of GPUs
//! that a typical pod cannot use. Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing
//! Workloads with Fragmentation Gradient Descent", USENIX ATC 2023, algorithm 1 (`FGDScore`).
//! O(GPUs² × typical pods) a node for parts of a GPU, else O(GPUs × typical pods).

use crate::packing::cluster::{Node, Request};
use crate::packing::scored::Score;
use crate::packing::typical::{Typical, fragmented};

pub(super) struct Fgd(pub Vec<Typical>);

impl Fgd {
    /// The best score of a node, and the first GPUs that give it.
    fn best(&self, node: &Node, request: &Request) -> (f64, u64) {
        let before = fragmented(node, &self.0);
        let score = |devices: u64| {
            let mut after = node.clone();
            after.take(request, devices);
            let gain = (before - fragmented(&after, &self.0)) / 1000.0;
            (100.0 / (1.0 + (-gain).exp())).trunc()
        };
        if !request.is_shared() {
            let devices = node.first_whole(request);
            return (score(devices), devices);
        }
        let mut best = (f64::NEG_INFINITY, 0);
        for (gpu, left) in node.gpus.iter().enumerate().filter(|it| *it.1 >= request.milli) {
            // Of GPUs with as much left, all score the same, and the first is taken.
            if node.gpus[..gpu].contains(left) {
                continue;
            }
            let score = score(1 << gpu);
            if score > best.0 {
                best = (score, 1 << gpu);
            }
        }
        best
    }
}

impl Score for Fgd {
    fn score(&self, node: &Node, request: &Request) -> f64 {
        self.best(node, request).0
    }

    fn devices(&self, node: &Node, request: &Request) -> u64 {
        self.best(node, request).1
    }
}
