//! What the kinds tell each other of their outputs before anything runs, so that mistakes which span two stages are found by `check`.

use serde_json::{Map, Value};

use super::splits::Fractions;
use crate::engine::stage::{Facts, InputFacts, UndefinedMetrics, Which};
use crate::stages::artifacts::known::{self, ORDER, POSSIBLE, TASKS, TEXTS, TYPES};
use crate::tasks::metrics::{Metric, NAMES};
use crate::tasks::{self, Contents, Told};
use crate::text::{ClassHead, CorpusTasks, Split};
use crate::training::Recipe;

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
    [EMPTY_SPLITS, ONLY_CLASS, TEXTS, TASKS, POSSIBLE, TYPES, ORDER, FIELDS]
        .into_iter()
        .filter_map(|fact| Some((fact.to_owned(), inputs.get(port, fact)?.clone())))
        .collect()
}

/// The class that all texts of [`CorpusTasks::default`]'s head have, where that is known: 0 is normal, 1 an anomaly.
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
    let contents = contents_of_class(inputs, port);
    contents.map(|contents| undefined_in(&contents, "the corpus")).unwrap_or_default()
}

/// A text of what is at `port`, where all are known to have one class.
pub(super) fn contents_of_class(inputs: InputFacts<'_>, port: &str) -> Option<Contents> {
    let class = inputs.get(port, ONLY_CLASS)?.as_u64()?.min(1);
    let (tasks, classes) = (CorpusTasks::default(), vec![vec![1 - class, class]]);
    Some(Contents { tasks, texts: 1, entities: 1, classes })
}

/// The metrics that some texts leave undefined.
///
/// * `name`: what to call the texts
pub(super) fn undefined_in(contents: &Contents, name: &str) -> Vec<UndefinedMetrics> {
    let undefined = |metric: Metric| {
        let because = format!("{name} {}", contents.lacks(&metric)?);
        let which = Which::Below(metric.name().to_owned());
        Some(UndefinedMetrics { which, because, by_data: true })
    };
    Metric::of_tasks(&contents.tasks).into_iter().filter_map(undefined).collect()
}

/// The fields that texts have.
const FIELDS: &str = "fields";

pub(super) fn of_fields(fields: &[&str]) -> Facts {
    Facts::from_iter([(FIELDS.to_owned(), fields.into())])
}

/// The fields of the texts at `port`, where they are known.
pub(super) fn fields<'f>(inputs: InputFacts<'f>, port: &str) -> Option<Vec<&'f str>> {
    inputs.get(port, FIELDS)?.as_array()?.iter().map(Value::as_str).collect()
}

/// The split that an evaluation is of.
const SCORED: &str = "scored";

pub(super) fn of_scored(split: Split) -> Facts {
    Facts::from_iter([(SCORED.to_owned(), split.name().into())])
}

/// The split of an evaluation at an input of `port` that is another one than `split`.
pub(super) fn other_split(inputs: InputFacts<'_>, port: &str, split: Split) -> Option<String> {
    let of_port = |input: &&(&str, &Facts)| input.0.split('.').next() == Some(port);
    let splits = inputs.0.iter().filter(of_port).filter_map(|(_, facts)| facts.get(SCORED));
    splits
        .filter_map(|scored| scored.as_str())
        .find(|scored| *scored != split.name())
        .map(str::to_owned)
}

/// Whether a split of what is wired to `port` is known to have no text.
pub(super) fn is_empty(inputs: InputFacts<'_>, port: &str, split: Split) -> bool {
    let names = inputs.get(port, EMPTY_SPLITS).and_then(|names| names.as_array());
    names.is_some_and(|names| names.iter().any(|name| *name == split.to_string()))
}

/// The tasks that a model is not trained for because of parameters: the name of each, and the parameter that says so.
const UNTRAINED: &str = "untrained";

/// What is known of a model that is trained on what is at `port`.
pub(super) fn of_trained(recipe: &Recipe, inputs: InputFacts<'_>, port: &str) -> Facts {
    let written = |name: &String| (name.clone(), Recipe::weight_parameter(name).1);
    let left_out: Map<String, Value> = recipe
        .left_out()
        .iter()
        .map(written)
        .map(|(name, parameter)| (name, parameter.into()))
        .collect();
    let mut facts = Facts::from_iter([(UNTRAINED.to_owned(), left_out.into())]);
    match known::tasks(inputs, port) {
        Some(tasks) => facts.extend(known::of_tasks(&recipe.trained(&tasks))),
        None => facts.extend(
            known::possible(inputs, port)
                .map(|tasks| known::of_possible(&recipe.trained(&tasks)))
                .unwrap_or_default(),
        ),
    }
    let budgets = recipe.thresholds.iter().filter(|(_, it)| it.alerts_per_day().is_some());
    let budgets: Vec<&str> = budgets.map(|(head, _)| head.as_str()).collect();
    facts.insert(BUDGETS.to_owned(), budgets.into());
    facts
}

