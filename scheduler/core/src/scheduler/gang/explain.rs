//! Why a gang waits.

use drawloom_model::{TaskKey, Time};

use super::room::Free;
use crate::TaskState;
use crate::gang::GangKey;
use crate::scheduler::Scheduler;

impl Scheduler {
    /// How many gangs wait for room.
    pub fn gangs_waiting(&self) -> usize {
        self.gangs.len()
    }

    /// Why a member that is ready is not placed.
    pub(in crate::scheduler) fn explain_gang(&self, now: Time, key: GangKey) -> Vec<String> {
        let Some(gang) = self.gang(key) else { return Vec::new() };
        let members = self.unended_members(key);
        let mut reasons = Vec::new();
        if !self.is_assembled(&members) {
            reasons.push(self.explain_unassembled(key, &members));
            return reasons;
        }
        if self.is_leaving(&members) {
            reasons.push("earlier attempts of its gang have not ended yet".to_owned());
        }
        let rooms = self.rooms(&members, self.free_for(key));
        if let Err(Some(shortage)) = self.seats(key, &members, &rooms) {
            reasons.push(format!("{shortage} now"));
        }
        let idle = self.rooms(&members, Free::WhenIdle);
        if let Err(Some(shortage)) = self.seats(key, &members, &idle) {
            reasons.push(format!("{shortage} even when all are idle"));
        }
        let Some(waiting) = self.gangs.get(key) else { return reasons };
        if let Some(since) = waiting.since {
            let waited = now.since(since).as_secs_f64();
            reasons.push(match gang.timeout {
                Some(timeout) => {
                    format!("it has waited for room for {waited:.1} s of at most {timeout:?}")
                }
                None => format!("it has waited for room for {waited:.1} s"),
            });
        }
        let kept = waiting.reserved_on();
        if !kept.is_empty() {
            let names: Vec<String> = kept.iter().map(ToString::to_string).collect();
            reasons.push(format!("what becomes free on {} is kept for it", names.join(", ")));
        }
        reasons
    }

    fn explain_unassembled(&self, key: GangKey, members: &[TaskKey]) -> String {
        const NAMED: usize = 5;
        let Some((gang, job)) = self.gang(key).zip(self.state.job(key.job)) else {
            return String::new();
        };
        let state = |member: &TaskKey| self.soft.task(*member).map(|soft| soft.state);
        let late: Vec<_> = members.iter().filter(|m| state(m) != Some(TaskState::Ready)).collect();
        let describe = |member: &&TaskKey| {
            let state = state(member).map_or("unknown", TaskState::name);
            format!("{} ({state})", job.describe(member.index))
        };
        let mut named: Vec<String> = late.iter().take(NAMED).map(describe).collect();
        if late.len() > NAMED {
            named.push(format!("and {} more", late.len() - NAMED));
        }
        format!(
            "it starts together with its gang {:?}, of which {} member(s) are not ready: {}",
            gang.name,
            late.len(),
            named.join(", ")
        )
    }
}
