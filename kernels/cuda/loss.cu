// elements: f32 f64
//
// From logits to losses and scores. Labels out of range are found by `check` and count for nothing
// here.

#include "rows.cuh"

template <typename Label>
__device__ __forceinline__ void cross_entropy(
    const Element* __restrict__ logits,
    const Label* __restrict__ labels,
    f64* __restrict__ losses,
    Element* __restrict__ gradient,
    u64 rows,
    u64 classes,
    f64 denominator,
    u32 size) {
    Team team(size);
    if (team.row >= rows) return;
    u64 first = team.row * classes;
    f64 log_sum = softmax_row(team, logits + first, gradient + first, classes);
    u64 label = static_cast<u64>(static_cast<i64>(labels[team.row]));
    for_columns(team, classes, [&](u64 column) {
        f64 target = column == label ? 1.0 : 0.0;
        gradient[first + column] = static_cast<Element>(
            (static_cast<f64>(gradient[first + column]) - target) / denominator);
    });
    if (team.member == 0) {
        f64 own = label < classes ? static_cast<f64>(logits[first + label]) : 0.0;
        losses[team.row] = log_sum - own;
    }
}

#define CROSS_ENTROPY(Label)                                                                       \
    extern "C" __global__ void __launch_bounds__(256, 4) cross_entropy_##Label(                       \
        const Element* __restrict__ logits,                                                        \
        const Label* __restrict__ labels,                                                          \
        f64* __restrict__ losses,                                                                  \
        Element* __restrict__ gradient,                                                            \
        u64 rows,                                                                                  \
        u64 classes,                                                                               \
        f64 denominator,                                                                           \
        u32 size) {                                                                                \
        cross_entropy(logits, labels, losses, gradient, rows, classes, denominator, size);         \
    }

CROSS_ENTROPY(u8)
CROSS_ENTROPY(i32)
CROSS_ENTROPY(i64)

// The sum of the rows' losses, by one block.
extern "C" __global__ void __launch_bounds__(256, 4) total_loss(
    const f64* __restrict__ losses, Element* __restrict__ loss, u64 rows, f64 denominator) {
    f64 sum = 0.0;
    for (u64 row = threadIdx.x; row < rows; row += blockDim.x) sum += losses[row];
    sum = fold_block<AddUp<f64>>(sum);
    if (threadIdx.x == 0) loss[0] = static_cast<Element>(sum / denominator);
}

// Counts, in `right`, the rows whose largest logit is at the place found and which has their label.
template <typename Label>
__device__ __forceinline__ void
count_right(const i64* __restrict__ found, const Label* __restrict__ labels, u64 rows, u64* right) {
    u64 own = 0;
    for (u64 row = thread_number(); row < rows; row += thread_count()) {
        if (found[row] == static_cast<i64>(labels[row])) own++;
    }
    own = fold_block<AddUp<u64>>(own);
    if (threadIdx.x == 0 && own != 0) atomicAdd(right, own);
}

#define COUNT_RIGHT(Label)                                                                         \
    extern "C" __global__ void __launch_bounds__(256, 4) count_right_##Label(                         \
        const i64* __restrict__ found, const Label* __restrict__ labels, u64 rows, u64* right) {   \
        count_right(found, labels, rows, right);                                                   \
    }

COUNT_RIGHT(u8)
COUNT_RIGHT(i32)
COUNT_RIGHT(i64)

extern "C" __global__ void share(const u64* __restrict__ right, f32* __restrict__ y, u64 rows) {
    y[0] = static_cast<f32>(static_cast<f64>(right[0]) / static_cast<f64>(rows));
}
