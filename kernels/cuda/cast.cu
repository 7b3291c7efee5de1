// elements: u8 i32 i64 f16 bf16 f32 f64
//
// Conversion of elements to another type: (x, y, count). To integers it truncates, values out of
// range become the nearest there is, and NaN becomes 0.

#include "grid.cuh"

__device__ __forceinline__ f64 as_f64(u8 x) { return x; }
__device__ __forceinline__ f64 as_f64(i32 x) { return x; }
__device__ __forceinline__ f64 as_f64(i64 x) { return static_cast<f64>(x); }
__device__ __forceinline__ f64 as_f64(f16 x) { return wide(x); }
__device__ __forceinline__ f64 as_f64(bf16 x) { return wide(x); }
__device__ __forceinline__ f64 as_f64(f32 x) { return x; }
__device__ __forceinline__ f64 as_f64(f64 x) { return x; }

#if IS_INTEGER
__device__ __forceinline__ i64 clamped(i64 x, i64 low, i64 high) {
    return x < low ? low : (x > high ? high : x);
}
#define TO_U8(x) static_cast<u8>(clamped(x, 0, 255))
#define TO_I32(x) static_cast<i32>(clamped(x, -2147483648ll, 2147483647ll))
#define TO_I64(x) static_cast<i64>(x)
#else
#define TO_U8(x) FromF64<u8>::of(as_f64(x))
#define TO_I32(x) FromF64<i32>::of(as_f64(x))
#define TO_I64(x) FromF64<i64>::of(as_f64(x))
#endif

#define CAST(name, To, convert)                                                                    \
    extern "C" __global__ void __launch_bounds__(256)                                              \
        name(const Element* __restrict__ x, To* __restrict__ y, u64 count) {                       \
        for (u64 i = thread_number(); i < count; i += thread_count()) y[i] = convert(x[i]);        \
    }

CAST(to_u8, u8, TO_U8)
CAST(to_i32, i32, TO_I32)
CAST(to_i64, i64, TO_I64)

#if CODE == CODE_f16 || CODE == CODE_bf16 || CODE == CODE_f32
// By way of f32, which holds both exactly.
#define TO_F16(x) Narrow<f16>::of(wide(x))
#define TO_BF16(x) Narrow<bf16>::of(wide(x))
#define TO_F32(x) wide(x)
#else
#define TO_F16(x) FromF64<f16>::of(as_f64(x))
#define TO_BF16(x) FromF64<bf16>::of(as_f64(x))
#define TO_F32(x) static_cast<f32>(as_f64(x))
#endif

CAST(to_f16, f16, TO_F16)
CAST(to_bf16, bf16, TO_BF16)
CAST(to_f32, f32, TO_F32)
CAST(to_f64, f64, as_f64)
