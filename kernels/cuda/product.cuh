// Products of matrices, tile by tile: a block of 256 threads makes a tile of the result from tiles of
// both operands in its own memory, each thread TM x TN elements of it in registers.
//
// Operands are functors, so that patches of images are multiplied as matrices are, without being
// written to memory first: `line` tells what is known of a row of the left operand (a column of the
// right one), `inner` what is known of an inner index, and `load` takes both. `inner_first` tells
// which of the two neighbours in memory differ by.
#pragma once

#include "grid.cuh"

constexpr int THREADS = 256;

__device__ __forceinline__ f32 fused(f32 a, f32 b, f32 c) {
    return fmaf(a, b, c);
}
__device__ __forceinline__ f64 fused(f64 a, f64 b, f64 c) {
    return fma(a, b, c);
}

// Which of an operand's elements of a tile a thread loads, the i-th time.
template <int LINES, int DEPTH> struct Place {
    int line;
    int inner;

    __device__ __forceinline__ Place(int i, bool inner_first) {
        int element = threadIdx.x + i * THREADS;
        line = inner_first ? element / DEPTH : element % LINES;
        inner = inner_first ? element % DEPTH : element / LINES;
    }
};

// The part of a product that one block makes. 32 bits hold all extents and the number of elements of
// each matrix, which saves registers.
struct Tile {
    u32 row;
    u32 column;
    u32 rows;
    u32 columns;
    // From which inner index to which.
    u32 first;
    u32 end;
};

// An operand's elements of the next tile, on their way from memory.
template <typename T, int LINES, int DEPTH, typename Operand> struct Fetch {
    static constexpr int EACH = LINES * DEPTH / THREADS;
    // More, so that rows begin in different banks and stay aligned to 16 bytes.
    typedef T Memory[DEPTH][LINES + 16 / sizeof(T)];
    typename Operand::Line lines[EACH];
    T next[EACH];

    // Lines beyond the last are told of, too: they are not loaded, and distances between lines stay
    // the same, so that they take few registers.
    __device__ __forceinline__ Fetch(const Operand& operand, u32 first) {
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            lines[i] = operand.line(first + Place<LINES, DEPTH>(i, operand.inner_first()).line);
        }
    }

    __device__ __forceinline__ void
    load(const Operand& operand, u32 first, u32 count, u32 depth, u32 end) {
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            Place<LINES, DEPTH> place(i, operand.inner_first());
            u32 inner = depth + place.inner;
            bool within = first + place.line < count && inner < end;
            next[i] = within ? operand.load(lines[i], operand.inner(inner)) : T(0);
        }
    }

    __device__ __forceinline__ void store(const Operand& operand, Memory& memory) {
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            Place<LINES, DEPTH> place(i, operand.inner_first());
            memory[place.inner][place.line] = next[i];
        }
    }
};

// The COUNT elements of a row of a tile that a thread of a row or column of threads takes, in groups
// of 16 bytes that are next to those of its neighbours.
template <typename T, int LINES, int COUNT>
__device__ __forceinline__ int own_line(int member, int i) {
    constexpr int GROUP = 16 / sizeof(T);
    return i / GROUP * (LINES * GROUP / COUNT) + member * GROUP + i % GROUP;
}
template <typename T, int LINES, int COUNT>
__device__ __forceinline__ void
read_lines(const T (&row)[LINES + 16 / sizeof(T)], int member, T (&own)[COUNT]) {
    constexpr int GROUP = 16 / sizeof(T);
#pragma unroll
    for (int i = 0; i < COUNT; i += GROUP) {
        Lanes<T, GROUP> lanes;
        lanes.load(row + own_line<T, LINES, COUNT>(member, i));
#pragma unroll
        for (int lane = 0; lane < GROUP; lane++) own[i + lane] = lanes.at[lane];
    }
}

template <typename T, int BM, int BN, int BK, int TM, int TN, typename Left, typename Right, typename Store>
__device__ __forceinline__ void
multiply(const Left& left, const Right& right, const Tile& tile, const Store& store) {
    static_assert(BM / TM * (BN / TN) == THREADS, "a thread for each TM x TN elements");
    typedef Fetch<T, BM, BK, Left> FetchLeft;
    typedef Fetch<T, BN, BK, Right> FetchRight;
    __shared__ __align__(16) typename FetchLeft::Memory a;
    __shared__ __align__(16) typename FetchRight::Memory b;
    FetchLeft fetch_left(left, tile.row);
    FetchRight fetch_right(right, tile.column);
    int down = threadIdx.x / (BN / TN), across = threadIdx.x % (BN / TN);
    T sums[TM][TN];
#pragma unroll
    for (int i = 0; i < TM; i++) {
#pragma unroll
        for (int j = 0; j < TN; j++) sums[i][j] = T(0);
    }
    fetch_left.load(left, tile.row, tile.rows, tile.first, tile.end);
    fetch_right.load(right, tile.column, tile.columns, tile.first, tile.end);
    for (u32 depth = tile.first; depth < tile.end; depth += BK) {
        fetch_left.store(left, a);
        fetch_right.store(right, b);
        __syncthreads();
        // The next tiles are on their way while these are multiplied.
        if (depth + BK < tile.end) {
            fetch_left.load(left, tile.row, tile.rows, depth + BK, tile.end);
            fetch_right.load(right, tile.column, tile.columns, depth + BK, tile.end);
        }
#pragma unroll
        for (int inner = 0; inner < BK; inner++) {
            T of_a[TM], of_b[TN];
            read_lines<T, BM, TM>(a[inner], down, of_a);
            read_lines<T, BN, TN>(b[inner], across, of_b);
#pragma unroll
            for (int i = 0; i < TM; i++) {
#pragma unroll
                for (int j = 0; j < TN; j++) sums[i][j] = fused(of_a[i], of_b[j], sums[i][j]);
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < TM; i++) {
        u32 row = tile.row + own_line<T, BM, TM>(down, i);
        if (row >= tile.rows) continue;
#pragma unroll
        for (int j = 0; j < TN; j++) {
            u32 column = tile.column + own_line<T, BN, TN>(across, j);
            if (column < tile.columns) store(row, column, sums[i][j]);
        }
    }
}

// How a product is cut: tiles of the result, and parts of the inner extent.
struct Cut {
    u64 rows;
    u64 columns;
    u64 inner;
    // How many inner indices a part has, and how many parts there are.
    u64 part;
    u64 parts;
};

// A block's work: which product of several, which part of it, and which tile.
struct Work {
    u64 product;
    u64 part;
    Tile tile;
};
__device__ __forceinline__ Work work_of(const Cut& cut, u64 block, u32 tile_rows, u32 tile_columns) {
    u64 down = (cut.rows + tile_rows - 1) / tile_rows;
    u64 across = (cut.columns + tile_columns - 1) / tile_columns;
    Quotient column = divide(block, across);
    Quotient row = divide(column.whole, down);
    Quotient part = divide(row.whole, cut.parts);
    u64 first = part.rest * cut.part;
    u64 end = first + cut.part < cut.inner ? first + cut.part : cut.inner;
    return Work{
        part.whole,
        part.rest,
        Tile{
            static_cast<u32>(row.rest) * tile_rows,
            static_cast<u32>(column.rest) * tile_columns,
            static_cast<u32>(cut.rows),
            static_cast<u32>(cut.columns),
            static_cast<u32>(first),
            static_cast<u32>(end)}};
}
