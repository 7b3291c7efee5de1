//! A job's gangs, and which task is in which.

use std::collections::BTreeMap;

use drawloom_model::Gang;

#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct JobGangs {
    gangs: Vec<Gang>,
    of_task: BTreeMap<u32, u32>,
}

impl JobGangs {
    /// Adds the gangs of a graph or addition.
    pub fn extend(&mut self, gangs: &[Gang]) {
        for gang in gangs {
            let index = self.gangs.len() as u32;
            self.of_task.extend(gang.members.iter().map(|member| (*member, index)));
            self.gangs.push(gang.clone());
        }
    }

    pub fn get(&self, index: u32) -> Option<&Gang> {
        self.gangs.get(index as usize)
    }

    /// The gang that a task is a member of.
    pub fn of_task(&self, task: u32) -> Option<u32> {
        self.of_task.get(&task).copied()
    }

    pub fn is_member(&self, task: u32) -> bool {
        self.of_task.contains_key(&task)
    }

    pub fn has_name(&self, name: &str) -> bool {
        self.gangs.iter().any(|gang| gang.name == name)
    }

    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = &Gang> {
        self.gangs.iter()
    }
}
