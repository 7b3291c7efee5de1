//! `drawloom put`: a file becomes an object.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use drawloom_model::{DType, ObjectType, Shape, Value};
use serde_json::json;

use super::connect;
use crate::args::Global;
use crate::argument::dtype;
use crate::error::BadInput;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  drawloom put weights.bin
  drawloom put points.f32 --type 'f32[1000, 3]'
  drawloom put gradient.bin --dtype f32         as many f32 as the file has
  tar c data | drawloom put -

Prints the object's id, for `drawloom get` and `drawloom release`, and for programs of the SDK, whose
graphs take it as an input (`GraphBuilder::external`). The object is kept until it is released.";

/// Put a file's bytes as an object
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Put {
    /// The file; - for the standard input
    file: PathBuf,
    /// What the bytes mean: blob, or a tensor such as f32[2, 3], little-endian and row-major
    #[arg(long = "type", value_name = "TYPE", default_value = "blob")]
    object_type: ObjectType,
    /// The bytes are elements of this type in one row: u8, i32, i64, f16, bf16, f32 or f64
    #[arg(long, value_name = "TYPE", value_parser = dtype, conflicts_with = "object_type")]
    dtype: Option<DType>,
}

impl Put {
    /// Reads, puts, prints the id.
    ///
    /// # Errors
    /// The file cannot be read or has not the size of its type, or nobody keeps the object.
    pub async fn run(self, global: &Global) -> Result<ExitCode> {
        let data = self.read()?;
        let size_bytes = data.len();
        let object_type = match self.dtype {
            Some(dtype) => {
                let length = size_bytes / dtype.size_bytes();
                ObjectType::Tensor { dtype, shape: Shape::new([length as u64]) }
            }
            None => self.object_type,
        };
        let value = Value { object_type, data: data.into() };
        ensure!(
            value.is_consistent(),
            BadInput(format!(
                "{} has {size_bytes} bytes, which do not go with {}",
                self.file.display(),
                value.object_type
            ))
        );
        let object_type = value.object_type.to_string();
        let object = connect(global).await?.put(value).await?;
        if global.json {
            output::json(&json!({
                "object": object.to_string(), "type": object_type, "size_bytes": size_bytes,
            }))?;
        } else {
            output::line(&object.to_string())?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn read(&self) -> Result<Vec<u8>> {
        if self.file.as_os_str() == "-" {
            let mut data = Vec::new();
            std::io::stdin().read_to_end(&mut data).context("the standard input")?;
            return Ok(data);
        }
        let read = std::fs::read(&self.file);
        read.map_err(|error| BadInput(format!("{}: {error}", self.file.display())).into())
    }
}
