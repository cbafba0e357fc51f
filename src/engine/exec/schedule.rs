//! Which node runs when.
//!
//! One thread decides: it looks at nodes in topological order, hands those that must be built to the [`Executor`], and takes its reports. All
//! waiting happens in one place ([`Scheduler::wait`]), where an interruption is noticed within [`POLL`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::agenda::{Agenda, Source};
use super::board::{Board, Limits, Phase};
use super::error::{ExecError, stage_error};
use super::event::Event;
use super::executor::{Executor, Report, ReportTo, Started, Verdict};
use super::node::{Because, NodeName};
use super::options::{Options, SavedStates, Setting};
use super::order::Existing;
use super::outcome::{NodeResult, Outcome, RunOutcome, millis};
use super::reads::read_of;
use super::wants::{Wants, may_take_all};
use crate::base::problem::Help;
use crate::engine::plan::{CacheKey, Foreseen, NodeId};
use crate::engine::stage::{Device, Facts, StageError};
use crate::engine::store::{Entry, State, StoreError};

/// How soon an interruption, or the end of another process's work, is noticed.
const POLL: Duration = Duration::from_millis(50);

pub(super) struct Scheduler<'a> {
    agenda: Agenda<'a>,
    setting: Setting<'a>,
    board: Board,
    /// Keys that have unfinished work on the disk.
    saved_states: HashSet<CacheKey>,
    /// After which failure nothing more is started.
    stopped: Option<NodeName>,
    /// Why all that is done would be in vain.
    refused: Option<ExecError>,
    reports: Receiver<(usize, Report)>,
    report_to: Sender<(usize, Report)>,
}

impl<'a> Scheduler<'a> {
    pub(super) fn new(agenda: Agenda<'a>, setting: Setting<'a>) -> Self {
        let (report_to, reports) = mpsc::channel();
        Self {
            board: Board::new(&agenda.tasks),
            agenda,
            setting,
            saved_states: setting.store.saved_states().into_iter().collect(),
            stopped: None,
            refused: None,
            reports,
            report_to,
        }
    }

