//! Kernels against NumPy: calls and results that `fixtures/generate.py` has written.

use std::sync::atomic::AtomicBool;

use drawloom_kernels::{CpuContext, KernelError, Operand, Outputs, run};
use drawloom_model::{Attribute, Attributes, DType, KernelCall, ObjectType, Shape};
use half::{bf16, f16};
use serde_json::Value as Json;

const FIXTURE: &str = include_str!("fixtures/numpy.json");

/// An object of the fixture, its elements in 8-byte words so that every type is aligned.
#[derive(PartialEq, Debug)]
struct Object {
    object_type: ObjectType,
    words: Vec<u64>,
    bytes: usize,
}

impl Object {
    fn new(object_type: ObjectType, bytes: usize) -> Self {
        Object { object_type, words: vec![0; bytes.div_ceil(8)], bytes }
    }

    fn data(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.bytes]
    }

    fn data_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[..self.bytes]
    }

    fn from_json(json: &Json) -> Self {
        let text = json["data"].as_str().expect("data");
        let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
        let data: Vec<u8> = (0..text.len()).step_by(2).map(byte).collect();
        let object_type = json["dtype"].as_str().map_or(ObjectType::Blob, |dtype| {
            let extents = json["shape"].as_array().expect("a shape").iter();
            let shape = Shape::new(extents.map(|extent| extent.as_u64().expect("an extent")));
            ObjectType::Tensor { dtype: DType::from_name(dtype).expect("an element type"), shape }
        });
        let mut object = Object::new(object_type, data.len());
        object.data_mut().copy_from_slice(&data);
        object
    }

    /// The elements as numbers; integers are small enough for that.
    fn numbers(&self) -> Vec<f64> {
        fn read<T: bytemuck::Pod>(data: &[u8], number: impl Fn(T) -> f64) -> Vec<f64> {
            let elements = data.chunks_exact(size_of::<T>());
            elements.map(|bytes| number(bytemuck::pod_read_unaligned(bytes))).collect()
        }
        let data = self.data();
        match self.object_type {
            ObjectType::Blob | ObjectType::Tensor { dtype: DType::U8, .. } => {
                read(data, |x: u8| f64::from(x))
            }
            ObjectType::Tensor { dtype: DType::I32, .. } => read(data, |x: i32| f64::from(x)),
            ObjectType::Tensor { dtype: DType::I64, .. } => read(data, |x: i64| x as f64),
            ObjectType::Tensor { dtype: DType::F16, .. } => read(data, |x: f16| x.to_f64()),
            ObjectType::Tensor { dtype: DType::BF16, .. } => read(data, |x: bf16| x.to_f64()),
            ObjectType::Tensor { dtype: DType::F32, .. } => read(data, |x: f32| f64::from(x)),
            ObjectType::Tensor { dtype: DType::F64, .. } => read(data, |x: f64| x),
        }
    }
}

#[derive(Default)]
struct Heap(Vec<Object>);

impl Outputs for Heap {
    fn create(&mut self, types: &[ObjectType]) -> Result<Vec<&mut [u8]>, KernelError> {
        let object = |one: &ObjectType| {
            Object::new(one.clone(), one.size_bytes().expect("a tensor's size") as usize)
        };
        self.0 = types.iter().map(object).collect();
        Ok(self.0.iter_mut().map(Object::data_mut).collect())
    }

    fn create_blob(&mut self, bytes: usize) -> Result<&mut [u8], KernelError> {
        self.0 = vec![Object::new(ObjectType::Blob, bytes)];
        Ok(self.0[0].data_mut())
    }
}

fn objects(json: &Json) -> Vec<Object> {
    json.as_array().expect("objects").iter().map(Object::from_json).collect()
}

fn attribute(json: &Json) -> Attribute {
    let int = |json: &Json| json.as_i64().expect("an integer");
    match json {
        Json::Bool(value) => Attribute::Bool(*value),
        Json::String(text) => Attribute::Text(text.clone()),
        Json::Array(values) => Attribute::Ints(values.iter().map(int).collect()),
        Json::Number(number) if number.is_f64() => {
            Attribute::Float(number.as_f64().expect("a number"))
        }
        number => Attribute::Int(int(number)),
    }
}

/// What is wrong with the results of a call, where something is.
fn fault(case: &Json) -> Option<String> {
    let attributes = case["attributes"].as_object().expect("attributes").iter();
    let attributes: Attributes =
        attributes.map(|(name, value)| (name.clone(), attribute(value))).collect();
    let name = case["kernel"].as_str().expect("a kernel").to_owned();
    let call = KernelCall { name, attributes };
    let inputs = objects(&case["inputs"]);
    let operands: Vec<Operand<'_>> = inputs
        .iter()
        .map(|object| Operand { object_type: &object.object_type, data: object.data() })
        .collect();
    let (cancel, mut made) = (AtomicBool::new(false), Heap::default());
    if let Err(error) = run(&call, &operands, &CpuContext::new(1, &cancel, None), &mut made) {
        return Some(error.to_string());
    }
    let (expected, tolerance) = (objects(&case["outputs"]), case["tolerance"].as_f64());
    let types = |objects: &[Object]| -> Vec<String> {
        objects.iter().map(|object| object.object_type.to_string()).collect()
    };
    if types(&made.0) != types(&expected) {
        return Some(format!("makes {:?}, not {:?}", types(&made.0), types(&expected)));
    }
    made.0.iter().zip(&expected).find_map(|(made, expected)| {
        let pairs = made.numbers().into_iter().zip(expected.numbers());
        let is_off = |(got, expected): (f64, f64)| {
            let near = (got - expected).abs() <= tolerance.unwrap_or(0.0) * expected.abs().max(1.0);
            !(got == expected || near || got.is_nan() && expected.is_nan())
        };
        let at = pairs.clone().position(is_off)?;
        let (got, wanted) = pairs.clone().nth(at)?;
        Some(format!("element {at} is {got}, not {wanted}"))
    })
}

#[test]
fn kernels_make_what_numpy_makes() {
    let cases: Vec<Json> = serde_json::from_str(FIXTURE).expect("the fixture is JSON");
    assert!(cases.len() > 500, "the fixture has all its calls");
    let mut faults = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        if let Some(fault) = fault(case) {
            let (kernel, attributes) = (&case["kernel"], &case["attributes"]);
            let inputs = types_of(&case["inputs"]);
            faults.push(format!("call {number}, {kernel} {attributes} of {inputs}: {fault}"));
        }
    }
    let few: Vec<String> = faults.iter().take(20).cloned().collect();
    assert!(faults.is_empty(), "{} calls differ, such as\n{}", faults.len(), few.join("\n"));
}

fn types_of(json: &Json) -> String {
    let types = objects(json).into_iter().map(|object| object.object_type.to_string());
    types.collect::<Vec<_>>().join(", ")
}
