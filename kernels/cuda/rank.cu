// elements: u8 i32 i64 f16 bf16 f32 f64
//
// Elements as keys of a sort, and elements in the order of sorted keys. A key is a rank and the place
// of its element along the axis; no two are equal, so that every sort is a stable one.

#include "fold.cuh"

// -0 and 0 have one rank, NaN is last in both directions.
__device__ __forceinline__ u64 rank_of(u8 x, bool descending) {
    return descending ? 255u - x : x;
}
__device__ __forceinline__ u64 rank_of(i32 x, bool descending) {
    u32 rank = static_cast<u32>(x) ^ 0x80000000u;
    return descending ? ~rank : rank;
}
__device__ __forceinline__ u64 rank_of(i64 x, bool descending) {
    u64 rank = static_cast<u64>(x) ^ 0x8000000000000000ull;
    return descending ? ~rank : rank;
}
__device__ __forceinline__ u64 rank_of(f32 x, bool descending) {
    if (is_nan(x)) return 0xffffffffu;
    u32 bits = __float_as_uint(x == 0.0f ? 0.0f : x);
    u32 rank = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return descending ? ~rank : rank;
}
__device__ __forceinline__ u64 rank_of(f64 x, bool descending) {
    if (is_nan(x)) return ~0ull;
    u64 bits = __double_as_longlong(x == 0.0 ? 0.0 : x);
    u64 rank = bits >> 63 ? ~bits : bits | 0x8000000000000000ull;
    return descending ? ~rank : rank;
}

#if CODE == CODE_i64 || CODE == CODE_f64
typedef b16 Key;
__device__ __forceinline__ Key key_of(u64 rank, u64 place) {
    return Key{rank, place};
}
__device__ __forceinline__ u64 place_of(Key key) {
    return key.second;
}
#else
typedef b8 Key;
__device__ __forceinline__ Key key_of(u64 rank, u64 place) {
    return rank << 32 | place;
}
__device__ __forceinline__ u64 place_of(Key key) {
    return key & 0xffffffffu;
}
#endif

// The keys of all lines along an axis, one line after the other.
extern "C" __global__ void __launch_bounds__(256)
    rank(const Element* __restrict__ x, Key* __restrict__ keys, const Axis axis, u32 descending) {
    u64 count = axis.outer * axis.along * axis.inner;
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        Quotient line = divide(i, axis.along);
        Quotient column = divide(line.whole, axis.inner);
        u64 start = column.whole * axis.along * axis.inner + column.rest;
        keys[i] = key_of(rank_of(wide(x[start + line.rest * axis.inner]), descending), line.rest);
    }
}

// The elements of the first `taken` keys of each line, and their places. The lines of keys are
// `line_length` apart.
extern "C" __global__ void __launch_bounds__(256) take(
    const Element* __restrict__ x,
    const Key* __restrict__ keys,
    Element* __restrict__ values,
    i64* __restrict__ indices,
    const Axis axis,
    u64 taken,
    u64 line_length) {
    u64 count = axis.outer * taken * axis.inner;
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        Quotient column = divide(i, axis.inner);
        Quotient row = divide(column.whole, taken);
        u64 line = row.whole * axis.inner + column.rest;
        u64 place = place_of(keys[line * line_length + row.rest]);
        values[i] = x[row.whole * axis.along * axis.inner + column.rest + place * axis.inner];
        indices[i] = static_cast<i64>(place);
    }
}
