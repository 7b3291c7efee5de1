//! Devices that fail and come back.

use drawloom_model::{DeviceCapacity, DeviceIndex, FromExecutor};

use super::{Commands, Executor};
use crate::attempts::Stage;
use crate::{Command, KillReason};

impl Executor {
    /// What a device offers has changed. What has not started and cannot any more is given back;
    /// what runs there is ended if the device is out of service.
    pub(super) fn on_device_changed(
        &mut self,
        device: DeviceIndex,
        capacity: DeviceCapacity,
        commands: &mut Commands,
    ) {
        self.admission.set_device(device, capacity);
        self.freed = true;
        // First: what is given back is not to be sent here again.
        commands.push(Command::Say(FromExecutor::DeviceChanged { device, capacity }));
        let on_it =
            self.attempts.iter().filter(|(_, entry)| self.admission.uses(entry.class, device));
        let mut on_it: Vec<_> =
            on_it.map(|(token, entry)| (token.arrival, token, entry.attempt)).collect();
        on_it.sort_unstable();
        for (_, token, attempt) in on_it {
            // It may have gone with one that it waited for.
            let Some(entry) = self.attempts.get_mut(token) else { continue };
            if let Stage::Running(running) = &mut entry.stage {
                if capacity.is_out_of_service() && running.killed.is_none() {
                    let why = KillReason::DeviceLost;
                    running.killed = Some(why);
                    commands.push(Command::Kill { attempt, why });
                    self.refuse_killed(attempt, commands);
                }
            } else if !self.admission.could_fit(entry.class) {
                self.on_recall(attempt, commands);
            }
        }
        if capacity.is_out_of_service() {
            self.lose_objects(device, commands);
        }
    }

    /// What was in the device's memory alone is gone with it. What is on its way out of there is
    /// found not to arrive.
    fn lose_objects(&mut self, device: DeviceIndex, commands: &mut Commands) {
        let objects = self.objects.only_on(device);
        for object in &objects {
            self.objects.release(*object);
            commands.push(Command::Say(FromExecutor::ReplicaLost { object: *object }));
        }
        if !objects.is_empty() {
            commands.push(Command::Drop { objects });
        }
    }
}
