//! What the two corpus kinds share: the fractions of the splits, and the warning about texts that lie in two of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::{self, Corpus, Split, SplitError};
use crate::stage::{Context, ParameterProblem, StageError};

/// Fractions of the splits; one that is left out is empty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fractions {
    /// To train on.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub train: f64,
    /// To watch and choose by while training.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub validation: f64,
    /// To report on in the end.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub test: f64,
}

impl Default for Fractions {
    fn default() -> Self {
        Self { train: 0.8, validation: 0.2, test: 0.0 }
    }
}

impl From<Fractions> for data::Fractions {
    fn from(fractions: Fractions) -> Self {
        Self { train: fractions.train, validation: fractions.validation, test: fractions.test }
    }
}

pub(super) fn check(fractions: &Fractions) -> Vec<ParameterProblem> {
    let sum = fractions.train + fractions.validation + fractions.test;
    // Decimal fractions such as 0.7 + 0.2 + 0.1 are not exact in binary.
    if (sum - 1.0).abs() <= 1e-9 {
        return Vec::new();
    }
    let message = format!("the fractions of `split` sum to {}, not 1", (sum * 1e6).round() / 1e6);
    vec![ParameterProblem { parameter: "split", message, help: Some("for example `{ train = 0.8, validation = 0.2 }`".to_owned()) }]
}

pub(super) fn failed(error: SplitError) -> StageError {
    StageError::new(error.to_string())
}

/// A score on texts that were trained on measures memory, so it is said.
pub(super) fn warn_of_duplicates(corpus: &Corpus, context: &Context<'_>) {
    let found = corpus.duplicates();
    let counts = [
        (found.validation_in_train, Split::Validation, Split::Train),
        (found.test_in_train, Split::Test, Split::Train),
        (found.test_in_validation, Split::Test, Split::Validation),
    ];
    for (count, split, other) in counts.into_iter().filter(|(count, ..)| *count > 0) {
        let total = corpus.get(split).len();
        context.warn(format!("{count} of {total} {split} texts are also in {other}: scores on them measure memory"));
    }
}
