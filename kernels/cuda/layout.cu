// elements: b1 b2 b4 b8 b16
//
// Elements moved and left as they are.

#include "grid.cuh"

// Rows of `width` words, from one place and distance to another.
extern "C" __global__ void __launch_bounds__(256) copy_rows(
    const Element* __restrict__ x,
    Element* __restrict__ y,
    u64 rows,
    u64 width,
    u64 x_start,
    u64 x_step,
    u64 y_start,
    u64 y_step) {
    for (u64 i = thread_number(); i < rows * width; i += thread_count()) {
        Quotient row = divide(i, width);
        y[y_start + row.whole * y_step + row.rest] = x[x_start + row.whole * x_step + row.rest];
    }
}

// y[i] = x[where its place leads]: reordered axes whose innermost stays, and broadcast ones.
extern "C" __global__ void __launch_bounds__(256) rearrange(
    const Element* __restrict__ x, Element* __restrict__ y, u64 count, const Meeting<1, 6> way) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        u64 places[1];
        meet(way, i, places);
        y[i] = x[places[0]];
    }
}

constexpr u32 TILE = 32;

// Turns matrices tile by tile: y[batch][row][column] = x[batch][column][row], where rows of y are
// `y_step` apart and rows of x `x_step`. Neighbours are read and written together.
extern "C" __global__ void __launch_bounds__(256) turn(
    const Element* __restrict__ x,
    Element* __restrict__ y,
    u64 rows,
    u64 columns,
    u64 x_step,
    u64 y_step,
    const Meeting<2, 6> batch) {
    // One more, so that neighbours of a column are in different banks.
    __shared__ Element tile[TILE][TILE + 1];
    u64 across = (columns + TILE - 1) / TILE, down = (rows + TILE - 1) / TILE;
    Quotient tiles = divide(blockIdx.x, across);
    Quotient matrix = divide(tiles.whole, down);
    u64 starts[2];
    meet(batch, matrix.whole, starts);
    u64 row = matrix.rest * TILE, column = tiles.rest * TILE;
    u32 lane = threadIdx.x % TILE, line = threadIdx.x / TILE;
    for (u32 i = line; i < TILE; i += 8) {
        if (row + lane < rows && column + i < columns) {
            tile[i][lane] = x[starts[0] + (column + i) * x_step + row + lane];
        }
    }
    __syncthreads();
    for (u32 i = line; i < TILE; i += 8) {
        if (row + i < rows && column + lane < columns) {
            y[starts[1] + (row + i) * y_step + column + lane] = tile[lane][i];
        }
    }
}

// Where a tensor lies within a larger one, the innermost axis first: the larger one's extents, how
// many elements are before the tensor, and its own extents.
constexpr int FRAME_AXES = 6;
struct Frame {
    u64 rank;
    u64 whole[FRAME_AXES];
    u64 before[FRAME_AXES];
    u64 extents[FRAME_AXES];
};

extern "C" __global__ void __launch_bounds__(256) pad(
    const Element* __restrict__ x,
    Element* __restrict__ y,
    u64 count,
    const Frame frame,
    u64 value) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        u64 rest = i, place = 0, size = 1;
        bool within = true;
#pragma unroll
        for (int axis = 0; axis < FRAME_AXES; axis++) {
            if (axis >= frame.rank) break;
            Quotient parts = divide(rest, frame.whole[axis]);
            rest = parts.whole;
            // Elements before the tensor become ones far behind it.
            u64 along = parts.rest - frame.before[axis];
            within = within && along < frame.extents[axis];
            place += along * size;
            size *= frame.extents[axis];
        }
#if CODE == CODE_b16
        y[i] = within ? x[place] : b16{value, value};
#else
        y[i] = within ? x[place] : static_cast<Element>(value);
#endif
    }
}
