//! drawloom: to be.

use super::super::cluster::{Node, Request};
use super::super::scored::Score;
use super::super::typical::{Typical, fragmented};
use super::Given;

pub(in super::super) struct Drawloom {
    typical: Vec<Typical>,
}

impl Drawloom {
    pub fn new(given: &Given<'_>) -> Self {
        Drawloom { typical: given.typical.to_vec() }
    }

    fn best(&self, node: &Node, request: &Request) -> (f64, u64) {
        let before = fragmented(node, &self.typical);
        let mut best = (f64::NEG_INFINITY, 0);
        let mut consider = |devices: u64| {
            let mut after = node.clone();
            after.take(request, devices);
            let score = before - fragmented(&after, &self.typical);
            if score > best.0 {
                best = (score, devices);
            }
        };
        if !request.is_shared() {
            consider(node.first_whole(request));
            return best;
        }
        for (gpu, left) in node.gpus.iter().enumerate().filter(|it| *it.1 >= request.milli) {
            if !node.gpus[..gpu].contains(left) {
                consider(1 << gpu);
            }
        }
        best
    }
}

impl Score for Drawloom {
    fn score(&self, node: &Node, request: &Request) -> f64 {
        self.best(node, request).0
    }

    fn devices(&self, node: &Node, request: &Request) -> u64 {
        self.best(node, request).1
    }
}
