// elements: u8 i32 i64 f16 bf16 f32 f64
//
// Running sums, products and extremes along an axis. Segments of the axis are folded first (see
// `reduce`), `carries` turns their results into what each segment starts from, and then each
// segment is scanned by itself.

#include "folds.cuh"

constexpr u32 EXCLUSIVE = 1;
constexpr u32 REVERSE = 2;

// How many neighbours a thread of `scan_rows` takes.
constexpr int GRAIN = 4;

template <typename Fold>
__device__ __forceinline__ void
carries(typename Fold::Result* __restrict__ parts, const Axis& axis, u32 way) {
    u64 lines = axis.outer * axis.inner;
    for (u64 line = thread_number(); line < lines; line += thread_count()) {
        Quotient parts_of = divide(line, axis.inner);
        u64 start = parts_of.whole * axis.segments * axis.inner + parts_of.rest;
        typename Fold::Result earlier = Fold::start();
#pragma unroll 1
        for (u64 step = 0; step < axis.segments; step++) {
            u64 segment = way & REVERSE ? axis.segments - 1 - step : step;
            typename Fold::Result own = parts[start + segment * axis.inner];
            parts[start + segment * axis.inner] = earlier;
            earlier = Fold::combine(earlier, own);
        }
    }
}

// Each segment by a thread: for many lines next to each other, and for short ones. Without `parts`,
// every segment starts from nothing.
template <typename Fold>
__device__ __forceinline__ void scan_columns(
    const Element* __restrict__ x,
    const typename Fold::Result* __restrict__ parts,
    typename Fold::Output* __restrict__ y,
    const Axis& axis,
    u32 way) {
    u64 results = axis.outer * axis.segments * axis.inner;
    for (u64 result = thread_number(); result < results; result += thread_count()) {
        Segment segment = segment_of(axis, result);
        typename Fold::Running running = parts ? parts[result] : Fold::start();
        u64 count = segment.end - segment.first;
#pragma unroll 1
        for (u64 step = 0; step < count; step++) {
            u64 place = way & REVERSE ? segment.end - 1 - step : segment.first + step;
            u64 at = segment.start + place * axis.inner;
            typename Fold::Running before = running;
            Fold::take(running, wide(x[at]), place);
            y[at] = Fold::output(Fold::end(way & EXCLUSIVE ? before : running), 1, 1.0);
        }
    }
}

// Each segment of a contiguous line by a block of 256 threads, GRAIN elements a thread.
template <typename Fold>
__device__ __forceinline__ void scan_rows(
    const Element* __restrict__ x,
    const typename Fold::Result* __restrict__ parts,
    typename Fold::Output* __restrict__ y,
    const Axis& axis,
    u32 way) {
    typedef typename Fold::Result Result;
    __shared__ Result of_warps[8];
    Segment segment = segment_of(axis, blockIdx.x);
    int lane = threadIdx.x & 31, warp = threadIdx.x / 32;
    u64 count = segment.end - segment.first, begin = threadIdx.x * GRAIN;
    Wide own[GRAIN];
    Result folded = Fold::start();
#pragma unroll
    for (int i = 0; i < GRAIN; i++) {
        if (begin + i < count) {
            u64 place = way & REVERSE ? segment.end - 1 - begin - i : segment.first + begin + i;
            own[i] = wide(x[segment.start + place]);
            Fold::take(folded, own[i], place);
        }
    }
    Result upto = folded;
#pragma unroll 1
    for (int step = 1; step < 32; step *= 2) {
        Result earlier = from_lane(upto, (lane - step) & 31);
        if (lane >= step) upto = Fold::combine(earlier, upto);
    }
    if (lane == 31) of_warps[warp] = upto;
    __syncthreads();
    Result running = parts ? parts[blockIdx.x] : Fold::start();
#pragma unroll 1
    for (int earlier = 0; earlier < warp; earlier++) {
        running = Fold::combine(running, of_warps[earlier]);
    }
    Result before = from_lane(upto, (lane - 1) & 31);
    if (lane > 0) running = Fold::combine(running, before);
#pragma unroll
    for (int i = 0; i < GRAIN; i++) {
        if (begin + i < count) {
            u64 place = way & REVERSE ? segment.end - 1 - begin - i : segment.first + begin + i;
            Result previous = running;
            Fold::take(running, own[i], place);
            y[segment.start + place] =
                Fold::output(Fold::end(way & EXCLUSIVE ? previous : running), 1, 1.0);
        }
    }
}

#define SCAN(name, Fold)                                                                           \
    extern "C" __global__ void __launch_bounds__(256)                                              \
        name##_carries(Fold::Result* __restrict__ parts, const Axis axis, u32 way) {               \
        carries<Fold>(parts, axis, way);                                                           \
    }                                                                                              \
    extern "C" __global__ void __launch_bounds__(256) name##_columns(                              \
        const Element* __restrict__ x,                                                             \
        const Fold::Result* __restrict__ parts,                                                    \
        Fold::Output* __restrict__ y,                                                              \
        const Axis axis,                                                                           \
        u32 way) {                                                                                 \
        scan_columns<Fold>(x, parts, y, axis, way);                                                \
    }                                                                                              \
    extern "C" __global__ void __launch_bounds__(256) name##_rows(                                 \
        const Element* __restrict__ x,                                                             \
        const Fold::Result* __restrict__ parts,                                                    \
        Fold::Output* __restrict__ y,                                                              \
        const Axis axis,                                                                           \
        u32 way) {                                                                                 \
        scan_rows<Fold>(x, parts, y, axis, way);                                                   \
    }

SCAN(sum, SumFold)
SCAN(prod, ProductFold)
SCAN(max, LargestFold)
SCAN(min, SmallestFold)
