//! What a model says about a split: the one way from an engine to predictions and scores, inside the loop and outside of it.

use crate::nn::HeadSizes;
use crate::tasks::metrics::{Entities, Predictions, Scores, SpanScores, span_scores};
use crate::text::spans::{self, Span};
use crate::text::{Batch, EncodedSplit, Fit, IGNORE, LabelSet};

use super::engine::{Engine, EngineError};

/// What the losses of a split count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objective {
    pub ner_weight: f64,
    pub anomaly_weight: f64,
    pub anomaly_class_weights: Option<[f32; 2]>,
    /// The label `O` when tokens with it count in no loss.
    pub ignore_outside: Option<u32>,
}

impl Default for Objective {
    fn default() -> Self {
        Self {
            ner_weight: 1.0,
            anomaly_weight: 1.0,
            anomaly_class_weights: None,
            ignore_outside: None,
        }
    }
}

impl Objective {
    /// The same weight for each head that the model has.
    #[must_use]
    pub fn of(heads: HeadSizes) -> Self {
        let weight = |is_there: bool| if is_there { 1.0 } else { 0.0 };
        Self {
            ner_weight: weight(heads.ner.is_some()),
            anomaly_weight: weight(heads.anomaly),
            ..Self::default()
        }
    }

    /// Whether the head over tokens counts at all. One that does not is never asked.
    #[must_use]
    pub fn tags(&self) -> bool {
        self.ner_weight > 0.0
    }

    /// The same of the head over whole texts.
    #[must_use]
    pub fn classifies(&self) -> bool {
        self.anomaly_weight > 0.0
    }

    /// Both losses, and their weighted sum. A head that does not count adds nothing, even when its loss is not a number.
    pub(super) fn sum(&self, ner: Option<f64>, anomaly: Option<f64>) -> SplitLosses {
        let weighted = |weight: f64, loss: Option<f64>| {
            if weight == 0.0 { 0.0 } else { weight * loss.unwrap_or(0.0) }
        };
        let total = weighted(self.ner_weight, ner) + weighted(self.anomaly_weight, anomaly);
        SplitLosses { ner, anomaly, total }
    }

    /// Takes the tokens out of a batch that count in no loss.
    pub(super) fn mask(&self, batch: &mut Batch) {
        if let Some(outside) = self.ignore_outside {
            batch
                .labels
                .iter_mut()
                .filter(|label| **label == outside)
                .for_each(|label| *label = IGNORE);
        }
    }
}

/// What a model predicts for the sequences of a split, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted {
    /// The most likely label of every token, special tokens included: `(tokens,)`. `None` without a head that tags.
    pub labels: Option<Vec<u32>>,
    /// The probability of that label: `(tokens,)`, and none without such a head.
    pub label_scores: Vec<f64>,
    /// What the head over whole texts says; `None` without one.
    pub anomaly: Option<PredictedAnomaly>,
    pub losses: SplitLosses,
}

/// What a model takes whole texts for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PredictedAnomaly {
    /// The more likely class of every sequence: `(sequences,)`.
    pub classes: Vec<u32>,
    /// The probability of an anomaly: `(sequences,)`.
    pub scores: Vec<f64>,
}

/// Mean losses over a whole split, in nats; they do not depend on the size of the batches but for rounding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitLosses {
    /// `None` when no token counts, or without a head that tags.
    pub ner: Option<f64>,
    /// `None` when there is no sequence, or without a head over whole texts.
    pub anomaly: Option<f64>,
    /// The weighted sum.
    pub total: f64,
}

/// Runs the model over `split` in batches of `batch_size` sequences, in order. Returns `None` as soon as `cancelled` says so.
///
/// Memory is bounded by one batch, beside the predictions themselves.
///
/// # Errors
/// When the split does not fit the model, or a device operation fails.
pub fn predict(
    engine: &mut dyn Engine,
    split: &EncodedSplit,
    batch_size: usize,
    objective: &Objective,
    cancelled: &dyn Fn() -> bool,
) -> Result<Option<Predicted>, EngineError> {
    let mut labels = objective.tags().then(|| Vec::with_capacity(split.tokens()));
    let mut label_scores = Vec::with_capacity(labels.as_ref().map_or(0, Vec::capacity));
    let mut anomaly = objective.classifies().then(PredictedAnomaly::default);
    let (mut ner, mut sequence) = (WeightedMean::default(), WeightedMean::default());
    let rows: Vec<u32> = (0..split.len() as u32).collect();
    for rows in rows.chunks(batch_size.max(1)) {
        if cancelled() {
            return Ok(None);
        }
        let mut batch = split.batch(rows);
        let logits = engine.logits(&batch)?;
        objective.mask(&mut batch);
        if let Some(labels) = labels.as_mut().filter(|_| !batch.ids.is_empty()) {
            let classes = logits.ner.len() / batch.ids.len();
            for (logits, &label) in logits.ner.chunks_exact(classes).zip(&batch.labels) {
                let best = argmax(logits);
                labels.push(best);
                label_scores.push((-cross_entropy(logits, best)).exp());
                if label != IGNORE {
                    ner.add(cross_entropy(logits, label), 1.0);
                }
            }
        }
        let Some(anomaly) = &mut anomaly else { continue };
        for (logits, &class) in logits.anomaly.chunks_exact(2).zip(&batch.anomaly) {
            anomaly.classes.push(argmax(logits));
            anomaly.scores.push(1.0 / (1.0 + (f64::from(logits[0]) - f64::from(logits[1])).exp()));
            let weight = objective
                .anomaly_class_weights
                .map_or(1.0, |weights| f64::from(weights[class as usize]));
            sequence.add(cross_entropy(logits, class), weight);
        }
    }
    let losses = objective.sum(ner.mean(), sequence.mean());
    Ok(Some(Predicted { labels, label_scores, anomaly, losses }))
}

