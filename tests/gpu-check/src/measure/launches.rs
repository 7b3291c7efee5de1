//! What a launch costs: the driver's own, and as executors make it.

use std::time::{Duration, Instant};

use cudarc::driver::{LaunchConfig, PushKernelArg as _};
use cudarc::nvrtc::Ptx;
use drawloom_cuda::Lane;
use drawloom_model::{Attributes, DType, KernelCall, ObjectType, Shape};

use super::{Bench, Figure, MeasureError, micros, timed};

/// A kernel that does nothing.
pub(super) const NOTHING: &str = "
.version 7.0
.target sm_75
.address_size 64
.visible .entry nothing(.param .u64 unused) { ret; }
";

/// How many calls are on their way at most.
const IN_FLIGHT: u32 = 500;

impl Bench {
    pub(super) fn launches(&self) -> Result<Vec<Figure>, MeasureError> {
        let count = self.effort.launches;
        let stream = self.context.new_stream()?;
        let module = self.context.load_module(Ptx::from_src(NOTHING))?;
        let nothing = module.load_function("nothing")?;
        let one = LaunchConfig { grid_dim: (1, 1, 1), block_dim: (32, 1, 1), shared_mem_bytes: 0 };
        let launch = || {
            let mut launch = stream.launch_builder(&nothing);
            // SAFETY: the kernel takes a number and touches nothing.
            unsafe { launch.arg(&0u64).launch(one) }?;
            Ok(())
        };
        let behind = timed(&stream, count, launch)?;
        let there_and_back = timed(&stream, count / 10, || {
            launch()?;
            Ok(stream.synchronize()?)
        })?;
        let (submitting, until_done) = self.calls(count)?;
        let each = |name: &str, time, count, note: &str| {
            Figure::new(name, micros(time, count), "us", note)
        };
        Ok(vec![
            each(
                "launch, one behind the other",
                behind,
                count,
                "an empty kernel, the driver alone",
            ),
            each("launch and wait", there_and_back, count / 10, "the same, waited for each time"),
            each("call, until launched", submitting, count, "add of 1024 f32, as executors launch"),
            each("call, until ended", until_done, count, "the same, one behind the other"),
        ])
    }

    /// Small calls as executors make them: how long until all are launched, and until all have ended.
    fn calls(&self, count: u32) -> Result<(Duration, Duration), MeasureError> {
        let mut lane = Lane::new(&self.device)?;
        let call = KernelCall { name: "add".to_owned(), attributes: Attributes::new() };
        let vector = ObjectType::Tensor { dtype: DType::F32, shape: Shape::new([1024]) };
        let plan = lane.plan(&call, &[vector.clone(), vector])?;
        let inputs = [self.device.upload(&[0; 4096])?, self.device.upload(&[0; 4096])?];
        lane.launch(&plan, &inputs)?.land(&self.device)?;
        let (mut submitting, start) = (Duration::ZERO, Instant::now());
        let mut left = count;
        while left > 0 {
            let batch = left.min(IN_FLIGHT);
            let launching = Instant::now();
            let mut flights = Vec::with_capacity(batch as usize);
            for _ in 0..batch {
                flights.push(lane.launch(&plan, &inputs)?);
            }
            submitting += launching.elapsed();
            for flight in flights {
                flight.land(&self.device)?;
            }
            left -= batch;
        }
        Ok((submitting, start.elapsed()))
    }
}
