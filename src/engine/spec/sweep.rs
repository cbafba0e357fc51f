//! Reads `[sweep]`: axes, replicates and the objective.

use std::collections::{HashMap, HashSet};

use super::axis::{AXIS_RULE, joined, not_two_words, target};
use super::experiment::{Along, Axis, Choose, Count, Folds, Method};
use super::layer::SweepLayer;
use super::names::{is_name, listed};
use super::objective::{Objective, is_metric};
use super::path::{AxisTarget, Word};
use super::problems::Problems;
use super::reader::{Place, Reader, mismatch};
use super::seeds::seeds;
use super::syntax::{Entry, Node, NodeData, Table};
use super::together;
use super::value::Value;
use super::{rung, skip};
use crate::base::diagnostics::{Diagnostic, Span, quoted};

/// What `[sweep]` may say.
pub(super) const KEYS: [&str; 13] = [
    "method",
    "objective",
    "points",
    "parallel",
    "seeds",
    "folds",
    "choose",
    "finalists",
    "fresh_seeds",
    "over",
    "together",
    "rung",
    "skip",
];
/// More parts of a corpus than this are a slip of the finger, too.
const MOST_FOLDS: i64 = 1_000;

/// More points than this are a slip of the finger: a proposal learns from all before it.
const MOST_POINTS: i64 = 1_000;

fn along(name: &str) -> Option<Along> {
    Along::NAMED.into_iter().find(|along| along.name() == name)
}

/// Reads `[sweep]`.
pub(super) fn read(reader: &mut Reader<'_>, span: Span, node: Node) -> Option<SweepLayer> {
    let NodeData::Table(table) = node.data else {
        reader.problems.push(mismatch("`sweep`", "a table", &node).help("write `[sweep]`"));
        return None;
    };
    let mut sweep = SweepLayer::empty(span);
    for each in table.entries {
        entry(reader, each, &mut sweep);
    }
    sweep.axes = once_each(sweep.axes, reader.problems);
    // `a.x`, `b.x` and `a.y` come as two tables.
    sweep.axes.sort_by_key(|axis| axis.span.start);
    Some(sweep)
}

/// One key of `[sweep]`, which may come from the command line.
pub(super) fn entry(reader: &mut Reader<'_>, entry: Entry, sweep: &mut SweepLayer) {
    let Entry { name, name_span, node } = entry;
    match &*name {
        "objective" => {
            sweep.objective = objective(reader, &node);
            sweep.unread.objective = sweep.objective.is_none();
        }
        _ if matches!(node.data, NodeData::Invalid) => {}
        "method" => {
            let named = named(reader, &node, "method", "method", &Method::ALL, Method::name);
            sweep.method = named.map(|method| (method, node.span));
        }
        "choose" => {
            let named = named(reader, &node, "choose", "rule", &Choose::ALL, Choose::name);
            sweep.choose = named.map(|choose| (choose, node.span));
        }
        "points" => sweep.points = count(reader, &name, "points", &node),
        "parallel" => sweep.parallel = count(reader, &name, "points", &node),
        "finalists" => sweep.finalists = count(reader, &name, "points", &node),
        "fresh_seeds" => sweep.fresh_seeds = count(reader, &name, "seeds", &node),
        "seeds" => sweep.seeds = seeds(reader, &node),
        "folds" => sweep.folds = folds(reader, &node),
        "skip" => sweep.skip = skip::read(reader, node),
        "together" => sweep.together = together::read(reader, node),
        "rung" => sweep.rungs = rung::read(reader, node),
        "over" => match node.data {
            NodeData::Table(over) => {
                over.entries.into_iter().for_each(|entry| first_word(reader, entry, &[], sweep))
            }
            _ => reader.problems.push(
                mismatch("`over`", "a table of axes", &node)
                    .help("write `train.learning_rate = [1e-5, 2e-5]` under `[sweep.over]`"),
            ),
        },
        _ => {
            let message = format!("`[sweep]` has no key {}", quoted(&name));
            let diagnostic = Diagnostic::new("unknown-key", message).at(name_span);
            let near = reader.problems.near(&name, KEYS);
            reader.problems.push(diagnostic.meant(near, || match node.data {
                NodeData::Table(_) => "axes stand under `[sweep.over]`".to_owned(),
                _ => format!("it has {}", listed(&KEYS)),
            }));
        }
    }
}

