// elements: f32 f64
//
// Images made smaller by what windows meet, and the gradients of that. Images are NHWC; every window
// meets at least one pixel. Gradients are gathered: each pixel adds up what the windows that meet it
// give, in the order of the windows, so that there is no order to depend on.

#include "grid.cuh"

struct Pooling {
    // Rows and columns of an image of x, and of y.
    i64 height, width, rows, columns, channels;
    i64 tap_rows, tap_columns, stride_rows, stride_columns, padding_rows, padding_columns;
};

// Places along an axis, from the first up to the last.
struct Range {
    i64 first;
    i64 end;
};

// What of the window at a place is within the image.
__device__ __forceinline__ Range met(i64 place, i64 taps, i64 stride, i64 padding, i64 extent) {
    i64 start = place * stride - padding, end = start + taps;
    return Range{start < 0 ? 0 : start, end < extent ? end : extent};
}

// The places whose windows meet a pixel.
__device__ __forceinline__ Range reached(i64 pixel, i64 taps, i64 stride, i64 padding, i64 places) {
    // Neither is negative where it is divided.
    i64 end = static_cast<i64>(divide(pixel + padding, stride).whole) + 1;
    i64 before = pixel + padding - taps;
    i64 first = before < 0 ? 0 : static_cast<i64>(divide(before, stride).whole) + 1;
    return Range{first, end < places ? end : places};
}

// The image, row, column and channel of an element.
struct Where {
    i64 image, row, column, channel;
};
__device__ __forceinline__ Where where(u64 element, i64 rows, i64 columns, i64 channels) {
    Quotient pixel = divide(element, channels);
    Quotient line = divide(pixel.whole, columns);
    Quotient image = divide(line.whole, rows);
    return Where{
        static_cast<i64>(image.whole),
        static_cast<i64>(image.rest),
        static_cast<i64>(line.rest),
        static_cast<i64>(pixel.rest)};
}

__device__ __forceinline__ Range rows_met(const Pooling& p, i64 row) {
    return met(row, p.tap_rows, p.stride_rows, p.padding_rows, p.height);
}
__device__ __forceinline__ Range columns_met(const Pooling& p, i64 column) {
    return met(column, p.tap_columns, p.stride_columns, p.padding_columns, p.width);
}

// The largest element of each window; NaN wins. Where `pixels` is given, also the number of its pixel
// in the image: the first of equals, and the first NaN before all others.
extern "C" __global__ void __launch_bounds__(256) max_pool(
    const Element* __restrict__ x,
    Element* __restrict__ y,
    i64* __restrict__ pixels,
    u64 count,
    const Pooling pooling) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        Where at = where(i, pooling.rows, pooling.columns, pooling.channels);
        Range rows = rows_met(pooling, at.row), columns = columns_met(pooling, at.column);
        Element most = Bounds<Element>::lowest();
        i64 place = rows.first * pooling.width + columns.first;
        i64 image = at.image * pooling.height * pooling.width;
        for (i64 row = rows.first; row < rows.end; row++) {
            for (i64 column = columns.first; column < columns.end; column++) {
                i64 pixel = row * pooling.width + column;
                Element own = x[(image + pixel) * pooling.channels + at.channel];
                if (own > most || (is_nan(own) && !is_nan(most))) {
                    most = own;
                    place = pixel;
                }
            }
        }
        if (pixels) {
            pixels[i] = place;
        } else {
            y[i] = most;
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) max_pool_grad(
    const i64* __restrict__ pixels,
    const Element* __restrict__ dy,
    Element* __restrict__ dx,
    u64 count,
    const Pooling pooling) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        Where at = where(i, pooling.height, pooling.width, pooling.channels);
        Range rows = reached(
            at.row, pooling.tap_rows, pooling.stride_rows, pooling.padding_rows, pooling.rows);
        Range columns = reached(
            at.column,
            pooling.tap_columns,
            pooling.stride_columns,
            pooling.padding_columns,
            pooling.columns);
        i64 own = at.row * pooling.width + at.column;
        i64 image = at.image * pooling.rows;
        Element sum = 0;
        for (i64 row = rows.first; row < rows.end; row++) {
            for (i64 column = columns.first; column < columns.end; column++) {
                i64 place = ((image + row) * pooling.columns + column) * pooling.channels + at.channel;
                if (pixels[place] == own) sum += dy[place];
            }
        }
        dx[i] = sum;
    }
}

// The mean of each window, over what of it is in the image.
extern "C" __global__ void __launch_bounds__(256) avg_pool(
    const Element* __restrict__ x, Element* __restrict__ y, u64 count, const Pooling pooling) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        Where at = where(i, pooling.rows, pooling.columns, pooling.channels);
        Range rows = rows_met(pooling, at.row), columns = columns_met(pooling, at.column);
        i64 image = at.image * pooling.height;
        Element sum = 0;
        for (i64 row = rows.first; row < rows.end; row++) {
            for (i64 column = columns.first; column < columns.end; column++) {
                sum += x[((image + row) * pooling.width + column) * pooling.channels + at.channel];
            }
        }
        i64 taps = (rows.end - rows.first) * (columns.end - columns.first);
        y[i] = sum / static_cast<Element>(taps);
    }
}

extern "C" __global__ void __launch_bounds__(256, 3) avg_pool_grad(
    const Element* __restrict__ dy, Element* __restrict__ dx, u64 count, const Pooling pooling) {
    for (u64 i = thread_number(); i < count; i += thread_count()) {
        Where at = where(i, pooling.height, pooling.width, pooling.channels);
        Range rows = reached(
            at.row, pooling.tap_rows, pooling.stride_rows, pooling.padding_rows, pooling.rows);
        Range columns = reached(
            at.column,
            pooling.tap_columns,
            pooling.stride_columns,
            pooling.padding_columns,
            pooling.columns);
        i64 image = at.image * pooling.rows;
        Element sum = 0;
        for (i64 row = rows.first; row < rows.end; row++) {
            Range of_row = rows_met(pooling, row);
            for (i64 column = columns.first; column < columns.end; column++) {
                Range of_column = columns_met(pooling, column);
                i64 taps = (of_row.end - of_row.first) * (of_column.end - of_column.first);
                Element share = static_cast<Element>(1.0 / static_cast<f64>(taps));
                i64 place = ((image + row) * pooling.columns + column) * pooling.channels + at.channel;
                sum += dy[place] * share;
            }
        }
        dx[i] = sum;
    }
}
