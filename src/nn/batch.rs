//! Packed batches: what the model reads and what it is measured against.

use thiserror::Error;

use super::{EncoderSpec, HeadSpec, NoMemory, Over, PositionTable};
use crate::base::IGNORE;

/// Several sequences, one after the other, without padding, and what the heads should say of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    ids: Vec<u32>,
    bounds: Vec<usize>,
    targets: Vec<Vec<u32>>,
    /// `(sequences,)`, or empty where each sequence is a whole text.
    shares: Vec<u32>,
    noise: Option<u64>,
    /// `(masked,)`
    masked: Vec<u32>,
    hidden_states: Option<Vec<f32>>,
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
    #[error("sequence {sequence} has {length} tokens, but the model has positions for {positions}")]
    TooLong { sequence: usize, length: usize, positions: usize },
    #[error("expected {expected} targets of the head `{head}`, found {found}")]
    Count { head: String, expected: usize, found: usize },
    #[error("expected targets of {expected} heads, found {found}")]
    Heads { expected: usize, found: usize },
    #[error("target {position} of the head `{head}` is {target}, but it tells {outputs} apart")]
    Target { head: String, position: usize, target: u32, outputs: usize },
    #[error("the head `{head}` tells masked tokens, and the batch has none")]
    NothingMasked { head: String },
    #[error("a batch of {tokens} tokens is too large: {source}")]
    NoMemory { tokens: usize, source: NoMemory },
}

