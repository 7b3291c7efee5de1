//! Tensors in a frame of one value.

use crate::call::Call;
use crate::context::CHUNK;
use crate::element::{Number, for_numbers};
use crate::{KernelError, Outputs};

pub(crate) fn pad(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let value = call.arguments.float("value");
    for_numbers!(call, call.dtype(0), T => {
        let extents = call.extents(0);
        let lengths = |name| -> Vec<usize> {
            call.arguments.ints(name).iter().map(|length| *length as usize).collect()
        };
        let frame = Frame::new(&extents, &lengths("before"), &lengths("after"));
        let x = call.input::<T>(0);
        let y = call.create_one::<T>(outputs)?;
        let (fill, row) = (T::from_f64(value), frame.row());
        if row == 0 {
            return Ok(());
        }
        let rows_at_once = (CHUNK / row).max(1);
        call.context.for_each(y.chunks_mut(rows_at_once * row).enumerate(), |(chunk, y)| {
            for (number, y) in (chunk * rows_at_once..).zip(y.chunks_exact_mut(row)) {
                match frame.source(number) {
                    None => y.fill(fill),
                    Some(source) => {
                        let (start, len) = frame.within_row();
                        y[..start].fill(fill);
                        y[start..start + len].copy_from_slice(&x[source * len..][..len]);
                        y[start + len..].fill(fill);
                    }
                }
            }
        })
    })
}

/// Where a tensor lies within a larger one; axis by axis, the innermost last. At least one axis.
struct Frame {
    axes: Vec<Side>,
}

struct Side {
    before: usize,
    extent: usize,
    after: usize,
}

impl Frame {
    fn new(extents: &[usize], before: &[usize], after: &[usize]) -> Self {
        let sides = extents.iter().zip(before.iter().zip(after));
        let mut axes: Vec<Side> = sides
            .map(|(extent, (before, after))| Side {
                before: *before,
                extent: *extent,
                after: *after,
            })
            .collect();
        if axes.is_empty() {
            axes.push(Side { before: 0, extent: 1, after: 0 });
        }
        Frame { axes }
    }

    /// How long a row of the result is.
    fn row(&self) -> usize {
        self.axes.last().map_or(0, Side::whole)
    }

    /// Where in a row elements of x are, and how many.
    fn within_row(&self) -> (usize, usize) {
        self.axes.last().map_or((0, 0), |side| (side.before, side.extent))
    }

    /// Which row of x is in this row of the result, where there is one.
    fn source(&self, mut number: usize) -> Option<usize> {
        let outer = &self.axes[..self.axes.len() - 1];
        let (mut source, mut size) = (0, 1);
        for side in outer.iter().rev() {
            let place = (number % side.whole()).checked_sub(side.before)?;
            if place >= side.extent {
                return None;
            }
            source += place * size;
            size *= side.extent;
            number /= side.whole();
        }
        Some(source)
    }
}

impl Side {
    fn whole(&self) -> usize {
        self.before.saturating_add(self.extent).saturating_add(self.after)
    }
}

#[cfg(test)]
mod tests {
    use drawloom_model::{Attribute, Value};

    use crate::trial::{extents, made, random, refused, tensor};

    fn pad(x: &Value, before: &[i64], after: &[i64], value: f64) -> Value {
        let given = [
            ("before", Attribute::Ints(before.to_vec())),
            ("after", Attribute::Ints(after.to_vec())),
            ("value", Attribute::Float(value)),
        ];
        made("pad", &given, std::slice::from_ref(x))
    }

    #[test]
    fn a_frame_is_put_around() {
        let x = tensor(&[2, 2], &[1u8, 2, 3, 4]);
        let y = pad(&x, &[1, 0], &[0, 2], 9.0);
        assert_eq!(y, tensor(&[3, 4], &[9u8, 9, 9, 9, 1, 2, 9, 9, 3, 4, 9, 9]));
        assert_eq!(pad(&x, &[0, 0], &[0, 0], 0.0), x);
        let scalar = tensor(&[], &[5i64]);
        assert_eq!(pad(&scalar, &[], &[], 1.0), scalar);
        let none = random::<f32>(&[0, 3], 1);
        assert_eq!(pad(&none, &[1, 0], &[1, 0], 2.0), tensor(&[2, 3], &[2.0f32; 6]));
        assert_eq!(extents(&pad(&none, &[0, 1], &[0, 1], 2.0)), [0, 5]);
    }

    #[test]
    fn a_slice_takes_the_frame_off_again() {
        let x = random::<f64>(&[40, 3, 50], 1);
        let mut y = pad(&x, &[3, 0, 7], &[2, 5, 1], f64::INFINITY);
        for (axis, (start, extent)) in [(3, 40), (0, 3), (7, 50)].into_iter().enumerate() {
            let given = [
                ("axis", Attribute::Int(axis as i64)),
                ("start", Attribute::Int(start)),
                ("stop", Attribute::Int(start + extent)),
            ];
            y = made("slice", &given, &[y]);
        }
        assert_eq!(y, x);
    }

    #[test]
    fn lengths_go_with_the_axes() {
        let given = [("before", Attribute::Ints(vec![1])), ("after", Attribute::Ints(vec![1, 1]))];
        assert_eq!(
            refused("pad", &given, &[random::<f32>(&[2, 2], 1)]),
            "pad, attribute before: has 1 length(s), x is f32[2, 2]"
        );
    }
}
