//! The data plane: objects put, got, passed on and moved, each beside what the machine itself takes.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use drawloom_client::{Client, GraphBuilder, ObjectRef, PageRequest};
use drawloom_model::{
    ExecutorId, LabelOperator, LabelRequirement, ObjectId, ProcessInput, ProcessOutput,
    ProcessSpec, ResourceRequest, Run, TaskGraph, Template, Value, Variant,
};
use tokio::task::JoinSet;

use crate::measure::graph_seconds;
use crate::record::median;

/// Bytes of a large object.
const LARGE_BYTES: usize = 100_000_000;
/// How many small objects there are, how large, and how many are under way at a time.
const SMALL_OBJECTS: usize = 20_000;
const SMALL_BYTES: usize = 1024;
const IN_FLIGHT: usize = 512;
/// How many processes are run.
const PROCESSES: u32 = 400;
/// How often a floor is measured.
const FLOORS: usize = 5;

/// The label that tells executors apart.
pub(crate) const PLACE: &str = "place";

/// The speed of putting a large object, in parts of that of copying it into mapped pages.
pub(crate) async fn put_large(client: &Client) -> Result<f64> {
    let value = large();
    let floor = copy_seconds(&value.data);
    // Giving the caller's pages back to the system is not part of it.
    let given = value.clone();
    let start = Instant::now();
    let object = client.put(given).await?;
    let seconds = start.elapsed().as_secs_f64();
    drop(value);
    client.release(object).await?;
    Ok(floor / seconds)
}

/// Seconds to get a large object that was put before.
pub(crate) async fn get_large(client: &Client) -> Result<f64> {
    let object = client.put(large()).await?;
    // The first get learns where it is.
    drop(client.get(ObjectRef::Put(object)).await?);
    let start = Instant::now();
    let value = client.get(ObjectRef::Put(object)).await?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(value.data.len() == LARGE_BYTES, "the object has another size");
    drop(value);
    client.release(object).await?;
    Ok(seconds)
}

/// Small objects put and got a second.
pub(crate) async fn small(client: &Client) -> Result<[f64; 2]> {
    let value = Value::blob(vec![7; SMALL_BYTES]);
    let start = Instant::now();
    let objects = many((0..SMALL_OBJECTS).map(|_| {
        let (client, value) = (client.clone(), value.clone());
        async move { client.put(value).await }
    }));
    let objects = objects.await?;
    let put = SMALL_OBJECTS as f64 / start.elapsed().as_secs_f64();
    let start = Instant::now();
    let got = many(objects.iter().map(|object| {
        let (client, object) = (client.clone(), ObjectRef::Put(*object));
        async move { client.get(object).await }
    }));
    let got = got.await?;
    let get = SMALL_OBJECTS as f64 / start.elapsed().as_secs_f64();
    ensure!(got.iter().all(|got| got.data == value.data), "an object came back changed");
    let released = many(objects.into_iter().map(|object| {
        let client = client.clone();
        async move { client.release(object).await }
    }));
    released.await?;
    Ok([put, get])
}

/// Runs calls, a bounded number of them at a time.
async fn many<T: Send + 'static>(
    calls: impl Iterator<
        Item = impl Future<Output = Result<T, drawloom_client::Error>> + Send + 'static,
    >,
) -> Result<Vec<T>> {
    let mut running = JoinSet::new();
    let mut done = Vec::new();
    for call in calls {
        if running.len() == IN_FLIGHT
            && let Some(result) = running.join_next().await
        {
            done.push(result??);
        }
        running.spawn(call);
    }
    while let Some(result) = running.join_next().await {
        done.push(result??);
    }
    Ok(done)
}

/// The speed at which a large object moves from one executor to another, in parts of that of one
/// connection that carries nothing else. The executors have labels, see [`PLACE`].
pub(crate) async fn transfer(client: &Client) -> Result<f64> {
    let object = client.put(large()).await?;
    let home = holder(client, object).await?;
    let executors = client.cluster().await?.executors;
    let other = executors.iter().find(|executor| executor.executor != home);
    let place = other.and_then(|other| other.info.labels.get(PLACE)).context("no other place")?;
    let moving = graph_seconds(client, taking(object, place)).await?;
    let staying = graph_seconds(client, taking(object, place)).await?;
    client.release(object).await?;
    Ok(tcp_seconds()? / (moving - staying))
}

async fn holder(client: &Client, object: ObjectId) -> Result<ExecutorId> {
    let objects = client.objects(None, PageRequest::default()).await?.items;
    let found = objects.into_iter().find(|listed| listed.object == Some(ObjectRef::Put(object)));
    let holders = found.context("the object is not listed")?.view.executors;
    holders.first().copied().context("nobody holds the object")
}

/// One task that does nothing but take the object, in one place.
fn taking(object: ObjectId, place: &str) -> TaskGraph {
    let mut graph = GraphBuilder::new("taking");
    let mut template = Template::new(Variant::kernel("noop", Default::default()), 0);
    let operator = LabelOperator::In(vec![place.to_owned()]);
    template.constraints.labels.push(LabelRequirement { key: PLACE.to_owned(), operator });
    let template = graph.template(template);
    let object = graph.external(object);
    graph.add(template, [object], []);
    graph.build()
}

