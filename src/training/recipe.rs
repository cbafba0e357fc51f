//! What is trained how: everything that decides the resulting weights, besides the model and the data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::predict::Objective;
use super::schedule::{LearningRate, Schedule, Warmup};

/// The recipe of one training. [`Recipe::default`] is the reference recipe, except that `O` counts in the loss.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    pub epochs: u64,
    /// Sequences in one pass through the model. With [`gradient_accumulation`](Self::gradient_accumulation) above 1 this is the size of a
    /// micro-batch, and a step of the optimiser sees that many times more sequences.
    pub batch_size: usize,
    /// Micro-batches whose gradients are added up for one step. The losses are means over all of them together, so that 2 x 8 sequences and
    /// 1 x 16 give the same step to rounding. The last step of an epoch takes what is left.
    pub gradient_accumulation: usize,
    pub learning_rate: f64,
    /// Decoupled, on every parameter.
    pub weight_decay: f64,
    pub betas: (f64, f64),
    pub eps: f64,
    pub schedule: Schedule,
    pub warmup: Warmup,
    /// The gradient's norm is clipped to this; `None` never clips.
    pub max_grad_norm: Option<f64>,
    /// The index of the label `O` when tokens with it count in no loss.
    pub ignore_outside: Option<u32>,
    pub ner_weight: f64,
    pub anomaly_weight: f64,
    /// Weights of the classes normal and anomaly in the anomaly loss, which is then a weighted mean as in PyTorch.
    pub anomaly_class_weights: Option<[f32; 2]>,
    /// Decides the order of the sequences.
    pub seed: u64,
    pub evaluate_every: Interval,
    pub early_stopping: Option<EarlyStopping>,
    /// Ends with the weights of the evaluation that was best in this, instead of the last ones.
    pub keep_best: Option<Metric>,
    pub on_nonfinite: OnNonfinite,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            epochs: 3,
            batch_size: 16,
            gradient_accumulation: 1,
            learning_rate: 2e-5,
            weight_decay: 0.01,
            betas: (0.9, 0.999),
            eps: 1e-8,
            schedule: Schedule::Linear,
            warmup: Warmup::default(),
            max_grad_norm: Some(1.0),
            ignore_outside: None,
            ner_weight: 1.0,
            anomaly_weight: 1.0,
            anomaly_class_weights: None,
            seed: 42,
            evaluate_every: Interval::Epoch,
            early_stopping: None,
            keep_best: None,
            on_nonfinite: OnNonfinite::Stop,
        }
    }
}

/// When the validation split is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interval {
    /// After every epoch.
    #[default]
    Epoch,
    /// After every so many steps, and after the last one.
    Steps(u64),
}

/// Stops when a metric has not improved for `patience` evaluations in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlyStopping {
    pub metric: Metric,
    pub patience: u64,
    /// An improvement smaller than this is none.
    pub min_delta: f64,
}

/// What happens when a loss or a gradient is infinite or not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnNonfinite {
    /// the training fails and names the step and its sequences
    #[default]
    Stop,
    /// the step leaves the weights as they are, and is counted
    Skip,
}

/// A number by which evaluations are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Metric {
    #[serde(rename = "loss")]
    Loss,
    #[serde(rename = "ner.token_accuracy")]
    TokenAccuracy,
    #[serde(rename = "ner.span_precision")]
    SpanPrecision,
    #[serde(rename = "ner.span_recall")]
    SpanRecall,
    #[serde(rename = "ner.span_f1")]
    SpanF1,
    #[serde(rename = "anomaly.accuracy")]
    AnomalyAccuracy,
    #[serde(rename = "anomaly.precision")]
    AnomalyPrecision,
    #[serde(rename = "anomaly.recall")]
    AnomalyRecall,
    #[serde(rename = "anomaly.f1")]
    AnomalyF1,
    #[serde(rename = "anomaly.auroc")]
    Auroc,
    #[serde(rename = "anomaly.average_precision")]
    AveragePrecision,
}

impl Metric {
    pub const ALL: [Self; 11] = [
        Self::Loss,
        Self::TokenAccuracy,
        Self::SpanPrecision,
        Self::SpanRecall,
        Self::SpanF1,
        Self::AnomalyAccuracy,
        Self::AnomalyPrecision,
        Self::AnomalyRecall,
        Self::AnomalyF1,
        Self::Auroc,
        Self::AveragePrecision,
    ];

