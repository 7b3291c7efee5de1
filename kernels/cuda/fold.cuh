// Folding many values into one: within a warp, within a block, and along an axis of a tensor.
//
// How work is cut depends on extents alone, so that results are the same on every device.
#pragma once

#include "grid.cuh"

// The value that another lane of the warp has.
template <typename T> __device__ __forceinline__ T from_lane(T value, int lane) {
    constexpr int WORDS = (sizeof(T) + 3) / 4;
    union Parts {
        T value;
        u32 words[WORDS];
        __device__ Parts() {}
    } parts;
    parts.words[WORDS - 1] = 0;
    parts.value = value;
#pragma unroll
    for (int word = 0; word < WORDS; word++) {
        parts.words[word] = __shfl_sync(0xffffffffu, parts.words[word], lane);
    }
    return parts.value;
}

// The fold of the values of a warp's lanes, in all of them.
template <typename Fold>
__device__ __forceinline__ typename Fold::Result fold_warp(typename Fold::Result result) {
    int lane = threadIdx.x & 31;
    // Rolled up: it takes little of the time, and would be most of the code.
#pragma unroll 1
    for (int step = 16; step > 0; step /= 2) {
        result = Fold::combine(result, from_lane(result, lane ^ step));
    }
    return result;
}

// The fold of the values of a team, in all of its threads: a warp, or a whole block, whose number of
// threads is a multiple of 32.
template <typename Fold>
__device__ __forceinline__ typename Fold::Result
fold_team(typename Fold::Result result, u32 team) {
    __shared__ typename Fold::Result of_warps[32];
    int warp = threadIdx.x / 32, lane = threadIdx.x & 31, warps = blockDim.x / 32;
#pragma unroll 1
    for (int round = 0;; round++) {
        result = fold_warp<Fold>(result);
        if (team == 32 || round == 1) return result;
        // Whoever reads what an earlier fold left here is done.
        __syncthreads();
        if (lane == 0) of_warps[warp] = result;
        __syncthreads();
        result = lane < warps ? of_warps[lane] : Fold::start();
    }
}

template <typename Fold>
__device__ __forceinline__ typename Fold::Result fold_block(typename Fold::Result result) {
    return fold_team<Fold>(result, blockDim.x);
}

template <typename T> struct AddUp {
    typedef T Result;
    static __device__ __forceinline__ T start() { return T(0); }
    static __device__ __forceinline__ T combine(T a, T b) { return a + b; }
};

template <typename T> struct Largest {
    typedef T Result;
    static __device__ __forceinline__ T start() { return Bounds<T>::lowest(); }
    static __device__ __forceinline__ T combine(T a, T b) { return larger(a, b); }
};

// A tensor seen as three axes, of which the middle one is folded, in segments. The results are a
// tensor of [outer, segments, inner].
struct Axis {
    u64 outer;
    u64 along;
    u64 inner;
    // How many places of the axis are a segment, and how many segments there are.
    u64 segment;
    u64 segments;
};

// Where one segment of one line begins, and which places of the axis it has.
struct Segment {
    u64 start;
    u64 first;
    u64 end;
};
__device__ __forceinline__ Segment segment_of(const Axis& axis, u64 result) {
    Quotient column = divide(result, axis.inner);
    Quotient row = divide(column.whole, axis.segments);
    u64 first = row.rest * axis.segment;
    u64 end = first + axis.segment < axis.along ? first + axis.segment : axis.along;
    return Segment{row.whole * axis.along * axis.inner + column.rest, first, end};
}

// What a fold is of: elements, or the results of earlier folds.
template <typename Fold> struct OfElements {
    // How many elements are on their way from memory at a time.
    static constexpr int UNROLL = Fold::UNROLL;
    const Element* x;
    typedef typename Fold::Running Running;
    static __device__ __forceinline__ Running begin() { return Fold::begin(); }
    __device__ __forceinline__ void take(Running& running, u64 at, u64 place) const {
        Fold::take(running, wide(x[at]), place);
    }
    static __device__ __forceinline__ typename Fold::Result end(const Running& running) {
        return Fold::end(running);
    }
};
template <typename Fold> struct OfParts {
    static constexpr int UNROLL = 1;
    const typename Fold::Result* x;
    typedef typename Fold::Result Running;
    static __device__ __forceinline__ Running begin() { return Fold::start(); }
    __device__ __forceinline__ void take(Running& running, u64 at, u64) const {
        running = Fold::combine(running, x[at]);
    }
    static __device__ __forceinline__ typename Fold::Result end(const Running& running) {
        return running;
    }
};

