//! Making what a results folder should hold, but for its record.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::contents::{Contents, Item, Source, part_of};
use super::error::PublishError;
use super::places::{BEST, FIRST, TRIAL};
use super::{pictures, tables};
use crate::engine::plan::{Objective, SweepShape};
use crate::engine::runs::{Results, TrialResults};
use crate::engine::stage::Scores;
use crate::engine::store::Store;
use crate::view::difference::Compare;
use crate::view::report::{self, Background, Material, Subject};
use crate::view::rows::{Names, PointRows, Row, judged, points, ranked};

/// The report's name in a folder of results.
pub(super) const REPORT: &str = "report.html";
/// What the card of a model is called in its folder.
const CARD: &str = "README.md";

/// Whether a file in a folder of results is made from all of them.
pub(super) fn is_about_all(name: &str) -> bool {
    name == REPORT || Path::new(name).file_name().is_some_and(|name| name == CARD)
}

/// Which of its results a folder holds.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// All that the experiment makes.
    Whole,
    /// One trial of a sweep; where it stands for others, the name of the folder in which it does.
    Trial(&'a TrialResults, Option<&'static str>),
}

/// Makes an experiment that makes a part of the results again, as text for a file in a folder, and the pins that it needs, if any.
pub type Again<'a> = dyn Fn(Part<'_>, &Path) -> (String, Option<String>) + Sync + 'a;

/// What was made to be published.
#[derive(Default)]
pub(super) struct Made {
    pub(super) contents: Contents,
    /// The digest of what a sweep's pictures show, its tables, and of what they are written as.
    pub(super) drawn_from: String,
    /// The digest of what the report is about.
    pub(super) reported_from: String,
    /// The label and scores of a sweep's best trial.
    pub(super) best: Option<(String, Scores)>,
    /// What is not there and should be: a picture that could not be drawn costs no result.
    pub(super) warnings: Vec<String>,
}

/// What it is made from, and where.
#[derive(Clone, Copy)]
pub(super) struct Making<'a> {
    pub(super) results: &'a Results,
    pub(super) store: &'a Store,
    pub(super) again: &'a Again<'a>,
    pub(super) compare: &'a Compare<'a>,
    pub(super) background: &'a Background,
    /// Stages whose results are not there.
    pub(super) missing: &'a BTreeSet<String>,
    /// What is to be written is written there.
    pub(super) folder: &'a Path,
    /// Where it will lie, for what goes wrong.
    pub(super) target: &'a Path,
}

/// Files by their names.
pub(super) type Named = Vec<(String, Item)>;

/// What lies in its place and need not be made again.
#[derive(Clone, Copy)]
pub(super) struct There<'a> {
    /// The pictures, where they were drawn from tables of this digest.
    pub(super) pictures: &'a dyn Fn(&str) -> Option<Named>,
    /// The report and the cards of models, where they are about what has this digest.
    pub(super) report: &'a dyn Fn(&str) -> Option<Named>,
}

