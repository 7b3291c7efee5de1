// elements: u8 i32 i64 f16 bf16 f32 f64
//
// Rows and the updates that go to them, added up in the order of the updates. Without x, rows begin
// as zeros.

#include "folds.cuh"

extern "C" __global__ void __launch_bounds__(256) add_rows(
    const Element* __restrict__ x,
    const Element* __restrict__ updates,
    const u64* __restrict__ keys,
    const u64* __restrict__ starts,
    Element* __restrict__ y,
    u64 rows,
    u64 width) {
    for (u64 i = thread_number(); i < rows * width; i += thread_count()) {
        Quotient row = divide(i, width);
        u64 start = starts[row.whole], end = starts[row.whole + 1];
        if (x && start == end) {
            y[i] = x[i];
            continue;
        }
        Sum sum = x ? static_cast<Sum>(wide(x[i])) : Sum(0);
        for (u64 update = start; update < end; update++) {
            u64 place = keys[update] & 0xffffffffu;
            sum = plus(sum, static_cast<Sum>(wide(updates[place * width + row.rest])));
        }
        y[i] = OfSum<Element>::of(sum);
    }
}
