//! Why a call gave no result.

use drawloom_model::{CallFault, ExecutorId, Failure};

use super::ActorName;
use crate::Error;

/// Why a call gave no result. Every message names the actor.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The incarnation that was called gave a fault, or is gone.
    #[error("actor {actor} (incarnation {incarnation} on {executor}): {fault}")]
    Fault {
        /// The actor.
        actor: ActorName,
        /// The number of the incarnation that was called.
        incarnation: u32,
        /// Where it is or was.
        executor: ExecutorId,
        /// What is wrong.
        fault: CallFault,
    },
    /// The actor has ended for good.
    #[error("actor {actor} has ended: {why}")]
    Ended {
        /// The actor.
        actor: ActorName,
        /// The number of its last incarnation.
        incarnation: u32,
        /// How it ended.
        why: String,
    },
    /// It cannot be told where the actor lives, or that place cannot be reached.
    #[error("actor {actor}: {source}")]
    Unreachable {
        /// The actor.
        actor: ActorName,
        /// Why not.
        source: Error,
    },
}

impl CallError {
    /// The method's failure, where the method failed and the actor goes on.
    pub fn failure(&self) -> Option<&Failure> {
        match self.fault()? {
            CallFault::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// What the incarnation that was called told.
    pub fn fault(&self) -> Option<&CallFault> {
        match self {
            CallError::Fault { fault, .. } => Some(fault),
            CallError::Ended { .. } | CallError::Unreachable { .. } => None,
        }
    }
}
