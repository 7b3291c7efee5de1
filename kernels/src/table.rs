//! Tables in text.

use std::fmt::Write as _;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use drawloom_model::{ObjectType, Shape};

use crate::call::{Call, elements};
use crate::element::{Number, for_numbers};
use crate::{KernelError, Outputs};

/// How many records go by between looks at the cancel flag.
const CHUNK_RECORDS: usize = 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

pub(crate) fn read_csv(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_numbers!(call, call.arguments.dtype("dtype"), T => {
        let table = read::<T>(call)?;
        let shape = Shape::new([table.rows as u64, table.columns as u64]);
        let types = [ObjectType::Tensor { dtype: T::DTYPE, shape }];
        let buffers = call.create_as(outputs, &types)?;
        for buffer in buffers {
            elements::<T>(buffer)?.copy_from_slice(&table.elements);
        }
        Ok(())
    })
}

struct Table<T> {
    elements: Vec<T>,
    rows: usize,
    columns: usize,
}

fn read<T: Number>(call: &Call<'_>) -> Result<Table<T>, KernelError> {
    let mut records = Records::new(call.bytes(0), call.arguments.text("delimiter").as_bytes()[0]);
    let chosen = call.arguments.optional_ints("columns");
    let declared = call.arguments.optional_int("cols").map(|columns| columns as usize);
    let mut table = Table { elements: Vec::new(), rows: 0, columns: 0 };
    // Columns are counted from 1 in messages, as people and spreadsheets do.
    let mut width = None;
    if call.arguments.bool("header") {
        width = records.next().map(|record| record.fields());
    }
    while let Some(record) = records.next() {
        if table.rows % CHUNK_RECORDS == 0 {
            call.context.check_cancelled()?;
        }
        let fields = record.fields();
        let expected = *width.get_or_insert(fields);
        if fields != expected {
            let line = record.line;
            let message = format!("line {line} has {fields} field(s), those before {expected}");
            return Err(call.invalid(message));
        }
        match chosen {
            None => record.read(0..fields, &mut table.elements),
            Some(chosen) => {
                record.read(chosen.iter().map(|column| *column as usize), &mut table.elements)
            }
        }
        .map_err(|message| call.invalid(message))?;
        table.rows += 1;
    }
    table.columns = match (chosen, width, declared) {
        (Some(chosen), _, _) => chosen.len(),
        (None, Some(width), _) => width,
        (None, None, declared) => declared.unwrap_or(0),
    };
    check_declared(call, &table, declared)?;
    Ok(table)
}

fn check_declared<T>(
    call: &Call<'_>,
    table: &Table<T>,
    columns: Option<usize>,
) -> Result<(), KernelError> {
    let rows = call.arguments.optional_int("rows").map(|rows| rows as usize);
    for (what, declared, found) in [("rows", rows, table.rows), ("cols", columns, table.columns)] {
        if let Some(declared) = declared.filter(|declared| *declared != found) {
            let message = format!("the text has {found} {what}, attribute {what} says {declared}");
            return Err(call.invalid(message));
        }
    }
    Ok(())
}

/// The records of a text, one at a time.
struct Records<'a> {
    reader: Reader,
    rest: &'a [u8],
    /// The line that `rest` begins in, counted from 1.
    line: u64,
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// A record: its fields' text, one after the other, and where each ends.
struct Record<'a> {
    line: u64,
    text: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Records<'a> {
    fn new(text: &'a [u8], delimiter: u8) -> Self {
        let reader = ReaderBuilder::new().delimiter(delimiter).build();
        let rest = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        Records { reader, rest, line: 1, text: vec![0; 1024], ends: vec![0; 64] }
    }

    fn next(&mut self) -> Option<Record<'_>> {
        let empty = self.rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.advance(empty);
        let line = self.line;
        let (mut bytes, mut fields) = (0, 0);
        loop {
            let (result, read, written, ended) = self.reader.read_record(
                self.rest,
                &mut self.text[bytes..],
                &mut self.ends[fields..],
            );
            self.advance(read);
            bytes += written;
            fields += ended;
            match result {
                // Told that there is nothing more, the reader ends the last record.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => {
                    let (text, ends) = (&self.text[..bytes], &self.ends[..fields]);
                    return Some(Record { line, text, ends });
                }
                ReadRecordResult::End => return None,
            }
        }
    }

    fn advance(&mut self, bytes: usize) {
        let (read, rest) = self.rest.split_at(bytes);
        self.line += read.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.rest = rest;
    }
}

