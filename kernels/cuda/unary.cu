// elements: u8 i32 i64 f16 bf16 f32 f64
//
// Arithmetic and functions of each element by itself: (x, y, count).

#include "elementwise.cuh"
#include "function.cuh"

#define UNARY(name, loop, expression)                                                              \
    extern "C" __global__ void __launch_bounds__(256)                                              \
        name(const Element* __restrict__ x, Element* __restrict__ y, u64 count) {                  \
        loop(x, y, count, [](Wide x) -> Wide { return expression; });                              \
    }

// Integers wrap around.
#if CODE == CODE_u8 || IS_REAL
UNARY(square, map, x* x)
#elif CODE == CODE_i32
UNARY(square, map, static_cast<i32>(static_cast<u32>(x) * static_cast<u32>(x)))
UNARY(negate, map, static_cast<i32>(0u - static_cast<u32>(x)))
UNARY(abs_of, map, static_cast<i32>(x < 0 ? 0u - static_cast<u32>(x) : static_cast<u32>(x)))
#else
UNARY(square, map, static_cast<i64>(static_cast<u64>(x) * static_cast<u64>(x)))
UNARY(negate, map, static_cast<i64>(0ull - static_cast<u64>(x)))
UNARY(abs_of, map, static_cast<i64>(x < 0 ? 0ull - static_cast<u64>(x) : static_cast<u64>(x)))
#endif

#if IS_SIGNED
UNARY(sign, map, x > Wide(0) ? Wide(1) : (x < Wide(0) ? Wide(-1) : x))
// Written so that NaN stays.
UNARY(relu, map, x <= Wide(0) ? Wide(0) : x)
#endif

// x, but not below `low` nor above `high`; NaN stays.
extern "C" __global__ void __launch_bounds__(256)
    clip(const Element* __restrict__ x, Element* __restrict__ y, u64 count, Wide low, Wide high) {
    map(x, y, count, [=](Wide x) -> Wide { return smaller(larger(x, low), high); });
}

#if IS_REAL
UNARY(negate, map, -x)
UNARY(abs_of, map, magnitude_of(x))
UNARY(sqrt_of, map, root(x))
UNARY(rsqrt_of, map, Wide(1) / root(x))
UNARY(reciprocal, map, Wide(1) / x)
UNARY(exp_of, map, exponential(x))
UNARY(log_of, map, logarithm(x))
UNARY(sin_of, map_slowly, sine(x))
UNARY(cos_of, map_slowly, cosine(x))
UNARY(floor_of, map, whole_below(x))
UNARY(ceil_of, map, whole_above(x))
UNARY(round_of, map, nearest_whole(x))
UNARY(tanh_of, map_slowly, tangent(x))
UNARY(sigmoid, map, logistic(x))
UNARY(silu, map, x* logistic(x))
UNARY(gelu, map, x* logistic(bent(x).inner))

// x * factor + offset.
extern "C" __global__ void __launch_bounds__(256) scale(
    const Element* __restrict__ x, Element* __restrict__ y, u64 count, Wide factor, Wide offset) {
    map(x, y, count, [=](Wide x) -> Wide { return x * factor + offset; });
}
#endif
