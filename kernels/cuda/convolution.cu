// elements: f32 f64
//
// Convolutions of images and their gradients as products of matrices, one for each group of channels.
// Patches are read where they are in the images, never written as a matrix (implicit products,
// Chetlur et al. 2014). Images are NHWC, weights [kh, kw, c / groups, o].

#include "product.cuh"

#if CODE == CODE_f32
#define PRODUCT 128, 64, 8, 8, 4
#else
#define PRODUCT 64, 64, 8, 4, 4
#endif
#define TILE_ROWS (CODE == CODE_f32 ? 128 : 64)
#define TILE_COLUMNS 64

// Extents, all of which 32 bits hold, as they do the numbers of all elements.
struct Geometry {
    i32 height, width, channels;
    i32 rows, columns, outputs;
    i32 tap_rows, tap_columns;
    i32 stride_rows, stride_columns;
    i32 padding_rows, padding_columns;
    i32 dilation_rows, dilation_columns;
    i32 own_channels, own_outputs;
};

// A pixel, and what of its image is before it.
struct Pixel {
    i32 image;
    i32 row;
    i32 column;
};
__device__ __forceinline__ Pixel pixel_of(u32 number, u32 rows, u32 columns) {
    u32 line = number / columns, image = line / rows;
    return Pixel{
        static_cast<i32>(image),
        static_cast<i32>(line - image * rows),
        static_cast<i32>(number - line * columns)};
}

// A tap of the window and a channel.
struct Tap {
    i32 row;
    i32 column;
    i32 channel;
};
__device__ __forceinline__ Tap tap_of(u32 number, u32 channels, u32 columns) {
    u32 tap = number / channels, row = tap / columns;
    return Tap{
        static_cast<i32>(row),
        static_cast<i32>(tap - row * columns),
        static_cast<i32>(number - tap * channels)};
}

// The element of x that a tap meets where the window is at a place, 0 beyond the image's edges.
// `corner` is where the window begins.
__device__ __forceinline__ Element met(
    const Element* __restrict__ x, const Geometry& geometry, i32 first, Pixel corner, Tap tap) {
    i32 row = corner.row + tap.row * geometry.dilation_rows;
    i32 column = corner.column + tap.column * geometry.dilation_columns;
    bool within = row >= 0 && row < geometry.height && column >= 0 && column < geometry.width;
    if (!within) return Element(0);
    i32 pixel = (corner.image * geometry.height + row) * geometry.width + column;
    return x[pixel * geometry.channels + first + tap.channel];
}
__device__ __forceinline__ Pixel corner_of(const Geometry& geometry, u32 place) {
    Pixel pixel = pixel_of(place, geometry.rows, geometry.columns);
    pixel.row = pixel.row * geometry.stride_rows - geometry.padding_rows;
    pixel.column = pixel.column * geometry.stride_columns - geometry.padding_columns;
    return pixel;
}

// Patches of x: a line for each place, an inner index for each tap and channel.
struct Patches {
    const Element* x;
    const Geometry& geometry;
    i32 first;

    typedef Pixel Line;
    __device__ __forceinline__ bool inner_first() const { return true; }
    __device__ __forceinline__ Pixel line(u32 place) const {
        return corner_of(geometry, place);
    }
    __device__ __forceinline__ Tap inner(u32 number) const {
        return tap_of(number, geometry.own_channels, geometry.tap_columns);
    }
    __device__ __forceinline__ Element load(Pixel corner, Tap tap) const {
        return met(x, geometry, first, corner, tap);
    }
};

// The same turned: a line for each tap and channel, an inner index for each place.
struct TurnedPatches {
    const Element* x;
    const Geometry& geometry;
    i32 first;

    typedef Tap Line;
    __device__ __forceinline__ bool inner_first() const { return false; }
    __device__ __forceinline__ Tap line(u32 number) const {
        return tap_of(number, geometry.own_channels, geometry.tap_columns);
    }
    __device__ __forceinline__ Pixel inner(u32 place) const {
        return corner_of(geometry, place);
    }
    __device__ __forceinline__ Element load(Tap tap, Pixel corner) const {
        return met(x, geometry, first, corner, tap);
    }
};

// What reaches a pixel of x: a line for each pixel, an inner index for each tap and output, whose
// element is that of dy at the place where the tap meets the pixel, where there is one.
struct Reached {
    const Element* dy;
    const Geometry& geometry;
    i32 first;

