//! What a running stage sees of the world around it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::{Caveat, Remark, StageError};

/// Where tensors live. It never enters a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// CUDA or Metal where the program was built with it and the machine has it, else the CPU.
    #[default]
    Auto,
    Cpu,
    Cuda(usize),
    Metal(usize),
}

/// How far a stage has come. Numbers keep the order in which they should be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    pub done: u64,
    /// Zero when unknown.
    pub total: u64,
    /// What is counted: `bytes`, `lines`, or [`STEPS`](Self::STEPS).
    pub unit: &'static str,
    /// Named numbers to show beside it, such as `loss`, `learning_rate`, `tokens_per_s`: those that say most come first.
    pub numbers: Vec<(Cow<'static, str>, f64)>,
}

impl Progress {
    /// What a stage counts whose numbers are a curve over it.
    pub const STEPS: &'static str = "steps";
}

/// What a stage scored of itself on the way, such as a training on its validation split.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// Steps made so far.
    pub step: u64,
    /// What it was scored on.
    pub split: &'static str,
    /// By their paths in `metrics.json`, and losses by their names in `history.csv`; an undefined one is `None`.
    pub metrics: Vec<(String, Option<f64>)>,
}

/// How important a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Note,
    Warning,
}

/// What a stage tells whoever runs it.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    Progress(Progress),
    Evaluated(Evaluated),
    Message(Level, String),
    /// Where the stage computes, as `--device` spells it: `cpu`, `cuda:0`. A stage that says nothing computes on the CPU.
    Device(String),
}

/// Everything a stage may use besides its parameters and inputs. The thread pool is the current rayon pool.
pub struct Context<'a> {
    /// An empty folder; what lies in it when the stage returns is the artifact.
    pub output: &'a Path,
    /// A folder of this key's own that outlives a failed or interrupted attempt: the saved state to go on from lies here. It may not exist yet.
    pub saved_state: &'a Path,
    /// A folder of all stages that differ from this one only in how far they go, where the stage can go on from what a shorter one left there:
    /// see [`Stage::extension`](super::Stage::extension). It outlives the stage, it may not exist yet, and what lies in it may be gone next time.
    pub warm_start: Option<&'a Path>,
    /// Finds the folder of what this stage of this file came to the time before, where that is there and another one: for what is worth saying of
    /// the difference.
    /// It may be in an older format, or incomplete in any other way, and must decide nothing of the output.
    pub previous: &'a (dyn Fn() -> Option<PathBuf> + Sync),
    /// That of the experiment's file.
    pub folder: &'a Path,
    /// The file for what other programs print. Its folder may not exist yet.
    pub log: &'a Path,
    /// For rebuildable files shared by all stages.
    pub cache: &'a Path,
    pub device: Device,
    /// True when no stage may use the network.
    pub offline: bool,
    /// The commit that [`super::HubCommit`] was resolved to, for kinds that have one.
    pub commit: Option<&'a str>,
    /// Whether the run is being interrupted, or the stage has had its time.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
    pub tell: &'a (dyn Fn(Signal) + Sync),
}

impl Context<'_> {
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        (self.cancelled)()
    }

    /// # Errors
    /// [`StageError::Cancelled`] when the run is being interrupted: save what is needed to go on, and return it.
    pub fn check_cancelled(&self) -> Result<(), StageError> {
        if self.is_cancelled() { Err(StageError::Cancelled) } else { Ok(()) }
    }

    /// Makes [`output`](Self::output) again where somebody has removed it, for a stage that has worked long before it writes.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn restore_output(&self) -> Result<(), StageError> {
        std::fs::create_dir_all(self.output)
            .map_err(|error| StageError::io("create", self.output, &error))
    }

    pub fn progress(&self, progress: Progress) {
        (self.tell)(Signal::Progress(progress));
    }

    /// Passes scores on as they come, so that anybody can follow them.
    pub fn evaluated(&self, evaluated: Evaluated) {
        (self.tell)(Signal::Evaluated(evaluated));
    }

    /// Says which device was found for what [`Context::device`] asks, so that the record holds what was used.
    pub fn uses_device(&self, name: &str) {
        (self.tell)(Signal::Device(name.to_owned()));
    }

    /// Says something worth reading once, such as the device.
    pub fn note(&self, text: impl Into<String>) {
        (self.tell)(Signal::Message(Level::Note, text.into()));
    }

    pub fn warn(&self, text: impl Into<String>) {
        (self.tell)(Signal::Message(Level::Warning, text.into()));
    }

    /// Warns of something that belongs to every score that comes of this work, and records it among `caveats`, which the artifact carries.
    ///
    /// ```ignore
    /// context.caveat(&mut caveats, Caveat::new("texts_cut", cut, format!("{cut} texts are cut")).of(split));
    /// ```
    pub fn caveat(&self, caveats: &mut Vec<Caveat>, caveat: Caveat) {
        self.warn(caveat.message.clone());
        caveats.push(caveat);
    }

    /// Says what a look into the data found, and records what of it are caveats.
    pub fn remarks(&self, caveats: &mut Vec<Caveat>, remarks: Vec<Remark>) {
        for remark in remarks {
            match remark {
                Remark::Note(text) => self.note(text),
                Remark::Warning(text) => self.warn(text),
                Remark::Caveat(caveat) => self.caveat(caveats, caveat),
            }
        }
    }
}
