//! Tensors in NumPy's file format (NEP 1): a magic text, a version, a header that is a literal of
//! Python, and the elements.

use drawloom_model::{DType, ObjectType, Shape};

use crate::call::Call;
use crate::context::CHUNK;
use crate::npy_header::Header;
use crate::{KernelError, Outputs};

const MAGIC: &[u8] = b"\x93NUMPY";
/// The elements begin at a multiple of this.
const ALIGNMENT: usize = 64;

pub(crate) fn read_npy(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let invalid = |message| call.invalid(message);
    let (header, data) = open(call.bytes(0)).map_err(invalid)?;
    let bytes = header.size_bytes().filter(|bytes| *bytes == data.len() as u64);
    if bytes.is_none() {
        let (shape, dtype) = (Shape::new(header.extents), header.dtype);
        let message =
            format!("{} byte(s) follow the header, which says {dtype}{shape}", data.len());
        return Err(invalid(message));
    }
    check_declared(call, &header)?;
    let Header { dtype, ref extents, columns_first, swapped } = header;
    let types = [ObjectType::Tensor { dtype, shape: Shape::new(extents.iter().copied()) }];
    let size = dtype.size_bytes();
    let source = Source::new(extents, columns_first);
    for y in call.create_as(outputs, &types)? {
        call.context.for_each(y.chunks_mut(CHUNK * size).enumerate(), |(chunk, y)| {
            if columns_first {
                for (element, y) in (chunk * CHUNK..).zip(y.chunks_exact_mut(size)) {
                    y.copy_from_slice(&data[source.place(element) * size..][..size]);
                }
            } else {
                y.copy_from_slice(&data[chunk * CHUNK * size..][..y.len()]);
            }
            if swapped {
                y.chunks_exact_mut(size).for_each(<[u8]>::reverse);
            }
        })?;
    }
    Ok(())
}

/// Where elements are in a file that has columns before rows.
struct Source {
    /// The extents and steps of the axes, the last one first.
    axes: Vec<(usize, usize)>,
}

impl Source {
    fn new(extents: &[u64], columns_first: bool) -> Self {
        let mut size = 1usize;
        let mut axes = Vec::new();
        for extent in extents.iter().map(|extent| *extent as usize) {
            axes.push((extent, size));
            size = size.saturating_mul(extent);
        }
        axes.reverse();
        Source { axes: if columns_first { axes } else { Vec::new() } }
    }

    fn place(&self, mut element: usize) -> usize {
        let mut place = 0;
        for (extent, step) in &self.axes {
            place += element % extent * step;
            element /= extent;
        }
        place
    }
}

