//! The machine: one function per thing that can happen.

mod device;
mod forecast;
mod staging;
mod suspension;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use drawloom_model::{
    AfterStop, Assignment, AttemptEnd, AttemptId, Capacity, DeviceIndex, Failure, FailureKind,
    FromExecutor, InputSource, JobKey, ObjectKey, Outcome, ResourceRequest, Shortfall, TaskKey,
    TemplateKey, Time, ToExecutor, Value, Variant,
};

use smallvec::SmallVec;

use crate::admission::{Admission, ClassId};
use crate::attempts::{Attempts, Entry, Running, Stage, Suspension, Token};
use crate::cores::{CoreSet, Cores};
use crate::objects::{Found, Objects};
use crate::room::Rooms;
use crate::{Command, Config, Event, KillReason};

type Commands = Vec<Command>;

/// Decides which attempts start when, on which cores, and what is fetched for them.
///
/// Hand over every event with [`Executor::handle`] and carry the commands out in order; call it
/// with [`Event::TimeoutDue`] when [`Executor::next_timeout`] has come. It never blocks and never
/// fails: news of attempts and objects it does not know is dropped.
pub struct Executor {
    admission: Admission,
    attempts: Attempts,
    objects: Objects,
    /// Tasks that did not succeed here: attempts that wait for them never run.
    not_succeeded: BTreeSet<TaskKey>,
    /// Jobs with attempts that are being cancelled, how many, and whether nothing more is assigned
    /// of the job, so that nothing need be remembered of them.
    cancelled: BTreeMap<JobKey, Cancelled>,
    deadlines: BTreeSet<(Time, Token)>,
    /// Those who wait for memory.
    rooms: Rooms,
    can_spill: bool,
    /// Attempts that have their cores but not yet their inputs, in the order of their arrival.
    staged: BTreeMap<u64, Token>,
    /// How many attempts run.
    running: usize,
    /// Of these, attempts that wait for tasks.
    suspended: usize,
    /// Attempts that became ready during the event at hand.
    ready: Vec<Token>,
    started: Vec<(Token, Cores)>,
    /// The room of attempts for which it is set aside before they can start; `None` while others
    /// have it still.
    set_aside: BTreeMap<Token, Option<Cores>>,
    /// Whether anything became free during the event at hand.
    freed: bool,
    /// Attempts that left during the event at hand and that devices expect still.
    no_more: Vec<(DeviceIndex, AttemptId)>,
}

impl Executor {
    /// An idle executor.
    pub fn new(config: Config) -> Self {
        let whole_cores = config.capacity.cpu_milli / drawloom_model::MILLI;
        let cores = CoreSet::new(config.cores, whole_cores);
        Executor {
            admission: Admission::new(config.capacity, cores),
            attempts: Attempts::default(),
            objects: Objects::default(),
            not_succeeded: BTreeSet::new(),
            cancelled: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            rooms: Rooms::default(),
            can_spill: config.can_spill,
            staged: BTreeMap::new(),
            running: 0,
            suspended: 0,
            ready: Vec::new(),
            started: Vec::new(),
            set_aside: BTreeMap::new(),
            freed: false,
            no_more: Vec::new(),
        }
    }

