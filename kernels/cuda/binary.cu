// elements: u8 i32 i64 f16 bf16 f32 f64
//
// Arithmetic on elements that meet when shapes broadcast: (a, b, y, count, meeting).

#include "elementwise.cuh"

#if CODE == CODE_u8
typedef u32 Wrapping;
#elif CODE == CODE_i32
typedef u32 Wrapping;
#elif CODE == CODE_i64
typedef u64 Wrapping;
#else
typedef Wide Wrapping;
#endif

#define BINARY(name, loop, expression)                                                             \
    extern "C" __global__ void __launch_bounds__(256) name(                                        \
        const Element* __restrict__ a,                                                             \
        const Element* __restrict__ b,                                                             \
        Element* __restrict__ y,                                                                   \
        u64 count,                                                                                 \
        const Meeting<2> meeting) {                                                                \
        loop(a, b, y, count, meeting, [](Wide a, Wide b) -> Wide { return expression; });          \
    }

// Integers wrap around, which C++ promises for unsigned ones alone.
BINARY(add, zip, static_cast<Wide>(static_cast<Wrapping>(a) + static_cast<Wrapping>(b)))
BINARY(sub, zip, static_cast<Wide>(static_cast<Wrapping>(a) - static_cast<Wrapping>(b)))
BINARY(mul, zip, static_cast<Wide>(static_cast<Wrapping>(a) * static_cast<Wrapping>(b)))
BINARY(maximum, zip, larger(a, b))
BINARY(minimum, zip, smaller(a, b))

// Integers truncate; division by 0 is found by `check`, and the least divided by -1 stays.
__device__ __forceinline__ u8 over(u8 a, u8 b) {
    return b == 0 ? 0 : a / b;
}
__device__ __forceinline__ i32 over(i32 a, i32 b) {
    if (b == -1) return static_cast<i32>(0u - static_cast<u32>(a));
    return b == 0 ? 0 : a / b;
}
__device__ __forceinline__ i64 over(i64 a, i64 b) {
    if (b == -1) return static_cast<i64>(0ull - static_cast<u64>(a));
    return b == 0 ? 0 : a / b;
}
__device__ __forceinline__ f32 over(f32 a, f32 b) {
    return a / b;
}
__device__ __forceinline__ f64 over(f64 a, f64 b) {
    return a / b;
}
BINARY(div_of, zip, over(a, b))

#if IS_INTEGER
// By repeated squaring, which wraps around; negative powers are found by `check`.
__device__ __forceinline__ Wide power(Wide a, Wide b) {
#if IS_SIGNED
    if (b < Wide(0)) return 0;
#endif
    Wrapping base = static_cast<Wrapping>(a), made = 1;
    for (u64 left = static_cast<u64>(b); left > 0; left >>= 1) {
        if (left & 1) made *= base;
        base *= base;
    }
    return static_cast<Wide>(made);
}
#else
__device__ __forceinline__ f32 power(f32 a, f32 b) {
    return powf(a, b);
}
__device__ __forceinline__ f64 power(f64 a, f64 b) {
    return pow(a, b);
}
#endif
BINARY(pow_of, zip_slowly, power(a, b))

#if IS_REAL
// alpha * x + y.
extern "C" __global__ void __launch_bounds__(256) axpy(
    const Element* __restrict__ a,
    const Element* __restrict__ b,
    Element* __restrict__ y,
    u64 count,
    const Meeting<2> meeting,
    Wide alpha) {
    zip(a, b, y, count, meeting, [=](Wide a, Wide b) -> Wide { return alpha * a + b; });
}
#endif
