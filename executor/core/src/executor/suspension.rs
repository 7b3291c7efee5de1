//! Attempts that wait for tasks of their job: others get their cores meanwhile.

use drawloom_model::{AttemptId, FromExecutor, ResourceRequest};

use super::{Commands, Executor};
use crate::Command;
use crate::Turn;
use crate::attempts::{Entry, Running, Stage, Suspension, Token};
use crate::cores::Cores;

impl Executor {
    pub(super) fn on_suspend(&mut self, attempt: AttemptId) {
        let Some(token) = self.attempts.find(attempt) else { return };
        let Some(Entry { class, stage: Stage::Running(running), .. }) =
            self.attempts.get_mut(token)
        else {
            return;
        };
        if running.suspension == Suspension::AtWork {
            running.suspension = Suspension::Waiting;
            self.suspended += 1;
            self.admission.give_back_cores(*class, &std::mem::take(&mut running.cores));
            self.freed = true;
        }
    }

    /// The attempt is the first to get cores: it has begun, and may hold memory and devices.
    pub(super) fn on_resume(&mut self, attempt: AttemptId) {
        let Some(token) = self.attempts.find(attempt) else { return };
        let Some(entry) = self.attempts.get_mut(token) else { return };
        let Stage::Running(running) = &mut entry.stage else { return };
        if running.suspension != Suspension::Waiting {
            return;
        }
        let cpu_milli = self.admission.request(entry.class).cpu_milli;
        let request = ResourceRequest { cpu_milli, ..ResourceRequest::default() };
        // It fitted with more than that.
        let Ok(class) = self.admission.classify(&request, &Default::default()) else { return };
        running.suspension = Suspension::WantsCores(class);
        self.admission.push(class, rank_of(entry.arrival), token);
        self.freed = true;
    }

    /// The attempt has cores again; `None` when it is not one that wanted any.
    pub(super) fn go_on(
        &mut self,
        token: Token,
        cores: &Cores,
        commands: &mut Commands,
    ) -> Option<()> {
        let entry = self.attempts.get_mut(token)?;
        let Stage::Running(running) = &mut entry.stage else { return None };
        running.suspension = Suspension::AtWork;
        self.suspended -= 1;
        running.cores = cores.clone();
        commands.push(Command::Say(FromExecutor::Resumed { attempt: entry.attempt }));
        Some(())
    }

    /// Returns what an attempt that has ended still had.
    pub(super) fn return_claim(&mut self, entry: &Entry, running: &Running) {
        self.suspended -= usize::from(running.suspension != Suspension::AtWork);
        match running.suspension {
            Suspension::AtWork => self.admission.give_back(entry.class, &running.cores),
            Suspension::Waiting => self.admission.give_back_all_but_cores(entry.class),
            Suspension::WantsCores(class) => {
                self.admission.remove(class, rank_of(entry.arrival));
                self.admission.give_back_all_but_cores(entry.class);
            }
        }
    }
}

fn rank_of(arrival: u64) -> Turn {
    Turn::new(i32::MAX, arrival)
}
