// elements: f32 f64
//
// Rows as probabilities, and their gradients.

#include "rows.cuh"

extern "C" __global__ void __launch_bounds__(256) softmax(
    const Element* __restrict__ x, Element* __restrict__ y, u64 rows, u64 width, u32 size) {
    Team team(size);
    if (team.row >= rows) return;
    softmax_row(team, x + team.row * width, y + team.row * width, width);
}

extern "C" __global__ void __launch_bounds__(256) log_softmax(
    const Element* __restrict__ x, Element* __restrict__ y, u64 rows, u64 width, u32 size) {
    Team team(size);
    if (team.row >= rows) return;
    const Element* from = x + team.row * width;
    Element* to = y + team.row * width;
    Element most = Bounds<Element>::lowest();
    for_columns(team, width, [&](u64 column) { most = larger(most, from[column]); });
    most = fold_team<Largest<Element>>(most, team.size);
    f64 sum = sum_of(team, width, [&](u64 column) {
        return static_cast<f64>(exponential(from[column] - most));
    });
    f64 log_sum = static_cast<f64>(most) + log(sum);
    for_columns(team, width, [&](u64 column) {
        to[column] = static_cast<Element>(static_cast<f64>(from[column]) - log_sum);
    });
}

// y * (dy - the row's sum of y * dy).
extern "C" __global__ void __launch_bounds__(256) softmax_grad(
    const Element* __restrict__ y,
    const Element* __restrict__ dy,
    Element* __restrict__ dx,
    u64 rows,
    u64 width,
    u32 size) {
    Team team(size);
    if (team.row >= rows) return;
    u64 first = team.row * width;
    f64 along = sum_of(team, width, [&](u64 column) {
        return static_cast<f64>(y[first + column]) * static_cast<f64>(dy[first + column]);
    });
    for_columns(team, width, [&](u64 column) {
        u64 at = first + column;
        dx[at] = static_cast<Element>(
            static_cast<f64>(y[at]) * (static_cast<f64>(dy[at]) - along));
    });
}

// dy - exp(y) * the row's sum of dy.
extern "C" __global__ void __launch_bounds__(256) log_softmax_grad(
    const Element* __restrict__ y,
    const Element* __restrict__ dy,
    Element* __restrict__ dx,
    u64 rows,
    u64 width,
    u32 size) {
    Team team(size);
    if (team.row >= rows) return;
    u64 first = team.row * width;
    f64 sum = sum_of(team, width, [&](u64 column) { return static_cast<f64>(dy[first + column]); });
    for_columns(team, width, [&](u64 column) {
        u64 at = first + column;
        dx[at] = static_cast<Element>(
            static_cast<f64>(dy[at]) - static_cast<f64>(exponential(y[at])) * sum);
    });
}
