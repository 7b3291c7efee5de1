// The numbers 0 to n-1 in a random order, the very one that Fisher and Yates's shuffle makes: for i
// from n-1 down to 1, swap(i, target(i)), where target(i) is at most i.
//
// In parallel: place i is final after step i, so its number is the one that was at target(i) before
// step i. What is at a place changes only by steps with that target, each of which brings the number
// of its own place, as it was then. So let `next` of a place be the first step after (above) it that
// has it as its target; the number at a place before its own step is found by following `next` to the
// end. Sorting the steps by their targets makes all these neighbours.

#include "grid.cuh"
#include "philox.cuh"

constexpr u32 NONE = 0xffffffffu;

// A key for each step: its target, then its number. Step 0 has itself as its target.
extern "C" __global__ void __launch_bounds__(256)
    steps(u64* __restrict__ keys, u64 count, u64 seed, u64 stream) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        u64 target = i == 0 ? 0 : below(words_of(philox(seed, stream, i)).x, i + 1);
        keys[i] = target << 32 | i;
    }
}

// For each step the next one with the same target, and for each place the first step above it that
// has it as its target. `next` is NONE everywhere to begin with.
extern "C" __global__ void __launch_bounds__(256) links(
    const u64* __restrict__ keys, u32* __restrict__ after, u32* __restrict__ next, u64 count) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        u32 target = static_cast<u32>(keys[i] >> 32), step = static_cast<u32>(keys[i]);
        u32 later = NONE;
        if (i + 1 < count && static_cast<u32>(keys[i + 1] >> 32) == target) {
            later = static_cast<u32>(keys[i + 1]);
        }
        after[step] = later;
        bool first = i == 0 || static_cast<u32>(keys[i - 1] >> 32) != target;
        // A step that has its own place as its target is the first of that target.
        if (first) next[target] = step == target ? later : step;
    }
}

// The numbers: what was at the target of each step.
extern "C" __global__ void __launch_bounds__(256) follow(
    const u64* __restrict__ keys,
    const u32* __restrict__ after,
    const u32* __restrict__ next,
    i64* __restrict__ y,
    u64 count) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        u32 target = static_cast<u32>(keys[i] >> 32), step = static_cast<u32>(keys[i]);
        u32 place = after[step];
        if (place == NONE) {
            place = target;
        } else {
            while (next[place] != NONE) place = next[place];
        }
        y[step] = place;
    }
}
