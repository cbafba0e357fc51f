//! The entry to a training, and what comes out of it.

use std::path::Path;

use crate::nn::{BatchError, Head};
use crate::text::{EncodedSplit, LabelSet};

use super::checkpoint::CheckpointError;
use super::checkpoints::{Cadence, Checkpoints};
use super::engine::{Engine, EngineError};
use super::history::{Row, Timing};
use super::observer::Observer;
use super::recipe::{Metric, Recipe};
use super::session::Session;
use super::state::{Best, State};

/// What a model is trained on.
#[derive(Debug, Clone, Copy)]
pub struct Data<'a> {
    pub train: &'a EncodedSplit,
    /// Without it there are no evaluations.
    pub validation: Option<&'a EncodedSplit>,
    /// As the splits number them.
    pub labels: &'a LabelSet,
}

/// Where a training keeps what it needs to continue. Nothing here changes a result.
#[derive(Debug, Clone, Copy, Default)]
pub struct Storage<'a> {
    /// A folder that belongs to this model, data and recipe. Without it, an interrupted training begins anew.
    pub checkpoints: Option<&'a Path>,
    /// A folder that belongs to this model, data and recipe whatever its `epochs`: finished states are left there, and the newest one that is
    /// not too far is where a longer training begins. Ignored when [`Recipe::horizon_parameter`] names something.
    pub lineage: Option<&'a Path>,
    pub cadence: Cadence,
}

/// A finished training. The weights are in the engine: the last ones, or the best where the recipe says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    pub history: Vec<Row>,
    /// The steps made by this process. They differ from run to run.
    pub timings: Vec<Timing>,
    pub steps: u64,
    /// Steps that left the weights alone because something was not finite.
    pub skipped: u64,
    /// The evaluation whose weights are in the engine, where the recipe keeps the best.
    pub best: Option<Best>,
    pub stopped_early: bool,
    /// The parameters of the recipe that were to compare evaluations, each with its metric, which no evaluation defined.
    pub never_defined: Vec<(&'static str, Metric)>,
    /// The step after which this process went on.
    pub resumed_from: Option<u64>,
    state: State,
}

impl Trained {
    /// Leaves a checkpoint of the end, for who could not store the result: the next attempt then has nothing to train. Where the engine holds
    /// earlier, better weights, the training has left one before it took those.
    ///
    /// * `engine`: as the training left it
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save(&self, engine: &dyn Engine, storage: Storage<'_>) -> Result<(), CheckpointError> {
        if self.best.as_ref().is_some_and(|best| best.step != self.steps) {
            return Ok(());
        }
        let Some(folder) = storage.checkpoints else { return Ok(()) };
        let Some(checkpoints) = Checkpoints::open(folder)? else { return Ok(()) };
        if checkpoints.has(self.steps) {
            return Ok(());
        }
        let mut state = self.state.clone();
        if let Some(best) = &mut state.best {
            best.digest = Some(checkpoints.save_best(best.step, engine)?.0);
        }
        checkpoints.save(&state, &self.history, engine)
    }
}

/// Why a training ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error("the recipe cannot be trained: {}", problems.join("; "))]
    Recipe { problems: Vec<String> },
    #[error("the {what} of step {step} is not finite")]
    NotFinite {
        step: u64,
        /// `loss` or `gradient`
        what: &'static str,
        /// The sequences of the step, as numbers in the training split.
        rows: Vec<u32>,
        /// The step of the newest checkpoint from which a finite step was made.
        checkpoint: Option<u64>,
    },
    /// What was learnt has spoilt the weights; where steps were skipped, that does not help any more.
    #[error("{}the weights no longer give a finite loss", spoilt(*step, *skipped))]
    Spoilt { step: u64, skipped: usize },
    /// The weights would have stayed as they were, in silence.
    #[error("{} never got a gradient in the first epoch: {}", if parameters.len() == 1 { "a parameter" } else { "parameters" }, some_of(parameters))]
    NoGradient {
        parameters: Vec<String>,
        /// The head that all of them belong to, if there is one.
        head: Option<Head>,
    },
    /// The observer asked for it.
    #[error("interrupted after step {step}")]
    Cancelled {
        step: u64,
        /// True when the next attempt goes on from here.
        saved: bool,
    },
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl TrainError {
    /// What the user can do about it.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Spoilt { .. } => Some("lower `learning_rate`, or set `max_grad_norm`"),
            Self::NotFinite { .. } => Some(
                "lower `learning_rate`, set `max_grad_norm`, or pass over such steps with `on_nonfinite = \"skip\"`",
            ),
            Self::NoGradient { head: Some(Head::Ner), .. } => Some(
                "no token of the training split has a label that counts: set `ner_weight = 0`, or `ignore_outside = false`",
            ),
            Self::Checkpoint(CheckpointError::Full { why, .. }) => Some(why.help()),
            Self::Checkpoint(CheckpointError::Io { .. }) => Some(
                "see that `outputs/checkpoints` can be written and nothing removes it; the same command goes on from what is there",
            ),
            Self::Engine(EngineError::Batch(BatchError::NoMemory { .. })) => Some(
                "set `activation_checkpointing = true`, lower `batch_size` and raise `gradient_accumulation` by as much, or lower `max_length`",
            ),
            Self::Engine(error) => error.help(),
            Self::NoGradient { .. } => Some(
                "weights that are very large drown the others: see that the model is sound; if it is, the backward pass is not, please report it",
            ),
            _ => None,
        }
    }
}

fn spoilt(step: u64, skipped: usize) -> String {
    match skipped {
        0 => format!("after step {step} "),
        skipped => format!("the last {skipped} steps up to step {step} were all skipped: "),
    }
}

/// A list that a person reads to its end.
#[must_use]
pub fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 16;
    match names.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}

/// Trains the model in `engine`.
///
/// The same model, data and recipe give the same bits on the same machine, whatever the number of threads of the current pool, whenever
/// checkpoints are written, and wherever the training was interrupted and continued.
///
/// ```ignore
/// let mut engine = CpuEngine::new(model);
/// let data = Data { train: &train, validation: Some(&validation), labels: &labels };
/// let trained = train(&mut engine, data, &Recipe::default(), Storage::default(), &())?;
/// ```
///
/// # Errors
/// [`TrainError`]; after [`TrainError::Cancelled`] with `saved`, the same call continues.
pub fn train(
    engine: &mut dyn Engine,
    data: Data<'_>,
    recipe: &Recipe,
    storage: Storage<'_>,
    observer: &dyn Observer,
) -> Result<Trained, TrainError> {
    let problems = recipe.problems(data.train.len(), data.validation.map_or(0, EncodedSplit::len));
    if !problems.is_empty() {
        return Err(TrainError::Recipe { problems });
    }
    let mut session = Session::open(engine, data, recipe, storage, observer)?;
    session.run()?;
    let never_defined = session.never_defined();
    let Session { state, history, timings, resumed_from, total_steps, .. } = session;
    Ok(Trained {
        history,
        timings,
        steps: state.step,
        skipped: state.skipped,
        best: state.best.clone(),
        stopped_early: state.stopped && state.step < total_steps,
        never_defined,
        resumed_from,
        state,
    })
}
