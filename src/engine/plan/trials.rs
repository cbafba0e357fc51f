//! Trials, each a point on one of the rungs with one of the folds and seeds, and which of them are the same for a stage.
//!
//! A stage varies along some dimensions only: axes, by their numbers, and after the last axis the rungs, the folds and the seeds. The trials that
//! agree along these are one class, for which the stage is resolved, checked and computed once.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::points::{self, Point, Points};
use crate::engine::spec::{FOLD, RUNG, SEED, Sweep, Value};

/// One point and seed.
#[derive(Debug, Clone)]
pub struct Trial {
    pub index: u32,
    /// Safe as a file's name, and the same whatever other points there are: `learning_rate=1e-5,seed=0`. Empty without a sweep.
    pub label: Arc<str>,
    pub point: Arc<Point>,
    /// Which part of the corpus validates, in a sweep with folds.
    pub fold: Option<usize>,
    pub level: Level,
}

/// How far a trial's point has come when it is tried.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Level {
    /// The rung, from 0; without rungs there is that one.
    pub rung: usize,
    /// Whether it is a finalist with fresh seeds, which is on the last rung.
    pub is_fresh: bool,
}

pub(super) struct Trials<'a> {
    pub(super) points: &'a Points,
    slots: Vec<Slot>,
    /// How many rungs there are; 0 where that does not vary.
    rungs: usize,
    /// How many parts of the corpus validate in turn; 0 where that does not vary.
    folds: usize,
    /// What replicates add to the seed; none where there are no replicates.
    addends: Vec<u64>,
}

/// A trial by its numbers.
#[derive(Clone, Copy)]
struct Slot {
    point: usize,
    level: Level,
    fold: usize,
    /// In `addends`.
    seed: usize,
}

/// Trials that agree along some dimensions.
pub(super) struct Classes {
    pub(super) dimensions: Vec<usize>,
    /// The first trial of each class.
    pub(super) firsts: Vec<usize>,
    /// The class of each trial; empty where there is only one class.
    of: Vec<u32>,
}

impl Classes {
    pub(super) fn of(&self, trial: usize) -> usize {
        self.of.get(trial).map_or(0, |class| *class as usize)
    }
}

impl<'a> Trials<'a> {
    /// * `sweep`: whose rungs and replicates there are of each point
    pub(super) fn new(points: &'a Points, sweep: Option<&Sweep>) -> Self {
        let of_rungs = sweep.map_or_else(|| vec![Vec::new()], Sweep::addends);
        let fresh = sweep.map(Sweep::fresh_addends).unwrap_or_default();
        let folds = sweep.and_then(|sweep| sweep.folds).map_or(0, |folds| folds.count);
        let mut addends: Vec<u64> = Vec::new();
        let mut places = HashMap::new();
        for addend in of_rungs.iter().flatten().chain(&fresh) {
            places.entry(*addend).or_insert_with(|| {
                addends.push(*addend);
                addends.len() - 1
            });
        }
        let rungs = if of_rungs.len() > 1 { of_rungs.len() } else { 0 };
        let mut trials = Self { points, slots: Vec::new(), rungs, folds, addends };
        for point in 0..points.list().len() {
            for (rung, seeds) in of_rungs.iter().enumerate().take(points.rungs_of(point)) {
                trials.add(point, Level { rung, is_fresh: false }, seeds, &places);
            }
            if points.is_finalist(point) {
                let level = Level { rung: of_rungs.len() - 1, is_fresh: true };
                trials.add(point, level, &fresh, &places);
            }
        }
        trials
    }

    /// Adds the trials of a point on a level: all seeds of the first fold, then those of the next.
    fn add(&mut self, point: usize, level: Level, seeds: &[u64], places: &HashMap<u64, usize>) {
        for fold in 0..self.folds.max(1) {
            if seeds.is_empty() {
                self.slots.push(Slot { point, level, fold, seed: 0 });
            }
            self.slots.extend(seeds.iter().map(|seed| Slot {
                point,
                level,
                fold,
                seed: places[seed],
            }));
        }
    }

    /// Only the first of them, where all would be too many.
    pub(super) fn first(mut self) -> Self {
        self.slots.truncate(1);
        self
    }

    pub(super) fn count(&self) -> usize {
        self.slots.len()
    }

    /// The dimension of the rungs.
    pub(super) fn rungs(&self) -> Option<usize> {
        (self.rungs > 0).then(|| self.points.axis_count())
    }

    /// The dimension of the folds.
    pub(super) fn folds(&self) -> Option<usize> {
        (self.folds > 0).then(|| self.points.axis_count() + self.rungs().iter().len())
    }

    /// The dimension of the seeds.
    pub(super) fn seeds(&self) -> Option<usize> {
        let before = self.rungs().iter().len() + self.folds().iter().len();
        (!self.addends.is_empty()).then(|| self.points.axis_count() + before)
    }

