//! Packing pods onto GPUs. Data: a small cluster and its pods, made up in the likeness of the Alibaba
//! trace of 2023, whose published figures the policies reproduce.

use std::path::{Path, PathBuf};

use drawloom_sim::{Format, Packing, PackingRecord, load, packing_policies};
use tempfile::TempDir;

fn data(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
    path.to_string_lossy().into_owned()
}

fn packing() -> Packing {
    Packing::load(&data("packing_pods.csv"), &data("packing_nodes.csv")).expect("a packing")
}

/// A record without the clock's part.
fn record(packing: &Packing, policy: &str, seed: u64) -> PackingRecord {
    let record = packing.run(policy, seed).expect("a run");
    PackingRecord { scheduler_wall_s: 0.0, ..record }
}

fn mean(packing: &Packing, policy: &str) -> f64 {
    (0..10).map(|seed| record(packing, policy, seed).alloc_pct_at_100).sum::<f64>() / 10.0
}

#[test]
fn every_policy_gives_its_figures() {
    let packing = packing();
    let mut figures = String::new();
    for (policy, _) in packing_policies() {
        figures += &format!("{policy} {:.2}\n", mean(&packing, policy));
    }
    assert_eq!(figures, FIGURES);
}

const FIGURES: &str = "\
drawloom 95.08
fgd 93.59
best-fit 89.99
packing 89.23
clustering 88.00
dot-product 89.33
random 83.96
";

#[test]
fn the_same_seed_gives_the_same_run_and_another_one_another() {
    let packing = packing();
    for (policy, _) in packing_policies() {
        let first = record(&packing, policy, 7);
        assert_eq!(first, record(&packing, policy, 7));
        assert_ne!(first, PackingRecord { seed: 7, ..record(&packing, policy, 8) });
        assert!(first.valid && first.decisions <= first.tasks, "{first:?}");
        assert!(first.alloc_pct_at_100 <= first.alloc_pct_at_130, "{first:?}");
    }
}

#[test]
fn lists_of_pods_are_told_by_their_columns() {
    assert!(Packing::is_meant(&data("packing_pods.csv"), Format::Auto));
    assert!(!Packing::is_meant(&data("packing_nodes.csv"), Format::Auto));
    assert!(!Packing::is_meant(&data("random60.json.gz"), Format::Auto));
    assert!(Packing::is_meant("anything", Format::OpenB));
    let error = load(&data("packing_pods.csv"), Format::OpenB).expect_err("no graph").to_string();
    assert!(error.ends_with("a list of pods is no task graph"), "{error}");
}

#[test]
fn policies_are_known_or_told() {
    let error = packing().run("fdg", 1).expect_err("unknown").to_string();
    assert_eq!(error, "there is no policy \"fdg\"; is \"fgd\" meant?");
}

const NODES: &str = "sn,cpu_milli,memory_mib,gpu,model\nn,32000,1024,2,T4\n";
const PODS: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n";

/// What is said of two lists, to the name of the one at fault.
fn refusal(pods: &str, nodes: &str) -> String {
    refusal_of(pods.as_bytes(), nodes.as_bytes())
}

fn refusal_of(pods: &[u8], nodes: &[u8]) -> String {
    let directory = TempDir::new().expect("a directory");
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    };
    let (pods, nodes) = (file("pods.csv", pods), file("nodes.csv", nodes));
    let (pods, nodes) = (pods.to_string_lossy(), nodes.to_string_lossy());
    let error = match Packing::load(&pods, &nodes) {
        Ok(packing) => packing.run("random", 1).expect_err("it is refused"),
        Err(error) => error,
    };
    error.to_string().replace(&*pods, "PODS").replace(&*nodes, "NODES")
}

/// What is said of the pod `p` with those fields.
fn pod(fields: &str) -> String {
    refusal(&format!("{PODS}p,{fields}\n"), NODES)
}

