//! Axes, points and trials.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value as Json;

use super::canonical::{Canonical, Numbers};
use super::grid::Grid;
use super::validate::names_text;
use super::wires::Graph;
use super::{full_text, value_text};
use crate::base::diagnostics::{Diagnostic, Sources, Span, quoted, suggest};
use crate::engine::spec::{Axis, AxisTarget, Data, Experiment, Objective, Seeds, Value};

/// The kind to whose seed the sweep's `seeds` are added.
pub(super) const REPLICATED_KIND: &str = "train";
/// A grid beyond this is taken for a mistake, which must not cost the machine its memory.
const MOST_TRIALS: usize = 100_000;
/// Bounds trials times stages and wires.
const MOST_NODES: usize = 4_000_000;
const MOST_AXES: usize = 64;

/// One point and seed.
#[derive(Debug, Clone)]
pub struct Trial {
    pub index: u32,
    /// Safe as a file's name, and the same whatever other points there are: `learning_rate=1e-5,seed=0`. Empty without a sweep.
    pub label: Arc<str>,
    pub point: Arc<Point>,
}

/// A value of every axis.
#[derive(Debug, Clone)]
pub struct Point {
    /// As in [`Trial::label`], without the seed.
    pub label: Arc<str>,
    /// By axis (`train.learning_rate`), in the order of the file.
    pub values: Vec<(Arc<str>, Json)>,
    /// The values as the file spells them, a string without its quotes.
    pub texts: Vec<Arc<str>>,
    /// Where each value stands among those of its axis.
    pub places: Vec<usize>,
}

/// What a sweep spans.
#[derive(Debug, Clone)]
pub struct SweepShape {
    /// Each axis and its values, in the order of the file.
    pub axes: Vec<(Arc<str>, Vec<Json>)>,
    /// Empty without replicates.
    pub seeds: Vec<u64>,
    /// How many points there are; each has a trial for each seed.
    pub points: usize,
    pub objective: Option<Objective>,
}

/// Along what stages may vary: the axes in the order of the file, and the seeds as the last dimension.
pub(super) struct Dimensions<'a> {
    pub(super) axes: Vec<Dimension<'a>>,
    pub(super) seeds: Option<&'a Seeds>,
    pub(super) sizes: Vec<usize>,
    /// False when there are too many trials to expand.
    pub(super) bounded: bool,
    /// False when an axis leads nowhere, of which the reader has complained.
    pub(super) complete: bool,
    by_target: HashMap<Target, usize>,
}

pub(super) struct Dimension<'a> {
    pub(super) name: Arc<str>,
    pub(super) target: Target,
    pub(super) axis: &'a Axis,
    /// The values as the file spells them.
    texts: Vec<Arc<str>>,
    /// What labels call it: the last word of the name, or the whole where that would be ambiguous.
    label: String,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// The number of the draft.
    Stage(usize, Arc<str>),
    Params(Arc<str>),
}

/// The stage is there, as the reader has seen; its kind must have such a metric.
fn check_objective(objective: &Objective, graph: &Graph<'_>, found: &mut Vec<Diagnostic>) {
    let Some((stage, metric)) = objective.metric.split_once('.') else { return };
    let draft = graph.drafts.iter().find(|draft| *draft.declaration.name == *stage);
    let Some((kind, _)) = draft.and_then(|draft| draft.kind.as_ref()) else { return };
    let names = kind.output.metric_names;
    if has_metric(names, metric) {
        return;
    }
    let message =
        format!("stage `{stage}` of kind `{}` has no metric {}", kind.name, quoted(metric));
    let help = match suggest(metric, names.iter().copied()) {
        Some(near) => format!("did you mean `{stage}.{near}`?"),
        None if names.is_empty() => match other_stage(metric, graph) {
            Some(stage) => format!("did you mean `{stage}.{metric}`?"),
            None => "an objective is a metric of a stage that evaluates".to_owned(),
        },
        None => {
            format!("it has {}", names_text(names.iter().map(|name| name.trim_end_matches('.'))))
        }
    };
    found.push(Diagnostic::new("unknown-metric", message).at(objective.span).help(help));
}

