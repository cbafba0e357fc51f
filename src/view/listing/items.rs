//! The rows: what is known of each run, trial or point.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::cell::Cell;
use crate::engine::runs::{AboutTrial, Index, IndexedRun, Part};

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Runs,
    Trials,
    /// The trials of a run that differ in their seed and fold alone.
    Points,
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
    /// The places of its trials in the run.
    pub trials: Vec<usize>,
    /// Those of them that its scores and parameters are of: of a run that of its best point, or of the only one there is.
    shown: Vec<usize>,
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
            let item = |trials: Vec<usize>| Item { level, run, shown: trials.clone(), trials };
            match level {
                Level::Trials => {
                    (0..run.about.trials.len()).map(|trial| item(vec![trial])).collect()
                }
                Level::Points => points(run).into_iter().map(item).collect(),
                Level::Runs => {
                    let trials = (0..run.about.trials.len()).collect();
                    let shown = best_point(run).unwrap_or_default();
                    vec![Item { level, run, trials, shown }]
                }
            }
        };
        Self { index, level, list: runs.iter().flat_map(of_run).collect() }
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
            let mut known = item.shown.iter().map(of_trial);
            let Some(Some(first)) = known.next() else { return Cell::Missing };
            let are_same = known.all(|value| value == Some(first));
            return if are_same { Cell::Parameter(first.clone()) } else { Cell::Missing };
        }
        Cell::scores(item.counted().into_iter().filter_map(value))
    }

    /// All that a row has of a part, by name.
    pub(super) fn all(&self, item: &Item<'_>, part: Part) -> Vec<(String, Cell)> {
        let mut named: BTreeMap<&str, HashMap<usize, Value>> = BTreeMap::new();
        for (trial, values) in self.index.all(item.run, part).into_iter().enumerate() {
            for (name, value) in values.into_iter().filter(|_| item.shown.contains(&trial)) {
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
        let objectives = self.list.iter().filter_map(|item| item.run.about.objective.as_ref());
        let objectives = objectives.map(|objective| objective.metric.clone());
        let others = self.list.iter().flat_map(|item| item.run.about.headlines.iter().cloned());
        for name in objectives.chain(others) {
            if !found.contains(&name) {
                found.push(name);
            }
        }
        found
    }
}

impl Item<'_> {
    /// The trials whose scores count: a point's are those of the trials that came to their end, and a single trial has those that there are.
    fn counted(&self) -> Vec<usize> {
        let is_done = |trial: &usize| self.trial(*trial).is_done;
        match self.shown[..] {
            [only] => vec![only],
            _ => self.shown.iter().copied().filter(is_done).collect(),
        }
    }

    pub(super) fn trial(&self, place: usize) -> &AboutTrial {
        &self.run.about.trials[place]
    }

    /// What it is called on the command line: `RUN`, or `RUN:LABEL` of a trial or a point of a sweep.
    #[must_use]
    pub fn selector(&self) -> String {
        let run = &self.run.about.id;
        let label = match (self.level, self.trials.first()) {
            (Level::Trials, Some(trial)) => &self.trial(*trial).label,
            (Level::Points, Some(trial)) => &self.trial(*trial).point,
            _ => "",
        };
        if label.is_empty() { run.clone() } else { format!("{run}:{label}") }
    }
}

/// The trials of each point, in the run's order.
fn points(run: &IndexedRun) -> Vec<Vec<usize>> {
    let mut points: Vec<Vec<usize>> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for (place, trial) in run.about.trials.iter().enumerate() {
        let point = *places.entry(trial.point.as_str()).or_insert(points.len());
        if point == points.len() {
            points.push(Vec::new());
        }
        points[point].push(place);
    }
    points
}

/// The trials from which the score of the best point comes, or those of the only one; `None` where nothing tells.
fn best_point(run: &IndexedRun) -> Option<Vec<usize>> {
    let about = &run.about;
    let is_best = |place: &usize| about.best.contains(&about.trials[*place].label);
    let best: Vec<usize> = (0..about.trials.len()).filter(is_best).collect();
    if !best.is_empty() {
        return Some(best);
    }
    let mut points = points(run);
    points.pop().filter(|_| points.is_empty())
}
