// The folds of the catalogue: sums, products and extremes.
#pragma once

#include "fold.cuh"

typedef Computed<Element>::Wide Wide;
typedef Computed<Element>::Sum Sum;
typedef Computed<Element>::Total Total;

// What a fold of elements begins with, takes, and ends as, where its result is all there is to it.
#define PLAIN_RUNNING(expression)                                                                  \
    static constexpr int UNROLL = 4;                                                               \
    typedef Result Running;                                                                        \
    static __device__ __forceinline__ Running begin() { return start(); }                          \
    static __device__ __forceinline__ void take(Running& running, Wide x, u64) {                   \
        running = combine(running, expression);                                                    \
    }                                                                                              \
    static __device__ __forceinline__ Result end(Running running) { return running; }

// Integers wrap around, which C++ promises for unsigned ones alone.
__device__ __forceinline__ i64 plus(i64 a, i64 b) {
    return static_cast<i64>(static_cast<u64>(a) + static_cast<u64>(b));
}
__device__ __forceinline__ f64 plus(f64 a, f64 b) {
    return a + b;
}
__device__ __forceinline__ i64 times(i64 a, i64 b) {
    return static_cast<i64>(static_cast<u64>(a) * static_cast<u64>(b));
}
__device__ __forceinline__ f64 times(f64 a, f64 b) {
    return a * b;
}

constexpr u32 MEAN = 2;

// In stage MEAN, the sum is divided.
struct SumFold {
    typedef Sum Result;
    typedef Total Output;
    static __device__ __forceinline__ Result start() { return 0; }
    static __device__ __forceinline__ Result combine(Result a, Result b) { return plus(a, b); }
    PLAIN_RUNNING(static_cast<Sum>(x))
    static __device__ __forceinline__ Output output(Result sum, u32 stage, f64 divisor) {
#if IS_REAL
        if (stage == MEAN) sum /= divisor;
#endif
        return total(sum, Total());
    }
};

struct ProductFold {
    typedef Sum Result;
    typedef Total Output;
    static __device__ __forceinline__ Result start() { return 1; }
    static __device__ __forceinline__ Result combine(Result a, Result b) { return times(a, b); }
    PLAIN_RUNNING(static_cast<Sum>(x))
    static __device__ __forceinline__ Output output(Result product, u32, f64) {
        return total(product, Total());
    }
};

struct LargestFold {
    typedef Wide Result;
    typedef Element Output;
    static __device__ __forceinline__ Result start() { return Bounds<Wide>::lowest(); }
    static __device__ __forceinline__ Result combine(Result a, Result b) { return larger(a, b); }
    PLAIN_RUNNING(x)
    static __device__ __forceinline__ Output output(Result most, u32, f64) {
        return Narrow<Element>::of(most);
    }
};

struct SmallestFold {
    typedef Wide Result;
    typedef Element Output;
    static __device__ __forceinline__ Result start() { return Bounds<Wide>::highest(); }
    static __device__ __forceinline__ Result combine(Result a, Result b) { return smaller(a, b); }
    PLAIN_RUNNING(x)
    static __device__ __forceinline__ Output output(Result least, u32, f64) {
        return Narrow<Element>::of(least);
    }
};
