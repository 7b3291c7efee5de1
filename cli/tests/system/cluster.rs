//! Clusters: up in one command, and down again.

use std::net::TcpListener;

use crate::harness::{Cluster, GraphFile, Server, drawloom, eventually, example, say};

#[test]
fn up_runs_a_cluster_until_it_is_stopped() {
    let up = Server::start(&["--json", "up", "--executors", "2", "--listen", "127.0.0.1:0"]);
    let endpoint = up.endpoint().to_owned();
    let report = say(&["--endpoint", &endpoint, "--json", "run", &example("hello.toml")]).last();
    assert_eq!(report["state"], "succeeded");
    let names: Vec<&str> = report["devices"]
        .as_array()
        .expect("devices")
        .iter()
        .filter_map(|d| d["executor"].as_str())
        .collect();
    assert_eq!(names, ["up-0", "up-1"]);
    assert_eq!(up.stop(), Some(0));
    let gone = say(&["--endpoint", &endpoint, "status"]);
    assert_eq!(gone.code, Some(3));
    assert!(gone.err.contains("cannot be reached"), "{}", gone.err);
}

#[test]
fn what_up_started_goes_with_it() {
    let mut up = Server::start(&["--json", "up", "--listen", "127.0.0.1:0"]);
    let endpoint = up.endpoint().to_owned();
    up.kill();
    eventually("the scheduler is gone", || {
        say(&["--endpoint", &endpoint, "status"]).code == Some(3)
    });
}

#[test]
fn unix_sockets_serve_clients() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("s").to_str().expect("UTF-8").to_owned();
    let scheduler =
        Server::start(&["--json", "scheduler", "--listen", "127.0.0.1:0", "--unix", &socket]);
    let status = say(&["--endpoint", &format!("unix:{socket}"), "--json", "status"]);
    assert_eq!(status.last()["executors"], 0, "{}", status.err);
    assert_eq!(scheduler.stop(), Some(0));
}

#[test]
fn the_endpoint_may_come_from_the_environment() {
    let cluster = Cluster::start(0);
    let mut command = drawloom();
    command.env("DRAWLOOM_ENDPOINT", cluster.scheduler.endpoint()).args(["jobs", "--json"]);
    let output = command.output().expect("drawloom starts");
    assert!(output.status.success() && output.stdout.is_empty());
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let said = say(&["scheduler", "--listen", &address]);
    assert_eq!(said.code, Some(3));
    assert!(said.err.contains(&format!("{address} is in use")), "{}", said.err);
}

#[test]
fn only_loopback_is_listened_on() {
    for arguments in [
        ["scheduler", "--listen", "0.0.0.0:7070"],
        ["executor", "--listen", "192.168.1.2:0"],
        ["up", "--listen", "0.0.0.0:0"],
    ] {
        let said = say(&arguments);
        assert_eq!(said.code, Some(2));
        assert!(said.err.contains("not a loopback address"), "{}", said.err);
    }
}

#[test]
fn metrics_are_served() {
    let scheduler = Server::start(&[
        "--json",
        "scheduler",
        "--listen",
        "127.0.0.1:0",
        "--metrics",
        "127.0.0.1:0",
    ]);
    let text = page(&scheduler);
    for name in [
        "200 OK",
        "scheduler_tasks{state=\"running\"}",
        "# HELP scheduler_placements_total",
        "scheduler_inputs_total{place=\"local\"}",
    ] {
        assert!(text.contains(name), "{name} is not in {text}");
    }
    let mut executor = Server::start(&[
        "--json",
        "executor",
        "--name",
        "metered",
        "--cores",
        "2",
        "--scheduler",
        scheduler.endpoint(),
        "--metrics",
        "127.0.0.1:0",
    ]);
    let text = "tasks:\n  - {name: a, process: {argv: [echo, hello]}}\n";
    let file = GraphFile::new("e.yaml", text);
    let run = ["--endpoint", scheduler.endpoint(), "run", file.path(), "--wait-for-resources"];
    let said = say(&run);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let text = page(&executor);
    for name in [
        "200 OK",
        "executor_attempts_total{kernel=\"process\",outcome=\"succeeded\"} 1",
        "# HELP executor_run_seconds",
        "executor_output_bytes_total 6",
    ] {
        assert!(text.contains(name), "{name} is not in {text}");
    }
    let offered = "executor_cores{executor=\"metered\",kind=\"offered\"}";
    eventually("its cores", || page(&scheduler).contains(&format!("{offered} 2\n")));
    executor.kill();
    eventually("no cores", || page(&scheduler).contains(&format!("{offered} 0\n")));
}

