//! One training as it runs: the loop, from the first state to the last.

mod best;
mod fixed;
mod start;

use std::cell::RefCell;
use std::time::Instant;

use rand::Rng as _;

use crate::base::rng::Rng;
use crate::nn::{Batch, Losses};
use crate::tasks::metrics::Metric;
use crate::text::EncodedSplit;

use self::fixed::Fixed;
use self::start::{Found, Search, Start};
use super::adamw::{Update, clip_coefficient};
use super::cadence::Spent;
use super::coverage::Coverage;
use super::engine::{Engine, EngineError};
use super::error::TrainError;
use super::goal::{Evaluated, Goal};
use super::history::{Row, RowSplit, Timing};
use super::inputs::{Data, Storage};
use super::masking::Draw;
use super::observer::{Notice, Observer, Progress};
use super::order::epoch_order;
use super::recipe::{OnNonfinite, Optimizer, Recipe};
use super::saved::SaveError;
use super::saved::{BestWeights, Others, SavedStates};
use super::schedule::LearningRate;
use super::state::{Best, State};

/// Everything that a running training holds.
pub(super) struct Session<'a> {
    engine: &'a mut dyn Engine,
    data: Data<'a>,
    validation: Option<&'a EncodedSplit>,
    recipe: &'a Recipe,
    pub(super) goal: Goal<'a>,
    learning_rates: LearningRate,
    steps_per_epoch: u64,
    /// Where it ends at the latest.
    pub(super) last_step: u64,
    storage: Storage<'a>,
    states: Option<SavedStates>,
    observer: &'a dyn Observer,
    coverage: Coverage,
    fixed: Fixed,
    /// The order of the sequences in the epoch of this number.
    order: Option<(u64, Vec<u32>)>,
    /// The weights of `state.best`, if there is one.
    best_weights: Option<BestWeights>,
    last_save: LastSave,
    /// Why the last attempt to write something failed, and `None` after one that did not.
    refused: RefCell<Option<String>>,
    speed: Speed,
    pub(super) state: State,
    pub(super) history: Vec<Row>,
    pub(super) timings: Vec<Timing>,
    pub(super) resumed_from: Option<u64>,
    /// Whether the engine has the weights of the last step, rather than others that the recipe asks for.
    pub(super) has_last: bool,
}

/// Skipped steps in a row after which the weights are beyond hope: a bad batch or two are nothing like it.
const SPOILT: usize = 100;

struct LastSave {
    /// The step that can be returned to, if any.
    step: Option<u64>,
    since: u64,
    at: Instant,
    cost: Spent,
}

/// What came of a forward and a backward.
struct Pass {
    /// In the order of [`Goal::names`].
    losses: Vec<Option<f64>>,
    /// What is minimised.
    loss: f64,
    /// Of the gradient.
    norm: f64,
    tokens: usize,
}

/// Exponentially smoothed.
#[derive(Default)]
struct Speed {
    seconds: f64,
    tokens: f64,
}

