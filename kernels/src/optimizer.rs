//! Steps that change parameters by their gradients.

use crate::call::{Call, elements};
use crate::context::CHUNK;
use crate::element::{Float, Number, for_floats};
use crate::{KernelError, Outputs};

pub(crate) fn sgd(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let rate = call.arguments.float("lr");
    let decay = call.arguments.float("weight_decay");
    for_floats!(call, call.dtype(0), T => {
        let (param, grad) = (call.input::<T>(0), call.input::<T>(1));
        let y = call.create_one::<T>(outputs)?;
        let (rate, decay) = (T::from_f64(rate), T::from_f64(decay));
        let chunks = y.chunks_mut(CHUNK).zip(param.chunks(CHUNK).zip(grad.chunks(CHUNK)));
        call.context.for_each(chunks, |(y, (param, grad))| {
            for (y, (param, grad)) in y.iter_mut().zip(param.iter().zip(grad)) {
                *y = param.minus(rate.times(grad.plus(decay.times(*param))));
            }
        })
    })
}

pub(crate) fn sgd_momentum(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let float = |name| call.arguments.float(name);
    let nesterov = call.arguments.bool("nesterov");
    for_floats!(call, call.dtype(0), T => {
        let [rate, decay, stays] = ["lr", "weight_decay", "momentum"].map(|n| T::from_f64(float(n)));
        let [param, grad, velocity] = [0, 1, 2].map(|input| call.input::<T>(input));
        let [new_param, new_velocity] = call.create_all(outputs)?;
        let (new_param, new_velocity) =
            (elements::<T>(new_param)?, elements::<T>(new_velocity)?);
        let chunks = new_param.chunks_mut(CHUNK).zip(new_velocity.chunks_mut(CHUNK)).enumerate();
        call.context.for_each(chunks, |(index, (new_param, new_velocity))| {
            let part = index * CHUNK..index * CHUNK + new_param.len();
            let [param, grad, velocity] =
                [&param, &grad, &velocity].map(|input| &input[part.clone()]);
            for place in 0..part.len() {
                let slope = grad[place].plus(decay.times(param[place]));
                let velocity = stays.times(velocity[place]).plus(slope);
                let step = if nesterov { slope.plus(stays.times(velocity)) } else { velocity };
                new_velocity[place] = velocity;
                new_param[place] = param[place].minus(rate.times(step));
            }
        })
    })
}

/// Adam's constants for one step.
#[derive(Clone, Copy)]
struct Adam<T> {
    rate: T,
    decay: T,
    eps: T,
    /// How much of m and of v stays, and how much comes in.
    m_stays: T,
    m_comes: T,
    v_stays: T,
    v_comes: T,
    /// What m and v are multiplied by because they began as zeros.
    m_correction: T,
    v_correction: T,
}

impl<T: Float> Adam<T> {
    fn new(call: &Call<'_>) -> Self {
        let float = |name| call.arguments.float(name);
        let (beta1, beta2) = (float("beta1"), float("beta2"));
        let step = call.arguments.int("step") as f64;
        let correction = |beta: f64| T::from_f64(1.0 / (1.0 - beta.powf(step)));
        Adam {
            rate: T::from_f64(float("lr")),
            decay: T::from_f64(float("weight_decay")),
            eps: T::from_f64(float("eps")),
            m_stays: T::from_f64(beta1),
            m_comes: T::from_f64(1.0 - beta1),
            v_stays: T::from_f64(beta2),
            v_comes: T::from_f64(1.0 - beta2),
            m_correction: correction(beta1),
            v_correction: correction(beta2),
        }
    }

    /// The new param, m and v.
    fn step(&self, param: T, grad: T, m: T, v: T) -> (T, T, T) {
        let m = self.m_stays.times(m).plus(self.m_comes.times(grad));
        let v = self.v_stays.times(v).plus(self.v_comes.times(grad.times(grad)));
        let root = v.times(self.v_correction).sqrt().plus(self.eps);
        let change = m.times(self.m_correction).over(root).plus(self.decay.times(param));
        (param.minus(self.rate.times(change)), m, v)
    }
}

