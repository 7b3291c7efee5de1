//! The core's settings.

use std::time::Duration;

use crate::policy::POLICIES;

/// Settings of a [`crate::Scheduler`].
#[derive(Clone, Debug)]
pub struct Config {
    /// The policy's name, one of [`POLICIES`].
    pub policy: String,
    /// How long an executor may be silent before it counts as lost.
    pub heartbeat_timeout: Duration,
    /// The most attempts that an executor may have beyond its cores.
    pub max_ahead: u32,
    /// Beyond one attempt a core an executor is sent more while its expected work is less than this:
    /// what is sent ahead waits in line there, and tasks that run long are better placed when somebody
    /// has nothing to do.
    pub ahead_horizon: Duration,
    /// How much more work an executor may have than the least loaded one and still be sent tasks
    /// whose inputs it makes, ahead of their being ready.
    pub follow_slack: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            policy: POLICIES[0].to_owned(),
            heartbeat_timeout: Duration::from_secs(5),
            max_ahead: 4096,
            ahead_horizon: Duration::from_millis(100),
            follow_slack: Duration::from_millis(2),
        }
    }
}
