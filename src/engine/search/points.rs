//! The points of a file that searches: its axes as a space, and which points results allow to be proposed.
//!
//! Point `k` is proposed from the results of points `0 .. k - w`, where `w` is the file's `parallel`, while the `w - 1` before it are pending. So the
//! list depends on nothing but the file and its results: not on when trainings end, how many run at a time, or how often a search was broken off.

use std::sync::Arc;

use super::history::Outcome;
use super::memo::{Ended, Memo};
use super::propose::{Method, propose};
use super::space::{Axis, Condition, Point, Skip, Space, SpaceError, Value};
use crate::base::diagnostics::{Diagnostic, Span};
use crate::engine::plan;
use crate::engine::spec::{self, Along, AxisTarget, Data, Experiment, What};

/// How the points of a file are found.
pub struct Search<'e> {
    experiment: &'e Experiment,
    axes: &'e [spec::Axis],
    /// The axes that move as one, each an axis of the space.
    dimensions: Vec<Vec<usize>>,
    space: Space,
    method: Method,
    seed: u64,
    /// How many points there are to be.
    count: usize,
    /// How many of them are under way at a time.
    parallel: usize,
    /// The file's own values, which are point 0.
    own: Option<(Point, Vec<spec::Value>)>,
}

/// The points that were proposed so far.
#[derive(Debug, Clone)]
pub struct Proposed {
    /// Those that can be planned.
    pub points: plan::Points,
    list: Vec<Point>,
    /// Of each in the list, its place among `points`; none of one that is no experiment.
    places: Vec<Option<usize>>,
    /// Whether the space has no further point.
    pub is_exhausted: bool,
}

impl Proposed {
    /// Whether these are the same points.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.list == other.list
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What became of a point, where it is one of these.
    fn outcome(&self, point: &Point, known: &[Option<Outcome>]) -> Option<Outcome> {
        let number = self.list.iter().position(|tried| tried == point)?;
        match self.places[number] {
            Some(place) => *known.get(place)?,
            // What cannot be planned has failed.
            None => Some(Outcome::Failed),
        }
    }
}

impl<'e> Search<'e> {
    /// `None` of a file that tries every combination, or has no sweep.
    ///
    /// # Errors
    /// When its axes make no space.
    pub fn of(experiment: &'e Experiment) -> Result<Option<Self>, SpaceError> {
        let Some(sweep) = experiment.sweep.as_ref() else { return Ok(None) };
        let Some(points) = sweep.points.filter(|_| sweep.method() != spec::Method::Grid) else {
            return Ok(None);
        };
        let dimensions = sweep.dimensions();
        let skips = sweep.skip.iter().map(|skip| skipped(skip, &sweep.axes, &dimensions)).collect();
        let along = dimensions.iter().map(|of| along(&sweep.axes[of[0]])).collect();
        let space = Space::new(along, skips)?;
        let method = match sweep.method() {
            spec::Method::Random => Method::Random,
            spec::Method::Tpe => Method::Tpe,
            spec::Method::Gp => Method::Gp,
            spec::Method::Auto | spec::Method::Grid => Method::auto(&space),
        };
        Ok(Some(Self {
            experiment,
            axes: &sweep.axes,
            space,
            method,
            seed: experiment.seed.map_or(0, |(seed, _)| seed),
            count: points.count,
            parallel: sweep.parallel.map_or(1, |parallel| parallel.count),
            own: own(experiment, &sweep.axes, &dimensions),
            dimensions,
        }))
    }

    /// What is wrong where regions leave out the whole space, as far as that can be known before: then the file's own values are no answer either.
    #[must_use]
    pub fn all_left_out(&self) -> Option<Diagnostic> {
        let skips = &self.experiment.sweep.as_ref()?.skip;
        plan::all_left_out(skips).filter(|_| self.space.is_empty())
    }

    /// How many points there are to be.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// By what points are proposed.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// A digest of all that a proposal depends on, but for results.
    #[must_use]
    pub fn digest(&self) -> String {
        let Self { space, method, seed, parallel, own, .. } = self;
        let own = own.as_ref().map(|(point, _)| point);
        let text = format!("search 1\n{space:?}\n{method:?}\n{seed}\n{parallel}\n{own:?}");
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }

