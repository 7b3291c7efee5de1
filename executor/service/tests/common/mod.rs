//! An executor in this process, and a scheduler's end of its channels.

// Each test crate uses its own part of these.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use drawloom_executor::{Config, Handle, start};
use drawloom_model::{
    AssignedInput, Assignment, AttemptEnd, AttemptId, Attribute, Attributes, Failure, FromExecutor,
    InputSource, JobKey, KernelCall, ObjectKey, ObjectReport, Outcome, ProcessOutput, ProcessSpec,
    ResourceRequest, Run, TaskKey, Template, TemplateKey, ToExecutor, Value, Variant,
};
use tokio::sync::mpsc;

pub const JOB: JobKey = JobKey { slot: 1, generation: 0 };

/// Far longer than anything takes; only a test that hangs gets here.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Loom {
    pub handle: Handle,
    pub orders: mpsc::UnboundedSender<Vec<ToExecutor>>,
    news: mpsc::UnboundedReceiver<Vec<FromExecutor>>,
    /// Everything it has said but heartbeats.
    pub said: Vec<FromExecutor>,
    heard: usize,
}

pub fn config() -> Config {
    Config { cores: Some(4), arena_bytes: Some(64 << 20), ..Config::default() }
}

impl Loom {
    pub async fn new(config: Config) -> Self {
        let (outbox, news) = mpsc::unbounded_channel();
        let (orders, inbox) = mpsc::unbounded_channel();
        let handle = start(config, outbox, inbox).await.expect("an executor");
        Loom { handle, orders, news, said: Vec::new(), heard: 0 }
    }

    pub fn tell(&self, messages: Vec<ToExecutor>) {
        self.orders.send(messages).expect("the executor lives");
    }

    pub fn run(&self, assignment: Assignment) {
        self.tell(vec![ToExecutor::Run(Box::new(assignment))]);
    }

    /// The next news but heartbeats.
    pub async fn next(&mut self) -> FromExecutor {
        while self.heard == self.said.len() {
            let batch = tokio::time::timeout(PATIENCE, self.news.recv()).await;
            let batch = batch.expect("news in time").expect("the executor lives");
            self.said.extend(
                batch.into_iter().filter(|m| {
                    !matches!(m, FromExecutor::Heartbeat | FromExecutor::DevicesUsed(_))
                }),
            );
        }
        self.heard += 1;
        self.said[self.heard - 1].clone()
    }

    /// The next end of an attempt.
    pub async fn ended(&mut self) -> AttemptEnd {
        loop {
            if let FromExecutor::Ended(end) = self.next().await {
                return *end;
            }
        }
    }

    /// Runs one attempt; what it makes or why it fails.
    pub async fn result(&mut self, assignment: Assignment) -> Result<Vec<Value>, Failure> {
        let (attempt, first) = (assignment.attempt, assignment.first_output);
        self.run(assignment);
        let end = self.ended().await;
        assert_eq!(end.attempt, attempt);
        match end.outcome {
            Outcome::Succeeded(reports) => Ok(self.values(first, &reports).await),
            Outcome::Failed(failure) => Err(failure),
            Outcome::Cancelled => panic!("nobody cancelled it"),
        }
    }

    async fn values(&self, first: ObjectKey, reports: &[ObjectReport]) -> Vec<Value> {
        let mut values = Vec::new();
        for (key, report) in (first.index..).zip(reports) {
            let key = ObjectKey { index: key, ..first };
            let held = self.handle.objects().read(key).await.expect("it can be read");
            let held = held.expect("a replica stays here");
            match report {
                ObjectReport::Inline(value) => assert_eq!(*value, held),
                ObjectReport::Stored { size_bytes, .. } => {
                    assert_eq!(*size_bytes, held.data.len() as u64);
                }
            }
            values.push(held);
        }
        values
    }
}

pub fn object(index: u32) -> ObjectKey {
    ObjectKey { job: JOB, index }
}

pub fn attempt(index: u32) -> AttemptId {
    AttemptId { task: TaskKey { job: JOB, index }, number: 1 }
}

/// An attempt of a task whose first output has a number of its own.
pub fn assignment(index: u32, run: Run, outputs: u16) -> Assignment {
    let variant = Variant { run, request: ResourceRequest::cores(1), cost_hint: None };
    Assignment {
        attempt: attempt(index),
        template_key: TemplateKey { job: JOB, index: 0 },
        template: Arc::new(Template::new(variant, outputs)),
        variant: 0,
        devices: Default::default(),
        inputs: Default::default(),
        waits_for: Default::default(),
        first_output: object(100 * index),
        priority: 0,
        set_aside: false,
        actor: None,
        job_id: None,
    }
}

pub fn request(assignment: &mut Assignment) -> &mut ResourceRequest {
    &mut Arc::make_mut(&mut assignment.template).variants[0].request
}

pub fn kernel(index: u32, name: &str, attributes: Attributes, outputs: u16) -> Assignment {
    assignment(index, Run::Kernel(KernelCall { name: name.into(), attributes }), outputs)
}

/// Makes a vector of so many equal numbers.
pub fn fill(index: u32, len: i64, value: f64) -> Assignment {
    let attributes = BTreeMap::from([
        ("shape".to_owned(), Attribute::Ints(vec![len])),
        ("value".to_owned(), Attribute::Float(value)),
    ]);
    kernel(index, "fill", attributes, 1)
}

/// A script for `sh`.
pub fn script(text: &str, outputs: Vec<ProcessOutput>) -> ProcessSpec {
    let argv = ["sh", "-c", text].map(str::to_owned).to_vec();
    ProcessSpec { argv, outputs, ..ProcessSpec::default() }
}

pub fn process(index: u32, spec: ProcessSpec) -> Assignment {
    let outputs = spec.outputs.len() as u16;
    assignment(index, Run::Process(spec), outputs)
}

/// An object that comes with its assignment; no other has its key.
pub fn inline(value: Value) -> AssignedInput {
    static SENT: AtomicU32 = AtomicU32::new(1_000_000);
    let object = object(SENT.fetch_add(1, Ordering::Relaxed));
    AssignedInput { object, source: InputSource::Inline(value) }
}

pub fn local(object: ObjectKey) -> AssignedInput {
    AssignedInput { object, source: InputSource::Local }
}

pub fn remote(object: ObjectKey, addresses: &[&str]) -> AssignedInput {
    let sources = addresses.iter().map(|address| Arc::from(*address)).collect();
    AssignedInput { object, source: InputSource::Remote(sources) }
}

pub fn f32s(value: &Value) -> Vec<f32> {
    let bytes = value.data.chunks_exact(4);
    bytes.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}
