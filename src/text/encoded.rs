//! Encoded texts: packed tokens with labels and offsets.

mod file;

use std::collections::BTreeMap;
use std::ops::Range;

use super::spans::{self, Span};
use super::{EntityTruth, LabelSet, Windows, bounds, words};
use crate::base::IGNORE;

pub use file::{EncodedError, SplitWriter};

/// All texts of one split, one after another without padding. What a model reads of them are sequences: the texts, or their [`Windows`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedSplit {
    /// Token ids of all texts: `(tokens,)`.
    pub ids: Vec<u32>,
    /// Where each text begins in `ids`, and where the last one ends: `(texts + 1,)`.
    pub bounds: Vec<u32>,
    /// Number in the label set, [`IGNORE`](crate::base::IGNORE) at special tokens and in texts whose entities nobody knows: `(tokens,)`.
    pub labels: Vec<u32>,
    /// First character that each token shows of its text, white space skipped; 0 at special tokens: `(tokens,)`.
    pub starts: Vec<u32>,
    /// The character after the last one that it shows, the same as the first where it is white space; 0 at special tokens: `(tokens,)`.
    pub ends: Vec<u32>,
    /// The class of each text by head, [`IGNORE`](crate::base::IGNORE) where it has no label for that: `(texts,)` each.
    pub classes: BTreeMap<String, Vec<u32>>,
    /// The entities as the corpus has them, whatever the labels say.
    pub truth: EntityTruth,
    /// Whether a word begins at each token, as [`words::begin_words`] says it: `(tokens,)`. Empty before [`find_words`](Self::find_words): it follows from
    /// the texts, and no file has it.
    pub word_begins: Vec<bool>,
    /// Where texts are read in windows; each is one sequence otherwise.
    pub windows: Option<Windows>,
}

impl Default for EncodedSplit {
    fn default() -> Self {
        Self {
            ids: Vec::new(),
            bounds: vec![0],
            labels: Vec::new(),
            starts: Vec::new(),
            ends: Vec::new(),
            classes: BTreeMap::new(),
            truth: EntityTruth::default(),
            word_begins: Vec::new(),
            windows: None,
        }
    }
}

impl EncodedSplit {
    /// How many texts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bounds.len().saturating_sub(1)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many tokens there are, special ones included.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// The tokens that occur, rising, each once.
    #[must_use]
    pub fn vocabulary(&self) -> Vec<u32> {
        let size = self.ids.iter().max().map_or(0, |last| *last as usize + 1);
        let mut occurs = vec![false; size];
        self.ids.iter().for_each(|id| occurs[*id as usize] = true);
        (0..).zip(occurs).filter_map(|(id, occurs)| occurs.then_some(id)).collect()
    }

    /// Where a text lies in the packed vectors.
    ///
    /// # Panics
    /// When there is no such text.
    #[must_use]
    pub fn range(&self, text: usize) -> Range<usize> {
        self.bounds[text] as usize..self.bounds[text + 1] as usize
    }

    /// Whether the entities of a text are known. Of one without tokens nobody has to know.
    ///
    /// # Panics
    /// When there is no such text.
    #[must_use]
    pub fn is_tagged(&self, text: usize) -> bool {
        self.labels[self.range(text)].iter().any(|label| *label != IGNORE)
    }

    /// Which tokens of a text stand for none of its characters: those without a label, or where the whole text has none those that show no
    /// character.
    ///
    /// # Panics
    /// When there is no such text.
    #[must_use]
    pub fn special(&self, text: usize) -> Vec<bool> {
        let is_tagged = self.is_tagged(text);
        let is_special = |token: usize| match is_tagged {
            true => self.labels[token] == IGNORE,
            false => self.ends[token] == 0,
        };
        self.range(text).map(is_special).collect()
    }

    /// What labels say of every text, as [`spans::read`] reads them; [special](Self::special) tokens carry none, whatever `labels` says of them.
    ///
    /// * `labels`: `(tokens,)`
    ///
    /// # Panics
    /// When there is not a label for each token.
    #[must_use]
    pub fn spans(&self, labels: &[u32], set: &LabelSet) -> Vec<Vec<Span>> {
        assert_eq!(labels.len(), self.tokens(), "a label for each token");
        let text = |row: usize| {
            let tokens = self.range(row);
            let of_token = |(special, label): (bool, &u32)| if special { IGNORE } else { *label };
            let told: Vec<u32> =
                self.special(row).into_iter().zip(&labels[tokens.clone()]).map(of_token).collect();
            spans::read(&told, &self.starts[tokens.clone()], &self.ends[tokens], set)
        };
        (0..self.len()).map(text).collect()
    }