    /// The points that a memo has from the last time, which may be proposed again.
    #[must_use]
    pub fn remembered(&self, memo: &Memo) -> Proposed {
        let is_ours = |point: &&Point| point.len() == self.dimensions.len();
        let points = memo.points.iter().take(self.count).take_while(is_ours);
        self.all(points, &[])
    }

    /// The same points, of which some turned out to be no experiments.
    #[must_use]
    pub fn without(&self, proposed: &Proposed, refused: &[Point]) -> Proposed {
        Proposed { is_exhausted: proposed.is_exhausted, ..self.all(&proposed.list, refused) }
    }

    /// Each of the points that can be planned, and these points alone.
    pub fn each(&self, proposed: &Proposed) -> Vec<(Point, plan::Points)> {
        let planned =
            proposed.list.iter().zip(&proposed.places).filter(|(_, place)| place.is_some());
        planned.map(|(point, _)| (point.clone(), self.all([point], &[]).points)).collect()
    }

    fn all<'p>(&self, points: impl IntoIterator<Item = &'p Point>, refused: &[Point]) -> Proposed {
        let mut proposed = self.begin();
        points.into_iter().for_each(|point| self.add(&mut proposed, point.clone(), refused));
        proposed
    }

    /// All points that can be proposed.
    ///
    /// * `tried`: points whose results may be known
    /// * `known`: what became of those that can be planned, as far as that is known
    /// * `refused`: points that are no experiments
    #[must_use]
    pub fn propose(
        &self,
        tried: &Proposed,
        known: &[Option<Outcome>],
        refused: &[Point],
        memo: &mut Memo,
    ) -> Proposed {
        let mut proposed = self.begin();
        let mut ended = Ended::default();
        while proposed.len() < self.count && !proposed.is_exhausted {
            let number = proposed.len();
            let told = (number + 1).saturating_sub(self.parallel);
            for point in &proposed.list[ended.results().len()..told] {
                let Some(outcome) = tried.outcome(point, known) else { break };
                ended.push(point.clone(), outcome);
            }
            if ended.results().len() < told {
                break;
            }
            let pending = &proposed.list[told..];
            let next = match &self.own {
                Some((point, _)) if number == 0 => Some(point.clone()),
                _ => memo.proposal(&ended, pending, || {
                    propose(&self.space, self.method, self.seed, ended.results(), pending)
                }),
            };
            match next {
                Some(point) => self.add(&mut proposed, point, refused),
                None => proposed.is_exhausted = true,
            }
        }
        memo.points.clone_from(&proposed.list);
        proposed
    }

    fn begin(&self) -> Proposed {
        let points = plan::Points::none(self.experiment);
        Proposed { points, list: Vec::new(), places: Vec::new(), is_exhausted: false }
    }

    fn add(&self, proposed: &mut Proposed, point: Point, refused: &[Point]) {
        let place = (!refused.contains(&point)).then(|| {
            match &self.own {
                Some((own, values)) if *own == point => proposed.points.add(values.iter().cloned()),
                _ => {
                    let axes = self.axes.iter().enumerate();
                    proposed.points.add(axes.map(|(number, axis)| {
                        let at = self.dimensions.iter().position(|of| of.contains(&number));
                        value_of(axis, point[at.expect("every axis moves along one")])
                    }));
                }
            }
            proposed.points.list().len() - 1
        });
        proposed.places.push(place);
        proposed.list.push(point);
    }
}

/// An axis of a file as one of a space; of several that move as one, any.
pub(super) fn along(axis: &spec::Axis) -> Axis {
    let numbers: Option<Vec<f64>> = axis.values.iter().map(spec::Value::number).collect();
    let whole = |value: &spec::Value| match value.data {
        Data::Integer(value) => value,
        _ => 0,
    };
    match (axis.along, numbers.as_deref(), &axis.values[..]) {
        (Along::Uniform, Some([low, high]), _) => Axis::Uniform { low: *low, high: *high },
        (Along::Log, Some([low, high]), _) => Axis::Log { low: *low, high: *high },
        (Along::Int, _, [low, high]) => Axis::Int { low: whole(low), high: whole(high) },
        (Along::List, Some(numbers), _) => Axis::Ordered(numbers.to_vec()),
        _ => Axis::Choice(axis.values.len()),
    }
}

