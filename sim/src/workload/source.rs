//! Files as they lie on disk.

use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use super::Format;
use crate::SimError;

/// Files are read whole; more than this is no workload.
const LIMIT_BYTES: u64 = 1 << 30;

/// A JSON file, which may be packed with gzip.
pub(super) fn read_json(path: &Path) -> Result<Value, SimError> {
    let bytes = read(path)?;
    serde_json::from_slice(&bytes).map_err(|error| SimError::bad(path, "", error.to_string()))
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, SimError> {
    let failed = |error| SimError::Read { file: path.to_owned(), error };
    let file = std::fs::File::open(path).map_err(failed)?;
    let is_packed = path.extension().is_some_and(|extension| extension == "gz");
    let mut reader: Box<dyn std::io::Read> =
        if is_packed { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut bytes = Vec::new();
    reader.by_ref().take(LIMIT_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LIMIT_BYTES {
        return Err(SimError::bad(path, "", format!("it has more than {LIMIT_BYTES} bytes")));
    }
    Ok(bytes)
}

/// The format, by what the file has at its top.
pub(super) fn recognise(path: &Path, value: &Value) -> Result<Format, SimError> {
    let has = |value: &Value, key: &str| value.get(key).is_some();
    let first = value.get(0).unwrap_or(value);
    if has(value, "workflow") {
        Ok(Format::WfFormat)
    } else if has(first, "w") || has(value, "processors") {
        Ok(Format::Matrix)
    } else {
        let message = "its format is not recognised: say which by --format";
        Err(SimError::bad(path, "", message))
    }
}