    /// Takes in one event.
    pub fn handle(&mut self, now: Time, event: Event, commands: &mut Commands) {
        match event {
            Event::Told(message) => self.on_told(now, message, commands),
            Event::InputArrived { object, size_bytes } => {
                self.on_input_arrived(now, object, size_bytes, commands);
            }
            Event::FetchFailed { object, why } => {
                self.on_fetch_failed(now, object, &why, commands);
            }
            Event::RoomWanted { room, missing_bytes, purpose } => {
                self.on_room_wanted(room, missing_bytes, purpose, commands);
            }
            Event::RoomFreed => self.on_room_freed(commands),
            Event::Spilled { object } => self.on_spilled(object, commands),
            Event::SpillFailed { object, why } => {
                self.on_spill_failed(now, object, why, commands);
            }
            Event::Restored { object } => self.on_restored(now, object, commands),
            Event::RestoreFailed { object, failure } => {
                self.on_restore_failed(now, object, &failure, commands);
            }
            Event::ObjectPut { object, size_bytes } => {
                self.objects.hold(object, size_bytes);
            }
            Event::ObjectLost { object, failure } => {
                self.on_object_lost(now, object, &failure, commands);
            }
            Event::AttemptEnded { attempt, outcome, run_time, outputs_on } => {
                let ended = Ended { attempt, outcome, run_time, outputs_on };
                self.on_attempt_ended(now, ended, commands);
            }
            Event::DeviceChanged { device, capacity } => {
                self.on_device_changed(device, capacity, commands);
            }
            Event::DrainWanted => commands.push(Command::Say(FromExecutor::DrainRequested)),
            Event::TimeoutDue => self.on_timeout_due(now, commands),
        }
        self.start_ready(now, commands);
        if !self.rooms.waiting.is_empty() {
            self.make_room(commands);
        }
        self.end_forecasts(commands);
    }

    /// When a `TimeoutDue` is wanted.
    pub fn next_timeout(&self) -> Option<Time> {
        self.deadlines.first().map(|(time, _)| *time)
    }

    /// What no running attempt has.
    pub fn free(&self) -> &Capacity {
        self.admission.free()
    }

    /// How many attempts are here, queued or running.
    pub fn attempts(&self) -> usize {
        self.attempts.len()
    }

    fn on_told(&mut self, now: Time, message: ToExecutor, commands: &mut Commands) {
        match message {
            ToExecutor::Run(assignment) => self.on_run(now, assignment, commands),
            ToExecutor::Cancel { attempt } => self.on_cancel(now, attempt, commands),
            ToExecutor::Recall { attempt } => self.on_recall(attempt, commands),
            ToExecutor::Suspend { attempt } => self.on_suspend(attempt),
            ToExecutor::Resume { attempt } => self.on_resume(attempt),
            ToExecutor::Release { objects } => self.on_release(now, objects, commands),
            ToExecutor::Replicate { object, sources } => {
                if let Some(size_bytes) = self.objects.size_bytes(object) {
                    let took = Duration::ZERO;
                    let added = FromExecutor::ReplicaAdded { object, size_bytes, took };
                    commands.push(Command::Say(added));
                } else if !self.objects.keep_if_fetching(object) {
                    self.objects.fetch(object, now, None);
                    commands.push(Command::Fetch { object, sources });
                }
            }
            ToExecutor::Keep { object, value } => self.on_keep(now, object, value, commands),
            ToExecutor::ForgetTemplates { templates } => self.on_forget(&templates),
            ToExecutor::StopActor { attempt, then } => {
                self.on_stop_actor(now, attempt, then, commands);
            }
            ToExecutor::Stop => commands.push(Command::Stop),
        }
    }

    fn on_run(&mut self, now: Time, assignment: Box<Assignment>, commands: &mut Commands) {
        let attempt = assignment.attempt;
        if self.attempts.find(attempt).is_some() {
            return; // Said twice.
        }
        if !self.not_succeeded.is_empty() {
            self.not_succeeded.remove(&attempt.task);
            if assignment.waits_for.iter().any(|task| self.not_succeeded.contains(task)) {
                self.not_succeeded.insert(attempt.task);
                return;
            }
        }
        let class = match self.classify(&assignment) {
            Ok(class) => class,
            // The scheduler had not yet heard what became of a device.
            Err(_) if self.admission.has_changed() && !assignment.devices.is_empty() => {
                self.not_succeeded.insert(attempt.task);
                return commands.push(Command::Say(FromExecutor::Recalled { attempt }));
            }
            Err(failure) => {
                self.not_succeeded.insert(attempt.task);
                return say_ended(commands, attempt, Outcome::Failed(failure), [Duration::ZERO; 2]);
            }
        };
        let token = self.attempts.next_token();
        if assignment.set_aside {
            self.set_aside.insert(token, self.admission.set_aside(class));
        }
        let missing = self.subscribe(now, token, &assignment, commands);
        let is_expected = forecast::tell(&assignment, token, commands);
        let entry = Entry {
            attempt,
            arrival: token.arrival,
            arrived: now,
            priority: assignment.priority,
            class,
            is_expected,
            stage: Stage::Waiting { assignment, missing },
            successors: Default::default(),
        };
        self.attempts.insert(entry);
        if missing == 0 {
            self.ready.push(token);
        }
    }

