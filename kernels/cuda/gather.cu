// elements: b1 b2 b4 b8 b16
//
// Rows of a table by their indices. Rows are `width` words; indices out of range are found by `check`
// and left out here.

#include "grid.cuh"

template <typename Index>
__device__ __forceinline__ void take_rows(
    const Element* __restrict__ table,
    const Index* __restrict__ indices,
    Element* __restrict__ y,
    u64 count,
    u64 width,
    u64 rows) {
    for (u64 i = thread_number(); i < count * width; i += thread_count()) {
        Quotient row = divide(i, width);
        u64 index = static_cast<u64>(static_cast<i64>(indices[row.whole]));
        if (index < rows) y[i] = table[index * width + row.rest];
    }
}

extern "C" __global__ void __launch_bounds__(256) gather_i32(
    const Element* table, const i32* indices, Element* y, u64 count, u64 width, u64 rows) {
    take_rows(table, indices, y, count, width, rows);
}
extern "C" __global__ void __launch_bounds__(256) gather_i64(
    const Element* table, const i64* indices, Element* y, u64 count, u64 width, u64 rows) {
    take_rows(table, indices, y, count, width, rows);
}

// Each row of x, or the update that was found to be the last one for it: `last` has its place plus 1.
extern "C" __global__ void __launch_bounds__(256) scatter(
    const Element* __restrict__ x,
    const Element* __restrict__ updates,
    const u64* __restrict__ last,
    Element* __restrict__ y,
    u64 rows,
    u64 width) {
    for (u64 i = thread_number(); i < rows * width; i += thread_count()) {
        Quotient row = divide(i, width);
        u64 update = last[row.whole];
        y[i] = update == 0 ? x[i] : updates[(update - 1) * width + row.rest];
    }
}
