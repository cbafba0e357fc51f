//! The tables of a sweep as CSV files: its trials, its points, the scores of single labels, and what all of them are to be read with.

use std::io;
use std::path::Path;

use crate::engine::plan::SweepShape;
use crate::engine::runs::Results;
use crate::engine::stage::{Caveat, Score};
use crate::view::rows::{Names, PointRows, Row, judged};

/// What a column has of a trial.
type Field = fn(&Row<'_>) -> String;

/// What `trials.csv` says of every trial before its values, its seeds and its scores: the column's name, and its field.
const OF_TRIALS: &[(&str, Field)] =
    &[("trial", |row| row.label.to_owned()), ("status", |row| row.status.name().to_owned())];

/// Writes the tables of a sweep into `folder`.
///
/// * `points`: with the scores that have the `names`
///
/// # Errors
/// When the disk refuses.
pub fn write(
    results: &Results,
    shape: &SweepShape,
    points: &[PointRows<'_>],
    names: &Names<'_>,
    folder: &Path,
) -> io::Result<()> {
    let columns = Columns::of(results, shape);
    trials(&columns, points, names, &folder.join("trials.csv"))?;
    summary(shape, &judged(points), names, &folder.join("summary.csv"))?;
    if names.of_labels.is_empty() {
        return Ok(());
    }
    labels(&columns, points, names, &folder.join("labels.csv"))
}

/// A row for each trial: its values, its seeds, and every score that is not of a single label; an undefined one is an empty field.
fn trials(
    columns: &Columns,
    points: &[PointRows<'_>],
    names: &Names<'_>,
    path: &Path,
) -> io::Result<()> {
    let own = OF_TRIALS.iter().map(|(name, _)| (*name).to_owned());
    let scores = names.plain.iter().map(ToString::to_string);
    let mut table = Table::new(path, own.chain(columns.header.clone()).chain(scores))?;
    for (point, row) in rows(points) {
        let own = OF_TRIALS.iter().map(|(_, field)| field(row));
        let scores = names.plain.iter().map(|name| score(row.scores.get(*name).copied().flatten()));
        table.row(own.chain(columns.fields(point, row)).chain(scores))?;
    }
    table.end()
}

/// A row for each score of each label in each trial.
fn labels(
    columns: &Columns,
    points: &[PointRows<'_>],
    names: &Names<'_>,
    path: &Path,
) -> io::Result<()> {
    let header = ["label", "metric", "value"].map(str::to_owned);
    let trial = std::iter::once("trial".to_owned()).chain(columns.header.clone());
    let mut table = Table::new(path, trial.chain(header))?;
    for (point, row) in rows(points) {
        let trial: Vec<String> =
            std::iter::once(row.label.to_owned()).chain(columns.fields(point, row)).collect();
        for (name, label, metric) in &names.of_labels {
            if let Some(value) = row.scores.get(*name) {
                let fields = [(*label).to_owned(), metric.clone(), score(*value)];
                table.row(trial.iter().chain(&fields))?;
            }
        }
    }
    table.end()
}

/// A row for each point that has come to the last rung: its values, and mean, standard deviation and count of every score over its seeds, which are the
/// fresh ones of a finalist.
fn summary(
    shape: &SweepShape,
    points: &[&PointRows<'_>],
    names: &Names<'_>,
    path: &Path,
) -> io::Result<()> {
    let axes = shape.axes.iter().map(|(name, _)| name.to_string());
    let axes = axes.chain(shape.has_finalists.then(|| FINALIST.to_owned()));
    let scores = names
        .plain
        .iter()
        .flat_map(|name| ["mean", "sd", "n"].map(|part| format!("{name}.{part}")));
    let mut table =
        Table::new(path, std::iter::once("point".to_owned()).chain(axes).chain(scores))?;
    for point in points {
        let scores = names.plain.iter().flat_map(|name| {
            let moments = point.moments(name);
            [field(moments.mean), field(moments.deviation), moments.count.to_string()]
        });
        let values = point.point.texts.iter().map(ToString::to_string);
        let values = values.chain(shape.has_finalists.then(|| point.level.is_fresh.to_string()));
        table.row(std::iter::once(point.point.label.to_string()).chain(values).chain(scores))?;
    }
    table.end()
}

/// A row for each of what the scores are to be read with, such as that all seeds share a draw; no table where there is nothing.
///
/// # Errors
/// When the disk refuses.
pub fn write_caveats(caveats: &[Caveat], folder: &Path) -> io::Result<()> {
    if caveats.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&folder.join("caveats.csv"), ["code", "count", "message"])?;
    for Caveat { code, count, message, .. } in caveats {
        table.row([code.as_str(), &count.to_string(), message])?;
    }
    table.end()
}

/// A CSV file in the making.
struct Table(csv::Writer<std::fs::File>);

impl Table {
    fn new<T: AsRef<[u8]>>(path: &Path, header: impl IntoIterator<Item = T>) -> io::Result<Self> {
        let mut table = Self(csv::Writer::from_path(path)?);
        table.row(header)?;
        Ok(table)
    }

    fn row<T: AsRef<[u8]>>(&mut self, fields: impl IntoIterator<Item = T>) -> io::Result<()> {
        Ok(self.0.write_record(fields)?)
    }

    fn end(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether a score is of the fresh seeds of a finalist.
const FINALIST: &str = "finalist";

/// The columns that name a trial: its values, its rung and fold, whether it is a finalist's, and the seeds that its trainings had.
struct Columns {
    header: Vec<String>,
    has_rungs: bool,
    has_folds: bool,
    has_finalists: bool,
    /// Positions in [`Row::seeds`].
    seeds: Vec<usize>,
}

impl Columns {
    fn of(results: &Results, shape: &SweepShape) -> Self {
        let mut header: Vec<String> = shape.axes.iter().map(|(name, _)| name.to_string()).collect();
        let has_rungs = shape.rungs > 1;
        header.extend(has_rungs.then(|| "rung".to_owned()));
        let has_folds = shape.folds.is_some();
        header.extend(has_folds.then(|| "fold".to_owned()));
        let has_finalists = shape.has_finalists;
        header.extend(has_finalists.then(|| FINALIST.to_owned()));
        let mut seeds = Vec::new();
        for (position, stage) in results.replicated.iter().enumerate() {
            let name = format!("{stage}.seed");
            // A seed that is swept has its column as an axis.
            if !header.contains(&name) {
                header.push(name);
                seeds.push(position);
            }
        }
        Self { header, has_rungs, has_folds, has_finalists, seeds }
    }

    fn fields<'a>(
        &'a self,
        point: &'a PointRows<'_>,
        row: &'a Row<'_>,
    ) -> impl Iterator<Item = String> + 'a {
        let seed = |position: &usize| row.seeds[*position].map(|seed| seed.to_string());
        let values = point.point.texts.iter().map(ToString::to_string);
        let fold =
            self.has_folds.then(|| row.fold.map_or_else(String::new, |fold| fold.to_string()));
        let rung = self.has_rungs.then(|| (point.level.rung + 1).to_string());
        let is_fresh = self.has_finalists.then(|| point.level.is_fresh.to_string());
        values
            .chain(rung)
            .chain(fold)
            .chain(is_fresh)
            .chain(self.seeds.iter().map(move |position| seed(position).unwrap_or_default()))
    }
}

fn rows<'a, 'b>(
    points: &'a [PointRows<'b>],
) -> impl Iterator<Item = (&'a PointRows<'b>, &'a Row<'b>)> {
    points.iter().flat_map(|point| point.rows.iter().map(move |row| (point, row)))
}

fn score(score: Option<Score>) -> String {
    field(score.map(Score::value))
}

/// The shortest text that reads back as the same number.
fn field(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
