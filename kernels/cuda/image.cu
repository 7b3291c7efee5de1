// elements: f32 f64
//
// Images varied at random: each turns and moves, with zeros moving in, and takes noise.

#include "grid.cuh"
#include "philox.cuh"

// Where the generator's blocks for noise begin; those for the images' moves are below.
constexpr u64 NOISE_BLOCKS = 1ull << 63;

// How one image moves: by whole pixels, and by an angle of this cosine and sine.
struct Move {
    i64 down;
    i64 right;
    f64 cosine;
    f64 sine;
};

// `max_rotation` is in radians.
extern "C" __global__ void __launch_bounds__(256, 4)
    draw(Move* __restrict__ moves, u64 images, u64 max_shift, f64 max_rotation, u64 seed, u64 stream) {
    for (u64 image = thread_number(); image < images; image += thread_count()) {
        ulonglong2 words = words_of(philox(seed, stream, image));
        i64 most = static_cast<i64>(max_shift);
        f64 angle = (2.0 * unit(words.y) - 1.0) * max_rotation;
        Move move;
        move.down = static_cast<i64>(below(words.x << 32, 2 * max_shift + 1)) - most;
        move.right =
            static_cast<i64>(below(words.x & 0xffffffff00000000ull, 2 * max_shift + 1)) - most;
        sincos(angle, &move.sine, &move.cosine);
        moves[image] = move;
    }
}

struct Image {
    i64 height;
    i64 width;

    // A pixel, or 0 beyond the image's edges.
    __device__ __forceinline__ Element
    pixel(const Element* __restrict__ x, i64 row, i64 column) const {
        bool within = row >= 0 && row < height && column >= 0 && column < width;
        return within ? x[row * width + column] : Element(0);
    }

    // The pixel that turning about the image's middle brings to `row` and `column`, between the four it
    // falls among (bilinear interpolation).
    __device__ __forceinline__ f64
    between(const Element* __restrict__ x, i64 row, i64 column, const Move& move) const {
        f64 middle_row = static_cast<f64>(height - 1) / 2.0;
        f64 middle_column = static_cast<f64>(width - 1) / 2.0;
        f64 down = static_cast<f64>(row) - middle_row;
        f64 right = static_cast<f64>(column) - middle_column;
        f64 from_row = middle_row + move.cosine * down - move.sine * right;
        f64 from_column = middle_column + move.sine * down + move.cosine * right;
        f64 upper = floor(from_row), left = floor(from_column);
        f64 lower = from_row - upper, righter = from_column - left;
        i64 at_row = static_cast<i64>(upper), at_column = static_cast<i64>(left);
        f64 above = static_cast<f64>(pixel(x, at_row, at_column)) * (1.0 - righter) +
            static_cast<f64>(pixel(x, at_row, at_column + 1)) * righter;
        f64 beneath = static_cast<f64>(pixel(x, at_row + 1, at_column)) * (1.0 - righter) +
            static_cast<f64>(pixel(x, at_row + 1, at_column + 1)) * righter;
        return above * (1.0 - lower) + beneath * lower;
    }
};

// A thread for each two pixels, which one block of the generator gives noise to.
extern "C" __global__ void __launch_bounds__(256, 4) vary(
    const Element* __restrict__ x,
    Element* __restrict__ y,
    const Move* __restrict__ moves,
    u64 images,
    i64 height,
    i64 width,
    u32 turns,
    f64 noise,
    u64 seed,
    u64 stream) {
    Image image{height, width};
    u64 pixels = static_cast<u64>(height * width), pairs = (pixels + 1) / 2;
    for (u64 i = thread_number(); i < images * pairs; i += thread_count()) {
        Quotient own = divide(i, pairs);
        Move move = moves[own.whole];
        const Element* from = x + own.whole * pixels;
        f64 added[2] = {0.0, 0.0};
        if (noise > 0.0) {
            double2 values = normals(seed, stream, NOISE_BLOCKS + own.whole * pairs + own.rest);
            added[0] = noise * values.x;
            added[1] = noise * values.y;
        }
#pragma unroll
        for (int half = 0; half < 2; half++) {
            u64 pixel = 2 * own.rest + half;
            if (pixel >= pixels) break;
            Quotient place = divide(pixel, static_cast<u64>(width));
            // Where the pixel was before the shift.
            i64 row = static_cast<i64>(place.whole) - move.down;
            i64 column = static_cast<i64>(place.rest) - move.right;
            Element value = turns ? static_cast<Element>(image.between(from, row, column, move))
                                  : image.pixel(from, row, column);
            if (noise > 0.0) value = static_cast<Element>(static_cast<f64>(value) + added[half]);
            y[own.whole * pixels + pixel] = value;
        }
    }
}