    /// Finds where words begin.
    ///
    /// * `texts`: all of them
    pub fn find_words<'t>(&mut self, texts: impl IntoIterator<Item = &'t str>) {
        self.word_begins.clear();
        for (row, text) in texts.into_iter().enumerate() {
            let tokens = self.range(row);
            let (starts, ends) = (&self.starts[tokens.clone()], &self.ends[tokens]);
            self.word_begins.extend(words::begin_words(text, starts, ends));
        }
    }

    /// What was found in each text, without what was found where nobody knows what is there.
    #[must_use]
    pub fn of_tagged<T: Clone>(&self, found: &[Vec<T>]) -> Vec<Vec<T>> {
        let known = |(text, found): (usize, &Vec<T>)| {
            if self.is_tagged(text) { found.clone() } else { Vec::new() }
        };
        found.iter().enumerate().map(known).collect()
    }

    /// How many sequences a model reads.
    #[must_use]
    pub fn sequences(&self) -> usize {
        self.windows.as_ref().map_or_else(|| self.len(), Windows::len)
    }

    /// The text of which sequence `row` is a part, or the whole.
    #[must_use]
    pub fn text_of(&self, row: usize) -> usize {
        self.windows.as_ref().map_or(row, |windows| windows.text_of(row))
    }

    /// How many tokens sequence `row` has.
    ///
    /// # Panics
    /// When there is no such sequence.
    #[must_use]
    pub fn length_of(&self, row: usize) -> usize {
        self.parts(row).map(|part| part.len()).iter().sum()
    }

    /// Where the tokens of sequence `row` lie: what stands before the text, what is read of it, and what stands behind it.
    fn parts(&self, row: usize) -> [Range<usize>; 3] {
        let Some(windows) = &self.windows else {
            let whole = self.range(row);
            return [whole.start..whole.start, whole.clone(), whole.end..whole.end];
        };
        let (whole, (before, behind)) = (self.range(windows.text_of(row)), windows.around());
        let (begin, tokens) = (whole.start + before, windows.get(row).tokens);
        [
            whole.start..begin,
            begin + tokens.start..begin + tokens.end,
            whole.end - behind..whole.end,
        ]
    }

    /// What `of_tokens` has for the tokens of some sequences, in the order of `rows`, which may repeat.
    ///
    /// * `of_tokens`: `(tokens,)`, such as [`labels`](Self::labels)
    ///
    /// # Panics
    /// When a row is no sequence of this split.
    #[must_use]
    pub fn gather(&self, of_tokens: &[u32], rows: &[u32]) -> Vec<u32> {
        let parts = rows.iter().flat_map(|row| self.parts(*row as usize));
        let parts: Vec<&[u32]> = parts.map(|part| &of_tokens[part]).collect();
        parts.concat()
    }

    /// The labels of some sequences as their losses count them: [`IGNORE`] also at the tokens of an entity that a window cuts, of which it sees too
    /// little to tell.
    ///
    /// # Panics
    /// When a row is no sequence of this split.
    #[must_use]
    pub fn labels_of(&self, rows: &[u32]) -> Vec<u32> {
        let mut labels = self.gather(&self.labels, rows);
        let Some(windows) = &self.windows else { return labels };
        let mut rest = labels.as_mut_slice();
        for row in rows {
            let [before, tokens, behind] = self.parts(*row as usize).map(|part| part.len());
            let (sequence, next) = rest.split_at_mut(before + tokens + behind);
            let inside = &mut sequence[before..before + tokens];
            let (cut_before, cut_behind) = windows.get(*row as usize).cut;
            inside[..cut_before].fill(IGNORE);
            inside[tokens - cut_behind..].fill(IGNORE);
            rest = next;
        }
        labels
    }

    /// In how many sequences the text of each of these is read; `None` where every text is in one.
    #[must_use]
    pub fn shares(&self, rows: &[u32]) -> Option<Vec<u32>> {
        let windows = self.windows.as_ref()?;
        let share = |row: &u32| windows.of_text(windows.text_of(*row as usize)).len() as u32;
        Some(rows.iter().map(share).collect())
    }

    /// Where each of these sequences begins, and the last one ends, when they are packed in this order: `(rows + 1,)`.
    ///
    /// # Panics
    /// When a row is no sequence of this split.
    #[must_use]
    pub fn bounds_of(&self, rows: &[u32]) -> Vec<usize> {
        let ends = rows.iter().scan(0, |end, row| {
            *end += self.length_of(*row as usize);
            Some(*end)
        });
        std::iter::once(0).chain(ends).collect()
    }

    /// Adds the texts of another part of the split behind those that are here.
    ///
    /// # Panics
    /// When there would be more than 2^32 tokens.
    pub(super) fn append(&mut self, more: &Self) {
        self.ids.extend_from_slice(&more.ids);
        bounds::extend(&mut self.bounds, &more.bounds);
        self.labels.extend_from_slice(&more.labels);
        self.starts.extend_from_slice(&more.starts);
        self.ends.extend_from_slice(&more.ends);
        for (head, classes) in &more.classes {
            self.classes.entry(head.clone()).or_default().extend_from_slice(classes);
        }
        self.truth.append(&more.truth);
        if let (Some(windows), Some(more)) = (&mut self.windows, &more.windows) {
            windows.append(more);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::text::{Fit, Window};

    pub(super) fn split() -> EncodedSplit {
        let mut truth = EntityTruth::default();
        truth.push([]);
        truth.push([
            (Span { start: 0, end: 3, kind: 0 }, Fit::Exact),
            (Span { start: 4, end: 9, kind: 1 }, Fit::Cut),
        ]);
        EncodedSplit {
            ids: vec![1, 10, 2, 1, 11, 12, 2],
            bounds: vec![0, 3, 7],
            labels: vec![IGNORE, 0, IGNORE, IGNORE, 1, 2, IGNORE],
            starts: vec![0, 0, 0, 0, 0, 3, 0],
            ends: vec![0, 4, 0, 0, 3, 6, 0],
            classes: [("anomaly".to_owned(), vec![0, 1]), ("labels".to_owned(), vec![IGNORE, 2])]
                .into(),
            truth,
            word_begins: Vec::new(),
            windows: None,
        }
    }

    /// The second text in two windows that cut its only entity.
    pub(super) fn windowed() -> EncodedSplit {
        let mut windows = Windows::new((1, 1));
        windows.push([Window { tokens: 0..1, cut: (0, 0) }]);
        windows.push([Window { tokens: 0..1, cut: (0, 1) }, Window { tokens: 1..2, cut: (1, 0) }]);
        EncodedSplit { windows: Some(windows), ..split() }
    }

    #[test]
    fn sequences_are_packed_in_the_given_order() {
        let (split, rows) = (split(), [1, 0, 1]);
        assert_eq!(split.gather(&split.ids, &rows), [1, 11, 12, 2, 1, 10, 2, 1, 11, 12, 2]);
        assert_eq!(split.bounds_of(&rows), [0, 4, 7, 11]);
        assert_eq!(split.gather(&split.labels, &rows)[..5], [IGNORE, 1, 2, IGNORE, IGNORE]);
    }

    #[test]
    fn a_window_is_a_sequence_with_special_tokens_around_it() {
        let (split, rows) = (windowed(), [2, 0, 1]);
        assert_eq!((split.len(), split.sequences()), (2, 3));
        assert_eq!(split.gather(&split.ids, &rows), [1, 12, 2, 1, 10, 2, 1, 11, 2]);
        assert_eq!(split.bounds_of(&rows), [0, 3, 6, 9]);
        assert_eq!(split.shares(&rows), Some(vec![2, 1, 2]));
    }

    #[test]
    fn tokens_of_an_entity_that_a_window_cuts_count_in_no_loss_there() {
        assert_eq!(windowed().labels_of(&[0, 1, 2])[..3], [IGNORE, 0, IGNORE]);
        assert_eq!(windowed().labels_of(&[0, 1, 2])[3..], [IGNORE; 6]);
        assert_eq!(split().labels_of(&[1]), [IGNORE, 1, 2, IGNORE]);
    }
}
