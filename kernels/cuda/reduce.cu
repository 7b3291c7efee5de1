// elements: u8 i32 i64 f16 bf16 f32 f64
//
// Folds along an axis, for reductions and for what scans start from:
// (x, parts, y, axis, team, stage, divisor).

#include "folds.cuh"

FOLD(sum, SumFold)
FOLD(prod, ProductFold)
FOLD(max, LargestFold)
FOLD(min, SmallestFold)

#if IS_REAL
// Elements' number, mean, and the sum of their squared distances from it; parts' are joined
// (Chan, Golub and LeVeque 1979).
struct Moments {
    f64 count;
    f64 mean;
    f64 squares;
};

struct SpreadFold {
    static constexpr int UNROLL = 1;
    typedef Moments Result;
    typedef Element Output;
    // Sums of distances from the first element, which is near enough to the mean that their squares
    // do not cancel.
    struct Running {
        f64 first;
        f64 count;
        f64 sum;
        f64 squares;
    };
    static __device__ __forceinline__ Result start() { return Moments{0.0, 0.0, 0.0}; }
    static __device__ __forceinline__ Result combine(Result a, Result b) {
        f64 count = a.count + b.count;
        if (a.count == 0.0) return b;
        if (b.count == 0.0) return a;
        f64 distance = b.mean - a.mean, share = b.count / count;
        return Moments{
            count,
            a.mean + distance * share,
            a.squares + b.squares + distance * distance * (a.count * share)};
    }
    static __device__ __forceinline__ Running begin() { return Running{0.0, 0.0, 0.0, 0.0}; }
    static __device__ __forceinline__ void take(Running& running, Wide x, u64) {
        if (running.count == 0.0) running.first = x;
        f64 distance = x - running.first;
        running.count += 1.0;
        running.sum += distance;
        running.squares = fma(distance, distance, running.squares);
    }
    static __device__ __forceinline__ Result end(const Running& running) {
        if (running.count == 0.0) return start();
        f64 mean = running.sum / running.count;
        f64 squares = running.squares - running.sum * mean;
        return Moments{running.count, running.first + mean, squares < 0.0 ? 0.0 : squares};
    }
    static __device__ __forceinline__ Output output(Result moments, u32, f64 freedom) {
        f64 divisor = moments.count - freedom;
        return FromF64<Element>::of(moments.squares / (divisor < 0.0 ? 0.0 : divisor));
    }
};

FOLD(variance, SpreadFold)
#endif