impl<'a> Session<'a> {
    /// Begins where a saved state or a shorter training ended, or at the start.
    pub(super) fn open(
        engine: &'a mut dyn Engine,
        data: Data<'a>,
        goal: Goal<'a>,
        recipe: &'a Recipe,
        storage: Storage<'a>,
        observer: &'a dyn Observer,
    ) -> Result<Self, TrainError> {
        let sequences = data.train.sequences();
        let last_step = recipe.last_step(sequences);
        let longest = (0..sequences).map(|row| data.train.length_of(row)).max().unwrap_or(0);
        let mut coverage = Coverage::new(engine.parameters(), longest);
        let training = super::identity::of_training(engine.parameters(), data, &goal, recipe);
        let shorter = storage.warm_start.map(SavedStates::read_only);
        let states = storage.saved.map(SavedStates::open).transpose()?.flatten();
        if let (Some(folder), None) = (storage.saved, &states) {
            observer.notice(&Notice::StatesBusy { folder: folder.to_path_buf() });
        }
        match recipe.ema {
            Some(decay) => engine.keep_average(decay)?,
            // The average of a weight that only decays is no product of factors: there every row takes part in every step.
            None => engine.expect_tokens(&data.train.vocabulary()),
        }
        let search = Search { training: &training, last_step, observer };
        let start = search.start(states.as_ref(), shorter.as_ref(), engine)?;
        let (resumed_from, saved) = (start.step(), start.own_step());
        let Found { state, history, best_weights } = match start {
            Start::Resumed(found) | Start::Extended(found) => found,
            Start::Fresh => Found {
                state: State::new(training, coverage.names()),
                history: Vec::new(),
                best_weights: None,
            },
        };
        coverage.restore(&state.without_gradient);

        let mut session = Self {
            engine,
            data,
            validation: data.validation.filter(|split| !split.is_empty()),
            recipe,
            goal,
            learning_rates: recipe.learning_rates(sequences),
            steps_per_epoch: recipe.steps_per_epoch(sequences),
            last_step,
            storage,
            states,
            observer,
            coverage,
            fixed: Fixed::default(),
            order: None,
            best_weights,
            last_save: LastSave {
                step: saved,
                since: state.step,
                at: Instant::now(),
                cost: Spent::default(),
            },
            refused: RefCell::default(),
            speed: Speed::default(),
            state,
            history,
            timings: Vec::new(),
            resumed_from,
            has_last: true,
        };
        session
            .history
            .reserve(session.last_step.saturating_sub(session.state.step).min(1 << 20) as usize);
        Ok(session)
    }

    /// Trains to the end. Afterwards the engine holds the weights that the recipe asks for.
    pub(super) fn run(&mut self) -> Result<(), TrainError> {
        self.fix_states()?;
        loop {
            if self.evaluation_is_due() {
                self.evaluate()?;
            }
            if self.state.stopped || self.state.step >= self.last_step {
                break;
            }
            if self.observer.cancelled() {
                return Err(self.cancel());
            }
            let last = &self.last_save;
            if self.storage.cadence.is_due(
                self.state.step - last.since,
                last.at.elapsed(),
                last.cost,
            ) {
                self.save();
            }
            self.step()?;
        }
        self.check_alive()?;
        self.leave_for_longer_trainings();
        // The rows of a longer training would not have this one: it comes after the state that such a training goes on from.
        if self.validation.is_some() && !self.is_evaluated() {
            self.evaluate()?;
            self.check_alive()?;
        }
        self.tell_what_was_kept();
        self.take_result()
    }

    /// One step of the optimiser.
    fn step(&mut self) -> Result<(), TrainError> {
        let begun = Instant::now();
        let step = self.state.step;
        let rows = self.rows_of_step(step);
        let pass = self.accumulate(&rows)?;
        let learning_rate = self.learning_rates.at(step);
        if pass.loss.is_finite() && pass.norm.is_finite() {
            self.update(pass.norm, learning_rate)?;
        } else {
            self.pass_over(&pass, rows)?;
        }
        self.log(&pass, learning_rate);
        self.guard()?;

        let seconds = begun.elapsed().as_secs_f64();
        self.timings.push(Timing { step: step + 1, seconds, tokens: pass.tokens as u64 });
        self.speed.add(seconds, pass.tokens);
        self.observer.progress(&Progress {
            step: step + 1,
            total_steps: self.last_step,
            epoch: step / self.steps_per_epoch + 1,
            loss: pass.loss,
            losses: self.history.last().map_or(&[], |row| &row.losses),
            learning_rate,
            grad_norm: pass.norm,
            tokens_per_s: self.speed.tokens / self.speed.seconds,
        });
        Ok(())
    }

