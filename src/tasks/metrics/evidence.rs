//! What metrics are computed from.

use super::{BinaryScores, ClassCounts, SpanScores, binary_scores};

/// What a model said of some texts, beside the truth, as far as it is about one task or about none.
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

/// Classes of texts, those left out that are not labelled; of two classes the second is looked for.
#[derive(Debug, Clone)]
pub struct Classes<'a> {
    /// `(texts,)`
    pub truth: &'a [u32],
    /// `(texts,)`
    pub predicted: &'a [u32],
    /// `(texts,)`: of two classes, higher is more likely the second.
    pub scores: &'a [f64],
    /// How many there are.
    pub classes: usize,
}

impl Evidence<'_> {
    pub(super) fn binary(&self) -> Option<BinaryScores> {
        self.classes.as_ref().map(|classes| binary_scores(classes.truth, classes.predicted))
    }

    pub(super) fn counts(&self) -> Option<ClassCounts> {
        let Classes { truth, predicted, classes, .. } = self.classes.as_ref()?;
        Some(ClassCounts::of(truth, predicted, *classes))
    }
}
