// elements: f32 f64
//
// Steps that change parameters by their gradients.

#include "grid.cuh"
#include "function.cuh"

extern "C" __global__ void __launch_bounds__(256) sgd(
    const Element* __restrict__ param,
    const Element* __restrict__ grad,
    Element* __restrict__ y,
    u64 count,
    Element rate,
    Element decay) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        y[i] = param[i] - rate * (grad[i] + decay * param[i]);
    }
}

extern "C" __global__ void __launch_bounds__(256) sgd_momentum(
    const Element* __restrict__ param,
    const Element* __restrict__ grad,
    const Element* __restrict__ velocity,
    Element* __restrict__ new_param,
    Element* __restrict__ new_velocity,
    u64 count,
    Element rate,
    Element decay,
    Element stays,
    u32 nesterov) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        Element slope = grad[i] + decay * param[i];
        Element moved = stays * velocity[i] + slope;
        Element step = nesterov ? slope + stays * moved : moved;
        new_velocity[i] = moved;
        new_param[i] = param[i] - rate * step;
    }
}

// Kingma and Ba 2015, with decoupled weight decay (Loshchilov and Hutter 2019). The corrections are
// what m and v are multiplied by because they began as zeros.
extern "C" __global__ void __launch_bounds__(256) adam(
    const Element* __restrict__ param,
    const Element* __restrict__ grad,
    const Element* __restrict__ m,
    const Element* __restrict__ v,
    Element* __restrict__ new_param,
    Element* __restrict__ new_m,
    Element* __restrict__ new_v,
    u64 count,
    Element rate,
    Element decay,
    Element eps,
    Element m_stays,
    Element m_comes,
    Element v_stays,
    Element v_comes,
    Element m_correction,
    Element v_correction) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        Element mean = m_stays * m[i] + m_comes * grad[i];
        Element squares = v_stays * v[i] + v_comes * (grad[i] * grad[i]);
        Element deviation = root(squares * v_correction) + eps;
        Element change = mean * m_correction / deviation + decay * param[i];
        new_param[i] = param[i] - rate * change;
        new_m[i] = mean;
        new_v[i] = squares;
    }
}
