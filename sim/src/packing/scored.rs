//! The nodes by their scores, with the scores kept until the node changes.

use super::cluster::{Node, Placement, Request};

/// More scores than this are not kept.
const KEPT_LIMIT: usize = 1 << 26;

/// How good a node is for a pod.
pub(super) trait Score {
    /// The score of a node on which the pod fits; more is better.
    fn score(&self, node: &Node, request: &Request) -> f64;

    /// The GPUs to take there, as bits.
    fn devices(&self, node: &Node, request: &Request) -> u64 {
        node.tightest(request)
    }

    /// Whether scores are spread over the whole numbers from 0 to 100 before they are compared.
    fn is_normalised(&self) -> bool {
        false
    }
}

/// A score that is still right if the node has changed as often.
#[derive(Clone, Copy)]
struct Kept {
    changes: u32,
    score: f64,
}

/// Chooses the node with the best score, the first of equals.
///
/// A choice costs O(nodes) and the scores of the nodes that have changed since the last pod of the
/// same class; with c classes that are c scores on average, however many nodes there are.
pub(super) struct Scored<S> {
    score: S,
    changes: Vec<u32>,
    kept: Vec<Vec<Kept>>,
}

impl<S: Score> Scored<S> {
    pub fn new(score: S, nodes: usize, classes: usize) -> Self {
        let is_kept = nodes.saturating_mul(classes) <= KEPT_LIMIT;
        let kept = if is_kept { vec![Vec::new(); classes] } else { Vec::new() };
        Scored { score, changes: vec![1; nodes], kept }
    }

    fn scores(&mut self, nodes: &[Node], class: usize, request: &Request) -> Vec<f64> {
        let fresh = |score: &S, node: &Node| {
            if node.fits(request) { score.score(node, request) } else { f64::NEG_INFINITY }
        };
        let Some(kept) = self.kept.get_mut(class) else {
            return nodes.iter().map(|node| fresh(&self.score, node)).collect();
        };
        kept.resize(nodes.len(), Kept { changes: 0, score: f64::NEG_INFINITY });
        for ((kept, node), changes) in kept.iter_mut().zip(nodes).zip(&self.changes) {
            if kept.changes != *changes {
                *kept = Kept { changes: *changes, score: fresh(&self.score, node) };
            }
        }
        kept.iter().map(|kept| kept.score).collect()
    }
}

/// Places pods one by one.
pub(super) trait Policy {
    /// Where a pod of a class goes; none where it fits nowhere.
    fn place(&mut self, nodes: &[Node], class: usize, request: &Request) -> Option<Placement>;

    /// A node has changed.
    fn changed(&mut self, _node: u32) {}
}

impl<S: Score> Policy for Scored<S> {
    fn place(&mut self, nodes: &[Node], class: usize, request: &Request) -> Option<Placement> {
        let mut scores = self.scores(nodes, class, request);
        if self.score.is_normalised() {
            normalise(&mut scores);
        }
        let mut best = (f64::NEG_INFINITY, None);
        for (node, score) in (0u32..).zip(scores) {
            if score > best.0 {
                best = (score, Some(node));
            }
        }
        let node = best.1?;
        Some(Placement { node, devices: self.score.devices(&nodes[node as usize], request) })
    }

    fn changed(&mut self, node: u32) {
        self.changes[node as usize] = self.changes[node as usize].wrapping_add(1);
    }
}

/// From the lowest at 0 to the highest at 100, rounded down.
fn normalise(scores: &mut [f64]) {
    let able = || scores.iter().copied().filter(|score| score.is_finite());
    let (low, high) = (able().fold(f64::INFINITY, f64::min), able().fold(0.0, f64::max));
    for score in scores.iter_mut().filter(|score| score.is_finite()) {
        *score = if high > low { ((*score - low) * 100.0 / (high - low)).floor() } else { 0.0 };
    }
}
