//! Activation functions of neural networks, and their gradients.

use crate::call::Call;
use crate::element::{Float, Number, for_reals, for_signed};
use crate::elementwise::{Wide, binary, unary};
use crate::wide::{map, zip};
use crate::{KernelError, Outputs};

macro_rules! functions {
    ($($name:ident: $for_dtypes:ident, $function:ident;)+) => { $(
        pub(crate) fn $name(
            call: &Call<'_>,
            outputs: &mut dyn Outputs,
        ) -> Result<(), KernelError> {
            $for_dtypes!(call, call.dtype(0), T => {
                unary::<T>(call, outputs, &map($function::<Wide<T>>))
            })
        }
    )+ };
}

macro_rules! gradients {
    ($($name:ident: $slope:ident;)+) => { $(
        pub(crate) fn $name(
            call: &Call<'_>,
            outputs: &mut dyn Outputs,
        ) -> Result<(), KernelError> {
            for_reals!(call, call.dtype(0), T => {
                binary::<T, T>(call, outputs, &zip($slope::<Wide<T>>))
            })
        }
    )+ };
}

functions! {
    relu: for_signed, above_zero;
    tanh: for_reals, hyperbolic_tangent;
    sigmoid: for_reals, logistic;
    silu: for_reals, sigmoid_linear;
    gelu: for_reals, gaussian_linear;
}

gradients! {
    relu_grad: where_above_zero;
    tanh_grad: tangent_slope;
    sigmoid_grad: logistic_slope;
    silu_grad: sigmoid_linear_slope;
    gelu_grad: gaussian_linear_slope;
}

/// Written so that NaN stays.
#[inline(always)]
fn above_zero<T: Number>(x: T) -> T {
    if x <= T::ZERO { T::ZERO } else { x }
}

#[inline(always)]
fn where_above_zero<T: Number>(x: T, dy: T) -> T {
    if x > T::ZERO { dy } else { T::ZERO }
}

#[inline(always)]
fn hyperbolic_tangent<T: Float>(x: T) -> T {
    x.tanh()
}

#[inline(always)]
fn tangent_slope<T: Float>(y: T, dy: T) -> T {
    dy.times(T::ONE.minus(y.times(y)))
}

#[inline(always)]
fn logistic<T: Float>(x: T) -> T {
    x.sigmoid()
}

#[inline(always)]
fn logistic_slope<T: Float>(y: T, dy: T) -> T {
    dy.times(y.times(T::ONE.minus(y)))
}

#[inline(always)]
fn sigmoid_linear<T: Float>(x: T) -> T {
    x.times(x.sigmoid())
}

#[inline(always)]
fn sigmoid_linear_slope<T: Float>(x: T, dy: T) -> T {
    dy.times(gated(x, x, T::ONE))
}

#[inline(always)]
fn gaussian_linear<T: Float>(x: T) -> T {
    x.times(bent(x).0.sigmoid())
}

#[inline(always)]
fn gaussian_linear_slope<T: Float>(x: T, dy: T) -> T {
    let (inner, slope) = bent(x);
    dy.times(gated(x, inner, slope))
}

/// What GELU takes the sigmoid of, and its slope: with a hyperbolic tangent,
/// (1 + tanh(u)) / 2 is sigmoid(2 u), where u = sqrt(2 / pi) (x + 0.044715 x^3).
#[inline(always)]
fn bent<T: Float>(x: T) -> (T, T) {
    const TWICE_ROOT: f64 = 1.595_769_121_605_731;
    const CUBE: f64 = 0.044_715;
    let square = x.times(x);
    let cubic = T::from_f64(TWICE_ROOT * CUBE).times(square);
    let linear = T::from_f64(TWICE_ROOT);
    (x.times(linear.plus(cubic)), linear.plus(T::from_f64(3.0).times(cubic)))
}

/// The slope of x sigmoid(inner), where `slope` is that of `inner`.
#[inline(always)]
fn gated<T: Float>(x: T, inner: T, slope: T) -> T {
    let gate = inner.sigmoid();
    let opening = gate.times(T::ONE.minus(gate)).times(slope);
    gate.plus(x.times(opening))
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use drawloom_model::Value;
    use half::{bf16, f16};

    use crate::trial::{assert_near, made, numbers, random, tensor};

    fn sigmoid(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    fn gelu(x: f64) -> f64 {
        0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
    }

    type Function = fn(f64) -> f64;
    const FUNCTIONS: [(&str, Function); 5] = [
        ("relu", |x| x.max(0.0)),
        ("tanh", f64::tanh),
        ("sigmoid", sigmoid),
        ("silu", |x| x * sigmoid(x)),
        ("gelu", gelu),
    ];

    fn check(function: Function, kernel: &str, x: Value, tolerance: f64) {
        let expected: Vec<f64> = numbers(&x).into_iter().map(function).collect();
        assert_near(&made(kernel, &[], &[x]), &expected, tolerance);
    }

    #[test]
    fn functions_of_one_element() {
        for (kernel, function) in FUNCTIONS {
            for extents in [&[0][..], &[], &[70_001]] {
                check(function, kernel, random::<f32>(extents, 3), 1e-6);
                check(function, kernel, random::<f64>(extents, 4), 1e-14);
                check(function, kernel, random::<f16>(extents, 5), 1e-3);
                check(function, kernel, random::<bf16>(extents, 6), 4e-3);
            }
        }
        let ints = [tensor(&[3], &[i32::MIN, -3, 3])];
        assert_eq!(made("relu", &[], &ints), tensor(&[3], &[0, 0, 3]));
    }

    #[test]
    fn gradients_are_the_slopes() {
        const STEP: f64 = 1e-6;
        let x = random::<f64>(&[40_001], 1);
        let dy = random::<f64>(&[40_001], 2);
        for (kernel, function) in FUNCTIONS {
            let takes_result = matches!(kernel, "tanh" | "sigmoid");
            let first = if takes_result { made(kernel, &[], from_ref(&x)) } else { x.clone() };
            let slope = |x| (function(x + STEP) - function(x - STEP)) / (2.0 * STEP);
            let pairs = numbers(&x).into_iter().zip(numbers(&dy));
            let expected: Vec<f64> = pairs.map(|(x, dy)| slope(x) * dy).collect();
            let got = made(&format!("{kernel}_grad"), &[], &[first, dy.clone()]);
            assert_near(&got, &expected, 1e-8);
        }
    }

    #[test]
    fn nan_stays_and_limits_are_reached() {
        let ends = tensor(&[3], &[f32::NAN, f32::INFINITY, -100.0]);
        let check = |kernel, expected: [f64; 3]| {
            assert_near(&made(kernel, &[], from_ref(&ends)), &expected, 0.0);
        };
        check("relu", [f64::NAN, f64::INFINITY, 0.0]);
        check("tanh", [f64::NAN, 1.0, -1.0]);
        check("sigmoid", [f64::NAN, 1.0, f64::from((-100f32).exp())]);
        check("gelu", [f64::NAN, f64::INFINITY, 0.0]);
        let dy = tensor(&[3], &[1.0f32, f32::NEG_INFINITY, 5.0]);
        let gradient = made("relu_grad", &[], &[ends.clone(), dy]);
        assert_near(&gradient, &[0.0, f64::NEG_INFINITY, 0.0], 0.0);
    }
}