    /// Forward and backward over all batches of a step.
    fn accumulate(&mut self, rows: &[u32]) -> Result<Pass, TrainError> {
        let draw = Draw::Epoch(self.state.step / self.steps_per_epoch);
        let batch = |rows: &[u32]| {
            let batch = self.goal.batch(self.data.train, rows, draw)?;
            match &self.fixed.train {
                Some(states) => states.bring(batch, rows),
                None => Ok(batch),
            }
        };
        let batches = rows.chunks(self.recipe.batch_size).map(batch);
        let batches = batches.collect::<Result<Vec<_>, EngineError>>()?;
        let tokens = batches.iter().map(Batch::len).sum();
        let options = self.goal.loss_options(&batches);
        let mut losses = Losses::default();
        // Another one for each batch that is trained on, whenever the training was interrupted.
        let first = self.state.step.wrapping_mul(self.recipe.gradient_accumulation as u64);
        for (number, batch) in (first..).zip(batches) {
            let noise = Rng::new(self.recipe.seed).numbered_stream("dropout", number).next_u64();
            losses += self.engine.accumulate(&batch.with_noise(noise), &options)?;
        }
        let norm = self.engine.gradient_norm()?;
        let (losses, loss) = self.goal.losses(&losses);
        Ok(Pass { losses, loss, norm, tokens })
    }

    /// Moves the weights along a gradient of this norm.
    fn update(&mut self, norm: f64, learning_rate: f64) -> Result<(), TrainError> {
        if !self.coverage.is_complete() {
            self.coverage.look(self.engine)?;
            self.state.without_gradient = self.coverage.names();
        }
        let limit = Some(self.recipe.max_grad_norm).filter(|limit| *limit > 0.0);
        self.engine.step(&Update {
            learning_rate,
            betas: self.recipe.betas.into(),
            eps: self.recipe.eps,
            weight_decay: self.recipe.weight_decay,
            gradient_scale: clip_coefficient(norm, limit),
            clips_updates: self.recipe.optimizer == Optimizer::StableAdamw,
        })?;
        Ok(())
    }

    /// Leaves the weights as they are where something is not finite, unless the recipe has the training end there.
    fn pass_over(&mut self, pass: &Pass, rows: Vec<u32>) -> Result<(), TrainError> {
        let step = self.state.step + 1;
        self.engine.discard();
        let what = if pass.loss.is_finite() { "gradient" } else { "loss" };
        if self.recipe.on_nonfinite == OnNonfinite::Stop {
            let last_good = self.last_good_state();
            let texts = rows.iter().map(|row| self.data.train.text_of(*row as usize));
            let texts = texts.collect();
            return Err(TrainError::NotFinite { step, what, texts, last_good });
        }
        self.state.skipped += 1;
        self.observer.notice(&Notice::Skipped { step, what });
        Ok(())
    }

    /// Counts a step that was made, and writes it down.
    fn log(&mut self, pass: &Pass, learning_rate: f64) {
        let epoch = self.state.step / self.steps_per_epoch;
        self.state.step += 1;
        self.state.updates = self.engine.updates();
        self.history.push(Row {
            split: RowSplit::Train,
            step: self.state.step,
            epoch: epoch + 1,
            learning_rate: Some(learning_rate),
            loss: pass.loss,
            losses: pass.losses.clone(),
            grad_norm: Some(pass.norm),
            watched: None,
        });
    }

    /// Ends a training that would come to nothing, in silence.
    fn guard(&self) -> Result<(), TrainError> {
        let step = self.state.step;
        if step.is_multiple_of(self.steps_per_epoch)
            && self.state.updates > 0
            && !self.coverage.is_complete()
        {
            return Err(TrainError::NoGradient {
                parameters: self.coverage.names(),
                help: self.coverage.head().and_then(|head| self.goal.without_gradient(head)),
            });
        }
        if self.skipped_in_a_row() == SPOILT {
            return Err(TrainError::Spoilt { step, skipped: SPOILT });
        }
        Ok(())
    }

    /// How many of the last steps were skipped, [`SPOILT`] at most. It asks the history, which outlives an interruption.
    fn skipped_in_a_row(&self) -> usize {
        let skipped =
            |row: &&Row| !(row.loss.is_finite() && row.grad_norm.is_some_and(f64::is_finite));
        self.history
            .iter()
            .rev()
            .filter(|row| row.split == RowSplit::Train)
            .take(SPOILT)
            .take_while(skipped)
            .count()
    }

