//! Every score with its interval, and those of single labels.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::chart::at;
use super::html::{Section, anchor, brief, number, table, text};
use super::material::Material;
use super::numbers::spread;
use crate::view::format;
use crate::view::rows::{Moments, PointRows};

/// What marks a stage that was scored for the chosen setting alone.
pub const UNSEEN: &str = " <span class=tag>not seen by the choice</span>";

pub fn section(material: &Material<'_>) -> Option<Section> {
    let best = material.best()?;
    let mut stages: Vec<(&str, Vec<&str>)> = Vec::new();
    for name in material.names.plain.iter().filter(|name| !material.is_beside(name)) {
        let (stage, _) = material.stage_of(name);
        if best.moments(name).mean.is_none() && !has(best, name) {
            continue;
        }
        match stages.iter_mut().find(|(known, _)| *known == stage) {
            Some((_, names)) => names.push(name),
            None => stages.push((stage, vec![name])),
        }
    }
    // What says most comes first.
    for (_, names) in &mut stages {
        names.sort_by_key(|name| {
            let place = material.headlines.iter().position(|headline| headline == name);
            place.unwrap_or(usize::MAX)
        });
    }
    // What is measured comes before what it is held against.
    stages.sort_by_key(|(stage, _)| material.asides.contains(*stage));
    let tables: String =
        stages.iter().map(|(stage, names)| of_stage(material, best, stage, names)).collect();
    if tables.is_empty() {
        return None;
    }
    let trials = best.shown().count();
    let means = if trials > 1 {
        format!("Mean \u{b1} standard deviation of {trials} trials. ")
    } else {
        String::new()
    };
    let has_intervals =
        stages.iter().flat_map(|(_, names)| names).any(|name| material.interval(name).is_some());
    let interval = if has_intervals {
        let whose = if trials > 1 {
            "the first trial\u{2019}s score, which stands before it,"
        } else {
            "a score"
        };
        format!(
            "The interval says within which {whose} would lie on as many other texts of the same kind, in 95 % of the draws (percentile bootstrap)."
        )
    } else {
        String::new()
    };
    let html = format!("<p>{means}{interval}</p>{tables}");
    Some(Section { id: "scores", title: "Scores", html })
}

fn has(point: &PointRows<'_>, name: &str) -> bool {
    point.rows.iter().any(|row| row.scores.contains_key(name))
}

fn of_stage(material: &Material<'_>, best: &PointRows<'_>, stage: &str, names: &[&str]) -> String {
    let beside: BTreeSet<String> =
        names.iter().flat_map(|name| material.beside(name)).map(|(name, _)| name).collect();
    let mut head: Vec<(String, bool)> = vec![
        ("metric".to_owned(), false),
        ("value".to_owned(), true),
        ("95 % interval".to_owned(), true),
        ("0 to 1".to_owned(), false),
    ];
    head.extend(beside.iter().map(|name| (format!("<code>{}</code>", text(name)), true)));
    let mut rows = String::new();
    for name in names {
        let moments = best.moments(name);
        let interval = material.interval(name);
        let (_, metric) = material.stage_of(name);
        let shown = if moments.mean.is_none() { "undefined".to_owned() } else { spread(&moments) };
        let ends = interval.map_or_else(
            || "\u{2013}".to_owned(),
            |[low, high]| {
                // That of one trial beside the mean of several would seem to be the mean's.
                let whose = if moments.count > 1 {
                    format!("<span class=unit>{}</span> ", material.first_trial(name))
                } else {
                    String::new()
                };
                format!("{whose}{}\u{2013}{}", format::number(low), format::number(high))
            },
        );
        let others = material.beside(name);
        let values: Vec<f64> =
            others.iter().filter_map(|(_, path)| best.moments(path).mean).collect();
        write!(
            rows,
            "<tr><td>{}{}{}<td>{}",
            text(metric),
            number(moments.mean, &shown),
            number(interval.map(|it| it[0]), &ends),
            bar(&moments, interval, &values)
        )
        .expect("a string");
        for column in &beside {
            let value = others
                .iter()
                .find(|(name, _)| name == column)
                .and_then(|(_, path)| best.moments(path).mean);
            rows += &number(value, &value.map_or_else(|| "\u{2013}".to_owned(), format::number));
        }
    }
    let aside =
        if material.asides.contains(stage) { " <span class=tag>baseline</span>" } else { "" };
    let late = if material.is_late(stage) { UNSEEN } else { "" };
    let drawn = material.intervals.get(stage).and_then(|it| it.drawn.as_deref());
    let drawn = drawn.map_or_else(String::new, |field| format!("<p class=how>Drawn were all texts of a <code>{}</code> together, since whole ones were held out.</p>", text(field)));
    let body = format!("{drawn}{}", table("", "", &head, &rows));
    if material.asides.contains(stage) {
        return format!(
            "<details><summary><code>{}</code>{aside}</summary>{body}</details>",
            text(stage)
        );
    }
    format!("<h3><code>{}</code>{late}</h3>{body}", text(stage))
}

