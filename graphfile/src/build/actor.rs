//! Entries of actors and calls, turned into what runs.

use drawloom_model::{
    ActorKind, ActorRef, ActorSpec, Attributes, CallSpec, DEFAULT_MAILBOX, FailureKinds, Lifetime,
    ProcessSpec, RetryPolicy, Run,
};

use crate::error::{Checked, Fault};
use crate::plain::{ActorEntry, CallEntry, TaskEntry};

/// What an actor's entry runs.
pub(super) fn actor(entry: &ActorEntry, attributes: Attributes) -> Checked<Run> {
    let kind = match (&entry.r#type, entry.argv.first()) {
        (Some(_), Some(_)) | (None, None) => {
            return Err(Fault::new("give exactly one of `type` and `argv`"));
        }
        (Some(type_name), None) => {
            if !entry.env.is_empty() || entry.working_directory.is_some() || entry.spawns {
                let message = "`env`, `working_directory` and `spawns` go with `argv` only";
                return Err(Fault::new(message));
            }
            ActorKind::Native { type_name: type_name.clone(), attributes }
        }
        (None, Some(_)) => {
            if !attributes.is_empty() {
                return Err(Fault::new("a process takes no attributes; use its argv or env"));
            }
            ActorKind::Process(ProcessSpec {
                argv: entry.argv.clone(),
                env: entry.env.clone(),
                working_directory: entry.working_directory.clone(),
                spawns: entry.spawns,
                ..ProcessSpec::default()
            })
        }
    };
    Ok(Run::Actor(Box::new(ActorSpec {
        kind,
        name: entry.name.clone(),
        lifetime: if entry.detached { Lifetime::Detached } else { Lifetime::Job },
        mailbox: entry.mailbox.unwrap_or(DEFAULT_MAILBOX),
        checkpoint_every: entry.checkpoint_every,
    })))
}

/// What a call's entry runs.
pub(super) fn call(
    entry: &CallEntry,
    attributes: Attributes,
    callee: Option<ActorRef>,
) -> Checked<Run> {
    if entry.actor.is_some() && entry.named.is_some() {
        return Err(Fault::new("give one of `actor` and `named`, not both").under("named"));
    }
    let actor = callee.or_else(|| entry.named.clone().map(ActorRef::Name));
    let actor = actor.ok_or_else(|| Fault::new("give `actor` or `named`: whom to call"))?;
    Ok(Run::Call(CallSpec { actor, method: entry.method.clone(), attributes }))
}

/// When a task is tried again, where its entry tells (`told`) or not. Actors are begun anew as often
/// as either of their fields allows, after whatever may pass unless told; calls never unless told.
pub(super) fn retry(task: &TaskEntry, told: Option<RetryPolicy>) -> RetryPolicy {
    let default = RetryPolicy::default();
    match (&task.actor, &task.call) {
        (Some(actor), _) => {
            let on = task.retry.as_ref().and_then(|retry| retry.on.as_ref());
            let told = told.unwrap_or(RetryPolicy { max_retries: 0, ..default });
            RetryPolicy {
                max_retries: told.max_retries.max(actor.max_restarts),
                on: if on.is_some() { told.on } else { FailureKinds::TRANSIENT },
                ..told
            }
        }
        (None, Some(_)) => told.unwrap_or(RetryPolicy { max_retries: 0, ..default }),
        (None, None) => told.unwrap_or(default),
    }
}
