//! Points: what is to be tried, each a value for every axis of the file.
//!
//! A plan takes a list of them and does not ask how it came about: [`Points::of`] makes that of a file, which is every combination of what its
//! axes list, and a single point without values where the file has no sweep; [`Points::add`] takes one that somebody else chose.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::canonical::{Canonical, Numbers};
use super::{full_text, value_text};
use crate::base::diagnostics::{Diagnostic, Sources};
use crate::engine::spec::{
    Axis, AxisTarget, Condition, Data, Experiment, Method, SEED, Skip, Sweep, Value, What,
    dimensions,
};

/// A grid beyond this is taken for a mistake, which must not cost the machine its memory.
const MOST_TRIALS: usize = 100_000;
const MOST_AXES: usize = 64;

/// A value of every axis.
#[derive(Debug, Clone)]
pub struct Point {
    /// Safe as a file's name, and the same whatever other points there are: `learning_rate=1e-5`. Empty without axes.
    pub label: Arc<str>,
    /// By axis (`train.learning_rate`), in the order of the file.
    pub values: Vec<(Arc<str>, Json)>,
    /// The values as the file spells them, a string without its quotes.
    pub texts: Vec<Arc<str>>,
    /// As they were read or chosen, for an experiment of this point alone.
    pub chosen: Vec<Arc<Value>>,
}

impl Point {
    /// A digest of its values, whatever the order of the axes: equal points have equal ones, and no others do.
    #[must_use]
    pub fn identity(&self) -> [u8; 32] {
        let values = self.values.iter().map(|(axis, value)| (axis.to_string(), value.clone()));
        Canonical::new("point 1", Numbers::AsWritten).map(&values.collect()).digest()
    }
}

/// The points of a plan.
#[derive(Debug, Clone)]
pub struct Points {
    axes: Vec<Known>,
    /// Of each point, which of the known values it has along each axis.
    rows: Vec<Vec<usize>>,
    list: Vec<Arc<Point>>,
    /// Of each point, on how many rungs it is tried.
    rungs: Vec<usize>,
    /// Of each point, whether it is tried again with fresh seeds.
    finalists: Vec<bool>,
    sources: Arc<Sources>,
    /// The point for which stages run that are to run for the best one alone.
    pub(super) best: Option<usize>,
    /// Why these are not all that the file asks for.
    pub(super) refused: Option<Diagnostic>,
}

/// An axis and the values that points have along it.
#[derive(Debug, Clone)]
struct Known {
    name: Arc<str>,
    /// What labels call it: the last word of the name, or the whole where that would be ambiguous.
    word: String,
    values: Vec<KnownValue>,
    /// Which of them each is, by its JSON.
    places: HashMap<String, usize>,
}

#[derive(Debug, Clone)]
struct KnownValue {
    value: Arc<Value>,
    json: Json,
    text: Arc<str>,
    /// Its part of a label.
    part: String,
}

impl Points {
    /// Every combination of what the axes of a file list, the last axis fastest.
    ///
    /// Of combinations without number, a plan is refused; until then these are as many points as show each value, and what is wrong with it. So
    /// they are of a file whose points are chosen: its values and bounds, which shows what is wrong with them before anything is chosen.
    #[must_use]
    pub fn of(experiment: &Experiment) -> Self {
        let mut points = Self::none(experiment);
        let axes: &[_] = experiment.sweep.as_ref().map_or(&[], |sweep| &sweep.axes);
        let listed = Listed::of(axes, &mut points);
        let sizes = &listed.sizes;
        points.refused = experiment.sweep.as_ref().and_then(beyond_bounds);
        let is_grid = experiment.sweep.as_ref().is_none_or(|sweep| sweep.method() == Method::Grid);
        if points.refused.is_some() || !is_grid {
            for number in 0..sizes.iter().copied().max().unwrap_or(1) {
                let at: Vec<usize> = sizes.iter().map(|size| number.min(size - 1)).collect();
                points.push(listed.row(&at));
            }
            return points;
        }
        let skips = Skips::of(experiment, &points);
        let mut at = vec![0; sizes.len()];
        loop {
            let row = listed.row(&at);
            if !skips.leave_out(&points, &row) {
                points.push(row);
            }
            let Some(turns) = (0..at.len()).rev().find(|axis| at[*axis] + 1 < sizes[*axis]) else {
                if points.list.is_empty() {
                    points.refused =
                        experiment.sweep.as_ref().and_then(|sweep| all_left_out(&sweep.skip));
                    points.push(listed.row(&vec![0; sizes.len()]));
                }
                return points;
            };
            at[turns] += 1;
            at[turns + 1..].fill(0);
        }
    }

