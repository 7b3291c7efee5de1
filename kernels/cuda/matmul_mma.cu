// elements: f16 bf16
// architecture: compute_80
//
// Products of matrices of halves by tensor cores (mma.m16n8k16), added up in f32: 8 warps, 2 by 4, make
// a tile of 128 x 128, each 64 x 32 of it. Both operands lie in the block's memory with the inner
// index first, so that the two halves of a register are neighbours.

#include "product.cuh"

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#error "needs mma.m16n8k16"
#endif

constexpr u32 TRANSPOSE_A = 1;
constexpr u32 TRANSPOSE_B = 2;
constexpr int SIDE = 128;
constexpr int DEPTH = 32;
// Rows of 40 halves: the 8 rows and 4 columns that a warp reads are in different banks.
constexpr int ROW = DEPTH + 8;
constexpr int GROUP = 8;
constexpr int EACH = SIDE * DEPTH / GROUP / THREADS;

// Groups of 8 neighbours in memory, on their way to a tile: along the inner index or along lines.
struct Groups {
    Lanes<Element, GROUP> at[EACH];
};

// Where the i-th group of a thread is in a tile.
__device__ __forceinline__ int2 group_place(int i, bool inner_first) {
    int group = threadIdx.x + i * THREADS;
    if (inner_first) return make_int2(group / (DEPTH / GROUP), group % (DEPTH / GROUP) * GROUP);
    return make_int2(group % (SIDE / GROUP) * GROUP, group / (SIDE / GROUP));
}

// Loads groups of a matrix whose lines are `line_step` apart and whose inner indices `inner_step`, one
// of which is 1.
__device__ __forceinline__ void load_groups(
    const Element* __restrict__ x,
    u32 line_step,
    u32 inner_step,
    u32 first,
    u32 lines,
    u32 depth,
    u32 end,
    bool aligned,
    Groups& groups) {
    bool inner_first = inner_step == 1;
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        int2 place = group_place(i, inner_first);
        u32 line = first + place.x, inner = depth + place.y;
        u32 at = line * line_step + inner * inner_step;
        bool inside = inner_first ? line < lines && inner + GROUP <= end
                                  : inner < end && line + GROUP <= lines;
        if (inside && aligned) {
            groups.at[i].load(x + at);
            continue;
        }
#pragma unroll
        for (int lane = 0; lane < GROUP; lane++) {
            bool within = inner_first ? line < lines && inner + lane < end
                                      : inner < end && line + lane < lines;
            groups.at[i].at[lane] = within ? x[at + lane] : Element{0};
        }
    }
}

__device__ __forceinline__ void
store_groups(Element (&tile)[SIDE][ROW], bool inner_first, const Groups& groups) {
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        int2 place = group_place(i, inner_first);
        if (inner_first) {
            groups.at[i].store(&tile[place.x][place.y]);
        } else {
#pragma unroll
            for (int lane = 0; lane < GROUP; lane++) {
                tile[place.x + lane][place.y] = groups.at[i].at[lane];
            }
        }
    }
}

// Two neighbours of a row of a tile.
__device__ __forceinline__ u32 pair(const Element (&row)[ROW], int inner) {
    return *reinterpret_cast<const u32*>(&row[inner]);
}

