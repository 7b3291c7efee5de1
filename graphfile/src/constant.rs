//! Numbers in graph files turned into tensors.

use bytes::Bytes;
use drawloom_model::{DType, INLINE_LIMIT_BYTES, ObjectType, Shape, Value};
use half::{bf16, f16};

use crate::error::{Checked, Fault};
use crate::plain::Nested;

/// The deepest nesting of lists taken.
const RANK_LIMIT: usize = 16;

/// The tensor of `nested`: its shape is that of the lists, or `shape` with as many elements.
pub(crate) fn tensor(nested: &Nested, dtype: DType, shape: Option<&[u64]>) -> Checked<Value> {
    let mut flat = Flat { dtype, shape: Vec::new(), data: Vec::new() };
    flat.measure(nested)?;
    flat.push(nested, 0)?;
    let elements = flat.data.len() / dtype.size_bytes();
    let shape = match shape {
        None => Shape::new(flat.shape),
        Some(extents) => reshaped(extents, elements).map_err(|fault| fault.under("shape"))?,
    };
    Ok(Value { object_type: ObjectType::Tensor { dtype, shape }, data: Bytes::from(flat.data) })
}

fn reshaped(extents: &[u64], elements: usize) -> Checked<Shape> {
    let shape = Shape::new(extents.iter().copied());
    if shape.checked_elements() == Some(elements as u64) {
        return Ok(shape);
    }
    Err(Fault::new(format!("{shape} does not hold the {elements} element(s) given")))
}

struct Flat {
    dtype: DType,
    shape: Vec<u64>,
    data: Vec<u8>,
}

impl Flat {
    /// Takes the shape from the first item of every level.
    fn measure(&mut self, nested: &Nested) -> Checked<()> {
        let mut level = nested;
        while let Nested::List(items) = level {
            self.shape.push(items.len() as u64);
            if self.shape.len() > RANK_LIMIT {
                return Err(Fault::new(format!("more than {RANK_LIMIT} levels of lists")));
            }
            let Some(first) = items.first() else { break };
            level = first;
        }
        Ok(())
    }

    fn push(&mut self, nested: &Nested, depth: usize) -> Checked<()> {
        match nested {
            Nested::List(items) => {
                let expected = self.shape.get(depth).copied();
                if expected != Some(items.len() as u64) {
                    return Err(self.ragged(&format!("a list of {}", items.len()), depth));
                }
                for (index, item) in items.iter().enumerate() {
                    self.push(item, depth + 1).map_err(|fault| fault.within(index))?;
                }
                Ok(())
            }
            _ if depth != self.shape.len() => Err(self.ragged("a number", depth)),
            Nested::Bool(value) => self.push_int(i64::from(*value)),
            Nested::Int(value) => self.push_int(*value),
            Nested::Float(value) => self.push_float(*value),
        }
    }

    fn ragged(&self, got: &str, depth: usize) -> Box<Fault> {
        let expected = match self.shape.get(depth) {
            Some(count) => format!("a list of {count}"),
            None => "a number".to_owned(),
        };
        Fault::new(format!("is {got} where the first of its level is {expected}"))
    }

    fn push_int(&mut self, value: i64) -> Checked<()> {
        let refused = |_| Fault::new(format!("{value} does not fit into {}", self.dtype));
        match self.dtype {
            DType::U8 => self.data.push(u8::try_from(value).map_err(refused)?),
            DType::I32 => {
                let value = i32::try_from(value).map_err(refused)?;
                self.data.extend(value.to_le_bytes());
            }
            DType::I64 => self.data.extend(value.to_le_bytes()),
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 => {
                return self.push_float(value as f64);
            }
        }
        self.check_size()
    }

    fn push_float(&mut self, value: f64) -> Checked<()> {
        match self.dtype {
            DType::F16 => self.data.extend(f16::from_f64(value).to_le_bytes()),
            DType::BF16 => self.data.extend(bf16::from_f64(value).to_le_bytes()),
            DType::F32 => self.data.extend((value as f32).to_le_bytes()),
            DType::F64 => self.data.extend(value.to_le_bytes()),
            DType::U8 | DType::I32 | DType::I64 => {
                let dtype = self.dtype;
                return Err(Fault::new(format!("{value:?} is no integer, the dtype is {dtype}")));
            }
        }
        self.check_size()
    }

    fn check_size(&self) -> Checked<()> {
        if self.data.len() <= INLINE_LIMIT_BYTES {
            return Ok(());
        }
        Err(Fault::new(format!(
            "is larger than the {INLINE_LIMIT_BYTES} bytes that fit into a graph file; keep it in a file of its own"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: &[i64]) -> Nested {
        Nested::List(values.iter().map(|value| Nested::Int(*value)).collect())
    }

    #[test]
    fn nested_lists_become_row_major_tensors() {
        let nested = Nested::List(vec![list(&[1, 2, 3]), list(&[4, 5, 6])]);
        let value = tensor(&nested, DType::U8, None).expect("a tensor");
        assert_eq!(value.object_type.to_string(), "u8[2, 3]");
        assert_eq!(value.data.as_ref(), [1, 2, 3, 4, 5, 6]);
        let value = tensor(&nested, DType::F32, Some(&[6])).expect("a tensor");
        assert_eq!(value.object_type.to_string(), "f32[6]");
        assert!(value.is_consistent());
    }

    #[test]
    fn odd_numbers_and_lists_are_named() {
        let fault = |nested, dtype, shape| {
            tensor(&nested, dtype, shape).expect_err("not a tensor").to_string()
        };
        let ragged = Nested::List(vec![list(&[1, 2]), list(&[3])]);
        assert_eq!(
            fault(ragged, DType::F32, None),
            "[1]: is a list of 1 where the first of its level is a list of 2"
        );
        assert_eq!(fault(list(&[1, 256]), DType::U8, None), "[1]: 256 does not fit into u8");
        assert_eq!(
            fault(Nested::Float(0.5), DType::I32, None),
            "0.5 is no integer, the dtype is i32"
        );
        assert_eq!(
            fault(list(&[1, 2]), DType::F32, Some(&[3])),
            "shape: [3] does not hold the 2 element(s) given"
        );
    }
}
