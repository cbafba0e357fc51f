//! What the end of a sweep says of it: its points beside each other, the best first.

use std::collections::BTreeSet;

use super::format;
use super::rows::{Moments, Names, PointRows, judged, points, ranked};
use crate::engine::plan::{Choose, Level, Objective, SweepShape};
use crate::engine::runs::Results;
use crate::engine::stage::{Caveat, Score, Scores};

/// Points that are shown; all of them are in `summary.csv`.
const ROWS: usize = 10;
/// Wider tables are broken by most terminals.
const COLUMNS: usize = 100;
/// A longer value is cut.
const VALUE: usize = 40;

/// The points of a sweep beside each other; `None` without a sweep, and where no trial has a metric.
///
/// # Errors
/// When the metrics of a trial cannot be read.
pub fn sweep_table(results: &Results) -> std::io::Result<Option<String>> {
    let Some(shape) = &results.sweep else { return Ok(None) };
    let points = points(results)?;
    let names = Names::of(results, &points).plain;
    if names.is_empty() {
        return Ok(None);
    }
    let last = judged(&points);
    let mut text = match (&shape.objective, last.as_slice()) {
        (None, [only]) => all_scores(only, &names),
        (None, points) => comparison(&results.headlines(), shape, points, &names),
        (Some(objective), points) => ranking(shape, objective, points, &names),
    };
    let on_first = points.iter().filter(|point| point.level == Level::default()).count();
    let dropped = on_first.saturating_sub(last.len());
    if dropped > 0 {
        let dropped = format::counted(dropped, "other point");
        text += &format!("{dropped} went no further than an earlier rung: trials.csv\n");
    }
    Ok(Some(text))
}

/// The points by the objective, and all scores of the best.
fn ranking(
    shape: &SweepShape,
    objective: &Objective,
    points: &[&PointRows<'_>],
    names: &[&str],
) -> String {
    let (places, has_best) = ranked(shape, objective, points);
    let ranked: Vec<&PointRows<'_>> = places.iter().map(|place| points[*place]).collect();
    let best = ranked[0];
    if points.len() == 1 {
        return all_scores(best, names);
    }
    let direction = if objective.maximize { "max" } else { "min" };
    let head = format!(
        "{}, {} by {direction} {}",
        format::counted(points.len(), "point"),
        order(shape),
        objective.metric
    );
    let mut text = grid(&head, shape, &ranked, &[&objective.metric]);
    text += &more(points.len(), ROWS, " in summary.csv");
    if has_best {
        // A point that has no result, or not all of them, could be better.
        let is_whole = |point: &&&PointRows<'_>| point.has_ended(&objective.metric);
        let whole = points.iter().filter(is_whole).count();
        let of = if whole < points.len() {
            format!(" of the {whole} of {} that came to their end", points.len())
        } else {
            String::new()
        };
        text += &format!("best point{of}: {}\n{}", best.point.label, all_scores(best, names));
    }
    text
}

/// How points are ranked: where not the best mean is chosen, what is stands before it.
pub fn order(shape: &SweepShape) -> &'static str {
    match shape.choose {
        Choose::Mean => "best first",
        Choose::OneStandardError => "the chosen one, then the best,",
    }
}