impl Making<'_> {
    /// All that the folder should hold.
    ///
    /// * `trials`: of a run without a sweep
    pub(super) fn make(
        self,
        trials: &[&TrialResults],
        there: There<'_>,
    ) -> Result<Made, PublishError> {
        let Self { results, folder, target, .. } = self;
        let io = |error: io::Error| PublishError::io(target, error);
        let mut made = Made::default();
        let chosen = if let Some(shape) = &results.sweep {
            self.make_sweep(shape, there, &mut made)?
        } else {
            trials.iter().for_each(|trial| made.contents.items.extend(files(results, trial, true)));
            trials.first().map(|trial| trial.index as usize)
        };
        self.write_experiment(Part::Whole).map_err(io)?;
        made.contents.add_made(folder).map_err(io)?;
        made.reported_from = self.reported_from(&made.contents);
        match (there.report)(&made.reported_from) {
            Some(named) => made.contents.items.extend(named),
            None => self.report(chosen, &mut made).map_err(io)?,
        }
        Ok(made)
    }

    /// A digest of all that the report is about and laid out by, but for when and by which run it was made.
    fn reported_from(self, contents: &Contents) -> String {
        let mut text = format!("{} {}", env!("CARGO_PKG_VERSION"), report::layout());
        for (name, item) in &contents.items {
            text += &format!("\n{name} {}", item.blake3);
        }
        text += &format!("\n{:?}\n{:?}", self.background, self.missing);
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }

    /// Makes the report and the cards of models. Those that cannot be made cost no result.
    ///
    /// * `chosen`: the trial that stands for the others
    fn report(self, chosen: Option<usize>, made: &mut Made) -> io::Result<()> {
        let Self { results, compare, background, missing, folder, .. } = self;
        let points = points(results)?;
        let subject = Subject { results, compare, background, points: &points, chosen, missing };
        match Material::gather(subject) {
            Ok(material) => {
                let mut put = |name: String, text: String| -> io::Result<()> {
                    let path = folder.join(&name);
                    std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
                    std::fs::write(&path, &text)?;
                    let blake3 = blake3::hash(text.as_bytes()).to_hex().to_string();
                    let item = Item { source: Source::Made(path), blake3 };
                    made.contents.items.insert(name, item);
                    Ok(())
                };
                put(REPORT.to_owned(), report::page(&material))?;
                let within = results.sweep.as_ref().map(of_chosen);
                for card in &material.cards {
                    let name = within.map_or_else(|| card.clone(), |it| format!("{it}/{card}"));
                    put(name, report::card(&material))?;
                }
            }
            Err(error) => made.warnings.push(format!("there is no `{REPORT}`: {error}")),
        }
        Ok(())
    }

    /// Tables, pictures that compare the points, the results of each trial, and those of the one that stands for the others, whose number this
    /// returns.
    fn make_sweep(
        self,
        shape: &SweepShape,
        there: There<'_>,
        made: &mut Made,
    ) -> Result<Option<usize>, PublishError> {
        let Self { results, folder, target, .. } = self;
        let io = |error: io::Error| PublishError::io(target, error);
        let caveats = results.caveats().map_err(|error| io(error.into()))?;
        let points = points(results).map_err(io)?;
        let names = Names::of(results, &points);
        tables::write(results, shape, &points, &names, folder).map_err(io)?;
        let endings = pictures::endings(results);
        made.drawn_from = drawn_from(folder, endings).map_err(io)?;
        match (there.pictures)(&made.drawn_from) {
            Some(pictures) => made.contents.items.extend(pictures),
            None => {
                let judged = judged(&points);
                made.warnings = pictures::draw(shape, &judged, &names.plain, folder, endings)?;
            }
        }
        // Pictures show none of them.
        tables::write_caveats(&caveats, folder).map_err(io)?;
        for trial in results.trials.iter().filter(|trial| results.is_judged(trial)) {
            made.contents.add_part(part_of(&trial.label), files(results, trial, false));
            self.write_experiment(Part::Trial(trial, None)).map_err(io)?;
        }
        let Some(row) = chosen(shape, &judged(&points)) else {
            // A stage that was not asked for leaves nothing undefined.
            let is_scored = |objective: &Objective| {
                let (stage, _) = objective.path();
                points.iter().flat_map(PointRows::shown).any(|row| results.ran(row.index, stage))
            };
            let undefined = shape.objective.as_ref().filter(|objective| is_scored(objective));
            made.warnings.extend(undefined.map(|objective| {
                format!(
                    "the objective `{}` is undefined in every trial, so none is the best and there is no `best/`",
                    objective.metric
                )
            }));
            return Ok(None);
        };
        let of = &results.trials[row.index];
        let name = of_chosen(shape);
        made.contents.add_part(name.to_owned(), files(results, of, true));
        self.write_experiment(Part::Trial(of, Some(name))).map_err(io)?;
        let label = format!("{}\n", row.label);
        std::fs::write(folder.join(name).join(TRIAL), label).map_err(io)?;
        made.best = shape.objective.is_some().then(|| (row.label.to_owned(), row.scores.clone()));
        Ok(Some(row.index))
    }

    /// The experiment that makes a part of the results again, beside it.
    fn write_experiment(self, part: Part<'_>) -> io::Result<()> {
        let inside = match part {
            Part::Whole => String::new(),
            Part::Trial(trial, None) => part_of(&trial.label),
            Part::Trial(_, Some(folder)) => folder.to_owned(),
        };
        let results = self.store.outputs().canonicalize()?.join(&self.results.run.asked.results);
        let (text, pins) = (self.again)(part, &results.join(&inside));
        let folder = self.folder.join(inside);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("experiment.toml"), text)?;
        pins.map_or(Ok(()), |pins| std::fs::write(folder.join("experiment.toml.lock"), pins))
    }
}

/// The folder of the trial that stands for the others.
fn of_chosen(shape: &SweepShape) -> &'static str {
    if shape.objective.is_some() { BEST } else { FIRST }
}

/// What a trial has for people, by name.
fn files(results: &Results, trial: &TrialResults, with_large: bool) -> Vec<(String, Item)> {
    let files = results.files(trial, with_large).into_iter().filter_map(|(name, entry, file)| {
        let blake3 = entry.file(file)?.blake3.clone();
        let source = Source::Stored { entry: entry.clone(), file: file.to_owned() };
        Some((name, Item { source, blake3 }))
    });
    files.collect()
}

/// A digest of the tables in a folder, and of what pictures of them are written as.
fn drawn_from(folder: &Path, endings: &[&str]) -> io::Result<String> {
    let mut tables = Contents::default();
    tables.add_made(folder)?;
    let (version, layout) = (env!("CARGO_PKG_VERSION"), pictures::LAYOUT);
    let mut text = format!("{version} {layout} {}", endings.join(" "));
    for (name, item) in tables.items {
        text += &format!("\n{name} {}", item.blake3);
    }
    Ok(blake3::hash(text.as_bytes()).to_hex().to_string())
}

/// The trial that stands for the best point in the objective; without an objective for the first point.
fn chosen<'a>(shape: &SweepShape, points: &[&'a PointRows<'a>]) -> Option<&'a Row<'a>> {
    let Some(objective) = &shape.objective else { return points.first()?.done().next() };
    let (places, has_best) = ranked(shape, objective, points);
    points[*places.first().filter(|_| has_best)?].first_with(&objective.metric)
}
