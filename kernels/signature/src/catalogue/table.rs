//! Tables in text.

use super::{NUMBER_NAMES, NUMBERS, one, output};
use crate::attribute::{AttributeKind, AttributeSpec, Constant, defaulted, optional};
use crate::rule::{Call, tensor};
use crate::{Arguments, Arity, InputKind, InputSpec, Signature, SignatureError, ValueType};

const DELIMITER: AttributeSpec = defaulted(
    "delimiter",
    AttributeKind::Text,
    Constant::Text(","),
    "the one ASCII character between fields",
);

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        name: "read_csv",
        summary: "Reads numbers from comma-separated text (RFC 4180 quoting; empty lines are skipped).",
        inputs: &[InputSpec {
            name: "text",
            kind: InputKind::Blob,
            arity: Arity::One,
            doc: "the file's bytes",
        }],
        outputs: &[output("table", "[rows, columns]")],
        attributes: &[
            defaulted(
                "dtype",
                AttributeKind::OneOf(NUMBER_NAMES),
                Constant::Text("f32"),
                "the element type",
            ),
            defaulted(
                "header",
                AttributeKind::Bool,
                Constant::Bool(false),
                "whether the first line names the columns and is skipped",
            ),
            DELIMITER,
            optional(
                "columns",
                AttributeKind::Ints { min: 0 },
                "the columns to read, counted from 0, in the order wanted; all where none are given",
            ),
            optional("rows", AttributeKind::COUNT, "how many rows there must be"),
            optional("cols", AttributeKind::COUNT, "how many columns the result must have"),
        ],
        rule: read_csv,
        flops: |sizes| sizes.output(0).saturating_mul(20),
    },
    Signature {
        name: "write_csv",
        summary: "Writes a table as comma-separated text, a line for each row. Reading it gives the \
              same numbers.",
        inputs: &[one("table", NUMBERS, "[rows, columns]")],
        outputs: &[output("text", "the file's bytes")],
        attributes: &[
            DELIMITER,
            defaulted(
                "header",
                AttributeKind::Text,
                Constant::Text(""),
                "a first line, where not empty",
            ),
        ],
        rule: write_csv,
        flops: |sizes| sizes.input(0).saturating_mul(50),
    },
];

fn check_delimiter(arguments: &Arguments<'_>) -> Result<(), SignatureError> {
    let delimiter = arguments.text("delimiter");
    if delimiter.len() == 1 && !matches!(delimiter, "\n" | "\r" | "\"") {
        return Ok(());
    }
    Err(arguments.refuse("delimiter", "must be one ASCII character, no quote or line end"))
}

fn write_csv(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    check_delimiter(&call.arguments)?;
    if call.arguments.text("header").contains(['\n', '\r']) {
        return Err(call.arguments.refuse("header", "must be one line"));
    }
    call.ranked(0, 2)?;
    Ok(vec![ValueType::Blob])
}

fn read_csv(call: &Call<'_>) -> Result<Vec<ValueType>, SignatureError> {
    let arguments = &call.arguments;
    check_delimiter(arguments)?;
    let mut columns = arguments.optional_ints("columns").unwrap_or_default().to_vec();
    columns.sort_unstable();
    // Each at most once, so that a table is never much larger than its text.
    if let Some(pair) = columns.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(arguments.refuse("columns", format!("column {} is listed twice", pair[0])));
    }
    let declared = arguments.optional_int("cols").map(i64::unsigned_abs);
    let chosen = arguments.optional_ints("columns").map(|columns| columns.len() as u64);
    if let (Some(declared), Some(chosen)) = (declared, chosen)
        && declared != chosen
    {
        let message = format!("is {declared}, but `columns` lists {chosen}");
        return Err(arguments.refuse("cols", message));
    }
    let rows = arguments.optional_int("rows").map(i64::unsigned_abs);
    Ok(vec![tensor(Some(arguments.dtype("dtype")), Some(vec![rows, declared.or(chosen)]))])
}
