//! The space that a search moves in: axes, the points on them, and regions that are left out.
//!
//! Every axis maps to the unit interval, where the methods work. A logarithmic axis is even in the logarithm; an axis
//! of `n` entries (whole numbers, lists, choices) falls into `n` cells of equal width, an entry sits in the middle
//! of its cell. A list's entries are evenly spaced in the order of their values: `[8, 16, 32]` as a person means it.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// What one parameter may be. Bounds are inclusive.
#[derive(Clone, Debug, PartialEq)]
pub enum Axis {
    Uniform {
        low: f64,
        high: f64,
    },
    Log {
        low: f64,
        high: f64,
    },
    Int {
        low: i64,
        high: i64,
    },
    /// A list of numbers, in any order: near in value means alike.
    Ordered(Vec<f64>),
    /// So many entries of which none is nearer to one than to another.
    Choice(usize),
}

/// A point's place on one axis.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// On [`Axis::Uniform`] and [`Axis::Log`].
    Real(f64),
    /// On [`Axis::Int`].
    Int(i64),
    /// The number of an entry, as listed, on [`Axis::Ordered`] and [`Axis::Choice`].
    Entry(usize),
}

/// One value per axis.
pub type Point = Vec<Value>;

/// What one axis must be for a point to lie in a region that is left out.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    Among(Vec<Value>),
    /// Bounds inclusive, on the number that a value stands for; a choice is never between.
    Between {
        min: f64,
        max: f64,
    },
}

/// A region that is left out: the points that meet every condition (axis, what it must be).
#[derive(Clone, Debug, PartialEq)]
pub struct Skip(pub Vec<(usize, Condition)>);

/// Why axes make no space; `axis` counts from 0.
#[derive(Clone, Debug, PartialEq)]
pub enum SpaceError {
    NoAxis,
    /// The lower bound is above the upper one, or one of them is no finite number.
    Bounds {
        axis: usize,
    },
    /// A logarithmic axis that reaches to 0 or below.
    NotPositive {
        axis: usize,
    },
    /// A list without entries, or with one that is no finite number.
    Entries {
        axis: usize,
    },
    /// A region that names an axis which is not there.
    SkipAxis {
        axis: usize,
    },
}

impl fmt::Display for SpaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAxis => write!(f, "a search needs at least one axis"),
            Self::Bounds { axis } => {
                write!(f, "axis {axis}: expected finite bounds, the lower one first")
            }
            Self::NotPositive { axis } => {
                write!(f, "axis {axis}: a logarithmic axis needs bounds above 0")
            }
            Self::Entries { axis } => write!(f, "axis {axis}: expected a list of finite numbers"),
            Self::SkipAxis { axis } => write!(f, "a region to skip names axis {axis} of none"),
        }
    }
}

impl std::error::Error for SpaceError {}