/// A region that is left out, as one of a space.
fn skipped(skip: &spec::Skip, axes: &[spec::Axis], dimensions: &[Vec<usize>]) -> Skip {
    let condition = |(target, condition): &(AxisTarget, spec::Condition)| {
        let number = axes.iter().position(|axis| axis.target == *target)?;
        let axis = &axes[number];
        let number = dimensions.iter().position(|of| of.contains(&number))?;
        let is = match &condition.what {
            what if !axis.along.is_range() => {
                let entries = axis.values.iter().enumerate();
                let held = entries.filter(|(_, value)| what.holds(value));
                Condition::Among(held.map(|(entry, _)| Value::Entry(entry)).collect())
            }
            What::Between { min, max } => Condition::Between {
                min: min.unwrap_or(f64::NEG_INFINITY),
                max: max.unwrap_or(f64::INFINITY),
            },
            What::Among(values) => {
                let on = |number: f64| match axis.along {
                    Along::Int => Value::Int(number as i64),
                    _ => Value::Real(number),
                };
                let numbers = values.iter().filter_map(spec::Value::number);
                let is_int = axis.along == Along::Int;
                let numbers = numbers.filter(|number| !is_int || number.fract() == 0.0);
                Condition::Among(numbers.map(on).collect())
            }
        };
        Some((number, is))
    };
    Skip(skip.conditions.iter().filter_map(condition).collect())
}

/// A place on an axis as the value of a parameter.
fn value_of(axis: &spec::Axis, value: Value) -> spec::Value {
    let data = match value {
        Value::Real(real) => Data::Float(real),
        Value::Int(int) => Data::Integer(int),
        Value::Entry(entry) => return axis.values[entry.min(axis.values.len() - 1)].clone(),
    };
    // It stands nowhere: its text is its own.
    let span = Span { end: axis.span.start, ..axis.span };
    spec::Value { data, span, folder: Arc::clone(&axis.values[0].folder) }
}

