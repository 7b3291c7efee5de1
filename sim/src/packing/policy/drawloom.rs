//! drawloom: FGD that looks further ahead.
//!
//! A node is worth what can still be made of it. Its loss L is the sum of
//! - two thirds of FGD's fragmentation: what one typical pod more could not use (Weng et al., USENIX ATC
//!   2023);
//! - one third of its *stranding*: what could not be used if the node were filled with typical pods of
//!   one sort until its cores or its GPUs are spent. FGD sees that cores are short only when not
//!   even one pod fits; this sees it from the first pod on;
//! - the *offcut* of each GPU: what is expected to be left of it in the end. An offcut is a value
//!   function over what is left of a GPU, offcut(x) = Σ p(m | x) · offcut(x - m), where m is how much a
//!   typical pod takes and p its share, weighed by exp(-offcut(x - m) / 5) because a policy takes the
//!   better ends where it can; offcut(x) = x where nothing fits. It tells that 350 left are good
//!   where pods of 350 come, and that 190 are lost.
//!
//! The pod goes where L grows least, to within 50 thousandths of a GPU; of nodes as good as that it takes
//! the first. This fills one node after the other and keeps the others whole for pods that need
//! them; finer differences are noise beside that. Within a node it is the GPU where L grows least.
//!
//! The constants are coarse on purpose: between half and twice of each, figures change by a few tenths
//! of a point, and by more only where pods without GPUs crowd out the others. Memory is respected, but
//! not part of the loss.
//!
//! O(GPUs² × typical pods) a node for parts of a GPU, else O(GPUs × typical pods); offcuts once,
//! O(1000 × sizes).

use super::Given;
use crate::packing::cluster::{Node, Request, WHOLE};
use crate::packing::scored::Score;
use crate::packing::typical::{Typical, fragmented};

/// How much of the loss by cores and GPUs is stranding; the rest is fragmentation.
const STRANDING: f64 = 1.0 / 3.0;
/// Thousandths of a GPU within which nodes are as good as each other.
const EQUAL: f64 = 50.0;
/// Thousandths of a GPU by which an offcut must be worse to be chosen e times less often.
const INDIFFERENCE: f64 = 5.0;

pub(super) struct Drawloom {
    typical: Vec<Typical>,
    /// What is expected to be left in the end of a GPU of which so much is left.
    offcut: Vec<f64>,
}

impl Drawloom {
    pub fn new(given: &Given<'_>) -> Self {
        Drawloom { typical: given.typical.to_vec(), offcut: offcuts(given.typical) }
    }

    fn loss(&self, node: &Node) -> f64 {
        let offcut: f64 = node.gpus.iter().map(|left| self.offcut[usize::from(*left)]).sum();
        (1.0 - STRANDING) * fragmented(node, &self.typical)
            + STRANDING * stranded(node, &self.typical)
            + offcut
    }

    /// How much less is lost with the pod than without, and the GPUs with which that is most.
    fn best(&self, node: &Node, request: &Request) -> (f64, u64) {
        let before = self.loss(node);
        let gain = |devices: u64| {
            let mut after = node.clone();
            after.take(request, devices);
            before - self.loss(&after)
        };
        if !request.is_shared() {
            let devices = node.first_whole(request);
            return (gain(devices), devices);
        }
        let mut best = (f64::NEG_INFINITY, 0);
        for (gpu, left) in node.gpus.iter().enumerate().filter(|it| *it.1 >= request.milli) {
            // GPUs with as much left are as good.
            if node.gpus[..gpu].contains(left) {
                continue;
            }
            let gain = gain(1 << gpu);
            if gain > best.0 {
                best = (gain, 1 << gpu);
            }
        }
        best
    }
}

impl Score for Drawloom {
    fn score(&self, node: &Node, request: &Request) -> f64 {
        (self.best(node, request).0 / EQUAL).floor()
    }

    fn devices(&self, node: &Node, request: &Request) -> u64 {
        self.best(node, request).1
    }
}

/// The expected thousandths of a node's GPUs that stay free when it is filled with pods of one
/// typical sort, as many as its cores or its GPUs allow, and parts of pods too.
fn stranded(node: &Node, typical: &[Typical]) -> f64 {
    let left = node.gpu_left();
    if left == 0 {
        return 0.0;
    }
    let part = |it: &Typical| it.share * (left as f64 - usable(node, &it.request));
    typical.iter().filter(|it| it.request.gpus > 0).map(part).sum()
}

fn usable(node: &Node, request: &Request) -> f64 {
    if node.cpu < request.cpu || !request.allows(node.model) {
        return 0.0;
    }
    let able = node.gpus.iter().filter(|left| **left >= request.milli);
    let (count, by_gpus) =
        able.fold((0, 0.0), |(count, sum), left| (count + 1, sum + f64::from(*left)));
    if count < request.gpus {
        return 0.0;
    }
    let by_cores = node.cpu as f64 / request.cpu.max(1) as f64 * request.gpu_milli() as f64;
    by_cores.min(by_gpus)
}

/// What is expected to be left in the end, by what is left now.
fn offcuts(typical: &[Typical]) -> Vec<f64> {
    let mut shares = [0.0; WHOLE as usize + 1];
    for it in typical {
        shares[usize::from(it.request.milli)] += it.share * f64::from(it.request.gpus);
    }
    let mut offcut: Vec<f64> = Vec::with_capacity(shares.len());
    for left in 0..shares.len() {
        let fitting = (1..=left).filter(|milli| shares[*milli] > 0.0);
        let ends: Vec<(f64, f64)> =
            fitting.map(|milli| (shares[milli], offcut[left - milli])).collect();
        let least = ends.iter().map(|(_, end)| *end).fold(f64::INFINITY, f64::min);
        let (mut sum, mut weights) = (0.0, 0.0);
        for (share, end) in ends {
            let weight = share * (-(end - least) / INDIFFERENCE).exp();
            sum += weight * end;
            weights += weight;
        }
        offcut.push(if weights > 0.0 { sum / weights } else { left as f64 });
    }
    offcut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(milli: u16, share: f64) -> Typical {
        Typical { request: Request { cpu: 1000, milli, gpus: 1, models: None, memory: 0 }, share }
    }

    #[test]
    fn offcuts_are_what_no_typical_pod_can_use() {
        let offcut = offcuts(&[sort(800, 0.5), sort(350, 0.5)]);
        assert_eq!([offcut[0], offcut[200], offcut[350], offcut[700]], [0.0, 200.0, 0.0, 0.0]);
        // Of 800, one pod of 800 is far better than two of 350, and is expected.
        assert!(offcut[800] < 0.01, "{}", offcut[800]);
    }

    #[test]
    fn stranding_shows_before_a_pod_fails_to_fit() {
        let node = |cpu| Node {
            name: String::new(),
            model: None,
            cpu,
            memory: 0,
            gpus: vec![WHOLE; 4],
            kinds: 0,
        };
        let typical = [sort(WHOLE, 1.0)];
        assert_eq!(stranded(&node(4000), &typical), 0.0);
        assert_eq!(stranded(&node(1000), &typical), 3000.0);
        assert_eq!(fragmented(&node(1000), &typical), 0.0);
    }
}
