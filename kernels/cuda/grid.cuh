// How threads find their work, and how the elements of tensors meet when their shapes broadcast.
#pragma once

#include "element.cuh"

// This thread's number in the whole grid, and how many there are.
__device__ __forceinline__ u64 thread_number() {
    return static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ u64 thread_count() {
    return static_cast<u64>(gridDim.x) * blockDim.x;
}

// A quotient and its rest. Both numbers must be below 2^32, which plans see to: divisions of 64 bits
// are calls that take many registers and several times as long.
struct Quotient {
    u64 whole;
    u64 rest;
};
__device__ __forceinline__ Quotient divide(u64 a, u64 b) {
    u32 number = static_cast<u32>(a), divisor = static_cast<u32>(b);
    u32 whole = number / divisor;
    return Quotient{whole, number - whole * divisor};
}

// The way of N operands to their common shape, the innermost axis first: the extents of the axes,
// and how far a step along each moves in each operand. Axes that can be joined are, so that few are
// left.
template <int N, int AXES = 4> struct Meeting {
    u64 rank;
    u64 extents[AXES];
    u64 steps[N][AXES];
};

// Where the operands of an element of the result are.
template <int N, int AXES>
__device__ __forceinline__ void meet(
    const Meeting<N, AXES>& meeting, u64 element, u64 (&places)[N]) {
#pragma unroll
    for (int operand = 0; operand < N; operand++) places[operand] = 0;
#pragma unroll
    for (int axis = 0; axis < AXES; axis++) {
        // All threads agree on these. Beyond the last axis nothing of the element is left.
        u64 along = element;
        if (axis + 1 < meeting.rank) {
            Quotient parts = divide(element, meeting.extents[axis]);
            along = parts.rest;
            element = parts.whole;
        } else {
            element = 0;
        }
#pragma unroll
        for (int operand = 0; operand < N; operand++) {
            places[operand] += along * meeting.steps[operand][axis];
        }
    }
}

// Tells of a fault at a place: the first place of all stays. 0 says that there is none.
__device__ __forceinline__ void report(u64* status, u64 place) {
    atomicMax(status, ~place);
}
