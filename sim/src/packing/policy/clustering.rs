//! Clustering: pods that ask for as many GPUs go to the same nodes.
//!
//! Best are nodes that run only such pods, then those that run some, then empty ones, then others;
//! within each quarter, the less is left the better. Pods without GPUs go to the first node. After
//! Gandiva (Xiao et al., OSDI 2018) as in Weng et al., USENIX ATC 2023 (`GpuClusteringScore`). O(GPUs)
//! a node.

use super::LARGEST_GPU;
use crate::packing::cluster::{Node, Request, kind};
use crate::packing::scored::Score;

pub(super) struct Clustering;

impl Score for Clustering {
    fn score(&self, node: &Node, request: &Request) -> f64 {
        let kind = kind(request);
        if kind == 0 {
            return 0.0;
        }
        let quarter = match node.kinds {
            kinds if kinds == kind => 3.0,
            kinds if kinds & kind != 0 => 2.0,
            0 => 1.0,
            _ => 0.0,
        };
        let used = LARGEST_GPU - node.gpu_left() as f64;
        25.0 * quarter + (25.0 * used / LARGEST_GPU).trunc()
    }
}
