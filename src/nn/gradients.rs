//! The gradients of one step: dense for everything but the token embedding, of which only the rows of tokens that occurred are kept, unless a head
//! computes with all of them.

use std::ops::Range;

use rayon::prelude::*;

use super::buffers::reserve;
use super::kernels::Write;
use super::layout::ALIGNMENT;
use super::{Layout, NoMemory, Parameter};

/// Gradients that a step writes, or that micro-batches add up to.
#[derive(Debug, Clone)]
pub struct Gradients {
    /// Gradients from `first` on, where a cache line begins, as every parameter does.
    dense: Vec<f32>,
    first: usize,
    dense_start: usize,
    embedding: SparseRows,
    spare: SparseRows,
    fresh: bool,
}

/// Some rows of a matrix.
#[derive(Debug, Clone, Default)]
pub struct SparseRows {
    /// The numbers of the rows, rising.
    pub ids: Vec<u32>,
    /// `(ids.len(), width)`
    pub rows: Vec<f32>,
    /// The length of a row.
    pub width: usize,
}

impl Gradients {
    /// Gradients for the parameters of `layout`, with nothing in them yet.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        let width = layout.parameters()[0].shape[1];
        let none = SparseRows { width, ..SparseRows::default() };
        let places = layout.dense();
        let dense = vec![0.0; places.len() + ALIGNMENT];
        let first = dense.as_ptr().align_offset(ALIGNMENT * size_of::<f32>()).min(ALIGNMENT);
        Self {
            dense,
            first,
            dense_start: places.start,
            embedding: none.clone(),
            spare: none,
            fresh: true,
        }
    }

    /// Forgets what is there, at no cost: the next backward overwrites it. Without this, it adds.
    pub fn clear(&mut self) {
        self.fresh = true;
        self.embedding.ids.clear();
        self.embedding.rows.clear();
    }

    /// The gradient of [`Layout::dense`], float by float.
    #[must_use]
    pub fn dense(&self) -> &[f32] {
        &self.dense[self.first..self.dense.len() - (ALIGNMENT - self.first)]
    }

    fn dense_mut(&mut self) -> &mut [f32] {
        let end = self.dense.len() - (ALIGNMENT - self.first);
        &mut self.dense[self.first..end]
    }

    /// The rows of the token embedding's gradient that are not zero.
    #[must_use]
    pub fn embedding(&self) -> &SparseRows {
        &self.embedding
    }

    /// The gradient of one parameter, or `None` for the token embedding, whose gradient is sparse.
    #[must_use]
    pub fn parameter(&self, parameter: &Parameter) -> Option<&[f32]> {
        (parameter.range.start >= self.dense_start).then(|| self.within(&parameter.range))
    }

    /// The gradient of a part of [`Layout::dense`].
    #[must_use]
    pub fn within(&self, range: &Range<usize>) -> &[f32] {
        &self.dense()[range.start - self.dense_start..range.end - self.dense_start]
    }

    /// Whether the next backward replaces or adds.
    pub(super) fn write(&self) -> Write {
        if self.fresh { Write::Replace } else { Write::Add }
    }

    /// Says that everything has been written once.
    pub(super) fn written(&mut self) {
        self.fresh = false;
    }

    /// The place of the parameter at `range` of the flat buffer.
    pub(super) fn at(&mut self, range: &Range<usize>) -> &mut [f32] {
        let start = self.dense_start;
        &mut self.dense_mut()[range.start - start..range.end - start]
    }

    /// Makes room for the rows of a batch of `tokens` tokens.
    ///
    /// # Errors
    /// [`NoMemory`]
    pub(super) fn make_room(&mut self, tokens: usize) -> Result<(), NoMemory> {
        let rows =
            (self.embedding.ids.len() + tokens).min(self.dense_start / self.embedding.width.max(1));
        reserve(&mut self.spare.rows, rows * self.embedding.width, "the gradient of its embedding")
    }

    /// Adds a gradient of the embedded tokens to the rows that they came from.
    ///
    /// * `ids`: `(tokens,)`
    /// * `gradient`: `(tokens, width)`
    ///
    /// A row's sum runs over its tokens in the order of the batch, after what earlier micro-batches left.
    pub(super) fn add_embedding(&mut self, ids: &[u32], gradient: &[f32]) {
        let width = self.embedding.width;
        if self.dense_start == 0 {
            // The head that computes with the embedding has written all of its rows.
            for (&id, added) in ids.iter().zip(gradient.chunks_exact(width)) {
                let row = &mut self.dense_mut()[id as usize * width..][..width];
                row.iter_mut().zip(added).for_each(|(sum, added)| *sum += added);
            }
            return;
        }
        let mut tokens: Vec<(u32, usize)> = ids.iter().copied().zip(0..).collect();
        tokens.sort_unstable();

        let (old, new) = (&self.embedding, &mut self.spare);
        new.ids.clear();
        new.ids.extend(old.ids.iter().chain(ids));
        new.ids.sort_unstable();
        new.ids.dedup();
        new.rows.resize(new.ids.len() * width, 0.0);
        let rows = new.rows.par_chunks_exact_mut(width).zip(&new.ids).with_min_len(64);
        rows.for_each(|(row, &id)| {
            match old.ids.binary_search(&id) {
                Ok(place) => row.copy_from_slice(&old.rows[place * width..(place + 1) * width]),
                Err(_) => row.fill(0.0),
            }
            let first = tokens.partition_point(|&(other, _)| other < id);
            for &(_, token) in tokens[first..].iter().take_while(|&&(other, _)| other == id) {
                let added = &gradient[token * width..(token + 1) * width];
                row.iter_mut().zip(added).for_each(|(sum, added)| *sum += added);
            }
        });
        std::mem::swap(&mut self.embedding, &mut self.spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{EncoderSpec, HeadSpec};

    fn gradients() -> Gradients {
        let sizes = r#"{"vocab_size": 10, "hidden_size": 2, "num_attention_heads": 1}"#;
        Gradients::new(&Layout::new(&EncoderSpec::from_json(sizes).unwrap(), &HeadSpec::joint(3)))
    }

    #[test]
    fn rows_of_a_token_that_occurs_twice_add_up() {
        let mut gradients = gradients();
        gradients.add_embedding(&[7, 2, 7], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(gradients.embedding().ids, [2, 7]);
        assert_eq!(gradients.embedding().rows, [3.0, 4.0, 6.0, 8.0]);
    }

    #[test]
    fn micro_batches_add_to_the_rows_of_earlier_ones() {
        let mut gradients = gradients();
        gradients.add_embedding(&[7, 2], &[1.0, 2.0, 3.0, 4.0]);
        gradients.add_embedding(&[5, 7], &[10.0, 20.0, 30.0, 40.0]);
        assert_eq!(gradients.embedding().ids, [2, 5, 7]);
        assert_eq!(gradients.embedding().rows, [3.0, 4.0, 10.0, 20.0, 31.0, 42.0]);
    }

    #[test]
    fn clearing_forgets_the_rows() {
        let mut gradients = gradients();
        gradients.add_embedding(&[7, 2], &[1.0, 2.0, 3.0, 4.0]);
        gradients.clear();
        gradients.add_embedding(&[3], &[5.0, 6.0]);
        assert_eq!(gradients.embedding().ids, [3]);
        assert_eq!(gradients.embedding().rows, [5.0, 6.0]);
    }
}
