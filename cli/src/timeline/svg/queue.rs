//! How many attempts could run and wait for their turn, below an executor's lanes.

use std::fmt::Write as _;

use super::super::Executor;
use super::super::chrome::queue;
use super::Drawing;

const HEIGHT: f64 = 16.0;

impl Drawing<'_> {
    /// Draws an executor's queue; answers where it ends, or nothing where nothing ever waited.
    pub(super) fn queue(&mut self, executor: &Executor, top: f64) -> Option<f64> {
        let on_it = self.timeline.attempts.iter().filter(|attempt| attempt.executor == executor.id);
        let steps = queue(on_it);
        let most = steps.iter().map(|(_, count)| *count).max()?;
        let bottom = top + HEIGHT;
        let y = |count: u32| bottom - HEIGHT * f64::from(count) / f64::from(most.max(1));
        let (mut path, mut drawn) = (String::new(), 0);
        let mut column: Option<(i64, u32)> = None;
        // Of what falls on one pixel, the most.
        for (moment, count) in &steps {
            let x = self.scale.x(*moment).round() as i64;
            match &mut column {
                Some((last, largest)) if *last == x => *largest = (*largest).max(*count),
                _ => {
                    if let Some((x, count)) = column.replace((x, *count)) {
                        let _ = write!(path, "H{x}V{:.1}", y(count));
                        drawn += 1;
                    }
                }
            }
        }
        let (last, count) = column?;
        let start = self.scale.x(steps.first()?.0).round();
        // The last step falls to nothing, however many fell on its pixel.
        let _ =
            write!(path, "H{last}V{:.1}H{}V{bottom:.1}z", y(count), last + i64::from(drawn == 0));
        let _ = writeln!(
            self.body,
            "<path fill=\"#c9a35c\" fill-opacity=\".55\" d=\"M{start},{bottom:.1}{path}\"/>"
        );
        self.label(bottom - 2.0, "a", &format!("up to {most} waiting"));
        Some(bottom)
    }
}
