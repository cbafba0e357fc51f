//! Packed batches, as borrowed views: what the model reads and what it is measured against.

use thiserror::Error;

use super::{HeadSizes, NoMemory};

/// The label of a token that counts in no loss.
pub const IGNORE: u32 = u32::MAX;

/// Token ids of several sequences, one after the other, without padding.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    ids: &'a [u32],
    bounds: &'a [usize],
}

/// What a batch should have been labelled.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a> {
    /// `(tokens,)`: the label of every token, or [`IGNORE`].
    pub labels: &'a [u32],
    /// `(sequences,)`: 0 normal, 1 anomaly.
    pub anomaly: &'a [u32],
}

/// A batch that the model cannot work on. All but the last are mistakes of the caller; indices count from 0.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BatchError {
    #[error("a batch needs at least one sequence")]
    NoSequences,
    #[error(
        "the bounds of {tokens} tokens must rise from 0 to {tokens}, but bound {index} is {found}"
    )]
    Bounds { index: usize, found: usize, tokens: usize },
    #[error(
        "sequence {sequence} is empty: it needs a first token, which stands for the whole text"
    )]
    EmptySequence { sequence: usize },
    #[error(
        "token {position} has id {id}, but the vocabulary has {vocabulary} entries: tokenizer and model do not belong together"
    )]
    OutsideVocabulary { position: usize, id: u32, vocabulary: usize },
    #[error("expected {expected} {what}, found {found}")]
    Count { what: &'static str, expected: usize, found: usize },
    #[error("token {position} has label {label}, but the model has {labels} labels")]
    Label { position: usize, label: u32, labels: usize },
    #[error("sequence {sequence} has anomaly class {class}, expected 0 or 1")]
    AnomalyClass { sequence: usize, class: u32 },
    #[error("a batch of {tokens} tokens is too large: {source}")]
    NoMemory { tokens: usize, source: NoMemory },
}

impl<'a> Tokens<'a> {
    /// * `ids`: `(tokens,)`
    /// * `bounds`: `(sequences + 1,)`, rising from 0 to `tokens`: sequence `s` is `ids[bounds[s]..bounds[s + 1]]`
    ///
    /// # Errors
    /// When the bounds do not cut `ids` into one or more sequences of at least one token.
    pub fn new(ids: &'a [u32], bounds: &'a [usize]) -> Result<Self, BatchError> {
        if bounds.len() < 2 {
            return Err(BatchError::NoSequences);
        }
        let tokens = ids.len();
        if bounds[0] != 0 {
            return Err(BatchError::Bounds { index: 0, found: bounds[0], tokens });
        }
        for (sequence, pair) in bounds.windows(2).enumerate() {
            if pair[1] == pair[0] {
                return Err(BatchError::EmptySequence { sequence });
            }
            if pair[1] < pair[0] || pair[1] > tokens {
                return Err(BatchError::Bounds { index: sequence + 1, found: pair[1], tokens });
            }
        }
        let last = bounds.len() - 1;
        if bounds[last] != tokens {
            return Err(BatchError::Bounds { index: last, found: bounds[last], tokens });
        }
        Ok(Self { ids, bounds })
    }

    /// `(tokens,)`: the ids of all sequences.
    #[must_use]
    pub fn ids(&self) -> &'a [u32] {
        self.ids
    }

    /// `(sequences + 1,)`: where each sequence begins, and the number of tokens at the end.
    #[must_use]
    pub fn bounds(&self) -> &'a [usize] {
        self.bounds
    }

    /// The number of tokens in all sequences; never 0.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty")]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    #[must_use]
    pub fn sequences(&self) -> usize {
        self.bounds.len() - 1
    }

    /// The number of tokens in the longest sequence.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.bounds.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
    }

    pub(super) fn check_vocabulary(&self, vocabulary: usize) -> Result<(), BatchError> {
        match self.ids.iter().position(|&id| id as usize >= vocabulary) {
            None => Ok(()),
            Some(position) => {
                Err(BatchError::OutsideVocabulary { position, id: self.ids[position], vocabulary })
            }
        }
    }
}

impl Targets<'_> {
    /// Labels count only for a model that tags.
    pub(super) fn check(&self, tokens: &Tokens<'_>, heads: HeadSizes) -> Result<(), BatchError> {
        let count = |what, expected, found| {
            if expected == found {
                Ok(())
            } else {
                Err(BatchError::Count { what, expected, found })
            }
        };
        count("token labels", tokens.len(), self.labels.len())?;
        count("anomaly classes", tokens.sequences(), self.anomaly.len())?;
        if let Some(labels) = heads.ner
            && let Some(position) =
                self.labels.iter().position(|&label| label != IGNORE && label as usize >= labels)
        {
            return Err(BatchError::Label { position, label: self.labels[position], labels });
        }
        if let Some(sequence) = self.anomaly.iter().position(|&class| class > 1) {
            return Err(BatchError::AnomalyClass { sequence, class: self.anomaly[sequence] });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_do_not_cut_the_ids_into_sequences_are_refused() {
        let ids = [1, 2, 3];
        let refused = |bounds: &[usize]| Tokens::new(&ids, bounds).unwrap_err();
        assert_eq!(refused(&[]), BatchError::NoSequences);
        assert_eq!(refused(&[0]), BatchError::NoSequences);
        assert_eq!(refused(&[1, 3]), BatchError::Bounds { index: 0, found: 1, tokens: 3 });
        assert_eq!(refused(&[0, 2, 2, 3]), BatchError::EmptySequence { sequence: 1 });
        assert_eq!(refused(&[0, 2, 1, 3]), BatchError::Bounds { index: 2, found: 1, tokens: 3 });
        assert_eq!(refused(&[0, 4]), BatchError::Bounds { index: 1, found: 4, tokens: 3 });
        assert_eq!(refused(&[0, 2]), BatchError::Bounds { index: 1, found: 2, tokens: 3 });
    }

    #[test]
    fn a_batch_knows_its_sizes() {
        let tokens = Tokens::new(&[1, 2, 3, 4, 5], &[0, 2, 5]).unwrap();
        assert_eq!((tokens.len(), tokens.sequences(), tokens.longest()), (5, 2, 3));
    }

    #[test]
    fn targets_must_fit_the_batch_and_the_heads() {
        let tokens = Tokens::new(&[1, 2, 3], &[0, 3]).unwrap();
        let check =
            |labels: &[u32], anomaly: &[u32]| Targets { labels, anomaly }.check(&tokens, 4.into());
        assert_eq!(check(&[0, IGNORE, 3], &[1]), Ok(()));
        assert_eq!(
            check(&[0, 1], &[1]),
            Err(BatchError::Count { what: "token labels", expected: 3, found: 2 })
        );
        assert_eq!(
            check(&[0, 1, 2], &[]),
            Err(BatchError::Count { what: "anomaly classes", expected: 1, found: 0 })
        );
        assert_eq!(
            check(&[0, 4, 2], &[1]),
            Err(BatchError::Label { position: 1, label: 4, labels: 4 })
        );
        assert_eq!(
            check(&[0, 1, 2], &[2]),
            Err(BatchError::AnomalyClass { sequence: 0, class: 2 })
        );
    }
}
