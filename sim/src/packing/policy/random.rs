//! Random: any node on which the pod fits, and there any fitting GPU.
//!
//! The least that every other policy must beat. O(nodes). Weng et al., USENIX ATC 2023
//! (`RandomScore`, GPUs by `random`).

use crate::packing::cluster::{Node, Placement, Request};
use crate::packing::scored::Policy;

pub(super) struct Random(pub fastrand::Rng);

impl Policy for Random {
    fn place(&mut self, nodes: &[Node], _: usize, request: &Request) -> Option<Placement> {
        let able = (0u32..).zip(nodes).filter(|(_, node)| node.fits(request));
        let able: Vec<(u32, &Node)> = able.collect();
        if able.is_empty() {
            return None;
        }
        let (number, node) = able[self.0.usize(..able.len())];
        if !request.is_shared() {
            return Some(Placement { node: number, devices: node.first_whole(request) });
        }
        let gpus = node.gpus.iter().enumerate().filter(|(_, left)| **left >= request.milli);
        let gpus: Vec<usize> = gpus.map(|(gpu, _)| gpu).collect();
        Some(Placement { node: number, devices: 1 << gpus[self.0.usize(..gpus.len())] })
    }
}
