//! What a step minimises: cross-entropy over labelled tokens plus cross-entropy over whole texts, each with a weight.

use std::ops::AddAssign;

use super::{IGNORE, Targets};

/// How the two losses are weighed and averaged.
#[derive(Debug, Clone, PartialEq)]
pub struct LossOptions {
    /// The token loss counts this much in the total.
    pub ner_weight: f32,
    /// The loss over texts counts this much in the total.
    pub anomaly_weight: f32,
    /// Weights of the classes normal and anomaly, as `torch.nn.CrossEntropyLoss(weight=...)` takes them: the mean is over weights.
    pub class_weights: Option<[f32; 2]>,
    /// What the sums are divided by when this batch is a part of a larger one; `None`: by what this batch counts itself.
    pub normalisers: Option<Normalisers>,
}

/// What the sums of losses are divided by to make means.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Normalisers {
    /// The number of tokens whose label is not [`IGNORE`].
    pub ner: f64,
    /// The number of sequences, or the sum of their classes' weights.
    pub anomaly: f64,
}

/// The losses of a batch, in nats. Those of micro-batches that were given common [`Normalisers`] add up to those of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Losses {
    /// Mean over the tokens that count; 0 if none does.
    pub ner: f64,
    /// Mean over the sequences, by class weight.
    pub anomaly: f64,
    /// `ner_weight * ner + anomaly_weight * anomaly`
    pub total: f64,
    /// How many tokens have a label other than [`IGNORE`].
    pub counted_tokens: usize,
}

impl Default for LossOptions {
    fn default() -> Self {
        Self { ner_weight: 1.0, anomaly_weight: 1.0, class_weights: None, normalisers: None }
    }
}

impl LossOptions {
    /// The weight of an anomaly class.
    pub(super) fn class_weight(&self, class: u32) -> f32 {
        self.class_weights.map_or(1.0, |weights| weights[class as usize])
    }

    /// What this batch's sums are divided by.
    pub(super) fn normalisers(&self, targets: &Targets<'_>) -> Normalisers {
        self.normalisers.unwrap_or_else(|| Normalisers::of(targets, self.class_weights))
    }
}

impl Normalisers {
    /// What the batch counts by itself; add those of micro-batches for the whole. `targets.anomaly` holds nothing but 0 and 1.
    #[must_use]
    pub fn of(targets: &Targets<'_>, class_weights: Option<[f32; 2]>) -> Self {
        let [normal, anomaly] = class_weights.unwrap_or([1.0, 1.0]).map(f64::from);
        Self {
            ner: targets.labels.iter().filter(|&&label| label != IGNORE).count() as f64,
            anomaly: targets
                .anomaly
                .iter()
                .map(|&class| if class == 0 { normal } else { anomaly })
                .sum(),
        }
    }
}

impl AddAssign for Normalisers {
    fn add_assign(&mut self, other: Self) {
        self.ner += other.ner;
        self.anomaly += other.anomaly;
    }
}

impl AddAssign for Losses {
    fn add_assign(&mut self, other: Self) {
        self.ner += other.ner;
        self.anomaly += other.anomaly;
        self.total += other.total;
        self.counted_tokens += other.counted_tokens;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_divided_by_its_counted_tokens_and_class_weights() {
        let targets = Targets { labels: &[0, IGNORE, 2], anomaly: &[0, 1, 1] };
        assert_eq!(Normalisers::of(&targets, None), Normalisers { ner: 2.0, anomaly: 3.0 });
        assert_eq!(
            Normalisers::of(&targets, Some([1.0, 4.0])),
            Normalisers { ner: 2.0, anomaly: 9.0 }
        );
    }
}