    fn classify(&mut self, assignment: &Assignment) -> Result<ClassId, Failure> {
        let Some(Variant { request, .. }) = variant(assignment) else {
            let message = format!("the task has no variant {}", assignment.variant);
            return Err(Failure::new(FailureKind::Spawn, message));
        };
        self.admission
            .classify(request, &assignment.devices)
            .map_err(|shortfall| too_large(shortfall, request, assignment))
    }

    /// Asks that `token` hear of everything the attempt waits for; how much that is.
    fn subscribe(
        &mut self,
        now: Time,
        token: Token,
        assignment: &Assignment,
        commands: &mut Commands,
    ) -> u32 {
        let mut missing = 0;
        for task in &assignment.waits_for {
            if let Some(maker) = self.attempts.of_task(*task)
                && let Some(entry) = self.attempts.get_mut(maker)
            {
                entry.successors.push(token);
                missing += 1;
            }
        }
        for input in &assignment.inputs {
            let InputSource::Remote(sources) = &input.source else { continue };
            match self.objects.want(input.object, token) {
                Found::Here => continue,
                Found::OnItsWay => {}
                Found::Nowhere => {
                    self.objects.fetch(input.object, now, Some(token));
                    let (object, sources) = (input.object, sources.clone());
                    commands.push(Command::Fetch { object, sources });
                }
            }
            missing += 1;
        }
        missing
    }

    fn on_cancel(&mut self, now: Time, attempt: AttemptId, commands: &mut Commands) {
        let Some(token) = self.attempts.find(attempt) else { return };
        let Some(entry) = self.attempts.get_mut(token) else { return };
        if let Stage::Running(running) = &mut entry.stage {
            let why = KillReason::Cancelled;
            if running.killed.replace(why) != Some(why) {
                self.cancelled.entry(attempt.task.job).or_default().running += 1;
                commands.push(Command::Kill { attempt, why });
                self.refuse_killed(attempt, commands);
            }
            return;
        }
        self.end_unstarted(now, token, Outcome::Cancelled, commands);
    }

    fn on_stop_actor(
        &mut self,
        now: Time,
        attempt: AttemptId,
        then: AfterStop,
        commands: &mut Commands,
    ) {
        let Some(token) = self.attempts.find(attempt) else { return };
        let Some(entry) = self.attempts.get_mut(token) else { return };
        match &mut entry.stage {
            Stage::Running(running) => {
                // That it is to end for good outweighs that it is to move.
                let told = running.stopping.is_some();
                if !told || then == AfterStop::Ended {
                    running.stopping = Some(then);
                }
                if !told {
                    commands.push(Command::StopActor { attempt });
                }
            }
            _ if then == AfterStop::Moved => self.on_recall(attempt, commands),
            _ => self.end_unstarted(now, token, Outcome::Succeeded(SmallVec::new()), commands),
        }
    }

    fn on_recall(&mut self, attempt: AttemptId, commands: &mut Commands) {
        let Some(token) = self.attempts.find(attempt) else { return };
        if let Some(entry) = self.take_unstarted(token) {
            commands.push(Command::Say(FromExecutor::Recalled { attempt }));
            self.drop_successors(entry);
        }
    }

    fn on_release(&mut self, now: Time, mut objects: Vec<ObjectKey>, commands: &mut Commands) {
        let mut orphans = Vec::new();
        objects.retain(|object| match self.objects.release(*object) {
            Some(waiters) => {
                orphans.extend(waiters);
                true
            }
            None => false,
        });
        if !objects.is_empty() {
            commands.push(Command::Drop { objects });
        }
        for token in orphans {
            let failure = Failure::new(FailureKind::ObjectLost, "an input is no longer here");
            self.end_unstarted(now, token, Outcome::Failed(failure), commands);
        }
    }