#[test]
fn metrics_have_an_address_of_their_own() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("bound").to_string();
    for (address, code, part) in [
        (taken.as_str(), 3, "is in use"),
        ("0.0.0.0:0", 2, "not a loopback address"),
        ("localhost", 2, "no address to listen on"),
    ] {
        for server in ["scheduler", "executor"] {
            let said = say(&[server, "--listen", "127.0.0.1:0", "--metrics", address]);
            assert_eq!(said.code, Some(code), "{}", said.err);
            assert!(said.err.contains(part), "{}", said.err);
        }
    }
}

/// What a server's metrics page shows.
pub fn page(server: &Server) -> String {
    let page = server.announced["metrics"].as_str().expect("an address");
    let address = page.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/metrics"));
    fetch(address.expect("an address"), "/metrics")
}

/// A plain HTTP request.
fn fetch(address: &str, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("written");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("read");
    text
}

#[test]
fn tasks_wait_for_an_executor_only_where_that_is_asked_for() {
    let mut cluster = Cluster::start(0);
    let file = GraphFile::new("one.toml", "[[tasks]]\nkernel = \"noop\"\n");
    let refused = cluster.say(&["run", file.path()]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("no executor has joined"), "{}", refused.err);
    let endpoint = cluster.scheduler.endpoint();
    let run = ["--endpoint", endpoint, "run", file.path(), "--wait-for-resources"];
    let mut waiting = Server::start_talking(&run);
    let told = waiting.line_with("task 0 waits");
    assert!(told.contains("no executor"), "{told}");
    let said = cluster.say(&["submit", file.path(), "--wait-for-resources"]);
    let job = said.out.trim().to_owned();
    assert_eq!(cluster.count(&job, "ready"), 1);
    cluster.add_executor("late");
    assert_eq!(cluster.say(&["watch", &job]).code, Some(0));
    assert_eq!(waiting.wait(), Some(0));
}

#[test]
fn tasks_may_take_and_make_more_small_objects_than_a_message_holds() {
    const OBJECTS: usize = 300;
    let graph = GraphFile::new("many.json", "");
    let folder = std::path::Path::new(graph.path()).parent().expect("a folder").to_owned();
    std::fs::write(folder.join("part"), vec![7; 60_000]).expect("written");
    let parts = vec!["part"; OBJECTS];
    let outputs: Vec<_> =
        (0..OBJECTS).map(|n| serde_json::json!({ "file": n.to_string() })).collect();
    let makes = format!("for n in $(seq 0 {}); do head -c 60000 /dev/zero > $n; done", OBJECTS - 1);
    let text = serde_json::json!({
        "inputs": { "part": { "file": "part" } },
        "tasks": [
            { "name": "takes", "kernel": "noop", "inputs": parts },
            {
                "name": "makes",
                "process": { "argv": ["sh", "-c", makes], "outputs": outputs },
            },
        ],
    });
    std::fs::write(graph.path(), text.to_string()).expect("written");
    let cluster = Cluster::start(1);
    let report = cluster.say(&["--json", "run", graph.path()]);
    assert_eq!(report.code, Some(0), "{}", report.err);
    assert_eq!(report.last()["tasks"]["succeeded"], 2);
}

#[test]
fn watching_from_the_end_tells_the_end_and_from_beyond_is_refused() {
    let cluster = Cluster::start(1);
    let report = cluster.say(&["--json", "run", &example("hello.toml")]).last();
    let job = report["job"].as_str().expect("an id").to_owned();
    let events = cluster.say(&["--json", "watch", &job]).json().len();
    let again = cluster.say(&["--json", "watch", &job, "--from", &events.to_string()]);
    assert_eq!(again.code, Some(0), "{}", again.err);
    let beyond = cluster.say(&["watch", &job, "--from", &(events + 1).to_string()]);
    assert_eq!(beyond.code, Some(2), "{}", beyond.err);
    assert!(beyond.err.contains("none can be watched from"), "{}", beyond.err);
}