/// A share between 0 and 1 as a picture: the value, its interval, and what it is held against. Nothing of what is none.
fn bar(moments: &Moments, interval: Option<[f64; 2]>, beside: &[f64]) -> String {
    let Some(mean) = moments.mean.filter(|mean| (0.0..=1.0).contains(mean) && !moments.are_counts)
    else {
        return String::new();
    };
    let x = |value: f64| at(value.clamp(0.0, 1.0) * 120.0 + 2.0);
    let whisker = interval.map_or_else(String::new, |[low, high]| {
        format!("<path class=whisker d=\"M{} 7H{}\"/>", x(low), x(high))
    });
    let others: String = beside
        .iter()
        .map(|value| format!("<path class=other d=\"M{} 2v10\"/>", x(*value)))
        .collect();
    format!(
        "<svg class=bar viewBox=\"0 0 124 14\" width=124 height=14 aria-hidden=true><path class=grid d=\"M2 7H122\"/>{whisker}{others}<circle class=\"dot c0\" cx={} cy=7 r=3.2 /></svg>",
        x(mean)
    )
}

/// The labels of one sort, by what stands before them in the names of their scores: of each, the last words of these names, and the names.
type Labels<'a> = (&'a str, BTreeMap<&'a str, Vec<(&'a str, &'a str)>>);

fn groups<'a>(material: &Material<'a>, best: &PointRows<'_>) -> Vec<Labels<'a>> {
    let mut groups: Vec<Labels<'a>> = Vec::new();
    for (name, label, metric) in &material.names.of_labels {
        let (name, label) = (*name, *label);
        let (stage, _) = material.stage_of(name);
        if material.is_beside(name) || material.asides.contains(stage) || !has(best, name) {
            continue;
        }
        let word = metric.rsplit('.').next().unwrap_or(metric);
        let word = &name[name.len() - word.len()..];
        let before = &name[..name.len() - word.len() - label.len() - 2];
        let place = groups.iter().position(|(known, _)| *known == before).unwrap_or_else(|| {
            groups.push((before, BTreeMap::new()));
            groups.len() - 1
        });
        groups[place].1.entry(label).or_default().push((word, name));
    }
    groups
}

/// What a label is judged by: the first of its scores that is no count.
///
/// * `scores`: their last words, and their names
fn decisive(best: &PointRows<'_>, scores: &[(&str, &str)]) -> Option<Moments> {
    let mut sorted: Vec<&(&str, &str)> = scores.iter().collect();
    sorted.sort();
    let mut all = sorted.into_iter().map(|(_, name)| best.moments(name));
    all.find(|it| !it.are_counts || it.mean.is_none())
}

/// What was counted of a label, such as how many texts have it.
fn counts<'m>(
    best: &'m PointRows<'_>,
    scores: &'m [(&str, &str)],
) -> impl Iterator<Item = f64> + 'm {
    let all = scores.iter().map(|(_, name)| best.moments(name));
    all.filter(|it| it.are_counts).filter_map(|it| it.mean)
}

/// Whether nothing was counted of a label: no text has it.
fn is_absent(best: &PointRows<'_>, scores: &[(&str, &str)]) -> bool {
    let mut counted = counts(best, scores).peekable();
    counted.peek().is_some() && counted.all(|count| count == 0.0)
}

/// The mean of what the labels of a sort are judged by, where there are any.
fn mean_of(best: &PointRows<'_>, (_, labels): &Labels<'_>) -> f64 {
    let present = labels.values().filter(|scores| !is_absent(best, scores));
    let means: Vec<f64> = present.filter_map(|scores| decisive(best, scores)?.mean).collect();
    if means.is_empty() { f64::INFINITY } else { means.iter().sum::<f64>() / means.len() as f64 }
}

/// The sorts of labels, those of the stage that says most of where the model fails first: one that the choice has not seen, then the one whose
/// labels are worst; of a stage, the sort with most labels.
fn telling<'a>(material: &Material<'a>, best: &PointRows<'_>) -> Vec<Labels<'a>> {
    let mut groups = groups(material, best);
    groups.sort_by_key(|(_, labels)| Reverse(labels.len()));
    let mut means: BTreeMap<&str, f64> = BTreeMap::new();
    for group in &groups {
        means.entry(material.stage_of(group.0).0).or_insert_with(|| mean_of(best, group));
    }
    groups.sort_by(|(one, _), (other, _)| {
        let [one, other] = [one, other].map(|before| material.stage_of(before).0);
        let late = material.is_late(other).cmp(&material.is_late(one));
        late.then(means[one].total_cmp(&means[other]))
    });
    groups
}