/// The heads of a model with a budget of alerts.
const BUDGETS: &str = "budgets";

/// The metrics that the model at `port` leaves undefined.
pub(super) fn undefined_metrics(inputs: InputFacts<'_>, port: &str) -> Vec<UndefinedMetrics> {
    let none = Map::new();
    let left_out = inputs.get(port, UNTRAINED).and_then(|names| names.as_object()).unwrap_or(&none);
    let undefined = |(name, parameter): (&String, &Value)| UndefinedMetrics {
        which: Which::Below(format!("{name}.")),
        because: format!(
            "the model has no head `{name}`, since its `{}` is 0",
            parameter.as_str().unwrap_or_default()
        ),
        by_data: false,
    };
    let mut all: Vec<UndefinedMetrics> = left_out.iter().map(undefined).collect();
    let tasks = undefined_without_heads(inputs, port, "the model");
    all.extend(tasks);
    let known = known::tasks(inputs, port).or_else(|| known::possible(inputs, port));
    let budgets = inputs.get(port, BUDGETS).and_then(|heads| heads.as_array());
    let heads = known.iter().flat_map(|tasks| &tasks.heads).filter(|_| budgets.is_some());
    let has_none = |head: &&ClassHead| {
        !budgets.is_some_and(|budgets| budgets.iter().any(|name| *name == head.name))
    };
    all.extend(heads.filter(has_none).map(|head| UndefinedMetrics {
        which: Which::Below(format!("{}.{}", head.name, Told::AT_BUDGET)),
        because: format!("the model has no `alerts_per_day` in `thresholds` for `{}`", head.name),
        by_data: false,
    }));
    all
}

/// The metrics of heads that are known not to be there.
///
/// * `name`: of what is at `port`
pub(super) fn undefined_without_heads(
    inputs: InputFacts<'_>,
    port: &str,
    name: &str,
) -> Vec<UndefinedMetrics> {
    if let Some(tasks) = known::tasks(inputs, port) {
        return undefined_without(&tasks, &format!("{name} has"), false);
    }
    let possible = known::possible(inputs, port);
    possible.map_or_else(Vec::new, |tasks| {
        undefined_without(&tasks, &format!("{name} can have"), false)
    })
}

/// The metrics of heads that are not there, and those of two classes of heads that have another number of them.
///
/// * `has`: what has these tasks, such as "the model has"
pub(super) fn undefined_without(
    tasks: &CorpusTasks,
    has: &str,
    by_data: bool,
) -> Vec<UndefinedMetrics> {
    let names = tasks::names(tasks);
    let others = UndefinedMetrics {
        which: Which::BelowNoneOf(names.iter().map(|name| format!("{name}.")).collect()),
        because: format!("{has} {}", heads_text(&names)),
        by_data,
    };
    // Of a head without classes nobody knows yet how many there are.
    let of_two = tasks.heads.iter().filter(|head| ![0, 2].contains(&head.classes.len()));
    let of_two = of_two.flat_map(|head| not_of_two(&head.name, head.classes.len(), by_data));
    std::iter::once(others).chain(of_two).collect()
}

/// The metrics of two classes, which a head with another number of them has not.
fn not_of_two(head: &str, classes: usize, by_data: bool) -> impl Iterator<Item = UndefinedMetrics> {
    let names: Vec<String> = NAMES
        .iter()
        .filter_map(|name| name.strip_prefix('*'))
        .map(|name| format!("{head}{name}"))
        .collect();
    let known = CorpusTasks {
        tagging: false,
        heads: vec![ClassHead { name: head.to_owned(), classes: vec![String::new(); classes] }],
    };
    let because = format!(
        "`{head}` has {classes} classes, and it is for two; `{head}.macro_f1` is for any number"
    );
    names
        .into_iter()
        .filter(move |name| Metric::named(name).is_some_and(|metric| metric.check(&known).is_err()))
        .map(move |name| UndefinedMetrics {
            which: Which::Below(name),
            because: because.clone(),
            by_data,
        })
}

/// "the heads `ner` and `anomaly`"
pub(super) fn heads_text(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => "no head".to_owned(),
        Some((only, [])) => format!("the head {only} alone"),
        Some((last, others)) => format!("the heads {} and {last}", others.join(", ")),
    }
}
