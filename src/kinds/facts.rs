//! What the kinds tell each other of their outputs before anything runs, so that mistakes which span two stages are found by `check`.

use super::splits::Fractions;
use crate::data::Split;
use crate::models::HeadSizes;
use crate::stage::{Facts, InputFacts, UndefinedMetrics};

/// How many tokens a model can take.
const LONGEST: &str = "max_position_embeddings";

pub(super) fn of_model(max_position_embeddings: usize) -> Facts {
    Facts::from_iter([(LONGEST.to_owned(), max_position_embeddings.into())])
}

/// How many tokens the model at `port` can take, where that is known.
pub(super) fn longest(inputs: InputFacts<'_>, port: &str) -> Option<usize> {
    inputs.get(port, LONGEST)?.as_u64()?.try_into().ok()
}

/// Lists the splits that are known to have no text.
const EMPTY_SPLITS: &str = "empty_splits";

/// What is known of a corpus whose splits are empty or not as told.
pub(super) fn of_splits(
    train_is_empty: bool,
    validation_is_empty: bool,
    test_is_empty: bool,
) -> Facts {
    let empty = [
        (Split::Train, train_is_empty),
        (Split::Validation, validation_is_empty),
        (Split::Test, test_is_empty),
    ];
    let names: Vec<String> = empty
        .into_iter()
        .filter(|(_, is_empty)| *is_empty)
        .map(|(split, _)| split.to_string())
        .collect();
    Facts::from_iter([(EMPTY_SPLITS.to_owned(), names.into())])
}

pub(super) fn of_fractions(fractions: &Fractions) -> Facts {
    of_splits(fractions.train == 0.0, fractions.validation == 0.0, fractions.test == 0.0)
}

/// The same of what was made of the corpus at `port`.
pub(super) fn splits_of(inputs: InputFacts<'_>, port: &str) -> Facts {
    inputs
        .get(port, EMPTY_SPLITS)
        .map(|names| (EMPTY_SPLITS.to_owned(), names.clone()))
        .into_iter()
        .collect()
}

/// Whether a split of what is wired to `port` is known to have no text.
pub(super) fn is_empty(inputs: InputFacts<'_>, port: &str, split: Split) -> bool {
    let names = inputs.get(port, EMPTY_SPLITS).and_then(|names| names.as_array());
    names.is_some_and(|names| names.iter().any(|name| *name == split.to_string()))
}

/// The heads that a model has not, by their names, with the parameter that leaves each out.
const UNTRAINED: &str = "untrained";
const HEADS: [(&str, &str, &str); 2] =
    [("ner", "ner.", "ner_weight"), ("anomaly", "anomaly.", "anomaly_weight")];

pub(super) fn of_heads(heads: HeadSizes) -> Facts {
    let has = [heads.ner.is_some(), heads.anomaly];
    let left_out: Vec<&str> =
        HEADS.iter().zip(has).filter(|(_, has)| !has).map(|((name, ..), _)| *name).collect();
    Facts::from_iter([(UNTRAINED.to_owned(), left_out.into())])
}

/// The metrics that the model at `port` leaves undefined.
pub(super) fn undefined_metrics(inputs: InputFacts<'_>, port: &str) -> Vec<UndefinedMetrics> {
    let Some(names) = inputs.get(port, UNTRAINED).and_then(|names| names.as_array()) else {
        return Vec::new();
    };
    HEADS
        .iter()
        .filter(|(name, ..)| names.iter().any(|left_out| left_out == name))
        .map(|(name, prefix, parameter)| UndefinedMetrics {
            prefix,
            because: format!("the model has no head `{name}`, since its `{parameter}` is 0"),
        })
        .collect()
}
