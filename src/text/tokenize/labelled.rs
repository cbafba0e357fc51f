//! The texts of a split to labelled tokens, on all threads of the current pool.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{TextTokenizer, TokenizedText, TokenizerError};
use crate::base::IGNORE;
use crate::text::align::{align, is_cut};
use crate::text::labels::Tag;
use crate::text::spans::{self, Span};
use crate::text::{
    ClassHead, EncodedSplit, Entity, Example, Fit, LabelSet, Misfits, Window, Windowing,
};

/// What encoding a split came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Texts.
    pub sequences: usize,
    /// Tokens with special ones.
    pub tokens: usize,
    /// Of a text, in tokens with special ones; 0 without texts.
    pub length_min: usize,
    pub length_mean: f64,
    pub length_max: usize,
    /// Texts that lost tokens.
    pub truncated: usize,
    /// What a model reads, where texts are read in windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<WindowCounts>,
    /// Runs without a break that were cut before they were tokenized.
    pub long_runs: usize,
    /// Texts of each class, by head.
    #[serde(default)]
    pub classes: BTreeMap<String, Vec<usize>>,
    pub entities: usize,
    /// Entities that truncation cut or dropped, whose tokens are `O`, or that are whole in no window.
    pub entities_cut: usize,
    /// Entities that were not cut, but that no labels of tokens give.
    pub misfits: Misfits,
    /// Tokens of each label.
    pub label_counts: BTreeMap<String, usize>,
}

impl Statistics {
    /// How many sequences a model reads: texts, or windows of them.
    #[must_use]
    pub fn read_at_once(&self) -> usize {
        self.windows.map_or(self.sequences, |windows| windows.count)
    }

    /// Adds what the texts that follow came to.
    pub fn append(&mut self, more: Self) {
        if self.sequences == 0 {
            *self = more;
            return;
        }
        if more.sequences == 0 {
            return;
        }
        self.length_min = self.length_min.min(more.length_min);
        self.length_max = self.length_max.max(more.length_max);
        self.sequences += more.sequences;
        self.close(self.tokens + more.tokens);
        self.truncated += more.truncated;
        if let (Some(windows), Some(more)) = (&mut self.windows, more.windows) {
            windows.count += more.count;
            windows.tokens += more.tokens;
        }
        self.long_runs += more.long_runs;
        for (head, more) in more.classes {
            let counts = self.classes.entry(head).or_default();
            counts.iter_mut().zip(more).for_each(|(count, more)| *count += more);
        }
        self.entities += more.entities;
        self.entities_cut += more.entities_cut;
        self.misfits.extend(more.misfits);
        for (label, more) in more.label_counts {
            *self.label_counts.entry(label).or_default() += more;
        }
    }

    /// * `length`: of one more text, in tokens
    fn add_length(&mut self, length: usize) {
        let is_first = self.length_max == 0;
        self.length_min = if is_first { length } else { self.length_min.min(length) };
        self.length_max = self.length_max.max(length);
    }

    /// * `tokens`: of all texts
    fn close(&mut self, tokens: usize) {
        self.tokens = tokens;
        if self.sequences > 0 {
            self.length_mean = tokens as f64 / self.sequences as f64;
        }
    }

    /// The mean length of these, in tokens with special ones.
    #[must_use]
    pub fn length_read(&self) -> f64 {
        match self.windows {
            Some(windows) => windows.tokens as f64 / windows.count.max(1) as f64,
            None => self.length_mean,
        }
    }
}

/// The windows of a split.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowCounts {
    pub count: usize,
    /// Tokens of all of them, those that several share as often, with special ones.
    pub tokens: usize,
}

/// How many texts one thread encodes at a time.
const PIECE: usize = 256;

/// What texts are labelled with, and how much of one is read at once.
#[derive(Debug, Clone, Copy)]
pub struct Labelling<'a> {
    pub labels: &'a LabelSet,
    pub heads: &'a [ClassHead],
    pub windowing: Windowing,
}