    /// Its path in `metrics.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::TokenAccuracy => "ner.token_accuracy",
            Self::SpanPrecision => "ner.span_precision",
            Self::SpanRecall => "ner.span_recall",
            Self::SpanF1 => "ner.span_f1",
            Self::AnomalyAccuracy => "anomaly.accuracy",
            Self::AnomalyPrecision => "anomaly.precision",
            Self::AnomalyRecall => "anomaly.recall",
            Self::AnomalyF1 => "anomaly.f1",
            Self::Auroc => "anomaly.auroc",
            Self::AveragePrecision => "anomaly.average_precision",
        }
    }

    /// True when `candidate` is better than `best` by more than `margin`. A value that is not a number is never better.
    #[must_use]
    pub fn improves(self, candidate: f64, best: Option<f64>, margin: f64) -> bool {
        match best {
            _ if candidate.is_nan() => false,
            None => true,
            Some(best) if self == Self::Loss => candidate < best - margin,
            Some(best) => candidate > best + margin,
        }
    }
}

impl Recipe {
    /// Steps of the optimiser in one epoch over `sequences` sequences.
    #[must_use]
    pub fn steps_per_epoch(&self, sequences: usize) -> u64 {
        sequences.div_ceil(self.batch_size.max(1)).div_ceil(self.gradient_accumulation.max(1))
            as u64
    }

    /// Steps of the whole training over `sequences` sequences.
    #[must_use]
    pub fn total_steps(&self, sequences: usize) -> u64 {
        self.steps_per_epoch(sequences).saturating_mul(self.epochs)
    }

    #[must_use]
    pub fn learning_rates(&self, sequences: usize) -> LearningRate {
        LearningRate::new(
            self.learning_rate,
            self.schedule,
            self.warmup,
            self.total_steps(sequences),
        )
    }

    /// The metric by which evaluations are compared: that of [`keep_best`](Self::keep_best), else that of early stopping.
    #[must_use]
    pub fn watched(&self) -> Option<Metric> {
        self.keep_best.or(self.early_stopping.map(|stopping| stopping.metric))
    }

    /// Whether the head that `metric` scores is trained at all.
    #[must_use]
    pub fn trains(&self, metric: Metric) -> bool {
        match metric {
            Metric::Loss => true,
            Metric::TokenAccuracy | Metric::SpanPrecision | Metric::SpanRecall | Metric::SpanF1 => {
                self.objective().tags()
            }
            Metric::AnomalyAccuracy
            | Metric::AnomalyPrecision
            | Metric::AnomalyRecall
            | Metric::AnomalyF1
            | Metric::Auroc
            | Metric::AveragePrecision => self.objective().classifies(),
        }
    }

    /// What the losses count.
    #[must_use]
    pub fn objective(&self) -> Objective {
        let Self { ner_weight, anomaly_weight, anomaly_class_weights, ignore_outside, .. } = *self;
        Objective { ner_weight, anomaly_weight, anomaly_class_weights, ignore_outside }
    }