#[test]
fn lines_and_fields_of_pods_are_named() {
    assert_eq!(pod("-1,1,1,500,"), "PODS: line 2: cpu_milli: -1 is negative");
    assert_eq!(pod("1,,1,500,"), "PODS: line 2: memory_mib: a number is missing");
    assert_eq!(pod("1,1,x,500,"), "PODS: line 2: num_gpu: \"x\" is no whole number");
    assert_eq!(pod("1.5,1,1,500,"), "PODS: line 2: cpu_milli: \"1.5\" is no whole number");
    assert_eq!(pod("1,1,1,1001,"), "PODS: line 2: gpu_milli: 1001 is more than 1000");
    assert_eq!(pod("1,1,65,1000,"), "PODS: line 2: num_gpu: 65 is more than 64");
    assert_eq!(pod("1,1,1,0,"), "PODS: line 2: gpu_milli: nothing of 1 GPUs");
    let parts = "500 of each of 2 GPUs: parts are of a single GPU only";
    assert_eq!(pod("1,1,2,500,"), format!("PODS: line 2: gpu_milli: {parts}"));
    let digits = "99999999999999999999";
    let much = format!("PODS: line 2: cpu_milli: {digits} is more than 1000000000000");
    assert_eq!(pod(&format!("{digits},1,1,500,")), much);
    assert_eq!(pod("1,1,1"), "PODS: line 2: 4 fields, and there are 6 columns");
    assert_eq!(pod("1,1,1,500,\"T4\""), "PODS: line 2: quoted fields are not understood");
    assert_eq!(pod("1,1,0,0,"), "PODS: num_gpu: no pod asks for GPUs");
    assert_eq!(refusal(PODS, NODES), "PODS: num_gpu: no pod asks for GPUs");
    assert_eq!(refusal("", NODES), "PODS: line 1: there is no column \"cpu_milli\"");
}

#[test]
fn lines_and_fields_of_nodes_are_named() {
    let node = |fields: &str| {
        let top = "sn,cpu_milli,memory_mib,gpu,model\n";
        refusal(&format!("{PODS}p,1,1,1,500,\n"), &format!("{top}{fields}\n"))
    };
    assert_eq!(node("n,-5,1,1,T4"), "NODES: line 2: cpu_milli: -5 is negative");
    assert_eq!(node("n,1,1,65,T4"), "NODES: line 2: gpu: 65 is more than 64");
    assert_eq!(node("n,1,1,0,"), "NODES: gpu: no node has GPUs");
    assert_eq!(refusal(PODS, "sn,cpu_milli\n"), "NODES: line 1: there is no column \"memory_mib\"");
    let latin = refusal_of(b"", b"sn,cpu_milli,memory_mib,gpu,model\nn\xe4,1,1,1,\n");
    assert_eq!(latin, "NODES: line 2: it is not text in UTF-8");
    let error = Packing::load(&data("packing_pods.csv"), "cpu:8x4").expect_err("no nodes");
    let wanted = "cpu:8x4: a list of pods needs a list of nodes as its platform, a .csv file";
    assert_eq!(error.to_string(), wanted);
    let error = Packing::load(&data("packing_pods.csv"), "no/nodes.csv").expect_err("no file");
    assert!(error.to_string().starts_with("no/nodes.csv: No such file"), "{error}");
}

#[test]
fn whatever_a_list_holds_is_refused_or_packed() {
    let pods = std::fs::read_to_string(data("packing_pods.csv")).expect("text");
    let nodes = std::fs::read_to_string(data("packing_nodes.csv")).expect("text");
    let directory = TempDir::new().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..300 {
        let (mut pods, mut nodes) = (pods.clone().into_bytes(), nodes.clone().into_bytes());
        for bytes in [&mut pods, &mut nodes] {
            for _ in 0..random.usize(0..4) {
                let at = random.usize(..bytes.len());
                bytes[at] = *random.choice(b"0919,-|\n\"x\xff").expect("one");
            }
            bytes.truncate(random.usize(bytes.len() / 2..=bytes.len()));
        }
        std::fs::write(path("pods.csv"), pods).expect("written");
        std::fs::write(path("nodes.csv"), nodes).expect("written");
        if let Ok(packing) = Packing::load(&path("pods.csv"), &path("nodes.csv")) {
            packing.run("drawloom", 1).expect("a valid run");
        }
    }
}