// Each result by a team of threads: for few results of many values, or rows that are contiguous.
template <typename Fold, typename Source, typename Emit>
__device__ __forceinline__ void
fold_by_teams(Source source, const Axis& axis, u32 team, Emit emit) {
    u64 results = axis.outer * axis.segments * axis.inner;
    u64 result = static_cast<u64>(blockIdx.x) * (blockDim.x / team) + threadIdx.x / team;
    // A whole team leaves, or none of it.
    if (result >= results) return;
    Segment segment = segment_of(axis, result);
    u32 member = threadIdx.x % team;
    typename Source::Running running = Source::begin();
#pragma unroll Source::UNROLL
    for (u64 place = segment.first + member; place < segment.end; place += team) {
        source.take(running, segment.start + place * axis.inner, place);
    }
    typename Fold::Result folded = fold_team<Fold>(Source::end(running), team);
    if (member == 0) emit(result, folded);
}

// Each result by a thread: for many results, whose values are next to each other.
template <typename Fold, typename Source, typename Emit>
__device__ __forceinline__ void fold_by_threads(Source source, const Axis& axis, Emit emit) {
    u64 results = axis.outer * axis.segments * axis.inner;
    for (u64 result = thread_number(); result < results; result += thread_count()) {
        Segment segment = segment_of(axis, result);
        typename Source::Running running = Source::begin();
#pragma unroll Source::UNROLL
        for (u64 place = segment.first; place < segment.end; place++) {
            source.take(running, segment.start + place * axis.inner, place);
        }
        emit(result, Source::end(running));
    }
}

// The four kernels of a fold: of elements or of parts, by teams or by threads. A fold that is not
// the last writes its results to `parts`, the last one what `Fold::output` makes of them to y.
#define FOLD(name, Fold)                                                                           \
    struct Emit_##name {                                                                           \
        Fold::Result* parts;                                                                       \
        Fold::Output* y;                                                                           \
        u32 stage;                                                                                 \
        f64 divisor;                                                                               \
        __device__ __forceinline__ void operator()(u64 at, Fold::Result result) const {            \
            if (stage == 0) {                                                                      \
                parts[at] = result;                                                                \
            } else {                                                                               \
                y[at] = Fold::output(result, stage, divisor);                                      \
            }                                                                                      \
        }                                                                                          \
    };                                                                                             \
    extern "C" __global__ void __launch_bounds__(256) name##_by_teams(                             \
        const Element* __restrict__ x,                                                             \
        Fold::Result* __restrict__ parts,                                                          \
        Fold::Output* __restrict__ y,                                                              \
        const Axis axis,                                                                           \
        u32 team,                                                                                  \
        u32 stage,                                                                                 \
        f64 divisor) {                                                                             \
        fold_by_teams<Fold>(                                                                       \
            OfElements<Fold>{x}, axis, team, Emit_##name{parts, y, stage, divisor});               \
    }                                                                                              \
    extern "C" __global__ void __launch_bounds__(256) name##_by_threads(                           \
        const Element* __restrict__ x,                                                             \
        Fold::Result* __restrict__ parts,                                                          \
        Fold::Output* __restrict__ y,                                                              \
        const Axis axis,                                                                           \
        u32 team,                                                                                  \
        u32 stage,                                                                                 \
        f64 divisor) {                                                                             \
        fold_by_threads<Fold>(OfElements<Fold>{x}, axis, Emit_##name{parts, y, stage, divisor});   \
    }                                                                                              \
    extern "C" __global__ void __launch_bounds__(256) name##_parts_by_teams(                       \
        const Fold::Result* __restrict__ x,                                                        \
        Fold::Result* __restrict__ parts,                                                          \
        Fold::Output* __restrict__ y,                                                              \
        const Axis axis,                                                                           \
        u32 team,                                                                                  \
        u32 stage,                                                                                 \
        f64 divisor) {                                                                             \
        fold_by_teams<Fold>(                                                                       \
            OfParts<Fold>{x}, axis, team, Emit_##name{parts, y, stage, divisor});                  \
    }                                                                                              \
    extern "C" __global__ void __launch_bounds__(256) name##_parts_by_threads(                     \
        const Fold::Result* __restrict__ x,                                                        \
        Fold::Result* __restrict__ parts,                                                          \
        Fold::Output* __restrict__ y,                                                              \
        const Axis axis,                                                                           \
        u32 team,                                                                                  \
        u32 stage,                                                                                 \
        f64 divisor) {                                                                             \
        fold_by_threads<Fold>(OfParts<Fold>{x}, axis, Emit_##name{parts, y, stage, divisor});      \
    }
