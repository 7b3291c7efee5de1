//! Which pods arrive, and in which order.

use std::path::Path;

use super::cluster::{Node, Request};
use crate::SimError;

/// How much is asked for in the end, in percent of all GPUs.
const DEMAND_PERCENT: i64 = 130;
/// More pods than this are not drawn: the list asks for hardly any GPUs.
const DRAWN_LIMIT: usize = 1_000_000;

/// The pods of the list in a random order, then pods drawn from it with replacement until the next
/// would make the GPUs asked for more than 130 % of those that there are; a list that asks for more
/// is cut there. As the authors of the trace do it (`TunePodsByNodeTotalResource`).
///
/// Answers with indices into the list.
pub(super) fn arrivals(
    file: &Path,
    pods: &[Request],
    nodes: &[Node],
    random: &mut fastrand::Rng,
) -> Result<Vec<u32>, SimError> {
    let total: i64 = nodes.iter().map(Node::gpu_left).sum();
    let most = total * DEMAND_PERCENT / 100;
    let mut order: Vec<u32> = (0..pods.len() as u32).collect();
    random.shuffle(&mut order);
    let mut asked = 0;
    for (index, pod) in order.iter().enumerate() {
        asked += pods[*pod as usize].gpu_milli();
        if asked > most {
            order.truncate(index);
            return Ok(order);
        }
    }
    loop {
        let pod = random.usize(..pods.len());
        asked += pods[pod].gpu_milli();
        if asked > most {
            return Ok(order);
        }
        if order.len() >= pods.len() + DRAWN_LIMIT {
            let message =
                format!("{DRAWN_LIMIT} pods more do not ask for enough GPUs to fill the nodes");
            return Err(SimError::bad(file, "num_gpu", message));
        }
        order.push(pod as u32);
    }
}
