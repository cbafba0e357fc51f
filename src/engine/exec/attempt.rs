//! One attempt at the work of an order: the stage runs, and what it leaves becomes an entry.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::event::{Event, Reporter};
use super::executor::Verdict;
use super::node::NodeName;
use super::options::{Cancel, SavedStates};
use super::order::Existing;
use super::reads::read_of;
use super::work::{Inputs, Job, contents, panic_error};
use crate::base::disk::crash::crash_point;
use crate::base::machine;
use crate::base::problem::Help;
use crate::base::units;
use crate::engine::stage::{Context, Evaluated, InputFolders, Level, Progress, Signal, StageError};
use crate::engine::store::{Entry, Manifest, Record, State, StoreError};

/// Between two progress events of a node.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

impl Job<'_> {
    /// * `replace`: an entry in place gives way
    pub(super) fn attempt(&self, inputs: &Inputs, replace: bool) -> Result<Verdict, StoreError> {
        let (order, store) = (&self.order, self.setting.store);
        let builder = store.builder(&order.key)?;
        let signals = NodeSignals {
            name: &order.name,
            reporter: self.setting.reporter,
            cancel: self.setting.cancel,
            deadline: order.timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            last: Mutex::default(),
            used: Mutex::default(),
        };
        if let Err(error) = self.run_stage(inputs, &builder.folder(), &signals) {
            return Ok(self.verdict_of(error, inputs, &signals));
        }
        if let Some(path) = self.changed_source() {
            let error = StageError::new(format!(
                "`{}` was changed during the run, and nobody knows what was read of it",
                path.display()
            ));
            return Ok(Verdict::Failed(error.with_help("run the same command again")));
        }
        crash_point("before-commit");
        let device = signals.used.into_inner().unwrap_or_else(PoisonError::into_inner);
        let committed = builder.commit(Record {
            fingerprint: order.fingerprint.clone(),
            artifact: order.kind.output.name,
            inputs: contents(inputs),
            read: read_of(&*order.instance, inputs),
            made_with: self.made_with(device),
            volatile: order.kind.output.volatile,
            replace,
        })?;
        crash_point("before-checkpoints-removed");
        if self.setting.options.saved_states == SavedStates::Remove {
            // The entry is complete; a saved state that stays costs space only, and the next run removes it.
            let _ = store.remove_saved_state(&order.key);
            let is_whole = order.instance.extension().is_some_and(|extension| extension.is_whole);
            if let Some(shared) = order.warm_start.filter(|_| is_whole) {
                let _ = store.remove_saved_state(&shared);
            }
        }
        Ok(Verdict::Built(committed.entry))
    }

    /// * `output`: where the stage is to write
    fn run_stage(
        &self,
        inputs: &Inputs,
        output: &Path,
        signals: &NodeSignals<'_>,
    ) -> Result<(), StageError> {
        let (order, store, options) = (&self.order, self.setting.store, self.setting.options);
        let folders: InputFolders =
            inputs.iter().map(|(port, entry)| (port.clone(), entry.folder().to_owned())).collect();
        // Whoever asks for the work to be done again does not want it to begin at its own end.
        let warm_start = order.warm_start.filter(|_| order.existing != Existing::Outdated);
        let warm_start = warm_start.map(|warm_start| store.saved_state(&warm_start));
        let saved_state = store.saved_state(&order.key);
        let context = Context {
            output,
            saved_state: &saved_state,
            folder: match order.file.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            },
            log: &self.log(&saved_state),
            warm_start: warm_start.as_deref(),
            previous: &|| {
                self.setting.known.previous(&order.file, &order.name.stage, &order.fingerprint)
            },
            cache: &store.cache(),
            device: options.device,
            offline: options.offline,
            commit: order.fingerprint.commit.as_deref(),
            cancelled: &|| signals.is_cancelled(),
            tell: &|signal| signals.pass_on(signal),
        };
        catch_unwind(AssertUnwindSafe(|| order.instance.run(&folders, &context)))
            .unwrap_or_else(|payload| Err(panic_error(payload.as_ref())))
    }

    /// The file for what other programs print.
    fn log(&self, saved_state: &Path) -> PathBuf {
        let (NodeName { stage, label, .. }, key) = (&self.order.name, self.order.key.short());
        match &self.setting.options.logs {
            Some(folder) if label.is_empty() => folder.join(format!("{stage}.log")),
            Some(folder) => folder.join(format!("{stage}-{key}.log")),
            None => saved_state.join("output.log"),
        }
    }

    /// What it means that the stage came back with an error.
    fn verdict_of(&self, error: StageError, inputs: &Inputs, signals: &NodeSignals<'_>) -> Verdict {
        match error {
            StageError::Cancelled if self.setting.cancel.is_cancelled() => Verdict::Cancelled,
            StageError::Cancelled if signals.is_too_late() => Verdict::Failed(self.timed_out()),
            StageError::Cancelled => {
                Verdict::Failed(StageError::new("the stage stopped without being asked to"))
            }
            error
                if error.help().is_none()
                    && error.parameter().is_none()
                    && self.has_lost_an_input(inputs) =>
            {
                Verdict::Failed(error.with_help("an input of the stage was removed or changed during the run; run the same command again"))
            }
            error => Verdict::Failed(error),
        }
    }

    /// Whether an input that was whole before the stage began no longer is, as far as sizes show.
    fn has_lost_an_input(&self, inputs: &Inputs) -> bool {
        let is_there =
            |entry: &Entry| matches!(self.setting.store.state(&entry.key()), Ok(State::Present(_)));
        !inputs.values().all(is_there)
    }

    fn timed_out(&self) -> StageError {
        let timeout = self.order.timeout.map(units::duration_text).unwrap_or_default();
        let has_saved = self.setting.store.saved_state(&self.order.key).exists();
        let error = format!("it took longer than its `timeout` of {timeout}");
        StageError::new(error).hindered().with_help(if has_saved {
            "what it has saved is kept, so that the same command goes on from there; or give it a longer `timeout`"
        } else {
            "it was stopped, and begins anew with the next run: give it a longer `timeout`, or less to do"
        })
    }

    /// * `device`: what the stage said that it used
    fn made_with(&self, device: Option<String>) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("program".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("device".to_owned(), device.unwrap_or_else(|| "cpu".to_owned())),
            ("threads".to_owned(), self.threads.to_string()),
            ("processor".to_owned(), machine::processor().to_owned()),
            (Manifest::INSTRUCTIONS.to_owned(), machine::instructions().to_owned()),
        ])
    }
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

    fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled() || self.is_too_late()
    }

    fn pass_on(&self, signal: Signal) {
        let name = || self.name.clone();
        self.reporter.event(&match signal {
            Signal::Progress(progress) => {
                if !self.is_due(&progress) {
                    return;
                }
                let Progress { done, total, unit, numbers } = progress;
                Event::StageProgress { name: name(), done, total, unit: unit.into(), numbers }
            }
            Signal::Evaluated(Evaluated { step, split, metrics }) => {
                Event::Evaluated { name: name(), step, split: split.into(), metrics }
            }
            Signal::Message(level, text) => {
                Event::StageMessage { name: name(), warning: level == Level::Warning, text }
            }
            Signal::Device(device) => {
                *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Some(device);
                return;
            }
        });
    }

    /// Whether so much time has gone by since the last progress that this is passed on; the end always is.
    fn is_due(&self, progress: &Progress) -> bool {
        let finished = progress.total > 0 && progress.done >= progress.total;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if !finished && last.is_some_and(|last| last.elapsed() < PROGRESS_INTERVAL) {
            return false;
        }
        *last = Some(Instant::now());
        true
    }
}
