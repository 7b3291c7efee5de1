//! Convolutions of images, and their gradients, as products that read patches where they are.

use drawloom_model::DType;
use drawloom_signature::windows::{Window, pair, windows};

use super::matmul::{Cut, sum_parts};
use crate::argument::arguments;
use crate::builder::{Builder, bits, module_of, module_of_size, product, size_of};
use crate::{Argument, Buffer, PlanError};

/// A convolution's extents; x and y are what `conv2d` takes and makes.
struct Convolution {
    dtype: DType,
    n: u64,
    /// Rows, columns and channels of an image of x, and of y.
    x: [u64; 3],
    y: [u64; 3],
    windows: [Window; 2],
    groups: u64,
}

impl Convolution {
    fn new(builder: &Builder<'_>, x: &[u64], y: &[u64], taps: [u64; 2]) -> Result<Self, PlanError> {
        let &[n, height, width, channels] = x else { return Err(builder.invalid("no images")) };
        let &[_, rows, columns, outputs] = y else { return Err(builder.invalid("no images")) };
        let windows = windows(&builder.arguments, taps, [1; 2])?;
        let groups = builder.arguments.int("groups").unsigned_abs();
        let (x, y) = ([height, width, channels], [rows, columns, outputs]);
        let convolution = Convolution { dtype: builder.dtype(0), n, x, y, windows, groups };
        convolution.check(builder)?;
        Ok(convolution)
    }

    /// Refuses what kernels do not count with in 31 bits.
    fn check(&self, builder: &Builder<'_>) -> Result<(), PlanError> {
        let reach = |axis: usize| {
            let Window { taps, stride, padding, dilation } = self.windows[axis];
            [
                taps.saturating_mul(dilation),
                self.y[axis].saturating_mul(stride).saturating_add(padding),
                self.x[axis].saturating_add(padding),
            ]
        };
        let [x, y] = [&self.x, &self.y].map(|image| product(image).saturating_mul(self.n.max(1)));
        let weights = self.taps().saturating_mul(self.own_channels()).saturating_mul(self.y[2]);
        let numbers = [[x, y, weights], reach(0), reach(1)];
        match numbers.as_flattened().iter().find(|number| **number > i32::MAX as u64 - (1 << 16)) {
            Some(number) => Err(builder.unsupported(format!("{number} is beyond 31 bits"))),
            None => Ok(()),
        }
    }

    fn taps(&self) -> u64 {
        self.windows[0].taps.saturating_mul(self.windows[1].taps)
    }

    /// The channels of x that a group takes.
    fn own_channels(&self) -> u64 {
        self.x[2] / self.groups
    }

    /// The channels of y that a group makes.
    fn own_outputs(&self) -> u64 {
        self.y[2] / self.groups
    }

    /// The tiles of the kernels.
    fn tile(&self) -> [u64; 2] {
        if self.dtype == DType::F32 { [128, 64] } else { [64, 64] }
    }

    /// The structure that kernels take.
    fn geometry(&self) -> Argument {
        let of_windows = |field: fn(&Window) -> u64| self.windows.each_ref().map(field);
        let fields = [
            self.x.as_slice(),
            &self.y,
            &of_windows(|window| window.taps),
            &of_windows(|window| window.stride),
            &of_windows(|window| window.padding),
            &of_windows(|window| window.dilation),
            &[self.own_channels(), self.own_outputs()],
        ];
        Argument::Ints(fields.concat().into_iter().map(|value| value as u32).collect())
    }

    /// A launch of a product for each group, without cuts.
    fn launch(
        &self,
        builder: &mut Builder<'_>,
        entry: &'static str,
        extents: [u64; 3],
    ) -> Result<(), PlanError> {
        let cut = Cut::whole(extents);
        let (left, right) = (Buffer::Input(0), Buffer::Input(1));
        let arguments = arguments![left, right, Buffer::Output(0), cut.argument(), self.geometry()];
        let blocks = cut.tiles(self.tile()) * self.groups;
        builder.launch(&module_of("convolution", self.dtype), entry, blocks, arguments)
    }
}

pub(crate) fn conv2d(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let (x, weights) = (builder.extents(0), builder.extents(1));
    let taps = [weights[0], weights[1]];
    let convolution = Convolution::new(builder, x, &builder.output_extents(0), taps)?;
    if builder.output_elements(0) == 0 {
        return Ok(());
    }
    let places = convolution.n * convolution.y[0] * convolution.y[1];
    let inner = convolution.taps() * convolution.own_channels();
    convolution.launch(builder, "forward", [places, inner, convolution.own_outputs()])
}

pub(crate) fn conv2d_grad_input(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let (dy, weights) = (builder.extents(0), builder.extents(1));
    let taps = [weights[0], weights[1]];
    let convolution = Convolution::new(builder, &builder.output_extents(0), dy, taps)?;
    if builder.output_elements(0) == 0 {
        return Ok(());
    }
    if builder.elements(0) == 0 {
        return zeros(builder);
    }
    let pixels = convolution.n * convolution.x[0] * convolution.x[1];
    let inner = convolution.taps() * convolution.own_outputs();
    convolution.launch(builder, "grad_input", [pixels, inner, convolution.own_channels()])
}

/// Makes all of output 0 zeros.
fn zeros(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let (count, dtype) = (builder.output_elements(0), builder.output_dtype(0));
    let module = module_of_size("fill", size_of(dtype));
    let arguments = arguments![Buffer::Output(0), count, bits(dtype, 0.0)];
    builder.launch_each(&module, "fill", count, arguments)
}

pub(crate) fn conv2d_grad_weights(builder: &mut Builder<'_>) -> Result<(), PlanError> {
    let (x, dy) = (builder.extents(0), builder.extents(1));
    let taps = pair(&builder.arguments, "window", [1; 2])?;
    let convolution = Convolution::new(builder, x, dy, taps)?;
    let size = builder.output_elements(0);
    if size == 0 {
        return Ok(());
    }
    let places = convolution.n * convolution.y[0] * convolution.y[1];
    let rows = convolution.taps() * convolution.own_channels();
    let extents = [rows, places, convolution.own_outputs()];
    let blocks = Cut::whole(extents).tiles(convolution.tile()) * convolution.groups;
    let cut = Cut::for_blocks(extents, blocks);
    let dtype = convolution.dtype;
    let y = Buffer::Output(0);
    let target = match cut.parts {
        1 => y,
        parts => builder.scratch((size * parts).saturating_mul(size_of(dtype))),
    };
    let (left, right) = (Buffer::Input(0), Buffer::Input(1));
    let arguments = arguments![left, right, target, cut.argument(), convolution.geometry()];
    let module = module_of("convolution", dtype);
    builder.launch(&module, "grad_weights", blocks * cut.parts, arguments)?;
    sum_parts(builder, dtype, target, y, size, size, cut.parts)
}
