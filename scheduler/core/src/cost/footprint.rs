//! What a task takes and makes, in bytes.

/// Bytes of a task's inputs and outputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Footprint {
    pub input_bytes: u64,
    pub output_bytes: u64,
}

impl Footprint {
    /// All of them.
    pub fn bytes(self) -> u64 {
        self.input_bytes.saturating_add(self.output_bytes)
    }

    /// That of a task whose outputs are not there yet: they are taken to be in proportion to its
    /// inputs as they were in `last`, a run of the same kind, and without any inputs as large as
    /// those. Where not even the inputs are there, it is taken to be that of `last`.
    pub fn expected(input_bytes: Option<u64>, last: Option<Footprint>) -> Footprint {
        let Some(last) = last else {
            return Footprint { input_bytes: input_bytes.unwrap_or(0), output_bytes: 0 };
        };
        let Some(input_bytes) = input_bytes else { return last };
        let output_bytes = match last.input_bytes {
            0 => last.output_bytes,
            of if of == input_bytes => last.output_bytes,
            of => {
                let scaled = u128::from(last.output_bytes) * u128::from(input_bytes);
                u64::try_from(scaled / u128::from(of)).unwrap_or(u64::MAX)
            }
        };
        Footprint { input_bytes, output_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_in_proportion_to_inputs() {
        let last = |input_bytes, output_bytes| Some(Footprint { input_bytes, output_bytes });
        for (input_bytes, last, expected) in [
            (None, None, (0, 0)),
            (Some(7), None, (7, 0)),
            (None, last(3, 4), (3, 4)),
            (Some(6), last(3, 4), (6, 8)),
            (Some(0), last(0, 9), (0, 9)),
            (Some(u64::MAX), last(1, 9), (u64::MAX, u64::MAX)),
        ] {
            let Footprint { input_bytes, output_bytes } = Footprint::expected(input_bytes, last);
            assert_eq!((input_bytes, output_bytes), expected);
        }
    }
}