/// The one of several ways that a key names.
///
/// * `noun`: what the key names
fn named<T: Copy>(
    reader: &mut Reader<'_>,
    node: &Node,
    key: &str,
    noun: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Option<T> {
    let names: Vec<&str> = all.iter().map(|it| name(*it)).collect();
    let NodeData::String(text) = &node.data else {
        let problem = mismatch(&format!("`{key}`"), &format!("the name of a {noun}"), node);
        reader.problems.push(problem.help(format!("write `{key} = \"{}\"`", names[0])));
        return None;
    };
    let found = all.iter().copied().find(|it| name(*it) == text);
    if found.is_none() {
        let message = format!("unknown {noun} {}", quoted(text));
        let diagnostic = Diagnostic::new("unknown-value", message).at(node.span);
        let near = reader.problems.near(text, names.iter().copied());
        let others = || format!("the {noun}s are {}", listed(&names));
        reader.problems.push(diagnostic.meant(near, others));
    }
    found
}

/// `points = 30` or `fresh_seeds = 2`.
///
/// * `noun`: what is counted
fn count(reader: &mut Reader<'_>, name: &str, noun: &str, node: &Node) -> Option<Count> {
    match &node.data {
        NodeData::Integer(count) if (1..=MOST_POINTS).contains(count) => {
            Some(Count { count: usize::try_from(*count).ok()?, span: node.span })
        }
        NodeData::Integer(count) => {
            let message = format!("`{name} = {count}` is out of range");
            let diagnostic = Diagnostic::new("out-of-range", message).at(node.span);
            let help = format!("`{name}` is a number of {noun} from 1 to {MOST_POINTS}");
            reader.problems.push(diagnostic.help(help));
            None
        }
        NodeData::Invalid => None,
        _ => {
            let expected = format!("a number of {noun}");
            let diagnostic = mismatch(&format!("`{name}`"), &expected, node);
            reader.problems.push(diagnostic.help(format!("write `{name} = 2`")));
            None
        }
    }
}

pub(super) fn objective(reader: &mut Reader<'_>, node: &Node) -> Option<(Objective, Span)> {
    let NodeData::String(text) = &node.data else {
        if matches!(node.data, NodeData::Invalid) {
            return None;
        }
        reader
            .problems
            .push(mismatch("`objective`", "a string", node).help("write `max stage.metric`"));
        return None;
    };
    if let Ok(objective) = text.parse::<Objective>() {
        return Some((objective, node.span));
    }
    let message = format!("{} is not an objective", quoted(text));
    let diagnostic = Diagnostic::new("bad-objective", message).at(node.span);
    let words: Vec<&str> = text.split_whitespace().take(3).collect();
    reader.problems.push(match words[..] {
        [path] if is_metric(path) => diagnostic.help(format!("write `max {path}` or `min {path}`")),
        ["maximize" | "maximise", path] => diagnostic.help(format!("write `max {path}`")),
        ["minimize" | "minimise", path] => diagnostic.help(format!("write `min {path}`")),
        _ => diagnostic.help(
            "write `max stage.metric` or `min stage.metric`: a stage that evaluates, and what it measures",
        ),
    });
    None
}

/// `folds = 5`.
fn folds(reader: &mut Reader<'_>, node: &Node) -> Option<Folds> {
    match &node.data {
        NodeData::Integer(count) if (2..=MOST_FOLDS).contains(count) => {
            Some(Folds { count: usize::try_from(*count).ok()?, span: node.span })
        }
        NodeData::Integer(count) => {
            let message = format!("`folds = {count}` is out of range");
            let diagnostic = Diagnostic::new("out-of-range", message).at(node.span);
            let help = format!("a corpus is divided into 2 to {MOST_FOLDS} folds");
            reader.problems.push(diagnostic.help(help));
            None
        }
        NodeData::Invalid => None,
        _ => {
            let diagnostic = mismatch("`folds`", "a number of folds", node);
            reader.problems.push(diagnostic.help("write `folds = 5`"));
            None
        }
    }
}

/// `train` of `train.learning_rate = [...]`, or `stage` of `stage.train.learning_rate = [...]`.
fn first_word(reader: &mut Reader<'_>, entry: Entry, before: &[Word], sweep: &mut SweepLayer) {
    let Entry { name, name_span, node } = entry;
    let words = [before, &[(name.clone(), name_span)]].concat();
    let table = match node.data {
        NodeData::Invalid => return,
        // One table with nothing but a distribution is that of an axis whose second word is missing.
        NodeData::Table(table)
            if !(table.entries.len() == 1 && along(&table.entries[0].name).is_some()) =>
        {
            table
        }
        _ => {
            let diagnostic = not_two_words(&words, name_span);
            return reader.problems.push(match name.split_once('.') {
                Some((first, second)) if is_name(first) => {
                    diagnostic.help(format!("remove the quotes: `{first}.{second}`"))
                }
                _ => diagnostic.help(AXIS_RULE),
            });
        }
    };
    for entry in table.entries {
        if before.is_empty() && &*name == "stage" {
            first_word(reader, entry, &words, sweep);
            continue;
        }
        let Entry { name: second, name_span: second_span, node } = entry;
        let span = joined(name_span, second_span);
        let words = [&words[..], &[(second, second_span)]].concat();
        let Some(target) = target(reader, &words, span) else { continue };
        match values(reader, &target, node) {
            Some((along, values)) => {
                sweep.axes.push(Axis { target, span, along, values, together: None });
            }
            None => sweep.unread.axes.push(target),
        }
    }
}

/// Leaves out axes that are there already, maybe under the other spelling of their path.
pub(super) fn once_each(axes: Vec<Axis>, problems: &mut Problems) -> Vec<Axis> {
    let mut seen: HashMap<AxisTarget, Span> = HashMap::new();
    let mut kept = Vec::with_capacity(axes.len());
    for axis in axes {
        if let Some(first) = seen.get(&axis.target) {
            let message = format!("the axis {} is given twice", quoted(&axis.target.to_string()));
            let help = match axis.together {
                Some(_) => "it moves by itself or together with others: leave it out in one place",
                None => "list all values of an axis in one place",
            };
            let diagnostic = Diagnostic::new("repeated-axis", message).at(axis.span);
            problems.push(diagnostic.label(*first, "here first").help(help));
            continue;
        }
        seen.insert(axis.target.clone(), axis.span);
        kept.push(axis);
    }
    kept
}

/// The values of an axis, of which there is at least one.
fn values(reader: &mut Reader<'_>, target: &AxisTarget, node: Node) -> Option<(Along, Vec<Value>)> {
    let span = node.span;
    match node.data {
        NodeData::Array { items, .. } => {
            Some((Along::List, distinct(reader, target, span, items)?))
        }
        NodeData::Table(table) => drawn(reader, target, span, table),
        NodeData::Invalid => None,
        _ => {
            let diagnostic = mismatch(
                &format!("the axis {}", quoted(&target.to_string())),
                "an array of values",
                &node,
            );
            reader.problems.push(match reader.text.get(span.start..span.end) {
                Some(text) if text.len() <= 40 && span.source == reader.id => {
                    diagnostic.help(format!("write `{target} = [{text}]`"))
                }
                _ => diagnostic,
            });
            None
        }
    }
}

/// Converts the items of an axis and holds them against each other.
pub(super) fn distinct(
    reader: &mut Reader<'_>,
    target: &AxisTarget,
    span: Span,
    items: Vec<Node>,
) -> Option<Vec<Value>> {
    let axis = quoted(&target.to_string());
    if items.is_empty() {
        reader
            .problems
            .push(Diagnostic::new("empty-list", format!("the axis {axis} has no values")).at(span));
        return None;
    }
    let mut seen = HashSet::new();
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        let value = reader.value(item, Place::Plain("`[sweep]`"));
        let text = value.to_json().to_string();
        if matches!(value.data, super::Data::Invalid) || seen.insert(text.clone()) {
            values.push(value);
        } else {
            let message = format!("the axis {axis} has the value {} twice", quoted(&text));
            reader.problems.push(
                Diagnostic::new("repeated-value", message)
                    .at(value.span)
                    .help("every point of a grid is run once"),
            );
        }
    }
    Some(values)
}

