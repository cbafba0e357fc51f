//! Submits what can begin, and waits for what it leaves.

use std::collections::{HashMap, HashSet};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::cluster::Cluster;
use super::super::error::stage_error;
use super::super::executor::{Executor, Report, ReportTo, Started, Verdict};
use super::super::options::Setting;
use super::super::order::{Existing, WorkOrder};
use super::super::threads::Threads;
use super::batch::{Batch, Division};
use super::client::ClusterError;
use super::ending;
use super::jobs::{Fate, Jobs};
use super::log::Told;
use crate::engine::exec::event::Event;
use crate::engine::exec::node::NodeName;
use crate::engine::plan::CacheKey;
use crate::engine::stage::StageError;
use crate::engine::store::{State, StoreError};

/// Between two looks at the store, which take a moment for every node that is waited for.
const POLL: Duration = Duration::from_secs(1);
/// So many looks a second are none that a shared file system notices.
const LOOKS_PER_SECOND: usize = 500;
/// How long what a job has left may take to be seen from here: a file system that nodes share keeps what it has heard of a folder.
const VISIBLE_AFTER: Duration = Duration::from_secs(15);

/// How long after a result its task's last word may come.
const TOLD_AFTER: Duration = Duration::from_secs(3);

type Keys = Arc<Mutex<HashSet<CacheKey>>>;

/// The executor of a cluster.
pub(in crate::engine::exec) struct Slurm<'scope, 'env> {
    local: Threads<'scope, 'env>,
    /// What is made where `run` was called.
    here: HashSet<CacheKey>,
    asks: Sender<Ask>,
    handed_over: Keys,
}

/// The scheduler waits for what an order makes.
struct Ask {
    order: WorkOrder,
    report: ReportTo,
    begun: Instant,
}

impl<'scope, 'env> Slurm<'scope, 'env> {
    /// Begins to watch, on a thread of its own that ends when this is dropped.
    ///
    /// # Errors
    /// When there is no such thread.
    pub(in crate::engine::exec) fn new(
        local: Threads<'scope, 'env>,
        division: Division,
        cluster: &'env Cluster,
    ) -> std::io::Result<Self> {
        let (asks, asked) = mpsc::channel();
        let handed_over = Keys::default();
        let (scope, setting) = (local.scope, local.setting);
        let watcher = Watcher {
            setting,
            cluster,
            names: names(&division.batches),
            jobs: Jobs::new(setting, cluster, division.batches, Arc::clone(&handed_over)),
            asked,
            wanted: HashMap::new(),
            appeared: HashMap::new(),
            is_away_told: false,
        };
        std::thread::Builder::new().spawn_scoped(scope, move || watcher.run())?;
        Ok(Self { local, here: division.here, asks, handed_over })
    }
}

/// What this run calls its nodes.
fn names(batches: &[Batch]) -> HashMap<(String, String), NodeName> {
    let orders = batches.iter().flat_map(|batch| &batch.orders);
    orders.map(|order| (place(&order.name), order.name.clone())).collect()
}

fn place(name: &NodeName) -> (String, String) {
    (name.stage.to_string(), name.label.to_string())
}

impl Executor for Slurm<'_, '_> {
    fn start(
        &self,
        order: WorkOrder,
        threads: usize,
        report: ReportTo,
    ) -> Result<Started, StoreError> {
        if self.here.contains(&order.key) {
            return self.local.start(order, threads, report);
        }
        // The other end lives as long as this.
        let _ = self.asks.send(Ask { order, report, begun: Instant::now() });
        Ok(Started::Yes)
    }

    fn limits_itself(&self) -> bool {
        true
    }

    fn has_in_hand(&self, key: &CacheKey) -> bool {
        self.handed_over.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
    }
}

struct Watcher<'a> {
    setting: Setting<'a>,
    cluster: &'a Cluster,
    names: HashMap<(String, String), NodeName>,
    jobs: Jobs<'a>,
    asked: Receiver<Ask>,
    wanted: HashMap<CacheKey, Vec<Ask>>,
    /// Since when results are there that their tasks have not told of.
    appeared: HashMap<CacheKey, Instant>,
    /// That the controller does not answer is said once.
    is_away_told: bool,
}

