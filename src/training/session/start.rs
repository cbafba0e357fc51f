//! Where a training begins.

use std::path::Path;

use super::super::engine::Engine;
use super::super::history::Row;
use super::super::observer::{Notice, Observer};
use super::super::saved::SaveError;
use super::super::saved::{BestWeights, SavedStates};
use super::super::state::State;

pub(super) enum Start {
    /// At the first step.
    Fresh,
    /// Where an earlier attempt at this training has saved its state.
    Resumed(Found),
    /// At the end of a training that went less far.
    Extended(Found),
}

/// A state to go on from. The engine has its weights and moments.
pub(super) struct Found {
    pub(super) state: State,
    pub(super) history: Vec<Row>,
    /// The weights of `state.best`, if there is one.
    pub(super) best_weights: Option<BestWeights>,
}

impl Start {
    /// The step after which the training goes on.
    pub(super) fn step(&self) -> Option<u64> {
        match self {
            Self::Fresh => None,
            Self::Resumed(found) | Self::Extended(found) => Some(found.state.step),
        }
    }

    /// The same, where that state is the training's own, so that it need not be saved again.
    pub(super) fn own_step(&self) -> Option<u64> {
        match self {
            Self::Resumed(found) => Some(found.state.step),
            Self::Fresh | Self::Extended(_) => None,
        }
    }
}

/// A look for the newest state that a training can go on from.
pub(super) struct Search<'a> {
    /// What such a state belongs to.
    pub(super) training: &'a str,
    /// What is beyond has gone too far.
    pub(super) last_step: u64,
    pub(super) observer: &'a dyn Observer,
}

impl Search<'_> {
    /// Loads the state into the engine, and says what was found. The training's own comes first.
    ///
    /// * `own`: the folder of this training
    /// * `shared`: that in which shorter ones leave their last state
    pub(super) fn start(
        &self,
        own: Option<&SavedStates>,
        shared: Option<&SavedStates>,
        engine: &mut dyn Engine,
    ) -> Result<Start, SaveError> {
        let Self { training, last_step, observer } = *self;
        let mut passed_over = false;
        let mut unusable = |path: &Path, error: &SaveError| {
            let (path, reason) = (path.to_path_buf(), error.reason(path));
            observer.notice(&Notice::UnusableState { path, reason });
            passed_over = true;
        };
        if let Some(own) = own
            && let Some((state, history)) =
                own.load_newest(training, last_step, engine, &mut unusable)?
        {
            observer.notice(&Notice::Resumed { step: state.step, total_steps: last_step });
            let best = state.best.as_ref();
            let best_weights = best.map(|best| own.open_best(best.step)).transpose()?;
            return Ok(Start::Resumed(Found { state, history, best_weights }));
        }
        if let Some(shared) = shared
            && let Some((state, history)) =
                shared.load_newest(training, last_step, engine, &mut unusable)?
        {
            observer.notice(&Notice::Extended { step: state.step, total_steps: last_step });
            let best_weights = match (&state.best, own) {
                (None, _) => None,
                // Whoever shares the folder may replace what lies there: the training keeps weights of its own.
                (Some(best), Some(own)) => {
                    own.adopt_best(best, shared)?;
                    Some(own.open_best(best.step)?)
                }
                (Some(best), None) => Some(BestWeights::Memory(shared.read_best(best)?)),
            };
            return Ok(Start::Extended(Found { state, history, best_weights }));
        }
        if passed_over {
            observer.notice(&Notice::BeginsAnew);
        }
        Ok(Start::Fresh)
    }
}
