//! The folder of one training's saved states: which files lie in it, and how long they stay.
//!
//! ```text
//! step-000000000120.checkpoint   everything after step 120; the newest two are kept
//! best-000000000100.weights      the weights of an evaluation that a kept saved state, or the running training, calls the best
//! lock                           held by the process that trains; the kernel releases it
//! ```
//!
//! All of it may be deleted at any time: that costs only time.

mod file;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use self::file::{TEMPORARY, Verified};
use super::engine::Engine;
use super::history::Row;
use super::state::{Best, State};
use crate::base::disk::durable;
use crate::base::disk::locks::FileLock;
use crate::base::disk::regular;

pub use self::file::{SaveError, Verified as VerifiedState};

/// Saved states that are kept, so that a damaged newest one does not cost everything.
const KEPT: usize = 2;

/// Best weights of at most this many bytes wait in memory when they come too soon after others. Larger ones are written at once, whatever that
/// costs, and their cost delays no saved state: a second copy of a large model is what many machines have no memory for.
pub const WAITING_BYTES: u64 = 64 << 20;

/// Where the weights of the best evaluation so far are.
#[derive(Debug)]
pub enum BestWeights {
    /// In a file of the folder. It is held open, so that the weights outlive the removal of its name.
    File(File),
    /// In memory: no folder takes them, or they are small and came too soon after others were written.
    Memory(Vec<f32>),
}

/// Which saved states in a folder serve beside the one that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// Those of the same training: it went on from an older state than any later one in its folder.
    Earlier,
    /// Also those of trainings that went further, where several share the folder.
    Any,
}

/// An open folder, locked against other writers where it was opened for writing.
#[derive(Debug)]
pub struct SavedStates {
    folder: PathBuf,
    _lock: Option<FileLock>,
}

impl SavedStates {
    /// Opens `folder`, creating it where needed, and removes what a killed process left half written. `None` when another process has it open.
    ///
    /// # Errors
    /// When the folder cannot be created or locked.
    pub fn open(folder: &Path) -> Result<Option<Self>, SaveError> {
        let failed = |error| SaveError::io("open", folder, error);
        durable::create_folder(folder).map_err(failed)?;
        let Some(lock) = FileLock::try_take(&folder.join("lock")).map_err(failed)? else {
            return Ok(None);
        };
        let states = Self { folder: folder.to_path_buf(), _lock: Some(lock.kept()) };
        states.remove(|name| name.starts_with(TEMPORARY));
        Ok(Some(states))
    }