    fn on_keep(&mut self, now: Time, object: ObjectKey, value: Value, commands: &mut Commands) {
        let fetching = self.objects.hold(object, value.data.len() as u64);
        commands.push(Command::Keep { object, value });
        for token in fetching.map(|fetching| fetching.waiters).unwrap_or_default() {
            self.one_less_missing(now, token);
        }
    }

    fn on_forget(&mut self, templates: &[TemplateKey]) {
        if self.attempts.len() == 0 {
            self.admission.forget_classes();
        }
        let mut last = None;
        for job in templates.iter().map(|template| template.job) {
            if last.replace(job) == Some(job) {
                continue;
            }
            if let Some(cancelled) = self.cancelled.get_mut(&job) {
                cancelled.job_is_over = true;
            }
            if !self.not_succeeded.is_empty() {
                self.forget_job(job);
            }
        }
    }

    fn forget_job(&mut self, job: JobKey) {
        let tasks = TaskKey { job, index: 0 }..=TaskKey { job, index: u32::MAX };
        let forgotten = self.not_succeeded.range(tasks).copied().collect::<Vec<_>>();
        for task in forgotten {
            self.not_succeeded.remove(&task);
        }
    }

    fn on_input_arrived(
        &mut self,
        now: Time,
        object: ObjectKey,
        size_bytes: u64,
        commands: &mut Commands,
    ) {
        let Some(fetching) = self.objects.hold(object, size_bytes) else { return };
        if fetching.released {
            return self.on_release(now, vec![object], commands);
        }
        let took = now.since(fetching.since);
        commands.push(Command::Say(FromExecutor::ReplicaAdded { object, size_bytes, took }));
        for token in fetching.waiters {
            self.one_less_missing(now, token);
        }
    }

    fn on_fetch_failed(
        &mut self,
        now: Time,
        object: ObjectKey,
        why: &str,
        commands: &mut Commands,
    ) {
        let Some(fetching) = self.objects.give_up(object) else { return };
        commands.push(Command::Say(FromExecutor::ReplicaLost { object }));
        for token in fetching.waiters {
            let failure = Failure::new(FailureKind::ObjectLost, why);
            self.end_unstarted(now, token, Outcome::Failed(failure), commands);
        }
    }

    fn on_attempt_ended(&mut self, now: Time, ended: Ended, commands: &mut Commands) {
        let Ended { attempt, outcome, run_time, outputs_on } = ended;
        let Some(token) = self.attempts.find(attempt) else { return };
        let is_running =
            self.attempts.get(token).is_some_and(|e| matches!(e.stage, Stage::Running(_)));
        if !is_running {
            return;
        }
        let Some(entry) = self.attempts.remove(token) else { return };
        self.expect_no_more(&entry);
        let Stage::Running(running) = &entry.stage else { return };
        if let Some(deadline) = running.deadline {
            self.deadlines.remove(&(deadline, token));
        }
        self.return_claim(&entry, running);
        self.unpin_inputs(token, &entry);
        self.freed = true;
        let was_cancelled = running.killed == Some(KillReason::Cancelled);
        let succeeded = self.settle_outputs(running, &outcome, outputs_on, commands);
        let moved = running.stopping == Some(AfterStop::Moved);
        let outcome = match (running.killed, outcome) {
            // It knows best what happened to the device.
            (Some(KillReason::DeviceLost), Outcome::Failed(failure))
                if failure.kind == FailureKind::DeviceLost =>
            {
                Outcome::Failed(failure)
            }
            (Some(reason), _) => reason.outcome(),
            (None, Outcome::Succeeded(_)) if moved => Outcome::Cancelled,
            (None, outcome) => outcome,
        };
        let queue_time = running.started.since(entry.arrived);
        let outputs_on = outputs_on.filter(|_| succeeded);
        let end = AttemptEnd { attempt, outcome, run_time, queue_time, outputs_on };
        commands.push(Command::Say(FromExecutor::Ended(Box::new(end))));
        if succeeded {
            for successor in entry.successors {
                self.one_less_missing(now, successor);
            }
        } else {
            self.drop_successors(entry);
        }
        if was_cancelled {
            self.count_cancelled(attempt.task.job);
        }
    }

