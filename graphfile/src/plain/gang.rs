//! Gangs in a graph file. Programs use the struct too, for the arguments of `gang`.

use drawloom_model::{Demand, Gang, GangStrategy, Shared, Topology};
use schemars::JsonSchema;

use super::quantity::TimeSpan;
use crate::error::{Checked, Fault};

/// Tasks that start together or not at all.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GangEntry {
    /// A name, unique in the file.
    pub name: String,
    /// The names of its tasks, none of which may need another.
    pub members: Vec<String>,
    /// How the members lie on executors; `pack` where nothing is said.
    #[serde(default)]
    pub strategy: StrategyName,
    /// How long it may wait for room once every member is ready.
    pub timeout: Option<TimeSpan>,
    /// What the members would like to share.
    pub topology: Option<TopologyEntry>,
}

/// How a gang's members lie on executors.
#[derive(serde::Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StrategyName {
    /// On as few executors as possible.
    #[default]
    Pack,
    /// On as many different executors as possible.
    Spread,
    /// All on one executor.
    StrictPack,
    /// Each on an executor of its own.
    StrictSpread,
}

/// What a gang's members would like to share: exactly one of `label` and `devices`.
#[derive(serde::Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TopologyEntry {
    /// Executors on which this label has the same value, such as `rack`.
    pub label: Option<String>,
    /// Devices of one executor.
    pub devices: Option<SharedDevices>,
    /// Whether they do not run without it.
    pub required: bool,
}

/// What devices have in common.
#[derive(serde::Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SharedDevices {
    /// They are attached to one memory node, which has as many cores as the members ask for.
    NumaNode,
    /// They are linked with one another directly.
    Linked,
}

impl GangEntry {
    /// The gang of these tasks.
    pub fn to_gang(&self, members: Vec<u32>) -> Checked<Gang> {
        let strategy = match self.strategy {
            StrategyName::Pack => GangStrategy::Pack,
            StrategyName::Spread => GangStrategy::Spread,
            StrategyName::StrictPack => GangStrategy::StrictPack,
            StrategyName::StrictSpread => GangStrategy::StrictSpread,
        };
        let topology = self.topology.as_ref().map(TopologyEntry::to_topology).transpose();
        Ok(Gang {
            name: self.name.clone(),
            members,
            strategy,
            timeout: self.timeout.map(|span| span.0),
            topology: topology.map_err(|fault| fault.under("topology"))?,
        })
    }
}

impl TopologyEntry {
    fn to_topology(&self) -> Checked<Topology> {
        let shared = match (&self.label, self.devices) {
            (Some(label), None) => Shared::Label(label.clone()),
            (None, Some(SharedDevices::NumaNode)) => Shared::NumaNode,
            (None, Some(SharedDevices::Linked)) => Shared::LinkedDevices,
            _ => return Err(Fault::new("give exactly one of `label` and `devices`")),
        };
        let demand = if self.required { Demand::Required } else { Demand::Preferred };
        Ok(Topology { shared, demand })
    }
}
