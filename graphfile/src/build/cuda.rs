//! Entries of CUDA kernels of one's own, turned into what runs.

use std::sync::Arc;

use drawloom_model::{
    CUDA_SOURCE_LIMIT_BYTES, CudaArgument, CudaScalar, CudaSource, CudaSpec, CudaValue, Expression,
    Real,
};

use crate::data::Source;
use crate::error::{Checked, Fault};
use crate::plain::{ArgumentEntry, CudaEntry, RealEntry, dtype};

/// The names of what a kernel makes, in order.
pub(super) fn output_names(entry: &CudaEntry) -> Vec<String> {
    entry.arguments.iter().filter_map(|argument| argument.output.clone()).collect()
}

/// The kernel that an entry tells of.
pub(super) fn spec(entry: &CudaEntry, source: &Source) -> Checked<CudaSpec> {
    let mut arguments = Vec::with_capacity(entry.arguments.len());
    for (place, told) in entry.arguments.iter().enumerate() {
        let argument = argument(told);
        arguments.push(argument.map_err(|fault| fault.within(place).under("arguments"))?);
    }
    Ok(CudaSpec {
        source: text(entry, source)?,
        entry: entry.entry.clone(),
        grid: entry.grid.0.clone(),
        block: entry.block.0.clone(),
        shared_bytes: match &entry.shared_bytes {
            Some(told) => told.0.clone(),
            None => Expression::number(0),
        },
        arguments,
        options: entry.options.clone(),
    })
}

fn text(entry: &CudaEntry, source: &Source) -> Checked<CudaSource> {
    match (&entry.source, &entry.ptx, &entry.file) {
        (Some(text), None, None) => Ok(CudaSource::Cpp(text.as_str().into())),
        (None, Some(text), None) => Ok(CudaSource::Ptx(text.as_str().into())),
        (None, None, Some(name)) => {
            let text = read(name, source).map_err(|fault| fault.under("file"))?;
            let is_ptx = name.ends_with(".ptx");
            Ok(if is_ptx { CudaSource::Ptx(text) } else { CudaSource::Cpp(text) })
        }
        _ => Err(Fault::new("give exactly one of `source`, `ptx` and `file`")),
    }
}

fn read(name: &str, source: &Source) -> Checked<Arc<str>> {
    let bytes = source.read(&source.locate(name)?, name)?;
    if bytes.len() > CUDA_SOURCE_LIMIT_BYTES {
        let message = format!("is larger than the limit of {CUDA_SOURCE_LIMIT_BYTES} bytes");
        return Err(Fault::new(message));
    }
    let text = str::from_utf8(&bytes).map_err(|_| Fault::new("the text is not UTF-8"))?;
    Ok(text.into())
}

fn argument(entry: &ArgumentEntry) -> Checked<CudaArgument> {
    let element = || dtype(&entry.dtype).map_err(|message| Fault::new(message).under("dtype"));
    let no_shape = || match &entry.shape {
        Some(_) => Err(Fault::new("goes with `output` only").under("shape")),
        None => Ok(()),
    };
    let no_value = || match &entry.value {
        Some(_) => Err(Fault::new("goes with `scalar` only").under("value")),
        None => Ok(()),
    };
    let (name, value) = match (&entry.input, &entry.output, &entry.scalar) {
        (Some(name), None, None) => {
            no_shape()?;
            no_value()?;
            (name, CudaValue::Input(element()?))
        }
        (None, Some(name), None) => {
            no_value()?;
            let shape = entry.shape.as_ref();
            let shape = shape.ok_or_else(|| Fault::new("an output needs one").under("shape"))?;
            let is_blob = entry.dtype == "blob";
            let dtype = if is_blob { None } else { Some(element()?) };
            (name, CudaValue::Output { dtype, shape: shape.0.clone() })
        }
        (None, None, Some(name)) => {
            no_shape()?;
            let value = entry.value.as_ref();
            let value = value.ok_or_else(|| Fault::new("a number needs one").under("value"))?;
            (name, CudaValue::Scalar(scalar(&entry.dtype, value)?))
        }
        _ => return Err(Fault::new("give exactly one of `input`, `output` and `scalar`")),
    };
    Ok(CudaArgument { name: name.clone(), value })
}

fn scalar(type_name: &str, RealEntry(value): &RealEntry) -> Checked<CudaScalar> {
    let whole = || match value {
        Real::Expression(value) => Ok(value.clone()),
        Real::Constant(value) => {
            let message = format!("{value} is no whole number, as {type_name} is");
            Err(Fault::new(message).under("value"))
        }
    };
    Ok(match type_name {
        "i32" => CudaScalar::I32(whole()?),
        "u32" => CudaScalar::U32(whole()?),
        "i64" => CudaScalar::I64(whole()?),
        "u64" => CudaScalar::U64(whole()?),
        "f32" => CudaScalar::F32(value.clone()),
        "f64" => CudaScalar::F64(value.clone()),
        _ => {
            let message = format!(
                "there is no type of numbers {type_name:?}; there are: i32, u32, i64, u64, f32, f64"
            );
            return Err(Fault::new(message).under("dtype"));
        }
    })
}