pub(crate) fn adam(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    for_floats!(call, call.dtype(0), T => {
        let adam = Adam::<T>::new(call);
        let [param, grad, m, v] = [0, 1, 2, 3].map(|input| call.input::<T>(input));
        let [new_param, new_m, new_v] = call.create_all(outputs)?;
        let (new_param, new_m, new_v) =
            (elements::<T>(new_param)?, elements::<T>(new_m)?, elements::<T>(new_v)?);
        let chunks = new_param
            .chunks_mut(CHUNK)
            .zip(new_m.chunks_mut(CHUNK))
            .zip(new_v.chunks_mut(CHUNK))
            .enumerate();
        call.context.for_each(chunks, |(index, ((new_param, new_m), new_v))| {
            let part = index * CHUNK..index * CHUNK + new_param.len();
            let [param, grad, m, v] = [&param, &grad, &m, &v].map(|input| &input[part.clone()]);
            for place in 0..part.len() {
                let new = adam.step(param[place], grad[place], m[place], v[place]);
                (new_param[place], new_m[place], new_v[place]) = new;
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use drawloom_model::{Attribute, Value};

    use crate::trial::{assert_near, attributes, made, numbers, random, trial};

    #[test]
    fn sgd_goes_down_the_gradient() {
        for n in [0, 1, 40_000] {
            let (param, grad) = (random::<f32>(&[n], 1), random::<f32>(&[n], 2));
            let expected: Vec<f64> = numbers(&param)
                .into_iter()
                .zip(numbers(&grad))
                .map(|(param, grad)| param - 0.5 * (grad + 0.1 * param))
                .collect();
            let given = [("lr", Attribute::Float(0.5)), ("weight_decay", Attribute::Float(0.1))];
            assert_near(&made("sgd", &given, &[param, grad]), &expected, 1e-6);
        }
    }

    #[test]
    fn momentum_carries_steps_on() {
        for nesterov in [false, true] {
            let given = attributes(&[
                ("lr", Attribute::Float(0.1)),
                ("momentum", Attribute::Float(0.8)),
                ("weight_decay", Attribute::Float(0.2)),
                ("nesterov", Attribute::Bool(nesterov)),
            ]);
            for n in [0, 1, 40_000] {
                let mut state = [1, 2].map(|seed| random::<f32>(&[n], seed));
                let mut expected = [0, 1].map(|place: usize| numbers(&state[place]));
                for seed in [3, 4] {
                    let grad = random::<f32>(&[n], seed);
                    let of_grad = numbers(&grad);
                    let [params, velocities] = &mut expected;
                    for place in 0..n as usize {
                        let slope = of_grad[place] + 0.2 * params[place];
                        velocities[place] = 0.8 * velocities[place] + slope;
                        let ahead = slope + 0.8 * velocities[place];
                        params[place] -= 0.1 * if nesterov { ahead } else { velocities[place] };
                    }
                    let [param, velocity] = state;
                    let made = trial("sgd_momentum", given.clone(), &[param, grad, velocity]);
                    state = made.expect("a step").try_into().expect("two outputs");
                    assert_near(&state[0], &expected[0], 1e-6);
                    assert_near(&state[1], &expected[1], 1e-6);
                }
            }
        }
    }

    /// The update rule as the papers write it.
    fn reference(state: &[Vec<f64>; 3], grad: &[f64], step: i32) -> [Vec<f64>; 3] {
        let [param, m, v] = state;
        let mut new = [Vec::new(), Vec::new(), Vec::new()];
        for (place, grad) in grad.iter().enumerate() {
            let m = 0.9 * m[place] + 0.1 * grad;
            let v = 0.99 * v[place] + 0.01 * grad * grad;
            let (m_hat, v_hat) = (m / (1.0 - 0.9f64.powi(step)), v / (1.0 - 0.99f64.powi(step)));
            let param = param[place] - 0.01 * (m_hat / (v_hat.sqrt() + 1e-8) + 0.1 * param[place]);
            new[0].push(param);
            new[1].push(m);
            new[2].push(v);
        }
        new
    }

    fn check(mut state: [Value; 3], gradients: [Value; 3], tolerance: f64) {
        let mut expected = [0, 1, 2].map(|place| numbers(&state[place]));
        for (step, grad) in (1..).zip(gradients) {
            expected = reference(&expected, &numbers(&grad), step);
            let given = attributes(&[
                ("step", Attribute::Int(i64::from(step))),
                ("lr", Attribute::Float(0.01)),
                ("beta2", Attribute::Float(0.99)),
                ("weight_decay", Attribute::Float(0.1)),
            ]);
            let [param, m, v] = state;
            let made = trial("adam", given, &[param, grad, m, v]).expect("a step");
            for (made, expected) in made.iter().zip(&expected) {
                assert_near(made, expected, tolerance);
            }
            state = made.try_into().expect("three outputs");
        }
    }

    #[test]
    fn adam_follows_its_papers() {
        for n in [0, 1, 40_000] {
            let zeros = random::<f32>(&[n], 0);
            let zeros = made("sub", &[], &[zeros.clone(), zeros]);
            let gradients = [2, 3, 4].map(|seed| random::<f32>(&[n], seed));
            check([random::<f32>(&[n], 1), zeros.clone(), zeros], gradients, 1e-6);
        }
        let zeros = random::<f64>(&[5, 7], 0);
        let zeros = made("sub", &[], &[zeros.clone(), zeros]);
        let gradients = [2, 3, 4].map(|seed| random::<f64>(&[5, 7], seed));
        check([random::<f64>(&[5, 7], 1), zeros.clone(), zeros], gradients, 1e-14);
    }
}
