//! How the learning rate moves with the step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The shape of the learning rate after its warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// falls in a straight line to zero at the last step
    #[default]
    Linear,
    /// falls along half a cosine to zero at the last step
    Cosine,
    /// stays
    Constant,
}

impl Schedule {
    /// True when the rate of a step depends on how many steps there will be.
    #[must_use]
    pub fn depends_on_horizon(self) -> bool {
        self != Self::Constant
    }
}

/// How long the learning rate rises from zero before the schedule takes over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Warmup {
    Steps(u64),
    /// A fraction of all steps, rounded up.
    Ratio(f64),
}

impl Default for Warmup {
    fn default() -> Self {
        Self::Steps(0)
    }
}

impl Warmup {
    /// Its length in a training of `total` steps.
    #[must_use]
    pub fn steps(self, total: u64) -> u64 {
        match self {
            Self::Steps(steps) => steps,
            Self::Ratio(ratio) => (ratio * total as f64).ceil() as u64,
        }
    }

    /// True when its length depends on how many steps there will be.
    #[must_use]
    pub fn depends_on_horizon(self) -> bool {
        matches!(self, Self::Ratio(ratio) if ratio > 0.0)
    }
}

/// The learning rate of every step of one training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningRate {
    peak: f64,
    schedule: Schedule,
    warmup_steps: u64,
    total_steps: u64,
}

impl LearningRate {
    #[must_use]
    pub fn new(peak: f64, schedule: Schedule, warmup: Warmup, total_steps: u64) -> Self {
        Self { peak, schedule, warmup_steps: warmup.steps(total_steps), total_steps }
    }

    /// The rate with which step number `step`, counted from zero, moves the weights.
    ///
    /// Reference: `transformers.get_linear_schedule_with_warmup`, `get_cosine_schedule_with_warmup` and
    /// `get_constant_schedule_with_warmup`; parity in `tests/training/optimiser.rs`.
    #[must_use]
    pub fn at(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step as f64 / self.warmup_steps.max(1) as f64);
        }
        let after_warmup = self.total_steps.saturating_sub(self.warmup_steps).max(1) as f64;
        let factor = match self.schedule {
            Schedule::Constant => 1.0,
            Schedule::Linear => self.total_steps.saturating_sub(step) as f64 / after_warmup,
            Schedule::Cosine => {
                let progress = (step - self.warmup_steps) as f64 / after_warmup;
                (0.5 * (1.0 + (std::f64::consts::PI * progress).cos())).max(0.0)
            }
        };
        self.peak * factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_schedule_without_warmup_starts_at_the_peak_and_ends_one_step_above_zero() {
        let rate = LearningRate::new(2.0, Schedule::Linear, Warmup::default(), 4);
        assert_eq!((0..5).map(|step| rate.at(step)).collect::<Vec<_>>(), [2.0, 1.5, 1.0, 0.5, 0.0]);
    }

    #[test]
    fn a_warmup_ratio_is_rounded_up_as_in_transformers() {
        assert_eq!(Warmup::Ratio(0.1).steps(25), 3);
    }

    #[test]
    fn a_warmup_as_long_as_the_training_never_divides_by_zero() {
        let rate = LearningRate::new(1.0, Schedule::Cosine, Warmup::Steps(4), 4);
        assert!((0..6).all(|step| rate.at(step).is_finite()));
    }
}