fn has_metric(names: &[&str], metric: &str) -> bool {
    names.iter().any(|name| {
        *name == metric
            || (name.ends_with('.') && metric.starts_with(name) && metric.len() > name.len())
    })
}

/// A stage that measures what was asked of another.
fn other_stage<'a>(metric: &str, graph: &Graph<'a>) -> Option<&'a str> {
    let measures = |draft: &&super::wires::Draft<'_>| {
        draft.kind.as_ref().is_some_and(|(kind, _)| has_metric(kind.output.metric_names, metric))
    };
    graph.drafts.iter().find(measures).map(|draft| &*draft.declaration.name)
}

impl<'a> Dimensions<'a> {
    pub(super) fn resolve(
        experiment: &'a Experiment,
        graph: &Graph<'_>,
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let Some(sweep) = &experiment.sweep else {
            return Self {
                axes: Vec::new(),
                seeds: None,
                sizes: Vec::new(),
                bounded: true,
                complete: true,
                by_target: HashMap::new(),
            };
        };
        let mut axes: Vec<Dimension<'a>> = Vec::new();
        for axis in &sweep.axes {
            if let Some(target) = target(axis, experiment, graph, found) {
                axes.push(Dimension {
                    name: axis.target.to_string().into(),
                    target,
                    axis,
                    texts: axis
                        .values
                        .iter()
                        .map(|value| spelling(value, &experiment.sources))
                        .collect(),
                    label: String::new(),
                });
            }
        }
        let short = |dimension: &Dimension<'_>| {
            dimension.name.rsplit('.').next().unwrap_or_default().to_owned()
        };
        let shorts: Vec<String> = axes.iter().map(short).collect();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        shorts.iter().for_each(|short| *counts.entry(short).or_default() += 1);
        for (dimension, short) in axes.iter_mut().zip(&shorts) {
            let ambiguous = counts[short.as_str()] > 1 || short == "seed";
            dimension.label = file_safe(if ambiguous { &dimension.name } else { short });
        }
        let seeds = sweep.seeds.as_ref();
        check_seeds(seeds, graph, found);
        if let Some(objective) = &sweep.objective {
            check_objective(objective, graph, found);
        }
        let sizes: Vec<usize> = axes
            .iter()
            .map(|dimension| dimension.axis.values.len())
            .chain(seeds.map(|seeds| seeds.addends.len()))
            .collect();
        let trials = sizes.iter().fold(1_usize, |trials, size| trials.saturating_mul(*size));
        let too_much = match (axes.len(), trials) {
            (axes, _) if axes > MOST_AXES => Some(format!(
                "the sweep has {axes} axes, more than the {MOST_AXES} that a plan may have"
            )),
            (_, trials) if trials > MOST_TRIALS => Some(format!(
                "the sweep has {trials} trials, more than the {MOST_TRIALS} that a plan may have"
            )),
            (_, trials) if trials > 1 && trials.saturating_mul(graph.size()) > MOST_NODES => {
                Some(format!(
                    "the sweep has {trials} trials, too many for a file of {} stages",
                    graph.drafts.len()
                ))
            }
            _ => None,
        };
        let bounded = too_much.is_none();
        if let Some(message) = too_much {
            let factors: Vec<String> = sizes.iter().take(12).map(usize::to_string).collect();
            let more = if sizes.len() > factors.len() { " x ..." } else { "" };
            let help = format!("its axes and seeds span {}{more}", factors.join(" x "));
            found.push(Diagnostic::new("too-many-trials", message).at(sweep.span).help(help));
        }
        let by_target = axes
            .iter()
            .enumerate()
            .map(|(number, dimension)| (dimension.target.clone(), number))
            .collect();
        let complete = axes.len() == sweep.axes.len();
        Self { axes, seeds, sizes, bounded, complete, by_target }
    }

    /// The number of the seeds' dimension.
    pub(super) fn seed_dimension(&self) -> Option<usize> {
        self.seeds.map(|_| self.axes.len())
    }

    pub(super) fn grid(&self, dimensions: Vec<usize>) -> Grid {
        Grid::new(dimensions, &self.sizes)
    }

    /// The axis that sweeps a parameter of a stage.
    pub(super) fn of_parameter(&self, stage: usize, parameter: &str) -> Option<usize> {
        if self.axes.is_empty() {
            return None;
        }
        self.by_target.get(&Target::Stage(stage, parameter.into())).copied()
    }

    /// The axis that sweeps a param.
    pub(super) fn of_param(&self, param: &str) -> Option<usize> {
        self.by_target.get(&Target::Params(param.into())).copied()
    }

    /// A label for every row of a grid.
    pub(super) fn labels(&self, grid: &Grid) -> Vec<Arc<str>> {
        let texts: Vec<Vec<String>> = grid
            .dimensions
            .iter()
            .map(|number| match (self.axes.get(*number), self.seeds) {
                (Some(dimension), _) => dimension
                    .axis
                    .values
                    .iter()
                    .zip(&dimension.texts)
                    .map(|(value, spelled)| part(&dimension.label, value, spelled))
                    .collect(),
                (None, Some(seeds)) => {
                    seeds.addends.iter().map(|addend| format!("seed={addend}")).collect()
                }
                (None, None) => Vec::new(),
            })
            .collect();
        let mut text = String::new();
        (0..grid.rows)
            .map(|row| {
                text.clear();
                for (number, texts) in grid.dimensions.iter().zip(&texts) {
                    if !text.is_empty() {
                        text.push(',');
                    }
                    text.push_str(&texts[grid.coordinate(row, *number)]);
                }
                shorten(&text)
            })
            .collect()
    }

    /// Every point and seed.
    pub(super) fn trials(&self) -> Vec<Trial> {
        let axes = self.grid((0..self.axes.len()).collect());
        let whole = self.grid((0..self.sizes.len()).collect());
        let jsons: Vec<Vec<Json>> = self
            .axes
            .iter()
            .map(|dimension| dimension.axis.values.iter().map(Value::to_json).collect())
            .collect();
        let points: Vec<Arc<Point>> = self
            .labels(&axes)
            .into_iter()
            .enumerate()
            .map(|(row, label)| {
                let value = |number: usize| jsons[number][axes.coordinate(row, number)].clone();
                let values: Vec<(Arc<str>, Json)> = self
                    .axes
                    .iter()
                    .enumerate()
                    .map(|(number, dimension)| (Arc::clone(&dimension.name), value(number)))
                    .collect();
                let text = |(number, dimension): (usize, &Dimension<'_>)| {
                    Arc::clone(&dimension.texts[axes.coordinate(row, number)])
                };
                let texts = self.axes.iter().enumerate().map(text).collect();
                let places = (0..self.axes.len()).map(|axis| axes.coordinate(row, axis)).collect();
                Arc::new(Point { label, values, texts, places })
            })
            .collect();
        let labels = self.labels(&whole);
        let seeds = self.seeds.map_or(1, |seeds| seeds.addends.len());
        labels
            .into_iter()
            .enumerate()
            .map(|(row, label)| Trial {
                index: u32::try_from(row).expect("the number of trials is bounded"),
                label,
                point: Arc::clone(&points[row / seeds]),
            })
            .collect()
    }

    pub(super) fn shape(&self, experiment: &Experiment) -> Option<SweepShape> {
        let sweep = experiment.sweep.as_ref()?;
        let values =
            |dimension: &Dimension<'_>| dimension.axis.values.iter().map(Value::to_json).collect();
        Some(SweepShape {
            axes: self
                .axes
                .iter()
                .map(|dimension| (Arc::clone(&dimension.name), values(dimension)))
                .collect(),
            seeds: self.seeds.map(|seeds| seeds.addends.clone()).unwrap_or_default(),
            points: self.grid((0..self.axes.len()).collect()).rows,
            objective: sweep.objective.clone(),
        })
    }
}

