// elements: f32 f64
//
// Rows brought to mean 0 and variance 1 (Ba et al. 2016), and the gradients of that.

#include "rows.cuh"

// A row's mean, and what its distances from it are multiplied by.
struct Scale {
    f64 mean;
    f64 factor;

    __device__ __forceinline__ f64 apply(Element x) const {
        return (static_cast<f64>(x) - mean) * factor;
    }
};

__device__ __forceinline__ Scale
scale_of(const Team& team, const Element* __restrict__ x, u64 width, f64 eps) {
    f64 count = static_cast<f64>(width);
    f64 mean = sum_of(team, width, [&](u64 column) { return static_cast<f64>(x[column]); }) / count;
    f64 squares = sum_of(team, width, [&](u64 column) {
        f64 distance = static_cast<f64>(x[column]) - mean;
        return distance * distance;
    });
    return Scale{mean, 1.0 / sqrt(squares / count + eps)};
}

extern "C" __global__ void __launch_bounds__(256, 4) normalise(
    const Element* __restrict__ x,
    const Element* __restrict__ gamma,
    const Element* __restrict__ beta,
    Element* __restrict__ y,
    u64 rows,
    u64 width,
    f64 eps,
    u32 size) {
    Team team(size);
    if (team.row >= rows) return;
    u64 first = team.row * width;
    Scale scale = scale_of(team, x + first, width, eps);
    for_columns(team, width, [&](u64 column) {
        y[first + column] = static_cast<Element>(
            scale.apply(x[first + column]) * static_cast<f64>(gamma[column]) +
            static_cast<f64>(beta[column]));
    });
}

// The gradient of x, and each row's scale for that of gamma.
extern "C" __global__ void __launch_bounds__(256, 4) grad_rows(
    const Element* __restrict__ x,
    const Element* __restrict__ gamma,
    const Element* __restrict__ dy,
    Element* __restrict__ dx,
    Scale* __restrict__ scales,
    u64 rows,
    u64 width,
    f64 eps,
    u32 size) {
    Team team(size);
    if (team.row >= rows) return;
    u64 first = team.row * width;
    Scale scale = scale_of(team, x + first, width, eps);
    f64 count = static_cast<f64>(width);
    auto inner = [&](u64 column) {
        return static_cast<f64>(gamma[column]) * static_cast<f64>(dy[first + column]);
    };
    f64 mean = sum_of(team, width, inner) / count;
    f64 along = sum_of(team, width, [&](u64 column) {
        return scale.apply(x[first + column]) * inner(column);
    });
    along /= count;
    for_columns(team, width, [&](u64 column) {
        f64 normal = scale.apply(x[first + column]);
        dx[first + column] =
            static_cast<Element>(scale.factor * (inner(column) - mean - normal * along));
    });
    if (team.member == 0) scales[team.row] = scale;
}

// The gradients of gamma and beta, in parts of `part` rows each: a thread for each column.
extern "C" __global__ void __launch_bounds__(256, 4) grad_columns(
    const Element* __restrict__ x,
    const Element* __restrict__ dy,
    const Scale* __restrict__ scales,
    double2* __restrict__ sums,
    u64 rows,
    u64 width,
    u64 part,
    u64 parts) {
    for (u64 i = thread_number(); i < parts * width; i += thread_count()) {
        Quotient own = divide(i, width);
        u64 first = own.whole * part, end = first + part < rows ? first + part : rows;
        f64 of_gamma = 0.0, of_beta = 0.0;
        for (u64 row = first; row < end; row++) {
            f64 slope = dy[row * width + own.rest];
            of_gamma += slope * scales[row].apply(x[row * width + own.rest]);
            of_beta += slope;
        }
        sums[i] = make_double2(of_gamma, of_beta);
    }
}

extern "C" __global__ void __launch_bounds__(256, 4) sum_columns(
    const double2* __restrict__ sums,
    Element* __restrict__ dgamma,
    Element* __restrict__ dbeta,
    u64 width,
    u64 parts) {
    for (u64 column = thread_number(); column < width; column += thread_count()) {
        f64 of_gamma = 0.0, of_beta = 0.0;
        for (u64 part = 0; part < parts; part++) {
            double2 own = sums[part * width + column];
            of_gamma += own.x;
            of_beta += own.y;
        }
        dgamma[column] = static_cast<Element>(of_gamma);
        dbeta[column] = static_cast<Element>(of_beta);
    }
}