impl Axis {
    /// How many values there are; `None` where they are a continuum.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Uniform { low, high } | Self::Log { low, high } => (low == high).then_some(1),
            Self::Int { low, high } => Some(high.abs_diff(*low).saturating_add(1)),
            Self::Ordered(entries) => Some(entries.len() as u64),
            Self::Choice(entries) => Some(*entries as u64),
        }
    }

    /// Whether no value is nearer to one than to another.
    #[must_use]
    pub fn is_choice(&self) -> bool {
        matches!(self, Self::Choice(_))
    }

    /// The value at a place of the unit interval: a real rounded to 4 significant digits, an entry of its cell.
    fn at(&self, unit: f64) -> Value {
        let unit = unit.clamp(0.0, 1.0);
        match self {
            Self::Uniform { low, .. } | Self::Log { low, .. } if unit == 0.0 => Value::Real(*low),
            Self::Uniform { high, .. } | Self::Log { high, .. } if unit == 1.0 => {
                Value::Real(*high)
            }
            Self::Uniform { low, high } => {
                Value::Real(rounded(low + (high - low) * unit, *low, *high))
            }
            Self::Log { low, high } => {
                let exponent = libm::log(*high / *low) * unit;
                Value::Real(rounded(low * libm::exp(exponent), *low, *high))
            }
            Self::Int { low, high } => {
                let cell = cell_of(unit, high.abs_diff(*low).saturating_add(1));
                Value::Int(low.saturating_add_unsigned(cell).min(*high))
            }
            Self::Ordered(entries) => {
                Value::Entry(ranks(entries)[cell_of(unit, entries.len() as u64) as usize])
            }
            Self::Choice(entries) => Value::Entry(cell_of(unit, *entries as u64) as usize),
        }
    }

    /// The place of a value in the unit interval; `None` where it is not on the axis.
    fn position(&self, value: Value) -> Option<f64> {
        match (self, value) {
            (Self::Uniform { low, high }, Value::Real(real)) => {
                let inside = *low <= real && real <= *high;
                inside.then(|| if low == high { 0.5 } else { (real - low) / (high - low) })
            }
            (Self::Log { low, high }, Value::Real(real)) => {
                let inside = *low <= real && real <= *high;
                let share = || libm::log(real / low) / libm::log(high / low);
                inside.then(|| if low == high { 0.5 } else { share().clamp(0.0, 1.0) })
            }
            (Self::Int { low, high }, Value::Int(int)) => {
                let inside = *low <= int && int <= *high;
                inside.then(|| middle(int.abs_diff(*low), high.abs_diff(*low).saturating_add(1)))
            }
            (Self::Ordered(entries), Value::Entry(entry)) => {
                let rank = ranks(entries).iter().position(|other| *other == entry)?;
                Some(middle(rank as u64, entries.len() as u64))
            }
            (Self::Choice(entries), Value::Entry(entry)) => {
                (entry < *entries).then(|| middle(entry as u64, *entries as u64))
            }
            _ => None,
        }
    }

    /// Where a number lies on the unit interval, whether or not it is a value of the axis; at an end where it lies beyond.
    pub(super) fn place(&self, number: f64) -> f64 {
        let place = match self {
            Self::Uniform { low, high } | Self::Log { low, high } if low == high => 0.5,
            Self::Uniform { low, high } => (number - low) / (high - low),
            Self::Log { low, high } => {
                libm::log(number.clamp(*low, *high) / low) / libm::log(high / low)
            }
            Self::Int { low, high } => {
                let cells = high.abs_diff(*low).saturating_add(1) as f64;
                (number - *low as f64 + 0.5) / cells
            }
            Self::Ordered(entries) => {
                let order = ranks(entries);
                let after = order.iter().filter(|entry| entries[**entry] <= number).count();
                let count = entries.len() as u64;
                match (after.checked_sub(1).map(|at| order[at]), order.get(after)) {
                    (None, _) => middle(0, count),
                    (_, None) => middle(count - 1, count),
                    (Some(before), Some(next)) => {
                        let (low, high) = (entries[before], entries[*next]);
                        let share = (number - low) / (high - low);
                        middle(after as u64 - 1, count) + share / count as f64
                    }
                }
            }
            Self::Choice(_) => 0.5,
        };
        place.clamp(0.0, 1.0)
    }

    /// The number that a value stands for; `None` for a choice.
    fn number(&self, value: Value) -> Option<f64> {
        match (self, value) {
            (Self::Ordered(entries), Value::Entry(entry)) => entries.get(entry).copied(),
            (_, Value::Real(real)) => Some(real),
            (_, Value::Int(int)) => Some(int as f64),
            (_, Value::Entry(_)) => None,
        }
    }
}

/// The entries' numbers in the order of their values, equal ones as listed.
fn ranks(entries: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by(|a, b| entries[*a].total_cmp(&entries[*b]));
    order
}

fn cell_of(unit: f64, cells: u64) -> u64 {
    ((unit * cells as f64) as u64).min(cells - 1)
}

fn middle(cell: u64, cells: u64) -> f64 {
    (cell as f64 + 0.5) / cells as f64
}

/// Rounded to 4 significant digits, so that the last bits of another machine's arithmetic make no other point; a bound
/// stays as it is written.
fn rounded(value: f64, low: f64, high: f64) -> f64 {
    let short: f64 = format!("{value:.3e}").parse().expect("a formatted float is one");
    short.clamp(low, high)
}

/// Axes without the regions that are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    axes: Vec<Axis>,
    skips: Vec<Skip>,
}

