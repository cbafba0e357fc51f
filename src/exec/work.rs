//! One node's work, on a thread of its own.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::event::{Event, NodeName, Reporter};
use super::options::{Cancel, Checkpoints, Options};
use crate::plan::{CacheKey, Fingerprint, Node};
use crate::stage::{Context, Device, InputFolders, Level, Progress, Signals, StageError};
use crate::store::{Entry, Finding, KeyLock, Problem, Record, State, Store, StoreError, crash_point};

/// Between two progress events of a node.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// What a node's thread needs.
pub(super) struct Job<'a> {
    pub(super) node: &'a Node,
    pub(super) name: NodeName,
    pub(super) key: CacheKey,
    pub(super) fingerprint: Fingerprint,
    /// The name under which shorter and longer ones leave their state, where the stage can go on from one.
    pub(super) lineage: Option<CacheKey>,
    pub(super) lock: KeyLock,
    pub(super) threads: usize,
    /// Port, place of the producer in the plan, its entry.
    pub(super) inputs: Vec<(&'static str, usize, Entry)>,
    /// An entry that is there is not good enough.
    pub(super) rerun: bool,
    /// The entry was found damaged by a stage that reads it.
    pub(super) suspect: bool,
    pub(super) store: &'a Store,
    pub(super) options: &'a Options,
    pub(super) reporter: &'a dyn Reporter,
    pub(super) cancel: &'a Cancel,
}

/// How the work ended.
pub(super) enum Verdict {
    Built(Entry),
    /// Another process had built it by the time its lock was free.
    Found(Entry),
    /// These inputs are not what their manifests say; nothing was run.
    InputsDamaged(Vec<usize>),
    Failed(StageError),
    Cancelled,
}

enum InPlace {
    Nothing,
    Good(Entry),
    /// It gives way to what is built now: asked for by the user, or made from inputs that had another content.
    Outdated,
}

pub(super) fn error_of(error: &StoreError) -> StageError {
    let failure = StageError::new(error.to_string());
    match error.help() {
        Some(help) => failure.with_help(help),
        None => failure,
    }
}

