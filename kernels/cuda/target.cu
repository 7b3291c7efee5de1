// elements: i32 i64
//
// What is needed of indices before updates go to rows. Indices out of range are found by `check` and
// left out here.

#include "grid.cuh"

// The last of the updates that go to each row: its place plus 1; 0, as it was before, for none.
extern "C" __global__ void __launch_bounds__(256)
    last_updates(const Element* __restrict__ indices, u64 count, u64 rows, u64* last) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        u64 row = static_cast<u64>(static_cast<i64>(indices[i]));
        if (row < rows) atomicMax(last + row, i + 1);
    }
}

// A key for each update: its row, then its place. Those that go nowhere are last.
extern "C" __global__ void __launch_bounds__(256)
    update_keys(const Element* __restrict__ indices, u64* __restrict__ keys, u64 count, u64 rows) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        u64 row = static_cast<u64>(static_cast<i64>(indices[i]));
        keys[i] = (row < rows ? row : 0xffffffffull) << 32 | i;
    }
}

// Where among sorted keys each row's updates begin; one more than there are rows.
extern "C" __global__ void __launch_bounds__(256)
    row_starts(const u64* __restrict__ keys, u64* __restrict__ starts, u64 count, u64 rows) {
    for (u64 row = thread_number(); row <= rows; row += thread_count()) {
        u64 low = 0, high = count;
        while (low < high) {
            u64 middle = (low + high) / 2;
            if (keys[middle] >> 32 < row) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        starts[row] = low;
    }
}
