//! Where a training stands, beside its weights and moments.

use serde::{Deserialize, Serialize};

use super::recipe::EarlyStopping;

/// The loop's state. The epoch and the place in its order follow from the step; the order follows from the seed and the epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Which training this is: a digest over the recipe, the data and the parameters' shapes.
    pub training: String,
    /// Steps made, skipped ones included.
    pub step: u64,
    /// Updates that the optimiser has made.
    pub updates: u64,
    /// Steps that left the weights alone because something was not finite.
    pub skipped: u64,
    pub best: Option<Best>,
    pub patience: Patience,
    /// True when early stopping has ended the training.
    pub stopped: bool,
    /// Parameters, or parts of them, whose gradient has been zero so far.
    pub without_gradient: Vec<String>,
}

/// The evaluation whose weights are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    pub step: u64,
    pub value: f64,
    /// Digest of the file that holds the weights; none when they are kept in memory.
    pub digest: Option<String>,
}

/// How long early stopping has waited for an improvement.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Patience {
    pub best: Option<f64>,
    /// Evaluations since.
    pub waited: u64,
}

impl State {
    pub(super) fn new(training: String, without_gradient: Vec<String>) -> Self {
        Self {
            training,
            step: 0,
            updates: 0,
            skipped: 0,
            best: None,
            patience: Patience::default(),
            stopped: false,
            without_gradient,
        }
    }
}

impl Patience {
    /// Takes in one evaluation; true when it is time to stop.
    ///
    /// * `value`: `None` where the metric is undefined. Before the first one that is defined there is nothing that could improve, so nothing is
    ///   waited for; afterwards it is no improvement. Neither is a value that is not a number, at any time.
    pub(super) fn exhausted_by(&mut self, value: Option<f64>, stopping: &EarlyStopping) -> bool {
        match value {
            None if self.best.is_none() => {}
            Some(value) if stopping.metric.improves(value, self.best, stopping.min_delta) => {
                *self = Self { best: Some(value), waited: 0 };
            }
            _ => self.waited += 1,
        }
        self.waited >= stopping.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::metrics::Metric;

    fn metric(name: &str) -> Metric {
        Metric::named(name).expect("a metric")
    }

    #[test]
    fn patience_ends_after_evaluations_in_a_row_without_improvement() {
        let stopping = EarlyStopping { metric: metric("loss"), patience: 2, min_delta: 0.0 };
        let mut patience = Patience::default();
        let ends: Vec<bool> = [Some(1.0), Some(1.5), Some(0.5), None, Some(0.5)]
            .iter()
            .map(|value| patience.exhausted_by(*value, &stopping))
            .collect();
        assert_eq!(ends, [false, false, false, false, true]);
    }

    #[test]
    fn patience_does_not_wait_for_a_metric_that_was_never_defined() {
        let stopping =
            EarlyStopping { metric: metric("anomaly.auroc"), patience: 1, min_delta: 0.0 };
        let mut patience = Patience::default();
        let ends =
            [None, None, Some(0.5), None].map(|value| patience.exhausted_by(value, &stopping));
        assert_eq!(ends, [false, false, false, true]);
        assert!(Patience::default().exhausted_by(Some(f64::NAN), &stopping));
    }
}
