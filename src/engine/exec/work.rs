//! One node's work, on a thread of its own.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::event::{Event, NodeName, Reporter};
use super::options::{Cancel, Checkpoints, Options};
use super::outcome::millis;
use crate::base::disk::crash::crash_point;
use crate::base::units;
use crate::engine::plan::{CacheKey, Digests as _, Fingerprint, Node};
use crate::engine::stage::{
    Context, Evaluated, InputFolders, Level, Progress, Signals, SourceFile, StageError,
};
use crate::engine::store::{Entry, Finding, KeyLock, Problem, Record, State, Store, StoreError};

/// Between two progress events of a node.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// How long to wait after so many failures and one more: what fails for a reason outside, such as a network, needs time to recover.
fn pause_after(failures: usize) -> Duration {
    let doubled = 1_u64 << failures.min(9);
    Duration::from_millis(200 * doubled).min(Duration::from_secs(60))
}

/// What a node's thread needs.
pub(super) struct Job<'a> {
    /// The experiment's file.
    pub(super) file: &'a Path,
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
    /// Does the work. The texts are the errors of attempts that were not the last.
    pub(super) fn run(self) -> (Verdict, Vec<String>) {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .thread_name(|index| format!("stage-{index}"))
            .build();
        let pool = match pool {
            Ok(pool) => pool,
            Err(error) => {
                return (
                    Verdict::Failed(StageError::new(format!(
                        "cannot start {} threads: {error}",
                        self.threads
                    ))),
                    Vec::new(),
                );
            }
        };
        let mut earlier = Vec::new();
        let verdict =
            match catch_unwind(AssertUnwindSafe(|| pool.install(|| self.work(&mut earlier)))) {
                Ok(Ok(verdict)) => verdict,
                Ok(Err(error)) => Verdict::Failed(error_of(&error)),
                Err(payload) => Verdict::Failed(panic_error(payload.as_ref())),
            };
        (verdict, earlier)
    }

    fn work(&self, earlier: &mut Vec<String>) -> Result<Verdict, StoreError> {
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
        self.reporter.event(&Event::StageStarted {
            name: self.name.clone(),
            key: self.key,
            threads: self.threads,
        });
        loop {
            let begun = Instant::now();
            let error = match self.build(replace)? {
                // The key holds the digests of the plan, so that another attempt on other sources has no use.
                Verdict::Failed(error)
                    if (earlier.len() as u64) < u64::from(self.node.retry)
                        && self.changed_source().is_none() =>
                {
                    error
                }
                verdict => return Ok(verdict),
            };
            let pause = pause_after(earlier.len());
            earlier.push(error.to_string());
            self.tell_retried(earlier.len(), &error, begun.elapsed(), pause);
            if !self.wait(pause) {
                return Ok(Verdict::Cancelled);
            }
        }
    }

    fn tell_retried(&self, failed: usize, error: &StageError, elapsed: Duration, pause: Duration) {
        let help = error.help().map(str::to_owned);
        self.reporter.event(&Event::StageRetried {
            name: self.name.clone(),
            attempt: u32::try_from(failed).unwrap_or(u32::MAX),
            attempts: self.node.retry.saturating_add(1),
            error: error.to_string(),
            help,
            elapsed_ms: millis(elapsed),
            pause_ms: millis(pause),
        });
    }

    /// False when the run is interrupted meanwhile.
    fn wait(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        while !self.cancel.is_cancelled() {
            match until.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => {
                    std::thread::sleep(left.min(Duration::from_millis(50)))
                }
                _ => return true,
            }
        }
        false
    }

    /// What lies in the key's place. What is damaged is set aside; the key's lock is held.
    fn look_in_place(&self) -> Result<InPlace, StoreError> {
        match self.store.state(&self.key)? {
            State::Absent => Ok(InPlace::Nothing),
            State::Present(_) if self.rerun => Ok(InPlace::Outdated),
            State::Present(entry) if entry.manifest().inputs != self.contents() => {
                Ok(InPlace::Outdated)
            }
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
            State::Damaged(findings)
                if findings
                    .iter()
                    .all(|finding| matches!(finding.problem, Problem::Dangling { .. })) =>
            {
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
        self.inputs
            .iter()
            .map(|(port, _, entry)| ((*port).to_owned(), entry.content().to_owned()))
            .collect()
    }

    fn build(&self, replace: bool) -> Result<Verdict, StoreError> {
        let builder = self.store.builder(&self.key)?;
        let output = builder.folder();
        let folders: InputFolders = self
            .inputs
            .iter()
            .map(|(port, _, entry)| ((*port).to_owned(), entry.folder().to_owned()))
            .collect();
        let deadline = self.node.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let signals = NodeSignals {
            name: &self.name,
            reporter: self.reporter,
            cancel: self.cancel,
            deadline,
            last: Mutex::default(),
            used: Mutex::default(),
        };
        // Whoever asks for the work to be done again does not want it to begin at its own end.
        let lineage =
            self.lineage.filter(|_| !self.rerun).map(|lineage| self.store.checkpoints(&lineage));
        let context = Context {
            output: &output,
            checkpoints: &self.store.checkpoints(&self.key),
            lineage: lineage.as_deref(),
            previous: &|| self.store.previous(self.file, &self.node.stage, &self.fingerprint),
            cache: &self.store.cache(),
            device: self.options.device,
            offline: self.options.offline,
            commit: self.node.commit(),
            signals: &signals,
        };
        let ran = catch_unwind(AssertUnwindSafe(|| self.node.instance.run(&folders, &context)));
        match ran.unwrap_or_else(|payload| Err(panic_error(payload.as_ref()))) {
            Ok(()) => {}
            Err(StageError::Cancelled) if self.cancel.is_cancelled() => {
                return Ok(Verdict::Cancelled);
            }
            Err(StageError::Cancelled) if signals.is_too_late() => {
                return Ok(Verdict::Failed(self.timed_out()));
            }
            Err(StageError::Cancelled) => {
                return Ok(Verdict::Failed(StageError::new(
                    "the stage stopped without being asked to",
                )));
            }
            Err(StageError::Failed { message, help: None, parameter: None })
                if self.has_lost_an_input() =>
            {
                let help = "an input of the stage was removed or changed during the run; run the same command again";
                return Ok(Verdict::Failed(StageError::new(message).with_help(help)));
            }
            Err(error) => return Ok(Verdict::Failed(error)),
        }
        if let Some(path) = self.changed_source() {
            let error = StageError::new(format!(
                "`{}` was changed during the run, and nobody knows what was read of it",
                path.display()
            ));
            return Ok(Verdict::Failed(error.with_help("run the same command again")));
        }
        crash_point("before-commit");
        let committed = builder.commit(Record {
            fingerprint: self.fingerprint.clone(),
            artifact: self.node.kind.output.name,
            inputs: self.contents(),
            made_with: self
                .made_with(signals.used.into_inner().unwrap_or_else(PoisonError::into_inner)),
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

    /// A source file that is no longer what the key says.
    fn changed_source(&self) -> Option<PathBuf> {
        let digests = self.store.digests();
        let is_same = |source: &SourceFile| {
            let planned = self.fingerprint.sources.get(&source.name);
            digests.file(&source.path).is_ok_and(|found| Some(&found.digest) == planned)
        };
        self.node
            .instance
            .sources()
            .into_iter()
            .find(|source| !is_same(source))
            .map(|source| source.path)
    }

    /// Whether an input that was whole before the stage began no longer is, as far as sizes show.
    fn has_lost_an_input(&self) -> bool {
        self.inputs
            .iter()
            .any(|(_, _, entry)| !matches!(self.store.state(&entry.key()), Ok(State::Present(_))))
    }

    fn timed_out(&self) -> StageError {
        let timeout = self.node.timeout.map(units::duration_text).unwrap_or_default();
        StageError::new(format!("it took longer than its `timeout` of {timeout}"))
            .with_help("what it has saved is kept, so that the same command goes on from there; or give it a longer `timeout`")
    }

    /// * `device`: what the stage said that it used
    fn made_with(&self, device: Option<String>) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("program".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("device".to_owned(), device.unwrap_or_else(|| "cpu".to_owned())),
            ("threads".to_owned(), self.threads.to_string()),
        ])
    }
}

fn panic_error(payload: &(dyn Any + Send)) -> StageError {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned());
    let text = text.unwrap_or_else(|| "without a message".to_owned());
    StageError::new(format!("the stage panicked: {text}"))
        .with_help("this is a mistake in the program, not in the experiment: please report it")
}

/// Carries what a stage says to the reporter.
struct NodeSignals<'a> {
    name: &'a NodeName,
    reporter: &'a dyn Reporter,
    cancel: &'a Cancel,
    /// When the stage has had its time.
    deadline: Option<Instant>,
    last: Mutex<Option<Instant>>,
    /// The device that the stage says it uses.
    used: Mutex<Option<String>>,
}

impl NodeSignals<'_> {
    fn is_too_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

impl Signals for NodeSignals<'_> {
    fn cancelled(&self) -> bool {
        self.cancel.is_cancelled() || self.is_too_late()
    }

    fn progress(&self, progress: Progress) {
        let finished = progress.total > 0 && progress.done >= progress.total;
        {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if !finished && last.is_some_and(|last| last.elapsed() < PROGRESS_INTERVAL) {
                return;
            }
            *last = Some(Instant::now());
        }
        let Progress { done, total, unit, numbers } = progress;
        self.reporter.event(&Event::StageProgress {
            name: self.name.clone(),
            done,
            total,
            unit,
            numbers,
        });
    }

    fn evaluated(&self, evaluated: Evaluated) {
        let Evaluated { step, metrics } = evaluated;
        self.reporter.event(&Event::Evaluated { name: self.name.clone(), step, metrics });
    }

    fn message(&self, level: Level, text: String) {
        self.reporter.event(&Event::StageMessage {
            name: self.name.clone(),
            warning: level == Level::Warning,
            text,
        });
    }

    fn device(&self, name: &str) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.to_owned());
    }
}
