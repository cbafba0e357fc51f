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
        let windowing = windowing.into();
        self.check(windowing)?;
        let encoded: Vec<Labelled> = examples
            .par_iter()
            .with_min_len(16)
            .map(|example| {
                let characters: Vec<char> = example.text.chars().collect();
                let tokens = self.encode_line(&example.text, windowing, example.line)?;
                let windows = self.windows(&tokens, windowing);
                Ok(label(example, &characters, tokens, labels, windows, self.around.0))
            })
            .collect::<Result<_, _>>()?;
        let mut split = self.split(windowing);
        let mut statistics = Statistics {
            sequences: examples.len(),
            length_min: usize::MAX,
            ..Statistics::default()
        };
        let mut counts = vec![0_usize; labels.len()];
        for (example, found) in examples.iter().zip(encoded) {
            let Labelled { tokens, labels, truth, misfits, windows } = found;
            let length = tokens.ids.len();
            statistics.length_min = statistics.length_min.min(length);
            statistics.length_max = statistics.length_max.max(length);
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
        statistics.tokens = split.ids.len();
        statistics.windows = split.windows.as_ref().map(|windows| WindowCounts {
            count: windows.len(),
            tokens: (0..windows.len()).map(|row| split.length_of(row)).sum(),
        });
        if examples.is_empty() {
            statistics.length_min = 0;
        } else {
            statistics.length_mean = statistics.tokens as f64 / examples.len() as f64;
        }
        statistics.label_counts = labels.names().iter().cloned().zip(counts).collect();
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
