//! What the end of a sweep says of it: its points beside each other, the best first.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::format;
use super::results::{LabelScores, Metrics, TrialResults};
use super::sweep::{Moments, Status};
use crate::engine::exec::RunOutcome;
use crate::engine::plan::{Objective, Plan, Point, SweepShape};

/// Points that are shown; all of them are in `summary.csv`.
const ROWS: usize = 10;
/// Wider tables are broken by most terminals.
const COLUMNS: usize = 100;
/// A longer value is cut.
const VALUE: usize = 40;

/// A point with the metrics of its trials that came to their end.
struct Scores<'a> {
    point: &'a Point,
    trials: Vec<Metrics>,
    /// What became of the first trial that has no metrics.
    lost: Option<Status>,
}

impl Scores<'_> {
    fn moments(&self, name: &str) -> Moments {
        let values = self.trials.iter().filter_map(|metrics| *metrics.get(name)?);
        Moments::of(&values.collect::<Vec<_>>())
    }

    /// A score as a cell; that there is none where no trial came to its end.
    fn cell(&self, name: &str) -> String {
        match self.lost {
            Some(status) if self.trials.is_empty() => status.name().replace('_', " "),
            _ => score(&self.moments(name)),
        }
    }
}

/// The points of a sweep beside each other; `None` without a sweep, and where no trial has a metric.
///
/// # Errors
/// When the metrics of a trial cannot be read.
pub fn sweep_table(plan: &Plan, outcome: &RunOutcome) -> std::io::Result<Option<String>> {
    let Some(shape) = &plan.sweep else { return Ok(None) };
    let points = points(plan, outcome)?;
    let labels = LabelScores::of(plan);
    let metrics = points.iter().flat_map(|scores| &scores.trials).flat_map(Metrics::keys);
    let mut names: Vec<&str> = metrics.map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| labels.split(name).is_none());
    if names.is_empty() {
        return Ok(None);
    }
    Ok(Some(match (&shape.objective, points.as_slice()) {
        (None, [only]) => all_scores(only, &names),
        (None, points) => comparison(plan, shape, points, &names),
        (Some(objective), points) => ranking(shape, objective, points, &names),
    }))
}

fn points<'a>(plan: &'a Plan, outcome: &RunOutcome) -> std::io::Result<Vec<Scores<'a>>> {
    let mut points: Vec<Scores<'a>> = Vec::new();
    for trial in &plan.trials {
        let results = TrialResults::of(plan, outcome, trial.index);
        let metrics = if results.is_whole() { Some(results.metrics()?) } else { None };
        if points.last().is_none_or(|last| last.point.label != trial.point.label) {
            points.push(Scores { point: &trial.point, trials: Vec::new(), lost: None });
        }
        let Some(last) = points.last_mut() else { continue };
        if metrics.is_none() {
            last.lost.get_or_insert_with(|| Status::of(plan, outcome, trial));
        }
        last.trials.extend(metrics);
    }
    Ok(points)
}

/// The points by the objective, and all scores of the best. One with a trial that leaves it undefined comes after those without.
fn ranking(
    shape: &SweepShape,
    objective: &Objective,
    points: &[Scores<'_>],
    names: &[&str],
) -> String {
    let sign = if objective.maximize { -1.0 } else { 1.0 };
    let rank = |scores: &Scores<'_>| {
        let moments = scores.moments(&objective.metric);
        let mean = moments.mean.map_or(f64::INFINITY, |mean| sign * mean);
        (moments.mean.is_none(), moments.count < scores.trials.len(), mean)
    };
    let mut ranked: Vec<&Scores<'_>> = points.iter().collect();
    ranked.sort_by(|one, other| rank(one).partial_cmp(&rank(other)).unwrap_or(Ordering::Equal));
    let best = ranked[0];
    if points.len() == 1 {
        return all_scores(best, names);
    }
    let direction = if objective.maximize { "max" } else { "min" };
    let head = format!(
        "{}, best first by {direction} {}",
        format::counted(points.len(), "point"),
        objective.metric
    );
    let mut text = grid(&head, shape, &ranked, &[&objective.metric]);
    if best.moments(&objective.metric).mean.is_some() {
        // A point that has no result, or not all of them, could be better.
        let whole = points.iter().filter(|scores| scores.lost.is_none()).count();
        let of = if whole < points.len() {
            format!(" of the {whole} of {} that came to their end", points.len())
        } else {
            String::new()
        };
        text += &format!("best point{of}: {}\n{}", best.point.label, all_scores(best, names));
    }
    text
}

