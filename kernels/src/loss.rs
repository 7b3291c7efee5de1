//! From logits to losses and scores.

use crate::call::{Call, elements};
use crate::element::{Number, for_dtypes, for_floats};
use crate::gather::checked_indices;
use crate::reduce::places_of_largest;
use crate::softmax::{rows_at_once, softmax_row};
use crate::vector::vectorised;
use crate::{KernelError, Outputs};

pub(crate) fn cross_entropy(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let (rows, classes) = (call.extents(0)[0], call.extents(0)[1]);
    let labels = labels(call, classes)?;
    let denominator = call.arguments.optional_float("denominator").unwrap_or(rows.max(1) as f64);
    for_floats!(call, call.dtype(0), T => {
        let logits = call.input::<T>(0);
        let [loss, gradient] = call.create_all(outputs)?;
        let gradient = elements::<T>(gradient)?;
        let mut losses = vec![0.0f64; rows];
        let (at_once, classes) = (rows_at_once(classes), classes.max(1));
        let chunks = gradient
            .chunks_mut(at_once * classes)
            .zip(logits.chunks(at_once * classes))
            .zip(losses.chunks_mut(at_once).zip(labels.chunks(at_once)));
        call.context.for_each(chunks, |((gradient, logits), (losses, labels))| {
            let rows = gradient.chunks_exact_mut(classes).zip(logits.chunks_exact(classes));
            vectorised(#[inline(always)] || {
                for ((gradient, logits), (loss, label)) in rows.zip(losses.iter_mut().zip(labels)) {
                    *loss = softmax_row(logits, gradient) - logits[*label].to_f64();
                    for (class, gradient) in gradient.iter_mut().enumerate() {
                        let target = f64::from(u8::from(class == *label));
                        *gradient = T::from_f64((gradient.to_f64() - target) / denominator);
                    }
                }
            });
        })?;
        let sum: f64 = losses.iter().sum();
        elements::<T>(loss)?[0] = T::from_f64(sum / denominator);
        Ok(())
    })
}

pub(crate) fn accuracy(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let (rows, classes) = (call.extents(0)[0], call.extents(0)[1]);
    let labels = labels(call, classes)?;
    let right: usize = for_floats!(call, call.dtype(0), T => {
        let found = places_of_largest::<T>(call, &call.input::<T>(0), rows, classes)?;
        Ok(found.iter().zip(&labels).filter(|(found, label)| found == label).count())
    })?;
    call.create_one::<f32>(outputs)?[0] = (right as f64 / labels.len() as f64) as f32;
    Ok(())
}

/// The labels, each below the number of classes.
fn labels(call: &Call<'_>, classes: usize) -> Result<Vec<usize>, KernelError> {
    for_dtypes!(call, call.dtype(1), [U8: u8, I32: i32, I64: i64], T => {
        checked_indices::<T>(call, 1, classes, "classes")
    })
}

#[cfg(test)]
mod tests {
    use drawloom_model::{Attribute, Value};

    use crate::element::Number;
    use crate::trial::{assert_near, attributes, made, numbers, random, refused, tensor, trial};

    fn softmax(row: &[f64]) -> Vec<f64> {
        let sum: f64 = row.iter().map(|x| x.exp()).sum();
        row.iter().map(|x| x.exp() / sum).collect()
    }

    fn random_labels(rows: u64, classes: u64) -> Value {
        let labels = numbers(&random::<i32>(&[rows], 9));
        tensor(&[rows], &labels.iter().map(|x| (*x as u64 % classes) as u8).collect::<Vec<_>>())
    }

    fn check_cross_entropy<T: Number>(rows: u64, classes: u64, denominator: Option<f64>) {
        let logits = random::<T>(&[rows, classes], 1);
        let labels = random_labels(rows, classes);
        let given = denominator.map(|value| ("denominator", Attribute::Float(value)));
        let given = attributes(given.as_slice());
        let made =
            trial("cross_entropy", given, &[logits.clone(), labels.clone()]).expect("a loss");
        let divisor = denominator.unwrap_or((rows as f64).max(1.0));
        let (mut loss, mut gradient) = (0.0, Vec::new());
        let elements = numbers(&logits);
        for (row, label) in elements.chunks(classes as usize).zip(numbers(&labels)) {
            let mut shares = softmax(row);
            loss -= shares[label as usize].ln() / divisor;
            shares[label as usize] -= 1.0;
            gradient.extend(shares.iter().map(|share| share / divisor));
        }
        assert_near(&made[0], &[loss], 1e-6);
        assert_near(&made[1], &gradient, 1e-6);
    }

    #[test]
    fn losses_and_gradients() {
        check_cross_entropy::<f32>(5000, 10, None);
        check_cross_entropy::<f64>(7, 3, Some(100.0));
        check_cross_entropy::<f32>(0, 3, None);
        check_cross_entropy::<f32>(1, 1, None);
    }

    #[test]
    fn labels_are_checked() {
        let inputs = [random::<f32>(&[2, 3], 1), tensor(&[2], &[0i64, 3])];
        let message = "cross_entropy: index 3 at place 1: there are 3 classes";
        assert_eq!(refused("cross_entropy", &[], &inputs), message);
        let negative = [random::<f32>(&[2, 3], 1), tensor(&[2], &[0i32, -1])];
        assert!(refused("accuracy", &[], &negative).contains("index -1"));
    }

    #[test]
    fn accuracy_counts_the_first_of_equal_logits() {
        let logits = tensor(&[4, 2], &[0.1f32, 0.9, 1.0, 1.0, 3.0, 2.0, f32::NAN, 5.0]);
        let labels = tensor(&[4], &[1i32, 0, 1, 0]);
        assert_near(&made("accuracy", &[], &[logits, labels]), &[0.75], 0.0);
        let none = [tensor::<f32>(&[0, 2], &[]), tensor::<u8>(&[0], &[])];
        assert_near(&made("accuracy", &[], &none), &[f64::NAN], 0.0);
    }
}
