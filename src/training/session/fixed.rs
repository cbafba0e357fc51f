//! What of a training need not be computed in every epoch.

use super::super::error::TrainError;
use super::super::fixed::FixedStates;
use super::super::observer::Notice;
use super::Session;
use crate::text::EncodedSplit;

/// The hidden states of both splits, where no step changes them.
#[derive(Default)]
pub(super) struct Fixed {
    pub(super) train: Option<FixedStates>,
    pub(super) validation: Option<FixedStates>,
}

impl Session<'_> {
    /// Computes what no step changes, where it will be needed more than once.
    pub(super) fn fix_states(&mut self) -> Result<(), TrainError> {
        let steps_left = self.last_step.saturating_sub(self.state.step);
        if self.state.stopped || steps_left <= self.steps_per_epoch {
            return Ok(());
        }
        self.fixed.train = self.states_of(self.data.train)?;
        if let (Some(_), Some(validation)) = (&self.fixed.train, self.validation) {
            self.fixed.validation = self.states_of(validation)?;
        }
        if self.fixed.train.is_some() {
            self.observer.notice(&Notice::EncodedOnce);
        }
        Ok(())
    }

    fn states_of(&mut self, split: &EncodedSplit) -> Result<Option<FixedStates>, TrainError> {
        let (observer, size) = (self.observer, self.recipe.batch_size);
        let cancelled = || observer.cancelled();
        Ok(FixedStates::of(self.engine, split, size, self.storage.saved, &cancelled)?)
    }
}
