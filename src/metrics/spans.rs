//! Entity-level scores: an entity counts when its first token, its last and its type are all right.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::IGNORE;

/// Precision and its company for one entity type, or for all together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
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

/// Entity-level scores as seqeval defines them in strict mode.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpanScores {
    /// Over all entities, whatever their type.
    pub micro: PrecisionRecall,
    /// For every type with a true or a predicted entity.
    pub per_label: BTreeMap<String, PrecisionRecall>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub matched: u64,
    pub predicted: u64,
    pub actual: u64,
}

impl Counts {
    fn scores(self) -> PrecisionRecall {
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

/// What one label's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag<'a> {
    Outside,
    Begin(&'a str),
    Inside(&'a str),
}

impl<'a> Tag<'a> {
    fn of(name: &'a str) -> Self {
        match name.split_once('-') {
            Some(("B", kind)) => Self::Begin(kind),
            Some(("I", kind)) => Self::Inside(kind),
            _ => Self::Outside,
        }
    }
}

/// Compares entities, read strictly as IOB2: an entity begins at `B-X` and goes on over `I-X`; an `I-X` that follows anything else begins none.
///
/// * `truth`, `predicted`: `(tokens,)`, numbers in `names`; a token whose truth is [`IGNORE`] is left out of both, and the tokens around it
///   become neighbours
/// * `bounds`: `(sequences + 1,)`, where each sequence begins
/// * `names`: `O`, `B-X` and `I-X`; a number without a name counts as `O`
///
/// # Panics
/// When `truth` and `predicted` differ in length or `bounds` leaves them.
#[must_use]
pub fn span_scores(
    truth: &[u32],
    predicted: &[u32],
    bounds: &[u32],
    names: &[String],
) -> SpanScores {
    let counts = span_counts(truth, predicted, bounds, names);
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

fn span_counts<'a>(
    truth: &[u32],
    predicted: &[u32],
    bounds: &[u32],
    names: &'a [String],
) -> BTreeMap<&'a str, Counts> {
    assert_eq!(truth.len(), predicted.len(), "one prediction for each token");
    let tags: Vec<Tag<'a>> = names.iter().map(|name| Tag::of(name)).collect();
    let tag = |id: u32| tags.get(id as usize).copied().unwrap_or(Tag::Outside);
    let mut counts: BTreeMap<&'a str, Counts> = BTreeMap::new();
    for pair in bounds.windows(2) {
        let tokens = pair[0] as usize..pair[1] as usize;
        let kept = || {
            truth[tokens.clone()]
                .iter()
                .zip(&predicted[tokens.clone()])
                .filter(|(truth, _)| **truth != IGNORE)
        };
        let actual = entities(kept().map(|(truth, _)| tag(*truth)));
        let guessed = entities(kept().map(|(_, predicted)| tag(*predicted)));
        for (kind, ..) in &actual {
            counts.entry(kind).or_default().actual += 1;
        }
        for (kind, ..) in &guessed {
            counts.entry(kind).or_default().predicted += 1;
        }
        // Both ascend, and at most one entity begins at a token.
        let mut candidates = actual.iter().peekable();
        for entity in &guessed {
            while candidates.next_if(|candidate| candidate.1 < entity.1).is_some() {}
            if candidates.next_if_eq(&entity).is_some() {
                counts.entry(entity.0).or_default().matched += 1;
            }
        }
    }
    counts
}

/// The entities of one sequence as `(type, first token, token after the last)`.
fn entities<'a>(tags: impl Iterator<Item = Tag<'a>>) -> Vec<(&'a str, usize, usize)> {
    let mut found: Vec<(&str, usize, usize)> = Vec::new();
    let mut open = false;
    for (token, tag) in tags.enumerate() {
        match tag {
            Tag::Begin(kind) => {
                found.push((kind, token, token + 1));
                open = true;
            }
            Tag::Inside(kind) => match found.last_mut() {
                Some(last) if open && last.0 == kind => last.2 = token + 1,
                _ => open = false,
            },
            Tag::Outside => open = false,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"].map(String::from).into()
    }

    #[test]
    fn an_inside_label_without_a_begin_is_no_entity() {
        let scores = span_scores(&[1, 3, 4], &[3, 3, 4], &[0, 3], &names());
        assert_eq!(
            scores.micro,
            PrecisionRecall { precision: None, recall: Some(0.0), f1: Some(0.0), support: 1 }
        );
    }

    #[test]
    fn an_entity_never_crosses_a_sequence() {
        let scores = span_scores(&[1, 3, 3], &[1, 3, 3], &[0, 2, 3], &names());
        assert_eq!(
            scores.micro,
            PrecisionRecall { precision: Some(1.0), recall: Some(1.0), f1: Some(1.0), support: 1 }
        );
    }

    #[test]
    fn ignored_tokens_count_in_neither() {
        let scores = span_scores(&[IGNORE, 1, 3, IGNORE], &[1, 1, 3, 3], &[0, 4], &names());
        assert_eq!(scores.micro.f1, Some(1.0));
    }

    #[test]
    fn without_entities_every_score_is_undefined() {
        assert_eq!(span_scores(&[4, 4], &[4, 4], &[0, 2], &names()), SpanScores::default());
    }
}
