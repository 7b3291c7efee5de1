// elements: f16 bf16 f32 f64
//
// Gradients of activation functions: (x or y, dy, dx, count, meeting).

#include "elementwise.cuh"
#include "function.cuh"

#define GRADIENT(name, expression)                                                                 \
    extern "C" __global__ void __launch_bounds__(256) name(                                        \
        const Element* __restrict__ x,                                                             \
        const Element* __restrict__ dy,                                                            \
        Element* __restrict__ dx,                                                                  \
        u64 count,                                                                                 \
        const Meeting<2> meeting) {                                                                \
        zip(x, dy, dx, count, meeting, [](Wide x, Wide dy) -> Wide { return expression; });        \
    }

__device__ __forceinline__ Wide gaussian_linear_slope(Wide x) {
    Bent<Wide> at = bent(x);
    return gated(x, at.inner, at.slope);
}

GRADIENT(relu_grad, x > Wide(0) ? dy : Wide(0))
GRADIENT(tanh_grad, dy*(Wide(1) - x * x))
GRADIENT(sigmoid_grad, dy*(x*(Wide(1) - x)))
GRADIENT(silu_grad, dy* gated(x, x, Wide(1)))
GRADIENT(gelu_grad, dy* gaussian_linear_slope(x))
