// Functions of floating point, by one name for f32 and f64.
#pragma once

#include "element.cuh"

#define FUNCTION(name, of_f32, of_f64)                                                             \
    __device__ __forceinline__ f32 name(f32 x) { return of_f32(x); }                               \
    __device__ __forceinline__ f64 name(f64 x) { return of_f64(x); }

FUNCTION(exponential, expf, exp)
FUNCTION(logarithm, logf, log)
FUNCTION(tangent, tanhf, tanh)
FUNCTION(sine, sinf, sin)
FUNCTION(cosine, cosf, cos)
FUNCTION(root, sqrtf, sqrt)
FUNCTION(whole_below, floorf, floor)
FUNCTION(whole_above, ceilf, ceil)
FUNCTION(nearest_whole, rintf, rint)
FUNCTION(magnitude_of, fabsf, fabs)

// 1 / (1 + e^-x), without overflow.
template <typename W> __device__ __forceinline__ W logistic(W x) {
    W power = exponential(-magnitude_of(x));
    return (x < W(0) ? power : W(1)) / (W(1) + power);
}

// What GELU takes the logistic function of, and its slope: (1 + tanh(u)) / 2 is logistic(2 u), where
// u = sqrt(2 / pi) (x + 0.044715 x^3) (Hendrycks and Gimpel 2016).
template <typename W> struct Bent {
    W inner;
    W slope;
};
template <typename W> __device__ __forceinline__ Bent<W> bent(W x) {
    const f64 twice_root = 1.595769121605731;
    W cubic = W(twice_root * 0.044715) * (x * x);
    W linear = W(twice_root);
    return Bent<W>{x * (linear + cubic), linear + W(3) * cubic};
}

// The slope of x logistic(inner), where `slope` is that of `inner`.
template <typename W> __device__ __forceinline__ W gated(W x, W inner, W slope) {
    W gate = logistic(inner);
    return gate + x * (gate * (W(1) - gate) * slope);
}