    /// No points yet, for a list that is no grid.
    #[must_use]
    pub fn none(experiment: &Experiment) -> Self {
        let axes: &[_] = experiment.sweep.as_ref().map_or(&[], |sweep| &sweep.axes);
        let names: Vec<String> = axes.iter().map(|axis| axis.target.to_string()).collect();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        names.iter().for_each(|name| *counts.entry(last_word(name)).or_default() += 1);
        let known = |name: &String| {
            let short = last_word(name);
            let ambiguous = counts[short] > 1 || short == SEED;
            let word = file_safe(if ambiguous { name } else { short });
            Known { name: name.as_str().into(), word, values: Vec::new(), places: HashMap::new() }
        };
        Self {
            axes: names.iter().map(known).collect(),
            rows: Vec::new(),
            list: Vec::new(),
            rungs: Vec::new(),
            finalists: Vec::new(),
            sources: Arc::clone(&experiment.sources),
            best: None,
            refused: None,
        }
    }

    /// Adds one, where it is not there yet.
    ///
    /// * `values`: one of each axis, in the order of the file; what is wrong with one is said at its span
    pub fn add(&mut self, values: impl IntoIterator<Item = Value>) {
        let mut at = Vec::with_capacity(self.axes.len());
        for (number, value) in values.into_iter().enumerate() {
            at.push(self.know(number, value));
        }
        assert_eq!(at.len(), self.axes.len(), "a point has a value for each axis");
        if !self.rows.contains(&at) {
            self.push(at);
        }
    }

    /// Lets points, by their places in the list, go on to a rung; on the first one all are.
    ///
    /// * `rung`: from 0
    pub fn go_on(&mut self, rung: usize, places: &[usize]) {
        places.iter().for_each(|place| self.rungs[*place] = rung + 1);
    }

    /// Lets points, by their places in the list, be tried again with fresh seeds.
    pub fn make_finalists(&mut self, places: &[usize]) {
        places.iter().for_each(|place| self.finalists[*place] = true);
    }

    /// Lets every point be tried in each way that the file asks for, and the first be the best: a plan of these shows what is wrong with any.
    pub fn try_all(&mut self, experiment: &Experiment) {
        let sweep = experiment.sweep.as_ref();
        self.rungs.fill(sweep.map_or(1, |sweep| sweep.rungs.len().max(1)));
        self.finalists.fill(sweep.is_some_and(|sweep| sweep.finalists.is_some()));
        self.choose(0);
    }

    /// Names the best of them, by its place in the list: stages with `at = "best"` run for that one. Without a best one they do not run.
    pub fn choose(&mut self, best: usize) {
        self.best = Some(best);
    }

    /// Which of the known values of an axis a value is, from now on.
    fn know(&mut self, axis: usize, value: Value) -> usize {
        let json = value.to_json();
        let axis = &mut self.axes[axis];
        let place = *axis.places.entry(json.to_string()).or_insert(axis.values.len());
        if place < axis.values.len() {
            return place;
        }
        let text = spelling(&value, &self.sources);
        let part = part(&axis.word, &json, &text);
        axis.values.push(KnownValue { value: value.into(), json, text, part });
        place
    }