impl Watcher<'_> {
    fn run(mut self) {
        loop {
            let many = Duration::from_millis((self.wanted.len() * 1000 / LOOKS_PER_SECOND) as u64);
            match self.asked.recv_timeout(many.clamp(POLL, 4 * POLL)) {
                Ok(ask) => {
                    self.take(ask);
                    while let Ok(ask) = self.asked.try_recv() {
                        self.take(ask);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.setting.cancel.is_cancelled() {
                self.let_go();
                continue;
            }
            match self.jobs.advance() {
                Ok(()) => self.is_away_told = false,
                Err(ClusterError::Away) => self.tell_away(),
                Err(error) => {
                    let error = StageError::of(&error).hindered();
                    self.end_all(|| Verdict::Failed(error.clone()));
                }
            }
            while let Some(text) = self.jobs.news() {
                self.setting.reporter.event(&Event::Jobs { text });
            }
            self.look();
            if self.cluster.detach && self.jobs.is_all_submitted() && !self.wanted.is_empty() {
                self.setting.cancel.cancel();
                self.let_go();
            }
        }
    }

    fn take(&mut self, ask: Ask) {
        self.names.insert(place(&ask.order.name), ask.order.name.clone());
        self.jobs.cover(&ask.order);
        self.wanted.entry(ask.order.key).or_default().push(ask);
    }

    /// The jobs go on; who runs the same command again finds them.
    fn let_go(&mut self) {
        self.end_all(|| Verdict::Cancelled);
    }

    fn end_all(&mut self, verdict: impl Fn() -> Verdict) {
        for ask in self.wanted.drain().flat_map(|(_, asks)| asks) {
            end(ask, verdict(), Duration::ZERO);
        }
    }

    fn tell_away(&mut self) {
        if !std::mem::replace(&mut self.is_away_told, true) {
            let text = "Slurm's controller does not answer: the run waits for it".to_owned();
            self.setting.reporter.event(&Event::Warning { text });
        }
    }

    /// Looks for what is waited for.
    fn look(&mut self) {
        let keys: Vec<CacheKey> = self.wanted.keys().copied().collect();
        let events = self.jobs.follow(&keys);
        events.into_iter().for_each(|event| self.pass_on(event));
        for key in keys {
            if let Some((verdict, elapsed)) = self.verdict(&key) {
                for ask in self.wanted.remove(&key).into_iter().flatten() {
                    let elapsed = elapsed.unwrap_or_else(|| ask.begun.elapsed());
                    end(ask, verdict.clone(), elapsed);
                }
            }
        }
    }

    /// An event of a task, under this run's name for the node.
    fn pass_on(&self, mut event: Event) {
        let name = event.name_mut().and_then(|name| {
            *name = self.names.get(&place(name))?.clone();
            Some(())
        });
        if name.is_some() {
            self.setting.reporter.event(&event);
        }
    }

    /// How the work for a key has ended, if it has, and how long it took where that is known.
    fn verdict(&mut self, key: &CacheKey) -> Option<(Verdict, Option<Duration>)> {
        let ask = self.wanted.get(key)?.first()?;
        let told = self.jobs.told(key);
        // What lies there already is not what was asked for: only the task knows when it is.
        let counts = ask.order.existing == Existing::Good || told.is_some();
        if counts {
            match self.setting.store.state(key) {
                Ok(State::Present(entry)) => {
                    return match told {
                        Some(Told::Found) => Some((Verdict::Found(entry), None)),
                        Some(Told::Built(elapsed)) => Some((Verdict::Built(entry), Some(*elapsed))),
                        // Its last line may be on its way.
                        _ if self.appeared.entry(*key).or_insert_with(Instant::now).elapsed()
                            < TOLD_AFTER =>
                        {
                            None
                        }
                        _ => Some((Verdict::Built(entry), None)),
                    };
                }
                Ok(State::Absent | State::Damaged(_)) => {}
                Err(error) => return Some((Verdict::Failed(stage_error(&error)), None)),
            }
        }
        if let Some(Told::Failed(error)) = told {
            return Some((Verdict::Failed(error.clone()), None));
        }
        let failed = |error| Some((Verdict::Failed(error), None));
        match self.jobs.fate(key)? {
            Fate::Ended { task, since, stderr } if since.elapsed() > VISIBLE_AFTER => {
                failed(ending::failure(&task, &stderr))
            }
            Fate::Vanished { job, index, stderr } => failed(ending::vanished(job, index, &stderr)),
            Fate::Ended { .. } => None,
        }
    }
}

fn end(ask: Ask, verdict: Verdict, elapsed: Duration) {
    ask.report.send(Report { verdict, earlier_errors: Vec::new(), elapsed });
}
