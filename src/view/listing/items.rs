//! The rows: what is known of each run, trial or point.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::cell::Cell;
use crate::engine::runs::{AboutTrial, Index, IndexedRun, Part};
use crate::view::rows::are_judged;

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Runs,
    Trials,
    /// The trials of a run that differ in their seed and fold alone: a point on one of its rungs, or with the fresh seeds of a finalist.
    Points,
}

/// What somebody tells apart who groups rows, of what else would not be compared.
#[derive(Debug, Clone, Copy, Default)]
pub struct Apart {
    pub rungs: bool,
    pub finalists: bool,
}

impl Level {
    pub const ALL: [Self; 3] = [Self::Runs, Self::Trials, Self::Points];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Trials => "trials",
            Self::Points => "points",
        }
    }

    /// One of them.
    #[must_use]
    pub fn noun(self) -> &'static str {
        self.name().trim_end_matches('s')
    }
}

/// A row.
pub struct Item<'a> {
    pub level: Level,
    pub run: &'a IndexedRun,
    /// The places in the run of a point's trials, or of a trial; of a run none is looked for.
    places: Vec<usize>,
}

/// All rows.
pub struct Items<'a> {
    pub index: &'a Index,
    pub level: Level,
    pub list: Vec<Item<'a>>,
}

impl<'a> Items<'a> {
    /// The rows that there are of some runs, in their order.
    #[must_use]
    pub fn of(index: &'a Index, runs: &[&'a IndexedRun], level: Level) -> Self {
        let of_run = |run: &&'a IndexedRun| -> Vec<Item<'a>> {
            let run = *run;
            let item = |places: Vec<usize>| Item { level, run, places };
            match level {
                Level::Trials => {
                    (0..run.about().trials.len()).map(|trial| item(vec![trial])).collect()
                }
                Level::Points => points(run).into_iter().map(item).collect(),
                Level::Runs => vec![item(Vec::new())],
            }
        };
        Self { index, level, list: runs.iter().flat_map(of_run).collect() }
    }

    /// Keeps of the points of a sweep, or of their trials, those by which points are judged, as `summary.csv` does, and returns how many others there
    /// were: scores of different rungs have no mean, nor have those of fresh seeds and of the seeds by which a finalist was chosen.
    pub fn keep_judged(&mut self, apart: Apart) -> usize {
        let before = self.list.len();
        let mut judged: HashMap<&str, Vec<bool>> = HashMap::new();
        self.list.retain(|item| {
            let of_run =
                judged.entry(&item.run.head.id).or_insert_with(|| judged_of(item.run, apart));
            item.places.iter().all(|place| of_run[*place])
        });
        before - self.list.len()
    }

    /// What a row has of a score or a parameter.
    pub(super) fn value(&self, item: &Item<'_>, part: Part, name: &str) -> Cell {
        let values = self.index.values(item.run, part, name);
        Self::cell_of(item, part, &|trial| values.get(trial)?.as_ref())
    }

    /// What a row has of a score or a parameter of which each trial has a value.
    fn cell_of<'v>(
        item: &Item<'_>,
        part: Part,
        value: &dyn Fn(usize) -> Option<&'v Value>,
    ) -> Cell {
        let of_trial = |trial: &usize| value(*trial);
        if part == Part::Parameter {
            let mut known = item.shown().iter().map(of_trial);
            let Some(Some(first)) = known.next() else { return Cell::Missing };
            let are_same = known.all(|value| value == Some(first));
            return if are_same { Cell::Parameter(first.clone()) } else { Cell::Missing };
        }
        Cell::scores(item.shown().iter().filter_map(of_trial))
    }

    /// All that a row has of a part, by name.
    pub(super) fn all(&self, item: &Item<'_>, part: Part) -> Vec<(String, Cell)> {
        let mut named: BTreeMap<&str, HashMap<usize, Value>> = BTreeMap::new();
        for (trial, values) in self.index.all(item.run, part).into_iter().enumerate() {
            for (name, value) in values.into_iter().filter(|_| item.shown().contains(&trial)) {
                named.entry(name).or_default().insert(trial, value);
            }
        }
        let cell = |(name, values): (&str, HashMap<usize, Value>)| {
            (name.to_owned(), Self::cell_of(item, part, &|trial| values.get(&trial)))
        };
        named.into_iter().map(cell).collect()
    }

    /// The scores that say most of the rows, an objective first, each once.
    #[must_use]
    pub fn headlines(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let objectives = self.list.iter().filter_map(|item| item.run.about().objective.as_ref());
        let objectives = objectives.map(|objective| objective.metric.clone());
        let others = self.list.iter().flat_map(|item| item.run.about().headlines.iter().cloned());
        for name in objectives.chain(others) {
            if !found.contains(&name) {
                found.push(name);
            }
        }
        found
    }
}

impl Item<'_> {
    /// The places of the trials that its scores and parameters are of: of a run those of its best point, or of the only one there is.
    fn shown(&self) -> &[usize] {
        if self.level == Level::Runs { &self.run.head.best } else { &self.places }
    }

    /// Whether its score is that of the point which the run has chosen.
    pub(super) fn is_chosen(&self) -> bool {
        self.places.iter().all(|place| self.run.head.best.contains(place))
    }

    /// Its trials.
    pub(super) fn trials(&self) -> Vec<&AboutTrial> {
        let all = &self.run.about().trials;
        if self.level == Level::Runs {
            return all.iter().collect();
        }
        self.places.iter().map(|place| &all[*place]).collect()
    }

    /// The only trial, or the first of a point.
    pub(super) fn first(&self) -> Option<&AboutTrial> {
        self.run.about().trials.get(*self.places.first()?)
    }

    /// What it is called on the command line: `RUN`, or `RUN:LABEL` of a trial or a point of a sweep.
    #[must_use]
    pub fn selector(&self) -> String {
        let run = &self.run.head.id;
        let label = match (self.level, self.first()) {
            (Level::Trials, Some(trial)) => &trial.label,
            (Level::Points, Some(trial)) => &trial.point,
            _ => "",
        };
        if label.is_empty() { run.clone() } else { format!("{run}:{label}") }
    }
}

/// The trials of each point on each of its levels, in the run's order.
fn points(run: &IndexedRun) -> Vec<Vec<usize>> {
    let mut points: Vec<Vec<usize>> = Vec::new();
    let mut known = HashMap::new();
    for (place, trial) in run.about().trials.iter().enumerate() {
        let point = *known.entry((trial.place, trial.level)).or_insert(points.len());
        if point == points.len() {
            points.push(Vec::new());
        }
        points[point].push(place);
    }
    points
}

/// Whether points are judged by a trial, of each of a run.
fn judged_of(run: &IndexedRun, apart: Apart) -> Vec<bool> {
    let mut tried = Vec::new();
    for AboutTrial { place, level, .. } in &run.about().trials {
        let mut level = *level;
        // On each rung a point counts as one of its own.
        let rung = if apart.rungs { std::mem::take(&mut level.rung) } else { 0 };
        level.is_fresh &= !apart.finalists;
        tried.push(((*place, rung), level));
    }
    are_judged(&tried)
}
