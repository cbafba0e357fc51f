//! Trials, each a point with one of the folds and seeds, and which of them are the same for a stage.
//!
//! A stage varies along some dimensions only: axes, by their numbers, and after the last axis the folds and the seeds. The trials that agree along
//! these are one class, for which the stage is resolved, checked and computed once.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::points::{self, Point, Points};
use crate::engine::spec::{Sweep, Value};

/// One point and seed.
#[derive(Debug, Clone)]
pub struct Trial {
    pub index: u32,
    /// Safe as a file's name, and the same whatever other points there are: `learning_rate=1e-5,seed=0`. Empty without a sweep.
    pub label: Arc<str>,
    pub point: Arc<Point>,
    /// Which part of the corpus validates, in a sweep with folds.
    pub fold: Option<usize>,
}

pub(super) struct Trials<'a> {
    pub(super) points: &'a Points,
    /// How many of the points there are trials of.
    point_count: usize,
    /// How many parts of the corpus validate in turn; 0 where that does not vary.
    folds: usize,
    /// What each replicate adds to the seed; none where there are no replicates.
    addends: &'a [u64],
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
    /// * `sweep`: whose replicates there are of each point
    pub(super) fn new(points: &'a Points, sweep: Option<&'a Sweep>) -> Self {
        let seeds = sweep.and_then(|sweep| sweep.seeds.as_ref());
        let addends = seeds.map_or(&[][..], |seeds| &seeds.addends);
        let folds = sweep.and_then(|sweep| sweep.folds).map_or(0, |folds| folds.count);
        Self { points, point_count: points.list().len(), folds, addends }
    }

    /// Only the first of them, where all would be too many.
    pub(super) fn first(&self) -> Self {
        let addends = &self.addends[..self.addends.len().min(1)];
        let point_count = self.point_count.min(1);
        Self { points: self.points, point_count, folds: self.folds.min(1), addends }
    }

    pub(super) fn count(&self) -> usize {
        self.point_count.saturating_mul(self.replicates())
    }

    /// How many trials each point has: all seeds of the first fold, then those of the next.
    fn replicates(&self) -> usize {
        self.folds.max(1) * self.seed_count()
    }

    fn seed_count(&self) -> usize {
        self.addends.len().max(1)
    }

    /// The dimension of the folds.
    pub(super) fn folds(&self) -> Option<usize> {
        (self.folds > 0).then(|| self.points.axis_count())
    }

    /// The dimension of the seeds.
    pub(super) fn seeds(&self) -> Option<usize> {
        (!self.addends.is_empty()).then(|| self.points.axis_count() + self.folds().iter().len())
    }

    fn dimensions(&self) -> usize {
        self.points.axis_count() + self.folds().iter().len() + self.seeds().iter().len()
    }

    /// Which part of the corpus validates in a trial, and of how many.
    pub(super) fn fold(&self, trial: usize) -> Option<[usize; 2]> {
        (self.folds > 0).then(|| [trial / self.seed_count() % self.folds, self.folds])
    }

    pub(super) fn addend(&self, trial: usize) -> Option<u64> {
        self.addends.get(trial % self.seed_count()).copied()
    }

    /// Which of the values of an axis a trial has, or which of the folds or seeds.
    pub(super) fn at(&self, trial: usize, dimension: usize) -> usize {
        if Some(dimension) == self.seeds() {
            trial % self.seed_count()
        } else if Some(dimension) == self.folds() {
            trial / self.seed_count() % self.folds
        } else {
            self.points.at(trial / self.replicates(), dimension)
        }
    }

    pub(super) fn value(&self, trial: usize, axis: usize) -> &'a Value {
        self.points.value(trial / self.replicates(), axis)
    }

    /// Whether anything varies.
    pub(super) fn are_swept(&self) -> bool {
        self.dimensions() > 0
    }

    /// The trials of a point.
    pub(super) fn of_point(&self, point: Option<usize>) -> Range<usize> {
        let replicates = self.replicates();
        let point = point.filter(|point| *point < self.point_count);
        point.map_or(0..0, |point| point * replicates..(point + 1) * replicates)
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

    /// A label for each class: the values and the seed along its dimensions.
    pub(super) fn labels(&self, classes: &Classes) -> Vec<Arc<str>> {
        let seeds: Vec<String> =
            self.addends.iter().map(|addend| format!("seed={addend}")).collect();
        let folds: Vec<String> = (0..self.folds).map(|fold| format!("fold={fold}")).collect();
        let part = |trial: usize, dimension: usize| match Some(dimension) {
            seed if seed == self.seeds() => seeds[self.at(trial, dimension)].as_str(),
            fold if fold == self.folds() => folds[self.at(trial, dimension)].as_str(),
            _ => self.points.part(trial / self.replicates(), dimension),
        };
        let label = |trial: &usize| {
            points::label(classes.dimensions.iter().map(|dimension| part(*trial, *dimension)))
        };
        classes.firsts.iter().map(label).collect()
    }

    pub(super) fn list(&self) -> Vec<Trial> {
        let whole = self.classes(0..self.dimensions());
        let labels = self.labels(&whole);
        let trial = |trial: usize| Trial {
            index: u32::try_from(trial).expect("the number of trials is bounded"),
            label: Arc::clone(&labels[whole.of(trial)]),
            point: Arc::clone(&self.points.list()[trial / self.replicates()]),
            fold: self.fold(trial).map(|[index, _]| index),
        };
        (0..self.count()).map(trial).collect()
    }
}