    fn push(&mut self, at: Vec<usize>) {
        let known = || self.axes.iter().zip(&at).map(|(axis, at)| (axis, &axis.values[*at]));
        let label = label(known().map(|(_, value)| value.part.as_str()));
        let values = known().map(|(axis, known)| (Arc::clone(&axis.name), known.json.clone()));
        let texts = known().map(|(_, known)| Arc::clone(&known.text)).collect();
        let chosen = known().map(|(_, known)| Arc::clone(&known.value)).collect();
        self.list.push(Arc::new(Point { label, values: values.collect(), texts, chosen }));
        self.rows.push(at);
        self.rungs.push(1);
        self.finalists.push(false);
    }

    /// On how many rungs a point is tried.
    pub(super) fn rungs_of(&self, point: usize) -> usize {
        self.rungs[point]
    }

    pub(super) fn is_finalist(&self, point: usize) -> bool {
        self.finalists[point]
    }

    /// In the order in which they are tried.
    #[must_use]
    pub fn list(&self) -> &[Arc<Point>] {
        &self.list
    }

    /// Each axis and its values, in the order of the file.
    pub(super) fn spanned(&self) -> Vec<(String, Vec<Json>)> {
        let values = |axis: &Known| axis.values.iter().map(|known| known.json.clone()).collect();
        self.axes.iter().map(|axis| (axis.name.to_string(), values(axis))).collect()
    }

    pub(super) fn axis_count(&self) -> usize {
        self.axes.len()
    }

    pub(super) fn values(&self, axis: usize) -> impl ExactSizeIterator<Item = &Value> {
        self.axes[axis].values.iter().map(|known| &*known.value)
    }

    /// Which of the values of an axis a point has.
    pub(super) fn at(&self, point: usize, axis: usize) -> usize {
        self.rows[point][axis]
    }

    pub(super) fn value(&self, point: usize, axis: usize) -> &Value {
        &self.axes[axis].values[self.rows[point][axis]].value
    }

    /// A point's part of a label along one axis.
    pub(super) fn part(&self, point: usize, axis: usize) -> &str {
        &self.axes[axis].values[self.rows[point][axis]].part
    }
}

/// What the axes of a file list, by the dimensions that they move along.
struct Listed {
    /// How many entries each dimension has.
    sizes: Vec<usize>,
    /// Of each axis its dimension, and of each entry which of the axis' known values it has.
    axes: Vec<(usize, Vec<usize>)>,
}

impl Listed {
    fn of(axes: &[Axis], points: &mut Points) -> Self {
        let dimensions = dimensions(axes);
        let sizes = dimensions.iter().map(|of| axes[of[0]].values.len()).collect();
        let dimension = |number| dimensions.iter().position(|of| of.contains(&number));
        let listed = |(number, axis): (usize, &Axis)| {
            let known = axis.values.iter().map(|value| points.know(number, value.clone()));
            (dimension(number).expect("every axis moves along one"), known.collect())
        };
        Self { sizes, axes: axes.iter().enumerate().map(listed).collect() }
    }

    /// Which known value each axis has.
    ///
    /// * `at`: which entry of each dimension
    fn row(&self, at: &[usize]) -> Vec<usize> {
        self.axes.iter().map(|(dimension, known)| known[at[*dimension]]).collect()
    }
}

/// What a grid leaves out: of each region, its conditions by number of the axis.
struct Skips<'e>(Vec<(&'e Skip, Vec<(usize, &'e What)>)>);

impl<'e> Skips<'e> {
    fn of(experiment: &'e Experiment, points: &Points) -> Self {
        let skips = experiment.sweep.iter().flat_map(|sweep| &sweep.skip);
        let numbered = |(target, condition): &'e (AxisTarget, Condition)| {
            let name = target.to_string();
            let axis = points.axes.iter().position(|axis| *axis.name == *name)?;
            Some((axis, &condition.what))
        };
        let of = |skip: &'e Skip| {
            let conditions: Option<Vec<_>> = skip.conditions.iter().map(numbered).collect();
            Some((skip, conditions?))
        };
        Self(skips.filter_map(of).collect())
    }

    fn leave_out(&self, points: &Points, at: &[usize]) -> bool {
        let holds =
            |(axis, what): &(usize, &What)| what.holds(&points.axes[*axis].values[at[*axis]].value);
        self.0.iter().any(|(_, conditions)| conditions.iter().all(holds))
    }
}