    /// One attempt fewer of the job is being cancelled.
    fn count_cancelled(&mut self, job: JobKey) {
        let Some(cancelled) = self.cancelled.get_mut(&job) else { return };
        cancelled.running -= 1;
        if cancelled.running > 0 {
            return;
        }
        let is_over = cancelled.job_is_over;
        self.cancelled.remove(&job);
        if is_over {
            self.forget_job(job);
        }
    }

    /// Remembers the outputs of an attempt that succeeded, drops those of a killed one; whether
    /// it succeeded.
    fn settle_outputs(
        &mut self,
        running: &Running,
        outcome: &Outcome,
        outputs_on: Option<DeviceIndex>,
        commands: &mut Commands,
    ) -> bool {
        let Outcome::Succeeded(reports) = outcome else { return false };
        let ObjectKey { job, index } = running.first_output;
        let outputs = (index..).zip(reports).map(|(index, r)| (ObjectKey { job, index }, r));
        if running.killed.is_none() {
            for (object, report) in outputs {
                match outputs_on {
                    Some(device) => self.objects.hold_on(device, object, report.size_bytes()),
                    None => drop(self.objects.hold(object, report.size_bytes())),
                }
            }
            return true;
        }
        if !reports.is_empty() {
            commands.push(Command::Drop { objects: outputs.map(|(object, _)| object).collect() });
        }
        false
    }

    fn on_timeout_due(&mut self, now: Time, commands: &mut Commands) {
        while let Some((deadline, token)) = self.deadlines.first().copied()
            && deadline <= now
        {
            self.deadlines.pop_first();
            let Some(entry) = self.attempts.get_mut(token) else { continue };
            let Stage::Running(running) = &mut entry.stage else { continue };
            running.deadline = None;
            if running.killed.is_none() {
                let why = KillReason::TimedOut(deadline.since(running.started));
                running.killed = Some(why);
                let attempt = entry.attempt;
                commands.push(Command::Kill { attempt, why });
                self.refuse_killed(attempt, commands);
            }
        }
    }

    fn one_less_missing(&mut self, now: Time, token: Token) {
        let Some(entry) = self.attempts.get_mut(token) else { return };
        let Stage::Waiting { missing, .. } = &mut entry.stage else { return };
        *missing -= 1;
        if *missing == 0 {
            // It queues for cores from now on; before, it waited for others.
            entry.arrived = now;
            self.ready.push(token);
        }
    }

    /// Starts whatever the event at hand made possible.
    fn start_ready(&mut self, now: Time, commands: &mut Commands) {
        if self.ready.is_empty() && !self.freed {
            return;
        }
        self.find_room();
        let mut ready = std::mem::take(&mut self.ready);
        let late = self.set_aside.values().any(Option::is_none);
        let alone = ready.len() == 1 && !late;
        for token in ready.drain(..) {
            if let Err(lost) = self.check_inputs(token) {
                self.lose_input(now, token, lost, commands);
            } else if self.set_aside.contains_key(&token) {
                self.start_in_room(now, token, commands);
            } else if alone {
                self.start_or_queue(now, token, commands);
            } else {
                self.queue(token);
            }
        }
        self.ready = ready;
        let mut started = std::mem::take(&mut self.started);
        let late = self.set_aside.iter().filter(|(_, cores)| cores.is_none());
        let late = late.filter_map(|(token, _)| Some(self.attempts.get(*token)?.class));
        self.freed = false;
        self.admission.admit(late, &mut started);
        for (token, cores) in started.drain(..) {
            self.admitted(now, token, cores, commands);
        }
        self.started = started;
        if self.freed {
            // One that was admitted found an input lost, and gave its cores back.
            self.start_ready(now, commands);
        }
    }

