//! Runs an example's graph here, task by task, with the CPU kernels.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use drawloom_graphfile::{LoadError, LoadOptions, Loaded, load};
use drawloom_kernels::{CpuContext, KernelError, Operand, Outputs, run};
use drawloom_model::{Input, ObjectType, Run, Value};

/// An example's program, told from the examples' directory, with these parameters.
pub fn example(program: &str, parameters: &[(&str, &str)]) -> Result<Loaded, LoadError> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(program);
    let parameters =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load(&path, &LoadOptions { parameters, ..LoadOptions::default() })
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
pub fn interpret(loaded: &Loaded) -> Vec<Vec<Value>> {
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

/// The number that the graph keeps by this name.
pub fn scalar(loaded: &Loaded, made: &[Vec<Value>], name: &str) -> f32 {
    let output = loaded.graph.outputs.iter().find(|output| output.name == name);
    let value = object(loaded, made, output.expect("an output").object);
    bytemuck::pod_read_unaligned(&value.data)
}
