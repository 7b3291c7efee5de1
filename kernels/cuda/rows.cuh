// Rows, each computed by a team: a warp, or a whole block where rows are long.
#pragma once

#include "fold.cuh"
#include "function.cuh"

struct Team {
    // Which row, and this thread's place in the team.
    u64 row;
    u32 member;
    u32 size;

    __device__ __forceinline__ Team(u32 size) : size(size) {
        row = static_cast<u64>(blockIdx.x) * (blockDim.x / size) + threadIdx.x / size;
        member = threadIdx.x % size;
    }
};

// The sum over a row of a term of each of its columns, in f64.
template <typename Term>
__device__ __forceinline__ f64 sum_of(const Team& team, u64 width, Term term) {
    f64 sum = 0.0;
    for (u64 column = team.member; column < width; column += team.size) sum += term(column);
    return fold_team<AddUp<f64>>(sum, team.size);
}

// Calls `use` with each column of a row.
template <typename Use>
__device__ __forceinline__ void for_columns(const Team& team, u64 width, Use use) {
    for (u64 column = team.member; column < width; column += team.size) use(column);
}

// Writes the probabilities of a row to y; returns the logarithm of the sum of exponentials.
__device__ __forceinline__ f64
softmax_row(const Team& team, const Element* __restrict__ x, Element* y, u64 width) {
    Element most = Bounds<Element>::lowest();
    for_columns(team, width, [&](u64 column) { most = larger(most, x[column]); });
    most = fold_team<Largest<Element>>(most, team.size);
    // At most 1, and 1 for the largest: nothing overflows and the sum is not 0. Each thread reads again
    // only what it has written itself.
    f64 sum = sum_of(team, width, [&](u64 column) {
        Element power = exponential(x[column] - most);
        y[column] = power;
        return static_cast<f64>(power);
    });
    f64 share = 1.0 / sum;
    for_columns(team, width, [&](u64 column) {
        y[column] = static_cast<Element>(static_cast<f64>(y[column]) * share);
    });
    return static_cast<f64>(most) + log(sum);
}
