//! What was measured is found again, and bounded.

use drawloom_model::{Attributes, RunKind, Variant};
use proptest::prelude::*;

use super::*;

fn template(kernel: &str) -> Template {
    Template::new(Variant::kernel(kernel, Attributes::new()), 0)
}

fn held(costs: &mut Costs, kernel: &str) -> WayId {
    costs.hold(&template(kernel))[0].expect("kernels have ways")
}

fn bytes(input_bytes: u64) -> Footprint {
    Footprint { input_bytes, output_bytes: 0 }
}

fn everything(costs: &Costs) -> Vec<MeasuredCost> {
    let (all, rest) = costs.page(0, usize::MAX);
    assert_eq!(rest, None);
    all
}

#[test]
fn devices_and_sizes_are_told_apart() {
    let mut costs = Costs::default();
    let way = held(&mut costs, "sum");
    let gpu = costs.class_of(&DeviceInfo::named("H100"));
    assert_eq!(costs.class_of(&DeviceInfo::named("H100")), gpu);
    costs.measured(way, DeviceClassId::CPU, bytes(1000), 500);
    costs.measured(way, gpu, bytes(1000), 50);
    costs.measured(way, gpu, bytes(1 << 20), 80);
    let expected = |class, bytes| costs.expected(way, class, bytes).map(|found| found.nanos);
    assert_eq!(expected(DeviceClassId::CPU, 1023), Some(500));
    assert_eq!(expected(DeviceClassId::CPU, 1024), None, "another size");
    assert_eq!((expected(gpu, 600), expected(gpu, 2 << 19)), (Some(50), Some(80)));
    assert!((51..80).contains(&expected(gpu, 1 << 15).expect("between both")));
}

#[test]
fn a_simulated_device_is_of_another_class() {
    let mut costs = Costs::default();
    let real = DeviceInfo::named("H100");
    let stand_in = DeviceInfo { is_simulated: true, ..real.clone() };
    assert_ne!(costs.class_of(&real), costs.class_of(&stand_in));
}

#[test]
fn classes_of_devices_are_bounded() {
    let mut costs = Costs::default();
    for number in 0..2 * DEVICE_CLASSES {
        costs.class_of(&DeviceInfo::named(format!("gpu {number}")));
    }
    assert_eq!(costs.device_classes.len(), DEVICE_CLASSES);
    assert_eq!(costs.device_classes.last().map(AsRef::as_ref), Some(OTHER_NAME));
    assert_eq!(costs.class_of(&DeviceInfo::named("gpu 3")), DeviceClassId(4));
}

#[test]
fn a_variant_is_tried_a_few_times() {
    let mut costs = Costs::default();
    let way = held(&mut costs, "sum");
    let wants = |costs: &Costs, bytes| costs.wants_try(way, DeviceClassId::CPU, bytes);
    for _ in 0..TRIES {
        assert!(wants(&costs, 100));
        costs.tried(way, DeviceClassId::CPU, 100);
    }
    assert!(!wants(&costs, 100), "although nothing came of it");
    costs.measured(way, DeviceClassId::CPU, bytes(1 << 10), 10);
    assert!(wants(&costs, 1 << 10), "the first sample may mislead");
    costs.measured(way, DeviceClassId::CPU, bytes(1 << 14), 20);
    assert!(!wants(&costs, 1 << 12), "between sizes that are known");
    assert!(wants(&costs, 1 << 30), "far from them");
}

#[test]
fn only_the_last_ways_without_users_are_kept() {
    let mut costs = Costs::default();
    let kept = costs.hold(&template("kept"));
    for number in 0..2 * IDLE_LIMIT {
        let ways = costs.hold(&template(&format!("kernel {number}")));
        costs.measured(ways[0].expect("a kernel"), DeviceClassId::CPU, bytes(1), 5);
        costs.release(&ways);
    }
    costs.assert_users(|way| usize::from(Some(way) == kept[0]));
    assert_eq!(everything(&costs).len(), IDLE_LIMIT);
    let last = held(&mut costs, &format!("kernel {}", 2 * IDLE_LIMIT - 1));
    assert_eq!(costs.last_nanos(last), Some(5));
    let first = held(&mut costs, "kernel 0");
    assert_eq!(costs.last_nanos(first), None);
}

#[test]
fn pages_join_to_the_whole() {
    let mut costs = Costs::default();
    for kernel in ["a", "b", "c", "d"] {
        let way = held(&mut costs, kernel);
        costs.measured(way, DeviceClassId::CPU, bytes(1), 5);
        costs.measured(way, DeviceClassId::CPU, bytes(2), 6);
    }
    let (mut all, mut from) = (Vec::new(), Some(0));
    while let Some(place) = from {
        let (page, next) = costs.page(place, 3);
        assert!(page.len() <= 4);
        all.extend(page);
        from = next;
    }
    assert_eq!(all, everything(&costs));
    assert_eq!(all.len(), 8);
}

fn way() -> impl Strategy<Value = Way> {
    let kind = prop::sample::select(RunKind::ALL.to_vec());
    ("[a-c]", kind, 0u64..3, 0u16..2).prop_map(|(name, kind, cores, devices)| Way {
        name: name.into(),
        kind,
        cpu_milli: cores * 500,
        devices,
        device_milli: 1000 * u32::from(devices),
    })
}

proptest! {
    #[test]
    fn what_was_measured_survives(
        samples in prop::collection::vec((way(), 0u8..3, any::<u64>(), 1u64..1 << 50), 0..60),
    ) {
        let mut costs = Costs::default();
        for (way, class, size, nanos) in samples {
            let id = costs.hold_way(way);
            let class = costs.class_named(["cpu", "A", "B"][usize::from(class)]);
            costs.measured(id, class, bytes(size), nanos);
        }
        let before = everything(&costs);
        let mut again = Costs::default();
        again.restore(&before);
        prop_assert_eq!(&everything(&again), &before);
        again.restore(&before);
        prop_assert_eq!(everything(&again), before);
        again.assert_users(|_| 0);
    }
}
