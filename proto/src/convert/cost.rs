//! Measured costs.

use drawloom_model::{MeasuredCost, RunKind, Way};

use crate::field::{FieldError, required};
use crate::v1;

impl From<&Way> for v1::Way {
    fn from(way: &Way) -> Self {
        let kind = match way.kind {
            RunKind::Kernel => v1::RunKind::Kernel,
            RunKind::Process => v1::RunKind::Process,
            RunKind::Cuda => v1::RunKind::Cuda,
        };
        v1::Way {
            name: way.name.to_string(),
            kind: kind.into(),
            cpu_milli: way.cpu_milli,
            devices: way.devices.into(),
            device_milli: way.device_milli,
        }
    }
}

impl TryFrom<v1::Way> for Way {
    type Error = FieldError;

    fn try_from(wire: v1::Way) -> Result<Self, FieldError> {
        let kind = match wire.kind() {
            v1::RunKind::Kernel => RunKind::Kernel,
            v1::RunKind::Process => RunKind::Process,
            v1::RunKind::Cuda => RunKind::Cuda,
            v1::RunKind::Unspecified => return Err(FieldError::new("kind", "must be set")),
        };
        let devices = wire.devices.try_into().map_err(|error| FieldError::new("devices", error))?;
        Ok(Way {
            name: wire.name.into(),
            kind,
            cpu_milli: wire.cpu_milli,
            devices,
            device_milli: wire.device_milli,
        })
    }
}

impl From<&MeasuredCost> for v1::MeasuredCost {
    fn from(cost: &MeasuredCost) -> Self {
        v1::MeasuredCost {
            way: Some((&cost.way).into()),
            device_class: cost.device_class.to_string(),
            size_bytes: cost.size_bytes,
            input_bytes: cost.input_bytes,
            output_bytes: cost.output_bytes,
            mean_nanos: cost.mean_nanos,
            deviation_nanos: cost.deviation_nanos,
            samples: cost.samples,
        }
    }
}

impl TryFrom<v1::MeasuredCost> for MeasuredCost {
    type Error = FieldError;

    fn try_from(wire: v1::MeasuredCost) -> Result<Self, FieldError> {
        let way = Way::try_from(required(wire.way, "way")?).map_err(|error| error.within("way"))?;
        Ok(MeasuredCost {
            way,
            device_class: wire.device_class.into(),
            size_bytes: wire.size_bytes,
            input_bytes: wire.input_bytes,
            output_bytes: wire.output_bytes,
            mean_nanos: wire.mean_nanos,
            deviation_nanos: wire.deviation_nanos,
            samples: wire.samples,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(kind: RunKind) -> MeasuredCost {
        MeasuredCost {
            way: Way { name: "n".into(), kind, cpu_milli: 1, devices: 2, device_milli: 3 },
            device_class: "H100".into(),
            size_bytes: 4,
            input_bytes: 5,
            output_bytes: 6,
            mean_nanos: 7,
            deviation_nanos: 8,
            samples: 9,
        }
    }

    #[test]
    fn costs_survive_the_wire() {
        for kind in RunKind::ALL {
            let cost = cost(kind);
            assert_eq!(MeasuredCost::try_from(v1::MeasuredCost::from(&cost)), Ok(cost));
        }
    }

    #[test]
    fn refusals_name_the_field() {
        let refused = |change: fn(&mut v1::Way)| {
            let mut wire = v1::MeasuredCost::from(&cost(RunKind::Kernel));
            change(wire.way.as_mut().expect("it has one"));
            MeasuredCost::try_from(wire).expect_err("refused").to_string()
        };
        for (told, field) in [
            (refused(|way| way.kind = 77), "way.kind"),
            (refused(|way| way.devices = 70_000), "way.devices"),
        ] {
            assert!(told.contains(field), "{told}");
        }
        assert!(MeasuredCost::try_from(v1::MeasuredCost::default()).is_err());
    }
}
