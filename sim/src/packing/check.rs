//! Checks a run by the requests and the nodes alone: it knows of no policy and shares no sums with
//! them.

use super::cluster::{Node, Placement, Request, WHOLE};

/// Goes through the arrivals in order and refuses the first placement that takes more of a node or a
/// GPU than is left then, too few or too many GPUs, or one of a model that the pod does not allow.
pub(super) fn check(
    nodes: &[Node],
    pods: &[Request],
    order: &[u32],
    placements: &[Option<Placement>],
) -> Result<(), String> {
    if placements.len() != order.len() {
        return Err(format!("{} decisions on {} pods", placements.len(), order.len()));
    }
    let mut cpu: Vec<i64> = vec![0; nodes.len()];
    let mut memory: Vec<i64> = vec![0; nodes.len()];
    let mut gpus: Vec<Vec<i64>> = nodes.iter().map(|node| vec![0; node.gpus.len()]).collect();
    for (index, (pod, placement)) in order.iter().zip(placements).enumerate() {
        let Some(placement) = placement else { continue };
        let fault = |what: String| Err(format!("arrival {index}: {what}"));
        let number = placement.node as usize;
        let Some(node) = nodes.get(number) else {
            return fault(format!("there is no node {number}"));
        };
        let Some(pod) = pods.get(*pod as usize) else {
            return fault(format!("there is no pod {pod}"));
        };
        if placement.devices.count_ones() != pod.gpus {
            let count = placement.devices.count_ones();
            return fault(format!("{count} GPUs of {} for {}", node.name, pod.gpus));
        }
        if let (Some(models), true) = (pod.models, pod.gpus > 0) {
            if !node.model.is_some_and(|model| models & (1 << model) != 0) {
                return fault(format!("{} has GPUs of another model", node.name));
            }
        }
        cpu[number] += pod.cpu;
        memory[number] += pod.memory;
        if cpu[number] > node.cpu || memory[number] > node.memory {
            return fault(format!("more cores or memory than {} has", node.name));
        }
        for gpu in (0..u64::BITS as usize).filter(|gpu| placement.devices & (1 << gpu) != 0) {
            let Some(taken) = gpus[number].get_mut(gpu) else {
                return fault(format!("{} has no GPU {gpu}", node.name));
            };
            *taken += i64::from(pod.milli);
            if *taken > i64::from(WHOLE) {
                return fault(format!("{taken} thousandths of GPU {gpu} of {}", node.name));
            }
        }
    }
    Ok(())
}
