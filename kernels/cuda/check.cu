// elements: u8 i32 i64
//
// Elements that cannot be computed with: the place of the first one is reported in a status word.

#include "grid.cuh"

// Indices that are not from 0 up to `bound`.
extern "C" __global__ void __launch_bounds__(256)
    indices(const Element* __restrict__ x, u64 count, u64 bound, u64* status) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        // Negative ones are beyond every bound as unsigned numbers.
        if (static_cast<u64>(static_cast<i64>(x[i])) >= bound) report(status, i);
    }
}

// Divisors that are 0.
extern "C" __global__ void __launch_bounds__(256)
    divisors(const Element* __restrict__ x, u64 count, u64* status) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        if (x[i] == 0) report(status, i);
    }
}

// Exponents that are below 0.
extern "C" __global__ void __launch_bounds__(256)
    exponents(const Element* __restrict__ x, u64 count, u64* status) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        if (static_cast<i64>(x[i]) < 0) report(status, i);
    }
}
