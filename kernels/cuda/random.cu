// elements: f16 bf16 f32 f64
//
// Random tensors by a counter: the i-th pair of values is made of the generator's i-th block.

#include "grid.cuh"
#include "philox.cuh"

extern "C" __global__ void __launch_bounds__(256)
    uniform(Element* __restrict__ y, u64 count, f64 low, f64 high, u64 seed, u64 stream) {
    for (u64 pair = thread_number(); 2 * pair < count; pair += thread_count()) {
        ulonglong2 words = words_of(philox(seed, stream, pair));
#pragma unroll
        for (int half = 0; half < 2; half++) {
            f64 part = unit(half == 0 ? words.x : words.y);
            // Weighted, because `high - low` may overflow.
            Element value = FromF64<Element>::of(low * (1.0 - part) + high * part);
            // Rounding may reach `high`, which is excluded where there is anything below it.
            if (!(wide(value) < high)) value = FromF64<Element>::of(low);
            if (2 * pair + half < count) y[2 * pair + half] = value;
        }
    }
}

extern "C" __global__ void __launch_bounds__(256)
    normal(Element* __restrict__ y, u64 count, f64 mean, f64 deviation, u64 seed, u64 stream) {
    for (u64 pair = thread_number(); 2 * pair < count; pair += thread_count()) {
        double2 values = normals(seed, stream, pair);
        y[2 * pair] = FromF64<Element>::of(mean + deviation * values.x);
        if (2 * pair + 1 < count) {
            y[2 * pair + 1] = FromF64<Element>::of(mean + deviation * values.y);
        }
    }
}