impl Space {
    /// # Errors
    /// [`SpaceError`], about the first axis or region that makes no sense.
    pub fn new(axes: Vec<Axis>, skips: Vec<Skip>) -> Result<Self, SpaceError> {
        if axes.is_empty() {
            return Err(SpaceError::NoAxis);
        }
        for (axis, it) in axes.iter().enumerate() {
            match it {
                Axis::Uniform { low, high } | Axis::Log { low, high }
                    if !(low <= high && low.is_finite() && high.is_finite()) =>
                {
                    return Err(SpaceError::Bounds { axis });
                }
                Axis::Log { low, .. } if *low <= 0.0 => {
                    return Err(SpaceError::NotPositive { axis });
                }
                Axis::Int { low, high } if low > high => return Err(SpaceError::Bounds { axis }),
                Axis::Ordered(list) if list.is_empty() || list.iter().any(|n| !n.is_finite()) => {
                    return Err(SpaceError::Entries { axis });
                }
                Axis::Choice(0) => return Err(SpaceError::Entries { axis }),
                _ => {}
            }
        }
        let named = skips.iter().flat_map(|skip| skip.0.iter().map(|(axis, _)| *axis));
        if let Some(axis) = named.into_iter().find(|axis| *axis >= axes.len()) {
            return Err(SpaceError::SkipAxis { axis });
        }
        Ok(Self { axes, skips })
    }

    #[must_use]
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// How many points there are, those left out included; `None` where an axis is a continuum.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        self.axes
            .iter()
            .try_fold(1_u64, |product, axis| Some(product.saturating_mul(axis.count()?)))
    }

    /// The point at a place of the unit cube.
    #[must_use]
    pub fn at(&self, unit: &[f64]) -> Point {
        self.axes.iter().zip(unit).map(|(axis, unit)| axis.at(*unit)).collect()
    }

    /// The place of a point in the unit cube; `None` where the point is outside of the space.
    #[must_use]
    pub fn position(&self, point: &[Value]) -> Option<Vec<f64>> {
        let is_whole = point.len() == self.axes.len();
        let mut pairs = self.axes.iter().zip(point);
        is_whole.then(|| pairs.by_ref().map(|(axis, value)| axis.position(*value)).collect())?
    }

    /// Whether a point is in no region that is left out.
    #[must_use]
    pub fn allows(&self, point: &[Value]) -> bool {
        !self.skips.iter().any(|Skip(conditions)| {
            conditions.iter().all(|(axis, condition)| match condition {
                Condition::Among(values) => values.contains(&point[*axis]),
                Condition::Between { min, max } => self.axes[*axis]
                    .number(point[*axis])
                    .is_some_and(|number| *min <= number && number <= *max),
            })
        })
    }

    /// Whether the regions leave out all there is, as far as few values of each axis show it.
    ///
    /// A condition holds between two of its bounds or nowhere there, so that a value at and one between any two of them stand for all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        const MOST: usize = 100_000;
        let values: Vec<Vec<Value>> = (0..self.axes.len()).map(|axis| self.telling(axis)).collect();
        let count = values.iter().map(Vec::len).fold(1, usize::saturating_mul);
        let point = |mut number: usize| -> Point {
            let value = |values: &Vec<Value>| {
                let value = values[number % values.len()];
                number /= values.len();
                value
            };
            values.iter().map(value).collect()
        };
        count <= MOST && (0..count).all(|number| !self.allows(&point(number)))
    }

    /// Values of an axis of which one meets the same conditions as any other does.
    fn telling(&self, axis: usize) -> Vec<Value> {
        let conditions = self.skips.iter().flat_map(|skip| &skip.0).filter(|(on, _)| *on == axis);
        let mut bounds: Vec<f64> = conditions
            .flat_map(|(_, condition)| match condition {
                Condition::Between { min, max } => vec![*min, *max],
                Condition::Among(values) => {
                    values.iter().filter_map(|value| self.axes[axis].number(*value)).collect()
                }
            })
            .collect();
        match &self.axes[axis] {
            Axis::Uniform { low, high } | Axis::Log { low, high } => {
                bounds.retain(|bound| low < bound && bound < high);
                bounds.extend([*low, *high]);
                bounds.sort_by(f64::total_cmp);
                let between = bounds.windows(2).map(|pair| pair[0] + (pair[1] - pair[0]) / 2.0);
                between.chain(bounds.iter().copied()).map(Value::Real).collect()
            }
            Axis::Int { low, high } => {
                // Beyond the range of integers a cast stops at its ends.
                let near = bounds.iter().flat_map(|bound| {
                    let bound = bound.floor() as i64;
                    [bound.saturating_sub(1), bound, bound.saturating_add(1)]
                });
                let near: BTreeSet<i64> =
                    near.filter(|it| low <= it && it <= high).chain([*low, *high]).collect();
                near.into_iter().map(Value::Int).collect()
            }
            Axis::Ordered(entries) => (0..entries.len()).map(Value::Entry).collect(),
            Axis::Choice(entries) => (0..*entries).map(Value::Entry).collect(),
        }
    }

    /// Point `number` of the [`count`](Self::count) points of a space without a continuum; the last axis runs fastest.
    pub(crate) fn nth(&self, mut number: u64) -> Point {
        let mut point = Point::with_capacity(self.axes.len());
        for axis in self.axes.iter().rev() {
            let cells = axis.count().expect("only a space without a continuum is counted");
            point.push(axis.at(middle(number % cells, cells)));
            number /= cells;
        }
        point.reverse();
        point
    }
}

