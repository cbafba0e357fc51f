//! Which node runs when.
//!
//! One thread decides: it looks at nodes in topological order, hands those that must be built to threads of their own, and takes their reports.
//! All waiting happens in one place ([`Scheduler::wait`]), where an interruption is noticed within [`POLL`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Bound;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::Scope;
use std::time::{Duration, Instant};

use super::event::{Event, NodeName, Reporter};
use super::options::{Cancel, Checkpoints, Options};
use super::outcome::{Because, NodeResult, Outcome, RunOutcome, millis};
use super::work::{Job, Verdict, error_of};
use crate::engine::plan::{CacheKey, NodeId, Plan};
use crate::engine::stage::{HubCommit, StageError};
use crate::engine::store::{Entry, State, Store, StoreError};

/// How soon an interruption, or the end of another process's work, is noticed.
const POLL: Duration = Duration::from_millis(50);

/// Why a plan could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// Commits must be resolved before the plan is made, since they enter the keys.
    #[error("the commit of `{}` at `{}`, which stage `{stage}` needs, is not known", commit.repo, commit.revision)]
    CommitUnknown { stage: String, commit: HubCommit },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ExecError {
    /// What the user can do about it.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::CommitUnknown { .. } => Some("give the whole commit as `revision`"),
            Self::Store(error) => error.help(),
        }
    }
}

/// Makes every node of `plan` present in `store`. [`Event::RunFinished`] is the caller's to send, once it knows how all has ended.
///
/// # Errors
/// When nothing could be started. The failure of a stage is no error here, but an [`Outcome`].
pub fn execute(
    plan: &Plan,
    store: &Store,
    options: &Options,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<RunOutcome, ExecError> {
    let started = Instant::now();
    let mut keys = Vec::with_capacity(plan.nodes.len());
    for node in &plan.nodes {
        match &node.identity {
            crate::engine::plan::Identity::Key(key) => keys.push(*key),
            crate::engine::plan::Identity::CommitUnknown(commit) => {
                return Err(ExecError::CommitUnknown {
                    stage: node.stage.to_string(),
                    commit: HubCommit::clone(commit),
                });
            }
        }
    }
    let _claim = store.claim(plan.names())?;
    let jobs = options.jobs.max(1);
    let threads = options.threads.max(1);
    reporter.event(&Event::RunStarted {
        experiment: plan.name.clone(),
        nodes: plan.nodes.len(),
        jobs,
        threads,
    });

    let mut scheduler = Scheduler::new(plan, store, options, reporter, cancel, keys);
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        scheduler.run(scope, &sender, &receiver);
    });
    Ok(scheduler.finish(started))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// For what it depends on.
    Waiting,
    /// Everything that it depends on is there, but nobody has looked at it.
    Ready,
    /// It must be built.
    Queued,
    /// Someone else is building it.
    Busy,
    Running,
    Done,
}

struct Slot {
    phase: Phase,
    outcome: Option<Outcome>,
    entry: Option<Entry>,
    /// The user wants it built, and it was not yet.
    rerun: bool,
    suspect: bool,
    /// What it held before it was found damaged.
    before: Option<String>,
    told_waiting: bool,
    /// What went wrong in attempts that were not the last.
    earlier_errors: Vec<String>,
}

/// Which of the queued nodes comes first: what shares the threads before what takes all of them for long, what is further down before what is
/// further up, else in the plan's order. So a sweep's first trial is evaluated before its second is trained, and an interrupted sweep has
/// whole trials to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    exclusive: bool,
    depth: Reverse<usize>,
    node: usize,
}

struct Report {
    node: usize,
    verdict: Verdict,
    earlier_errors: Vec<String>,
    elapsed: Duration,
}

struct Scheduler<'a> {
    plan: &'a Plan,
    store: &'a Store,
    options: &'a Options,
    reporter: &'a dyn Reporter,
    cancel: &'a Cancel,
    keys: Vec<CacheKey>,
    slots: Vec<Slot>,
    /// What each node depends on, and what depends on it, each once.
    needs: Vec<Vec<usize>>,
    needed_by: Vec<Vec<usize>>,
    /// How many nodes lie on the longest way to each.
    depths: Vec<usize>,
    ready: BTreeSet<usize>,
    queued: BTreeSet<Rank>,
    busy: BTreeSet<usize>,
    running: BTreeMap<usize, usize>,
    checkpointed: HashSet<CacheKey>,
    /// After which failure nothing more is started.
    stopped: Option<NodeName>,
}

