// elements: b1 b2 b4 b8
//
// Elements of a where a mask is not 0, else those of b.

#include "grid.cuh"

extern "C" __global__ void __launch_bounds__(256) choose(
    const u8* __restrict__ mask,
    const Element* __restrict__ a,
    const Element* __restrict__ b,
    Element* __restrict__ y,
    u64 count,
    const Meeting<3> meeting) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        u64 places[3];
        meet(meeting, i, places);
        y[i] = mask[places[0]] != 0 ? a[places[1]] : b[places[2]];
    }
}
