//! The entry to a training, and what comes out of it.

use crate::tasks::metrics::Metric;
use crate::text::{CorpusTasks, EncodedSplit, LabelSet};

use super::engine::Engine;
use super::error::TrainError;
use super::goal::Goal;
use super::history::{History, Timing};
use super::inputs::{Data, Storage};
use super::masking::Masking;
use super::observer::Observer;
use super::recipe::Recipe;
use super::saved::SaveError;
use super::saved::{Others, SavedStates};
use super::session::Session;
use super::state::{Best, State};

/// A finished training. The weights are in the engine: the last ones, the best or their average, as the recipe says.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    pub history: History,
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
    has_last: bool,
    state: State,
}

impl Trained {
    /// Leaves a saved state of the end, for who could not store the result: the next attempt then has nothing to train. Where the engine holds
    /// other weights than the last ones, the training has left one before it took those.
    ///
    /// * `engine`: as the training left it
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save(&self, engine: &dyn Engine, storage: Storage<'_>) -> Result<(), SaveError> {
        if !self.has_last {
            return Ok(());
        }
        let Some(folder) = storage.saved else { return Ok(()) };
        let Some(states) = SavedStates::open(folder)? else { return Ok(()) };
        if states.has(self.steps) {
            return Ok(());
        }
        let mut state = self.state.clone();
        if let Some(best) = &mut state.best {
            best.digest = Some(states.save_best(best.step, engine)?.0);
        }
        states.save(&state, &self.history.rows, engine, Others::Earlier)
    }
}

/// Trains the model in `engine`.
///
/// The same model, data and recipe give the same bits on the same machine, whatever the number of threads of the current pool, whenever
/// saved states are written, and wherever the training was interrupted and continued.
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
    let mut problems: Vec<String> =
        recipe.check().into_iter().map(|problem| problem.message).collect();
    if data.train.is_empty() {
        problems.push("the training split is empty".to_owned());
    }
    if data.validation.is_none_or(EncodedSplit::is_empty) && !recipe.comparing().is_empty() {
        problems.push(
            "early stopping and keeping the best weights need a validation split, and it is empty"
                .to_owned(),
        );
    }
    if recipe.tasks(data).is_empty() {
        problems.push(
            "there is nothing to learn: no head has a weight, or the texts have no labels"
                .to_owned(),
        );
    }
    if !problems.is_empty() {
        return Err(TrainError::Recipe { problems });
    }
    let goal = Goal::Tasks { tasks: recipe.tasks(data), data };
    run(Session::open(engine, data, goal, recipe, storage, observer)?)
}

/// Trains the model in `engine` to tell tokens of texts that are masked: its one head is [`masked_head`](super::masked_head). Labels count nowhere.
///
/// * `recipe`: of which only is read what is of no task
///
/// The same model, texts and recipe give the same bits, as in [`train`].
///
/// # Errors
/// As [`train`].
pub fn pretrain(
    engine: &mut dyn Engine,
    train: &EncodedSplit,
    validation: Option<&EncodedSplit>,
    masking: Masking,
    recipe: &Recipe,
    storage: Storage<'_>,
    observer: &dyn Observer,
) -> Result<Trained, TrainError> {
    let mut problems: Vec<String> =
        recipe.check().into_iter().map(|problem| problem.message).collect();
    if train.is_empty() {
        problems.push("the training split is empty".to_owned());
    }
    if !problems.is_empty() {
        return Err(TrainError::Recipe { problems });
    }
    let labels = LabelSet::of([]);
    let tasks = CorpusTasks { tagging: false, heads: Vec::new() };
    let data = Data { train, validation, labels: &labels, tasks: &tasks };
    run(Session::open(engine, data, Goal::Masked(masking), recipe, storage, observer)?)
}

fn run(mut session: Session<'_>) -> Result<Trained, TrainError> {
    session.run()?;
    let never_defined = session.never_defined();
    let tasks = session.goal.names();
    let Session { state, history, timings, resumed_from, last_step, has_last, .. } = session;
    Ok(Trained {
        history: History { tasks, rows: history },
        timings,
        steps: state.step,
        skipped: state.skipped,
        best: state.best.clone(),
        stopped_early: state.stopped && state.step < last_step,
        never_defined,
        resumed_from,
        has_last,
        state,
    })
}