impl Batch {
    /// * `ids`: `(tokens,)`
    /// * `bounds`: `(sequences + 1,)`, rising from 0 to `tokens`: sequence `s` is `ids[bounds[s]..bounds[s + 1]]`
    ///
    /// # Errors
    /// When the bounds do not cut `ids` into one or more sequences of at least one token.
    pub fn new(ids: Vec<u32>, bounds: Vec<usize>) -> Result<Self, BatchError> {
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
        let (targets, shares, masked) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { ids, bounds, targets, shares, noise: None, masked, hidden_states: None })
    }

    /// * `targets`: for each head of the model, `(tokens,)` or `(sequences,)` as it looks [over](Over) them: the right class, or [`IGNORE`]
    #[must_use]
    pub fn with_targets(self, targets: Vec<Vec<u32>>) -> Self {
        Self { targets, ..self }
    }

    /// * `shares`: `(sequences,)`: how many sequences share the weight of one in the losses of heads over whole texts, because they are windows of the
    ///   same text
    #[must_use]
    pub fn with_shares(self, shares: Vec<u32>) -> Self {
        debug_assert_eq!(shares.len(), self.sequences());
        Self { shares, ..self }
    }

    /// * `noise`: the number by which features are dropped, where the model has dropout: another one for each batch that is trained on
    #[must_use]
    pub fn with_noise(self, noise: u64) -> Self {
        Self { noise: Some(noise), ..self }
    }

    /// * `masked`: `(masked,)`, rising: the places of the tokens that a head [over](Over::Masked) them is to tell, whose ids may be others'
    #[must_use]
    pub fn with_masked(self, masked: Vec<u32>) -> Self {
        debug_assert!(masked.iter().all(|place| (*place as usize) < self.len()));
        Self { masked, ..self }
    }

    /// The places of the tokens that are to be told.
    #[must_use]
    pub fn masked(&self) -> &[u32] {
        &self.masked
    }

    /// * `hidden_states`: `(tokens, hidden)`: what the encoder leaves of it, which is then not computed, and no gradient either of what it is computed
    ///   from
    #[must_use]
    pub fn with_hidden_states(self, hidden_states: Vec<f32>) -> Self {
        Self { hidden_states: Some(hidden_states), ..self }
    }

    /// What the encoder leaves of it, where that is known.
    #[must_use]
    pub fn hidden_states(&self) -> Option<&[f32]> {
        self.hidden_states.as_deref()
    }

    /// The number by which features are dropped; none where nothing is.
    #[must_use]
    pub fn noise(&self) -> Option<u64> {
        self.noise
    }

    /// `(tokens,)`: the ids of all sequences.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// `(sequences + 1,)`: where each sequence begins, and the number of tokens at the end.
    #[must_use]
    pub fn bounds(&self) -> &[usize] {
        &self.bounds
    }

    /// For each head; none where nothing is known.
    #[must_use]
    pub fn targets(&self) -> &[Vec<u32>] {
        &self.targets
    }

    /// How many rows share the weight of one, for each row of a head; empty where each counts by itself.
    #[must_use]
    pub fn shares(&self, over: Over) -> &[u32] {
        match over {
            Over::Tokens | Over::Masked => &[],
            Over::FirstToken => &self.shares,
        }
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

    /// How many rows a head answers for.
    #[must_use]
    pub fn rows(&self, over: Over) -> usize {
        match over {
            Over::Tokens => self.len(),
            Over::FirstToken => self.sequences(),
            Over::Masked => self.masked.len(),
        }
    }

    /// The number of tokens in the longest sequence.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.bounds.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
    }

    /// Whether the model has rows for all tokens and positions.
    pub(super) fn check_tokens(&self, spec: &EncoderSpec) -> Result<(), BatchError> {
        if let Some(PositionTable { rows, first }) = spec.embeddings.positions {
            let positions = rows - first;
            let mut lengths = self.bounds.windows(2).map(|pair| pair[1] - pair[0]).enumerate();
            if let Some((sequence, length)) = lengths.find(|(_, length)| *length > positions) {
                return Err(BatchError::TooLong { sequence, length, positions });
            }
        }
        let vocabulary = spec.vocab_size;
        match self.ids.iter().position(|&id| id as usize >= vocabulary) {
            None => Ok(()),
            Some(position) => {
                Err(BatchError::OutsideVocabulary { position, id: self.ids[position], vocabulary })
            }
        }
    }

    pub(super) fn check_targets<'h>(
        &self,
        heads: impl ExactSizeIterator<Item = &'h HeadSpec>,
    ) -> Result<(), BatchError> {
        let (expected, found) = (heads.len(), self.targets.len());
        if expected != found {
            return Err(BatchError::Heads { expected, found });
        }
        for (head, targets) in heads.zip(&self.targets) {
            let HeadSpec { name, outputs, over } = head;
            if *over == Over::Masked && self.masked.is_empty() {
                return Err(BatchError::NothingMasked { head: name.clone() });
            }
            let (expected, found) = (self.rows(*over), targets.len());
            if expected != found {
                return Err(BatchError::Count { head: name.clone(), expected, found });
            }
            let is_beyond = |&target: &u32| target != IGNORE && target as usize >= *outputs;
            if let Some(position) = targets.iter().position(is_beyond) {
                let (head, target, outputs) = (name.clone(), targets[position], *outputs);
                return Err(BatchError::Target { head, position, target, outputs });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_do_not_cut_the_ids_into_sequences_are_refused() {
        let refused = |bounds: &[usize]| Batch::new(vec![1, 2, 3], bounds.to_vec()).unwrap_err();
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
        let batch = Batch::new(vec![1, 2, 3, 4, 5], vec![0, 2, 5]).unwrap();
        assert_eq!((batch.len(), batch.sequences(), batch.longest()), (5, 2, 3));
    }

    #[test]
    fn targets_must_fit_the_batch_and_the_heads() {
        let heads = HeadSpec::joint(4);
        let check = |targets: &[&[u32]]| {
            let batch = Batch::new(vec![1, 2, 3], vec![0, 3]).unwrap();
            let targets = targets.iter().map(|targets| targets.to_vec()).collect();
            batch.with_targets(targets).check_targets(heads.iter())
        };
        let head = |index: usize| heads[index].name.clone();
        let beyond = |index: usize, position, target| {
            let (head, outputs) = (head(index), heads[index].outputs);
            Err(BatchError::Target { head, position, target, outputs })
        };
        assert_eq!(check(&[&[0, IGNORE, 3], &[1]]), Ok(()));
        assert_eq!(check(&[&[0, IGNORE, 3]]), Err(BatchError::Heads { expected: 2, found: 1 }));
        assert_eq!(
            check(&[&[0, 1], &[1]]),
            Err(BatchError::Count { head: head(0), expected: 3, found: 2 })
        );
        assert_eq!(
            check(&[&[0, 1, 2], &[]]),
            Err(BatchError::Count { head: head(1), expected: 1, found: 0 })
        );
        assert_eq!(check(&[&[0, 4, 2], &[1]]), beyond(0, 1, 4));
        assert_eq!(check(&[&[0, 1, 2], &[2]]), beyond(1, 0, 2));
    }
}