    /// Refuses to call weights a result that give no finite loss: on the validation split, or without one in the last step and on the first texts
    /// of the training split. The best ones do.
    fn check_alive(&mut self) -> Result<(), TrainError> {
        let skipped = self.skipped_in_a_row();
        let is_finite = match (self.is_evaluated(), self.validation) {
            _ if self.state.best.is_some() => true,
            (true, _) => self.history.last().is_some_and(|row| row.loss.is_finite()),
            (false, Some(_)) => true, // until it is evaluated
            (false, None) => skipped == 0 || self.loss_of_first_texts()?.is_finite(),
        };
        if is_finite { Ok(()) } else { Err(TrainError::Spoilt { step: self.state.step, skipped }) }
    }

    fn loss_of_first_texts(&mut self) -> Result<f64, TrainError> {
        let rows: Vec<u32> =
            (0..self.data.train.sequences().min(self.recipe.batch_size) as u32).collect();
        let batch = self.goal.batch(self.data.train, &rows, Draw::Fixed);
        let batch = batch.map_err(EngineError::from)?;
        let options = self.goal.loss_options(std::slice::from_ref(&batch));
        let losses = self.engine.accumulate(&batch, &options)?;
        self.engine.discard();
        Ok(self.goal.losses(&losses).1)
    }

    /// The newest one whose weights are known to give a finite loss: that of the step after it.
    fn last_good_state(&self) -> Option<u64> {
        self.states.as_ref()?.newest_before(self.state.step)
    }

    /// The sequences of one step, in order.
    fn rows_of_step(&mut self, step: u64) -> Vec<u32> {
        let (epoch, step_in_epoch) = (step / self.steps_per_epoch, step % self.steps_per_epoch);
        let sequences = self.data.train.sequences();
        let per_step =
            self.recipe.batch_size.saturating_mul(self.recipe.gradient_accumulation).min(sequences);
        if self.order.as_ref().is_none_or(|(of, _)| *of != epoch) {
            self.order = Some((epoch, epoch_order(self.recipe.seed, epoch, sequences)));
        }
        let (_, order) = self.order.as_ref().expect("it was just made");
        let begin = step_in_epoch as usize * per_step;
        order[begin..(begin + per_step).min(sequences)].to_vec()
    }

    fn is_evaluated(&self) -> bool {
        self.history
            .last()
            .is_some_and(|row| row.split == RowSplit::Validation && row.step == self.state.step)
    }

    fn evaluation_is_due(&self) -> bool {
        self.validation.is_some()
            && self.state.step > 0
            && self.is_step_of_evaluation()
            && !self.is_evaluated()
    }

    /// Whether a longer training evaluates after this step too.
    fn is_step_of_evaluation(&self) -> bool {
        self.state.step.is_multiple_of(self.recipe.evaluate_every.unwrap_or(self.steps_per_epoch))
    }

    /// Evaluates the weights that the recipe asks for: the present ones, or their average.
    fn evaluate(&mut self) -> Result<(), TrainError> {
        let Some(validation) = self.validation else { return Ok(()) };
        self.exchange_average()?;
        let evaluated = self.evaluate_on(validation);
        self.exchange_average()?;
        if evaluated? { Ok(()) } else { Err(self.cancel()) }
    }