/// The point that a file is without its sweep, where it gives a value for every axis.
fn own(
    experiment: &Experiment,
    axes: &[spec::Axis],
    dimensions: &[Vec<usize>],
) -> Option<(Point, Vec<spec::Value>)> {
    let given = |axis: &spec::Axis| experiment.given(&axis.target);
    let values: Vec<spec::Value> = axes.iter().map(given).collect::<Option<_>>()?;
    // What is not on its axis lies outside of the space.
    let place = |of: &Vec<usize>| {
        let axis = &axes[of[0]];
        match (axis.along, values[of[0]].number()) {
            (Along::Uniform | Along::Log, Some(number)) => Value::Real(number),
            (Along::Int, Some(number)) if number.fract() == 0.0 && number.abs() < 1e15 => {
                Value::Int(number as i64)
            }
            (Along::List | Along::Choice, _) => {
                let is_own = |entry: &usize| {
                    of.iter().all(|at| axes[*at].values[*entry].is_same(&values[*at]))
                };
                Value::Entry((0..axis.values.len()).find(is_own).unwrap_or(usize::MAX))
            }
            _ => Value::Entry(usize::MAX),
        }
    };
    Some((dimensions.iter().map(place).collect(), values))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Score;
    use super::*;

    /// A sweep over a file with values for all axes but the last.
    fn file(method: &str, points: usize, parallel: usize) -> Experiment {
        let text = format!(
            "version = 1\nseed = 3\n[params]\nwidth = 16\n[stage.train]\nrate = 1e-4\nsize = \"@params.width\"\n\
             [sweep]\nmethod = \"{method}\"\nobjective = \"max train.score\"\npoints = {points}\nparallel = {parallel}\n\
             [sweep.over]\ntrain.rate = {{ log = [1e-5, 1e-2] }}\nparams.width = [8, 16, 32]\n"
        );
        Experiment::parse(Path::new("x.toml"), &text).expect("a good file")
    }

    /// What is best at a rate of 1e-3 and a width of 32.
    fn score(point: &plan::Point) -> Option<Outcome> {
        let [rate, width] = [0, 1].map(|at| point.values[at].1.as_f64().expect("a number"));
        let mean = -libm::fabs(libm::log10(rate) + 3.0) - (32.0 - width) / 32.0;
        Some(Outcome::Scored(Score { mean, sd: 0.0, n: 1 }))
    }

    /// The labels of all points, where so many results are known at a time.
    fn searched(experiment: &Experiment, at_a_time: usize) -> Vec<String> {
        let search = Search::of(experiment).expect("a space").expect("a search");
        let mut memo = Memo::default();
        let mut proposed = search.remembered(&memo);
        let mut done = 0;
        loop {
            let list = proposed.points.list();
            done = (done + at_a_time).min(list.len());
            let known: Vec<_> = list.iter().map(|it| score(it)).take(done).collect();
            let next = search.propose(&proposed, &known, &[], &mut memo);
            if next.is(&proposed) && done == list.len() {
                return list.iter().map(|point| point.label.to_string()).collect();
            }
            proposed = next;
        }
    }

    #[test]
    fn the_points_are_the_same_however_results_come_in() {
        for method in ["random", "tpe", "gp", "auto"] {
            let whole = searched(&file(method, 14, 3), 1);
            assert_eq!(whole.len(), 14, "{method}");
            assert_eq!(
                whole[0], "rate=1e-4,width=16",
                "{method}: the file's own values come first"
            );
            assert_eq!(searched(&file(method, 14, 3), 2), whole, "{method}");
            assert_eq!(searched(&file(method, 9, 3), 5), whole[..9], "{method}");
        }
    }

    #[test]
    fn how_many_are_under_way_changes_what_is_proposed_but_not_how_a_search_begins() {
        let [one, three] = [1, 3].map(|parallel| searched(&file("gp", 14, parallel), 9));
        assert_eq!(one[..3], three[..3]);
        assert_ne!(one, three);
    }

    #[test]
    fn without_results_only_as_many_points_are_proposed_as_are_under_way_at_a_time() {
        let experiment = file("tpe", 14, 4);
        let search = Search::of(&experiment).unwrap().unwrap();
        let none = search.remembered(&Memo::default());
        assert_eq!(search.propose(&none, &[], &[], &mut Memo::default()).len(), 4);
    }

    #[test]
    fn what_was_proposed_is_remembered_and_held_against_the_results() {
        let experiment = file("gp", 12, 1);
        let search = Search::of(&experiment).unwrap().unwrap();
        let mut memo = Memo::default();
        let mut proposed = search.remembered(&memo);
        while proposed.len() < 12 {
            let known: Vec<_> = proposed.points.list().iter().map(|it| score(it)).collect();
            proposed = search.propose(&proposed, &known, &[], &mut memo);
        }
        let all = search.remembered(&memo);
        assert!(all.is(&proposed));
        let mut known: Vec<_> = all.points.list().iter().map(|it| score(it)).collect();
        assert!(search.propose(&all, &known, &[], &mut memo).is(&all));
        known[8] = Some(Outcome::Failed);
        let other = search.propose(&all, &known, &[], &mut memo);
        let labels = |it: &Proposed| -> Vec<String> {
            it.points.list().iter().map(|point| point.label.to_string()).collect()
        };
        assert_eq!(labels(&other)[..9], labels(&all)[..9]);
    }

    #[test]
    fn a_space_without_further_points_ends_a_search_and_own_values_outside_of_it_are_a_point_all_the_same()
     {
        let text = "version = 1\n[stage.train]\nsize = 64\n[sweep]\nmethod = \"tpe\"\nobjective = \"max train.score\"\n\
                    points = 9\nparallel = 9\n[sweep.over]\ntrain.size = { int = [1, 3] }\n";
        let experiment = Experiment::parse(Path::new("x.toml"), text).unwrap();
        let search = Search::of(&experiment).unwrap().unwrap();
        let none = search.remembered(&Memo::default());
        let proposed = search.propose(&none, &[], &[], &mut Memo::default());
        let mut labels: Vec<&str> =
            proposed.points.list().iter().map(|point| &*point.label).collect();
        labels[1..].sort_unstable();
        assert_eq!(labels, ["size=64", "size=1", "size=2", "size=3"]);
        assert!(proposed.is_exhausted);
    }
}
