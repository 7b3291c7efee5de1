//! What devices are told of attempts that have not started: which objects they will want there.
//!
//! A device that is full has to be rid of something. It knows what its kernels use, but not what those
//! will want that wait here: for tasks, for inputs, for capacity. So it is told when they come, and
//! when they go for whatever reason.

use drawloom_model::Assignment;

use super::{Commands, Executor};
use crate::attempts::{Entry, Token};
use crate::{Command, Turn};

/// Tells an attempt's device what it will want; whether there is anything.
pub(super) fn tell(assignment: &Assignment, token: Token, commands: &mut Commands) -> bool {
    let Some(device) = assignment.devices.first().copied() else { return false };
    if !assignment.runs_on_device() || assignment.inputs.is_empty() {
        return false;
    }
    let turn = Turn::new(assignment.priority, token.arrival);
    let objects = assignment.inputs.iter().map(|input| input.object).collect();
    commands.push(Command::Expect { attempt: assignment.attempt, device, turn, objects });
    true
}

impl Executor {
    /// An attempt is gone; its device hears of it at the end of the event at hand.
    pub(super) fn expect_no_more(&mut self, entry: &Entry) {
        if entry.is_expected
            && let Some(device) = self.admission.first_device(entry.class)
        {
            self.no_more.push((device, entry.attempt));
        }
    }

    pub(super) fn end_forecasts(&mut self, commands: &mut Commands) {
        let gone = self.no_more.drain(..);
        commands.extend(gone.map(|(device, attempt)| Command::ExpectNoMore { attempt, device }));
    }
}
