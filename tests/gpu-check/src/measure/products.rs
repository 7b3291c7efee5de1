//! Products of matrices.

use std::time::{Duration, Instant};

use drawloom_cuda::{Buffer, Lane, Plan};
use drawloom_model::{Attributes, DType, KernelCall, ObjectType, Shape};

use super::{Bench, Figure, MeasureError, giga};

/// A product that can be launched again and again.
pub(super) struct Product {
    lane: Lane,
    plan: Plan,
    inputs: [Buffer; 2],
}

impl Product {
    /// One of square matrices.
    pub(super) fn new(
        bench: &Bench,
        lane: Lane,
        dtype: DType,
        extent: u64,
    ) -> Result<Self, MeasureError> {
        let call = KernelCall { name: "matmul".to_owned(), attributes: Attributes::new() };
        let shape = Shape::new([extent, extent]);
        let matrix = ObjectType::Tensor { dtype, shape };
        let plan = lane.plan(&call, &[matrix.clone(), matrix])?;
        let bytes = (extent * extent) as usize * dtype.size_bytes();
        // Small numbers, not zeros: a device draws less power, and so runs faster, where nothing
        // changes.
        let data: Vec<u8> = (0..bytes).map(|place| (place * 31 % 57) as u8).collect();
        let inputs = [bench.device.upload(&data)?, bench.device.upload(&data)?];
        Ok(Product { lane, plan, inputs })
    }

    /// How long so many take, one behind the other.
    pub(super) fn time(&mut self, bench: &Bench, count: u32) -> Result<Duration, MeasureError> {
        let start = Instant::now();
        self.launch(count)?.land(&bench.device)?;
        Ok(start.elapsed())
    }

    /// Launches so many; the last of them.
    pub(super) fn launch(&mut self, count: u32) -> Result<drawloom_cuda::Flight, MeasureError> {
        let mut last = self.lane.launch(&self.plan, &self.inputs)?;
        for _ in 1..count {
            last = self.lane.launch(&self.plan, &self.inputs)?;
        }
        Ok(last)
    }
}

impl Bench {
    pub(super) fn products(&self) -> Result<Vec<Figure>, MeasureError> {
        let mut figures = Vec::new();
        for dtype in [DType::F32, DType::F16] {
            let own = Lane::without_library(&self.device)?;
            figures.extend(self.product(own, dtype, |_| Some("own kernels".to_owned()))?);
            let library = |lane: &Lane| lane.library().map(|version| format!("cuBLAS {version}"));
            figures.extend(self.product(Lane::new(&self.device)?, dtype, library)?);
        }
        Ok(figures)
    }

    /// The figure of a product in a lane, unless whoever made it has no name.
    fn product(
        &self,
        lane: Lane,
        dtype: DType,
        maker: impl Fn(&Lane) -> Option<String>,
    ) -> Result<Option<Figure>, MeasureError> {
        let (limit, units) = match dtype {
            DType::F32 => (self.limits.f32_per_second, "multiprocessors x clock x lanes"),
            _ => (self.limits.f16_per_second, "multiprocessors x clock x tensor cores"),
        };
        let (extent, repeats) = (self.effort.extent, self.effort.repeats);
        let mut product = Product::new(self, lane, dtype, extent)?;
        product.time(self, 1)?;
        let Some(maker) = maker(&product.lane) else { return Ok(None) };
        let time = product.time(self, repeats)?;
        let operations = 2.0 * (extent as f64).powi(3) * f64::from(repeats);
        let name = format!("matmul {dtype}, {maker}");
        let note = format!("{extent} x {extent}; {units}");
        let figure = Figure::new(name, giga(operations, time) / 1e3, "TFLOP/s", note);
        Ok(Some(figure.of(limit.map(|rate| rate / 1e12))))
    }
}