/// What is wrong with regions that leave out everything; `None` where there are none.
#[must_use]
pub fn all_left_out(skips: &[Skip]) -> Option<Diagnostic> {
    let message = "`skip` leaves out every point of the sweep";
    let diagnostic = Diagnostic::new("idle-sweep", message);
    Some(diagnostic.at(skips.last()?.span).help("leave out fewer, or list more values"))
}

/// Whether a file asks for more than a plan can hold.
fn beyond_bounds(sweep: &Sweep) -> Option<Diagnostic> {
    let axes = sweep.axes.len();
    let trials = sizes(sweep).fold(1_usize, usize::saturating_mul);
    if axes > MOST_AXES {
        let message =
            format!("the sweep has {axes} axes, more than the {MOST_AXES} that a plan may have");
        return Some(too_many(message, sweep));
    }
    (trials > MOST_TRIALS).then(|| {
        let message = format!(
            "the sweep has {trials} trials, more than the {MOST_TRIALS} that a plan may have"
        );
        too_many(message, sweep)
    })
}

pub(super) fn too_many(message: String, sweep: &Sweep) -> Diagnostic {
    const SHOWN: usize = 12;
    let factors: Vec<String> = sizes(sweep).take(SHOWN).map(|size| size.to_string()).collect();
    let more = if sizes(sweep).count() > SHOWN { " x ..." } else { "" };
    let help = format!("its axes and seeds span {}{more}", factors.join(" x "));
    Diagnostic::new("too-many-trials", message).at(sweep.span).help(help)
}

fn sizes(sweep: &Sweep) -> impl Iterator<Item = usize> + '_ {
    let is_grid = sweep.method() == Method::Grid;
    let entries = |of: Vec<usize>| sweep.axes[of[0]].values.len();
    let axes = sweep.dimensions().into_iter().filter(move |_| is_grid).map(entries);
    let points = sweep.points.filter(|_| !is_grid).map(|points| points.count);
    let folds = sweep.folds.map(|folds| folds.count);
    let on_rungs: usize = sweep.addends().iter().map(|seeds| seeds.len().max(1)).sum();
    let has_several = sweep.replicates().is_some() || !sweep.rungs.is_empty();
    let tries = has_several.then(|| on_rungs + sweep.fresh_addends().len());
    axes.chain(points).chain(folds).chain(tries)
}

fn last_word(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
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

/// A label out of its parts.
pub(super) fn label<'a>(parts: impl Iterator<Item = &'a str>) -> Arc<str> {
    let mut text = String::new();
    for part in parts.filter(|part| !part.is_empty()) {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(part);
    }
    shorten(&text)
}

/// `name=value` out of characters that every file system takes. Where that loses something, a hash of the value tells it from others.
///
/// * `spelled`: the value as the file has it, which a number keeps where it is one to anybody
fn part(name: &str, json: &Json, spelled: &str) -> String {
    const LONGEST: usize = 40;
    let (text, exact) = match json {
        Json::String(text) => {
            (text.clone(), text.parse::<f64>().is_err() && text.parse::<bool>().is_err())
        }
        Json::Number(number) => {
            let is_same = spelled.parse::<f64>().ok() == number.as_f64();
            (if is_same { spelled.to_owned() } else { number_text(json) }, true)
        }
        Json::Bool(_) => (number_text(json), true),
        Json::Array(items) if items.iter().all(Json::is_number) => {
            (items.iter().map(number_text).collect::<Vec<_>>().join("_"), !items.is_empty())
        }
        _ => (value_text(json), false),
    };
    if exact && !text.is_empty() && text.len() <= LONGEST && text.chars().all(is_file_safe) {
        return format!("{name}={text}");
    }
    let digest = Canonical::new("label 1", Numbers::AsWritten).value(json).digest();
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