__device__ __forceinline__ void multiply_add(f32 (&sums)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#if CODE == CODE_f16
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
#else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
#endif
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

extern "C" __global__ void __launch_bounds__(256) matmul_mma(
    const Element* __restrict__ a,
    const Element* __restrict__ b,
    Element* __restrict__ y,
    f32* __restrict__ parts,
    u32 transposed,
    const Cut cut,
    const Meeting<2> batch) {
    __shared__ __align__(16) Element of_a[SIDE][ROW];
    __shared__ __align__(16) Element of_b[SIDE][ROW];
    Work work = work_of(cut, blockIdx.x, SIDE, SIDE);
    Tile tile = work.tile;
    u64 matrices[2];
    meet(batch, work.product, matrices);
    bool a_inner_first = !(transposed & TRANSPOSE_A), b_inner_first = transposed & TRANSPOSE_B;
    u32 inner_count = static_cast<u32>(cut.inner);
    u32 a_line = a_inner_first ? inner_count : 1, a_inner = a_inner_first ? 1 : tile.rows;
    u32 b_line = b_inner_first ? inner_count : 1, b_inner = b_inner_first ? 1 : tile.columns;
    a += matrices[0] * cut.rows * cut.inner;
    b += matrices[1] * cut.columns * cut.inner;
    // Rows of 8 halves begin at multiples of 16 bytes where their distance is one; parts of the inner
    // extent begin at multiples of DEPTH.
    bool a_aligned = (a_inner_first ? cut.inner : cut.rows) % GROUP == 0;
    bool b_aligned = (b_inner_first ? cut.inner : cut.columns) % GROUP == 0;
    int lane = threadIdx.x & 31, warp = threadIdx.x / 32;
    int down = warp / 4 * 64, across = warp % 4 * 32;
    // The row (column) and the pair of inner indices that this lane holds.
    int row = lane / 4, two = lane % 4 * 2;
    f32 sums[4][4][4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
#pragma unroll
            for (int k = 0; k < 4; k++) sums[i][j][k] = 0.0f;
        }
    }
    Groups next_a, next_b;
    load_groups(
        a, a_line, a_inner, tile.row, tile.rows, tile.first, tile.end, a_aligned, next_a);
    load_groups(
        b, b_line, b_inner, tile.column, tile.columns, tile.first, tile.end, b_aligned, next_b);
    for (u32 depth = tile.first; depth < tile.end; depth += DEPTH) {
        store_groups(of_a, a_inner_first, next_a);
        store_groups(of_b, b_inner_first, next_b);
        __syncthreads();
        if (depth + DEPTH < tile.end) {
            u32 next = depth + DEPTH;
            load_groups(
                a, a_line, a_inner, tile.row, tile.rows, next, tile.end, a_aligned, next_a);
            load_groups(
                b, b_line, b_inner, tile.column, tile.columns, next, tile.end, b_aligned, next_b);
        }
#pragma unroll
        for (int inner = 0; inner < DEPTH; inner += 16) {
            u32 left[4][4], right[4][2];
#pragma unroll
            for (int i = 0; i < 4; i++) {
                int at = down + i * 16 + row;
                left[i][0] = pair(of_a[at], inner + two);
                left[i][1] = pair(of_a[at + 8], inner + two);
                left[i][2] = pair(of_a[at], inner + two + 8);
                left[i][3] = pair(of_a[at + 8], inner + two + 8);
            }
#pragma unroll
            for (int j = 0; j < 4; j++) {
                int at = across + j * 8 + row;
                right[j][0] = pair(of_b[at], inner + two);
                right[j][1] = pair(of_b[at], inner + two + 8);
            }
#pragma unroll
            for (int i = 0; i < 4; i++) {
#pragma unroll
                for (int j = 0; j < 4; j++) multiply_add(sums[i][j], left[i], right[j]);
            }
        }
        __syncthreads();
    }
    u64 start = (work.product * cut.parts + work.part) * cut.rows * cut.columns;
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
#pragma unroll
            for (int k = 0; k < 4; k++) {
                u32 at_row = tile.row + down + i * 16 + row + k / 2 * 8;
                u32 at_column = tile.column + across + j * 8 + two + k % 2;
                if (at_row >= tile.rows || at_column >= tile.columns) continue;
                u64 at = start + static_cast<u64>(at_row) * tile.columns + at_column;
                if (parts) {
                    parts[at] = sums[i][j][k];
                } else {
                    y[at] = Narrow<Element>::of(sums[i][j][k]);
                }
            }
        }
    }
}
