//! Plans held against what trying everything finds, and what they prefer.

use std::sync::Arc;

use drawloom_model::{
    Capacity, Constraints, DeviceCapacity, DeviceInfo, DeviceLink, ExecutorInfo, GpuRequest,
    LinkKind, MILLI, NumaNode, Shared, Topology,
};
use proptest::prelude::*;

use super::*;
use crate::class::Classes;

/// What makes a class: cores, and the executors that may run it.
fn classes(wanted: &[(u64, Vec<u32>)], executors: usize) -> (Classes, Vec<ClassId>) {
    let mut classes = Classes::default();
    let ids = wanted.iter().enumerate().map(|(index, (cores, at))| {
        let mut variant = drawloom_model::Variant::kernel(format!("k{index}"), Default::default());
        variant.request = ResourceRequest::cores(*cores);
        let template = drawloom_model::Template::new(variant, 0);
        let infos: Vec<_> = (0..executors as u32)
            .map(|id| {
                let kernels = if at.contains(&id) { vec![format!("k{index}")] } else { vec![] };
                let capacity = Capacity { cpu_milli: 99 * MILLI, ..Capacity::default() };
                (ExecutorId(id), ExecutorInfo { kernels, capacity, ..ExecutorInfo::default() })
            })
            .collect();
        classes.intern(&template, infos.iter().map(|(id, info)| (*id, info)))
    });
    let ids = ids.collect();
    (classes, ids)
}

fn room(id: u32, cores: u64, info: ExecutorInfo) -> Room {
    Room {
        executor: ExecutorId(id),
        free: Capacity { cpu_milli: cores * MILLI, ..info.capacity.clone() },
        info: Arc::new(info),
        version: 0,
        busy_nanos: 0,
        held_bytes: 0,
    }
}

fn plain_rooms(cores: &[u64]) -> Vec<Room> {
    (0..).zip(cores).map(|(id, cores)| room(id, *cores, ExecutorInfo::default())).collect()
}

fn gang(strategy: GangStrategy, members: usize) -> Gang {
    Gang::new("g", (0..members as u32).collect(), strategy)
}

fn members<'a>(classes: &'a Classes, ids: &[ClassId]) -> Vec<Member<'a>> {
    let member =
        |(task, id): (u32, &ClassId)| Member { task, class_id: *id, class: classes.get(*id) };
    (0..).zip(ids).map(member).collect()
}

/// How many executors each way to seat everyone uses, by trying every way.
fn every_way(members: &[(u64, Vec<u32>)], free: &mut [u64], used: &mut Vec<u32>) -> Vec<usize> {
    let Some(((cores, at), rest)) = members.split_first() else {
        let mut distinct = used.clone();
        distinct.sort_unstable();
        distinct.dedup();
        return vec![distinct.len()];
    };
    let mut ways = Vec::new();
    for id in at.iter().filter(|id| (**id as usize) < free.len()).copied().collect::<Vec<_>>() {
        if free[id as usize] >= *cores {
            free[id as usize] -= cores;
            used.push(id);
            ways.extend(every_way(rest, free, used));
            used.pop();
            free[id as usize] += cores;
        }
    }
    ways
}

/// No seat is where its task may not run, and no room gives more than it has.
fn check_seats(seats: &[Seat], wanted: &[(u64, Vec<u32>)], cores: &[u64]) -> usize {
    let mut free = cores.to_vec();
    let mut tasks: Vec<u32> = seats.iter().map(|seat| seat.task).collect();
    tasks.sort_unstable();
    assert_eq!(tasks, (0..wanted.len() as u32).collect::<Vec<_>>(), "each has one seat");
    for seat in seats {
        let (cores, at) = &wanted[seat.task as usize];
        assert!(at.contains(&seat.executor.0));
        let free = &mut free[seat.executor.0 as usize];
        *free = free.checked_sub(*cores).expect("it fits");
    }
    let mut distinct: Vec<_> = seats.iter().map(|seat| seat.executor).collect();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_plan_is_sound_and_strict_ones_are_found_where_there_is_one(
        cores in prop::collection::vec(0..5u64, 1..5),
        wanted in prop::collection::vec(
            (1..3u64, prop::collection::btree_set(0..4u32, 1..5)), 1..5),
    ) {
        let wanted: Vec<(u64, Vec<u32>)> =
            wanted.into_iter().map(|(cores, at)| (cores, at.into_iter().collect())).collect();
        let (classes, ids) = classes(&wanted, cores.len());
        let members = members(&classes, &ids);
        let ways = every_way(&wanted, &mut cores.clone(), &mut Vec::new());
        for strategy in GangStrategy::ALL {
            let planned = plan(&gang(strategy, wanted.len()), &members, &plain_rooms(&cores));
            let count = planned.ok().map(|seats| check_seats(&seats, &wanted, &cores));
            match strategy {
                GangStrategy::StrictPack => {
                    prop_assert_eq!(count, ways.contains(&1).then_some(1));
                }
                GangStrategy::StrictSpread => {
                    let all = wanted.len();
                    prop_assert_eq!(count, ways.contains(&all).then_some(all));
                }
                GangStrategy::Pack | GangStrategy::Spread => {
                    prop_assert!(count.is_none_or(|count| ways.contains(&count)));
                }
            }
        }
    }

    #[test]
    fn like_members_are_packed_and_spread_as_well_as_can_be(
        cores in prop::collection::vec(0..5u64, 1..5),
        asked in 1..3u64,
        count in 1..5usize,
    ) {
        let everywhere: Vec<u32> = (0..4).collect();
        let wanted = vec![(asked, everywhere); count];
        let (classes, ids) = classes(&wanted[..1], cores.len());
        let members = members(&classes, &vec![ids[0]; count]);
        let ways = every_way(&wanted, &mut cores.clone(), &mut Vec::new());
        let used = |strategy| {
            let planned = plan(&gang(strategy, count), &members, &plain_rooms(&cores));
            planned.ok().map(|seats| check_seats(&seats, &wanted, &cores))
        };
        prop_assert_eq!(used(GangStrategy::Pack), ways.iter().min().copied());
        prop_assert_eq!(used(GangStrategy::Spread), ways.iter().max().copied());
    }
}

