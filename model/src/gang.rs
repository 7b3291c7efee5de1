//! Gangs: groups of tasks that start together or not at all.

use std::time::Duration;

/// A group of tasks that are placed in one round, each with what it asks for, or not at all.
///
/// A gang is ready when every member is. Its members end together, too, unless they succeed: when
/// an attempt of one fails, the other attempts are cancelled and the gang starts again as a whole,
/// or fails as a whole. A member that has succeeded keeps its result.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Gang {
    /// A name, unique in the job.
    pub name: String,
    /// The members: indexes of tasks in the job, no two of which need one another.
    pub members: Vec<u32>,
    /// How the members lie on executors.
    pub strategy: GangStrategy,
    /// How long the gang may wait for room once every member is ready. When it has waited longer,
    /// its members fail.
    pub timeout: Option<Duration>,
    /// What the members would like to share.
    pub topology: Option<Topology>,
}

impl Gang {
    /// A gang without a timeout and without wishes for topology.
    pub fn new(name: impl Into<String>, members: Vec<u32>, strategy: GangStrategy) -> Self {
        Gang { name: name.into(), members, strategy, timeout: None, topology: None }
    }
}

/// How a gang's members lie on executors.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum GangStrategy {
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

impl GangStrategy {
    /// Every strategy.
    pub const ALL: [GangStrategy; 4] = [
        GangStrategy::Pack,
        GangStrategy::Spread,
        GangStrategy::StrictPack,
        GangStrategy::StrictSpread,
    ];

    /// The name used in files, messages and errors.
    pub const fn name(self) -> &'static str {
        match self {
            GangStrategy::Pack => "pack",
            GangStrategy::Spread => "spread",
            GangStrategy::StrictPack => "strict_pack",
            GangStrategy::StrictSpread => "strict_spread",
        }
    }

    /// The strategy of that name.
    pub fn from_name(name: &str) -> Option<GangStrategy> {
        GangStrategy::ALL.into_iter().find(|strategy| strategy.name() == name)
    }
}

/// What a gang's members would like to share.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Topology {
    /// What they share.
    pub shared: Shared,
    /// Whether they run without it where it cannot be had.
    pub demand: Demand,
}

/// Something that tasks can share.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Shared {
    /// Executors on which a label has the same value, such as `rack`.
    Label(String),
    /// One executor's memory node: devices that are attached to it, and no more cores than it has.
    NumaNode,
    /// One executor's devices that are linked with one another directly.
    LinkedDevices,
}

impl std::fmt::Display for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Shared::Label(label) => write!(f, "the same {label}"),
            Shared::NumaNode => f.write_str("one NUMA node"),
            Shared::LinkedDevices => f.write_str("linked devices"),
        }
    }
}

/// How much a wish counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Demand {
    /// Better with it than without.
    #[default]
    Preferred,
    /// Not without it.
    Required,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategies_survive_their_names() {
        for strategy in GangStrategy::ALL {
            assert_eq!(GangStrategy::from_name(strategy.name()), Some(strategy));
        }
        assert_eq!(GangStrategy::from_name("tight"), None);
    }
}
