// elements: b1 b2 b4 b8
//
// Tensors of one value.

#include "grid.cuh"

extern "C" __global__ void __launch_bounds__(256)
    fill(Element* __restrict__ y, u64 count, Element value) {
    constexpr int LANES = 16 / sizeof(Element);
    Lanes<Element, LANES> lanes;
#pragma unroll
    for (int lane = 0; lane < LANES; lane++) lanes.at[lane] = value;
    for (u64 group = thread_number(); group * LANES < count; group += thread_count()) {
        u64 first = group * LANES;
        if (first + LANES <= count) {
            lanes.store(y + first);
        } else {
            for (u64 i = first; i < count; i++) y[i] = value;
        }
    }
}