impl TextTokenizer {
    /// Tokenizes and labels `examples`, keeping their order.
    ///
    /// # Errors
    /// [`TokenizerError`] when a window has nothing of its own, the tokenizer fails on a line, or there are too many tokens.
    pub fn encode_split(
        &self,
        examples: &[Example],
        labels: &LabelSet,
        heads: &[ClassHead],
        windowing: impl Into<Windowing>,
    ) -> Result<(EncodedSplit, Statistics), TokenizerError> {
        let labelling = Labelling { labels, heads, windowing: windowing.into() };
        let (mut split, mut statistics) = self.encode_piece_of_split(&[], labelling)?;
        let pieces: Vec<_> = examples
            .par_chunks(PIECE)
            .map(|examples| self.encode_piece_of_split(examples, labelling))
            .collect::<Result<_, _>>()?;
        for (piece, more) in pieces {
            if u32::try_from(split.tokens() + piece.tokens()).is_err() {
                return Err(TokenizerError::TooManyTokens);
            }
            split.append(&piece);
            statistics.append(more);
        }
        Ok((split, statistics))
    }

    /// The same of a split that need not be in memory: `examples` are those that follow, and each piece holds the next of them. Without examples there is
    /// one piece, of none.
    ///
    /// # Errors
    /// As [`encode_split`](Self::encode_split).
    pub fn encode_pieces(
        &self,
        examples: Vec<Example>,
        labelling: Labelling<'_>,
    ) -> Result<Vec<(EncodedSplit, Statistics)>, TokenizerError> {
        if examples.is_empty() {
            return Ok(vec![self.encode_piece_of_split(&[], labelling)?]);
        }
        let pieces = examples.into_par_iter().chunks(PIECE);
        pieces.map(|examples| self.encode_piece_of_split(&examples, labelling)).collect()
    }

    fn encode_piece_of_split(
        &self,
        examples: &[Example],
        labelling: Labelling<'_>,
    ) -> Result<(EncodedSplit, Statistics), TokenizerError> {
        let Labelling { labels: set, heads, windowing } = labelling;
        self.check(windowing)?;
        let mut split = self.split(windowing);
        let mut statistics = Statistics { sequences: examples.len(), ..Statistics::default() };
        let mut counts = vec![0_usize; set.len()];
        let mut characters = Vec::new();
        for example in examples {
            characters.clear();
            characters.extend(example.text.chars());
            let tokens = self.encode_line(&example.text, windowing, example.line)?;
            let windows = self.windows(&tokens, windowing);
            let Labelled { tokens, labels, truth, misfits, windows } =
                label(example, &characters, tokens, set, windows, self.around.0);
            statistics.add_length(tokens.ids.len());
            statistics.truncated += usize::from(tokens.truncated);
            statistics.long_runs += self.breaks.long_runs(&example.text);
            statistics.entities += example.entities().len();
            statistics.entities_cut += truth.iter().filter(|(_, fit)| *fit == Fit::Cut).count();
            statistics.misfits.extend(misfits);
            for label in labels.iter().filter(|label| **label != IGNORE) {
                counts[*label as usize] += 1;
            }
            split.ids.extend(tokens.ids);
            split.labels.extend(labels);
            split.starts.extend(tokens.starts);
            split.ends.extend(tokens.ends);
            split.truth.push(truth);
            if let Some(split) = &mut split.windows {
                split.push(windows);
            }
            split
                .bounds
                .push(u32::try_from(split.ids.len()).map_err(|_| TokenizerError::TooManyTokens)?);
        }
        for head in heads {
            let class = |example: &Example| {
                let class = example.classes.get(&head.name);
                class.and_then(|class| head.index(class)).unwrap_or(IGNORE)
            };
            let classes: Vec<u32> = examples.iter().map(class).collect();
            let counts = statistics.classes.entry(head.name.clone()).or_default();
            counts.resize(head.classes.len(), 0);
            classes
                .iter()
                .filter(|class| **class != IGNORE)
                .for_each(|class| counts[*class as usize] += 1);
            split.classes.insert(head.name.clone(), classes);
        }
        statistics.windows = split.windows.as_ref().map(|windows| WindowCounts {
            count: windows.len(),
            tokens: (0..windows.len()).map(|row| split.length_of(row)).sum(),
        });
        statistics.label_counts = set.names().iter().cloned().zip(counts).collect();
        statistics.close(split.ids.len());
        Ok((split, statistics))
    }
}