impl<'a> Scheduler<'a> {
    fn new(
        plan: &'a Plan,
        store: &'a Store,
        options: &'a Options,
        reporter: &'a dyn Reporter,
        cancel: &'a Cancel,
        keys: Vec<CacheKey>,
    ) -> Self {
        let mut needs: Vec<Vec<usize>> = Vec::with_capacity(plan.nodes.len());
        let mut needed_by = vec![Vec::new(); plan.nodes.len()];
        for (index, node) in plan.nodes.iter().enumerate() {
            let mut before: Vec<usize> = node
                .inputs
                .iter()
                .map(|(_, id)| *id)
                .chain(node.after.iter().copied())
                .map(NodeId::index)
                .collect();
            before.sort_unstable();
            before.dedup();
            for producer in &before {
                needed_by[*producer].push(index);
            }
            needs.push(before);
        }
        let mut depths = Vec::with_capacity(needs.len());
        for before in &needs {
            depths.push(before.iter().map(|producer| depths[*producer] + 1).max().unwrap_or(0));
        }
        let slot = |node: &crate::engine::plan::Node| Slot {
            phase: Phase::Waiting,
            outcome: None,
            entry: None,
            rerun: options.rerun.iter().any(|selector| node.is_named(selector)),
            suspect: false,
            before: None,
            told_waiting: false,
            earlier_errors: Vec::new(),
        };
        Self {
            slots: plan.nodes.iter().map(slot).collect(),
            plan,
            store,
            options,
            reporter,
            cancel,
            keys,
            needs,
            needed_by,
            depths,
            ready: BTreeSet::new(),
            queued: BTreeSet::new(),
            busy: BTreeSet::new(),
            running: BTreeMap::new(),
            checkpointed: store.checkpointed().into_iter().collect(),
            stopped: None,
        }
    }

    fn name(&self, index: usize) -> NodeName {
        let node = &self.plan.nodes[index];
        NodeName {
            node: index,
            stage: node.stage.clone(),
            kind: node.kind.name,
            label: node.label.clone(),
        }
    }