/// What passing a large object from one process to the next takes beyond writing and reading it.
pub(crate) async fn pass(client: &Client) -> Result<f64> {
    let write = format!("head -c {LARGE_BYTES} /dev/zero > /proc/self/fd/$DRAWLOOM_OUT_x");
    let read = "cat /proc/self/fd/${DRAWLOOM_MAP_x%%:*} > /dev/null";
    let mut graph = GraphBuilder::new("pass");
    let producer = ProcessSpec { outputs: vec![ProcessOutput::Map("x".into())], ..shell(&write) };
    let producer = graph.template(template(producer, 1));
    let consumer = ProcessSpec { inputs: vec![ProcessInput::Map("x".into())], ..shell(read) };
    let consumer = graph.template(template(consumer, 0));
    let produced = graph.add(producer, [], []);
    graph.add(consumer, [produced.output(0)], []);
    let graph = graph.build();
    let (mut passed, mut bare) = (Vec::new(), Vec::new());
    // By turns, since how fast the system finds fresh pages changes from moment to moment.
    for _ in 0..FLOORS {
        passed.push(graph_seconds(client, graph.clone()).await?);
        bare.push(bare_pass_seconds()?);
    }
    Ok(median(&mut passed) - median(&mut bare))
}

fn shell(script: &str) -> ProcessSpec {
    let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
    ProcessSpec { argv, ..ProcessSpec::default() }
}

fn template(process: ProcessSpec, outputs: u16) -> Template {
    let request = ResourceRequest::cores(1);
    Template::new(Variant { run: Run::Process(process), request, cost_hint: None }, outputs)
}

/// The same two processes, one after the other, with a file in memory between them.
fn bare_pass_seconds() -> Result<f64> {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let file = tempfile::NamedTempFile::new_in(place)?;
    let path = file.path().display();
    let write = format!("head -c {LARGE_BYTES} /dev/zero > {path}");
    let start = Instant::now();
    for script in [write, format!("cat {path} > /dev/null")] {
        let status = Command::new("sh").args(["-c", &script]).status()?;
        ensure!(status.success(), "{script} failed");
    }
    Ok(start.elapsed().as_secs_f64())
}

/// How many processes that do nothing are run a second, in parts of what a bare loop does with as
/// many threads as the executor has cores.
pub(crate) async fn spawn(client: &Client) -> Result<f64> {
    let cores = client.cluster().await?.executors.iter().map(|e| e.info.capacity.cpu_milli).sum();
    let cores: u64 = cores;
    let mut graph = GraphBuilder::new("spawn");
    let argv = vec!["/bin/true".to_owned()];
    let run = graph.template(template(ProcessSpec { argv, ..ProcessSpec::default() }, 0));
    for _ in 0..PROCESSES {
        graph.add(run, [], []);
    }
    let seconds = graph_seconds(client, graph.build()).await?;
    Ok(bare_spawn_seconds(cores / 1000)? / seconds)
}

fn bare_spawn_seconds(threads: u64) -> Result<f64> {
    let each = u64::from(PROCESSES) / threads.max(1);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let run = || {
            for _ in 0..each {
                let mut command = Command::new("/bin/true");
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                ensure!(command.status()?.success(), "/bin/true failed");
            }
            Ok(())
        };
        let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(run)).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result,
            Err(_) => anyhow::bail!("a thread panicked"),
        })
    })?;
    Ok(start.elapsed().as_secs_f64() * f64::from(PROCESSES) / (each * threads.max(1)) as f64)
}

fn large() -> Value {
    Value::blob(vec![7; LARGE_BYTES])
}

/// Copying into pages that are there already.
fn copy_seconds(data: &[u8]) -> f64 {
    let mut pages = vec![1u8; data.len()];
    let mut seconds: Vec<f64> = (0..FLOORS)
        .map(|_| {
            let start = Instant::now();
            pages.copy_from_slice(std::hint::black_box(data));
            std::hint::black_box(&mut pages);
            start.elapsed().as_secs_f64()
        })
        .collect();
    median(&mut seconds)
}

/// Sending as many bytes over one loopback connection, into pages that are there already.
fn tcp_seconds() -> Result<f64> {
    const WRITE_BYTES: usize = 1 << 20;
    let mut seconds = Vec::with_capacity(FLOORS);
    let mut pages = vec![1u8; LARGE_BYTES];
    for _ in 0..FLOORS {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut sender = TcpStream::connect(listener.local_addr()?)?;
        let (mut receiver, _) = listener.accept()?;
        sender.set_nodelay(true)?;
        let start = Instant::now();
        let sending = std::thread::spawn(move || {
            let piece = vec![7u8; WRITE_BYTES];
            let mut left = LARGE_BYTES;
            while left > 0 {
                let len = left.min(WRITE_BYTES);
                sender.write_all(&piece[..len])?;
                left -= len;
            }
            std::io::Result::Ok(())
        });
        receiver.read_exact(&mut pages)?;
        seconds.push(start.elapsed().as_secs_f64());
        let sent = sending.join();
        sent.ok().context("the sender panicked")??;
    }
    Ok(median(&mut seconds))
}