/// The header and the elements' bytes.
fn open(file: &[u8]) -> Result<(Header, &[u8]), String> {
    let rest = file.strip_prefix(MAGIC).ok_or("the file does not begin as .npy files do")?;
    let (&[major, minor], rest) = rest.split_first_chunk().ok_or("the file ends in its version")?;
    let short = "the file ends before its header does";
    let (length, rest) = match major {
        1 => {
            let (length, rest) = rest.split_first_chunk().ok_or(short)?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk().ok_or(short)?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
        _ => return Err(format!("version {major}.{minor} is not known; 1.0, 2.0 and 3.0 are")),
    };
    let (header, data) = rest.split_at_checked(length).ok_or(short)?;
    let header = std::str::from_utf8(header).map_err(|_| "the header is no text")?;
    Ok((Header::parse(header)?, data))
}

fn check_declared(call: &Call<'_>, header: &Header) -> Result<(), KernelError> {
    let declared = call.arguments.optional_text("dtype").and_then(DType::from_name);
    if let Some(declared) = declared.filter(|declared| *declared != header.dtype) {
        let message = format!("the file has {}, attribute dtype says {declared}", header.dtype);
        return Err(call.invalid(message));
    }
    let Some(declared) = call.arguments.optional_ints("shape") else { return Ok(()) };
    let declared = Shape::new(declared.iter().map(|extent| extent.unsigned_abs()));
    if declared.extents() == header.extents.as_slice() {
        return Ok(());
    }
    let found = Shape::new(header.extents.iter().copied());
    Err(call.invalid(format!("the file has {found}, attribute shape says {declared}")))
}

pub(crate) fn write_npy(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let (extents, data) = (call.extents(0), call.bytes(0));
    let name = crate::npy_header::name(call.dtype(0))
        .ok_or_else(|| call.invalid("the format has no such element type"))?;
    let header = header(name, &extents);
    let y = call.create_blob(outputs, header.len() + data.len())?;
    let (head, elements) = y.split_at_mut(header.len());
    head.copy_from_slice(&header);
    let chunks = elements.chunks_mut(8 * CHUNK).zip(data.chunks(8 * CHUNK));
    call.context.for_each(chunks, |(y, x)| y.copy_from_slice(x))
}

/// All that comes before the elements.
fn header(name: &str, extents: &[usize]) -> Vec<u8> {
    let mut shape = extents.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    if extents.len() == 1 {
        // So that it is a tuple.
        shape.push(',');
    }
    let mut text = format!("{{'descr': '{name}', 'fortran_order': False, 'shape': ({shape}), }}");
    let prefix = MAGIC.len() + 4;
    let whole = (prefix + text.len() + 1).next_multiple_of(ALIGNMENT);
    text.extend(std::iter::repeat_n(' ', whole - prefix - text.len() - 1));
    text.push('\n');
    // Shapes have few extents: the text is always shorter than 64 KiB.
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [MAGIC, &[1, 0], &length.to_le_bytes(), text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use drawloom_model::{Attribute, Value};
    use half::f16;

    use super::*;
    use crate::element::Number;
    use crate::trial::{made, random, refused, tensor};

    fn round_trip<T: Number>(extents: &[u64]) {
        let x = random::<T>(extents, 1);
        let file = made("write_npy", &[], std::slice::from_ref(&x));
        assert_eq!(
            file.data.windows(1).position(|byte| byte == b"\n").map(|end| (end + 1) % 64),
            Some(0)
        );
        assert_eq!(made("read_npy", &[], &[file]), x);
    }

    #[test]
    fn what_is_written_is_read_again() {
        round_trip::<f32>(&[300, 200]);
        round_trip::<f64>(&[]);
        round_trip::<f16>(&[7]);
        round_trip::<i32>(&[2, 0, 3]);
        round_trip::<i64>(&[1, 1, 1, 1]);
        round_trip::<u8>(&[200_000]);
    }

    /// A file with this header, of version 1.
    fn file(header: &str, data: &[u8]) -> Value {
        let length = (header.len() as u16).to_le_bytes();
        Value::blob([MAGIC, &[1, 0], &length, header.as_bytes(), data].concat())
    }

    #[test]
    fn other_orders_are_put_right() {
        let columns = "{'fortran_order': True, \"shape\": (2, 3,), 'descr': \"|u1\"}\n";
        let y = made("read_npy", &[], &[file(columns, &[1, 4, 2, 5, 3, 6])]);
        assert_eq!(y, tensor(&[2, 3], &[1u8, 2, 3, 4, 5, 6]));
        let big = "{'descr':'>i4','fortran_order':False,'shape':(2,)}";
        let y = made("read_npy", &[], &[file(big, &[0, 0, 0, 1, 255, 255, 255, 254])]);
        assert_eq!(y, tensor(&[2], &[1i32, -2]));
        let version_2 =
            [MAGIC, &[2, 0], &(big.len() as u32).to_le_bytes(), big.as_bytes(), &[0; 8]];
        let y = made("read_npy", &[], &[Value::blob(version_2.concat())]);
        assert_eq!(y, tensor(&[2], &[0i32, 0]));
    }

    #[test]
    fn bad_files_are_refused() {
        let check = |file: Value, message: &str| {
            assert_eq!(refused("read_npy", &[], &[file]), format!("read_npy: {message}"));
        };
        let blob = |bytes: &[u8]| Value::blob(bytes.to_vec());
        check(blob(b""), "the file does not begin as .npy files do");
        check(blob(b"PK\x03\x04"), "the file does not begin as .npy files do");
        check(blob(b"\x93NUMPY\x01"), "the file ends in its version");
        check(blob(b"\x93NUMPY\x09\x00"), "version 9.0 is not known; 1.0, 2.0 and 3.0 are");
        check(blob(b"\x93NUMPY\x01\x00\xff\x00{"), "the file ends before its header does");
        let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
        check(file(good, &[0; 8]), "8 byte(s) follow the header, which says f32[3]");
        let none = "{'descr': '<f8', 'fortran_order': True, 'shape': (99999999999999999, 99, 0), }";
        let y = made("read_npy", &[], &[file(none, &[])]);
        assert_eq!(y.data.len(), 0);
        let huge = "{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 9), }";
        check(
            file(huge, &[0; 8]),
            "8 byte(s) follow the header, which says f64[9223372036854775807, 9]",
        );
    }

    #[test]
    fn what_was_declared_is_checked() {
        let x = made("write_npy", &[], &[random::<f32>(&[2, 3], 1)]);
        let dtype = [("dtype", Attribute::Text("f64".into()))];
        let message = "read_npy: the file has f32, attribute dtype says f64";
        assert_eq!(refused("read_npy", &dtype, std::slice::from_ref(&x)), message);
        let shape = [("shape", Attribute::Ints(vec![3, 2]))];
        let message = "read_npy: the file has [2, 3], attribute shape says [3, 2]";
        assert_eq!(refused("read_npy", &shape, &[x]), message);
    }
}
