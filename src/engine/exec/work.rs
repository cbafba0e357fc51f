//! The work of one order: what is in its place, whether its inputs are whole, and attempts until one succeeds.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::error::stage_error;
use super::event::Event;
use super::executor::Verdict;
use super::options::Setting;
use super::order::{Existing, WorkOrder};
use super::outcome::millis;
use crate::base::problem::Help;
use crate::engine::plan::{CacheKey, Digests as _};
use crate::engine::stage::{SourceFile, StageError};
use crate::engine::store::{Entry, Finding, KeyLock, Problem, State, StoreError};

/// How long to wait after so many failures and one more: what fails for a reason outside, such as a network, needs time to recover.
fn pause_after(failures: usize) -> Duration {
    let doubled = 1_u64 << failures.min(9);
    Duration::from_millis(200 * doubled).min(Duration::from_secs(60))
}

/// An order, with what the process has that works on it.
pub(super) struct Job<'a> {
    pub(super) setting: Setting<'a>,
    pub(super) order: WorkOrder,
    /// Of the order's key.
    pub(super) lock: KeyLock,
    pub(super) threads: usize,
}

/// The entries at an order's ports, by port.
pub(super) type Inputs = BTreeMap<String, Entry>;

enum InPlace {
    Nothing,
    Good(Entry),
    /// It gives way to what is built now: asked for by the user, or made from inputs that had another content.
    Outdated,
}

impl Job<'_> {
    /// Does the work. The texts are the errors of attempts that were not the last.
    pub(super) fn run(self) -> (Verdict, Vec<String>) {
        let mut earlier = Vec::new();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .thread_name(|index| format!("stage-{index}"))
            .build();
        let pool = match pool {
            Ok(pool) => pool,
            Err(error) => {
                let text = format!("cannot start {} threads: {error}", self.threads);
                let help =
                    "`--threads` asks for fewer; `ulimit -u` and `ulimit -v` say what is allowed";
                let error = StageError::new(text).with_help(help);
                return (Verdict::Failed(error), earlier);
            }
        };
        let worked = catch_unwind(AssertUnwindSafe(|| pool.install(|| self.work(&mut earlier))));
        let verdict = match worked {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(error)) => Verdict::Failed(stage_error(&error)),
            Err(payload) => Verdict::Failed(panic_error(payload.as_ref())),
        };
        (verdict, earlier)
    }

    fn work(&self, earlier: &mut Vec<String>) -> Result<Verdict, StoreError> {
        let inputs = match self.open_inputs()? {
            Ok(inputs) => inputs,
            Err(damaged) => return Ok(Verdict::InputsDamaged(damaged)),
        };
        let replace = match self.look_in_place(&inputs)? {
            InPlace::Good(entry) => return Ok(Verdict::Found(entry)),
            InPlace::Outdated => true,
            InPlace::Nothing => false,
        };
        let is_damaged = |entry: &&Entry| !self.setting.store.verify_once(entry).is_empty();
        let damaged: Vec<CacheKey> = inputs.values().filter(is_damaged).map(Entry::key).collect();
        if !damaged.is_empty() {
            return Ok(Verdict::InputsDamaged(damaged));
        }
        if self.setting.cancel.is_cancelled() {
            return Ok(Verdict::Cancelled);
        }
        if let Some(path) = self.changed_source() {
            let text =
                format!("`{}` is no longer what it was when this was planned", path.display());
            let help = "plan again: run the same command, or make the orders again";
            return Ok(Verdict::Failed(StageError::new(text).with_help(help).hindered()));
        }
        self.setting.reporter.event(&Event::StageStarted {
            name: self.order.name.clone(),
            key: self.order.key,
            threads: self.threads,
        });
        loop {
            let begun = Instant::now();
            let error = match self.attempt(&inputs, replace)? {
                // The key holds the digests of the plan, so that another attempt on other sources has no use.
                Verdict::Failed(error)
                    if (earlier.len() as u64) < u64::from(self.order.retry)
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

    /// The entries of the inputs, or the keys of those that are not there as a whole, as far as sizes show.
    fn open_inputs(&self) -> Result<Result<Inputs, Vec<CacheKey>>, StoreError> {
        let (mut inputs, mut damaged) = (Inputs::new(), Vec::new());
        for (port, key) in &self.order.fingerprint.inputs {
            match self.setting.store.get(key)? {
                Some(entry) => drop(inputs.insert(port.clone(), entry)),
                None => damaged.push(*key),
            }
        }
        Ok(if damaged.is_empty() { Ok(inputs) } else { Err(damaged) })
    }

    fn tell_retried(&self, failed: usize, error: &StageError, elapsed: Duration, pause: Duration) {
        let help = error.help().map(Cow::into_owned);
        self.setting.reporter.event(&Event::StageRetried {
            name: self.order.name.clone(),
            attempt: u32::try_from(failed).unwrap_or(u32::MAX),
            attempts: self.order.retry.saturating_add(1),
            error: error.to_string(),
            help,
            elapsed_ms: millis(elapsed),
            pause_ms: millis(pause),
        });
    }

    /// False when the run is interrupted meanwhile.
    fn wait(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        while !self.setting.cancel.is_cancelled() {
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
    fn look_in_place(&self, inputs: &Inputs) -> Result<InPlace, StoreError> {
        let store = self.setting.store;
        match store.state(&self.order.key)? {
            State::Absent => Ok(InPlace::Nothing),
            State::Present(_) if self.order.existing == Existing::Outdated => Ok(InPlace::Outdated),
            State::Present(entry) if entry.manifest().inputs != contents(inputs) => {
                Ok(InPlace::Outdated)
            }
            State::Present(entry) if self.order.existing == Existing::Suspect => {
                let findings = store.verify_again(&entry);
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
                self.set_aside(&self.order.key, &findings)?;
                Ok(InPlace::Nothing)
            }
        }
    }

    fn set_aside(&self, key: &CacheKey, findings: &[Finding]) -> Result<(), StoreError> {
        let store = self.setting.store;
        let other;
        let lock = if *key == self.order.key {
            &self.lock
        } else {
            // The files lie under another key. If someone is at work there, they see to it; this entry gets files of its own either way.
            match store.try_lock(key)? {
                Some(lock) => {
                    other = lock;
                    &other
                }
                None => return Ok(()),
            }
        };
        if let Some(moved_to) = store.set_aside(key, lock)? {
            self.setting.reporter.event(&Event::EntryDamaged {
                name: self.order.name.clone(),
                key: *key,
                findings: findings.iter().map(ToString::to_string).collect(),
                moved_to: moved_to.display().to_string(),
            });
        }
        Ok(())
    }

    /// A source file that is no longer what the key says.
    pub(super) fn changed_source(&self) -> Option<PathBuf> {
        let digests = self.setting.store.digests();
        let is_same = |source: &SourceFile| {
            let planned = self.order.fingerprint.sources.get(&source.name);
            digests.file(&source.path).is_ok_and(|found| Some(&found.digest) == planned)
        };
        let mut sources = self.order.instance.sources().into_iter();
        sources.find(|source| !is_same(source)).map(|source| source.path)
    }
}

/// The content digests of inputs, by port.
pub(super) fn contents(inputs: &Inputs) -> BTreeMap<String, String> {
    inputs.iter().map(|(port, entry)| (port.clone(), entry.content().to_owned())).collect()
}

pub(super) fn panic_error(payload: &(dyn Any + Send)) -> StageError {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned());
    let text = text.unwrap_or_else(|| "without a message".to_owned());
    StageError::new(format!("the stage panicked: {text}"))
        .with_help("this is a mistake in the program, not in the experiment: please report it")
}
