// elements: u8 i32 i64 f16 bf16 f32 f64
//
// Sums of up to 8 tensors of one shape, in their order.

#include "elementwise.cuh"

#if CODE == CODE_i64
typedef u64 Wrapping;
#elif IS_INTEGER
typedef u32 Wrapping;
#else
typedef Wide Wrapping;
#endif

// Tensors beyond the 8 of a launch are added by further launches, which carry the sum on in `carry`:
// it is read where `stage` has bit 0, and written instead of y where it has bit 1.
extern "C" __global__ void __launch_bounds__(256) sum_n(
    const Element* x0,
    const Element* x1,
    const Element* x2,
    const Element* x3,
    const Element* x4,
    const Element* x5,
    const Element* x6,
    const Element* x7,
    u32 tensors,
    u32 stage,
    Wide* carry,
    Element* y,
    u64 count) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        Wrapping sum = static_cast<Wrapping>(wide(x0[i]));
        if (stage & 1) sum = static_cast<Wrapping>(carry[i]) + sum;
#define ADD(number, x)                                                                             \
    if (tensors > number) sum += static_cast<Wrapping>(wide(x[i]));
        ADD(1, x1)
        ADD(2, x2)
        ADD(3, x3)
        ADD(4, x4)
        ADD(5, x5)
        ADD(6, x6)
        ADD(7, x7)
#undef ADD
        if (stage & 2) {
            carry[i] = static_cast<Wide>(sum);
        } else {
            y[i] = Narrow<Element>::of(static_cast<Wide>(sum));
        }
    }
}
