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
        let is_refused = |models: u64| node.model.is_none_or(|model| models & (1 << model) == 0);
        if pod.gpus > 0 && pod.models.is_some_and(is_refused) {
            return fault(format!("{} has GPUs of another model", node.name));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(gpus: usize, model: Option<u8>) -> Node {
        Node { name: "n".to_owned(), model, cpu: 10, memory: 10, gpus: vec![WHOLE; gpus], kinds: 0 }
    }

    fn pod(gpus: u32, milli: u16) -> Request {
        Request { cpu: 1, milli, gpus, models: None, memory: 1 }
    }

    fn verdict(pods: &[Request], placements: &[(u32, u64)]) -> Result<(), String> {
        let nodes = [node(2, Some(0)), node(1, Some(1))];
        let order: Vec<u32> = (0..pods.len() as u32).collect();
        let placed = placements
            .iter()
            .map(|(node, devices)| Some(Placement { node: *node, devices: *devices }));
        check(&nodes, pods, &order, &placed.collect::<Vec<_>>())
    }

    #[test]
    fn each_rule_is_kept() {
        let fault = |pods: &[Request], placements: &[(u32, u64)]| {
            verdict(pods, placements).expect_err("it is refused")
        };
        assert_eq!(verdict(&[pod(1, 600), pod(1, 400)], &[(0, 1), (0, 1)]), Ok(()));
        let twice = fault(&[pod(1, 600), pod(1, 401)], &[(0, 1), (0, 1)]);
        assert_eq!(twice, "arrival 1: 1001 thousandths of GPU 0 of n");
        assert_eq!(fault(&[pod(2, 1000)], &[(0, 1)]), "arrival 0: 1 GPUs of n for 2");
        assert_eq!(fault(&[pod(0, 0)], &[(0, 1)]), "arrival 0: 1 GPUs of n for 0");
        assert_eq!(fault(&[pod(1, 1)], &[(1, 2)]), "arrival 0: n has no GPU 1");
        assert_eq!(fault(&[pod(1, 1)], &[(2, 1)]), "arrival 0: there is no node 2");
        let other = Request { models: Some(1), ..pod(1, 1) };
        assert_eq!(fault(&[other], &[(1, 1)]), "arrival 0: n has GPUs of another model");
        let greedy = Request { cpu: 11, ..pod(0, 0) };
        assert_eq!(fault(&[greedy], &[(0, 0)]), "arrival 0: more cores or memory than n has");
        let greedy = Request { memory: 11, ..pod(0, 0) };
        assert_eq!(fault(&[greedy], &[(0, 0)]), "arrival 0: more cores or memory than n has");
        assert_eq!(fault(&[pod(0, 0)], &[]), "0 decisions on 1 pods");
    }

    fn requests() -> impl Strategy<Value = Vec<Request>> {
        let request = (0i64..6, 0i64..6, 0u32..3, 1u16..=1000, prop::option::of(0u64..4));
        let request = request.prop_map(|(cpu, memory, gpus, part, models)| {
            let milli = [0, part, WHOLE][gpus as usize];
            Request { cpu, milli, gpus, models, memory }
        });
        prop::collection::vec(request, 1..30)
    }

    proptest! {
        /// Placements anywhere are allowed exactly as long as every node says that each fits.
        #[test]
        fn it_agrees_with_what_nodes_say_of_themselves(
            pods in requests(),
            choices in prop::collection::vec((0u32..3, 0u64..8, any::<bool>()), 30),
        ) {
            let nodes = [node(2, Some(0)), node(1, Some(1)), node(3, None)];
            let mut now = nodes.clone();
            let mut is_possible = true;
            let mut placements = Vec::new();
            for (pod, (number, any_devices, is_sound)) in pods.iter().zip(choices) {
                let node = &mut now[number as usize];
                let fits = node.fits(pod);
                let devices = if is_sound { node.tightest(pod) } else { any_devices };
                if is_sound && !fits {
                    placements.push(None);
                    continue;
                }
                let able = (0..64).filter(|gpu| devices >> gpu & 1 == 1).all(|gpu: usize| {
                    node.gpus.get(gpu).is_some_and(|left| *left >= pod.milli)
                });
                is_possible &= fits && able && devices.count_ones() == pod.gpus;
                node.take(pod, devices);
                placements.push(Some(Placement { node: number, devices }));
                if !is_possible {
                    break;
                }
            }
            let order: Vec<u32> = (0..placements.len() as u32).collect();
            prop_assert_eq!(check(&nodes, &pods, &order, &placements).is_ok(), is_possible);
        }
    }
}
