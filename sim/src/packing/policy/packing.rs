//! Packing: GPUs in use before free ones, free ones of nodes in use before those of empty nodes.
//!
//! In points: 100 less a tenth of the percents left of the GPUs that would be taken; 50 less the free
//! GPUs that would be; 33 less the GPUs of the node. Pods without GPUs go to the first node. Weng et al.,
//! USENIX ATC 2023 (`GpuPackingScore`). O(GPUs log GPUs) a node.

use crate::packing::cluster::{Node, Request, WHOLE};
use crate::packing::scored::Score;

pub(super) struct Packing;

impl Score for Packing {
    fn score(&self, node: &Node, request: &Request) -> f64 {
        if request.gpus == 0 {
            return 0.0;
        }
        let whole = i64::from(node.whole_gpus());
        if whole == node.gpus.len() as i64 {
            return (33 - whole).max(whole) as f64;
        }
        let mut able: Vec<u16> =
            node.gpus.iter().copied().filter(|left| *left >= request.milli).collect();
        able.sort_unstable();
        let taken = able.iter().take(request.gpus as usize);
        let free = taken.clone().filter(|left| **left == WHOLE).count() as i64;
        if free > 0 {
            return (50 - free).max(33) as f64;
        }
        let percents: i64 = taken.map(|left| i64::from(*left) / 10).sum();
        (100 - percents / 10).max(50) as f64
    }
}
