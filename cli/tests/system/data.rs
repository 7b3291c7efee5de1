//! Objects: put, got, listed and released by people.

use std::fs;

use crate::cluster::page;
use crate::harness::{Cluster, GraphFile, Server, eventually};

/// Bytes that no two places share.
fn pattern(len: usize) -> Vec<u8> {
    let step = |index: usize| (index.wrapping_mul(2_654_435_761) >> 7) as u8;
    (0..len).map(step).collect()
}

#[test]
fn objects_go_in_and_come_out() {
    let cluster = Cluster::start(2);
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    for len in [5, 3_000_000] {
        let data = pattern(len);
        fs::write(path("in"), &data).expect("written");
        let put = cluster.say(&["put", &path("in")]);
        assert_eq!(put.code, Some(0), "{}", put.err);
        let object = put.out.trim();
        let got = cluster.say(&["get", object, "-o", &path("out")]);
        assert_eq!(got.code, Some(0), "{}", got.err);
        assert!(fs::read(path("out")).expect("written") == data);
        let told = cluster.say(&["--json", "get", object, "-o", &path("out")]).last();
        assert_eq!((&told["type"], &told["size_bytes"]), (&"blob".into(), &len.into()));
        assert_eq!(cluster.say(&["release", object]).code, Some(0));
        for command in ["get", "release"] {
            let gone = cluster.say(&[command, object]);
            assert_eq!(gone.code, Some(2));
            assert!(gone.err.contains("no object"), "{}", gone.err);
        }
    }
    // One that is not there keeps nobody from releasing the next.
    fs::write(path("in"), "x").expect("written");
    let object = cluster.say(&["put", &path("in")]).out.trim().to_owned();
    let unknown = object.replace(|c: char| c.is_ascii_hexdigit() && c != 'b', "0");
    let both = cluster.say(&["release", &unknown, &object]);
    assert_eq!(both.code, Some(2), "{}", both.err);
    assert!(both.err.contains(&unknown), "{}", both.err);
    assert_eq!(cluster.say(&["--json", "objects"]).json(), [] as [serde_json::Value; 0]);
}