impl Record<'_> {
    fn fields(&self) -> usize {
        self.ends.len()
    }

    fn field(&self, column: usize) -> Option<&[u8]> {
        let end = *self.ends.get(column)?;
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start..end)
    }

    /// Reads the numbers in these columns.
    fn read<T: Number>(
        &self,
        columns: impl Iterator<Item = usize>,
        elements: &mut Vec<T>,
    ) -> Result<(), String> {
        for column in columns {
            let place = || format!("line {}, column {}", self.line, column.saturating_add(1));
            let field = self
                .field(column)
                .ok_or_else(|| format!("{}: there are {} column(s)", place(), self.fields()))?
                .trim_ascii();
            let number = std::str::from_utf8(field).ok().and_then(|text| text.parse().ok());
            elements.push(number.ok_or_else(|| {
                let shown: String = String::from_utf8_lossy(field).chars().take(40).collect();
                format!("{}: {shown:?} is no {}", place(), T::DTYPE)
            })?);
        }
        Ok(())
    }
}

/// Writes each row as a line. Numbers are written so that reading them gives the same ones.
pub(crate) fn write_csv(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let (rows, columns) = (call.extents(0)[0], call.extents(0)[1]);
    let delimiter = call.arguments.text("delimiter");
    let header = call.arguments.text("header");
    let mut parts = vec![String::new(); rows.div_ceil(CHUNK_RECORDS)];
    for_numbers!(call, call.dtype(0), T => {
        let x = call.input::<T>(0);
        call.context.for_each(parts.iter_mut().enumerate(), |(part, text)| {
            let first = part * CHUNK_RECORDS;
            for row in first..(first + CHUNK_RECORDS).min(rows) {
                write_row(&x[row * columns..][..columns], delimiter, text);
            }
        })
    })?;
    let first = if header.is_empty() { String::new() } else { format!("{header}\n") };
    let bytes = first.len() + parts.iter().map(String::len).sum::<usize>();
    let mut rest = call.create_blob(outputs, bytes)?;
    for text in std::iter::once(first).chain(parts) {
        let (here, after) = rest.split_at_mut(text.len());
        here.copy_from_slice(text.as_bytes());
        rest = after;
    }
    Ok(())
}