/// The points in the file's order, with the scores that say most of them.
fn comparison(
    headlines: &[String],
    shape: &SweepShape,
    points: &[&PointRows<'_>],
    names: &[&str],
) -> String {
    let is_defined = |name: &&str| points.iter().any(|point| point.moments(name).count > 0);
    let mut columns: Vec<&str> = headlines
        .iter()
        .map(String::as_str)
        .filter(|name| names.contains(name))
        .filter(is_defined)
        .collect();
    if columns.is_empty() {
        columns.extend(names.iter().copied().filter(is_defined).take(1));
    }
    let head = format!("{}, in the order of the file", format::counted(points.len(), "point"));
    let text = grid(&head, shape, points, &columns);
    text + &more(points.len(), ROWS, " in summary.csv")
}

/// The points by the objective while others are still to come.
///
/// * `most`: how many there is room for
pub fn standings(
    head: &str,
    shape: &SweepShape,
    objective: &Objective,
    points: &[&PointRows<'_>],
    most: usize,
) -> String {
    let (places, _) = ranked(shape, objective, points);
    let most = most.clamp(1, ROWS);
    let best: Vec<&PointRows<'_>> = places.iter().take(most).map(|place| points[*place]).collect();
    grid(head, shape, &best, &[&objective.metric]) + &more(points.len(), most, "")
}

/// How many points are left out of those that are shown.
fn more(points: usize, shown: usize, place: &str) -> String {
    match points.saturating_sub(shown) {
        0 => String::new(),
        more => format!("  and {} more{place}\n", format::grouped(more as u64)),
    }
}

/// The first points as rows: their values, as many of the metrics as there is room for, and how many trials each has.
fn grid(head: &str, shape: &SweepShape, points: &[&PointRows<'_>], names: &[&str]) -> String {
    let shown = &points[..points.len().min(ROWS)];
    let mut columns: Vec<Vec<String>> = Vec::new();
    for (number, (axis, _)) in shape.axes.iter().enumerate() {
        let values = shown.iter().map(|point| cut(&point.point.texts[number]));
        columns.push(std::iter::once(axis.to_string()).chain(values).collect());
    }
    if shape.has_finalists {
        let fresh = |point: &&PointRows<'_>| if point.level.is_fresh { "fresh" } else { "" };
        let seeds = shown.iter().map(|point| fresh(point).to_owned());
        columns.push(std::iter::once("seeds".to_owned()).chain(seeds).collect());
    }
    let counts = |name: &str| {
        shown.iter().map(|point| point.moments(name).count.to_string()).collect::<Vec<_>>()
    };
    let n: Vec<String> =
        std::iter::once("n".to_owned()).chain(counts(names.first().unwrap_or(&""))).collect();
    let mut room = COLUMNS
        .saturating_sub(columns.iter().map(|column| width(column)).sum::<usize>() + width(&n));
    for (place, name) in names.iter().enumerate() {
        let cells = shown.iter().map(|point| cell(point, name));
        let column: Vec<String> = std::iter::once((*name).to_owned()).chain(cells).collect();
        if place > 0 && width(&column) > room {
            break;
        }
        room = room.saturating_sub(width(&column));
        columns.push(column);
    }
    columns.push(n);
    let text = format!("{head} (mean ± sd of n trials):\n");
    text + &columns_text(&columns)
}

/// The trials of a sweep beside each other, in the file's order, with the scores that say most of them; nothing without trials.
#[must_use]
pub fn trials_table(trials: &[(&str, Scores)], headlines: &[String]) -> String {
    if trials.is_empty() {
        return String::new();
    }
    let value = |metrics: &Scores, name: &String| match metrics.get(name) {
        Some(Some(value)) => format::score(*value),
        Some(None) => "undefined".to_owned(),
        None => String::new(),
    };
    let shown = &trials[..trials.len().min(ROWS)];
    let first = std::iter::once("trial".to_owned()).chain(shown.iter().map(|row| cut(row.0)));
    let mut columns: Vec<Vec<String>> = vec![first.collect()];
    for name in headlines {
        let cells = shown.iter().map(|(_, metrics)| value(metrics, name));
        let column: Vec<String> = std::iter::once(name.clone()).chain(cells).collect();
        let taken: usize = columns.iter().map(|column| width(column)).sum();
        if columns.len() > 1 && taken + width(&column) > COLUMNS {
            break;
        }
        columns.push(column);
    }
    let mut text = columns_text(&columns);
    if trials.len() > shown.len() {
        let more = format::grouped((trials.len() - shown.len()) as u64);
        text += &format!("  and {more} more in trials.csv\n");
    }
    text
}

/// A file of scores as a table, the first of many rows.
///
/// * `rows`: the header and the rows, of as many cells; numbers with a point are scores
/// * `file`: what it is called
#[must_use]
pub fn file_table(rows: &[Vec<String>], file: &str) -> String {
    let Some(header) = rows.first() else { return String::new() };
    let cell = |text: &String| match text.parse() {
        Ok(value) if text.contains('.') => format::number(value),
        _ => cut(text),
    };
    let shown = &rows[..rows.len().min(ROWS)];
    let mut columns: Vec<Vec<String>> = Vec::new();
    for (number, name) in header.iter().enumerate() {
        let cells = shown[1..].iter().map(|row| cell(&row[number]));
        let column: Vec<String> = std::iter::once(name.clone()).chain(cells).collect();
        let taken: usize = columns.iter().map(|column| width(column)).sum();
        if taken + width(&column) > COLUMNS {
            break;
        }
        columns.push(column);
    }
    let more = match rows.len() - shown.len() {
        0 => String::new(),
        more => format!("  and {} more in {file}\n", format::grouped(more as u64)),
    };
    format!("{file}\n{}{more}", columns_text(&columns))
}

/// Columns of equal height beside each other.
#[must_use]
pub fn columns_text(columns: &[Vec<String>]) -> String {
    let line = |row: usize| {
        let cells = columns.iter().map(|column| format!("{:1$}", column[row], width(column)));
        format!("  {}\n", cells.collect::<String>().trim_end())
    };
    (0..columns[0].len()).map(line).collect()
}

fn width(column: &[String]) -> usize {
    column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0) + 2
}

/// A score of a point as a cell; what became of its trials where none has one.
fn cell(point: &PointRows<'_>, name: &str) -> String {
    let moments = point.moments(name);
    match point.lost() {
        Some(status) if moments.count == 0 && point.done().next().is_none() => {
            status.name().replace('_', " ")
        }
        _ => moments.shown(),
    }
}

/// Every score of a point, table by table.
fn all_scores(point: &PointRows<'_>, names: &[&str]) -> String {
    let trials = point.shown().count();
    let text = |name: &&str| {
        let moments = point.moments(name);
        let count =
            if moments.count == trials { String::new() } else { format!(" (n {})", moments.count) };
        moments.mean.map(|_| moments.shown() + &count)
    };
    let head = match trials {
        1 => String::new(),
        trials => format!("  mean ± sd of {trials} trials:\n"),
    };
    let texts: Vec<_> = names.iter().map(|name| (*name, text(name))).collect();
    head + &by_table(&texts, COLUMNS)
}

/// Scores, table by table; details are left to the files.
#[must_use]
pub fn scores_text(scores: &Scores, is_detail: &dyn Fn(&str) -> bool) -> String {
    const COLUMNS: usize = 80;
    let told = scores.iter().filter(|(name, _)| !is_detail(name));
    let texts: Vec<_> =
        told.map(|(name, value)| (name.as_str(), value.map(format::score))).collect();
    by_table(&texts, COLUMNS)
}

/// The scores of some trials: those of the only one, or mean ± sd of several.
#[must_use]
pub fn trials_scores_text(trials: &[Scores], is_detail: &dyn Fn(&str) -> bool) -> String {
    if let [only] = trials {
        return scores_text(only, is_detail);
    }
    let scored = || trials.iter().filter(|scores| !scores.is_empty());
    let names: BTreeSet<&str> =
        scored().flat_map(|scores| scores.keys().map(String::as_str)).collect();
    let text = |name: &str| {
        let values: Vec<Score> = scored().filter_map(|scores| *scores.get(name)?).collect();
        let moments = Moments::of(&values);
        let some = values.len() < scored().count();
        let count = if some { format!(" (n {})", moments.count) } else { String::new() };
        moments.mean.map(|_| moments.shown() + &count)
    };
    let told = names.into_iter().filter(|name| !is_detail(name));
    let texts: Vec<_> = told.map(|name| (name, text(name))).collect();
    match scored().count() {
        0 => String::new(),
        count => format!("  mean ± sd of {count} trials:\n{}", by_table(&texts, COLUMNS)),
    }
}

/// * `scores`: names and values; an undefined one has none
fn by_table(scores: &[(&str, Option<String>)], columns: usize) -> String {
    fn parts(name: &str) -> (&str, &str) {
        name.rsplit_once('.').unwrap_or(("", name))
    }
    // A table without any number, such as that of a head that was not trained, says nothing.
    let defined = scores.iter().filter(|(_, value)| value.is_some());
    let told: BTreeSet<&str> = defined.map(|(name, _)| parts(name).0).collect();
    let mut lines: Vec<(&str, Vec<String>)> = Vec::new();
    for (name, value) in scores {
        let (table, metric) = parts(name);
        let value = format!("{metric} {}", value.as_deref().unwrap_or("undefined"));
        match lines.iter_mut().find(|(known, _)| *known == table) {
            Some((_, line)) => line.push(value),
            None if told.contains(table) => lines.push((table, vec![value])),
            None => {}
        }
    }
    let width = lines.iter().map(|(table, _)| table.len()).max().unwrap_or(0);
    let fold = |line: &[String]| {
        format::fold_parts(line.iter().map(String::as_str), "  ", width + 4, columns)
    };
    lines.iter().map(|(table, line)| format!("  {table:width$}  {}\n", fold(line))).collect()
}

/// Caveats as lines for people, the first of many.
#[must_use]
pub fn caveat_lines(caveats: &[Caveat]) -> String {
    const SHOWN: usize = 12;
    const HEAD: &str = "caveat: ";
    const COLUMNS: usize = 80;
    let line =
        |caveat: &Caveat| format!("{HEAD}{}\n", format::fold(&caveat.message, HEAD.len(), COLUMNS));
    let mut text: String = caveats.iter().take(SHOWN).map(line).collect();
    if let Some(more) = caveats.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        text += &format!("and {more} more caveats, in each `metrics.json`\n");
    }
    text
}

fn cut(text: &str) -> String {
    if text.chars().count() <= VALUE {
        return text.to_owned();
    }
    format!("{}...", text.chars().take(VALUE - 3).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::Choose;
    use crate::engine::runs::{TrialStatus, TriedPoint};
    use crate::view::rows::Row;

    fn shape() -> SweepShape {
        let axes = vec![("train.x".into(), Vec::new())];
        SweepShape {
            axes,
            along: Vec::new(),
            seeds: vec![0, 1],
            rungs: 1,
            has_finalists: false,
            folds: None,
            points: 0,
            objective: None,
            choose: Choose::Mean,
        }
    }

    fn max_f1() -> Objective {
        Objective { maximize: true, metric: "e.f1".to_owned() }
    }

    fn point(text: &str) -> TriedPoint {
        TriedPoint {
            label: format!("x={text}"),
            values: Vec::new(),
            texts: vec![text.to_owned()],
            distance: 0.0,
        }
    }

    fn row(status: TrialStatus, scores: Scores) -> Row<'static> {
        Row { index: 0, label: "", status, seeds: &[], fold: None, scores }
    }

    fn scores<'a>(point: &'a TriedPoint, values: &[Option<f64>]) -> PointRows<'a> {
        let scores = |value: &Option<f64>| [("e.f1".to_owned(), value.map(Score::Measured))].into();
        let done = |value| row(TrialStatus::Done, scores(value));
        let level = Level::default();
        PointRows { point, level, rows: values.iter().map(done).collect() }
    }

    #[test]
    fn the_best_point_comes_first_and_one_with_an_undefined_trial_after_those_without() {
        let names = ["1e-5", "2e-5", "5e-5", "9e-5"].map(point);
        let points = [
            scores(&names[0], &[None, None]),
            scores(&names[1], &[Some(0.9), None]),
            scores(&names[2], &[Some(0.5), Some(0.5)]),
            scores(&names[3], &[Some(0.75), Some(0.85)]),
        ];
        assert_eq!(
            ranking(&shape(), &max_f1(), &points.each_ref(), &["e.f1"]),
            "4 points, best first by max e.f1 (mean ± sd of n trials):\n  train.x  e.f1             n\n  9e-5     0.8000 ± 0.0707  2\n  \
             5e-5     0.5000 ± 0       2\n  2e-5     0.9000           1\n  1e-5     undefined        0\n\
             best point: x=9e-5\n  mean ± sd of 2 trials:\n  e  f1 0.8000 ± 0.0707\n"
        );
    }

    #[test]
    fn there_is_no_best_point_where_the_objective_is_undefined_everywhere() {
        let names = ["1", "2"].map(point);
        let points = names.each_ref().map(|name| scores(name, &[None]));
        let text = ranking(&shape(), &max_f1(), &points.each_ref(), &["e.f1"]);
        assert!(text.contains("undefined") && !text.contains("best point"), "{text}");
    }

    #[test]
    fn a_point_without_a_trial_says_what_became_of_it_and_the_best_is_that_of_the_others() {
        let names = ["1", "2", "3"].map(point);
        let mut points = names.each_ref().map(|name| scores(name, &[Some(0.5), Some(0.75)]));
        points[0].rows = vec![row(TrialStatus::NotRun, Scores::new())];
        points[2].rows = vec![row(TrialStatus::Failed, Scores::new())];
        let text = ranking(&shape(), &max_f1(), &points.each_ref(), &["e.f1"]);
        assert!(text.contains("  1        not run          0\n"), "{text}");
        assert!(text.contains("  3        failed           0\n"), "{text}");
        assert!(text.contains("best point of the 1 of 3 that came to their end: x=2\n"), "{text}");
    }

    #[test]
    fn counts_are_whole_and_have_no_deviation_where_they_are_all_the_same() {
        let told = |values: &[u64]| {
            Moments::of(&values.iter().copied().map(Score::Count).collect::<Vec<_>>()).shown()
        };
        assert_eq!(told(&[36, 36]), "36");
        assert_eq!(told(&[1]), "1");
        assert_eq!(told(&[1_234]), "1,234");
        assert_eq!(told(&[1, 2]), "1.500 ± 0.7071");
        assert_eq!(Moments::of(&[1.0, 1.0].map(Score::Measured)).shown(), "1.0000 ± 0");
    }

    #[test]
    fn many_points_are_cut_and_counted() {
        let names: Vec<TriedPoint> = (0..1_500).map(|number| point(&number.to_string())).collect();
        let points: Vec<_> = names.iter().map(|name| scores(name, &[Some(0.5)])).collect();
        let text = comparison(&[], &shape(), &points.iter().collect::<Vec<_>>(), &["e.f1"]);
        assert_eq!(text.lines().count(), ROWS + 3);
        assert!(text.ends_with("  and 1,490 more in summary.csv\n"), "{text}");
    }
}
