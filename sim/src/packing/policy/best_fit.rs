//! Best fit: the node with the least left after the pod, cores and GPUs weighing the same.
//!
//! score = 1 - (cpu_left - cpu) / 2 - (gpu_left - gpu) / 2, each as a share of the largest node (128
//! cores, 8 GPUs), in whole percent, spread over 0 to 100; the tightest GPU. Protean (Hadary et al.,
//! OSDI 2020) as in Weng et al., USENIX ATC 2023 (`BestFitScore`). O(GPUs) a node.

use super::{LARGEST_CPU, LARGEST_GPU};
use crate::packing::cluster::{Node, Request};
use crate::packing::scored::Score;

pub(super) struct BestFit;

impl Score for BestFit {
    fn score(&self, node: &Node, request: &Request) -> f64 {
        let cpu = (node.cpu - request.cpu) as f64 / LARGEST_CPU;
        let gpu = (node.gpu_left() - request.gpu_milli()) as f64 / LARGEST_GPU;
        (100.0 * (1.0 - (cpu + gpu) / 2.0)).trunc()
    }

    fn is_normalised(&self) -> bool {
        true
    }
}
