// elements: u8 i32 i64 f16 bf16 f32 f64
//
// Comparisons of elements that meet: (a, b, y, count, meeting), where y is 1 where it holds, else 0.

#include "elementwise.cuh"

#define COMPARISON(name, operator)                                                                 \
    extern "C" __global__ void __launch_bounds__(256) name(                                        \
        const Element* __restrict__ a,                                                             \
        const Element* __restrict__ b,                                                             \
        u8* __restrict__ y,                                                                        \
        u64 count,                                                                                 \
        const Meeting<2> meeting) {                                                                \
        zip(a, b, y, count, meeting, [](Wide a, Wide b) -> u8 { return a operator b ? 1 : 0; });   \
    }

COMPARISON(equal, ==)
COMPARISON(not_equal, !=)
COMPARISON(less, <)
COMPARISON(less_equal, <=)
COMPARISON(greater, >)
COMPARISON(greater_equal, >=)
