//! Every score with its interval, and those of single labels.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::chart::at;
use super::html::{Section, brief, number, table, text};
use super::material::Material;
use super::numbers::spread;
use crate::view::format;
use crate::view::rows::{Moments, PointRows};

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
    let whose = if trials > 1 { "the first trial\u{2019}s score" } else { "a score" };
    let html = format!(
        "<p>{means}The interval says within which {whose} would lie on as many other texts of the same kind, in 95 % of the draws (percentile bootstrap).</p>{tables}"
    );
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
            |[low, high]| format!("{}\u{2013}{}", format::number(low), format::number(high)),
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
    let late =
        if material.is_late(stage) { " <span class=tag>not seen by the choice</span>" } else { "" };
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

/// Scores of labels, a table for each group of them.
pub fn labels(material: &Material<'_>) -> Option<Section> {
    let best = material.best()?;
    // By what stands before the label: then by label, by metric.
    type Group<'a> = BTreeMap<&'a str, Vec<(&'a str, &'a str)>>;
    let mut groups: Vec<(&str, Group<'_>)> = Vec::new();
    for (name, label, metric) in &material.names.of_labels {
        let (stage, _) = material.stage_of(name);
        if material.is_beside(name) || material.asides.contains(stage) || !has(best, name) {
            continue;
        }
        let word = metric.rsplit('.').next().unwrap_or(metric);
        let word = &name[name.len() - word.len()..];
        let before = &name[..name.len() - word.len() - label.len() - 1];
        let place = groups.iter().position(|(known, _)| *known == before).unwrap_or_else(|| {
            groups.push((before, Group::new()));
            groups.len() - 1
        });
        groups[place].1.entry(label).or_default().push((word, name));
    }
    let most = groups.iter().map(|(_, of)| of.len()).max()?;
    let largest = groups.iter().position(|(_, of)| of.len() == most)?;
    let tables: String = groups
        .iter()
        .enumerate()
        .map(|(number, (before, of))| {
            let words: BTreeSet<&str> = of.values().flatten().map(|(word, _)| *word).collect();
            let mut rows: Vec<(f64, String)> =
                of.iter().map(|(label, scores)| label_row(best, label, scores, &words)).collect();
            rows.sort_by(|one, other| one.0.total_cmp(&other.0));
            let rows: String = rows.into_iter().map(|(_, row)| row).collect();
            let mut head = vec![("label".to_owned(), false)];
            head.extend(words.iter().map(|word| ((*word).to_owned(), true)));
            head.push(("0 to 1".to_owned(), false));
            let title = text(before.trim_end_matches('.'));
            let open = if number == largest { " open" } else { "" };
            format!(
                "<details{open}><summary><code>{title}</code>, {}</summary>{}</details>",
                format::counted(of.len(), "label"),
                table("labels", "", &head, &rows)
            )
        })
        .collect();
    (!tables.is_empty()).then(|| Section {
        id: "labels",
        title: "Labels",
        html: format!("<p>The weakest first. A label with little support has a score that a few texts decide.</p>{tables}"),
    })
}

/// The row of a label, with what rows are sorted by: the last score that is no count.
fn label_row(
    best: &PointRows<'_>,
    label: &str,
    scores: &[(&str, &str)],
    words: &BTreeSet<&str>,
) -> (f64, String) {
    let mut row = format!("<tr><td>{}", brief(label, 60));
    let mut first = None;
    for word in words {
        let name = scores.iter().find(|(own, _)| own == word).map(|(_, name)| *name);
        let moments = name.map(|name| best.moments(name));
        let mean = moments.as_ref().and_then(|it| it.mean);
        let shown = moments
            .as_ref()
            .filter(|it| it.mean.is_some())
            .map_or_else(|| "\u{2013}".to_owned(), spread);
        row += &number(mean, &shown);
        if first.is_none() && moments.as_ref().is_some_and(|it| !it.are_counts || it.mean.is_none())
        {
            first = Some(moments);
        }
    }
    let moments = first.flatten();
    let bar = moments.as_ref().map_or_else(String::new, |moments| bar(moments, None, &[]));
    write!(row, "<td>{bar}").expect("a string");
    (moments.and_then(|it| it.mean).unwrap_or(f64::INFINITY), row)
}