#[test]
fn objects_are_listed_page_by_page() {
    let cluster = Cluster::start(1);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("f32").to_str().expect("UTF-8").to_owned();
    fs::write(&file, pattern(24 * 10_000)).expect("written");
    let put = cluster.say(&["--json", "put", &file, "--type", "f32[6,10000]"]).last();
    assert_eq!(put["type"], "f32[6, 10000]");
    let text = "[[tasks]]\nname = \"big\"\nkernel = \"fill\"\n\
                attributes = { shape = [50000], value = 1.0 }\n\
                [outputs]\nkept = \"big\"\n";
    let graph = GraphFile::new("one.toml", text);
    let run = cluster.say(&["--json", "run", graph.path()]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let job = run.last()["job"].as_str().expect("a job").to_owned();

    let all = cluster.say(&["--json", "objects"]).json();
    let names: Vec<&str> = all.iter().filter_map(|object| object["object"].as_str()).collect();
    let kept = format!("{job}:kept");
    assert_eq!(names, [kept.as_str(), put["object"].as_str().expect("an id")]);
    assert_eq!((&all[0]["size_bytes"], &all[0]["put"]), (&200_000.into(), &false.into()));
    assert_eq!((&all[1]["type"], &all[1]["put"]), (&put["type"], &true.into()));
    assert!(all.iter().all(|object| object["executors"].as_array().is_some_and(|e| e.len() == 1)));
    let one = cluster.say(&["--json", "objects", "--limit", "1"]);
    assert_eq!(one.json().len(), 1);
    assert!(cluster.say(&["objects", "--limit", "1"]).err.contains("there are more"));
    assert_eq!(cluster.say(&["--json", "objects", &job]).json().len(), 1);
    for name in [format!("{job}/big"), format!("{job}/0/0"), kept] {
        let got = cluster.say(&["get", &name, "-o", &file]);
        assert_eq!(got.code, Some(0), "{}", got.err);
        let ones = fs::read(&file).expect("written");
        assert!(ones.len() == 200_000 && ones.chunks(4).all(|one| one == 1f32.to_le_bytes()));
    }
    fs::write(&file, "two words\n").expect("written");
    let words = cluster.say(&["put", &file]);
    assert_eq!(cluster.say(&["get", words.out.trim()]).out, "two words\n");
}

#[test]
fn what_cannot_be_put_or_got_is_told() {
    let cluster = Cluster::start(0);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("seven").to_str().expect("UTF-8").to_owned();
    fs::write(&file, b"7 bytes").expect("written");
    let large = folder.path().join("large").to_str().expect("UTF-8").to_owned();
    fs::write(&large, pattern(100_000)).expect("written");
    let nobody = format!("job-{}", "0".repeat(32));
    for (arguments, part) in [
        (vec!["put", &file, "--type", "f32[2]"], "has 7 bytes, which do not go with f32[2]"),
        (vec!["put", &file, "--type", "f99[2]"], "is no type of an object"),
        (vec!["put", "/nowhere/at/all"], "/nowhere/at/all: No such file"),
        (vec!["put", &large], "no executor has joined that could keep 100000 bytes"),
        (vec!["get", "thing"], "is no object: write obj-..., JOB:OUTPUT"),
        (vec!["get", &format!("{nobody}:sum")], "there is no job"),
        (vec!["objects", &nobody], "there is no job"),
        (vec!["release"], "required"),
    ] {
        let said = cluster.say(&arguments);
        assert_eq!(said.code, Some(2), "{arguments:?}: {}", said.err);
        assert!(said.err.contains(part), "{}", said.err);
    }
}

#[test]
fn objects_beyond_memory_go_to_disk_and_come_back() {
    let place = tempfile::tempdir().expect("a place");
    let mut cluster = Cluster::start(0);
    let endpoint = cluster.scheduler.endpoint().to_owned();
    let spill = place.path().to_str().expect("UTF-8");
    let mut arguments = vec!["executor", "--scheduler", &endpoint, "--cores", "1"];
    arguments.extend(["--object-memory", "16M", "--spill-dir", spill]);
    cluster.executors.push(Server::start_silent(&arguments));
    eventually("it has joined", || cluster.nodes().len() == 1);
    let tasks: String = (0..8)
        .map(|index| {
            let attributes = format!("{{ shape = [1000000], value = {index} }}");
            format!(
                "[[tasks]]\nname = \"f{index}\"\nkernel = \"fill\"\nattributes = {attributes}\n"
            )
        })
        .collect();
    let sum: Vec<String> = (0..8).map(|index| format!("\"f{index}\"")).collect();
    let pairs: String = (0..7)
        .map(|index| {
            format!(
                "[[tasks]]\nname = \"s{index}\"\nkernel = \"sum_n\"\ninputs = [{}, {}]\n",
                sum[index],
                sum[index + 1]
            )
        })
        .collect();
    let outputs: String = (0..7).map(|index| format!("s{index} = \"s{index}\"\n")).collect();
    let graph = GraphFile::new("big.toml", &format!("{tasks}{pairs}[outputs]\n{outputs}"));
    let run = cluster.say(&["--json", "run", graph.path()]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let job = run.last()["job"].as_str().expect("a job").to_owned();
    let node = &cluster.nodes()[0];
    assert!(node["spilled_bytes"].as_u64().is_some_and(|bytes| bytes >= 12_000_000), "{node}");
    assert_eq!(node["free"], node["capacity"], "every claim was given back");
    assert!(cluster.say(&["nodes"]).out.contains("on disk)"));
    let listed = cluster.say(&["--json", "objects", &job]).json();
    let on_disk = |o: &serde_json::Value| o["spilled"].as_array().is_some_and(|s| !s.is_empty());
    assert!(listed.iter().any(on_disk) && !listed.iter().all(on_disk), "{listed:?}");
    let file = place.path().join("got").to_str().expect("UTF-8").to_owned();
    for index in 0..7 {
        let got = cluster.say(&["get", &format!("{job}:s{index}"), "-o", &file]);
        assert_eq!(got.code, Some(0), "{}", got.err);
        let expected = (2.0 * index as f32 + 1.0).to_le_bytes();
        assert!(fs::read(&file).expect("written").chunks(4).all(|element| element == expected));
    }
    cluster.executors[0].signal("TERM");
    let nowhere = cluster.executors[0].wait();
    assert_eq!(nowhere, Some(0));
    let left: Vec<_> = fs::read_dir(place.path()).expect("a directory").flatten().collect();
    assert_eq!(left.len(), 1, "what was got alone: {left:?}");
}

#[test]
fn clients_on_the_same_machine_share_memory() {
    let mut cluster = Cluster::start(0);
    let endpoint = cluster.scheduler.endpoint().to_owned();
    let arguments = ["--json", "executor", "--scheduler", &endpoint, "--metrics", "127.0.0.1:0"];
    cluster.executors.push(Server::start(&arguments));
    eventually("it has joined", || cluster.nodes().len() == 1);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("in").to_str().expect("UTF-8").to_owned();
    fs::write(&file, pattern(3_000_000)).expect("written");
    let object = cluster.say(&["put", &file]).out.trim().to_owned();
    let got = cluster.say(&["get", &object, "-o", &file]);
    assert_eq!(got.code, Some(0), "{}", got.err);
    assert!(fs::read(&file).expect("written") == pattern(3_000_000));
    let metrics = page(&cluster.executors[0]);
    assert!(metrics.contains("executor_shown_bytes_total 3000000"), "{metrics}");
    assert!(!metrics.contains("executor_received_bytes_total 3"), "nothing came by the network");
    assert_eq!(cluster.say(&["release", &object]).code, Some(0));
    eventually("its memory is free", || {
        page(&cluster.executors[0]).contains("executor_arena_used_bytes 0")
    });
}

#[test]
fn an_object_larger_than_the_store_is_refused() {
    let mut cluster = Cluster::start(0);
    let endpoint = cluster.scheduler.endpoint().to_owned();
    let arguments = ["executor", "--scheduler", &endpoint, "--object-memory", "1M"];
    cluster.executors.push(Server::start_silent(&arguments));
    eventually("it has joined", || cluster.nodes().len() == 1);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("in").to_str().expect("UTF-8").to_owned();
    fs::write(&file, pattern(3_000_000)).expect("written");
    let said = cluster.say(&["put", &file]);
    assert_eq!(said.code, Some(2));
    let part = "an object of 3000000 bytes is larger than the object store of 1048576";
    assert!(said.err.contains(part), "{}", said.err);
    let text = "[[tasks]]\nkernel = \"fill\"\nattributes = { shape = [1000000], value = 1 }\n";
    let run = cluster.say(&["run", GraphFile::new("g.toml", text).path()]);
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("larger than the object store of 1048576"), "{}", run.err);
    assert_eq!(cluster.say(&["--json", "objects"]).json(), [] as [serde_json::Value; 0]);
}