/// What an axis sweeps; `None` where there is no such thing, of which the reader has complained unless it takes a kind to know.
fn target(
    axis: &Axis,
    experiment: &Experiment,
    graph: &Graph<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<Target> {
    let (stage, parameter) = match &axis.target {
        AxisTarget::Params(name) => {
            return experiment
                .params
                .contains_key(&**name)
                .then(|| Target::Params(Arc::clone(name)));
        }
        AxisTarget::Stage { stage, parameter } => (stage, parameter),
    };
    let number = graph.position(stage)?;
    let (kind, schema) = graph.drafts[number].kind.as_ref()?;
    if schema.property(parameter).is_some() {
        return Some(Target::Stage(number, Arc::clone(parameter)));
    }
    if kind.ports.iter().any(|port| *port.name == **parameter) {
        let message = format!(
            "`{parameter}` is an input of stage `{stage}`, and only parameters can be swept"
        );
        found.push(Diagnostic::new("unknown-axis", message).at(axis.span));
        return None;
    }
    let message =
        format!("stage `{stage}` has no parameter {}, which this axis sweeps", quoted(parameter));
    let diagnostic = Diagnostic::new("unknown-axis", message).at(axis.span);
    let known = || schema.properties.iter().map(|property| property.name.as_str());
    found.push(match suggest(parameter, known()) {
        Some(near) => diagnostic.help(format!("did you mean `{stage}.{near}`?")),
        None => diagnostic.help(format!("kind `{}` has {}", kind.name, names_text(known()))),
    });
    None
}

/// Replicates need a training to replicate.
fn check_seeds(seeds: Option<&Seeds>, graph: &Graph<'_>, found: &mut Vec<Diagnostic>) {
    if let Some(seeds) = seeds
        && !graph.drafts.iter().any(|draft| *draft.declaration.kind == *REPLICATED_KIND)
    {
        let message =
            format!("`seeds` changes nothing, since no stage is of kind `{REPLICATED_KIND}`");
        found.push(Diagnostic::new("idle-axis", message).at(seeds.span));
    }
}

/// Both an axis over a param and `seeds` decide the seed of a training; the reader finds an axis over the seed itself.
pub(super) fn two_seeds(axis: &str, span: Span, seeds: &Seeds) -> Diagnostic {
    Diagnostic::new(
        "two-seeds",
        format!("the axis `{axis}` and `seeds` both set the seed of training"),
    )
    .at(span)
    .label(seeds.span, "replicates are asked for here")
    .help("`seeds` makes replicates within every point; keep one of the two")
}

/// Says which values of an axis have no effect of their own.
///
/// * `effects`: for each value, whatever it changes
pub(super) fn check_effects(
    dimension: &Dimension<'_>,
    effects: &[Vec<u8>],
    found: &mut Vec<Diagnostic>,
) {
    let distinct: BTreeSet<&Vec<u8>> = effects.iter().collect();
    let values = &dimension.axis.values;
    if effects.len() > 1 && distinct.len() == 1 {
        let message = format!(
            "axis `{}` changes nothing: all of its values have the same effect",
            dimension.name
        );
        found.push(Diagnostic::new("idle-axis", message).at(dimension.axis.span));
        return;
    }
    let mut first: HashMap<&Vec<u8>, usize> = HashMap::new();
    for (number, effect) in effects.iter().enumerate() {
        let earlier = *first.entry(effect).or_insert(number);
        if earlier != number {
            let (one, other) =
                (value_text(&values[earlier].to_json()), value_text(&values[number].to_json()));
            let message = format!(
                "axis `{}` has values of the same effect, {one} and {other}",
                dimension.name
            );
            found.push(
                Diagnostic::new("idle-value", message)
                    .at(values[number].span)
                    .label(values[earlier].span, "the same as this"),
            );
        }
    }
}

/// An axis whose only value is what there is without it.
pub(super) fn one_idle_value(
    dimension: &Dimension<'_>,
    value: &Value,
    graph: &Graph<'_>,
    experiment: &Experiment,
) -> Diagnostic {
    let without = match &dimension.target {
        Target::Params(name) => experiment.params.get(&**name).map(|value| value.span),
        Target::Stage(stage, parameter) => {
            let declaration = graph.drafts[*stage].declaration;
            let seed = experiment.seed.filter(|_| &**parameter == "seed").map(|(_, span)| span);
            declaration.parameter(parameter).map(|parameter| parameter.value.span).or(seed)
        }
    };
    let value = value_text(&value.to_json());
    let help = "list the values to compare, or leave the axis out";
    let diagnostic = |reason: &str| {
        Diagnostic::new(
            "idle-axis",
            format!("axis `{}` changes nothing: {value} {reason}", dimension.name),
        )
        .at(dimension.axis.span)
    };
    match without {
        Some(span) => diagnostic("is what there is without it").label(span, "the same").help(help),
        None => diagnostic("is the default").help(help),
    }
}

/// A value as its text has it: `1e-3` where that is how it was written.
fn spelling(value: &Value, sources: &Sources) -> Arc<str> {
    if let Data::String(text) = &value.data {
        return text.as_str().into();
    }
    match sources.text(value.span.source).get(value.span.start..value.span.end) {
        Some(text) if !text.is_empty() && !text.contains('\n') => text.into(),
        _ => full_text(&value.to_json()).into(),
    }
}

/// `name=value` out of characters that every file system takes. Where that loses something, a hash of the value tells it from others.
///
/// * `spelled`: the value as the file has it, which a number keeps where it is one to anybody
fn part(name: &str, value: &Value, spelled: &str) -> String {
    const LONGEST: usize = 40;
    let json = value.to_json();
    let (text, exact) = match &json {
        Json::String(text) => {
            (text.clone(), text.parse::<f64>().is_err() && text.parse::<bool>().is_err())
        }
        Json::Number(number) => {
            let is_same = spelled.parse::<f64>().ok() == number.as_f64();
            let text = if is_same { spelled.to_owned() } else { number_text(&json) };
            (text, true)
        }
        Json::Bool(_) => (number_text(&json), true),
        Json::Array(items) if items.iter().all(Json::is_number) => {
            (items.iter().map(number_text).collect::<Vec<_>>().join("_"), !items.is_empty())
        }
        _ => (value_text(&json), false),
    };
    if exact && !text.is_empty() && text.len() <= LONGEST && text.chars().all(is_file_safe) {
        return format!("{name}={text}");
    }
    let digest = Canonical::new("label 1", Numbers::AsWritten).value(&json).digest();
    let hash = blake3::Hash::from_bytes(digest).to_hex();
    let words = file_safe(&text.chars().take(LONGEST).collect::<String>());
    if words.is_empty() {
        format!("{name}={}", &hash[..6])
    } else {
        format!("{name}={words}-{}", &hash[..6])
    }
}

fn is_file_safe(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '+' | '-')
}

/// A text with a dash for whatever a file's name should not hold.
fn file_safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_file_safe(character) {
            safe.push(character);
        } else if !safe.ends_with('-') {
            safe.push('-');
        }
    }
    safe.trim_matches('-').to_owned()
}

/// A number as a person names it: `1e-5`, `0.1`, and `1` for 1 and 1.0.
fn number_text(value: &Json) -> String {
    match value.as_f64() {
        Some(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}"),
        _ => value_text(value),
    }
}

/// Keeps a label within what file systems take, with room for a suffix.
fn shorten(label: &str) -> Arc<str> {
    const LONGEST: usize = 160;
    if label.len() <= LONGEST {
        return label.into();
    }
    let hash = blake3::hash(label.as_bytes()).to_hex();
    let kept: String = label.chars().take(LONGEST - 13).collect();
    format!("{kept}-{}", &hash[..12]).into()
}
