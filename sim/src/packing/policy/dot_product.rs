//! Dot product: the node whose rest points least in the direction of what is asked for.
//!
//! score = 1 - (cpu_left · cpu + gpu_left · gpu) / 2, each as a share of the largest node (128 cores,
//! 8 GPUs), in whole percent; the tightest GPU. After Tetris (Grandl et al., SIGCOMM 2014) as in Weng
//! et al., USENIX ATC 2023 (`DotProductScore`, dimensions merged, by maximum). O(GPUs) a node.

use super::{LARGEST_CPU, LARGEST_GPU};
use crate::packing::cluster::{Node, Request};
use crate::packing::scored::Score;

pub(super) struct DotProduct;

impl Score for DotProduct {
    fn score(&self, node: &Node, request: &Request) -> f64 {
        let cpu = node.cpu as f64 / LARGEST_CPU * (request.cpu as f64 / LARGEST_CPU);
        let gpu = node.gpu_left() as f64 / LARGEST_GPU * (request.gpu_milli() as f64 / LARGEST_GPU);
        (100.0 * (1.0 - (cpu + gpu) / 2.0)).trunc()
    }
}