    typedef Pixel Line;
    __device__ __forceinline__ bool inner_first() const { return true; }
    __device__ __forceinline__ Pixel line(u32 number) const {
        Pixel pixel = pixel_of(number, geometry.height, geometry.width);
        pixel.row += geometry.padding_rows;
        pixel.column += geometry.padding_columns;
        return pixel;
    }
    __device__ __forceinline__ Tap inner(u32 number) const {
        return tap_of(number, geometry.own_outputs, geometry.tap_columns);
    }
    __device__ __forceinline__ Element load(Pixel pixel, Tap tap) const {
        i32 row = pixel.row - tap.row * geometry.dilation_rows;
        i32 column = pixel.column - tap.column * geometry.dilation_columns;
        if (row < 0 || column < 0) return Element(0);
        if (geometry.stride_rows != 1) {
            if (row % geometry.stride_rows != 0) return Element(0);
            row /= geometry.stride_rows;
        }
        if (geometry.stride_columns != 1) {
            if (column % geometry.stride_columns != 0) return Element(0);
            column /= geometry.stride_columns;
        }
        if (row >= geometry.rows || column >= geometry.columns) return Element(0);
        i32 place = (pixel.image * geometry.rows + row) * geometry.columns + column;
        return dy[place * geometry.outputs + first + tap.channel];
    }
};

// A matrix whose columns are neighbours: weights by output, or dy by output.
struct Columns {
    const Element* elements;
    i32 step;

    typedef i32 Line;
    __device__ __forceinline__ bool inner_first() const { return false; }
    __device__ __forceinline__ i32 line(u32 column) const { return static_cast<i32>(column); }
    __device__ __forceinline__ i32 inner(u32 row) const { return static_cast<i32>(row) * step; }
    __device__ __forceinline__ Element load(i32 column, i32 row) const {
        return elements[row + column];
    }
};

// Weights turned: a line for each channel, an inner index for each tap and output.
struct TurnedWeights {
    const Element* weights;
    const Geometry& geometry;

    typedef i32 Line;
    __device__ __forceinline__ bool inner_first() const { return true; }
    __device__ __forceinline__ i32 line(u32 channel) const {
        return static_cast<i32>(channel) * geometry.outputs;
    }
    __device__ __forceinline__ i32 inner(u32 number) const {
        u32 tap = number / static_cast<u32>(geometry.own_outputs);
        i32 output = static_cast<i32>(number) - static_cast<i32>(tap) * geometry.own_outputs;
        return static_cast<i32>(tap) * geometry.own_channels * geometry.outputs + output;
    }
    __device__ __forceinline__ Element load(i32 channel, i32 inner) const {
        return weights[channel + inner];
    }
};

extern "C" __global__ void __launch_bounds__(256) forward(
    const Element* __restrict__ x,
    const Element* __restrict__ weights,
    Element* __restrict__ y,
    const Cut cut,
    const Geometry geometry) {
    Work work = work_of(cut, blockIdx.x, TILE_ROWS, TILE_COLUMNS);
    i32 group = static_cast<i32>(work.product), output = group * geometry.own_outputs;
    Patches left{x, geometry, group * geometry.own_channels};
    Columns right{weights + output, geometry.outputs};
    multiply<Element, PRODUCT>(left, right, work.tile, [&](u32 row, u32 column, Element sum) {
        y[row * geometry.outputs + output + column] = sum;
    });
}

extern "C" __global__ void __launch_bounds__(256) grad_input(
    const Element* __restrict__ dy,
    const Element* __restrict__ weights,
    Element* __restrict__ dx,
    const Cut cut,
    const Geometry geometry) {
    Work work = work_of(cut, blockIdx.x, TILE_ROWS, TILE_COLUMNS);
    i32 group = static_cast<i32>(work.product), output = group * geometry.own_outputs;
    Reached left{dy, geometry, output};
    TurnedWeights right{weights + output, geometry};
    i32 channel = group * geometry.own_channels;
    multiply<Element, PRODUCT>(left, right, work.tile, [&](u32 row, u32 column, Element sum) {
        dx[row * geometry.channels + channel + column] = sum;
    });
}

// Parts of the places are added up by `sum_parts` of `matmul`; each is as large as the weights.
extern "C" __global__ void __launch_bounds__(256) grad_weights(
    const Element* __restrict__ x,
    const Element* __restrict__ dy,
    Element* __restrict__ dweights,
    const Cut cut,
    const Geometry geometry) {
    Work work = work_of(cut, blockIdx.x, TILE_ROWS, TILE_COLUMNS);
    i32 group = static_cast<i32>(work.product), output = group * geometry.own_outputs;
    TurnedPatches left{x, geometry, group * geometry.own_channels};
    Columns right{dy + output, geometry.outputs};
    Element* part = dweights + work.part * cut.rows * geometry.outputs;
    multiply<Element, PRODUCT>(left, right, work.tile, [&](u32 row, u32 column, Element sum) {
        part[row * geometry.outputs + output + column] = sum;
    });
}
