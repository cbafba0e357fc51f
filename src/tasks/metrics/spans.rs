//! Entity-level scores: an entity counts when both its ends and its type are right.

use std::collections::BTreeMap;

use serde::Serialize;

/// Precision and its company for one entity type, or for all together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct PrecisionRecall {
    /// Right ones among the predicted; `None` when nothing was predicted.
    pub precision: Option<f64>,
    /// Right ones among the true; `None` when there are none.
    pub recall: Option<f64>,
    /// Harmonic mean of the two; `None` when there is nothing true and nothing predicted.
    pub f1: Option<f64>,
    /// How many are true.
    pub support: u64,
}

/// Entity-level scores; those of seqeval in strict mode where entities are runs of tokens.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpanScores {
    /// Over all entities, whatever their type.
    pub micro: PrecisionRecall,
    /// For every type with a true or a predicted entity.
    pub per_label: BTreeMap<String, PrecisionRecall>,
}

/// What precision and recall are made of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub matched: u64,
    pub predicted: u64,
    pub actual: u64,
}

impl Counts {
    #[must_use]
    pub fn scores(self) -> PrecisionRecall {
        let ratio =
            |denominator: u64| (denominator > 0).then(|| self.matched as f64 / denominator as f64);
        let (precision, recall) = (ratio(self.predicted), ratio(self.actual));
        let f1 = match (precision, recall) {
            (None, None) => None,
            // The order of operations is seqeval's, so that the last digit is, too.
            (Some(precision), Some(recall)) if precision + recall > 0.0 => {
                Some(2.0 * precision * recall / (precision + recall))
            }
            _ => Some(0.0),
        };
        PrecisionRecall { precision, recall, f1, support: self.actual }
    }
}

/// Compares entities: one is found where an equal one is predicted.
///
/// * `truth`, `predicted`: the entities of each sequence, ascending; what they are is the caller's, as long as equal ones are right
/// * `kind`: an entity's type
///
/// # Panics
/// When `truth` and `predicted` have different numbers of sequences.
#[must_use]
pub fn span_scores<'a, S: Ord>(
    truth: &[Vec<S>],
    predicted: &[Vec<S>],
    kind: impl Fn(&S) -> &'a str,
) -> SpanScores {
    assert_eq!(truth.len(), predicted.len(), "predictions for each sequence");
    let mut counts: BTreeMap<&'a str, Counts> = BTreeMap::new();
    for (actual, guessed) in truth.iter().zip(predicted) {
        for entity in actual {
            counts.entry(kind(entity)).or_default().actual += 1;
        }
        let mut candidates = actual.iter().peekable();
        for entity in guessed {
            let counts = counts.entry(kind(entity)).or_default();
            counts.predicted += 1;
            while candidates.next_if(|candidate| *candidate < entity).is_some() {}
            counts.matched += u64::from(candidates.next_if_eq(&entity).is_some());
        }
    }
    let mut all = Counts::default();
    for counts in counts.values() {
        all.matched += counts.matched;
        all.predicted += counts.predicted;
        all.actual += counts.actual;
    }
    let per_label =
        counts.into_iter().map(|(kind, counts)| (kind.to_owned(), counts.scores())).collect();
    SpanScores { micro: all.scores(), per_label }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By place and type.
    type Entity = (usize, usize, &'static str);

    fn scores(truth: &[Vec<Entity>], predicted: &[Vec<Entity>]) -> PrecisionRecall {
        span_scores(truth, predicted, |entity| entity.2).micro
    }

    #[test]
    fn an_entity_is_found_where_type_and_both_ends_are_right() {
        let truth = [vec![(0, 3, "PER"), (4, 9, "LOC")], vec![(0, 3, "PER"), (4, 9, "LOC")]];
        let found = [vec![(0, 3, "LOC"), (4, 9, "LOC")], vec![(0, 2, "PER"), (5, 9, "LOC")]];
        assert_eq!(
            scores(&truth, &found),
            PrecisionRecall {
                precision: Some(0.25),
                recall: Some(0.25),
                f1: Some(0.25),
                support: 4
            }
        );
    }

    #[test]
    fn an_entity_is_found_in_its_own_sequence_only() {
        let found = scores(&[vec![(0, 3, "PER")], vec![]], &[vec![], vec![(0, 3, "PER")]]);
        assert_eq!((found.precision, found.recall), (Some(0.0), Some(0.0)));
    }

    #[test]
    fn without_predictions_precision_is_undefined() {
        assert_eq!(
            scores(&[vec![(0, 3, "PER")]], &[vec![]]),
            PrecisionRecall { precision: None, recall: Some(0.0), f1: Some(0.0), support: 1 }
        );
    }

    #[test]
    fn without_entities_every_score_is_undefined() {
        assert_eq!(
            span_scores(&[vec![]], &[vec![]], |entity: &Entity| entity.2),
            SpanScores::default()
        );
    }
}
