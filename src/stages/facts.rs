//! What the kinds tell each other of their outputs before anything runs, so that mistakes which span two stages are found by `check`.

use super::splits::Fractions;
use crate::engine::stage::{Facts, InputFacts, UndefinedMetrics};
use crate::stages::artifacts::known::TEXTS;
use crate::tasks::metrics::Metric;
use crate::tasks::{self, Contents, OFFERED, Offered, Task};
use crate::text::Split;

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

/// What is known of the corpus at `port`, of what was made of it.
pub(super) fn of_corpus(inputs: InputFacts<'_>, port: &str) -> Facts {
    [EMPTY_SPLITS, ONLY_CLASS, TEXTS]
        .into_iter()
        .filter_map(|fact| Some((fact.to_owned(), inputs.get(port, fact)?.clone())))
        .collect()
}

/// The class that all texts have, where that is known: 0 is normal, 1 an anomaly.
const ONLY_CLASS: &str = "only_class";

/// What is known of a corpus with so many normal texts and anomalies.
pub(super) fn of_classes([normal, anomalies]: [usize; 2]) -> Facts {
    let only = match (normal, anomalies) {
        (_, 0) => 0,
        (0, _) => 1,
        _ => return Facts::new(),
    };
    Facts::from_iter([(ONLY_CLASS.to_owned(), only.into())])
}

/// The metrics that texts of one class leave undefined, where that is all that there are at `port`.
pub(super) fn undefined_by_classes(inputs: InputFacts<'_>, port: &str) -> Vec<UndefinedMetrics> {
    let Some(class) = inputs.get(port, ONLY_CLASS).and_then(|class| class.as_u64()) else {
        return Vec::new();
    };
    undefined_in(&Contents { texts: 1, anomalies: class, entities: 1 }, "the corpus")
}

/// The metrics that some texts leave undefined.
///
/// * `name`: what to call the texts
pub(super) fn undefined_in(contents: &Contents, name: &str) -> Vec<UndefinedMetrics> {
    let undefined = |metric: Metric| {
        let because = format!("{name} {}", contents.lacks(metric)?);
        Some(UndefinedMetrics { prefix: metric.name(), because, by_data: true })
    };
    Metric::all().filter_map(undefined).collect()
}

/// Whether a split of what is wired to `port` is known to have no text.
pub(super) fn is_empty(inputs: InputFacts<'_>, port: &str, split: Split) -> bool {
    let names = inputs.get(port, EMPTY_SPLITS).and_then(|names| names.as_array());
    names.is_some_and(|names| names.iter().any(|name| *name == split.to_string()))
}

/// The tasks that a model is not trained for, by their names.
const UNTRAINED: &str = "untrained";

pub(super) fn of_tasks(tasks: &[Task]) -> Facts {
    let names = OFFERED.iter().map(|offered| offered.name);
    let left_out: Vec<&str> = names.filter(|name| !tasks::has(tasks, name)).collect();
    Facts::from_iter([(UNTRAINED.to_owned(), left_out.into())])
}

/// The metrics that the model at `port` leaves undefined.
pub(super) fn undefined_metrics(inputs: InputFacts<'_>, port: &str) -> Vec<UndefinedMetrics> {
    let Some(names) = inputs.get(port, UNTRAINED).and_then(|names| names.as_array()) else {
        return Vec::new();
    };
    let untrained = OFFERED.iter().filter(|offered| names.iter().any(|name| name == offered.name));
    let undefined = |Offered { name, scores, weight }: &Offered| UndefinedMetrics {
        prefix: scores,
        because: format!("the model has no head `{name}`, since its `{weight}` is 0"),
        by_data: false,
    };
    untrained.map(undefined).collect()
}