/// The points that were proposed already, or came from the file.
#[derive(Default)]
pub(crate) struct Seen(HashSet<Vec<(u8, u64)>>);

impl Seen {
    pub(crate) fn insert(&mut self, point: &[Value]) {
        self.0.insert(identity(point));
    }

    pub(crate) fn has(&self, point: &[Value]) -> bool {
        self.0.contains(&identity(point))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.len()
    }
}

fn identity(point: &[Value]) -> Vec<(u8, u64)> {
    let of = |value: &Value| match *value {
        // `+ 0.0` makes one of the two zeros.
        Value::Real(real) => (0, (real + 0.0).to_bits()),
        Value::Int(int) => (1, int.cast_unsigned()),
        Value::Entry(entry) => (2, entry as u64),
    };
    point.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn space() -> Space {
        let axes = vec![
            Axis::Log { low: 1.23456e-5, high: 1e-3 },
            Axis::Uniform { low: -0.5, high: 0.123456 },
            Axis::Int { low: -2, high: 3 },
            Axis::Ordered(vec![32.0, 8.0, 16.0]),
            Axis::Choice(4),
        ];
        Space::new(axes, vec![]).expect("a space")
    }

    #[test]
    fn regions_that_leave_out_everything_together_or_alone_make_a_space_empty() {
        let between = |min, max| Condition::Between { min, max };
        let is_empty = |skips: Vec<Vec<(usize, Condition)>>| {
            let axes = vec![Axis::Uniform { low: 0.0, high: 0.4 }, Axis::Int { low: 1, high: 9 }];
            Space::new(axes, skips.into_iter().map(Skip).collect()).expect("a space").is_empty()
        };
        assert!(!is_empty(vec![]));
        assert!(is_empty(vec![vec![(0, between(f64::NEG_INFINITY, 0.4))]]));
        assert!(!is_empty(vec![vec![(0, between(0.01, 0.4))]]));
        assert!(is_empty(vec![vec![(0, between(0.0, 0.3))], vec![(0, between(0.2, 1.0))]]));
        assert!(!is_empty(vec![vec![(0, between(0.0, 0.2))], vec![(0, between(0.3, 1.0))]]));
        let lower = (1, between(f64::NEG_INFINITY, 4.0));
        let upper = |min| (1, between(min, f64::INFINITY));
        assert!(is_empty(vec![vec![lower.clone()], vec![upper(4.5)]]));
        assert!(!is_empty(vec![vec![lower.clone()], vec![upper(5.5)]]));
        assert!(!is_empty(vec![vec![lower.clone()], vec![upper(4.5), (0, between(0.1, 0.4))]]));
        assert!(!is_empty(vec![vec![(
            0,
            Condition::Among(vec![Value::Real(0.0), Value::Real(0.4)])
        )]]));
        let five = (1, Condition::Among(vec![Value::Int(5)]));
        assert!(is_empty(vec![vec![lower], vec![five], vec![upper(6.0)]]));
    }

    proptest! {
        #[test]
        fn what_lies_in_the_cube_is_a_point_of_the_space(unit in prop::collection::vec(0.0..=1.0, 5)) {
            let point = space().at(&unit);
            let position = space().position(&point);
            prop_assert!(position.is_some(), "{point:?}");
        }

        #[test]
        fn a_point_lies_near_the_place_it_came_from(unit in prop::collection::vec(0.0..=1.0, 5)) {
            let position = space().position(&space().at(&unit)).expect("inside");
            let widths = [1e-3, 1e-3, 0.5 / 6.0, 0.5 / 3.0, 0.5 / 4.0];
            for ((unit, position), width) in unit.iter().zip(&position).zip(widths) {
                prop_assert!((unit - position).abs() <= width + 1e-12, "{unit} {position}");
            }
        }

        #[test]
        fn reals_have_four_digits(unit in 0.0..=1.0) {
            let Value::Real(real) = (Axis::Log { low: 1e-5, high: 1e-1 }).at(unit) else { panic!() };
            let text = format!("{real:e}");
            prop_assert!(text.split('e').next().expect("digits").len() <= 5, "{text}");
        }
    }

    #[test]
    fn a_number_lies_where_a_value_of_that_number_does_and_beyond_an_axis_at_its_end() {
        let axes = [
            Axis::Log { low: 1e-4, high: 1e-2 },
            Axis::Uniform { low: -1.0, high: 3.0 },
            Axis::Int { low: 2, high: 5 },
            Axis::Ordered(vec![32.0, 8.0, 16.0]),
        ];
        let values = [Value::Real(1e-3), Value::Real(0.5), Value::Int(3), Value::Entry(2)];
        for (axis, value) in axes.iter().zip(values) {
            let number = axis.number(value).expect("a number");
            let (place, position) = (axis.place(number), axis.position(value).expect("on it"));
            assert!((place - position).abs() < 1e-12, "{axis:?}: {place} {position}");
            let ends = [axis.place(-9e9), axis.place(9e9)];
            assert!(ends[0] >= 0.0 && ends[0] < place && place < ends[1] && ends[1] <= 1.0);
        }
        let between = (axes[3].place(16.0) + axes[3].place(32.0)) / 2.0;
        assert!((axes[3].place(24.0) - between).abs() < 1e-12);
    }

    #[test]
    fn a_list_is_ordered_by_value() {
        let axis = Axis::Ordered(vec![32.0, 8.0, 16.0]);
        assert_eq!([0.0, 0.5, 1.0].map(|unit| axis.at(unit)), [1, 2, 0].map(Value::Entry));
    }

    #[test]
    fn bounds_are_reached_though_they_have_more_digits() {
        let axis = Axis::Log { low: 1.23456e-5, high: 9.87654e-4 };
        assert_eq!([0.0, 1.0].map(|u| axis.at(u)), [1.23456e-5, 9.87654e-4].map(Value::Real));
    }

    #[test]
    fn a_region_is_left_out_where_all_its_conditions_hold() {
        let axes = vec![Axis::Log { low: 1e-5, high: 1e-3 }, Axis::Ordered(vec![8.0, 16.0])];
        let skip = Skip(vec![
            (0, Condition::Between { min: 5e-4, max: f64::INFINITY }),
            (1, Condition::Among(vec![Value::Entry(0)])),
        ]);
        let space = Space::new(axes, vec![skip]).expect("a space");
        let allowed = |rate, entry| space.allows(&[Value::Real(rate), Value::Entry(entry)]);
        assert_eq!([allowed(5e-4, 0), allowed(5e-4, 1), allowed(4.9e-4, 0)], [false, true, true]);
    }

    #[test]
    fn every_point_of_a_finite_space_is_counted_once() {
        let axes =
            vec![Axis::Int { low: 3, high: 5 }, Axis::Choice(4), Axis::Ordered(vec![1.0, 0.5])];
        let space = Space::new(axes, vec![]).expect("a space");
        let mut seen = Seen::default();
        (0..space.count().expect("finite")).for_each(|number| seen.insert(&space.nth(number)));
        assert_eq!(seen.len(), 24);
    }

    #[test]
    fn axes_that_make_no_sense_are_named() {
        let error = |axis| Space::new(vec![Axis::Choice(2), axis], vec![]).expect_err("an error");
        assert_eq!(
            [
                error(Axis::Uniform { low: 1.0, high: 0.0 }),
                error(Axis::Log { low: 0.0, high: 1.0 }),
                error(Axis::Ordered(vec![])),
            ],
            [
                SpaceError::Bounds { axis: 1 },
                SpaceError::NotPositive { axis: 1 },
                SpaceError::Entries { axis: 1 },
            ]
        );
    }
}