    /// Does all there is to do, as far as failures and interruptions allow.
    ///
    /// * `begun`: when the run did
    ///
    /// # Errors
    /// [`ExecError::Foreseen`].
    pub(super) fn run(
        mut self,
        executor: &dyn Executor,
        begun: Instant,
    ) -> Result<RunOutcome, ExecError> {
        loop {
            while !self.is_stopping()
                && let Some(index) = self.board.first_ready()
            {
                self.look(index, executor);
            }
            self.start(executor);
            if self.board.running().len() == 0 && (self.board.is_idle() || self.is_stopping()) {
                return match self.refused.take() {
                    Some(error) => Err(error),
                    None => Ok(self.finish(begun)),
                };
            }
            self.wait();
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopped.is_some() || self.refused.is_some() || self.setting.cancel.is_cancelled()
    }

    /// Takes reports; without any, looks again at what others are building.
    fn wait(&mut self) {
        match self.reports.recv_timeout(POLL) {
            Ok((index, report)) => {
                self.take(index, report);
                while let Ok((index, report)) = self.reports.try_recv() {
                    self.take(index, report);
                }
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        self.board.look_again_at_busy();
    }

    /// Decides what a ready node needs. Nothing is read but manifests.
    fn look(&mut self, index: usize, executor: &dyn Executor) {
        if self.board.slot(index).existing != Existing::Good
            || executor.has_in_hand(&self.agenda.tasks[index].key)
        {
            return self.queue(index);
        }
        match self.find(index) {
            Ok(Some((entry, outcome))) if !self.is_in_doubt(index, &entry, &outcome) => {
                self.done(index, entry, outcome)
            }
            Ok(Some(_)) => {
                self.board.slot_mut(index).existing = Existing::Suspect;
                self.queue(index);
            }
            Ok(None) => match self.setting.options.failed.get(&self.agenda.tasks[index].key) {
                None => self.queue(index),
                Some(error) => {
                    let error = StageError::new(format!("it has failed before: {error}"))
                        .with_help("`--retry-failed` tries it again");
                    self.fail(index, error, Duration::ZERO);
                }
            },
            Err(error) => self.fail(index, stage_error(&error), Duration::ZERO),
        }
    }

    /// Lets it wait for threads.
    fn queue(&mut self, index: usize) {
        self.board.slot_mut(index).wants = self.wants(index);
        self.board.set_phase(index, Phase::Queued);
    }

    /// What of all threads a node can use. A device has one stage at a time, whatever that leaves of the cores.
    fn wants(&self, index: usize) -> Wants {
        let task = &self.agenda.tasks[index];
        if !may_take_all(task) || self.setting.options.device != Device::Cpu {
            return Wants::ALL;
        }
        let facts = |(port, source): &'_ (Arc<str>, Source)| {
            let producer = source.node()?;
            let folder = self.board.slot(producer).entry.as_ref()?.folder();
            Some((Arc::clone(port), (self.agenda.tasks[producer].kind.output.facts)(folder)))
        };
        let inputs: Vec<(Arc<str>, Facts)> = task.inputs.iter().filter_map(facts).collect();
        Wants::of(task, &inputs)
    }

    /// Whether an entry is to be read before it counts. Whoever does the work does that, but for an older entry that was just given this key.
    fn is_in_doubt(&self, index: usize, entry: &Entry, outcome: &Outcome) -> bool {
        let task = &self.agenda.tasks[index];
        // Scores are shown by every run, so that they are read by every run.
        let has_wrong_metrics =
            task.kind.output.metrics.is_some_and(|file| entry.read(file).is_err());
        let reused = matches!(outcome, Outcome::Reused { .. });
        (has_wrong_metrics || task.is_shown)
            && !(reused && self.setting.store.verify_once(entry).is_empty())
    }

    /// What an input is, once it is there.
    fn entry_of<'s>(&'s self, source: &'s Source) -> Option<&'s Entry> {
        match source {
            Source::Node(producer) => self.board.slot(*producer).entry.as_ref(),
            Source::Store(entry) => Some(entry),
        }
    }

    /// The entry that a node's result is, where there is one.
    fn find(&self, index: usize) -> Result<Option<(Entry, Outcome)>, StoreError> {
        let (task, store) = (&self.agenda.tasks[index], self.setting.store);
        let entry =
            |source| self.entry_of(source).expect("a node is looked at when its inputs are there");
        let inputs = || task.inputs.iter().map(|(port, source)| (port, entry(source)));
        let contents: BTreeMap<String, String> =
            inputs().map(|(port, entry)| (port.to_string(), entry.content().to_owned())).collect();
        match store.state(&task.key)? {
            // Made from inputs that had another content under the same keys, it would not be what this run shows.
            State::Present(entry) if entry.manifest().inputs == contents => {
                return Ok(Some((entry, Outcome::Cached)));
            }
            State::Present(_) | State::Damaged(_) => return Ok(None),
            State::Absent => {}
        }
        if contents.is_empty() {
            return Ok(None);
        }
        // Whoever holds the lock builds the entry, or is about to find the older one.
        let Some(_lock) = store.try_lock(&task.key)? else { return Ok(None) };
        let read = read_of(&*task.instance, inputs());
        let reused = store.reuse(&self.agenda.fingerprint(index), &contents, &read)?;
        Ok(reused.map(|entry| {
            let from = entry.storage_key();
            (entry, Outcome::Reused { from })
        }))
    }

    /// Starts what fits into the budget, in the order of ranks. The cost is that of what is started, however much is queued.
    fn start(&mut self, executor: &dyn Executor) {
        let Options { jobs, threads, memory, .. } = *self.setting.options;
        let limits = Limits { jobs: jobs.max(1), threads: threads.max(1), memory };
        let mut last = None;
        while !self.is_stopping()
            && let Some(rank) = self.board.next_after(last)
            && let Some(share) = if executor.limits_itself() {
                Some(limits.threads)
            } else {
                self.board.share(rank, limits)
            }
        {
            last = Some(rank);
            self.hand_out(rank.node, share, executor);
        }
    }

    fn hand_out(&mut self, index: usize, threads: usize, executor: &dyn Executor) {
        let order = self.agenda.order(index, self.board.slot(index).existing);
        let report_to = ReportTo { node: index, sender: self.report_to.clone() };
        match executor.start(order, threads, report_to) {
            Ok(Started::Yes) => self.board.set_phase(index, Phase::Running { threads }),
            Ok(Started::Elsewhere) => {
                self.board.set_phase(index, Phase::Busy);
                self.tell_waiting(index);
            }
            Err(error) => self.fail(index, stage_error(&error), Duration::ZERO),
        }
    }

    fn name(&self, index: usize) -> NodeName {
        self.agenda.tasks[index].name.clone()
    }

    fn tell(&self, event: &Event) {
        self.setting.reporter.event(event);
    }

    fn tell_waiting(&mut self, index: usize) {
        let tasks = &self.agenda.tasks;
        // Two stages of one plan may ask for the same thing; that is nobody else's work.
        let own = self.board.running().any(|other| tasks[other].key == tasks[index].key);
        if !own && !std::mem::replace(&mut self.board.slot_mut(index).told_waiting, true) {
            self.tell(&Event::StageWaiting { name: self.name(index), key: tasks[index].key });
        }
    }

    fn take(&mut self, index: usize, report: Report) {
        let Report { verdict, earlier_errors, elapsed } = report;
        self.board.slot_mut(index).earlier_errors.extend(earlier_errors);
        match verdict {
            Verdict::Built(entry) => self.done(index, entry, Outcome::Built { elapsed }),
            Verdict::Found(entry) => self.done(index, entry, Outcome::Cached),
            Verdict::Failed(error) => self.fail(index, error, elapsed),
            Verdict::InputsDamaged(keys) => self.repair(index, &keys, elapsed),
            Verdict::Cancelled => {
                self.board.set_phase(index, Phase::Done(Outcome::Cancelled { elapsed }));
                self.tell(&Event::StageCancelled {
                    name: self.name(index),
                    elapsed_ms: millis(elapsed),
                });
            }
        }
    }

    fn done(&mut self, index: usize, entry: Entry, outcome: Outcome) {
        let (name, key) = (self.name(index), self.agenda.tasks[index].key);
        self.remove_stale_state(&key);
        self.tell(&match &outcome {
            Outcome::Reused { from } => Event::StageReused { name, key, from: *from },
            Outcome::Built { elapsed } => Event::StageFinished {
                name,
                key,
                elapsed_ms: millis(*elapsed),
                size_bytes: entry.manifest().size(),
            },
            _ => Event::StageCached { name, key },
        });
        if !matches!(outcome, Outcome::Built { .. }) {
            self.recall(index, &entry);
        }
        let slot = self.board.slot_mut(index);
        slot.existing = Existing::Good;
        let changed = slot.before.take().is_some_and(|before| before != entry.content());
        slot.entry = Some(entry);
        self.board.set_phase(index, Phase::Done(outcome));
        if changed {
            self.reopen_descendants(index);
        }
        self.board.wake_dependants(index);
        self.check_waiting(index);
        self.check_foreseen(index);
    }

    /// Ends what waits for more than this node and can be seen to fail.
    fn check_waiting(&mut self, index: usize) {
        for dependant in self.board.dependants(index).to_vec() {
            let task = &self.agenda.tasks[dependant];
            // What is there was right once, and is not read again.
            if !matches!(self.board.slot(dependant).phase(), Phase::Waiting)
                || self.setting.store.entry_folder(&task.key).exists()
            {
                continue;
            }
            let folder = |(port, source): &(Arc<str>, Source)| {
                Some((port.to_string(), self.entry_of(source)?.folder().to_owned()))
            };
            let arrived = task.inputs.iter().filter_map(folder).collect();
            if let Err(error) = task.instance.check_arrived(&arrived) {
                self.fail(dependant, error, Duration::ZERO);
            }
        }
    }

    /// Ends the run where something that waits for the best point and takes this node in can be seen to fail.
    fn check_foreseen(&mut self, index: usize) {
        for Foreseen { stage, instance, inputs } in self.agenda.foreseen() {
            if !inputs.iter().any(|(_, id)| id.index() == index) {
                continue;
            }
            let folder = |(port, id): &(Arc<str>, NodeId)| {
                let entry = self.board.slot(id.index()).entry.as_ref()?;
                Some((port.to_string(), entry.folder().to_owned()))
            };
            let arrived = inputs.iter().filter_map(folder).collect();
            if let Err(error) = instance.check_arrived(&arrived) {
                let stage = stage.to_string();
                self.refused.get_or_insert(ExecError::Foreseen { stage, error });
            }
        }
    }

    /// A run that died after its entry was in place left them. They are in nobody's way, unless somebody else makes the entry again.
    fn remove_stale_state(&self, key: &CacheKey) {
        if self.setting.options.saved_states == SavedStates::Remove
            && self.saved_states.contains(key)
            && let Ok(Some(_lock)) = self.setting.store.try_lock(key)
        {
            let _ = self.setting.store.remove_saved_state(key);
        }
    }

    /// Says again what is worth it of a result that is there.
    fn recall(&self, index: usize, entry: &Entry) {
        let previous = || {
            let order = self.agenda.order(index, Existing::Good);
            self.setting.known.previous(&order.file, &order.name.stage, &order.fingerprint)
        };
        for text in self.agenda.tasks[index].instance.recall(entry.folder(), &previous) {
            self.tell(&Event::StageMessage { name: self.name(index), warning: false, text });
        }
    }

    /// A repaired entry came out with another content: what was made from the old one is looked at again.
    fn reopen_descendants(&mut self, index: usize) {
        for descendant in self.board.descendants(index) {
            if !matches!(
                self.board.slot(descendant).phase(),
                Phase::Waiting | Phase::Running { .. }
            ) {
                self.board.reopen(descendant);
            }
        }
    }

    /// Sends the producers of damaged inputs back to the queue. That ends: an entry that was read, or just built, counts as whole for the rest
    /// of the run.
    fn repair(&mut self, index: usize, damaged: &[CacheKey], elapsed: Duration) {
        let mut producers = Vec::new();
        for (port, source) in &self.agenda.tasks[index].inputs {
            match source {
                Source::Node(producer) if damaged.contains(&self.agenda.tasks[*producer].key) => {
                    producers.push(*producer);
                }
                Source::Store(entry) if damaged.contains(&entry.key()) => {
                    let error = format!("the input `{port}` is damaged, and no order makes it");
                    let error = StageError::new(error)
                        .with_help("run the experiment, which makes it again: `pipeline run FILE`");
                    return self.fail(index, error, elapsed);
                }
                Source::Node(_) | Source::Store(_) => {}
            }
        }
        self.board.set_phase(index, Phase::Waiting);
        for producer in self.sharing_files_with(&producers) {
            let slot = self.board.slot_mut(producer);
            slot.existing = Existing::Suspect;
            slot.before = slot.entry.as_ref().map(|entry| entry.content().to_owned());
            self.board.reopen(producer);
            for dependant in self.board.dependants(producer).to_vec() {
                if matches!(
                    self.board.slot(dependant).phase(),
                    Phase::Ready | Phase::Queued | Phase::Busy
                ) {
                    self.board.reopen(dependant);
                }
            }
            self.board.wake(producer);
        }
        self.board.wake(index);
    }

    /// The nodes whose entries lie in the same folders as those of `producers`: these, equal ones, and aliases. Without those which are
    /// being repaired, since another stage found the damage before.
    fn sharing_files_with(&self, producers: &[usize]) -> Vec<usize> {
        let storage = |index: usize| {
            let slot = self.board.slot(index);
            slot.entry.as_ref().filter(|_| slot.phase().is_done()).map(Entry::storage_key)
        };
        let damaged: BTreeSet<CacheKey> =
            producers.iter().filter_map(|index| storage(*index)).collect();
        (0..self.board.len())
            .filter(|index| storage(*index).is_some_and(|key| damaged.contains(&key)))
            .collect()
    }

    fn fail(&mut self, index: usize, error: StageError, elapsed: Duration) {
        let name = self.name(index);
        self.tell(&Event::StageFailed {
            name: name.clone(),
            error: error.to_string(),
            help: error.help().map(Cow::into_owned),
            is_hindered: matches!(error, StageError::Hindered(_)),
            elapsed_ms: millis(elapsed),
        });
        self.board.set_phase(index, Phase::Done(Outcome::Failed { error, elapsed }));
        for descendant in self.board.descendants(index) {
            if !matches!(
                self.board.slot(descendant).phase(),
                Phase::Done(_) | Phase::Running { .. }
            ) {
                self.not_run(descendant, Because::Failed { upstream: name.clone() });
            }
        }
        if !self.setting.options.keep_going && self.stopped.is_none() {
            self.stopped = Some(name);
        }
    }

    fn not_run(&mut self, index: usize, because: Because) {
        self.tell(&Event::StageNotRun { name: self.name(index), because: because.clone() });
        self.board.set_phase(index, Phase::Done(Outcome::NotRun { because }));
    }

    fn finish(mut self, begun: Instant) -> RunOutcome {
        let interrupted = self.setting.cancel.is_cancelled();
        for index in 0..self.board.len() {
            if !self.board.slot(index).phase().is_done() {
                let because = match &self.stopped {
                    Some(after) => Because::Stopped { after: after.clone() },
                    None => Because::Interrupted,
                };
                self.not_run(index, because);
            }
        }
        let nodes =
            self.agenda.tasks.into_iter().zip(self.board.into_slots()).map(|(task, slot)| {
                let (outcome, entry, earlier_errors) =
                    slot.into_end().expect("every node has ended");
                NodeResult { name: task.name, key: task.key, outcome, entry, earlier_errors }
            });
        RunOutcome {
            nodes: nodes.collect(),
            interrupted,
            lacks_only_points: false,
            elapsed: begun.elapsed(),
        }
    }
}