    fn run<'scope>(
        &mut self,
        scope: &'scope Scope<'scope, '_>,
        sender: &Sender<Report>,
        receiver: &Receiver<Report>,
    ) where
        'a: 'scope,
    {
        for index in 0..self.slots.len() {
            self.wake(index);
        }
        loop {
            while !self.is_stopping()
                && let Some(index) = self.ready.pop_first()
            {
                self.look(index);
            }
            if !self.is_stopping() {
                self.start(scope, sender);
            }
            let idle = self.ready.is_empty() && self.queued.is_empty() && self.busy.is_empty();
            if self.running.is_empty() && (idle || self.is_stopping()) {
                return;
            }
            self.wait(receiver);
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopped.is_some() || self.cancel.is_cancelled()
    }

    /// Takes reports; without any, looks again at what others are building.
    fn wait(&mut self, receiver: &Receiver<Report>) {
        match receiver.recv_timeout(POLL) {
            Ok(report) => {
                self.take(report);
                while let Ok(report) = receiver.try_recv() {
                    self.take(report);
                }
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        for index in std::mem::take(&mut self.busy) {
            self.make_ready(index);
        }
    }

    /// Makes a waiting node ready if all that it depends on is there.
    fn wake(&mut self, index: usize) {
        let has_entry = |producer: &usize| {
            self.slots[*producer].phase == Phase::Done && self.slots[*producer].entry.is_some()
        };
        if self.slots[index].phase == Phase::Waiting && self.needs[index].iter().all(has_entry) {
            self.make_ready(index);
        }
    }

    fn make_ready(&mut self, index: usize) {
        self.slots[index].phase = Phase::Ready;
        self.ready.insert(index);
    }

    /// The inputs of a node whose producers are done.
    fn inputs(&self, index: usize) -> Vec<(&'static str, usize, Entry)> {
        let entry = |id: NodeId| {
            self.slots[id.index()]
                .entry
                .clone()
                .expect("a node is looked at when its inputs are there")
        };
        self.plan.nodes[index]
            .inputs
            .iter()
            .map(|(port, id)| (*port, id.index(), entry(*id)))
            .collect()
    }

    /// Decides what a ready node needs. Nothing is read but manifests.
    fn look(&mut self, index: usize) {
        if self.slots[index].rerun || self.slots[index].suspect {
            return self.queue(index);
        }
        match self.find(index) {
            Ok(Some((entry, outcome))) if !self.is_in_doubt(index, &entry, &outcome) => {
                self.done(index, entry, outcome)
            }
            Ok(Some(_)) => {
                self.slots[index].suspect = true;
                self.queue(index);
            }
            Ok(None) => self.queue(index),
            Err(error) => self.fail(index, error_of(&error), Duration::ZERO),
        }
    }

    /// Whether an entry is to be read before it counts. A stage's thread does that, but for an older entry that was just given this key.
    fn is_in_doubt(&self, index: usize, entry: &Entry, outcome: &Outcome) -> bool {
        // Scores are shown by every run, so that they are read by every run.
        let metrics = self.plan.nodes[index].kind.output.metrics;
        let has_wrong_metrics = metrics.is_some_and(|file| entry.read(file).is_err());
        let id = NodeId(u32::try_from(index).expect("a plan numbers its nodes in 32 bits"));
        let is_shown = self.options.verify.contains(&id);
        let reused = matches!(outcome, Outcome::Reused { .. });
        (has_wrong_metrics || is_shown) && !(reused && self.store.verify_once(entry).is_empty())
    }

    fn find(&self, index: usize) -> Result<Option<(Entry, Outcome)>, StoreError> {
        let key = &self.keys[index];
        let contents: BTreeMap<String, String> = self
            .inputs(index)
            .iter()
            .map(|(port, _, entry)| ((*port).to_owned(), entry.content().to_owned()))
            .collect();
        match self.store.state(key)? {
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
        let Some(_lock) = self.store.try_lock(key)? else { return Ok(None) };
        let fingerprint = self.fingerprint(index);
        Ok(self.store.reuse(&fingerprint, &contents)?.map(|entry| {
            let from = entry.storage_key();
            (entry, Outcome::Reused { from })
        }))
    }

    fn fingerprint(&self, index: usize) -> crate::engine::plan::Fingerprint {
        self.plan.fingerprint(id_of(index)).expect("every node has its key")
    }

    fn queue(&mut self, index: usize) {
        self.slots[index].phase = Phase::Queued;
        self.queued.insert(self.rank(index));
    }

    fn rank(&self, index: usize) -> Rank {
        let exclusive = self.plan.nodes[index].kind.exclusive;
        Rank { exclusive, depth: Reverse(self.depths[index]), node: index }
    }

    /// Starts what fits into the budget, in the order of [`Rank`]. The cost is that of what is started, however much is queued.
    fn start<'scope>(&mut self, scope: &'scope Scope<'scope, '_>, sender: &Sender<Report>)
    where
        'a: 'scope,
    {
        let jobs = self.options.jobs.max(1);
        let threads = self.options.threads.max(1);
        let mut last = None;
        while let Some(rank) = self.next_after(last) {
            last = Some(rank);
            let Rank { exclusive, node: index, .. } = rank;
            let free = threads.saturating_sub(self.running.values().sum());
            let places = jobs.saturating_sub(self.running.len());
            if free == 0 || places == 0 {
                return;
            }
            let share = if exclusive {
                if free < threads {
                    // So do all that follow.
                    return;
                }
                threads
            } else {
                let sharing =
                    self.queued.iter().take_while(|other| !other.exclusive).take(places).count();
                (free / sharing.max(1)).max(1)
            };
            let lock = match self.store.try_lock(&self.keys[index]) {
                Ok(lock) => lock,
                Err(error) => {
                    self.queued.remove(&rank);
                    self.fail(index, error_of(&error), Duration::ZERO);
                    if self.is_stopping() {
                        return;
                    }
                    continue;
                }
            };
            self.queued.remove(&rank);
            let Some(lock) = lock else {
                self.slots[index].phase = Phase::Busy;
                self.busy.insert(index);
                self.tell_waiting(index);
                continue;
            };
            self.slots[index].phase = Phase::Running;
            self.running.insert(index, share);
            let job = Job {
                file: &self.plan.file,
                node: &self.plan.nodes[index],
                name: self.name(index),
                key: self.keys[index],
                fingerprint: self.fingerprint(index),
                lineage: self.plan.lineage(id_of(index)),
                lock,
                threads: share,
                inputs: self.inputs(index),
                rerun: self.slots[index].rerun,
                suspect: self.slots[index].suspect,
                store: self.store,
                options: self.options,
                reporter: self.reporter,
                cancel: self.cancel,
            };
            let from_thread = sender.clone();
            let work = move || {
                let started = Instant::now();
                let (verdict, earlier_errors) = job.run();
                // The other end lives as long as anything runs.
                let elapsed = started.elapsed();
                let _ = from_thread.send(Report { node: index, verdict, earlier_errors, elapsed });
            };
            if let Err(error) = std::thread::Builder::new().spawn_scoped(scope, work) {
                let error = StageError::new(format!("a thread cannot be started: {error}"))
                    .with_help("free memory, or raise the limits (`ulimit -v`, `ulimit -u`)");
                let _ = sender.send(Report {
                    node: index,
                    verdict: Verdict::Failed(error),
                    earlier_errors: Vec::new(),
                    elapsed: Duration::ZERO,
                });
            }
        }
    }

    /// The first of the queue, or the one behind another, which need not be there any more.
    fn next_after(&self, rank: Option<Rank>) -> Option<Rank> {
        let start = rank.map_or(Bound::Unbounded, Bound::Excluded);
        self.queued.range((start, Bound::Unbounded)).next().copied()
    }

    fn tell_waiting(&mut self, index: usize) {
        // Two stages of one plan may ask for the same thing; that is nobody else's work.
        let own = self.running.keys().any(|other| self.keys[*other] == self.keys[index]);
        if !own && !std::mem::replace(&mut self.slots[index].told_waiting, true) {
            self.reporter
                .event(&Event::StageWaiting { name: self.name(index), key: self.keys[index] });
        }
    }

    fn take(&mut self, report: Report) {
        let Report { node: index, verdict, earlier_errors, elapsed } = report;
        self.slots[index].earlier_errors.extend(earlier_errors);
        self.running.remove(&index);
        match verdict {
            Verdict::Built(entry) => self.done(index, entry, Outcome::Built { elapsed }),
            Verdict::Found(entry) => self.done(index, entry, Outcome::Cached),
            Verdict::Failed(error) => self.fail(index, error, elapsed),
            Verdict::InputsDamaged(producers) => self.repair(index, &producers),
            Verdict::Cancelled => {
                self.end(index, Outcome::Cancelled { elapsed });
                self.reporter.event(&Event::StageCancelled {
                    name: self.name(index),
                    elapsed_ms: millis(elapsed),
                });
            }
        }
    }

    fn end(&mut self, index: usize, outcome: Outcome) {
        self.ready.remove(&index);
        self.queued.remove(&self.rank(index));
        self.busy.remove(&index);
        let slot = &mut self.slots[index];
        slot.phase = Phase::Done;
        slot.outcome = Some(outcome);
    }

    fn done(&mut self, index: usize, entry: Entry, outcome: Outcome) {
        let name = self.name(index);
        let key = self.keys[index];
        if self.options.checkpoints == Checkpoints::Remove
            && self.checkpointed.contains(&key)
            && let Ok(Some(_lock)) = self.store.try_lock(&key)
        {
            // A run that died after its entry was in place left them. They are in nobody's way, unless somebody else makes the entry again.
            let _ = self.store.remove_checkpoints(&key);
        }
        match &outcome {
            Outcome::Reused { from } => {
                self.reporter.event(&Event::StageReused { name, key, from: *from })
            }
            Outcome::Built { elapsed } => {
                self.reporter.event(&Event::StageFinished {
                    name,
                    key,
                    elapsed_ms: millis(*elapsed),
                    size_bytes: entry.manifest().size(),
                });
            }
            _ => self.reporter.event(&Event::StageCached { name, key }),
        }
        if !matches!(outcome, Outcome::Built { .. }) {
            self.recall(index, &entry);
        }
        let slot = &mut self.slots[index];
        slot.rerun = false;
        slot.suspect = false;
        let changed = slot.before.take().is_some_and(|before| before != entry.content());
        slot.entry = Some(entry);
        self.end(index, outcome);
        if changed {
            self.reopen_dependants(index);
        }
        for dependant in self.needed_by[index].clone() {
            self.wake(dependant);
        }
    }

    /// Says again what is worth it of a result that is there.
    fn recall(&self, index: usize, entry: &Entry) {
        let node = &self.plan.nodes[index];
        let previous = || {
            self.store.previous(&self.plan.file, &node.stage, &self.plan.fingerprint(id_of(index))?)
        };
        for text in node.instance.recall(entry.folder(), &previous) {
            self.reporter.event(&Event::StageMessage {
                name: self.name(index),
                warning: false,
                text,
            });
        }
    }

    /// A repaired entry came out with another content: what was made from the old one is looked at again.
    fn reopen_dependants(&mut self, index: usize) {
        for dependant in self.descendants(index) {
            if matches!(
                self.slots[dependant].phase,
                Phase::Done | Phase::Ready | Phase::Queued | Phase::Busy
            ) {
                self.end(dependant, Outcome::Cached);
                let slot = &mut self.slots[dependant];
                slot.phase = Phase::Waiting;
                slot.outcome = None;
                slot.entry = None;
            }
        }
    }

    /// Sends the producers of damaged inputs back to the queue. That ends: an entry that was read, or just built, counts as whole for the rest
    /// of the run.
    fn repair(&mut self, index: usize, producers: &[usize]) {
        self.slots[index].phase = Phase::Waiting;
        for producer in self.sharing_files_with(producers) {
            let slot = &mut self.slots[producer];
            slot.suspect = true;
            slot.before = slot.entry.take().map(|entry| entry.content().to_owned());
            slot.outcome = None;
            slot.phase = Phase::Waiting;
            for dependant in self.needed_by[producer].clone() {
                if matches!(self.slots[dependant].phase, Phase::Ready | Phase::Queued | Phase::Busy)
                {
                    self.end(dependant, Outcome::Cached);
                    self.slots[dependant].phase = Phase::Waiting;
                    self.slots[dependant].outcome = None;
                }
            }
            self.wake(producer);
        }
        self.wake(index);
    }

    /// The nodes whose entries lie in the same folders as those of `producers`: these, equal ones, and aliases. Without those which are
    /// being repaired, since another stage found the damage before.
    fn sharing_files_with(&self, producers: &[usize]) -> Vec<usize> {
        let storage = |index: usize| {
            let slot = &self.slots[index];
            slot.entry.as_ref().filter(|_| slot.phase == Phase::Done).map(Entry::storage_key)
        };
        let damaged: BTreeSet<CacheKey> =
            producers.iter().filter_map(|index| storage(*index)).collect();
        (0..self.slots.len())
            .filter(|index| storage(*index).is_some_and(|key| damaged.contains(&key)))
            .collect()
    }

    fn fail(&mut self, index: usize, error: StageError, elapsed: Duration) {
        let name = self.name(index);
        let (text, help) = match &error {
            StageError::Failed { message, help, .. } => (message.clone(), help.clone()),
            StageError::Cancelled => (error.to_string(), None),
        };
        self.reporter.event(&Event::StageFailed {
            name: name.clone(),
            error: text,
            help,
            elapsed_ms: millis(elapsed),
        });
        self.end(index, Outcome::Failed { error, elapsed });
        for dependant in self.descendants(index) {
            if !matches!(self.slots[dependant].phase, Phase::Done | Phase::Running) {
                self.not_run(dependant, Because::Failed { upstream: name.clone() });
            }
        }
        if !self.options.keep_going && self.stopped.is_none() {
            self.stopped = Some(name);
        }
    }

    fn not_run(&mut self, index: usize, because: Because) {
        self.reporter
            .event(&Event::StageNotRun { name: self.name(index), because: because.clone() });
        self.end(index, Outcome::NotRun { because });
    }

    /// Everything downstream of a node, in the plan's order.
    fn descendants(&self, index: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut pending = vec![index];
        while let Some(next) = pending.pop() {
            for dependant in &self.needed_by[next] {
                if found.insert(*dependant) {
                    pending.push(*dependant);
                }
            }
        }
        found
    }

    fn finish(mut self, started: Instant) -> RunOutcome {
        let interrupted = self.cancel.is_cancelled();
        for index in 0..self.slots.len() {
            if self.slots[index].phase != Phase::Done {
                let because = match &self.stopped {
                    Some(after) => Because::Stopped { after: after.clone() },
                    None => Because::Interrupted,
                };
                self.not_run(index, because);
            }
        }
        let names: Vec<NodeName> = (0..self.slots.len()).map(|index| self.name(index)).collect();
        let nodes = names.into_iter().zip(self.slots).zip(&self.keys).map(|((name, slot), key)| {
            NodeResult {
                name,
                key: *key,
                outcome: slot.outcome.expect("every node has ended"),
                entry: slot.entry,
                earlier_errors: slot.earlier_errors,
            }
        });
        RunOutcome { nodes: nodes.collect(), interrupted, elapsed: started.elapsed() }
    }
}

fn id_of(index: usize) -> NodeId {
    NodeId(u32::try_from(index).expect("a plan numbers its nodes in 32 bits"))
}
