// elements: u8 i32 i64 f16 bf16 f32 f64
//
// Where the extremes along an axis are: the first of equals, and the first NaN before all others.
// (x, parts, y, axis, team, stage, divisor)

#include "fold.cuh"

typedef Computed<Element>::Wide Wide;

// An extreme and its place, which is negative where no element has been looked at.
struct Found {
    i64 place;
    Wide value;
};

template <bool LARGEST> struct PlaceFold {
    static constexpr int UNROLL = 1;
    typedef Found Result;
    typedef Found Running;
    typedef i64 Output;
    static __device__ __forceinline__ Found start() { return Found{-1, Wide(0)}; }
    static __device__ __forceinline__ bool is_better(Wide a, Wide b) {
        return LARGEST ? a > b : a < b;
    }
    // The better of two, in whichever order they come.
    static __device__ __forceinline__ Found combine(Found a, Found b) {
        if (a.place < 0 || b.place < 0) return a.place < 0 ? b : a;
        Found first = a.place < b.place ? a : b, second = a.place < b.place ? b : a;
        if (is_nan(first.value)) return first;
        return is_nan(second.value) || is_better(second.value, first.value) ? second : first;
    }
    static __device__ __forceinline__ Found begin() { return start(); }
    static __device__ __forceinline__ void take(Found& running, Wide x, u64 place) {
        // Places come in ascending order.
        bool better = running.place < 0 ||
            (!is_nan(running.value) && (is_nan(x) || is_better(x, running.value)));
        if (better) running = Found{static_cast<i64>(place), x};
    }
    static __device__ __forceinline__ Found end(Found running) { return running; }
    static __device__ __forceinline__ i64 output(Found found, u32, f64) { return found.place; }
};

typedef PlaceFold<true> PlaceOfLargest;
typedef PlaceFold<false> PlaceOfSmallest;

FOLD(argmax, PlaceOfLargest)
FOLD(argmin, PlaceOfSmallest)
