// Random numbers by a counter: Philox 4x32-10 (Salmon et al. 2011), bit for bit what the CPU twins
// draw.
#pragma once

#include "element.cuh"

struct Block {
    u32 a, b, c, d;
};

__device__ __forceinline__ Block philox(u64 seed, u64 stream, u64 counter) {
    u32 x0 = static_cast<u32>(counter), x1 = static_cast<u32>(counter >> 32);
    u32 x2 = static_cast<u32>(stream), x3 = static_cast<u32>(stream >> 32);
    u32 key0 = static_cast<u32>(seed), key1 = static_cast<u32>(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; round++) {
        u32 low0 = 0xD2511F53u * x0, high0 = __umulhi(0xD2511F53u, x0);
        u32 low1 = 0xCD9E8D57u * x2, high1 = __umulhi(0xCD9E8D57u, x2);
        x0 = high1 ^ x1 ^ key0;
        x1 = low1;
        x2 = high0 ^ x3 ^ key1;
        x3 = low0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return Block{x0, x1, x2, x3};
}

// Two random words of 64 bits.
__device__ __forceinline__ ulonglong2 words_of(Block block) {
    return make_ulonglong2(
        static_cast<u64>(block.b) << 32 | block.a, static_cast<u64>(block.d) << 32 | block.c);
}

constexpr f64 UNIT_STEP = 1.0 / 9007199254740992.0;

// A value from 0 up to 1 of the upper 53 bits.
__device__ __forceinline__ f64 unit(u64 word) {
    return static_cast<f64>(word >> 11) * UNIT_STEP;
}

// A value from 0 up to `bound` of 64 bits (Lemire 2019, without rejection).
__device__ __forceinline__ u64 below(u64 word, u64 bound) {
    return __umul64hi(word, bound);
}

// Two independent values, normally distributed (Box and Muller 1958).
__device__ __forceinline__ double2 normals(u64 seed, u64 stream, u64 counter) {
    ulonglong2 words = words_of(philox(seed, stream, counter));
    f64 radius = sqrt(-2.0 * log(unit(words.x) + UNIT_STEP));
    f64 sine, cosine;
    sincos(6.283185307179586 * unit(words.y), &sine, &cosine);
    return make_double2(radius * cosine, radius * sine);
}