    /// Evaluates the engine's weights; false when it was cancelled.
    fn evaluate_on(&mut self, validation: &EncodedSplit) -> Result<bool, TrainError> {
        let (step, epoch) = (self.state.step, self.state.step.div_ceil(self.steps_per_epoch));
        let observer = self.observer;
        let (states, batch_size) = (self.fixed.validation.as_ref(), self.recipe.batch_size);
        let cancelled = || observer.cancelled();
        let evaluated =
            self.goal.evaluate(self.engine, validation, states, batch_size, &cancelled)?;
        let Some(Evaluated { loss, losses, scores }) = evaluated else { return Ok(false) };
        let row = Row {
            split: RowSplit::Validation,
            step,
            epoch,
            learning_rate: None,
            loss,
            losses,
            grad_norm: None,
            watched: self
                .recipe
                .watched()
                .and_then(|metric| scores.get(metric))
                .filter(|_| loss.is_finite()),
        };
        self.observer.evaluated(&row, &scores);

        // Weights without a finite loss say nothing with their labels: they are worse than any others.
        let value_of = |metric: &Metric| {
            if loss.is_finite() { scores.get(metric) } else { Some(f64::NAN) }
        };
        if let Some(value) = self
            .recipe
            .keep_best
            .as_ref()
            .and_then(|metric| value_of(metric).filter(|value| self.improves(metric, *value)))
        {
            let (digest, weights) = self.keep_weights(step)?;
            self.best_weights = Some(weights);
            self.state.best = Some(Best { step, value, digest });
        }
        if let Some(stopping) = &self.recipe.early_stopping
            && self.state.patience.exhausted_by(value_of(&stopping.metric), stopping)
        {
            // Also after the last step: a longer training that goes on from here would have ended here.
            self.state.stopped = true;
            self.observer
                .notice(&Notice::StoppedEarly { step, metric: stopping.metric.name().to_owned() });
        }
        self.history.push(row);
        Ok(true)
    }

    /// Writes a saved state if there is a folder for it. A training does not fail because it cannot be saved: it goes on, and says so.
    fn save(&mut self) -> bool {
        let begun = Instant::now();
        let settled = self.settle_best();
        let Some(states) = &self.states else { return false };
        let saved = settled
            && self
                .tell(states.save(&self.state, &self.history, self.engine, Others::Earlier))
                .is_some();
        if saved {
            self.last_save.step = Some(self.state.step);
        }
        let cost = Spent { state: begun.elapsed(), ..Spent::default() };
        self.last_save =
            LastSave { since: self.state.step, at: Instant::now(), cost, ..self.last_save };
        saved
    }

    /// Says that something could not be written: once, and again only for another reason or after something else could be.
    fn tell<T>(&self, written: Result<T, SaveError>) -> Option<T> {
        let error = match written {
            Ok(written) => {
                self.refused.take();
                return Some(written);
            }
            Err(error) => error,
        };
        if self.refused.replace(Some(error.cause())).as_ref() != Some(&error.cause()) {
            self.observer.notice(&Notice::NotSaved { reason: error.to_string() });
        }
        None
    }

    fn cancel(&mut self) -> TrainError {
        let saved = self.last_save.step == Some(self.state.step) || self.save();
        TrainError::Cancelled { step: self.state.step, saved }
    }

    /// Leaves the finished state where a training that goes further finds it. Its absence costs only time, and so does failing to write it.
    fn leave_for_longer_trainings(&mut self) {
        let Some(folder) = self.storage.warm_start.filter(|_| self.recipe.can_go_further()) else {
            return;
        };
        if self.resumed_from == Some(self.state.step)
            && SavedStates::read_only(folder).has(self.state.step)
        {
            return;
        }
        // It went on from a saved state that was written after the evaluation of the end.
        if self.is_evaluated() && !self.is_step_of_evaluation() {
            return;
        }
        if self.states.is_some() && !self.settle_best() {
            return;
        }
        let left = || -> Result<(), SaveError> {
            // Another training that could go on from here is leaving its own state.
            let Some(shared) = SavedStates::open(folder)? else { return Ok(()) };
            match (&self.state.best, &self.states) {
                (Some(best), Some(states)) => shared.adopt_best(best, states)?,
                // Weights that only memory holds are not worth a second path: such a state is not left.
                (Some(_), None) => return Ok(()),
                (None, _) => {}
            }
            shared.save(&self.state, &self.history, self.engine, Others::Any)
        };
        self.tell(left());
    }
}

impl Speed {
    fn add(&mut self, seconds: f64, tokens: usize) {
        const KEEP: f64 = 0.9;
        self.seconds = self.seconds * KEEP + seconds;
        self.tokens = self.tokens * KEEP + tokens as f64;
    }
}
