//! The best weights of a running training: kept, named by states, told, and taken at the end.

use std::time::Instant;

use super::super::engine::{EngineError, StateVector};
use super::super::error::TrainError;
use super::super::observer::Notice;
use super::super::saved::{BestWeights, WAITING_BYTES};
use super::Session;
use crate::nn::reserve;
use crate::tasks::metrics::Metric;

impl Session<'_> {
    pub(super) fn improves(&self, metric: &Metric, value: f64) -> bool {
        metric.improves(value, self.state.best.as_ref().map(|best| best.value), 0.0)
    }

    /// Keeps the engine's weights, the best so far: in a file where there is a folder that takes them, unless they are small and writing has cost
    /// too much lately.
    pub(super) fn keep_weights(
        &mut self,
        step: u64,
    ) -> Result<(Option<String>, BestWeights), TrainError> {
        let last = &self.last_save;
        let elements = self.engine.length(StateVector::Parameters);
        let may_wait = size_of::<f32>() as u64 * elements as u64 <= WAITING_BYTES;
        if let Some(states) = &self.states
            && (!may_wait || self.storage.cadence.affords(last.at.elapsed(), last.cost))
        {
            let begun = Instant::now();
            let saved = self.tell(states.save_best(step, self.engine));
            if may_wait {
                self.last_save.cost.best += begun.elapsed();
            }
            if let Some((digest, weights)) = saved {
                return Ok((Some(digest), weights));
            }
        }
        // A training does not fail because it cannot be saved. The next saved state writes these, if it can be written.
        let mut kept = if let Some(BestWeights::Memory(kept)) = self.best_weights.take() {
            kept
        } else {
            Vec::new()
        };
        kept.clear();
        reserve(&mut kept, elements, "the best weights").map_err(EngineError::from)?;
        self.engine.export(StateVector::Parameters, &mut |values| {
            kept.extend_from_slice(values);
            Ok(())
        })?;
        Ok((None, BestWeights::Memory(kept)))
    }

    /// Sees that the best weights lie where a saved state that names them will look for them.
    pub(super) fn settle_best(&mut self) -> bool {
        let (Some(best), Some(weights)) = (&mut self.state.best, &mut self.best_weights) else {
            return true;
        };
        let Some(states) = &self.states else { return false };
        match states.settle_best(best, weights) {
            // Mostly there was nothing to write, which says nothing of the disk.
            Ok(()) => true,
            Err(error) => self.tell::<()>(Err(error)).is_some(),
        }
    }

    /// Says which evaluation the result is from.
    pub(super) fn tell_what_was_kept(&self) {
        if let (Some(metric), Some(best)) = (&self.recipe.keep_best, &self.state.best) {
            self.observer.notice(&Notice::KeptBest {
                step: best.step,
                steps: self.state.step,
                metric: metric.name().to_owned(),
                value: best.value,
            });
        }
    }

    /// What was to compare evaluations and had nothing to compare, with its metric.
    pub(in crate::training) fn never_defined(&self) -> Vec<(&'static str, Metric)> {
        let mut never = self.recipe.comparing();
        never.retain(|(parameter, _)| match *parameter {
            "early_stopping" => self.state.patience.best.is_none(),
            _ => self.state.best.is_none(),
        });
        never
    }

    /// Exchanges the weights and their average where one is kept.
    pub(super) fn exchange_average(&mut self) -> Result<(), TrainError> {
        if self.recipe.ema.is_some() {
            self.engine.exchange_average()?;
        }
        Ok(())
    }

    /// Leaves the weights that the recipe asks for in the engine.
    pub(super) fn take_result(&mut self) -> Result<(), TrainError> {
        let taken = self.take_weights();
        self.engine.settle();
        taken
    }

    fn take_weights(&mut self) -> Result<(), TrainError> {
        let last_is_best = self.state.best.as_ref().is_none_or(|best| best.step == self.state.step);
        if last_is_best && self.recipe.ema.is_none() {
            return Ok(());
        }
        // The last weights are about to be overwritten: should the result not reach the disk, the next attempt goes on from here.
        if self.last_save.step != Some(self.state.step) {
            self.save();
        }
        self.has_last = false;
        if last_is_best {
            return self.exchange_average();
        }
        match (self.best_weights.take(), &self.state.best, &self.states) {
            (Some(BestWeights::File(file)), Some(best), Some(states)) => {
                states.load_best(best, file, self.engine)?
            }
            (Some(BestWeights::Memory(values)), ..) => {
                let mut rest = values.as_slice();
                self.engine.import(StateVector::Parameters, &mut |values| {
                    let (these, others) = rest.split_at(values.len());
                    values.copy_from_slice(these);
                    rest = others;
                    Ok(())
                })?;
            }
            _ => unreachable!("the best weights are kept as long as their evaluation is"),
        }
        Ok(())
    }
}
