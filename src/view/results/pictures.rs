//! The pictures that compare the points of a sweep.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::error::PublishError;
use crate::engine::plan::{SweepShape, value_text};
use crate::engine::runs::{Results, TrialResults};
use crate::engine::stage::Score;
use crate::view::figures::{self, PlotError, SweepGrid, SweepPoint, sweep_grid, sweep_line};
use crate::view::rows::PointRows;

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

/// Draws a score of points.
fn draw_one(
    shape: &SweepShape,
    points: &[&PointRows<'_>],
    name: &str,
    path: &Path,
) -> Result<(), PlotError> {
    let metrics =
        |point: &PointRows<'_>| point.scores(name).into_iter().map(Score::value).collect();
    match shape.axes.as_slice() {
        [(y_name, y_values), (x_name, x_values)]
            if points.len() == x_values.len() * y_values.len() =>
        {
            let texts = |values: &[Value]| values.iter().map(value_text).collect();
            let grid = SweepGrid {
                x_name: x_name.to_string(),
                y_name: y_name.to_string(),
                x_labels: texts(x_values),
                y_labels: texts(y_values),
                metrics: cells(points, y_values, x_values)
                    .into_iter()
                    .map(|point| point.map_or_else(Vec::new, metrics))
                    .collect(),
            };
            sweep_grid(&grid, name, path)
        }
        axes => {
            // With one axis its values are numbers or names; with more, or none, each point is a name.
            let axis = if let [(axis, _)] = axes { axis } else { "point" };
            let points: Vec<_> = points
                .iter()
                .map(|point| sweep_point(axes.len() == 1, point, metrics(point)))
                .collect();
            sweep_line(axis, name, &points, path)
        }
    }
}

/// The point of each pair of values, row by row, in whichever order points were tried.
fn cells<'a, 'p>(
    points: &[&'a PointRows<'p>],
    y_values: &[Value],
    x_values: &[Value],
) -> Vec<Option<&'a PointRows<'p>>> {
    let name = |y: &Value, x: &Value| format!("{y}\n{x}");
    let named = |point: &'a PointRows<'p>| match point.point.values.as_slice() {
        [(_, y), (_, x)] => Some((name(y, x), point)),
        _ => None,
    };
    let places: HashMap<String, &PointRows<'_>> =
        points.iter().copied().filter_map(named).collect();
    let rows = y_values.iter().flat_map(|y| x_values.iter().map(move |x| name(y, x)));
    rows.map(|name| places.get(&name).copied()).collect()
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

fn sweep_point(one_axis: bool, point: &PointRows<'_>, metrics: Vec<f64>) -> SweepPoint {
    match point.point.values.as_slice() {
        [(_, value)] if one_axis => {
            SweepPoint { label: value_text(value), value: value.as_f64(), metrics }
        }
        _ => {
            let label = &*point.point.label;
            let label = if label.is_empty() { "all" } else { label }.to_owned();
            SweepPoint { label, value: None, metrics }
        }
    }
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
