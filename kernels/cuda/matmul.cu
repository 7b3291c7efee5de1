// elements: f16 bf16 f32 f64
//
// Products of matrices, halves in f32. Where the inner extent is cut into parts, these go to `parts`
// and are added up by `sum_parts`, in their order.

#include "product.cuh"

typedef Computed<Element>::Wide Wide;

constexpr u32 TRANSPOSE_A = 1;
constexpr u32 TRANSPOSE_B = 2;

// A matrix whose lines are rows of a, or columns of b.
struct Matrix {
    const Element* elements;
    u32 line_step;
    u32 inner_step;

    typedef u32 Line;
    __device__ __forceinline__ bool inner_first() const { return inner_step == 1; }
    __device__ __forceinline__ u32 line(u32 line) const { return line * line_step; }
    __device__ __forceinline__ u32 inner(u32 inner) const { return inner * inner_step; }
    __device__ __forceinline__ Wide load(u32 line, u32 inner) const {
        return wide(elements[line + inner]);
    }
};

template <int BM, int BN, int BK, int TM, int TN>
__device__ __forceinline__ void product(
    const Element* __restrict__ a,
    const Element* __restrict__ b,
    Element* __restrict__ y,
    Wide* __restrict__ parts,
    u32 transposed,
    const Cut& cut,
    const Meeting<2>& batch) {
    Work work = work_of(cut, blockIdx.x, BM, BN);
    u64 matrices[2];
    meet(batch, work.product, matrices);
    bool turn_a = transposed & TRANSPOSE_A, turn_b = transposed & TRANSPOSE_B;
    u32 rows = work.tile.rows, columns = work.tile.columns, inner = static_cast<u32>(cut.inner);
    Matrix left{a + matrices[0] * cut.rows * cut.inner, turn_a ? 1 : inner, turn_a ? rows : 1};
    Matrix right{
        b + matrices[1] * cut.columns * cut.inner, turn_b ? inner : 1, turn_b ? 1 : columns};
    u64 start = (work.product * cut.parts + work.part) * cut.rows * cut.columns;
    multiply<Wide, BM, BN, BK, TM, TN>(left, right, work.tile, [&](u32 row, u32 column, Wide sum) {
        u64 at = start + static_cast<u64>(row) * columns + column;
        if (parts) {
            parts[at] = sum;
        } else {
            y[at] = Narrow<Element>::of(sum);
        }
    });
}

extern "C" __global__ void __launch_bounds__(256) matmul_64x64(
    const Element* __restrict__ a,
    const Element* __restrict__ b,
    Element* __restrict__ y,
    Wide* __restrict__ parts,
    u32 transposed,
    const Cut cut,
    const Meeting<2> batch) {
    product<64, 64, 64 / sizeof(Wide), 4, 4>(a, b, y, parts, transposed, cut, batch);
}

#if CODE != CODE_f64
extern "C" __global__ void __launch_bounds__(256) matmul_128x128(
    const Element* __restrict__ a,
    const Element* __restrict__ b,
    Element* __restrict__ y,
    Wide* __restrict__ parts,
    u32 transposed,
    const Cut cut,
    const Meeting<2> batch) {
    product<128, 128, 8, 8, 8>(a, b, y, parts, transposed, cut, batch);
}
#endif

// Adds up the parts of products of `size` elements.
extern "C" __global__ void __launch_bounds__(256) sum_parts(
    const Wide* __restrict__ parts, Element* __restrict__ y, u64 count, u64 size, u64 part_count) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        Quotient product = divide(i, size);
        Wide sum = 0;
        for (u64 part = 0; part < part_count; part++) {
            sum += parts[(product.whole * part_count + part) * size + product.rest];
        }
        y[i] = Narrow<Element>::of(sum);
    }
}