fn write_row<T: Number>(row: &[T], delimiter: &str, text: &mut String) {
    for (column, x) in row.iter().enumerate() {
        if column > 0 {
            text.push_str(delimiter);
        }
        // The form for debugging has an exponent where the other would have hundreds of digits.
        let _ = write!(text, "{x:?}");
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use drawloom_model::{Attribute, Value};
    use half::f16;

    use crate::element::Number;
    use crate::trial::{assert_near, extents, made, numbers, random, refused, tensor};

    fn text(value: &str) -> (&'static str, Attribute) {
        ("dtype", Attribute::Text(value.to_owned()))
    }

    fn read(csv: &str, given: &[(&str, Attribute)]) -> Value {
        made("read_csv", given, &[Value::blob(csv.as_bytes().to_vec())])
    }

    fn refusal(csv: &[u8], given: &[(&str, Attribute)]) -> String {
        refused("read_csv", given, &[Value::blob(csv.to_vec())])
    }

    #[test]
    fn numbers_are_read() {
        let table = tensor(&[2, 3], &[1.0f32, -2.5, 3e4, 4.0, 5.0, 6.0]);
        assert_eq!(read("1,-2.5,3e4\n4,5,6\n", &[]), table);
        assert_eq!(read("\u{feff}1, -2.5 ,\"3e4\"\r\n\r\n4,5,6", &[]), table);
        let named = [("header", Attribute::Bool(true)), ("delimiter", Attribute::Text(";".into()))];
        assert_eq!(read("a;b;c\n1;-2.5;3e4\n4;5;6\n", &named), table);
        assert_eq!(read("1\n255\n", &[text("u8")]), tensor(&[2, 1], &[1u8, 255]));
    }

    #[test]
    fn columns_are_chosen() {
        let chosen = ("columns", Attribute::Ints(vec![2, 0]));
        let table = read("1,x,3\n4,y,6\n", &[chosen.clone(), text("i64")]);
        assert_eq!(table, tensor(&[2, 2], &[3i64, 1, 6, 4]));
        assert_eq!(
            refusal(b"1,2\n", &[chosen]),
            "read_csv: line 1, column 3: there are 2 column(s)"
        );
    }

    #[test]
    fn a_text_without_rows_has_none() {
        assert_eq!(extents(&read("", &[])), [0, 0]);
        assert_eq!(extents(&read("\n\n", &[("cols", Attribute::Int(3))])), [0, 3]);
        assert_eq!(extents(&read("a,b\n", &[("header", Attribute::Bool(true))])), [0, 2]);
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        assert_eq!(refusal(b"1,2\n\n3,x\n", &[]), r#"read_csv: line 3, column 2: "x" is no f32"#);
        assert_eq!(
            refusal(b"1,2\r\n3\r\n", &[]),
            "read_csv: line 2 has 1 field(s), those before 2"
        );
        assert_eq!(
            refusal(b"1.5\n", &[text("i32")]),
            r#"read_csv: line 1, column 1: "1.5" is no i32"#
        );
        assert_eq!(
            refusal(b"300\n", &[text("u8")]),
            r#"read_csv: line 1, column 1: "300" is no u8"#
        );
        assert!(refusal(b"\xff\xfe,1\n", &[]).contains("line 1, column 1: "));
        let rows = [("rows", Attribute::Int(2))];
        let message = "read_csv: the text has 1 rows, attribute rows says 2";
        assert_eq!(refusal(b"1,2\n", &rows), message);
    }

    #[test]
    fn long_tables_and_long_lines_are_read() {
        let csv: String = (0..3000).map(|row| format!("{row},{}\n", row * 2)).collect();
        let expected: Vec<i32> = (0..3000).flat_map(|row| [row, row * 2]).collect();
        assert_eq!(read(&csv, &[text("i32")]), tensor(&[3000, 2], &expected));
        let wide: Vec<String> = (0..3000).map(|column| column.to_string()).collect();
        let expected: Vec<i32> = (0..3000).collect();
        assert_eq!(read(&wide.join(","), &[text("i32")]), tensor(&[1, 3000], &expected));
    }

    fn round_trip<T: Number>(rows: u64, columns: u64) {
        let x = random::<T>(&[rows, columns], 1);
        let text = made("write_csv", &[], std::slice::from_ref(&x));
        let given = [
            ("dtype", Attribute::Text(T::DTYPE.name().to_owned())),
            ("cols", Attribute::Int(columns as i64)),
        ];
        assert_eq!(made("read_csv", &given, &[text]), x);
    }

    #[test]
    fn what_is_written_is_read_again() {
        round_trip::<f32>(3000, 7);
        round_trip::<f64>(5, 1);
        round_trip::<f16>(40, 3);
        round_trip::<i64>(1500, 2);
        round_trip::<u8>(0, 4);
        let odd = tensor(&[1, 5], &[f64::NAN, f64::NEG_INFINITY, 1e300, -0.0, 5e-324]);
        let text = made("write_csv", &[], std::slice::from_ref(&odd));
        assert_eq!(text, Value::blob(b"NaN,-inf,1e300,-0.0,5e-324\n".to_vec()));
        assert_near(&made("read_csv", &[self::text("f64")], &[text]), &numbers(&odd), 0.0);
    }

    #[test]
    fn tables_have_headers_and_delimiters() {
        let given =
            [("header", Attribute::Text("a;b".into())), ("delimiter", Attribute::Text(";".into()))];
        let text = made("write_csv", &given, &[tensor(&[2, 2], &[1i32, 2, 3, 4])]);
        assert_eq!(text, Value::blob(b"a;b\n1;2\n3;4\n".to_vec()));
        let lines = [("header", Attribute::Text("a\nb".into()))];
        assert_eq!(
            refused("write_csv", &lines, &[tensor(&[1, 1], &[1u8])]),
            "write_csv, attribute header: must be one line"
        );
    }
}
