// elements: u8 i32 i64 f16 bf16 f32 f64
//
// How many elements fall into each of several ranges of one width. Counts are whole numbers, which
// add up to the same in every order.

#include "grid.cuh"

// Ranges of one width, next to each other.
struct Bins {
    f64 low;
    f64 high;
    f64 width;
    f64 per_unit;
    u64 count;

    __device__ __forceinline__ f64 edge(i64 bin) const {
        return low + static_cast<f64>(bin) * width;
    }

    // The bin that a value falls into; `count` where there is none.
    __device__ __forceinline__ u64 bin(f64 value) const {
        if (!(value >= low && value <= high)) return count;
        i64 last = static_cast<i64>(count) - 1;
        i64 bin = FromF64<i32>::of((value - low) * per_unit);
        bin = bin < 0 ? 0 : (bin > last ? last : bin);
        // The product may be off by a rounding; what counts are the edges.
        if (bin > 0 && value < edge(bin)) return bin - 1;
        if (bin < last && value >= edge(bin + 1)) return bin + 1;
        return bin;
    }
};

// Counts in the block's own memory first, which has room for `bins.count` numbers.
extern "C" __global__ void __launch_bounds__(256)
    count_in_blocks(const Element* __restrict__ x, u64 count, u64* counts, const Bins bins) {
    extern __shared__ u32 own[];
    for (u32 bin = threadIdx.x; bin < bins.count; bin += blockDim.x) own[bin] = 0;
    __syncthreads();
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        u64 bin = bins.bin(static_cast<f64>(wide(x[i])));
        if (bin < bins.count) atomicAdd(own + bin, 1u);
    }
    __syncthreads();
    for (u32 bin = threadIdx.x; bin < bins.count; bin += blockDim.x) {
        if (own[bin] != 0) atomicAdd(counts + bin, static_cast<u64>(own[bin]));
    }
}

// Counts many bins where they are.
extern "C" __global__ void __launch_bounds__(256)
    count_directly(const Element* __restrict__ x, u64 count, u64* counts, const Bins bins) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        u64 bin = bins.bin(static_cast<f64>(wide(x[i])));
        if (bin < bins.count) atomicAdd(counts + bin, 1ull);
    }
}