    /// Why a training with more epochs cannot go on from where one with fewer ended, or `None` when it can: the parameter whose effect on
    /// the first steps depends on how many there will be.
    #[must_use]
    pub fn horizon_parameter(&self) -> Option<&'static str> {
        if self.schedule.depends_on_horizon() {
            Some("schedule")
        } else if self.warmup.depends_on_horizon() {
            Some("warmup_ratio")
        } else {
            None
        }
    }

    /// Everything that makes the recipe unusable, one message each, for callers whose parameters no schema has checked.
    #[must_use]
    pub fn problems(&self, sequences: usize, validation_sequences: usize) -> Vec<String> {
        let at_least_zero = |value: f64| value.is_finite() && value >= 0.0;
        let beta = |value: f64| (0.0..1.0).contains(&value);
        let rules = [
            (self.epochs > 0, "`epochs` must be at least 1"),
            (self.batch_size > 0, "`batch_size` must be at least 1"),
            (self.gradient_accumulation > 0, "`gradient_accumulation` must be at least 1"),
            (
                at_least_zero(self.learning_rate) && is_single(self.learning_rate),
                "`learning_rate` must be a number of at least 0",
            ),
            (at_least_zero(self.weight_decay), "`weight_decay` must be a number of at least 0"),
            (beta(self.betas.0) && beta(self.betas.1), "`betas` must lie in [0, 1)"),
            // Moments below the normal range count as zero, so that a zero here could divide zero by zero.
            (
                self.eps > 0.0 && is_single(self.eps),
                "`eps` must be above 0, also in single precision",
            ),
            (
                self.max_grad_norm.is_none_or(|norm| norm > 0.0 && is_single(norm)),
                "`max_grad_norm` must be above 0",
            ),
            (
                !matches!(self.warmup, Warmup::Ratio(ratio) if !(0.0..=1.0).contains(&ratio)),
                "`warmup_ratio` must lie in [0, 1]",
            ),
            (
                at_least_zero(self.ner_weight) && is_single(self.ner_weight),
                "`ner_weight` must be a number of at least 0",
            ),
            (
                at_least_zero(self.anomaly_weight) && is_single(self.anomaly_weight),
                "`anomaly_weight` must be a number of at least 0",
            ),
            (
                self.ner_weight > 0.0 || self.anomaly_weight > 0.0,
                "`ner_weight` and `anomaly_weight` are both 0, which leaves nothing to learn",
            ),
            (
                self.anomaly_class_weights.is_none_or(|weights| {
                    weights.iter().all(|weight| weight.is_normal() && *weight > 0.0)
                }),
                "class weights must be above 0",
            ),
            (self.evaluate_every != Interval::Steps(0), "`evaluate_every` must be at least 1 step"),
            (
                self.early_stopping.is_none_or(|stopping| stopping.patience > 0),
                "`patience` must be at least 1",
            ),
            (
                self.early_stopping.is_none_or(|stopping| at_least_zero(stopping.min_delta)),
                "`min_delta` must be a number of at least 0",
            ),
            (sequences > 0, "the training split is empty"),
            (
                validation_sequences > 0
                    || (self.early_stopping.is_none() && self.keep_best.is_none()),
                "early stopping and keeping the best weights need a validation split, and it is empty",
            ),
        ];
        rules
            .into_iter()
            .filter(|(holds, _)| !holds)
            .map(|(_, message)| message.to_owned())
            .collect()
    }
}

/// Whether a number is still itself, up to rounding, in the single precision that training computes in: neither lost nor infinite.
#[must_use]
pub fn is_single(value: f64) -> bool {
    value == 0.0 || (value as f32).is_normal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_one_spelling() {
        for metric in Metric::ALL {
            assert_eq!(serde_json::to_value(metric).expect("a unit variant"), metric.name());
        }
    }

    #[test]
    fn a_smaller_loss_and_a_larger_f1_are_better() {
        assert!(Metric::Loss.improves(0.5, Some(0.6), 0.0));
        assert!(Metric::SpanF1.improves(0.6, Some(0.5), 0.0));
        assert!(!Metric::SpanF1.improves(f64::NAN, None, 0.0));
        assert!(!Metric::SpanF1.improves(0.6, Some(0.5), 0.2));
    }

    #[test]
    fn the_last_step_of_an_epoch_takes_what_is_left() {
        let recipe = Recipe { batch_size: 4, gradient_accumulation: 2, ..Recipe::default() };
        assert_eq!(recipe.steps_per_epoch(8), 1);
        assert_eq!(recipe.steps_per_epoch(9), 2);
    }

    #[test]
    fn only_a_recipe_without_horizon_can_be_extended() {
        assert_eq!(Recipe::default().horizon_parameter(), Some("schedule"));
        let constant = Recipe {
            schedule: Schedule::Constant,
            warmup: Warmup::Ratio(0.1),
            ..Recipe::default()
        };
        assert_eq!(constant.horizon_parameter(), Some("warmup_ratio"));
        assert_eq!(Recipe { warmup: Warmup::Steps(5), ..constant }.horizon_parameter(), None);
    }

    #[test]
    fn the_default_recipe_has_no_problem_and_a_broken_one_shows_all() {
        assert!(Recipe::default().problems(1, 0).is_empty());
        let broken = Recipe { epochs: 0, betas: (1.0, 0.9), eps: 0.0, ..Recipe::default() };
        assert_eq!(broken.problems(0, 0).len(), 4);
    }
}
