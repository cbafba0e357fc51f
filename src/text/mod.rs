//! Corpora: where texts come from, how they are split, and how they become labelled tokens.
//!
//! The way through:
//!
//! 1. [`Templates::generate`] or [`readers::read`] gives [`Example`]s, with entities in characters;
//! 2. [`split`] divides them into a [`Corpus`];
//! 3. [`LabelSet::of`] collects the BIO labels, and [`TextTokenizer::encode_split`] turns each part into an [`EncodedSplit`]: packed token
//!    ids with a label and character offsets for every token ([`align`] decides which);
//! 4. [`EncodedSplit::gather`] packs any sequences of it, for batches: there is no padding anywhere. A sequence is a text, or one of its [`Windows`];
//! 5. [`spans::read`] leads back from labels to character spans, whose ends may be those of [`words`].
//!
//! Everything is a function of its arguments: the same seed gives the same bytes, whatever the number of threads. There is no tensor here,
//! and no vocabulary is ever changed by what is encoded.

pub mod align;
pub mod augment;
mod bounds;
mod corpus_tasks;
mod description;
mod encoded;
mod example;
mod labels;
mod leaks;
pub mod masked;
mod misfits;
mod offsets;
mod pieces;
mod place;
pub mod readers;
pub mod spans;
mod split;
pub mod stored;
mod templates;
mod tokenize;
mod tokenizer_config;
mod train_tokenizer;
mod truth;
mod windows;
pub mod words;

pub use corpus_tasks::{
    ANOMALY, ANOMALY_CLASSES, ClassHead, CorpusTasks, TAGGING, anomaly, check_head_name, head_name,
};
pub use description::{Description, Field, LabelUse, Lengths, Repeats};
pub use encoded::{EncodedError, EncodedSplit, SplitWriter};
pub use example::{Corpus, Duplicates, Entity, Example, Split};
pub use labels::{LabelError, LabelSet};
pub use leaks::{Between, Leak, Leaks, NEAR, Reduced};
pub use misfits::{Cause, Misfit, Misfits, UnitFound};
pub use offsets::Offsets;
pub use pieces::LONGEST as LONGEST_RUN;
pub use place::{FileNames, Place, Unit};
pub use split::{
    By, Contradictions, Difference, Division, EqualTexts, Fold, Fractions, GroupCounts, Item,
    Membership, Ordered, Scale, SplitError, Trace, check_sizes, days, is_later, split,
};
pub use templates::{FORMAT as TEMPLATES_FORMAT, Sentences, Templates, TemplatesError, classes};
pub use tokenize::{Labelling, Statistics, TextTokenizer, TokenizedText, TokenizerError};
pub use tokenizer_config::with_tokenizer_config;
pub use train_tokenizer::{TrainTokenizerError, WordCounts, train_tokenizer};
pub use truth::{EntityTruth, Fit};
pub use windows::{Window, Windowing, Windows};