impl Job<'_> {
    pub(super) fn run(self) -> Verdict {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads).thread_name(|index| format!("stage-{index}")).build();
        let pool = match pool {
            Ok(pool) => pool,
            Err(error) => return Verdict::Failed(StageError::new(format!("cannot start {} threads: {error}", self.threads))),
        };
        match catch_unwind(AssertUnwindSafe(|| pool.install(|| self.work()))) {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(error)) => Verdict::Failed(error_of(&error)),
            Err(payload) => Verdict::Failed(panic_error(payload.as_ref())),
        }
    }

    fn work(&self) -> Result<Verdict, StoreError> {
        let replace = match self.look_in_place()? {
            InPlace::Good(entry) => return Ok(Verdict::Found(entry)),
            InPlace::Outdated => true,
            InPlace::Nothing => false,
        };
        let damaged: Vec<usize> = self
            .inputs
            .iter()
            .filter(|(_, _, entry)| !self.store.verify_once(entry).is_empty())
            .map(|(_, producer, _)| *producer)
            .collect();
        if !damaged.is_empty() {
            return Ok(Verdict::InputsDamaged(damaged));
        }
        if self.cancel.is_cancelled() {
            return Ok(Verdict::Cancelled);
        }
        self.reporter.event(&Event::StageStarted { name: self.name.clone(), key: self.key, threads: self.threads });
        self.build(replace)
    }

    /// What lies in the key's place. What is damaged is set aside; the key's lock is held.
    fn look_in_place(&self) -> Result<InPlace, StoreError> {
        match self.store.state(&self.key)? {
            State::Absent => Ok(InPlace::Nothing),
            State::Present(_) if self.rerun => Ok(InPlace::Outdated),
            State::Present(entry) if entry.manifest().inputs != self.contents() => Ok(InPlace::Outdated),
            State::Present(entry) if self.suspect => {
                let findings = self.store.verify_again(&entry);
                if findings.is_empty() {
                    return Ok(InPlace::Good(entry));
                }
                self.set_aside(&entry.storage_key(), &findings)?;
                Ok(InPlace::Nothing)
            }
            State::Present(entry) => Ok(InPlace::Good(entry)),
            // It holds no files, and makes way for the new entry by itself.
            State::Damaged(findings) if findings.iter().all(|finding| matches!(finding.problem, Problem::Dangling { .. })) => {
                Ok(InPlace::Nothing)
            }
            State::Damaged(findings) => {
                self.set_aside(&self.key, &findings)?;
                Ok(InPlace::Nothing)
            }
        }
    }

    fn set_aside(&self, key: &CacheKey, findings: &[Finding]) -> Result<(), StoreError> {
        let other;
        let lock = if *key == self.key {
            &self.lock
        } else {
            // The files lie under another key. If someone is at work there, they see to it; this entry gets files of its own either way.
            match self.store.try_lock(key)? {
                Some(lock) => {
                    other = lock;
                    &other
                }
                None => return Ok(()),
            }
        };
        if let Some(moved_to) = self.store.set_aside(key, lock)? {
            self.reporter.event(&Event::EntryDamaged {
                name: self.name.clone(),
                key: *key,
                findings: findings.iter().map(ToString::to_string).collect(),
                moved_to: moved_to.display().to_string(),
            });
        }
        Ok(())
    }

    /// The content digests of the inputs.
    fn contents(&self) -> BTreeMap<String, String> {
        self.inputs.iter().map(|(port, _, entry)| ((*port).to_owned(), entry.content().to_owned())).collect()
    }

    fn build(&self, replace: bool) -> Result<Verdict, StoreError> {
        let builder = self.store.builder(&self.key)?;
        let output = builder.folder();
        let folders: InputFolders = self.inputs.iter().map(|(port, _, entry)| ((*port).to_owned(), entry.folder().to_owned())).collect();
        let signals = NodeSignals { name: &self.name, reporter: self.reporter, cancel: self.cancel, last: Mutex::new(None) };
        // Whoever asks for the work to be done again does not want it to begin at its own end.
        let lineage = self.lineage.filter(|_| !self.rerun).map(|lineage| self.store.checkpoints(&lineage));
        let context = Context {
            output: &output,
            checkpoints: &self.store.checkpoints(&self.key),
            lineage: lineage.as_deref(),
            cache: &self.store.cache(),
            device: self.options.device,
            offline: self.options.offline,
            commit: self.node.commit(),
            signals: &signals,
        };
        match self.node.instance.run(&folders, &context) {
            Ok(()) => {}
            Err(StageError::Cancelled) if self.cancel.is_cancelled() => return Ok(Verdict::Cancelled),
            Err(StageError::Cancelled) => return Ok(Verdict::Failed(StageError::new("the stage stopped without being asked to"))),
            Err(error) => return Ok(Verdict::Failed(error)),
        }
        crash_point("before-commit");
        let committed = builder.commit(Record {
            fingerprint: self.fingerprint.clone(),
            artifact: self.node.kind.output.name,
            inputs: self.contents(),
            made_with: self.made_with(),
            volatile: self.node.kind.output.volatile,
            replace,
        })?;
        crash_point("before-checkpoints-removed");
        if self.options.checkpoints == Checkpoints::Remove {
            // The entry is complete; checkpoints that stay cost space only, and the next run removes them.
            let _ = self.store.remove_checkpoints(&self.key);
        }
        Ok(Verdict::Built(committed.entry))
    }

    fn made_with(&self) -> BTreeMap<String, String> {
        let device = match self.options.device {
            Device::Auto => "auto".to_owned(),
            Device::Cpu => "cpu".to_owned(),
            Device::Cuda(index) => format!("cuda:{index}"),
            Device::Metal(index) => format!("metal:{index}"),
        };
        BTreeMap::from([
            ("program".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("device".to_owned(), device),
            ("threads".to_owned(), self.threads.to_string()),
        ])
    }
}

fn panic_error(payload: &(dyn Any + Send)) -> StageError {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| payload.downcast_ref::<String>().cloned());
    let text = text.unwrap_or_else(|| "without a message".to_owned());
    StageError::new(format!("the stage panicked: {text}"))
        .with_help("this is a mistake in the program, not in the experiment: please report it")
}

/// Carries what a stage says to the reporter.
struct NodeSignals<'a> {
    name: &'a NodeName,
    reporter: &'a dyn Reporter,
    cancel: &'a Cancel,
    last: Mutex<Option<Instant>>,
}

impl Signals for NodeSignals<'_> {
    fn cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    fn progress(&self, progress: Progress) {
        let finished = progress.total > 0 && progress.done >= progress.total;
        {
            let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if !finished && last.is_some_and(|last| last.elapsed() < PROGRESS_INTERVAL) {
                return;
            }
            *last = Some(Instant::now());
        }
        let Progress { done, total, unit, numbers } = progress;
        self.reporter.event(&Event::StageProgress { name: self.name.clone(), done, total, unit, numbers });
    }

    fn message(&self, level: Level, text: String) {
        self.reporter.event(&Event::StageMessage { name: self.name.clone(), warning: level == Level::Warning, text });
    }
}
