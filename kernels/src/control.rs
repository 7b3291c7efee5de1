//! Kernels for ordering and measuring.

use std::hint::black_box;

use crate::call::Call;
use crate::{KernelError, Outputs};

/// How many iterations go by between looks at the cancel flag: some 100 us.
const BUSY_CHUNK: u64 = 1 << 16;

pub(crate) fn noop(_: &Call<'_>, _: &mut dyn Outputs) -> Result<(), KernelError> {
    Ok(())
}

pub(crate) fn busy(call: &Call<'_>, outputs: &mut dyn Outputs) -> Result<(), KernelError> {
    let checksum = call.create_one::<i64>(outputs)?;
    let mut left = call.arguments.int("iterations").unsigned_abs();
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    while left > 0 {
        call.context.check_cancelled()?;
        let now = left.min(BUSY_CHUNK);
        for _ in 0..now {
            // A step of PCG: each needs the one before, so that none can be left out.
            state = black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            state ^= state >> 31;
        }
        left -= now;
    }
    checksum[0] = state as i64;
    Ok(())
}

#[cfg(test)]
mod tests {
    use drawloom_model::{Attribute, Value};

    use crate::trial::{attributes, numbers, trial};

    #[test]
    fn busy_depends_on_iterations_alone() {
        let busy = |iterations, inputs: &[Value]| {
            let given = attributes(&[("iterations", Attribute::Int(iterations))]);
            numbers(&trial("busy", given, inputs).expect("a checksum")[0])
        };
        assert_eq!(busy(100_000, &[]), busy(100_000, &[Value::blob("ignored")]));
        assert_ne!(busy(100_000, &[]), busy(100_001, &[]));
    }

    #[test]
    fn noop_makes_nothing() {
        assert_eq!(trial("noop", attributes(&[]), &[Value::blob("x")]), Ok(Vec::new()));
    }
}