/// `{ choice = [...] }`, or a range such as `{ log = [1e-5, 1e-3] }`.
fn drawn(
    reader: &mut Reader<'_>,
    target: &AxisTarget,
    span: Span,
    table: Table,
) -> Option<(Along, Vec<Value>)> {
    let axis = quoted(&target.to_string());
    let mut entries = table.entries.into_iter();
    let problem = match (entries.next(), entries.next()) {
        (Some(entry), None) => match (along(&entry.name), entry.node.data) {
            (Some(Along::Choice), NodeData::Array { items, .. }) => {
                return Some((Along::Choice, distinct(reader, target, span, items)?));
            }
            (Some(along), NodeData::Array { items, .. }) => {
                return Some((along, bounds(reader, along, entry.node.span, items)?));
            }
            (Some(_), NodeData::Invalid) => return None,
            (Some(along), data) => {
                let node = Node { span: entry.node.span, data };
                let wanted =
                    if along.is_range() { "an array of two bounds" } else { "an array of values" };
                mismatch(&format!("`{}`", along.name()), wanted, &node)
            }
            (None, _) => {
                let message = format!(
                    "part of a table cannot be swept: {} is below the axis {axis}",
                    quoted(&entry.name)
                );
                Diagnostic::new("bad-axis", message)
                    .at(entry.name_span)
                    .help(format!("sweep whole values: `{target} = [{{ ... }}, {{ ... }}]`"))
            }
        },
        _ => {
            let message = format!(
                "the axis {axis} expects an array of values, or a table with exactly one of {}",
                listed(&Along::NAMED.map(Along::name))
            );
            Diagnostic::new("bad-axis", message).at(span)
        }
    };
    reader.problems.push(problem);
    None
}

