//! Objects as a list: what clients put and what executors hold.

use std::collections::BTreeSet;
use std::ops::Bound;

use drawloom_model::{JobKey, ObjectKey};

use super::Scheduler;
use crate::state::NONE;
use crate::summary::{ListedObject, Origin};

impl Scheduler {
    /// At most `most` objects in the order of their keys, those after `after`, of one job alone
    /// where one is named. Takes time in proportion to the page, however many objects there are.
    pub fn objects_after(
        &self,
        after: Option<ObjectKey>,
        job: Option<JobKey>,
        most: usize,
    ) -> Vec<ListedObject> {
        let (first, last) = match job {
            Some(job) => (job, Bound::Included(ObjectKey { job, index: u32::MAX })),
            None => (JobKey::default(), Bound::Unbounded),
        };
        let first = Bound::Included(ObjectKey { job: first, index: 0 });
        let from = after.map_or(first, Bound::Excluded);
        if let (Bound::Excluded(from), Bound::Included(last)) = (from, last)
            && from >= last
        {
            return Vec::new();
        }
        let range = (from, last);
        let mut keys: BTreeSet<ObjectKey> = self.state.put_objects(range).take(most).collect();
        for executor in self.cluster.executors() {
            keys.extend(executor.held.range(range).map(|(key, _)| *key).take(most));
        }
        keys.into_iter().take(most).filter_map(|key| self.listed(key)).collect()
    }

    fn listed(&self, key: ObjectKey) -> Option<ListedObject> {
        let summary = self.object(key)?;
        if key.job == JobKey::VAULT {
            let (object, kept) = self.state.put_entry(key)?;
            return Some(ListedObject { origin: Origin::Put { object, kept }, summary });
        }
        let job = self.state.job(key.job)?;
        let maker = job.objects.get(key.index as usize)?.maker;
        let task =
            (maker != NONE).then(|| (maker, key.index - job.tasks[maker as usize].first_output));
        let name = job.outputs.iter().find(|(_, output)| *output == key).map(|(n, _)| n.clone());
        Some(ListedObject { origin: Origin::Job { job: job.id, task, name }, summary })
    }
}

#[cfg(test)]
mod tests {
    use drawloom_model::{ObjectId, ObjectReport, ObjectType, RequestId, Time};

    use super::*;
    use crate::{Config, Event};

    #[test]
    fn pages_join_to_the_whole_list() {
        let mut scheduler = Scheduler::new(Config::default());
        let mut commands = Vec::new();
        let mut tell = |event, scheduler: &mut Scheduler| {
            scheduler.handle(Time::ZERO, event, &mut commands);
        };
        let executor = drawloom_model::ExecutorId(1);
        tell(Event::ExecutorJoined { executor, info: Default::default() }, &mut scheduler);
        for number in 0..5 {
            let (request, object) = (RequestId(number), ObjectId(number.into()));
            let key = scheduler.reserve_object();
            let report =
                ObjectReport::Stored { object_type: ObjectType::Blob, size_bytes: 100 + number };
            tell(Event::ObjectStored { request, object, key, executor, report }, &mut scheduler);
        }
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = scheduler.objects_after(after, None, 2);
            assert!(page.len() <= 2);
            let Some(last) = page.last() else { break };
            after = Some(last.summary.key);
            seen.extend(page.into_iter().map(|object| object.summary.size_bytes));
        }
        assert_eq!(seen, [100, 101, 102, 103, 104]);
        let job = Some(JobKey { slot: 3, generation: 0 });
        assert_eq!(scheduler.objects_after(None, job, 9), []);
        assert_eq!(scheduler.objects_after(after, Some(JobKey::VAULT), 9), []);
        let released = Event::ObjectReleased { request: RequestId(9), object: ObjectId(2) };
        tell(released, &mut scheduler);
        assert_eq!(scheduler.objects_after(None, Some(JobKey::VAULT), 9).len(), 4);
    }
}
