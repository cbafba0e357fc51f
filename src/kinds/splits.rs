//! What the two corpus kinds share: the fractions of the splits, and caveats about what lies in two of them.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifacts::CorpusFiles;
use crate::data::{self, Corpus, Split, SplitError};
use crate::stage::{Caveat, Context, ParameterProblem, StageError};

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
    vec![ParameterProblem {
        parameter: "split",
        message,
        help: Some("for example `{ train = 0.8, validation = 0.2 }`".to_owned()),
    }]
}

pub(super) fn failed(error: SplitError) -> StageError {
    StageError::new(error.to_string())
}

/// Writes the corpus with what a reader of scores on it should know: texts, or values of `group`, that lie in two splits.
///
/// * `group`: a field, and what to call its values
pub(super) fn write(
    corpus: &Corpus,
    group: Option<(&str, &str)>,
    context: &Context<'_>,
) -> Result<CorpusFiles, StageError> {
    let mut caveats = Vec::new();
    let found = corpus.duplicates();
    let counts = [
        (found.validation_in_train, Split::Validation, Split::Train),
        (found.test_in_train, Split::Test, Split::Train),
        (found.test_in_validation, Split::Test, Split::Validation),
    ];
    for (count, split, other) in counts.into_iter().filter(|(count, ..)| *count > 0) {
        let total = corpus.get(split).len();
        let message = format!(
            "{count} of {total} {split} texts are also in {other}: scores on them measure memory"
        );
        context.caveat(&mut caveats, Caveat::new("texts_in_two_splits", count, message).of(split));
    }
    if let Some((field, name)) = group {
        let values = |split| {
            corpus
                .get(split)
                .iter()
                .filter_map(|example| example.fields.get(field))
                .collect::<BTreeSet<_>>()
        };
        let train = values(Split::Train);
        for split in [Split::Validation, Split::Test] {
            let shared = values(split).intersection(&train).count();
            if shared > 0 {
                let message = format!(
                    "{split} shares {shared} {name} with train: scores on it say little about other {name}; `by = \"{field}\"` keeps them apart"
                );
                let code = format!("shared_{name}");
                context.caveat(&mut caveats, Caveat::new(&code, shared, message).of(split));
            }
        }
    }
    CorpusFiles::write(corpus, &caveats, context.output)
}
