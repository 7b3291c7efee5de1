//! The axis of time.

use std::fmt::Write as _;
use std::time::Duration;

use drawloom_model::Time;

use super::super::strip::Scale;

/// About how many marks there are.
const MARKS: f64 = 9.0;

/// Lines and figures, from `top` to `bottom`.
pub(super) fn draw(scale: Scale, top: f64, bottom: f64) -> String {
    let until = scale.until.as_secs_f64();
    let step = step(until / MARKS);
    let mut axis = String::new();
    let marks = (until / step + 1e-9).floor() as u32;
    for mark in 0..=marks {
        let seconds = step * f64::from(mark);
        let x = scale.x(Time::ZERO + Duration::from_secs_f64(seconds));
        let _ = writeln!(
            axis,
            "<path class=\"g\" d=\"M{x:.1},{top:.1}V{bottom:.1}\"/>\
             <text class=\"a\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
            bottom + 14.0,
            figure(seconds, step),
        );
    }
    axis
}

/// The smallest pleasant step, in seconds, that is not smaller than this.
fn step(least: f64) -> f64 {
    const ABOVE_A_MINUTE: [f64; 13] = [
        10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 21_600.0,
        86_400.0,
    ];
    let decimal = |exponent: i32| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(exponent));
    let below = (-9..=0).flat_map(decimal);
    let steps = below.chain(ABOVE_A_MINUTE);
    let days = || (least / 86_400.0).ceil() * 86_400.0;
    steps.into_iter().find(|step| *step >= least).unwrap_or_else(days)
}

/// A moment in a unit that suits the step.
fn figure(seconds: f64, step: f64) -> String {
    let (factor, unit) = match step {
        s if s < 1e-6 => (1e9, "ns"),
        s if s < 1e-3 => (1e6, "us"),
        s if s < 0.5 => (1e3, "ms"),
        s if s < 60.0 => (1.0, "s"),
        s if s < 3600.0 => (1.0 / 60.0, "min"),
        _ => (1.0 / 3600.0, "h"),
    };
    let value = (seconds * factor * 100.0).round() / 100.0;
    format!("{value} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_figures_are_round() {
        let label = |until: f64| {
            let step = step(until / MARKS);
            figure(step, step)
        };
        assert_eq!(label(0.265), "50 ms");
        assert_eq!(label(0.000_9), "100 us");
        assert_eq!(label(8.0), "1 s");
        assert_eq!(label(300.0), "1 min");
        assert_eq!(label(10_000.0), "30 min");
        assert_eq!(label(1e7), "312 h");
    }
}
