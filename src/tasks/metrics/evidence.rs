//! What metrics are computed from.

use super::{BinaryScores, SpanScores, binary_scores};

/// What a model said of some texts, beside the truth.
#[derive(Debug, Clone, Default)]
pub struct Evidence<'a> {
    /// Mean loss over the texts, where it is a number.
    pub loss: Option<f64>,
    /// `None` without a head that tags: it has no scores.
    pub tags: Option<Tags<'a>>,
    /// `None` without a head over whole texts: it has no scores.
    pub classes: Option<Classes<'a>>,
}

/// Labels of tokens, and the entities that they say.
#[derive(Debug, Clone)]
pub struct Tags<'a> {
    /// `(tokens,)`; [`IGNORE`](crate::base::IGNORE) where a token does not count
    pub truth: &'a [u32],
    /// `(tokens,)`
    pub predicted: &'a [u32],
    /// How the entities that are predicted compare with those that the corpus has.
    pub spans: &'a SpanScores,
}

/// Classes of texts, of which there are two; 1 is what is looked for.
#[derive(Debug, Clone)]
pub struct Classes<'a> {
    /// `(sequences,)`
    pub truth: &'a [u32],
    /// `(sequences,)`
    pub predicted: &'a [u32],
    /// `(sequences,)`: higher is more likely 1.
    pub scores: &'a [f64],
}

impl Evidence<'_> {
    pub(super) fn binary(&self) -> Option<BinaryScores> {
        self.classes.as_ref().map(|classes| binary_scores(classes.truth, classes.predicted))
    }
}
