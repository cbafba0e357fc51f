//! What a sweep leaves: a table of its trials, a table of its points, pictures that compare them, each trial's results, and the best.

use std::collections::BTreeSet;
use std::path::Path;

use super::contents::Item;
use super::error::PublishError;
use super::results::{LabelScores, Metrics, TrialResults};
use crate::engine::exec::{Outcome, RunOutcome};
use crate::engine::plan::{Plan, SweepShape, Trial, value_text};
use crate::engine::stage::{Caveat, Score};
use crate::view::figures::{self, SweepGrid, SweepPoint, sweep_grid, sweep_line};

/// A trial with what came of it.
struct Row<'a> {
    trial: &'a Trial,
    status: Status,
    /// The seed of each stage that the sweep's seeds replicate, in the order of [`Plan::replicated`].
    seeds: Vec<Option<u64>>,
    /// `None` where a stage of the trial has no result.
    results: Option<&'a TrialResults<'a>>,
    metrics: Metrics,
}

/// What became of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Done,
    /// A stage of it failed.
    Failed,
    /// A stage of it was running when the run was interrupted.
    Interrupted,
    /// The run ended before its turn.
    NotRun,
}

impl Status {
    pub(super) fn of(plan: &Plan, outcome: &RunOutcome, trial: &Trial) -> Self {
        let ends = || {
            let ids = plan.stages().iter().filter_map(|stage| plan.node_of(trial.index, stage));
            ids.map(|id| &outcome.nodes[id.index()])
        };
        if ends().all(|node| node.entry.is_some()) {
            Self::Done
        } else if ends().any(|node| matches!(node.outcome, Outcome::Failed { .. })) {
            Self::Failed
        } else if ends().any(|node| matches!(node.outcome, Outcome::Cancelled { .. })) {
            Self::Interrupted
        } else {
            Self::NotRun
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::NotRun => "not_run",
        }
    }
}

/// The trials of one point.
struct PointRows<'a> {
    label: &'a str,
    rows: Vec<&'a Row<'a>>,
}

impl<'a> PointRows<'a> {
    /// The trial that stands for the point: that of its first seed, not the luckiest. Where that one has no results, the next.
    fn first_whole(&self) -> Option<(&'a Row<'a>, &'a TrialResults<'a>)> {
        self.rows.iter().find_map(|row| Some((*row, row.results?)))
    }
}

/// Mean, standard deviation of the sample, and how many there were, of the values that are defined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moments {
    pub(super) mean: Option<f64>,
    pub(super) deviation: Option<f64>,
    pub(super) count: usize,
    /// Whether the values count things.
    pub(super) are_counts: bool,
}

impl Moments {
    pub(super) fn of(scores: &[Score]) -> Self {
        let values: Vec<f64> = scores.iter().map(|score| score.value()).collect();
        let count = values.len();
        // From the first value on, so that equal values have that mean and no deviation.
        let mean = values.first().map(|first| {
            first + values.iter().map(|value| value - first).sum::<f64>() / count as f64
        });
        let deviation = mean.filter(|_| count > 1).map(|mean| {
            (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1) as f64)
                .sqrt()
        });
        let are_counts = scores.iter().all(|score| matches!(score, Score::Count(_)));
        Self { mean, deviation, count, are_counts }
    }

    /// One of these moments as a score of the same sort.
    pub(super) fn score(&self, value: f64) -> Score {
        let is_whole = value.fract() == 0.0 && value >= 0.0;
        if self.are_counts && is_whole {
            Score::Count(value as u64)
        } else {
            Score::Measured(value)
        }
    }
}

/// What was written of a sweep.
#[derive(Default)]
pub struct Written {
    /// The label and metrics of its best trial where it has an objective.
    pub best: Option<(String, Metrics)>,
    /// Pictures that could not be drawn, with the reasons.
    pub warnings: Vec<String>,
    /// Folders with files of the store: a trial's, and that of the best one.
    pub parts: Vec<(String, Vec<(String, Item)>)>,
}

/// Where a trial's results lie in those of the sweep.
#[must_use]
pub fn part_of(label: &str) -> String {
    if label.is_empty() { "trials".to_owned() } else { format!("trials/{label}") }
}

/// Whether a part is a trial's.
#[must_use]
pub fn is_trial(part: &str) -> bool {
    part == "trials" || part.starts_with("trials/")
}

