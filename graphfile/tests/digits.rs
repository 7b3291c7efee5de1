//! The digits program trains: its graph is run here, task by task, with the CPU kernels.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use drawloom_graphfile::{LoadOptions, Loaded, load};
use drawloom_kernels::{CpuContext, KernelError, Operand, Outputs, run};
use drawloom_model::{Input, ObjectType, Run, Value};

fn digits(parameters: &[(&str, &str)]) -> Loaded {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/digits/digits.star");
    let parameters =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let options = LoadOptions { parameters, ..LoadOptions::default() };
    load(&path, &options).unwrap_or_else(|error| panic!("{error}"))
}

/// Outputs on the heap, in 8-byte words so that every element type is aligned.
#[derive(Default)]
struct Heap(Vec<(ObjectType, Vec<u64>, usize)>);

impl Outputs for Heap {
    fn create(&mut self, types: &[ObjectType]) -> Result<Vec<&mut [u8]>, KernelError> {
        for object_type in types {
            let bytes = object_type.size_bytes().expect("a tensor") as usize;
            self.0.push((object_type.clone(), vec![0; bytes.div_ceil(8)], bytes));
        }
        let buffers = self.0.iter_mut();
        Ok(buffers
            .map(|(_, words, bytes)| &mut bytemuck::cast_slice_mut(words)[..*bytes])
            .collect())
    }

    fn create_blob(&mut self, bytes: usize) -> Result<&mut [u8], KernelError> {
        Err(KernelError::OutOfMemory { bytes: bytes as u64 })
    }
}

/// The outputs of every task. Programs name what is made before what takes it, so the order of
/// the tasks is one in which they can run.
fn interpret(loaded: &Loaded) -> Vec<Vec<Value>> {
    let cancel = AtomicBool::new(false);
    let context = CpuContext::new(1, &cancel, None);
    let mut made: Vec<Vec<Value>> = Vec::new();
    for task in &loaded.graph.tasks {
        let inputs: Vec<Value> =
            task.inputs.iter().map(|input| object(loaded, &made, *input)).collect();
        let operands: Vec<Operand<'_>> = inputs
            .iter()
            .map(|Value { object_type, data }| Operand { object_type, data })
            .collect();
        let template = &loaded.graph.templates[task.template as usize];
        let Run::Kernel(call) = &template.variants[0].run else { panic!("only kernels") };
        let mut heap = Heap::default();
        run(call, &operands, &context, &mut heap).unwrap_or_else(|error| panic!("{error}"));
        let values = heap.0.into_iter().map(|(object_type, words, bytes)| Value {
            object_type,
            data: bytemuck::cast_slice::<u64, u8>(&words)[..bytes].to_vec().into(),
        });
        made.push(values.collect());
    }
    made
}

fn object(loaded: &Loaded, made: &[Vec<Value>], input: Input) -> Value {
    match input {
        Input::Task { task, output } => made[task as usize][usize::from(output)].clone(),
        Input::Literal(index) => loaded.graph.literals[index as usize].value.clone(),
        Input::External(index) => Value::blob(loaded.files[index as usize].bytes.clone()),
    }
}

fn scalar(loaded: &Loaded, made: &[Vec<Value>], name: &str) -> f32 {
    let output = loaded.graph.outputs.iter().find(|output| output.name == name);
    let value = object(loaded, made, output.expect("an output").object);
    bytemuck::pod_read_unaligned(&value.data)
}

#[test]
fn the_default_program_has_thousands_of_tasks_and_few_copies_of_anything() {
    let loaded = digits(&[]);
    let tasks = loaded.graph.tasks.len();
    assert!((4_000..=10_500).contains(&tasks), "{tasks} tasks");
    assert!(loaded.graph.templates.len() * 5 < tasks, "{}", loaded.graph.templates.len());
    assert_eq!(loaded.files.len(), 1);
    assert_eq!(loaded.files[0].name, "digits.csv");
}

#[test]
fn it_reads_at_least_97_percent_of_the_digits_held_out() {
    let loaded = digits(&[]);
    let made = interpret(&loaded);
    let (accuracy, loss) = (scalar(&loaded, &made, "accuracy"), scalar(&loaded, &made, "loss"));
    assert!(accuracy >= 0.97, "accuracy {accuracy}");
    assert!(loss < 0.3, "loss {loss}");
}

#[test]
fn a_bad_parameter_is_explained_by_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/digits/digits.star");
    let parameters = [("shards".to_owned(), "7".to_owned())].into();
    let error = load(&path, &LoadOptions { parameters, ..LoadOptions::default() });
    let error = error.expect_err("7 does not divide 64").to_string();
    assert!(error.contains("digits.star:28: ") && error.contains("batch = 64"), "{error}");
}
