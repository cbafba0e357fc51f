//! From what a tagging head says of each token of a text to the labels of all of them, where one depends on others.
//!
//! Reference for the constraint: Viterbi, Error bounds for convolutional codes, 1967; the transitions are those of IOB2, and none has a weight.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cross_entropy;
use super::logits::argmax;

/// Where entities begin and end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decode {
    /// at tokens
    #[default]
    Tokens,
    /// at words
    Words,
}

/// How the labels of a text's tokens are told from what a head says of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decoding {
    pub decode: Decode,
    /// Whether the labels are the most likely ones of all that IOB2 allows, and not each the most likely one.
    pub viterbi: bool,
}

impl Decoding {
    /// Whether the label of a token depends on what is said of others.
    #[must_use]
    pub fn is_joint(self) -> bool {
        self != Self::default()
    }

    /// The runs of tokens of a text that have one label together.
    ///
    /// * `special`: `(tokens,)`: those that get none
    /// * `begins`: `(tokens,)`: where words begin
    pub(super) fn units(self, special: &[bool], begins: &[bool]) -> Vec<Range<usize>> {
        let mut units: Vec<Range<usize>> = Vec::new();
        for token in (0..special.len()).filter(|token| !special[*token]) {
            let goes_on = self.decode == Decode::Words && !begins[token];
            match units.last_mut().filter(|unit| goes_on && unit.end == token) {
                Some(unit) => unit.end += 1,
                None => units.push(token..token + 1),
            }
        }
        units
    }

    /// The labels of a text's tokens; those of no unit stay as they are.
    ///
    /// The tokens of a unit go on with what its first one begins: `B-X I-X I-X`, `I-X I-X I-X` or `O O O`. Of these it gets what is most likely for all of its
    /// tokens together, by the sum of their log-probabilities.
    ///
    /// * `logits`: `(tokens, labels)`, in the order of [`LabelSet`](crate::text::LabelSet)
    /// * `units`: as [`units`](Self::units) gives them
    /// * `told`: `(tokens,)`
    pub(super) fn tell(self, logits: &[f32], units: &[Range<usize>], told: &mut [u32]) {
        if told.is_empty() {
            return;
        }
        let labels = Labels { count: logits.len() / told.len() };
        let scores: Vec<Vec<f64>> = units.iter().map(|unit| labels.of_unit(logits, unit)).collect();
        let best = match self.viterbi {
            true => labels.best_sequence(&scores),
            false => scores.iter().map(|scores| argmax(scores)).collect(),
        };
        for (unit, label) in units.iter().zip(best) {
            told[unit.clone()].fill(labels.inside(label) as u32);
            told[unit.start] = label as u32;
        }
    }
}

/// The labels of some types, as [`LabelSet`](crate::text::LabelSet) numbers them: all `B-X`, all `I-X` in the same order, `O`.
#[derive(Clone, Copy)]
struct Labels {
    count: usize,
}

impl Labels {
    fn types(self) -> usize {
        self.count / 2
    }

    /// The label of a token that goes on with what one of this label began.
    fn inside(self, label: usize) -> usize {
        if label < self.types() { label + self.types() } else { label }
    }

    fn is_inside(self, label: usize) -> bool {
        (self.types()..2 * self.types()).contains(&label)
    }

    /// How likely each label is for a unit: `(labels,)`.
    fn of_unit(self, logits: &[f32], unit: &Range<usize>) -> Vec<f64> {
        let mut scores = vec![0.0; self.count];
        for token in unit.clone() {
            let logits = &logits[token * self.count..][..self.count];
            // The logarithm of the sum of their exponentials; what it is taken from makes no difference.
            let normaliser = cross_entropy(logits, 0) + f64::from(logits[0]);
            for (label, score) in scores.iter_mut().enumerate() {
                let label = if token == unit.start { label } else { self.inside(label) };
                *score += f64::from(logits[label]) - normaliser;
            }
        }
        scores
    }

