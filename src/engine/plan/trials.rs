//! Trials, each a point with one of the seeds, and which of them are the same for a stage.
//!
//! A stage varies along some dimensions only: axes, by their numbers, and the seeds as the one after the last axis. The trials that agree along
//! these are one class, for which the stage is resolved, checked and computed once.

use std::collections::HashMap;
use std::sync::Arc;

use super::points::{self, Point, Points};
use crate::engine::spec::{Seeds, Value};

/// One point and seed.
#[derive(Debug, Clone)]
pub struct Trial {
    pub index: u32,
    /// Safe as a file's name, and the same whatever other points there are: `learning_rate=1e-5,seed=0`. Empty without a sweep.
    pub label: Arc<str>,
    pub point: Arc<Point>,
}

pub(super) struct Trials<'a> {
    pub(super) points: &'a Points,
    /// How many of the points there are trials of.
    point_count: usize,
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
    pub(super) fn new(points: &'a Points, seeds: Option<&'a Seeds>) -> Self {
        let addends = seeds.map_or(&[][..], |seeds| &seeds.addends);
        Self { points, point_count: points.list().len(), addends }
    }

    /// Only the first of them, where all would be too many.
    pub(super) fn first(&self) -> Self {
        let addends = &self.addends[..self.addends.len().min(1)];
        Self { points: self.points, point_count: self.point_count.min(1), addends }
    }

    pub(super) fn count(&self) -> usize {
        self.point_count * self.seed_count()
    }

    fn seed_count(&self) -> usize {
        self.addends.len().max(1)
    }

    /// The dimension of the seeds.
    pub(super) fn seeds(&self) -> Option<usize> {
        (!self.addends.is_empty()).then(|| self.points.axis_count())
    }

    pub(super) fn addend(&self, trial: usize) -> Option<u64> {
        self.addends.get(trial % self.seed_count()).copied()
    }

    /// Which of the values of an axis a trial has, or which of the seeds.
    pub(super) fn at(&self, trial: usize, dimension: usize) -> usize {
        if Some(dimension) == self.seeds() {
            trial % self.seed_count()
        } else {
            self.points.at(trial / self.seed_count(), dimension)
        }
    }

    pub(super) fn value(&self, trial: usize, axis: usize) -> &'a Value {
        self.points.value(trial / self.seed_count(), axis)
    }

    /// * `dimensions`: in any order, and maybe more than once
    pub(super) fn classes(&self, dimensions: impl IntoIterator<Item = usize>) -> Classes {
        let mut dimensions: Vec<usize> = dimensions.into_iter().collect();
        dimensions.sort_unstable();
        dimensions.dedup();
        let (mut of, mut firsts) = (Vec::new(), (0..self.count().min(1)).collect::<Vec<_>>());
        let is_all = dimensions.len() == self.points.axis_count() + self.seeds().iter().len();
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
        let part = |trial: usize, dimension: usize| match Some(dimension) == self.seeds() {
            true => seeds[trial % self.seed_count()].as_str(),
            false => self.points.part(trial / self.seed_count(), dimension),
        };
        let label = |trial: &usize| {
            points::label(classes.dimensions.iter().map(|dimension| part(*trial, *dimension)))
        };
        classes.firsts.iter().map(label).collect()
    }

    pub(super) fn list(&self) -> Vec<Trial> {
        let whole = self.classes(0..self.points.axis_count() + self.seeds().iter().len());
        let labels = self.labels(&whole);
        let trial = |trial: usize| Trial {
            index: u32::try_from(trial).expect("the number of trials is bounded"),
            label: Arc::clone(&labels[whole.of(trial)]),
            point: Arc::clone(&self.points.list()[trial / self.seed_count()]),
        };
        (0..self.count()).map(trial).collect()
    }
}
