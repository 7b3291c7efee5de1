//! Gangs.

use std::time::Duration;

use drawloom_model::{Demand, Gang, GangStrategy, Shared, Topology};

use super::nanos;
use crate::field::{FieldError, optional, required};
use crate::v1;

impl From<&Gang> for v1::Gang {
    fn from(gang: &Gang) -> Self {
        let strategy = match gang.strategy {
            GangStrategy::Pack => v1::GangStrategy::Pack,
            GangStrategy::Spread => v1::GangStrategy::Spread,
            GangStrategy::StrictPack => v1::GangStrategy::StrictPack,
            GangStrategy::StrictSpread => v1::GangStrategy::StrictSpread,
        };
        v1::Gang {
            name: gang.name.clone(),
            members: gang.members.clone(),
            strategy: strategy.into(),
            timeout_nanos: gang.timeout.map(nanos),
            topology: gang.topology.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<v1::Gang> for Gang {
    type Error = FieldError;

    fn try_from(wire: v1::Gang) -> Result<Self, FieldError> {
        let strategy = match v1::GangStrategy::try_from(wire.strategy) {
            Ok(v1::GangStrategy::Pack) => GangStrategy::Pack,
            Ok(v1::GangStrategy::Spread) => GangStrategy::Spread,
            Ok(v1::GangStrategy::StrictPack) => GangStrategy::StrictPack,
            Ok(v1::GangStrategy::StrictSpread) => GangStrategy::StrictSpread,
            Err(unknown) => return Err(FieldError::new("strategy", unknown)),
        };
        Ok(Gang {
            name: wire.name,
            members: wire.members,
            strategy,
            timeout: wire.timeout_nanos.map(Duration::from_nanos),
            topology: optional(wire.topology, "topology")?,
        })
    }
}

impl From<&Topology> for v1::Topology {
    fn from(topology: &Topology) -> Self {
        use v1::topology::Shared as Wire;
        let shared = match &topology.shared {
            Shared::Label(label) => Wire::Label(label.clone()),
            Shared::NumaNode => Wire::NumaNode(v1::Empty {}),
            Shared::LinkedDevices => Wire::LinkedDevices(v1::Empty {}),
        };
        v1::Topology { shared: Some(shared), required: topology.demand == Demand::Required }
    }
}

impl TryFrom<v1::Topology> for Topology {
    type Error = FieldError;

    fn try_from(wire: v1::Topology) -> Result<Self, FieldError> {
        use v1::topology::Shared as Wire;
        let shared = match required(wire.shared, "shared")? {
            Wire::Label(label) => Shared::Label(label),
            Wire::NumaNode(_) => Shared::NumaNode,
            Wire::LinkedDevices(_) => Shared::LinkedDevices,
        };
        let demand = if wire.required { Demand::Required } else { Demand::Preferred };
        Ok(Topology { shared, demand })
    }
}