/// The two bounds of a range.
fn bounds(
    reader: &mut Reader<'_>,
    along: Along,
    span: Span,
    items: Vec<Node>,
) -> Option<Vec<Value>> {
    let name = along.name();
    let number = |node: &Node| match node.data {
        NodeData::Integer(value) => Some(value as f64),
        NodeData::Float(value) if along != Along::Int => Some(value),
        _ => None,
    };
    let numbers: Vec<Option<f64>> = items.iter().map(number).collect();
    let problem = match numbers[..] {
        [Some(low), Some(high)] if !(low.is_finite() && high.is_finite()) => {
            Some("the bounds are no finite numbers")
        }
        [Some(low), Some(high)] if low >= high => Some("the lower bound comes first"),
        [Some(low), Some(_)] if along == Along::Log && low <= 0.0 => {
            Some("a logarithmic range begins above 0")
        }
        [Some(_), Some(_)] => None,
        _ if items.iter().any(|item| matches!(item.data, NodeData::Invalid)) => return None,
        _ if along == Along::Int => Some("expected two whole numbers"),
        _ => Some("expected two numbers"),
    };
    if let Some(problem) = problem {
        let message = format!("`{name}` is no range: {problem}");
        let text = |node: &Node| {
            let span = Some(node.span).filter(|span| span.source == reader.id)?;
            reader.text.get(span.start..span.end)
        };
        let swapped = match (&items[..], &numbers[..]) {
            ([low, high], [Some(above), Some(below)]) if above > below => text(high).zip(text(low)),
            _ => None,
        };
        let example = match swapped {
            Some((low, high)) => format!("[{low}, {high}]"),
            None if along == Along::Int => "[1, 8]".to_owned(),
            None => "[1e-5, 1e-3]".to_owned(),
        };
        let diagnostic = Diagnostic::new("bad-axis", message).at(span);
        reader.problems.push(diagnostic.help(format!("write `{{ {name} = {example} }}`")));
        return None;
    }
    let place = Place::Plain("`[sweep]`");
    Some(items.into_iter().map(|item| reader.value(item, place)).collect())
}
