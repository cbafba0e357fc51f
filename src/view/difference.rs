//! How two settings differ in a score, as it is told: what compares them is handed in, for it reads more than scores.

use serde::Serialize;

use crate::engine::runs::Results;
use crate::engine::stage::StageError;

/// What an interval's ends are drawn over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    Seeds,
    Texts,
    SeedsAndTexts,
}

impl Over {
    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Seeds => "seeds",
            Self::Texts => "texts",
            Self::SeedsAndTexts => "seeds, texts",
        }
    }
}

/// How two settings, A and B, differ in a score.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Difference {
    /// B - A of the means; `None` where one of them is undefined.
    pub mean: Option<f64>,
    /// Within which 95 % of it lie.
    pub interval: Option<[f64; 2]>,
    pub over: Option<Over>,
    /// The probability of a difference as large where it is by chance which of two is A.
    pub p: Option<f64>,
}

/// A difference with what is to be known of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Comparison {
    pub difference: Difference,
    /// What the number of seeds does not allow to say, for one.
    pub notes: Vec<String>,
}

/// Compares the trials of A with those of B, by their places in [`Results::trials`], in the score of a name.
pub type Compare<'a> =
    dyn Fn(&Results, [&[usize]; 2], &str) -> Result<Comparison, StageError> + Sync + 'a;