/// Writes a sweep's tables and pictures into `folder`, and says what lies beside them. A picture that cannot be drawn costs no result.
///
/// * `trials`: by trial; `None` where one did not come to its end
/// * `experiment`: writes the experiment of a trial into its folder, or into the one in which it stands for others
/// * `is_to_draw`: asked when the tables are written; pictures that show them may lie there already
///
/// # Errors
/// When the disk refuses.
pub fn write(
    plan: &Plan,
    outcome: &RunOutcome,
    shape: &SweepShape,
    trials: &[Option<TrialResults<'_>>],
    folder: &Path,
    is_to_draw: impl FnOnce(&Path) -> std::io::Result<bool>,
    experiment: &dyn Fn(&Trial, Option<&'static str>) -> std::io::Result<()>,
) -> Result<Written, PublishError> {
    let io = |error: std::io::Error| PublishError::io(folder, error);
    let mut rows = Vec::with_capacity(trials.len());
    for (trial, results) in plan.trials.iter().zip(trials) {
        let metrics = results
            .as_ref()
            .map_or_else(|| Ok(Metrics::new()), TrialResults::metrics)
            .map_err(io)?;
        let status = Status::of(plan, outcome, trial);
        let seeds = plan.replicated().map(|stage| plan.seed(trial.index, stage)).collect();
        rows.push(Row { trial, status, seeds, results: results.as_ref(), metrics });
    }
    let mut points: Vec<PointRows<'_>> = Vec::with_capacity(shape.points);
    for row in &rows {
        match points.last_mut() {
            Some(point) if *point.label == *row.trial.point.label => point.rows.push(row),
            _ => points.push(PointRows { label: &row.trial.point.label, rows: vec![row] }),
        }
    }
    // Scores of single labels have a table of their own: there are many, and a sweep is not looked at for them.
    let labels = LabelScores::of(plan);
    let names: BTreeSet<&str> =
        rows.iter().flat_map(|row| row.metrics.keys()).map(String::as_str).collect();
    let (single, names): (Vec<&str>, Vec<&str>) =
        names.into_iter().partition(|name| labels.split(name).is_some());
    write_trials(plan, shape, &rows, &names, &folder.join("trials.csv"))
        .map_err(|error| io(error.into()))?;
    write_summary(shape, &points, &names, &folder.join("summary.csv"))
        .map_err(|error| io(error.into()))?;
    let single: Vec<_> =
        single.iter().filter_map(|name| Some((*name, labels.split(name)?))).collect();
    if !single.is_empty() {
        write_labels(plan, shape, &rows, &single, &folder.join("labels.csv"))
            .map_err(|error| io(error.into()))?;
    }
    let mut written = Written::default();
    if is_to_draw(folder).map_err(io)? {
        written.warnings = draw(shape, &points, &names, folder)?;
    }
    for row in &rows {
        let Some(results) = row.results else { continue };
        let files: Vec<_> = results
            .files()
            .into_iter()
            .filter(|(name, _)| !name.split('/').any(|part| part == "model"))
            .collect();
        written.parts.push((part_of(&row.trial.label), files));
        experiment(row.trial, None).map_err(io)?;
    }
    let name = if shape.objective.is_some() { "best" } else { "first" };
    let chosen = chosen(shape, &points).and_then(PointRows::first_whole);
    let Some((row, results)) = chosen else { return Ok(written) };
    written.parts.push((name.to_owned(), results.files()));
    experiment(row.trial, Some(name)).map_err(io)?;
    let trial = folder.join(name).join("trial.txt");
    std::fs::write(trial, format!("{}\n", row.trial.label)).map_err(io)?;
    written.best =
        shape.objective.is_some().then(|| (row.trial.label.to_string(), row.metrics.clone()));
    Ok(written)
}

/// A warning that no trial defines the objective, so that there is no best; `None` where one is the best, or none came to its end.
///
/// * `best`: the label of the best
#[must_use]
pub fn without_best(plan: &Plan, outcome: &RunOutcome, best: Option<&str>) -> Option<String> {
    let objective = plan.sweep.as_ref()?.objective.as_ref().filter(|_| best.is_none())?;
    let is_done = |trial: &Trial| Status::of(plan, outcome, trial) == Status::Done;
    plan.trials.iter().any(is_done).then(|| {
        format!(
            "the objective `{}` is undefined in every trial, so none is the best and there is no `best/`",
            objective.metric
        )
    })
}

/// The point whose mean is best in the objective, the first of equals; without an objective the first one. A point with a trial that leaves it
/// undefined is worse than any other.
fn chosen<'a>(shape: &SweepShape, points: &'a [PointRows<'a>]) -> Option<&'a PointRows<'a>> {
    let Some(objective) = &shape.objective else { return points.first() };
    let sign = if objective.maximize { 1.0 } else { -1.0 };
    let score = |point: &PointRows<'_>| {
        let moments = Moments::of(&scores(point, &objective.metric));
        let done = point.rows.iter().filter(|row| row.results.is_some()).count();
        Some((moments.count == done, sign * moments.mean?))
    };
    Some(&points[first_best(points.iter().map(score))?])
}

/// Where the first of the largest scores is.
fn first_best<T: PartialOrd>(scores: impl Iterator<Item = Option<T>>) -> Option<usize> {
    let mut best: Option<(T, usize)> = None;
    for (index, score) in scores.enumerate() {
        if let Some(score) = score
            && best.as_ref().is_none_or(|(known, _)| score > *known)
        {
            best = Some((score, index));
        }
    }
    best.map(|(_, index)| index)
}

/// What names a trial in a table: its values, and the seeds that its trainings had.
struct TrialColumns {
    header: Vec<String>,
    /// Positions in [`Row::seeds`].
    seeds: Vec<usize>,
}

impl TrialColumns {
    fn of(plan: &Plan, shape: &SweepShape) -> Self {
        let mut header: Vec<String> = shape.axes.iter().map(|(name, _)| name.to_string()).collect();
        let mut seeds = Vec::new();
        for (position, stage) in plan.replicated().enumerate() {
            let name = format!("{stage}.seed");
            // A seed that is swept has its column as an axis.
            if !header.contains(&name) {
                header.push(name);
                seeds.push(position);
            }
        }
        Self { header, seeds }
    }

    fn fields(&self, row: &Row<'_>) -> Vec<String> {
        let values = row.trial.point.texts.iter().map(ToString::to_string);
        let seed = |position: &usize| row.seeds[*position].map(|seed| seed.to_string());
        values.chain(self.seeds.iter().map(|position| seed(position).unwrap_or_default())).collect()
    }
}

/// A row for each trial: its values, its seeds, and every metric that is not of a single label; an undefined metric is an empty field.
fn write_trials(
    plan: &Plan,
    shape: &SweepShape,
    rows: &[Row<'_>],
    names: &[&str],
    path: &Path,
) -> csv::Result<()> {
    let mut table = csv::Writer::from_path(path)?;
    let columns = TrialColumns::of(plan, shape);
    let mut header = vec!["trial".to_owned(), "status".to_owned()];
    header.extend(columns.header.iter().cloned());
    header.extend(names.iter().map(ToString::to_string));
    table.write_record(&header)?;
    for row in rows {
        let mut fields = vec![row.trial.label.to_string(), row.status.name().to_owned()];
        fields.extend(columns.fields(row));
        fields.extend(
            names.iter().map(|name| score_field(row.metrics.get(*name).copied().flatten())),
        );
        table.write_record(&fields)?;
    }
    Ok(table.flush()?)
}

/// A row for each score of each label in each trial.
///
/// * `names`: of the scores, each with its label and metric
fn write_labels(
    plan: &Plan,
    shape: &SweepShape,
    rows: &[Row<'_>],
    names: &[(&str, (&str, String))],
    path: &Path,
) -> csv::Result<()> {
    let mut table = csv::Writer::from_path(path)?;
    let columns = TrialColumns::of(plan, shape);
    let mut header = vec!["trial".to_owned()];
    header.extend(columns.header.iter().cloned());
    header.extend(["label", "metric", "value"].map(str::to_owned));
    table.write_record(&header)?;
    for row in rows {
        let mut trial = vec![row.trial.label.to_string()];
        trial.extend(columns.fields(row));
        for (name, (label, metric)) in names {
            let Some(value) = row.metrics.get(*name) else { continue };
            let score = [(*label).to_owned(), metric.clone(), score_field(*value)];
            table.write_record(trial.iter().chain(&score))?;
        }
    }
    Ok(table.flush()?)
}

/// A row for each point: its values, and mean, standard deviation and count of every metric over its seeds.
fn write_summary(
    shape: &SweepShape,
    points: &[PointRows<'_>],
    names: &[&str],
    path: &Path,
) -> csv::Result<()> {
    let mut table = csv::Writer::from_path(path)?;
    let mut header = vec!["point".to_owned()];
    header.extend(shape.axes.iter().map(|(name, _)| name.to_string()));
    header.extend(
        names.iter().flat_map(|name| ["mean", "sd", "n"].map(|part| format!("{name}.{part}"))),
    );
    table.write_record(&header)?;
    for point in points {
        let mut fields = vec![point.label.to_owned()];
        fields.extend(point.rows[0].trial.point.texts.iter().map(ToString::to_string));
        for name in names {
            let moments = Moments::of(&scores(point, name));
            fields.extend([
                field(moments.mean),
                field(moments.deviation),
                moments.count.to_string(),
            ]);
        }
        table.write_record(&fields)?;
    }
    Ok(table.flush()?)
}

/// A row for each of what the scores are to be read with, such as that all seeds share a draw; no table where there is nothing.
///
/// # Errors
/// When the disk refuses.
pub fn write_caveats(caveats: &[Caveat], folder: &Path) -> std::io::Result<()> {
    if caveats.is_empty() {
        return Ok(());
    }
    let write = || -> csv::Result<()> {
        let mut table = csv::Writer::from_path(folder.join("caveats.csv"))?;
        table.write_record(["code", "count", "message"])?;
        for Caveat { code, count, message, .. } in caveats {
            table.write_record([code.as_str(), &count.to_string(), message])?;
        }
        Ok(table.flush()?)
    };
    write().map_err(Into::into)
}

fn scores(point: &PointRows<'_>, name: &str) -> Vec<Score> {
    point.rows.iter().filter_map(|row| *row.metrics.get(name)?).collect()
}

fn score_field(score: Option<Score>) -> String {
    field(score.map(Score::value))
}

/// The shortest text that reads back as the same number.
fn field(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Draws the objective, or every metric that is not of a single label where there is none, and says which could not be drawn.
fn draw(
    shape: &SweepShape,
    points: &[PointRows<'_>],
    names: &[&str],
    folder: &Path,
) -> Result<Vec<String>, PublishError> {
    let mut warnings = Vec::new();
    let wanted = |name: &str| match &shape.objective {
        Some(objective) => objective.metric == name,
        None => true,
    };
    for name in names.iter().filter(|name| wanted(name)) {
        let mut all = points.iter().flat_map(|point| scores(point, name));
        let Some(first) = all.next() else { continue };
        // Of what is the same everywhere, such as how many entities there are, a picture says nothing.
        if matches!(first, Score::Count(_)) && all.all(|score| score == first) {
            continue;
        }
        let metrics =
            |point: &PointRows<'_>| scores(point, name).into_iter().map(Score::value).collect();
        let path = folder.join(format!("{}.png", file_name(name)));
        let drawn = figures::attempt(|| match shape.axes.as_slice() {
            [(y_name, y_values), (x_name, x_values)]
                if points.len() == x_values.len() * y_values.len() =>
            {
                let texts = |values: &[serde_json::Value]| values.iter().map(value_text).collect();
                let grid = SweepGrid {
                    x_name: x_name.to_string(),
                    y_name: y_name.to_string(),
                    x_labels: texts(x_values),
                    y_labels: texts(y_values),
                    metrics: points.iter().map(metrics).collect(),
                };
                sweep_grid(&grid, name, &path)
            }
            axes => {
                // With one axis its values are numbers or names; with more, or none, each point is a name.
                let axis = if let [(axis, _)] = axes { axis } else { "point" };
                let points: Vec<_> = points
                    .iter()
                    .map(|point| sweep_point(axes.len() == 1, point, metrics(point)))
                    .collect();
                sweep_line(axis, name, &points, &path)
            }
        });
        match drawn {
            Err(error) if error.is_of_the_disk() => return Err(error.into()),
            Err(error) => {
                warnings.push(format!("the picture of `{name}` was not drawn: {error}"));
                // Half of one is none.
                drop(std::fs::remove_file(&path));
            }
            Ok(()) => {}
        }
    }
    Ok(warnings)
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
    match point.rows[0].trial.point.values.as_slice() {
        [(_, value)] if one_axis => {
            SweepPoint { label: value_text(value), value: value.as_f64(), metrics }
        }
        _ => SweepPoint {
            label: if point.label.is_empty() { "all".to_owned() } else { point.label.to_owned() },
            value: None,
            metrics,
        },
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn the_deviation_is_that_of_a_sample_and_undefined_for_one_value() {
        let moments = |values: &[f64]| {
            let scores: Vec<Score> = values.iter().copied().map(Score::Measured).collect();
            let Moments { mean, deviation, count, .. } = Moments::of(&scores);
            (mean, deviation, count)
        };
        assert_eq!(moments(&[1.0, 3.0]), (Some(2.0), Some(2.0_f64.sqrt()), 2));
        assert_eq!(moments(&[1.0]), (Some(1.0), None, 1));
        assert_eq!(moments(&[]), (None, None, 0));
        assert_eq!(moments(&[0.7; 3]), (Some(0.7), Some(0.0), 3));
    }
}
