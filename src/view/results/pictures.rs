//! The pictures that compare the points of a sweep.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::error::PublishError;
use crate::engine::plan::{Along, SweepShape, value_text};
use crate::engine::runs::{Results, TrialResults};
use crate::engine::stage::Score;
use crate::view::figures::{
    self, PlotError, Spacing, SweepGrid, SweepList, SweepPoint, sweep_grid, sweep_line, sweep_list,
};
use crate::view::rows::{PointRows, ranked};

/// Raised when pictures show the same in another way, so that those of old results are drawn anew.
pub const LAYOUT: u32 = 2;
/// What pictures end with.
const PNG: &str = ".png";
const SVG: &str = ".svg";

/// Whether a file is one of these pictures, in the folder of a sweep's results.
pub fn is_picture(name: &str) -> bool {
    [PNG, SVG].iter().any(|ending| name.ends_with(ending)) && !name.contains('/')
}

/// What the pictures are written as: PNG, and SVG where a trial has its own pictures so.
pub fn endings(results: &Results) -> &'static [&'static str] {
    let has_svg = |trial: &TrialResults| {
        results.files(trial, false).iter().any(|(name, ..)| name.ends_with(SVG))
    };
    if results.trials.iter().any(has_svg) { &[PNG, SVG] } else { &[PNG] }
}