    /// The labels of the largest sum in which every `I-X` follows `B-X` or `I-X`: `(units,)`.
    ///
    /// * `scores`: `(units, labels)`
    fn best_sequence(self, scores: &[Vec<f64>]) -> Vec<usize> {
        let mut sums = vec![0.0; self.count];
        let mut before: Vec<Vec<usize>> = Vec::with_capacity(scores.len());
        for (unit, scores) in scores.iter().enumerate() {
            let best = argmax(&sums);
            let follows = |label: usize| match label {
                _ if !self.is_inside(label) => best,
                _ if sums[label] > sums[label - self.types()] => label,
                _ => label - self.types(),
            };
            let from: Vec<usize> = (0..self.count).map(follows).collect();
            let sum = |(label, score): (usize, &f64)| match unit {
                0 if self.is_inside(label) => f64::NEG_INFINITY,
                _ => sums[from[label]] + score,
            };
            sums = scores.iter().enumerate().map(sum).collect();
            before.push(from);
        }
        let mut labels = vec![argmax(&sums); scores.len()];
        for unit in (1..scores.len()).rev() {
            labels[unit - 1] = before[unit][labels[unit]];
        }
        labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::LabelSet;
    use proptest::prelude::*;

    const JOINT: [Decoding; 3] = [
        Decoding { decode: Decode::Tokens, viterbi: true },
        Decoding { decode: Decode::Words, viterbi: false },
        Decoding { decode: Decode::Words, viterbi: true },
    ];

    /// All sequences of so many labels.
    fn sequences(labels: usize, tokens: usize) -> Vec<Vec<u32>> {
        (0..tokens).fold(vec![Vec::new()], |all, _| {
            let longer = |sequence: &Vec<u32>| {
                let sequence = sequence.clone();
                (0..labels).map(move |label| [&sequence[..], &[label as u32]].concat())
            };
            all.iter().flat_map(longer).collect()
        })
    }

    /// Whether `label` may stand behind `before`, by their names.
    fn may_follow(set: &LabelSet, before: Option<u32>, label: u32) -> bool {
        let name = |label: u32| set.names()[label as usize].as_str();
        let Some(kind) = name(label).strip_prefix("I-") else { return true };
        before.is_some_and(|before| {
            ["B-", "I-"].map(|head| format!("{head}{kind}")).contains(&name(before).to_owned())
        })
    }

    /// Whether each token that begins no word goes on with the one before: as `I-X` with `B-X` or `I-X`, as `O` with `O`.
    fn keeps_words(set: &LabelSet, begins: &[bool], sequence: &[u32]) -> bool {
        let goes_on = |at: &usize| !begins[*at];
        (1..sequence.len()).filter(goes_on).all(|at| {
            let is_outside = |label: u32| label == set.outside();
            match is_outside(sequence[at - 1]) {
                true => is_outside(sequence[at]),
                false => {
                    set.names()[sequence[at] as usize].starts_with("I-")
                        && may_follow(set, Some(sequence[at - 1]), sequence[at])
                }
            }
        })
    }

    fn log_likelihood(logits: &[f32], labels: usize, sequence: &[u32]) -> f64 {
        let rows = logits.chunks_exact(labels).zip(sequence);
        rows.map(|(logits, label)| -cross_entropy(logits, *label)).sum()
    }

    proptest! {
        /// Held against all sequences that there are.
        #[test]
        fn what_is_told_is_the_most_likely_of_what_is_allowed(
            logits in prop::collection::vec(-3.0_f32..3.0, 4 * 5),
            begins in prop::collection::vec(prop::bool::ANY, 4),
        ) {
            let set = LabelSet::of(["LOC", "PER"]);
            let mut begins = begins;
            begins[0] = true;
            for decoding in JOINT {
                let mut told = vec![0; 4];
                decoding.tell(&logits, &decoding.units(&[false; 4], &begins), &mut told);
                let is_allowed = |sequence: &Vec<u32>| {
                    let follows = |at: usize| {
                        let before = at.checked_sub(1).map(|before| sequence[before]);
                        may_follow(&set, before, sequence[at])
                    };
                    (decoding.decode == Decode::Tokens || keeps_words(&set, &begins, sequence))
                        && (!decoding.viterbi || (0..4).all(follows))
                };
                let mut all = sequences(set.len(), 4);
                all.retain(is_allowed);
                let best = all.iter().map(|sequence| log_likelihood(&logits, set.len(), sequence));
                let best = best.fold(f64::NEG_INFINITY, f64::max);
                prop_assert!(is_allowed(&told), "{decoding:?} {told:?}");
                let reached = log_likelihood(&logits, set.len(), &told);
                prop_assert!((reached - best).abs() < 1e-9, "{decoding:?} {reached} {best}");
            }
        }

        #[test]
        fn logits_that_are_no_numbers_are_told_something(
            logits in prop::collection::vec(prop::sample::select(vec![f32::NAN, f32::INFINITY, 0.0]), 3 * 3),
        ) {
            for decoding in JOINT {
                let mut told = vec![9; 3];
                decoding.tell(&logits, &decoding.units(&[false; 3], &[true; 3]), &mut told);
                prop_assert!(told.iter().all(|label| *label < 3));
            }
        }
    }

    #[test]
    fn special_tokens_are_in_no_unit_and_keep_their_labels() {
        let decoding = JOINT[2];
        let special = [true, false, false, false, true];
        let units = decoding.units(&special, &[true, true, false, true, true]);
        assert_eq!(units, [1..3, 3..4]);
        let mut told = vec![7; 5];
        decoding.tell(&[0.0; 15], &units, &mut told);
        assert_eq!([told[0], told[4]], [7, 7]);
    }

    #[test]
    fn tokens_alone_each_get_their_most_likely_label() {
        assert!(
            !Decoding::default().is_joint() && JOINT.iter().all(|decoding| decoding.is_joint())
        );
    }
}