/// The stage whose labels say most of where the model fails.
#[must_use]
pub fn decisive_stage<'a>(material: &Material<'a>) -> Option<&'a str> {
    let groups = telling(material, material.best()?);
    groups.first().map(|(before, _)| before.split('.').next().unwrap_or(before))
}

/// The weakest labels of a sort.
pub struct Weakest<'a> {
    /// What they are called by in the names of scores.
    pub before: &'a str,
    /// Each with its score, and how many of it there are.
    pub labels: Vec<(&'a str, f64, Option<f64>)>,
}

/// The labels of the decisive stage that have a score below 1, sort by sort, the weakest first.
#[must_use]
pub fn weakest<'a>(material: &Material<'a>) -> Vec<Weakest<'a>> {
    let (Some(best), Some(stage)) = (material.best(), decisive_stage(material)) else {
        return Vec::new();
    };
    let of_group = |(before, labels): &Labels<'a>| {
        let score = |(label, scores): (&&'a str, &Vec<(&str, &str)>)| {
            let mean = decisive(best, scores)?.mean?;
            let is_weak = mean < 1.0 && !is_absent(best, scores);
            is_weak.then(|| (*label, mean, counts(best, scores).next()))
        };
        let mut labels: Vec<_> = labels.iter().filter_map(score).collect();
        labels.sort_by(|one, other| one.1.total_cmp(&other.1));
        (!labels.is_empty()).then_some(Weakest { before, labels })
    };
    let groups = telling(material, best);
    let own = groups.iter().filter(|(before, _)| material.stage_of(before).0 == stage);
    own.filter_map(of_group).collect()
}

/// Scores of labels, a table for each sort of them.
pub fn labels(material: &Material<'_>) -> Option<Section> {
    let best = material.best()?;
    let groups = groups(material, best);
    let most = groups.iter().map(|(_, of)| of.len()).max()?;
    let largest = groups.iter().position(|(_, of)| of.len() == most)?;
    let mut has_absent = false;
    let mut tables = String::new();
    for (number, (before, of)) in groups.iter().enumerate() {
        let words: BTreeSet<&str> = of.values().flatten().map(|(word, _)| *word).collect();
        let key = |scores: &[(&str, &str)]| {
            let mean = decisive(best, scores).and_then(|it| it.mean);
            (is_absent(best, scores), mean.unwrap_or(f64::INFINITY))
        };
        let mut rows: Vec<((bool, f64), String)> = of
            .iter()
            .map(|(label, scores)| (key(scores), label_row(best, label, scores, &words)))
            .collect();
        rows.sort_by(|((one, mean), _), ((other, others), _)| {
            one.cmp(other).then(mean.total_cmp(others))
        });
        has_absent |= rows.iter().any(|((is_absent, _), _)| *is_absent);
        let rows: String = rows.into_iter().map(|(_, row)| row).collect();
        let mut head = vec![("label".to_owned(), false)];
        head.extend(words.iter().map(|word| ((*word).to_owned(), true)));
        head.push(("0 to 1".to_owned(), false));
        let is_late = material.is_late(material.stage_of(before).0);
        let late = if is_late { UNSEEN } else { "" };
        let open = if number == largest || is_late { " open" } else { "" };
        write!(
            tables,
            "<details{open} id=\"{}\"><summary><code>{}</code>, {}{late}</summary>{}</details>",
            anchor("labels", before),
            text(before),
            format::counted(of.len(), "label"),
            table("labels", "", &head, &rows)
        )
        .expect("a string");
    }
    let absent = if has_absent {
        " Those that no text has stand last: nothing of them could be found, and each answer that names them is wrong."
    } else {
        ""
    };
    (!tables.is_empty()).then(|| Section {
        id: "labels",
        title: "Labels",
        html: format!("<p>The weakest first. A label with little support has a score that a few texts decide.{absent}</p>{tables}"),
    })
}

/// The row of a label.
fn label_row(
    best: &PointRows<'_>,
    label: &str,
    scores: &[(&str, &str)],
    words: &BTreeSet<&str>,
) -> String {
    let mut row = format!("<tr><td>{}", brief(label, 60));
    for word in words {
        let name = scores.iter().find(|(own, _)| own == word).map(|(_, name)| *name);
        let moments = name.map(|name| best.moments(name)).filter(|it| it.mean.is_some());
        let shown = moments.as_ref().map_or_else(|| "\u{2013}".to_owned(), spread);
        row += &number(moments.and_then(|it| it.mean), &shown);
    }
    let bar = decisive(best, scores).map_or_else(String::new, |moments| bar(&moments, None, &[]));
    write!(row, "<td>{bar}").expect("a string");
    row
}
