//! What an executor is told at its start.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use drawloom_model::{Labels, ResourceName, Taint};

/// An executor's settings. What is not told is discovered.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// A name for people; the host's name where none is given.
    pub name: Option<String>,
    /// Cores to offer.
    pub cores: Option<u32>,
    /// Memory to offer to tasks.
    pub memory_bytes: Option<u64>,
    /// The most memory that objects take; 30 % of the memory where it is not given.
    pub arena_bytes: Option<u64>,
    /// Labels beside `arch`, `os` and `hostname`.
    pub labels: Labels,
    /// Marks that keep tasks away.
    pub taints: Vec<Taint>,
    /// Custom resources, in thousandths.
    pub custom: BTreeMap<ResourceName, u64>,
    /// Where others reach its objects.
    pub listen: Listen,
    /// Whether it runs processes.
    pub runs_processes: bool,
    /// Where processes get their scratch directories; the system's place where none is given.
    pub scratch: Option<PathBuf>,
    /// The most bytes that a process may write to an output.
    pub output_limit_bytes: u64,
    /// Whether processes are held to their limits by control groups, where those are writable;
    /// otherwise by resource limits.
    pub control_groups: bool,
    /// How often it tells the scheduler that it lives.
    pub heartbeat: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            name: None,
            cores: None,
            memory_bytes: None,
            arena_bytes: None,
            labels: Labels::new(),
            taints: Vec::new(),
            custom: BTreeMap::new(),
            listen: Listen::Nowhere,
            runs_processes: true,
            scratch: None,
            output_limit_bytes: 1 << 30,
            control_groups: true,
            heartbeat: Duration::from_secs(1),
        }
    }
}

/// Where an executor serves its objects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Listen {
    /// It does not: it is the only one, in the scheduler's process.
    Nowhere,
    /// At a loopback address; port 0 for any that is free.
    Tcp(SocketAddr),
    /// At a Unix socket. A file that is there already is replaced when nobody listens at it.
    Unix(PathBuf),
}

/// The text is no address to listen at.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseListenError {
    /// It is neither of the two kinds.
    #[error("{0:?} is not an address: expected IP:PORT or unix:PATH")]
    NoAddress(String),
    /// It can be reached from other machines.
    #[error("{0} is not a loopback address; listening elsewhere is not supported, use 127.0.0.1")]
    NotLoopback(IpAddr),
}

impl FromStr for Listen {
    type Err = ParseListenError;

    fn from_str(text: &str) -> Result<Self, ParseListenError> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Listen::Unix(path.into()));
        }
        let address: SocketAddr =
            text.parse().map_err(|_| ParseListenError::NoAddress(text.to_owned()))?;
        if !address.ip().is_loopback() {
            return Err(ParseListenError::NotLoopback(address.ip()));
        }
        Ok(Listen::Tcp(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_listened_at() {
        assert_eq!("unix:/run/x".parse(), Ok(Listen::Unix("/run/x".into())));
        assert!(matches!("127.0.0.1:0".parse(), Ok(Listen::Tcp(_))));
        let refusal = "0.0.0.0:80".parse::<Listen>().expect_err("reachable from outside");
        assert!(refusal.to_string().starts_with("0.0.0.0 is not a loopback address"));
        assert!("localhost".parse::<Listen>().is_err());
    }
}
