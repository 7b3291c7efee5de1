//! Actors and calls, as tasks and as they go straight to an executor.

use std::time::Duration;

use drawloom_model::{
    ActorKind, ActorRef, ActorSpec, AttemptId, CallFault, CallSpec, DEFAULT_MAILBOX, Failure,
    FailureKind, KernelCall, Lifetime, ProcessSpec,
};

use super::nanos;
use super::template::{attributes, wire_attributes};
use crate::field::{FieldError, optional, required};
use crate::v1;
use crate::v1::actor_spec::Kind as WireKind;
use crate::v1::call_spec::Actor as WireActor;

impl From<&ActorSpec> for v1::ActorSpec {
    fn from(actor: &ActorSpec) -> Self {
        let kind = match &actor.kind {
            ActorKind::Native { type_name, attributes } => WireKind::Native(v1::KernelCall {
                name: type_name.clone(),
                attributes: wire_attributes(attributes),
            }),
            ActorKind::Process(process) => WireKind::Process(process.into()),
        };
        v1::ActorSpec {
            kind: Some(kind),
            name: actor.name.clone().unwrap_or_default(),
            detached: actor.lifetime == Lifetime::Detached,
            mailbox: Some(actor.mailbox),
            checkpoint_every: actor.checkpoint_every,
        }
    }
}

impl TryFrom<v1::ActorSpec> for ActorSpec {
    type Error = FieldError;

    fn try_from(wire: v1::ActorSpec) -> Result<Self, FieldError> {
        let kind = match required(wire.kind, "kind")? {
            WireKind::Native(native) => {
                let KernelCall { name, attributes } =
                    native.try_into().map_err(|error: FieldError| error.within("native"))?;
                ActorKind::Native { type_name: name, attributes }
            }
            WireKind::Process(process) => ActorKind::Process(
                ProcessSpec::try_from(process).map_err(|error| error.within("process"))?,
            ),
        };
        Ok(ActorSpec {
            kind,
            name: (!wire.name.is_empty()).then_some(wire.name),
            lifetime: if wire.detached { Lifetime::Detached } else { Lifetime::Job },
            mailbox: wire.mailbox.unwrap_or(DEFAULT_MAILBOX),
            checkpoint_every: wire.checkpoint_every,
        })
    }
}

impl From<&CallSpec> for v1::CallSpec {
    fn from(call: &CallSpec) -> Self {
        let actor = match &call.actor {
            ActorRef::Task(index) => WireActor::Task(*index),
            ActorRef::Name(name) => WireActor::Name(name.clone()),
        };
        v1::CallSpec {
            actor: Some(actor),
            method: call.method.clone(),
            attributes: wire_attributes(&call.attributes),
        }
    }
}

impl TryFrom<v1::CallSpec> for CallSpec {
    type Error = FieldError;

    fn try_from(wire: v1::CallSpec) -> Result<Self, FieldError> {
        let actor = match required(wire.actor, "actor")? {
            WireActor::Task(index) => ActorRef::Task(index),
            WireActor::Name(name) => ActorRef::Name(name),
        };
        Ok(CallSpec { actor, method: wire.method, attributes: attributes(wire.attributes)? })
    }
}

impl From<CallFault> for v1::CallFault {
    fn from(fault: CallFault) -> Self {
        let (kind, failure) = match &fault {
            CallFault::Failed(failure) => (v1::CallFaultKind::Failed, Some(failure.clone().into())),
            CallFault::MailboxFull { .. } => (v1::CallFaultKind::MailboxFull, None),
            CallFault::NotHere { .. } => (v1::CallFaultKind::NotHere, None),
            CallFault::Lost { why } => {
                let failure = Failure::new(FailureKind::ActorLost, why.clone());
                (v1::CallFaultKind::Lost, Some(failure.into()))
            }
            CallFault::Cancelled => (v1::CallFaultKind::Cancelled, None),
            CallFault::TimedOut { .. } => (v1::CallFaultKind::TimedOut, None),
        };
        let limit = if let CallFault::MailboxFull { limit } = fault { limit } else { 0 };
        let timeout = if let CallFault::TimedOut { limit } = fault { nanos(limit) } else { 0 };
        v1::CallFault { kind: kind.into(), failure, limit, timeout_nanos: timeout }
    }
}

impl v1::CallFault {
    /// What the fault of a call to this incarnation means.
    ///
    /// # Errors
    /// The first field that means nothing.
    pub fn decode(self, incarnation: AttemptId) -> Result<CallFault, FieldError> {
        let failure: Option<Failure> = optional(self.failure, "failure")?;
        Ok(match v1::CallFaultKind::try_from(self.kind) {
            Ok(v1::CallFaultKind::Failed) => CallFault::Failed(required(failure, "failure")?),
            Ok(v1::CallFaultKind::MailboxFull) => CallFault::MailboxFull { limit: self.limit },
            Ok(v1::CallFaultKind::NotHere) => CallFault::NotHere { incarnation },
            Ok(v1::CallFaultKind::Lost) => {
                CallFault::Lost { why: failure.map(|failure| failure.message).unwrap_or_default() }
            }
            Ok(v1::CallFaultKind::Cancelled) => CallFault::Cancelled,
            Ok(v1::CallFaultKind::TimedOut) => {
                CallFault::TimedOut { limit: Duration::from_nanos(self.timeout_nanos) }
            }
            Ok(v1::CallFaultKind::Unspecified) => {
                return Err(FieldError::new("kind", "must be set"));
            }
            Err(unknown) => return Err(FieldError::new("kind", unknown)),
        })
    }
}
