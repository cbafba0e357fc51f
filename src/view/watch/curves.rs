//! What a training tells of its way, as curves: of steps, and of evaluations.

use std::borrow::Cow;

/// So many points of a curve are kept, which is more than any terminal shows.
const MOST: usize = 2_000;

/// The loss of a training, as it tells it while it goes and where it evaluates itself.
pub(super) const LOSS: &str = "loss";

/// The curves of one training.
pub(super) struct Curves {
    /// That of its node.
    pub(super) title: String,
    /// By name, as they were first told.
    pub(super) on_the_way: Vec<(String, Curve)>,
    /// The same of evaluations, which split they are of before the name.
    pub(super) evaluated: Vec<(String, Curve)>,
    /// How many steps there are to be, where that is known.
    pub(super) total: u64,
}

/// One number over steps.
#[derive(Debug, Default)]
pub(super) struct Curve {
    pub(super) points: Vec<(f64, f64)>,
    /// Of so many points that come one is kept.
    stride: usize,
    come: usize,
}

impl Curve {
    /// Takes a point. A step that comes again, since a training went on from a saved state, begins the rest anew.
    fn take(&mut self, step: u64, value: f64) {
        if !value.is_finite() {
            return;
        }
        let step = step as f64;
        let known = self.points.partition_point(|(at, _)| *at < step);
        self.points.truncate(known);
        self.stride = self.stride.max(1);
        if self.come.is_multiple_of(self.stride) {
            self.points.push((step, value));
        }
        self.come += 1;
        if self.points.len() >= MOST {
            let mut number = 0;
            self.points.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.stride *= 2;
        }
    }
}

impl Curves {
    pub(super) fn new(title: String) -> Self {
        Self { title, on_the_way: Vec::new(), evaluated: Vec::new(), total: 0 }
    }

    pub(super) fn progress(&mut self, step: u64, total: u64, numbers: &[(Cow<'static, str>, f64)]) {
        self.total = total;
        for (name, value) in numbers {
            named(&mut self.on_the_way, name).take(step, *value);
        }
    }

    pub(super) fn evaluated(&mut self, step: u64, metrics: &[(String, Option<f64>)]) {
        for (name, value) in metrics {
            let curve = named(&mut self.evaluated, name);
            if let Some(value) = value {
                curve.take(step, *value);
            }
        }
    }

    /// The scores that it was evaluated by: what it does not tell of each step.
    pub(super) fn scores(&self) -> impl Iterator<Item = &(String, Curve)> {
        let is_told = |name: &String| self.on_the_way.iter().any(|(told, _)| told == name);
        self.evaluated.iter().filter(move |(name, _)| !is_told(name))
    }
}

fn named<'c>(curves: &'c mut Vec<(String, Curve)>, name: &str) -> &'c mut Curve {
    let place = curves.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
        curves.push((name.to_owned(), Curve::default()));
        curves.len() - 1
    });
    &mut curves[place].1
}

/// The curve of a name.
pub(super) fn find<'c>(curves: &'c [(String, Curve)], name: &str) -> Option<&'c Curve> {
    curves.iter().find(|(known, _)| known == name).map(|(_, curve)| curve)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_keeps_some_of_its_points_and_its_ends() {
        let mut curve = Curve::default();
        (0..100_000).for_each(|step| curve.take(step, 1.0));
        assert!(curve.points.len() <= MOST && curve.points.len() >= MOST / 4);
        assert_eq!(curve.points[0].0, 0.0);
        assert!(curve.points.last().expect("points").0 > 99_000.0);
    }

    #[test]
    fn what_goes_on_from_a_saved_state_takes_the_place_of_what_was_told_behind_it() {
        let mut curve = Curve::default();
        for (step, value) in [(1, 3.0), (2, 2.0), (3, 9.0), (2, 1.5), (3, 1.0)] {
            curve.take(step, value);
        }
        assert_eq!(curve.points, [(1.0, 3.0), (2.0, 1.5), (3.0, 1.0)]);
    }
}
