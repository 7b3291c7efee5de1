// Element types: how elements are stored, what they are computed with in, and how one becomes the
// other. The build names the element type of a module with -DELEMENT=f32, and so on.
//
// Modules are compiled without contraction of products and sums (--fmad=false), so that arithmetic
// rounds as the CPU twins' does; where a fused operation is wanted it is written as fmaf or fma.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;
typedef float f32;
typedef double f64;

// Halves are stored as their bits and computed with in f32.
struct f16 {
    u16 bits;
};
struct bf16 {
    u16 bits;
};

// Elements of which only the size matters.
typedef u8 b1;
typedef u16 b2;
typedef u32 b4;
typedef u64 b8;
struct alignas(16) b16 {
    u64 first;
    u64 second;
};

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define CODE_u8 1
#define CODE_i32 2
#define CODE_i64 3
#define CODE_f16 4
#define CODE_bf16 5
#define CODE_f32 6
#define CODE_f64 7
#define CODE_b1 8
#define CODE_b2 9
#define CODE_b4 10
#define CODE_b8 11
#define CODE_b16 12

#ifdef ELEMENT
typedef ELEMENT Element;
#define CODE JOIN(CODE_, ELEMENT)
#define IS_INTEGER (CODE <= CODE_i64)
#define IS_SIGNED (CODE >= CODE_i32 && CODE <= CODE_f64)
#define IS_REAL (CODE >= CODE_f16 && CODE <= CODE_f64)
#define IS_HALF (CODE == CODE_f16 || CODE == CODE_bf16)
#endif

#define INFINITY_F32 __int_as_float(0x7f800000)
#define NAN_F32 __int_as_float(0x7fc00000)
#define INFINITY_F64 __longlong_as_double(0x7ff0000000000000ll)

// Unsigned numbers of so many bytes.
template <int BYTES> struct Word;
template <> struct Word<1> { typedef u8 type; };
template <> struct Word<2> { typedef u16 type; };
template <> struct Word<4> { typedef u32 type; };
template <> struct Word<8> { typedef uint2 type; };
template <> struct Word<16> { typedef uint4 type; };

// Neighbouring elements that are read and written by one instruction.
template <typename T, int COUNT> union Lanes {
    typename Word<sizeof(T) * COUNT>::type word;
    T at[COUNT];

    __device__ __forceinline__ Lanes() {}
    __device__ __forceinline__ void load(const T* from) {
        word = *reinterpret_cast<const typename Word<sizeof(T) * COUNT>::type*>(from);
    }
    __device__ __forceinline__ void store(T* to) const {
        *reinterpret_cast<typename Word<sizeof(T) * COUNT>::type*>(to) = word;
    }
};

// What an element is computed with in, what elements are added up in, and how sums are stored.
template <typename T> struct Computed {
    typedef T Wide;
    typedef i64 Sum;
    typedef i64 Total;
};
template <> struct Computed<f16> {
    typedef f32 Wide;
    typedef f64 Sum;
    typedef f16 Total;
};
template <> struct Computed<bf16> {
    typedef f32 Wide;
    typedef f64 Sum;
    typedef bf16 Total;
};
template <> struct Computed<f32> {
    typedef f32 Wide;
    typedef f64 Sum;
    typedef f32 Total;
};
template <> struct Computed<f64> {
    typedef f64 Wide;
    typedef f64 Sum;
    typedef f64 Total;
};

// Elements as wide ones.
template <typename T> __device__ __forceinline__ T wide(T x) {
    return x;
}
__device__ __forceinline__ f32 wide(f16 x) {
    f32 y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y;
}
__device__ __forceinline__ f32 wide(bf16 x) {
    return __uint_as_float(static_cast<u32>(x.bits) << 16);
}