    /// Sets aside what has become free for those who still lack it, ahead of all others.
    fn find_room(&mut self) {
        for (token, cores) in &mut self.set_aside {
            let Some(entry) = self.attempts.get(*token) else { continue };
            if cores.is_none() {
                *cores = self.admission.set_aside(entry.class);
                if cores.is_some() && matches!(entry.stage, Stage::Waiting { missing: 0, .. }) {
                    self.ready.push(*token);
                }
            }
        }
    }

    /// Starts an attempt in the room that is set aside for it, once it lacks nothing else.
    fn start_in_room(&mut self, now: Time, token: Token, commands: &mut Commands) {
        let lacks_nothing = self
            .attempts
            .get(token)
            .is_some_and(|entry| matches!(entry.stage, Stage::Waiting { missing: 0, .. }));
        if lacks_nothing && let Some(Some(cores)) = self.set_aside.get_mut(&token).map(Option::take)
        {
            self.set_aside.remove(&token);
            self.admitted(now, token, cores, commands);
        }
    }

    /// Whether nothing is missing still: an input that is on its way after all is waited for,
    /// one that is nowhere is the error.
    fn check_inputs(&mut self, token: Token) -> Result<(), ObjectKey> {
        let Some(entry) = self.attempts.get_mut(token) else { return Ok(()) };
        let Stage::Waiting { assignment, missing } = &mut entry.stage else { return Ok(()) };
        for input in &assignment.inputs {
            if matches!(input.source, InputSource::Inline(_)) {
                continue;
            }
            match self.objects.want(input.object, token) {
                Found::Here => {}
                Found::OnItsWay => *missing += 1,
                Found::Nowhere => return Err(input.object),
            }
        }
        Ok(())
    }

    fn lose_input(&mut self, now: Time, token: Token, lost: ObjectKey, commands: &mut Commands) {
        commands.push(Command::Say(FromExecutor::ReplicaLost { object: lost }));
        let failure = Failure::new(FailureKind::ObjectLost, "an input is no longer here");
        self.end_unstarted(now, token, Outcome::Failed(failure), commands);
    }

    fn start_or_queue(&mut self, now: Time, token: Token, commands: &mut Commands) {
        let class = match self.attempts.get(token) {
            Some(Entry { class, stage: Stage::Waiting { missing: 0, .. }, .. }) => *class,
            _ => return,
        };
        match self.admission.start_at_once(class) {
            Some(cores) => self.admitted(now, token, cores, commands),
            None => self.queue(token),
        }
    }

    fn queue(&mut self, token: Token) {
        let Some(entry) = self.attempts.get_mut(token) else { return };
        entry.stage = match std::mem::replace(&mut entry.stage, Stage::Ended) {
            Stage::Waiting { assignment, missing: 0 } => {
                let (class, rank) = (entry.class, entry.rank());
                self.admission.push(class, rank, token);
                Stage::Ready { assignment }
            }
            other => other,
        };
    }

    fn admitted(&mut self, now: Time, token: Token, cores: Cores, commands: &mut Commands) {
        if self.go_on(token, &cores, commands).is_some() {
            return;
        }
        let Some(entry) = self.attempts.get_mut(token) else { return };
        let (Stage::Waiting { assignment, .. } | Stage::Ready { assignment }) =
            std::mem::replace(&mut entry.stage, Stage::Ended)
        else {
            return;
        };
        self.stage(now, token, assignment, cores, commands);
    }

    /// Starts an attempt whose inputs are all in memory, and pinned there.
    fn start(
        &mut self,
        now: Time,
        token: Token,
        assignment: Box<Assignment>,
        cores: Cores,
        commands: &mut Commands,
    ) {
        let Some(entry) = self.attempts.get_mut(token) else { return };
        let deadline = assignment.template.timeout.map(|timeout| now + timeout);
        entry.stage = Stage::Running(Running {
            started: now,
            deadline,
            first_output: assignment.first_output,
            cores: cores.clone(),
            killed: None,
            reads: staging::taken(&assignment).collect(),
            stopping: None,
            suspension: Suspension::AtWork,
        });
        self.running += 1;
        self.deadlines.extend(deadline.map(|deadline| (deadline, token)));
        commands.push(Command::Start { assignment, cores });
    }

