// The loops of operations on elements by themselves.
#pragma once

#include "grid.cuh"

typedef Computed<Element>::Wide Wide;

// How many elements an instruction moves: up to 16 bytes.
constexpr int LANES = sizeof(Element) == 8 ? 2 : 4;

// y[i] = operation(x[i]).
template <typename Operation>
__device__ __forceinline__ void map_slowly(
    const Element* __restrict__ x,
    Element* __restrict__ y,
    u64 count,
    Operation operation) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        y[i] = Narrow<Element>::of(operation(wide(x[i])));
    }
}

// The same, several neighbours at a time.
template <typename Operation>
__device__ __forceinline__ void map(
    const Element* __restrict__ x, Element* __restrict__ y, u64 count, Operation operation) {
    u64 groups = count / LANES;
    for (u64 group = thread_number(); group < groups; group += thread_count()) {
        Lanes<Element, LANES> lanes;
        lanes.load(x + group * LANES);
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) {
            lanes.at[lane] = Narrow<Element>::of(operation(wide(lanes.at[lane])));
        }
        lanes.store(y + group * LANES);
    }
    // Fewer than LANES are left.
    u64 last = groups * LANES + thread_number();
    if (last < count) y[last] = Narrow<Element>::of(operation(wide(x[last])));
}

// y[i] = operation(a, b) of the elements that meet there.
template <typename Output, typename Operation>
__device__ __forceinline__ void zip_slowly(
    const Element* __restrict__ a,
    const Element* __restrict__ b,
    Output* __restrict__ y,
    u64 count,
    const Meeting<2>& meeting,
    Operation operation) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        u64 places[2];
        meet(meeting, i, places);
        y[i] = Narrow<Output>::of(operation(wide(a[places[0]]), wide(b[places[1]])));
    }
}

// Neighbours of an operand, or the same element again and again.
__device__ __forceinline__ void load_lanes(
    const Element* __restrict__ x, u64 step, u64 first, Lanes<Element, LANES>& lanes) {
    if (step != 0) {
        lanes.load(x + first);
        return;
    }
    Element same = x[0];
#pragma unroll
    for (int lane = 0; lane < LANES; lane++) lanes.at[lane] = same;
}

// The same, several neighbours at a time where both have one axis or are one element.
template <typename Output, typename Operation>
__device__ __forceinline__ void zip(
    const Element* __restrict__ a,
    const Element* __restrict__ b,
    Output* __restrict__ y,
    u64 count,
    const Meeting<2>& meeting,
    Operation operation) {
    if (meeting.rank > 1) {
        zip_slowly(a, b, y, count, meeting, operation);
        return;
    }
    u64 a_step = meeting.steps[0][0], b_step = meeting.steps[1][0];
    u64 groups = count / LANES;
    for (u64 group = thread_number(); group < groups; group += thread_count()) {
        Lanes<Element, LANES> left, right;
        load_lanes(a, a_step, group * LANES, left);
        load_lanes(b, b_step, group * LANES, right);
        Lanes<Output, LANES> made;
#pragma unroll
        for (int lane = 0; lane < LANES; lane++) {
            made.at[lane] =
                Narrow<Output>::of(operation(wide(left.at[lane]), wide(right.at[lane])));
        }
        made.store(y + group * LANES);
    }
    // Fewer than LANES are left.
    u64 last = groups * LANES + thread_number();
    if (last < count) {
        y[last] = Narrow<Output>::of(operation(wide(a[last * a_step]), wide(b[last * b_step])));
    }
}