/// What predictions come to: the one way to scores, for `evaluate` as for the metrics that a training watches.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    pub scores: Scores,
    pub spans: SpanScores,
    /// The entities that are predicted in each sequence.
    pub found: Vec<Vec<Span>>,
}

/// Scores predictions against what the corpus says: an entity is found when its type and both its ends in characters are right, so that one
/// which no tokens give is missed.
///
/// * `labels`: as the split numbers them
///
/// # Panics
/// When `predicted` was made for another split.
#[must_use]
pub fn score(split: &EncodedSplit, predicted: &Predicted, labels: &LabelSet) -> Scored {
    let found = match &predicted.labels {
        Some(told) => spans::read_split(split, told, labels),
        None => vec![Vec::new(); split.len()],
    };
    let kind = |span: &Span| labels.types()[span.kind as usize].as_str();
    let spans = span_scores(&split.truth.spans(), &found, kind);
    let entities = Entities {
        spans: &spans,
        cut: split.truth.count(Fit::Cut) as u64,
        inside_tokens: split.truth.count(Fit::InsideTokens) as u64,
    };
    let scores = Scores::of(&Predictions {
        labels: &split.labels,
        predicted_labels: predicted.labels.as_deref(),
        entities,
        anomaly: &split.anomaly,
        predicted_anomaly: predicted
            .anomaly
            .as_ref()
            .map(|anomaly| (&*anomaly.classes, &*anomaly.scores)),
        loss: Some(predicted.losses.total),
    });
    Scored { scores, spans, found }
}

#[derive(Default)]
struct WeightedMean {
    sum: f64,
    weight: f64,
}

impl WeightedMean {
    fn add(&mut self, value: f64, weight: f64) {
        self.sum += value * weight;
        self.weight += weight;
    }

    fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

/// The first of the largest.
fn argmax(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (index, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = index;
        }
    }
    best as u32
}

/// `log(sum(exp(logits))) - logits[label]`
fn cross_entropy(logits: &[f32], label: u32) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from((logit - largest).exp())).sum();
    sum.ln() + f64::from(largest) - f64::from(logits[label as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_of_even_logits_is_the_logarithm_of_their_number() {
        assert!((cross_entropy(&[100.0, 100.0, 100.0], 1) - 3.0_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn an_entity_that_no_tokens_give_is_missed_although_every_label_is_right() {
        let set = LabelSet::of(["PATH"]);
        let [begin, inside, outside] =
            ["B-PATH", "I-PATH", "O"].map(|name| set.index(name).unwrap());
        let mut split = EncodedSplit {
            ids: vec![0; 5],
            bounds: vec![0, 5],
            labels: vec![IGNORE, outside, begin, inside, IGNORE],
            starts: vec![0, 0, 6, 9, 0],
            ends: vec![0, 6, 9, 12, 0],
            anomaly: vec![0],
            ..EncodedSplit::default()
        };
        // The second begins inside the first token, and truncation took the third.
        let spans = [(6, 12, Fit::Exact), (5, 6, Fit::InsideTokens), (13, 20, Fit::Cut)];
        let truth = spans.map(|(start, end, fit)| (Span { start, end, kind: 0 }, fit));
        let ascending = [truth[1], truth[0], truth[2]];
        split.truth.push(ascending);
        let predicted = Predicted {
            label_scores: Vec::new(),
            labels: Some(split.labels.clone()),
            anomaly: Some(PredictedAnomaly { classes: vec![0], scores: vec![0.5] }),
            losses: SplitLosses { ner: None, anomaly: None, total: 0.0 },
        };
        let Scored { scores, found, .. } = score(&split, &predicted, &set);
        assert_eq!(found, [vec![truth[0].0]]);
        let ner = scores.ner;
        assert_eq!((ner.entities, ner.cut, ner.inside_tokens), (3, 1, 1));
        assert_eq!(
            (ner.token_accuracy, ner.span_precision, ner.span_recall),
            (Some(1.0), Some(1.0), Some(1.0 / 3.0))
        );
    }

    #[test]
    fn the_first_of_equal_logits_wins() {
        assert_eq!(argmax(&[0.0, 2.0, 2.0]), 1);
        assert_eq!(argmax(&[f32::NAN, f32::NAN]), 0);
    }
}
