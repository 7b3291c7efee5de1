//! Starting `drawloom` and reading what it says.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than anything here takes on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program under test, deaf to the environment of whoever runs the tests.
pub fn drawloom() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drawloom"));
    command.env_remove("DRAWLOOM_ENDPOINT").env_remove("DRAWLOOM_LOG").stdin(Stdio::null());
    command
}

/// What a command that ends by itself said.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn new(output: Output) -> Self {
        Said {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Every line of JSON on the standard output.
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
        };
        self.out.lines().map(parse).collect()
    }

    /// The last line of JSON.
    pub fn last(&self) -> Value {
        self.json().pop().unwrap_or_else(|| panic!("no output; errors: {}", self.err))
    }
}

/// Runs a command to its end.
pub fn say(arguments: &[&str]) -> Said {
    Said::new(drawloom().args(arguments).output().expect("drawloom starts"))
}

/// An example of the repository.
pub fn example(name: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
    path.to_str().expect("UTF-8").to_owned()
}

/// A folder with one graph file in it.
pub struct GraphFile {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl GraphFile {
    pub fn new(name: &str, text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        GraphFile { _folder: folder, path }
    }

    pub fn path(&self) -> &str {
        self.path.to_str().expect("UTF-8")
    }
}

/// A process that runs until it is stopped; killed when this is dropped.
pub struct Server {
    child: Child,
    /// What it announced.
    pub announced: Value,
}

impl Server {
    /// Starts a command that announces itself with a line of JSON.
    pub fn start(arguments: &[&str]) -> Self {
        let mut server = Server::start_silent(arguments);
        let out = server.child.stdout.take().expect("piped");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("read");
        server.announced = serde_json::from_str(&line).expect("an announcement");
        server
    }

    /// Starts a command that announces nothing.
    pub fn start_silent(arguments: &[&str]) -> Self {
        Server::start_silent_with(arguments, &[])
    }

    /// The same with more in its environment.
    pub fn start_silent_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = drawloom();
        command.envs(environment.iter().copied());
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = command.spawn().expect("drawloom starts");
        Server { child, announced: Value::Null }
    }

    /// Starts a command whose standard error is listened to.
    pub fn start_talking(arguments: &[&str]) -> Self {
        let mut command = drawloom();
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().expect("drawloom starts");
        Server { child, announced: Value::Null }
    }

    /// Waits for a line on the standard error that has this part; answers the line.
    pub fn line_with(&mut self, part: &str) -> String {
        let err = self.child.stderr.as_mut().expect("piped");
        let mut lines = BufReader::new(err).lines().map(|line| line.expect("text"));
        lines.find(|line| line.contains(part)).expect("it says so before it ends")
    }

    /// The address that it announced first.
    pub fn endpoint(&self) -> &str {
        self.announced["addresses"][0].as_str().expect("an address")
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Asks it to end; answers its exit code.
    pub fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait()
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().expect("kill starts");
        assert!(status.success());
    }

    /// Waits until it ends; answers its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A scheduler with executors, each a process of its own.
pub struct Cluster {
    pub scheduler: Server,
    pub executors: Vec<Server>,
}

impl Cluster {
    /// Starts executors of one core each, named `x0`, `x1` and so on.
    pub fn start(executors: usize) -> Self {
        let scheduler = Server::start(&["--json", "scheduler", "--listen", "127.0.0.1:0"]);
        let mut cluster = Cluster { scheduler, executors: Vec::new() };
        for index in 0..executors {
            cluster.add_executor(&format!("x{index}"));
        }
        eventually("every executor has joined", || cluster.nodes().len() == executors);
        cluster
    }

    pub fn add_executor(&mut self, name: &str) {
        self.add_executor_with(name, &[]);
    }

    /// The same with more arguments.
    pub fn add_executor_with(&mut self, name: &str, more: &[&str]) {
        self.add_executor_in(name, more, &[]);
    }

    /// The same with more in its environment.
    pub fn add_executor_in(&mut self, name: &str, more: &[&str], environment: &[(&str, &str)]) {
        let endpoint = self.scheduler.endpoint().to_owned();
        let place = ["executor", "--scheduler", &endpoint, "--name", name];
        let size = ["--cores", "1", "--memory", "512M"];
        let arguments = [&place[..], &size, more].concat();
        self.executors.push(Server::start_silent_with(&arguments, environment));
    }

    /// Runs a command against this cluster.
    pub fn say(&self, arguments: &[&str]) -> Said {
        let mut all = vec!["--endpoint", self.scheduler.endpoint()];
        all.extend(arguments);
        say(&all)
    }

    /// The executors as the scheduler sees them.
    pub fn nodes(&self) -> Vec<Value> {
        self.say(&["--json", "nodes"]).json()
    }

    /// Submits a graph; answers the job's id.
    pub fn submit(&self, file: &str) -> String {
        let said = self.say(&["submit", file]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        said.out.trim().to_owned()
    }

    /// How many tasks of a job are in a state.
    pub fn count(&self, job: &str, state: &str) -> u64 {
        self.say(&["--json", "status", job]).last()["tasks"][state].as_u64().expect("a count")
    }
}

/// Waits until something holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "it does not come true that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
