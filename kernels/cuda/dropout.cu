// elements: f32 f64
//
// Elements dropped at random, by their places alone: each of the generator's blocks decides on four.

#include "grid.cuh"
#include "philox.cuh"

// `dropping` of 2^32 random words drop their element, the others are multiplied by `factor`.
extern "C" __global__ void __launch_bounds__(256) dropout(
    const Element* __restrict__ x,
    Element* __restrict__ y,
    u64 count,
    u64 dropping,
    Element factor,
    u64 seed,
    u64 stream) {
    for (u64 group = thread_number(); 4 * group < count; group += thread_count()) {
        Block block = philox(seed, stream, group);
        u32 words[4] = {block.a, block.b, block.c, block.d};
        if (4 * group + 4 <= count) {
            Lanes<Element, 16 / sizeof(Element)> lanes;
            constexpr int LANES = 16 / sizeof(Element);
#pragma unroll
            for (int first = 0; first < 4; first += LANES) {
                lanes.load(x + 4 * group + first);
#pragma unroll
                for (int lane = 0; lane < LANES; lane++) {
                    bool dropped = words[first + lane] < dropping;
                    lanes.at[lane] = dropped ? Element(0) : lanes.at[lane] * factor;
                }
                lanes.store(y + 4 * group + first);
            }
            continue;
        }
#pragma unroll
        for (int lane = 0; lane < 4; lane++) {
            u64 i = 4 * group + lane;
            if (i < count) y[i] = words[lane] < dropping ? Element(0) : x[i] * factor;
        }
    }
}