// The element nearest to a wide one; of two that are as near, the even one.
template <typename T> struct Narrow {
    static __device__ __forceinline__ T of(T x) { return x; }
};
template <> struct Narrow<f16> {
    static __device__ __forceinline__ f16 of(f32 x) {
        f16 y;
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
        return y;
    }
};
template <> struct Narrow<bf16> {
    static __device__ __forceinline__ bf16 of(f32 x) {
        u32 bits = __float_as_uint(x);
        u32 rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
        // NaN stays NaN, which rounding up could make infinite.
        u32 quiet = (bits >> 16) | 0x40u;
        return bf16{static_cast<u16>((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded)};
    }
};

// An f32 that rounds to a half as the f64 itself would: inexact results are made odd.
__device__ __forceinline__ f32 for_a_half(f64 x) {
    f32 cut = __double2float_rz(x);
    bool inexact = static_cast<f64>(cut) != x && cut == cut;
    return inexact ? __uint_as_float(__float_as_uint(cut) | 1u) : cut;
}

// Whole numbers out of range become the nearest there is, and NaN becomes 0.
__device__ __forceinline__ i64 saturated(f64 x, f64 least, f64 beyond, i64 most) {
    if (!(x == x)) return 0;
    if (x >= beyond) return most;
    return static_cast<i64>(x <= least ? least : x);
}

// The element nearest to an f64, as the CPU twins convert constants and sums.
template <typename T> struct FromF64;
template <> struct FromF64<u8> {
    static __device__ __forceinline__ u8 of(f64 x) {
        return static_cast<u8>(saturated(x, 0.0, 255.0, 255));
    }
};
template <> struct FromF64<i32> {
    static __device__ __forceinline__ i32 of(f64 x) {
        return static_cast<i32>(saturated(x, -2147483648.0, 2147483647.0, 2147483647));
    }
};
template <> struct FromF64<i64> {
    static __device__ __forceinline__ i64 of(f64 x) {
        return saturated(x, -9223372036854775808.0, 9223372036854775808.0, 0x7fffffffffffffffll);
    }
};
template <> struct FromF64<f16> {
    static __device__ __forceinline__ f16 of(f64 x) { return Narrow<f16>::of(for_a_half(x)); }
};
template <> struct FromF64<bf16> {
    static __device__ __forceinline__ bf16 of(f64 x) { return Narrow<bf16>::of(for_a_half(x)); }
};
template <> struct FromF64<f32> {
    static __device__ __forceinline__ f32 of(f64 x) { return static_cast<f32>(x); }
};
template <> struct FromF64<f64> {
    static __device__ __forceinline__ f64 of(f64 x) { return x; }
};

// How a sum is stored, and a sum as an element again (integers wrap around).
__device__ __forceinline__ i64 total(i64 sum, i64) { return sum; }
template <typename Total> __device__ __forceinline__ Total total(f64 sum, Total) {
    return FromF64<Total>::of(sum);
}
template <typename T> struct OfSum {
    static __device__ __forceinline__ T of(f64 sum) { return FromF64<T>::of(sum); }
    static __device__ __forceinline__ T of(i64 sum) { return static_cast<T>(sum); }
};
template <> struct OfSum<f16> {
    static __device__ __forceinline__ f16 of(f64 sum) { return FromF64<f16>::of(sum); }
};
template <> struct OfSum<bf16> {
    static __device__ __forceinline__ bf16 of(f64 sum) { return FromF64<bf16>::of(sum); }
};

template <typename T> __device__ __forceinline__ bool is_nan(T) { return false; }
__device__ __forceinline__ bool is_nan(f32 x) { return !(x == x); }
__device__ __forceinline__ bool is_nan(f64 x) { return !(x == x); }

// No value is below the lowest, none above the highest.
template <typename T> struct Bounds;
template <> struct Bounds<u8> {
    static __device__ __forceinline__ u8 lowest() { return 0; }
    static __device__ __forceinline__ u8 highest() { return 255; }
};
template <> struct Bounds<i32> {
    static __device__ __forceinline__ i32 lowest() { return -2147483647 - 1; }
    static __device__ __forceinline__ i32 highest() { return 2147483647; }
};
template <> struct Bounds<i64> {
    static __device__ __forceinline__ i64 lowest() { return -9223372036854775807ll - 1; }
    static __device__ __forceinline__ i64 highest() { return 9223372036854775807ll; }
};
template <> struct Bounds<f32> {
    static __device__ __forceinline__ f32 lowest() { return -INFINITY_F32; }
    static __device__ __forceinline__ f32 highest() { return INFINITY_F32; }
};
template <> struct Bounds<f64> {
    static __device__ __forceinline__ f64 lowest() { return -INFINITY_F64; }
    static __device__ __forceinline__ f64 highest() { return INFINITY_F64; }
};

// The larger and the smaller of two; NaN where either is NaN.
template <typename T> __device__ __forceinline__ T larger(T a, T b) {
    return a > b || is_nan(a) ? a : b;
}
template <typename T> __device__ __forceinline__ T smaller(T a, T b) {
    return a < b || is_nan(a) ? a : b;
}