fn seats_on(planned: Result<Vec<Seat>, Shortage>) -> Result<Vec<u32>, String> {
    let mut on: Vec<u32> = planned
        .map_err(|shortage| shortage.to_string())?
        .iter()
        .map(|seat| seat.executor.0)
        .collect();
    on.sort_unstable();
    Ok(on)
}

#[test]
fn members_share_a_label_where_they_can() {
    let racks = ["a", "a", "b", "b"];
    let rooms = |cores: [u64; 4]| -> Vec<Room> {
        let in_rack = |(id, rack): (u32, &&str)| {
            let labels = [("rack".to_owned(), (*rack).to_owned())].into_iter().collect();
            room(id, cores[id as usize], ExecutorInfo { labels, ..ExecutorInfo::default() })
        };
        (0..).zip(&racks).map(in_rack).collect()
    };
    let (classes, ids) = classes(&[(1, vec![0, 1, 2, 3])], 4);
    let members = members(&classes, &[ids[0]; 2]);
    let mut spread = gang(GangStrategy::StrictSpread, 2);
    let plan_on = |gang: &Gang, cores| seats_on(plan(gang, &members, &rooms(cores)));
    let shared = Shared::Label("rack".into());
    spread.topology = Some(Topology { shared: shared.clone(), demand: Demand::Preferred });
    assert_eq!(plan_on(&spread, [9, 0, 1, 1]), Ok(vec![2, 3]));
    assert_eq!(plan_on(&spread, [9, 0, 1, 0]), Ok(vec![0, 2]), "preferred only");
    spread.topology = Some(Topology { shared, demand: Demand::Required });
    assert_eq!(
        plan_on(&spread, [9, 0, 1, 0]),
        Err(r#"gang "g" needs 2 executors that fit its members with the same rack (strict_spread), there are 1"#.to_owned())
    );
}

/// An executor of four devices: two on each of two memory nodes, and links across the nodes.
fn four_devices() -> ExecutorInfo {
    let device = DeviceCapacity { milli: 1000, vram_bytes: 100, compute_capability: 80 };
    let link = |from: u16, to: u16| {
        let kind = if to == (from + 2) % 4 { LinkKind::NvLink } else { LinkKind::Node };
        DeviceLink { to: DeviceIndex(to), kind }
    };
    let info = |index: u16| DeviceInfo {
        numa_node: Some(u32::from(index / 2)),
        links: (0..4).filter(|to| *to != index).map(|to| link(index, to)).collect(),
        ..DeviceInfo::named("gpu")
    };
    let node = |id| NumaNode { id, cores: vec![0, 1], memory_bytes: u64::MAX };
    ExecutorInfo {
        capacity: Capacity { devices: vec![device; 4], ..Capacity::default() },
        devices: (0..4).map(info).collect(),
        numa_nodes: vec![node(0), node(1)],
        ..ExecutorInfo::default()
    }
}

#[test]
fn devices_are_of_one_node_or_linked() {
    let gpu = GpuRequest { devices: 1, milli: 1000, vram_bytes: 1, min_compute_capability: 0 };
    let mut variant = drawloom_model::Variant::kernel("k", Default::default());
    variant.request.gpu = Some(gpu);
    let template = drawloom_model::Template::new(variant, 0);
    let mut info = four_devices();
    info.kernels = vec!["k".into()];
    info.capacity.cpu_milli = 4 * MILLI;
    let mut classes = Classes::default();
    let id = classes.intern(&template, [(ExecutorId(0), &info)].into_iter());
    assert_eq!(classes.get(id).constraints, Constraints::default());
    let mut room = room(0, 4, info);
    // The first device is taken, so that the nodes and islands are not alike.
    room.free.devices[0].milli = 0;
    let members = members(&classes, &[id; 2]);
    let devices = |shared, demand| {
        let mut gang = gang(GangStrategy::Pack, 2);
        gang.topology = Some(Topology { shared, demand });
        let seats = plan(&gang, &members, std::slice::from_ref(&room));
        let seats = seats.map_err(|shortage| shortage.to_string())?;
        let mut devices: Vec<u16> = seats.iter().map(|seat| seat.devices[0].0).collect();
        devices.sort_unstable();
        Ok::<_, String>(devices)
    };
    assert_eq!(devices(Shared::NumaNode, Demand::Required), Ok(vec![2, 3]));
    assert_eq!(devices(Shared::LinkedDevices, Demand::Required), Ok(vec![1, 3]));
    let one_core = |demand| {
        let mut gang = gang(GangStrategy::Pack, 3);
        let members = members_of_three(&members);
        gang.topology = Some(Topology { shared: Shared::NumaNode, demand });
        plan(&gang, &members, std::slice::from_ref(&room)).map(|seats| seats.len())
    };
    assert_eq!(one_core(Demand::Preferred), Ok(3));
    assert_eq!(
        one_core(Demand::Required).map_err(|shortage| shortage.to_string()),
        Err(r#"gang "g" needs room for its 3 members at once with one NUMA node (pack), there is room for 2"#.to_owned())
    );
}

fn members_of_three<'a>(two: &[Member<'a>]) -> Vec<Member<'a>> {
    let mut members = two.to_vec();
    members.push(Member { task: 2, ..two[0] });
    members
}