/// Draws the objective, or every metric that is not of a single label where there is none, and says which could not be drawn.
///
/// * `endings`: what each is written as
///
/// # Errors
/// When the disk refuses.
pub fn draw(
    shape: &SweepShape,
    points: &[&PointRows<'_>],
    names: &[&str],
    folder: &Path,
    endings: &[&str],
) -> Result<Vec<String>, PublishError> {
    let mut warnings = Vec::new();
    let wanted = |name: &str| match &shape.objective {
        Some(objective) => objective.metric == name,
        None => true,
    };
    for name in names.iter().filter(|name| wanted(name)) {
        let mut all = points.iter().flat_map(|point| point.scores(name));
        let Some(first) = all.next() else { continue };
        // Of what is the same everywhere, such as how many entities there are, a picture says nothing.
        if matches!(first, Score::Count(_)) && all.all(|score| score == first) {
            continue;
        }
        for ending in endings {
            let path = folder.join(format!("{}{ending}", file_name(name)));
            match figures::attempt(|| draw_one(shape, points, name, &path)) {
                Err(error) if error.is_of_the_disk() => return Err(error.into()),
                Err(error) => {
                    warnings.push(format!("the picture of `{name}` was not drawn: {error}"));
                    // Half of one is none, and it would not be drawn as anything else either.
                    drop(std::fs::remove_file(&path));
                    break;
                }
                Ok(()) => {}
            }
        }
    }
    Ok(warnings)
}

/// Draws a score of points: over the numbers of the only axis, as a map over two, and else as a list.
fn draw_one(
    shape: &SweepShape,
    points: &[&PointRows<'_>],
    name: &str,
    path: &Path,
) -> Result<(), PlotError> {
    let ranking = shape.objective.as_ref().map(|objective| ranked(shape, objective, points));
    let chosen = ranking.as_ref().filter(|(_, has_best)| *has_best).map(|(places, _)| places[0]);
    let point = |place: usize| sweep_point(points[place], name, chosen == Some(place));
    if let [(y_name, y_values), (x_name, x_values)] = shape.axes.as_slice()
        && is_grid(shape, points)
    {
        let texts = |values: &[Value]| values.iter().map(plain).collect();
        let cells = cells(points, y_values, x_values);
        let grid = SweepGrid {
            x_name: x_name.clone(),
            y_name: y_name.clone(),
            x_labels: texts(x_values),
            y_labels: texts(y_values),
            metrics: cells
                .iter()
                .map(|place| place.map_or_else(Vec::new, |place| point(place).metrics))
                .collect(),
            chosen: cells.iter().position(|place| place.is_some() && *place == chosen),
        };
        return sweep_grid(&grid, name, path);
    }
    if let [(axis, _)] = shape.axes.as_slice()
        && let Some(numbers) = numbers(shape, points)
    {
        let points: Vec<(f64, SweepPoint)> =
            numbers.into_iter().zip((0..points.len()).map(point)).collect();
        return sweep_line(axis, spacing(shape), name, &points, path);
    }
    let mut places: Vec<usize> = (0..points.len()).collect();
    let mut is_ranked = false;
    match (shape.axes.as_slice(), ranking) {
        // The values of the only axis stand as the file lists them.
        ([(_, values)], _) => {
            let listed = |place: &usize| match points[*place].point.values.as_slice() {
                [(_, value)] => values.iter().position(|it| it == value).unwrap_or(values.len()),
                _ => values.len(),
            };
            places.sort_by_key(listed);
        }
        (_, Some((ranked, _))) => (places, is_ranked) = (ranked, true),
        _ => {}
    }
    let names: Vec<&str> = shape.axes.iter().map(|(axis, _)| axis.as_str()).collect();
    let points = places.into_iter().map(point).collect();
    sweep_list(&SweepList { names: names.join(" · "), points, is_ranked }, name, path)
}

/// Whether there is a point of one sort for each pair of listed values.
fn is_grid(shape: &SweepShape, points: &[&PointRows<'_>]) -> bool {
    let pairs: usize = shape.axes.iter().map(|(_, values)| values.len()).product();
    let is_listed = !shape.along.iter().any(|along| along.is_range());
    let is_fresh = points.iter().any(|point| point.level.is_fresh);
    is_listed && points.len() == pairs && points.iter().all(|it| it.level.is_fresh == is_fresh)
}

/// Where points lie on the only axis; `None` where it is one of names.
fn numbers(shape: &SweepShape, points: &[&PointRows<'_>]) -> Option<Vec<f64>> {
    let number = |point: &&PointRows<'_>| point.point.values.first()?.1.as_f64();
    let is_choice = shape.along.first() == Some(&Along::Choice);
    points.iter().map(number).collect::<Option<_>>().filter(|_| !is_choice)
}

/// A range is drawn as it is drawn from; of a list the values themselves say how.
fn spacing(shape: &SweepShape) -> Spacing {
    match shape.along.first() {
        Some(Along::Log) => Spacing::Logarithmic,
        Some(Along::Uniform | Along::Int) => Spacing::Linear,
        Some(Along::List | Along::Choice) | None => Spacing::ByValues,
    }
}

/// The place of the point of each pair of values, row by row, in whichever order points were tried.
fn cells(points: &[&PointRows<'_>], y_values: &[Value], x_values: &[Value]) -> Vec<Option<usize>> {
    let name = |y: &Value, x: &Value| format!("{y}\n{x}");
    let named = |(place, point): (usize, &&PointRows<'_>)| match point.point.values.as_slice() {
        [(_, y), (_, x)] => Some((name(y, x), place)),
        _ => None,
    };
    let places: HashMap<String, usize> = points.iter().enumerate().filter_map(named).collect();
    let rows = y_values.iter().flat_map(|y| x_values.iter().map(move |x| name(y, x)));
    rows.map(|name| places.get(&name).copied()).collect()
}

/// A value as a person says it: a string without its quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value_text(value), str::to_owned)
}

/// The name of a metric as that of a file. Scores of single labels name the label, and a label may be any text.
fn file_name(metric: &str) -> String {
    const LONGEST: usize = 120;
    let is_safe = |character: char| character.is_alphanumeric() || "._-+".contains(character);
    let safe: String = metric
        .chars()
        .take(LONGEST)
        .map(|character| if is_safe(character) { character } else { '-' })
        .collect();
    if safe == metric && !safe.is_empty() && safe.len() <= LONGEST && !safe.starts_with('.') {
        return safe;
    }
    let kept: String = safe.trim_start_matches('.').chars().filter(char::is_ascii).collect();
    format!("{kept}-{}", &blake3::hash(metric.as_bytes()).to_hex()[..6])
}

/// * `name`: of the score
fn sweep_point(point: &PointRows<'_>, name: &str, is_chosen: bool) -> SweepPoint {
    let texts = point.point.texts.join(" · ");
    let label = if texts.is_empty() { "all".to_owned() } else { texts };
    let metrics = point.scores(name).into_iter().map(Score::value).collect();
    SweepPoint { label, metrics, is_chosen, is_fresh: point.level.is_fresh }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_metric_whose_label_is_no_name_is_drawn_inside_the_folder() {
        assert_eq!(file_name("evaluate.ner.span_f1"), "evaluate.ner.span_f1");
        assert_eq!(
            file_name("evaluate.ner.per_label.Stra\u{df}e.f1"),
            "evaluate.ner.per_label.Stra\u{df}e.f1"
        );
        let long = "\u{e9}".repeat(400);
        let all = [
            "..",
            "../../x",
            "/etc/passwd",
            "a\0b",
            "a/b",
            "a-b",
            "a\\b",
            "LOC:CITY",
            "",
            ".png",
            &long,
            &long[2..],
        ];
        let names: BTreeSet<String> = all.iter().map(|metric| file_name(metric)).collect();
        assert_eq!(names.len(), all.len(), "{names:?}");
        for name in names {
            let parts: Vec<_> = Path::new(&name).components().collect();
            assert!(
                matches!(parts[..], [std::path::Component::Normal(_)])
                    && name.len() < 200
                    && !name.contains('\0'),
                "{name}"
            );
        }
    }
}
