// elements: b8 b16
//
// Sorting of keys, no two of which are equal: tiles are sorted in a block's own memory (bitonic,
// Batcher 1968), and runs are merged pair by pair along merge paths (Green, McColl and Bader 2012).

#include "grid.cuh"

__device__ __forceinline__ bool before(b8 a, b8 b) {
    return a < b;
}
__device__ __forceinline__ bool before(b16 a, b16 b) {
    return a.first < b.first || (a.first == b.first && a.second < b.second);
}
__device__ __forceinline__ void make_last(b8& key) {
    key = ~0ull;
}
__device__ __forceinline__ void make_last(b16& key) {
    key = b16{~0ull, ~0ull};
}

// Sorts tiles of `tile` keys, a power of two, each by a block of half as many threads, within lines
// of `length` keys; writes the first `kept` of each tile. Lines of the result are `kept_length` long.
extern "C" __global__ void __launch_bounds__(512) sort_tiles(
    const Element* __restrict__ keys,
    Element* __restrict__ sorted,
    u64 length,
    u32 tile,
    u64 tiles,
    u64 kept,
    u64 kept_length) {
    extern __shared__ __align__(16) unsigned char memory[];
    Element* own = reinterpret_cast<Element*>(memory);
    Quotient line = divide(blockIdx.x, tiles);
    u64 first = line.rest * tile;
    u64 count = length - first < tile ? length - first : tile;
    for (u32 i = threadIdx.x; i < tile; i += blockDim.x) {
        if (i < count) {
            own[i] = keys[line.whole * length + first + i];
        } else {
            make_last(own[i]);
        }
    }
    for (u32 size = 2; size <= tile; size *= 2) {
        for (u32 stride = size / 2; stride > 0; stride /= 2) {
            __syncthreads();
            for (u32 i = threadIdx.x; i < tile / 2; i += blockDim.x) {
                u32 low = 2 * i - (i & (stride - 1)), high = low + stride;
                bool ascending = (low & size) == 0;
                Element a = own[low], b = own[high];
                if (before(b, a) == ascending) {
                    own[low] = b;
                    own[high] = a;
                }
            }
        }
    }
    __syncthreads();
    u64 wanted = count < kept ? count : kept;
    for (u32 i = threadIdx.x; i < wanted; i += blockDim.x) {
        sorted[line.whole * kept_length + line.rest * kept + i] = own[i];
    }
}

// How many of the first `total` keys of the merger of two runs are of the first run.
__device__ __forceinline__ u64 split(
    const Element* __restrict__ a, u64 a_count, const Element* __restrict__ b, u64 b_count, u64 total) {
    u64 low = total > b_count ? total - b_count : 0, high = total < a_count ? total : a_count;
    while (low < high) {
        u64 middle = (low + high) / 2;
        if (before(a[middle], b[total - 1 - middle])) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

constexpr u32 MERGED = 1024;

// Merges runs of `width` keys pair by pair within lines of `length` keys, and writes the first `kept`
// of each pair. A block of 256 threads makes MERGED keys; `blocks` of them make a line.
extern "C" __global__ void __launch_bounds__(256) merge_runs(
    const Element* __restrict__ keys,
    Element* __restrict__ merged,
    u64 length,
    u64 width,
    u64 kept,
    u64 kept_length,
    u64 blocks_of_pair,
    u64 blocks) {
    __shared__ Element own[MERGED];
    __shared__ u64 splits[2];
    Quotient line = divide(blockIdx.x, blocks);
    Quotient pair = divide(line.rest, blocks_of_pair);
    u64 start = pair.whole * 2 * width;
    u64 left = length - start;
    u64 a_count = left < width ? left : width;
    u64 b_count = left - a_count < width ? left - a_count : width;
    const Element* a = keys + line.whole * length + start;
    const Element* b = a + a_count;
    u64 wanted = a_count + b_count < kept ? a_count + b_count : kept;
    u64 first = pair.rest * MERGED;
    // The last pair of a line may have fewer keys than there are blocks for.
    if (first >= wanted) return;
    u64 end = first + MERGED < wanted ? first + MERGED : wanted;
    if (threadIdx.x < 2) {
        splits[threadIdx.x] = split(a, a_count, b, b_count, threadIdx.x == 0 ? first : end);
    }
    __syncthreads();
    u64 a_first = splits[0], b_first = first - a_first;
    u32 a_own = static_cast<u32>(splits[1] - a_first);
    u32 count = static_cast<u32>(end - first);
    for (u32 i = threadIdx.x; i < count; i += blockDim.x) {
        own[i] = i < a_own ? a[a_first + i] : b[b_first + i - a_own];
    }
    __syncthreads();
    Element* to = merged + line.whole * kept_length + pair.whole * kept + first;
    for (u32 i = threadIdx.x; i < count; i += blockDim.x) {
        // A key goes behind all keys of its own run before it, and those of the other below it.
        bool of_a = i < a_own;
        u32 low = of_a ? a_own : 0, high = of_a ? count : a_own;
        u32 other = low;
        while (low < high) {
            u32 middle = (low + high) / 2;
            if (before(own[middle], own[i])) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        u32 place = of_a ? i + (low - other) : i - a_own + low;
        to[place] = own[i];
    }
}