    /// Opens `folder` for reading only, beside whoever writes in it.
    #[must_use]
    pub fn read_only(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), _lock: None }
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Loads the newest usable saved state of the training called `training` with at most `last_step` steps into the engine.
    /// `unusable` hears about every one that had to be passed over.
    ///
    /// # Errors
    /// When reading fails after the file was found whole, which leaves the engine half filled.
    pub fn load_newest(
        &self,
        training: &str,
        last_step: u64,
        engine: &mut dyn Engine,
        unusable: &mut dyn FnMut(&Path, &SaveError),
    ) -> Result<Option<(State, Vec<Row>)>, SaveError> {
        for (step, path) in self.newest_first() {
            if step > last_step {
                continue;
            }
            match self.verify(&path, training, step) {
                Ok((mut verified, state, history)) => {
                    verified.load(engine)?;
                    return Ok(Some((state, history)));
                }
                Err(error) => unusable(&path, &error),
            }
        }
        Ok(None)
    }

    /// Checks everything that a continued training will need, the best weights included.
    fn verify(
        &self,
        path: &Path,
        training: &str,
        step: u64,
    ) -> Result<(Verified, State, Vec<Row>), SaveError> {
        let mut verified = Verified::open(path)?;
        let state = verified
            .state()
            .filter(|state| state.training == training && state.step == step)
            .cloned();
        let state = state.ok_or_else(|| SaveError::Foreign { path: path.to_path_buf() })?;
        let history = verified.history()?;
        if let Some(best) = &state.best {
            self.verify_best(best, Verified::open(&self.best_path(best.step))?)?;
        }
        Ok((verified, state, history))
    }

    fn verify_best(&self, best: &Best, verified: Verified) -> Result<Verified, SaveError> {
        if best.digest.as_deref() == Some(verified.digest().to_hex().as_str()) {
            Ok(verified)
        } else {
            let path = self.best_path(best.step);
            Err(SaveError::Damaged {
                path,
                reason: "these are not the best weights that were recorded".into(),
            })
        }
    }

    /// Writes a saved state of the running training and removes what no longer serves.
    ///
    /// * `others`: which saved states serve beside it
    ///
    /// # Errors
    /// When the disk refuses; what was there before still is.
    pub fn save(
        &self,
        state: &State,
        history: &[Row],
        engine: &dyn Engine,
        others: Others,
    ) -> Result<(), SaveError> {
        self.restore_folder()?;
        file::write(&self.state_path(state.step), state, history, engine)?;
        self.prune(state, |step| others == Others::Any || step <= state.step);
        Ok(())
    }

    /// The step of the newest saved state of fewer than `step` steps, whole or not.
    #[must_use]
    pub fn newest_before(&self, step: u64) -> Option<u64> {
        self.newest_first().into_iter().map(|(found, _)| found).find(|&found| found < step)
    }

    /// The step of the newest saved state of at most `last_step` steps whose beginning can be read and whose length is right, as is that of the
    /// best weights that it names; nobody has held the rest of them against their digests.
    #[must_use]
    pub fn newest_readable(&self, last_step: u64) -> Option<u64> {
        let has_best = |best: &Best| file::seems_to_hold_weights(&self.best_path(best.step));
        let serves = |state: State| state.best.as_ref().is_none_or(has_best);
        let readable = |(step, path): &(u64, PathBuf)| {
            *step <= last_step
                && file::peek(path).is_some_and(|state| state.step == *step && serves(state))
        };
        self.newest_first().into_iter().find(readable).map(|(step, _)| step)
    }

    /// True when a saved state of exactly this many steps is there, whole or not.
    #[must_use]
    pub fn has(&self, step: u64) -> bool {
        self.state_path(step).exists()
    }

    /// Writes the engine's parameters as those of the evaluation after `step`, the best so far, and returns their digest and where they are.
    /// Earlier ones that no saved state names go.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save_best(
        &self,
        step: u64,
        engine: &dyn Engine,
    ) -> Result<(String, BestWeights), SaveError> {
        self.restore_folder()?;
        let digest = file::write_weights(&self.best_path(step), engine)?;
        let best = self.open_best(step)?;
        let steps: Vec<u64> =
            self.newest_first().into_iter().map(|(step, _)| step).take(KEPT).collect();
        let named = self.best_of(&steps);
        self.remove(|name| {
            BEST.step(name).is_some_and(|found| found != step && !named.contains(&found))
        });
        Ok((digest.to_hex().to_string(), best))
    }

    /// Sees that the best weights lie in the folder, where a saved state that names them will look for them.
    ///
    /// # Errors
    /// When the disk refuses. Then they are where they were.
    pub fn settle_best(&self, best: &mut Best, weights: &mut BestWeights) -> Result<(), SaveError> {
        let path = self.best_path(best.step);
        match weights {
            BestWeights::File(_) if path.exists() => {}
            BestWeights::File(file) => {
                self.restore_folder()?;
                file::write_copy(&path, file)?;
            }
            BestWeights::Memory(values) => {
                self.restore_folder()?;
                best.digest = Some(file::write_values(&path, values)?.to_hex().to_string());
                *weights = self.open_best(best.step)?;
            }
        }
        Ok(())
    }

    /// The best weights of a state that was found here.
    ///
    /// # Errors
    /// When the file is not there.
    pub fn open_best(&self, step: u64) -> Result<BestWeights, SaveError> {
        let path = self.best_path(step);
        regular::open(&path)
            .map(BestWeights::File)
            .map_err(|error| SaveError::io("read", &path, error))
    }

    /// Makes the folder again where somebody has removed it under a running training. The lock that went with it only saved work.
    fn restore_folder(&self) -> Result<(), SaveError> {
        durable::create_folder(&self.folder)
            .map_err(|error| SaveError::io("create", &self.folder, error))
    }

    /// Loads the best weights from their file, whatever its name is by now, into the engine.
    ///
    /// # Errors
    /// When the file is not what was written.
    pub fn load_best(
        &self,
        best: &Best,
        file: File,
        engine: &mut dyn Engine,
    ) -> Result<(), SaveError> {
        self.verify_best(best, Verified::of(file, &self.best_path(best.step))?)?.load(engine)
    }

    /// Reads the best weights into memory.
    ///
    /// # Errors
    /// When the file is not there or not what was written.
    pub fn read_best(&self, best: &Best) -> Result<Vec<f32>, SaveError> {
        self.verify_best(best, Verified::open(&self.best_path(best.step))?)?.parameters()
    }

    /// Takes over the best weights that lie in another folder.
    ///
    /// # Errors
    /// When the file is not there or the disk refuses.
    pub fn adopt_best(&self, best: &Best, other: &Self) -> Result<(), SaveError> {
        let (from, to) = (other.best_path(best.step), self.best_path(best.step));
        let failed = |error| SaveError::io("copy", &to, error);
        if to.exists() {
            fs::remove_file(&to).map_err(failed)?;
        }
        // Files are written once and then only renamed or removed, so that two names of one file are as good as two files.
        fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop)).map_err(failed)?;
        regular::open(&to).and_then(|file| durable::sync_file(&file, &to)).map_err(failed)?;
        durable::sync_folder(&self.folder).map_err(failed)
    }

    /// Keeps the saved state of `state`, the newest other one that serves, and the best weights that they name.
    fn prune(&self, state: &State, serves: impl Fn(u64) -> bool) {
        let others = self
            .newest_first()
            .into_iter()
            .map(|(step, _)| step)
            .filter(|&step| step != state.step && serves(step));
        let others: Vec<u64> = others.take(KEPT - 1).collect();
        let named: Vec<u64> = self
            .best_of(&others)
            .into_iter()
            .chain(state.best.as_ref().map(|best| best.step))
            .collect();
        self.remove(|name| match (STATE.step(name), BEST.step(name)) {
            (Some(step), _) => step != state.step && !others.contains(&step),
            (_, Some(step)) => !named.contains(&step),
            _ => false,
        });
    }

    /// The steps of the best weights that saved states of these steps name.
    fn best_of(&self, steps: &[u64]) -> Vec<u64> {
        steps
            .iter()
            .filter_map(|&step| Some(file::peek(&self.state_path(step))?.best?.step))
            .collect()
    }

    /// What cannot be removed now will be the next time, so failures are of no interest.
    fn remove(&self, unwanted: impl Fn(&str) -> bool) {
        for name in self.names().into_iter().filter(|name| unwanted(name)) {
            let _ = fs::remove_file(self.folder.join(name));
        }
    }

    fn newest_first(&self) -> Vec<(u64, PathBuf)> {
        let names = self.names();
        let mut found: Vec<u64> = names.iter().filter_map(|name| STATE.step(name)).collect();
        found.sort_unstable_by(|left, right| right.cmp(left));
        found.into_iter().map(|step| (step, self.state_path(step))).collect()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    fn state_path(&self, step: u64) -> PathBuf {
        self.folder.join(STATE.name(step))
    }

    fn best_path(&self, step: u64) -> PathBuf {
        self.folder.join(BEST.name(step))
    }
}

/// How files of one sort are called: by the step that they are of.
struct Naming {
    prefix: &'static str,
    suffix: &'static str,
}

const STATE: Naming = Naming { prefix: "step-", suffix: ".checkpoint" };
const BEST: Naming = Naming { prefix: "best-", suffix: ".weights" };

impl Naming {
    fn name(&self, step: u64) -> String {
        format!("{}{step:012}{}", self.prefix, self.suffix)
    }

    /// The step that a file of this sort is of.
    fn step(&self, name: &str) -> Option<u64> {
        let step = name.strip_prefix(self.prefix)?.strip_suffix(self.suffix)?.parse().ok()?;
        (self.name(step) == name).then_some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_steps() {
        assert_eq!(STATE.step("step-000000000120.checkpoint"), Some(120));
        assert_eq!(STATE.step("step-120.checkpoint"), None);
        assert_eq!(STATE.step("best-000000000120.weights"), None);
    }
}