/// The points in the file's order, with the scores that say most of them.
fn comparison(plan: &Plan, shape: &SweepShape, points: &[Scores<'_>], names: &[&str]) -> String {
    let headlines = plan.headlines();
    let is_defined = |name: &&str| points.iter().any(|scores| scores.moments(name).count > 0);
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
    grid(&head, shape, &points.iter().collect::<Vec<_>>(), &columns)
}

/// The first points as rows: their values, as many of the metrics as there is room for, and how many trials each has.
fn grid(head: &str, shape: &SweepShape, points: &[&Scores<'_>], names: &[&str]) -> String {
    let shown = &points[..points.len().min(ROWS)];
    let mut columns: Vec<Vec<String>> = Vec::new();
    for (number, (axis, _)) in shape.axes.iter().enumerate() {
        let values = shown.iter().map(|scores| cut(&scores.point.texts[number]));
        columns.push(std::iter::once(axis.to_string()).chain(values).collect());
    }
    let counts = |name: &str| {
        shown.iter().map(|scores| scores.moments(name).count.to_string()).collect::<Vec<_>>()
    };
    let n: Vec<String> =
        std::iter::once("n".to_owned()).chain(counts(names.first().unwrap_or(&""))).collect();
    let width =
        |column: &[String]| column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0) + 2;
    let mut room = COLUMNS
        .saturating_sub(columns.iter().map(|column| width(column)).sum::<usize>() + width(&n));
    for (place, name) in names.iter().enumerate() {
        let cells = shown.iter().map(|scores| scores.cell(name));
        let column: Vec<String> = std::iter::once((*name).to_owned()).chain(cells).collect();
        if place > 0 && width(&column) > room {
            break;
        }
        room = room.saturating_sub(width(&column));
        columns.push(column);
    }
    columns.push(n);
    let mut text = format!("{head} (mean ± sd of n trials):\n");
    for row in 0..=shown.len() {
        let cells = columns.iter().map(|column| format!("{:1$}", column[row], width(column)));
        text += &format!("  {}\n", cells.collect::<String>().trim_end());
    }
    if points.len() > shown.len() {
        text += &format!(
            "  and {} more in summary.csv\n",
            format::grouped((points.len() - shown.len()) as u64)
        );
    }
    text
}

/// The trials of a sweep beside each other, in the file's order, with the scores that say most of them; nothing without trials.
#[must_use]
pub fn trials_table(trials: &[(String, Metrics)], headlines: &[String]) -> String {
    if trials.is_empty() {
        return String::new();
    }
    let value = |metrics: &Metrics, name: &String| match metrics.get(name) {
        Some(Some(value)) => format::score(*value),
        Some(None) => "undefined".to_owned(),
        None => String::new(),
    };
    let shown = &trials[..trials.len().min(ROWS)];
    let first = std::iter::once("trial".to_owned()).chain(shown.iter().map(|row| cut(&row.0)));
    let mut columns: Vec<Vec<String>> = vec![first.collect()];
    let width = |column: &[String]| column.iter().map(|cell| cell.chars().count() + 2).max();
    for name in headlines {
        let cells = shown.iter().map(|(_, metrics)| value(metrics, name));
        let column: Vec<String> = std::iter::once(name.clone()).chain(cells).collect();
        let taken: usize = columns.iter().filter_map(|column| width(column)).sum();
        if columns.len() > 1 && taken + width(&column).unwrap_or(0) > COLUMNS {
            break;
        }
        columns.push(column);
    }
    let mut text = String::new();
    for row in 0..=shown.len() {
        let cell = |column: &Vec<String>| format!("{:1$}", column[row], width(column).unwrap_or(0));
        text += &format!("  {}\n", columns.iter().map(cell).collect::<String>().trim_end());
    }
    if trials.len() > shown.len() {
        let more = format::grouped((trials.len() - shown.len()) as u64);
        text += &format!("  and {more} more in trials.csv\n");
    }
    text
}

/// Every metric of a point, table by table.
fn all_scores(scores: &Scores<'_>, names: &[&str]) -> String {
    let trials = scores.trials.len();
    let mut lines: Vec<(&str, Vec<String>)> = Vec::new();
    // A table without any number, such as that of a head that was not trained, says nothing.
    let table_of =
        |name: &str| name.rsplit_once('.').map_or(String::new(), |(table, _)| table.into());
    let told: BTreeSet<String> = names
        .iter()
        .filter(|name| scores.moments(name).count > 0)
        .map(|name| table_of(name))
        .collect();
    for name in names.iter().filter(|name| told.contains(&table_of(name))) {
        let (table, metric) = name.rsplit_once('.').unwrap_or(("", name));
        let moments = scores.moments(name);
        let count = if moments.count == trials || moments.count == 0 {
            String::new()
        } else {
            format!(" (n {})", moments.count)
        };
        let value = format!("{metric} {}{count}", score(&moments));
        match lines.iter_mut().find(|(known, _)| *known == table) {
            Some((_, line)) => line.push(value),
            None => lines.push((table, vec![value])),
        }
    }
    let width = lines.iter().map(|(table, _)| table.len()).max().unwrap_or(0);
    let fold = |line: &[String]| {
        format::fold_parts(line.iter().map(String::as_str), "  ", width + 4, COLUMNS)
    };
    let head = match trials {
        1 => String::new(),
        trials => format!("  mean ± sd of {trials} seeds:\n"),
    };
    let lines = lines.iter().map(|(table, line)| format!("  {table:width$}  {}\n", fold(line)));
    head + &lines.collect::<String>()
}

fn score(moments: &Moments) -> String {
    let number = |value| format::score(moments.score(value));
    match (moments.mean, moments.deviation) {
        (None, _) => "undefined".to_owned(),
        (Some(mean), None) => number(mean),
        // A count that is the same in all trials.
        (Some(mean), Some(0.0)) if moments.are_counts => number(mean),
        (Some(mean), Some(deviation)) => {
            format!("{} ± {}", number(mean), number(deviation))
        }
    }
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
    use std::sync::Arc;

    use crate::base::diagnostics::{Sources, Span};
    use crate::engine::stage::Score;

    fn shape() -> SweepShape {
        let axes = vec![("train.x".into(), Vec::new())];
        SweepShape { axes, seeds: vec![0, 1], points: 0, objective: None }
    }

    fn max_f1() -> Objective {
        let span = Span::new(Sources::new().add("x".to_owned(), String::new()), 0..0);
        Objective { maximize: true, metric: "e.f1".to_owned(), span }
    }

    fn point(text: &str) -> Point {
        Point {
            label: format!("x={text}").into(),
            values: Vec::new(),
            texts: vec![Arc::from(text)],
            chosen: Vec::new(),
        }
    }

    fn scores<'a>(point: &'a Point, values: &[Option<f64>]) -> Scores<'a> {
        let metrics =
            |value: &Option<f64>| Metrics::from([("e.f1".to_owned(), value.map(Score::Measured))]);
        Scores { point, trials: values.iter().map(metrics).collect(), lost: None }
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
            ranking(&shape(), &max_f1(), &points, &["e.f1"]),
            "4 points, best first by max e.f1 (mean ± sd of n trials):\n  train.x  e.f1             n\n  9e-5     0.8000 ± 0.0707  2\n  \
             5e-5     0.5000 ± 0       2\n  2e-5     0.9000           1\n  1e-5     undefined        0\n\
             best point: x=9e-5\n  mean ± sd of 2 seeds:\n  e  f1 0.8000 ± 0.0707\n"
        );
    }

    #[test]
    fn there_is_no_best_point_where_the_objective_is_undefined_everywhere() {
        let names = ["1", "2"].map(point);
        let points = names.each_ref().map(|name| scores(name, &[None]));
        let text = ranking(&shape(), &max_f1(), &points, &["e.f1"]);
        assert!(text.contains("undefined") && !text.contains("best point"), "{text}");
    }

    #[test]
    fn a_point_without_a_trial_says_what_became_of_it_and_the_best_is_that_of_the_others() {
        let names = ["1", "2", "3"].map(point);
        let mut points = names.each_ref().map(|name| scores(name, &[Some(0.5), Some(0.75)]));
        points[0].trials.clear();
        points[0].lost = Some(Status::NotRun);
        points[2].trials.clear();
        points[2].lost = Some(Status::Failed);
        let text = ranking(&shape(), &max_f1(), &points, &["e.f1"]);
        assert!(text.contains("  1        not run          0\n"), "{text}");
        assert!(text.contains("  3        failed           0\n"), "{text}");
        assert!(text.contains("best point of the 1 of 3 that came to their end: x=2\n"), "{text}");
    }

    #[test]
    fn counts_are_whole_and_have_no_deviation_where_they_are_all_the_same() {
        let told = |values: &[u64]| {
            score(&Moments::of(&values.iter().copied().map(Score::Count).collect::<Vec<_>>()))
        };
        assert_eq!(told(&[36, 36]), "36");
        assert_eq!(told(&[1]), "1");
        assert_eq!(told(&[1_234]), "1,234");
        assert_eq!(told(&[1, 2]), "1.500 ± 0.7071");
        assert_eq!(score(&Moments::of(&[1.0, 1.0].map(Score::Measured))), "1.0000 ± 0");
    }

    #[test]
    fn many_points_are_cut_and_counted() {
        let names: Vec<Point> = (0..1_500).map(|number| point(&number.to_string())).collect();
        let points: Vec<_> = names.iter().map(|name| scores(name, &[Some(0.5)])).collect();
        let text = grid("x", &shape(), &points.iter().collect::<Vec<_>>(), &["e.f1"]);
        assert_eq!(text.lines().count(), ROWS + 3);
        assert!(text.ends_with("  and 1,490 more in summary.csv\n"), "{text}");
    }
}