    fn dimensions(&self) -> usize {
        let others = [self.rungs(), self.folds(), self.seeds()];
        self.points.axis_count() + others.iter().flatten().count()
    }

    /// What replicates add to the seed.
    pub(super) fn addends(&self) -> &[u64] {
        &self.addends
    }

    /// The rung of a trial.
    pub(super) fn rung(&self, trial: usize) -> usize {
        self.slots[trial].level.rung
    }

    /// Which part of the corpus validates in a trial, and of how many.
    pub(super) fn fold(&self, trial: usize) -> Option<[usize; 2]> {
        (self.folds > 0).then(|| [self.slots[trial].fold, self.folds])
    }

    pub(super) fn addend(&self, trial: usize) -> Option<u64> {
        self.addends.get(self.slots[trial].seed).copied()
    }

    /// Which of the values of an axis a trial has, or which of the rungs, folds or seeds.
    pub(super) fn at(&self, trial: usize, dimension: usize) -> usize {
        let slot = &self.slots[trial];
        match Some(dimension) {
            seed if seed == self.seeds() => slot.seed,
            fold if fold == self.folds() => slot.fold,
            rung if rung == self.rungs() => slot.level.rung,
            _ => self.points.at(slot.point, dimension),
        }
    }

    pub(super) fn value(&self, trial: usize, axis: usize) -> &'a Value {
        self.points.value(self.slots[trial].point, axis)
    }

    /// Whether anything varies.
    pub(super) fn are_swept(&self) -> bool {
        self.dimensions() > 0
    }

    /// The trials that the score of the best point comes from, in order.
    pub(super) fn of_best(&self) -> Vec<usize> {
        let Some(best) = self.points.best else { return Vec::new() };
        let all = || (0..self.count()).filter(|trial| self.slots[*trial].point == best);
        let level = all().map(|trial| self.slots[trial].level).max();
        all().filter(|trial| Some(self.slots[*trial].level) == level).collect()
    }

    /// * `dimensions`: in any order, and maybe more than once
    pub(super) fn classes(&self, dimensions: impl IntoIterator<Item = usize>) -> Classes {
        let mut dimensions: Vec<usize> = dimensions.into_iter().collect();
        dimensions.sort_unstable();
        dimensions.dedup();
        let (mut of, mut firsts) = (Vec::new(), (0..self.count().min(1)).collect::<Vec<_>>());
        let is_all = dimensions.len() == self.dimensions();
        if is_all && !dimensions.is_empty() {
            of = (0..).take(self.count()).collect();
            firsts = (0..self.count()).collect();
            return Classes { dimensions, firsts, of };
        }
        for dimension in &dimensions {
            // Those of the dimensions so far, each divided along one more.
            let mut divided: HashMap<(u32, usize), u32> = HashMap::new();
            of.resize(self.count(), 0);
            firsts.clear();
            for (trial, class) in of.iter_mut().enumerate() {
                *class =
                    *divided.entry((*class, self.at(trial, *dimension))).or_insert_with(|| {
                        firsts.push(trial);
                        u32::try_from(firsts.len() - 1).expect("the number of trials is bounded")
                    });
            }
        }
        Classes { dimensions, firsts, of }
    }

    /// A label for each class: the values, the rung where it is not the last, and the seed along its dimensions.
    pub(super) fn labels(&self, classes: &Classes) -> Vec<Arc<str>> {
        let seeds: Vec<String> =
            self.addends.iter().map(|addend| format!("{SEED}={addend}")).collect();
        let folds: Vec<String> = (0..self.folds).map(|fold| format!("{FOLD}={fold}")).collect();
        let rungs: Vec<String> = (1..=self.rungs)
            .map(|rung| if rung < self.rungs { format!("{RUNG}={rung}") } else { String::new() })
            .collect();
        let part = |trial: usize, dimension: usize| match Some(dimension) {
            seed if seed == self.seeds() => seeds[self.at(trial, dimension)].as_str(),
            fold if fold == self.folds() => folds[self.at(trial, dimension)].as_str(),
            rung if rung == self.rungs() => rungs[self.at(trial, dimension)].as_str(),
            _ => self.points.part(self.slots[trial].point, dimension),
        };
        let label = |trial: &usize| {
            points::label(classes.dimensions.iter().map(|dimension| part(*trial, *dimension)))
        };
        classes.firsts.iter().map(label).collect()
    }

    pub(super) fn list(&self) -> Vec<Trial> {
        let whole = self.classes(0..self.dimensions());
        let labels = self.labels(&whole);
        let trial = |(number, slot): (usize, &Slot)| Trial {
            index: u32::try_from(number).expect("the number of trials is bounded"),
            label: Arc::clone(&labels[whole.of(number)]),
            point: Arc::clone(&self.points.list()[slot.point]),
            fold: self.fold(number).map(|[index, _]| index),
            level: slot.level,
        };
        self.slots.iter().enumerate().map(trial).collect()
    }
}
