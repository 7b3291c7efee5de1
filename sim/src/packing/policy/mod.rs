//! The policies, by name.

mod best_fit;
mod clustering;
mod dot_product;
mod drawloom;
mod fgd;
mod packing;
mod random;

use super::cluster::{Node, Request};
use super::scored::{Policy, Scored};
use super::typical::Typical;
use crate::SimError;

/// Thousandths of a core of the largest node, by which scores are scaled as the authors do it.
const LARGEST_CPU: f64 = 128_000.0;
/// Thousandths of GPUs of the largest node.
const LARGEST_GPU: f64 = 8_000.0;

/// What a policy may know before the first pod arrives.
pub(super) struct Given<'a> {
    pub nodes: &'a [Node],
    /// The sorts of pods, as they ask.
    pub classes: &'a [Request],
    /// The distribution of what will be asked for.
    pub typical: &'a [Typical],
    pub random: fastrand::Rng,
}

type Make = fn(Given<'_>) -> Box<dyn Policy>;

macro_rules! scored {
    ($score:expr) => {
        |given| Box::new(Scored::new($score, given.nodes.len(), given.classes.len()))
    };
}

/// Every policy with what it does in a few words; the default first.
const POLICIES: [(&str, &str, Make); 7] = [
    ("drawloom", "fragmentation with cores and memory, and what comes next", |given| {
        let score = drawloom::Drawloom::new(&given);
        Box::new(Scored::new(score, given.nodes.len(), given.classes.len()))
    }),
    ("fgd", "where fragmentation grows least", |given| {
        let score = fgd::Fgd(given.typical.to_vec());
        Box::new(Scored::new(score, given.nodes.len(), given.classes.len()))
    }),
    ("best-fit", "where the least is left", scored!(best_fit::BestFit)),
    ("packing", "GPUs in use first", scored!(packing::Packing)),
    ("clustering", "pods of a kind together", scored!(clustering::Clustering)),
    ("dot-product", "where the rest is least like the request", scored!(dot_product::DotProduct)),
    ("random", "anything that fits", |given| Box::new(random::Random(given.random))),
];

/// The names of policies for packing, and what each does in a few words; the default first.
pub fn policies() -> impl Iterator<Item = (&'static str, &'static str)> {
    POLICIES.iter().map(|(name, about, _)| (*name, *about))
}

/// The policy of that name.
pub(super) fn find(name: &str) -> Result<Make, SimError> {
    let found = POLICIES.iter().find(|(known, _, _)| *known == name);
    let known = || policies().map(|(name, _)| name);
    found.map(|(_, _, make)| *make).ok_or_else(|| SimError::unknown_policy(name, known()))
}
