// elements: f32 f64
//
// Steps that change parameters by their gradients.

#include "grid.cuh"
#include "function.cuh"

// How many elements of a tensor an instruction moves: 16 bytes.
constexpr int LANES = 16 / sizeof(Element);

// Calls `step` with the elements of all inputs at each place, and writes what it makes.
template <int INPUTS, int OUTPUTS, typename Step>
__device__ __forceinline__ void for_each(
    const Element* const (&inputs)[INPUTS],
    Element* const (&outputs)[OUTPUTS],
    u64 count,
    Step step) {
    u64 groups = count / LANES;
    for (u64 group = thread_number(); group < groups; group += thread_count()) {
        Lanes<Element, LANES> from[INPUTS], to[OUTPUTS];
#pragma unroll
        for (int input = 0; input < INPUTS; input++) {
            from[input].load(inputs[input] + group * LANES);
        }
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) {
            Element x[INPUTS], y[OUTPUTS];
#pragma unroll
            for (int input = 0; input < INPUTS; input++) x[input] = from[input].at[lane];
            step(x, y);
#pragma unroll
            for (int output = 0; output < OUTPUTS; output++) to[output].at[lane] = y[output];
        }
#pragma unroll
        for (int output = 0; output < OUTPUTS; output++) {
            to[output].store(outputs[output] + group * LANES);
        }
    }
    // Fewer than LANES are left.
    u64 last = groups * LANES + thread_number();
    if (last < count) {
        Element x[INPUTS], y[OUTPUTS];
#pragma unroll
        for (int input = 0; input < INPUTS; input++) x[input] = inputs[input][last];
        step(x, y);
#pragma unroll
        for (int output = 0; output < OUTPUTS; output++) outputs[output][last] = y[output];
    }
}

extern "C" __global__ void __launch_bounds__(256) sgd(
    const Element* __restrict__ param,
    const Element* __restrict__ grad,
    Element* __restrict__ new_param,
    u64 count,
    Element rate,
    Element decay) {
    const Element* const inputs[] = {param, grad};
    Element* const outputs[] = {new_param};
    for_each(inputs, outputs, count, [=](const Element (&x)[2], Element (&y)[1]) {
        y[0] = x[0] - rate * (x[1] + decay * x[0]);
    });
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
    const Element* const inputs[] = {param, grad, velocity};
    Element* const outputs[] = {new_param, new_velocity};
    for_each(inputs, outputs, count, [=](const Element (&x)[3], Element (&y)[2]) {
        Element slope = x[1] + decay * x[0];
        Element moved = stays * x[2] + slope;
        Element step = nesterov ? slope + stays * moved : moved;
        y[0] = x[0] - rate * step;
        y[1] = moved;
    });
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
    const Element* const inputs[] = {param, grad, m, v};
    Element* const outputs[] = {new_param, new_m, new_v};
    for_each(inputs, outputs, count, [=](const Element (&x)[4], Element (&y)[3]) {
        Element mean = m_stays * x[2] + m_comes * x[1];
        Element squares = v_stays * x[3] + v_comes * (x[1] * x[1]);
        Element deviation = root(squares * v_correction) + eps;
        Element change = mean * m_correction / deviation + decay * x[0];
        y[0] = x[0] - rate * change;
        y[1] = mean;
        y[2] = squares;
    });
}
