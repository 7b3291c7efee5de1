//! Graphs with known answers. Data: two graphs of text-books, and sixty random ones with proven optima.

use std::path::Path;

use drawloom_sim::{Case, Format, Mode, Platform, Record, RunOptions, load, policies};

fn cases(file: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
    let workloads = load(&path.to_string_lossy(), Format::Auto).expect("a workload");
    let platform = Platform::default();
    workloads.iter().map(|it| Case::new(it, &platform).expect("a case")).collect()
}

fn makespans(case: &Case, policies: &[&str]) -> Vec<f64> {
    let bounds = case.bounds();
    let makespan = |policy: &&str| {
        case.run(policy, &RunOptions::default(), &bounds).expect("a schedule").makespan_s
    };
    policies.iter().map(makespan).collect()
}

#[test]
fn published_makespans_are_reproduced() {
    let heft = &cases("heft_topcuoglu2002.json")[0];
    assert_eq!(makespans(heft, &["heft", "cpop"]), [80.0, 86.0]);
    let peft = &cases("peft_arabnejad2014.json")[0];
    assert_eq!(makespans(peft, &["peft", "lookahead-heft", "heft"]), [122.0, 127.0, 133.0]);
    // By other implementations.
    assert_eq!(makespans(heft, &["peft", "lookahead-heft", "min-min"]), [85.0, 76.0, 76.0]);
    assert_eq!(makespans(peft, &["cpop", "min-min"]), [167.0, 122.0]);
    assert_eq!(makespans(heft, &["drawloom"]), [heft.optimum.expect("known")]);
}

#[test]
fn bounds_lie_below_optima_and_our_own_planner_close_above() {
    let mut gaps = Vec::new();
    for case in cases("random60.json.gz") {
        let Some(optimum) = case.optimum else { continue };
        let bounds = case.bounds();
        assert!(
            bounds.best() <= optimum * (1.0 + 1e-9),
            "{}: {bounds:?} > {optimum}",
            case.workload
        );
        let made =
            case.run("drawloom", &RunOptions::default(), &bounds).expect("a schedule").makespan_s;
        assert!(made >= optimum * (1.0 - 1e-9), "{}: {made} < {optimum}", case.workload);
        gaps.push(made / optimum - 1.0);
    }
    assert_eq!(gaps.len(), 44);
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let worst = gaps.iter().copied().fold(0.0, f64::max);
    assert!(mean <= 0.02 && worst <= 0.08, "mean {mean}, worst {worst}");
}

#[test]
fn every_policy_plans_every_generator_and_ours_is_never_behind() {
    let platform = Platform::find("cpu:3x2").expect("a platform");
    for source in ["montage:6", "random:60:3"] {
        let workloads = load(source, Format::Auto).expect("a workload");
        let case = Case::new(&workloads[0], &platform).expect("a case");
        let bounds = case.bounds();
        let record =
            |policy| case.run(policy, &RunOptions::default(), &bounds).expect("a schedule");
        let ours = record("drawloom").makespan_s;
        for (policy, _) in policies() {
            let record = record(policy);
            assert!(record.makespan_s >= record.bound_s * (1.0 - 1e-9), "{record:?}");
            assert!(record.makespan_s >= ours * (1.0 - 1e-9), "{ours}: {record:?}");
            assert_eq!(record.tasks, workloads[0].tasks.len());
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_schedule() {
    let case = &cases("random60.json.gz")[0];
    let bounds = case.bounds();
    for policy in ["drawloom", "random"] {
        let run =
            |seed| case.run(policy, &RunOptions { seed, noise: 0.0 }, &bounds).expect("a schedule");
        let (first, second) = (run(7), run(7));
        assert_eq!((first.makespan_s, first.bytes_moved), (second.makespan_s, second.bytes_moved));
    }
}

#[test]
fn tasks_that_take_other_times_than_told_run_in_possible_schedules() {
    let platform = Platform::find("cpu:4x2").expect("a platform");
    let workloads = load("montage:20", Format::Auto).expect("a workload");
    let case = Case::new(&workloads[0], &platform).expect("a case");
    let bounds = case.bounds();
    for policy in ["heft", "drawloom", "earliest-finish"] {
        let run = |noise| case.run(policy, &RunOptions { seed: 5, noise }, &bounds);
        let (exact, noisy) = (run(0.0).expect("a schedule"), run(0.3).expect("a schedule"));
        assert_ne!(exact.makespan_s, noisy.makespan_s, "{policy}");
        assert!(noisy.makespan_s < 1.5 * exact.makespan_s, "{policy}: {noisy:?}");
    }
}

#[test]
fn the_production_scheduler_is_driven_to_the_end() {
    let platform = Platform::find("cpu:5x2").expect("a platform");
    let workloads = load("random:300", Format::Auto).expect("a workload");
    let case = Case::new(&workloads[0], &platform).expect("a case");
    let bounds = case.bounds();
    let run = || case.run("earliest-finish", &RunOptions::default(), &bounds).expect("a schedule");
    let (first, second) = (run(), run());
    assert_eq!((first.mode, first.tasks), (Mode::Driven, 300));
    assert!(first.decisions >= 300 && first.bytes_moved > 0.0, "{first:?}");
    assert!(first.makespan_s < 1.2 * first.bound_s, "{first:?}");
    let figures = |it: &Record| (it.makespan_s, it.bytes_moved, it.decisions);
    assert_eq!(figures(&first), figures(&second), "the same events, the same decisions");
}