    /// Takes an attempt out that has not started.
    fn take_unstarted(&mut self, token: Token) -> Option<Entry> {
        let entry = self.attempts.get(token)?;
        let (class, rank) = (entry.class, entry.rank());
        match entry.stage {
            Stage::Running(_) => return None,
            Stage::Ready { .. } => {
                self.admission.remove(class, rank);
                self.freed = true; // Another may have been kept back for it.
            }
            Stage::Staged(_) => {
                self.unstage(token);
                self.freed = true;
            }
            Stage::Waiting { .. } | Stage::Ended => {}
        }
        if let Some(room) = self.set_aside.remove(&token) {
            room.iter().for_each(|cores| self.admission.give_back(class, cores));
            self.freed = true;
        }
        let entry = self.attempts.remove(token);
        entry.iter().for_each(|entry| self.expect_no_more(entry));
        entry
    }

    fn end_unstarted(
        &mut self,
        now: Time,
        token: Token,
        outcome: Outcome,
        commands: &mut Commands,
    ) {
        let Some(entry) = self.take_unstarted(token) else { return };
        let queue_time = now.since(entry.arrived);
        say_ended(commands, entry.attempt, outcome, [Duration::ZERO, queue_time]);
        self.drop_successors(entry);
    }

    /// The attempt's task has not succeeded: drops what waits for it, and what waits for that.
    fn drop_successors(&mut self, entry: Entry) {
        let mut failed = VecDeque::from([entry]);
        while let Some(entry) = failed.pop_front() {
            if self.attempts.of_task(entry.attempt.task).is_none() {
                self.not_succeeded.insert(entry.attempt.task);
            }
            let successors = entry.successors.into_iter();
            failed.extend(successors.filter_map(|token| self.take_unstarted(token)));
        }
    }
}

/// What is told of an attempt's end.
struct Ended {
    attempt: AttemptId,
    outcome: Outcome,
    run_time: Duration,
    outputs_on: Option<DeviceIndex>,
}

/// A job's attempts that were cancelled while they ran.
#[derive(Default)]
struct Cancelled {
    running: u32,
    job_is_over: bool,
}

impl KillReason {
    fn outcome(self) -> Outcome {
        match self {
            KillReason::Cancelled => Outcome::Cancelled,
            KillReason::TimedOut(limit) => Outcome::Failed(Failure::new(
                FailureKind::TimedOut,
                format!("ran longer than its timeout of {limit:?}"),
            )),
            KillReason::DeviceLost => {
                let message = "a device failed while the attempt used it";
                Outcome::Failed(Failure::new(FailureKind::DeviceLost, message))
            }
        }
    }
}

fn variant(assignment: &Assignment) -> Option<&Variant> {
    assignment.template.variants.get(usize::from(assignment.variant))
}

fn too_large(
    shortfall: Option<Shortfall>,
    request: &ResourceRequest,
    assignment: &Assignment,
) -> Failure {
    let message = match shortfall {
        Some(shortfall) => format!("the executor is too small: {shortfall}"),
        None => {
            let devices = request.gpu.as_ref().map_or(0, |gpu| gpu.devices);
            format!("devices {:?} cannot serve {devices} device(s)", assignment.devices)
        }
    };
    Failure::new(FailureKind::Spawn, message)
}

fn say_ended(
    commands: &mut Commands,
    attempt: AttemptId,
    outcome: Outcome,
    [run_time, queue_time]: [Duration; 2],
) {
    let end = AttemptEnd { attempt, outcome, run_time, queue_time, outputs_on: None };
    commands.push(Command::Say(FromExecutor::Ended(Box::new(end))));
}