/// The labelled tokens of one text, and what they can say of its entities.
struct Labelled {
    tokens: TokenizedText,
    /// `(tokens,)`
    labels: Vec<u32>,
    /// `(entities,)`
    truth: Vec<(Span, Fit)>,
    misfits: Misfits,
    windows: Vec<Window>,
}

/// * `text`: the example's characters
/// * `windows`: of its tokens, the `before` special ones at their beginning not counted
fn label(
    example: &Example,
    text: &[char],
    tokens: TokenizedText,
    set: &LabelSet,
    windows: Vec<Range<usize>>,
    before: usize,
) -> Labelled {
    let shown = tokens.starts.iter().zip(&tokens.ends);
    let shown: Vec<_> = shown.map(|(start, end)| (*start as usize, *end as usize)).collect();
    let spans: Vec<_> = shown
        .iter()
        .zip(&tokens.special)
        .map(|(token, special)| (!special).then_some(*token))
        .collect();
    let labels = match &example.entities {
        Some(entities) => align(entities, &spans, tokens.cut_at, set),
        None => vec![IGNORE; spans.len()],
    };
    let told = spans::read(&labels, &tokens.starts, &tokens.ends, set);
    let mut misfits = Misfits::default();
    let inside = before..before + windows.last().map_or(0, |window| window.end);
    let truth = example.entities().iter().filter_map(|entity| {
        let span = Span::of(entity, set)?;
        let place = place(entity, &shown[inside.clone()]);
        let is_whole =
            |window: &Range<usize>| window.start <= place.start && place.end <= window.end;
        let fit = if is_cut(entity, tokens.cut_at) || !windows.iter().any(is_whole) {
            Fit::Cut
        } else if told.binary_search(&span).is_ok() {
            Fit::Exact
        } else {
            misfits.add(example, text, entity, &shown);
            Fit::InsideTokens
        };
        Some((span, fit))
    });
    let truth = truth.collect();
    misfits.weigh(text, example.entities());
    let window = |tokens| Window { cut: cut_by(&tokens, &labels[inside.clone()], set), tokens };
    let windows = windows.into_iter().map(window).collect();
    Labelled { tokens, labels, truth, misfits, windows }
}

/// The tokens that show any of an entity's characters; none, at its place, where it is white space.
fn place(entity: &Entity, tokens: &[(usize, usize)]) -> Range<usize> {
    let begin = tokens.partition_point(|token| token.1 <= entity.start);
    begin..tokens.partition_point(|token| token.0 < entity.end).max(begin)
}

/// How many of a window's first and last tokens belong to an entity that it cuts.
///
/// * `labels`: of all tokens of the text
fn cut_by(window: &Range<usize>, labels: &[u32], set: &LabelSet) -> (usize, usize) {
    let goes_on = |label: &&u32| **label != IGNORE && matches!(set.tag(**label), Tag::Inside(_));
    let labels_inside = &labels[window.clone()];
    let before = labels_inside.iter().take_while(goes_on).count();
    if labels.get(window.end).is_none_or(|next| !goes_on(&next)) {
        return (before, 0);
    }
    let behind = labels_inside.iter().rev().take_while(goes_on).count();
    // With the token that begins it, unless that stands before the window.
    (before, (behind + 1).min(labels_inside.len()))
}
