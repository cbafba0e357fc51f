//! Whole groups to parts that are to have fractions.
//!
//! Groups, in the order of their value's hash, go to the part that lacks most of its fraction: first those with anomalies, against the
//! fractions of what they hold, then the others, against the fractions of all, so that a part gets some of either sort where there are enough.
//! A part that got none of a sort is given the group that fits best. What is then further from its fraction than [`NEAR`], because a large group came
//! late or there are few, is mended by moving single groups, or exchanging two, for as long as that brings the parts nearer.

use std::collections::HashMap;

use super::{Fractions, Item, Split};

/// How far from its fraction a part may end, as a share of all texts.
pub(super) const NEAR: f64 = 0.02;

/// Among more groups no two are exchanged: moving single ones does.
const EXCHANGED: usize = 200;

/// Examples with one value.
pub(super) struct Group {
    hash: u64,
    anomalous: bool,
    pub(super) members: Vec<usize>,
}

/// The sides among which groups are dealt; `None` is what is left for later.
pub(super) struct Targets(Vec<(Option<Split>, f64)>);

impl Targets {
    pub(super) fn all(fractions: Fractions) -> Self {
        Self::of(Split::ALL.map(|split| (Some(split), fractions.get(split))).to_vec())
    }

    pub(super) fn one(part: Split, fractions: Fractions) -> Self {
        let fraction = fractions.get(part);
        if fraction == 0.0 {
            return Self(Vec::new());
        }
        Self::of(vec![(None, 1.0 - fraction), (Some(part), fraction)])
    }

    fn of(mut sides: Vec<(Option<Split>, f64)>) -> Self {
        sides.retain(|(_, fraction)| *fraction > 1e-9);
        Self(sides)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The groups of `left` by the value numbered `number`, in the order of their hashes.
pub(super) fn collect(items: &[Item], left: &[usize], number: usize) -> Vec<Group> {
    let mut groups: HashMap<u64, Group> = HashMap::new();
    for index in left {
        let item = &items[*index];
        let hash = item.groups[number];
        let group = groups.entry(hash).or_insert_with(|| Group {
            hash,
            anomalous: false,
            members: Vec::new(),
        });
        group.anomalous |= item.class > 0;
        group.members.push(*index);
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_unstable_by_key(|group| group.hash);
    groups
}

/// Where the groups of one field came to lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupCounts {
    pub field: String,
    /// The only part for which the field counts, if there is one.
    pub part: Option<Split>,
    /// Different values.
    pub total: usize,
    /// In the order of [`Split::ALL`].
    pub parts: [usize; 3],
}

/// The side of each group. The error is a part for which there is no group.
pub(super) fn deal(groups: &[Group], targets: &Targets) -> Result<Vec<Option<Split>>, Split> {
    let mut table = Table::new(groups, targets);
    for anomalous in [true, false] {
        table.deal(anomalous);
    }
    table.give_to_empty(Table::count, |_| true);
    table.mend();
    match (0..targets.0.len()).find(|side| table.count(*side) == 0) {
        Some(side) => Err(targets.0[side].0.unwrap_or(Split::Train)),
        None => Ok(table.sides.iter().map(|side| targets.0[*side].0).collect()),
    }
}

/// Groups on their way to sides, which are numbered as in the targets.
struct Table<'a> {
    groups: &'a [Group],
    fractions: Vec<f64>,
    total: f64,
    sides: Vec<usize>,
    /// What each side has beyond its fraction, in texts; negative where it lacks.
    excess: Vec<f64>,
    /// How many groups each side has, without and with anomalies.
    counts: Vec<[usize; 2]>,
}

/// A group that goes to another side.
type Move = (usize, usize);

impl<'a> Table<'a> {
    fn new(groups: &'a [Group], targets: &Targets) -> Self {
        let fractions: Vec<f64> = targets.0.iter().map(|(_, fraction)| *fraction).collect();
        Self {
            groups,
            total: groups.iter().map(Group::size).sum(),
            sides: vec![0; groups.len()],
            excess: vec![0.0; fractions.len()],
            counts: vec![[0; 2]; fractions.len()],
            fractions,
        }
    }

    fn deal(&mut self, anomalous: bool) {
        let chosen: Vec<usize> = (0..self.groups.len())
            .filter(|index| self.groups[*index].anomalous == anomalous)
            .collect();
        let size: f64 = chosen.iter().map(|index| self.groups[*index].size()).sum();
        for (excess, fraction) in self.excess.iter_mut().zip(&self.fractions) {
            *excess -= fraction * size;
        }
        for index in chosen {
            let mut neediest = 0;
            for side in 1..self.excess.len() {
                // A hair more is the rounding of a sum, not a need.
                if self.excess[side] < self.excess[neediest] - 1e-6 {
                    neediest = side;
                }
            }
            self.sides[index] = neediest;
            self.excess[neediest] += self.groups[index].size();
            self.counts[neediest][usize::from(anomalous)] += 1;
        }
        let sort = usize::from(anomalous);
        self.give_to_empty(
            |table, side| table.counts[side][sort],
            |group| group.anomalous == anomalous,
        );
    }

    /// Gives each side that has nothing the group that fits best, of a side that has several.
    ///
    /// * `count`: what a side has
    /// * `fits`: the groups that count
    fn give_to_empty(
        &mut self,
        count: impl Fn(&Self, usize) -> usize,
        fits: impl Fn(&Group) -> bool,
    ) {
        for empty in 0..self.fractions.len() {
            if count(self, empty) > 0 {
                continue;
            }
            let best = (0..self.groups.len())
                .filter(|index| fits(&self.groups[*index]) && count(self, self.sides[*index]) > 1)
                .map(|index| ((index, empty), self.gain(&[(index, empty)])))
                .max_by(|(a, gain), (b, other)| gain.total_cmp(other).then(b.cmp(a)));
            if let Some((change, _)) = best {
                self.apply(&[change]);
            }
        }
    }

    /// Moves and exchanges groups until every side is near its fraction or nothing helps.
    fn mend(&mut self) {
        while self.is_far() && (self.move_single_ones() || self.exchange_two()) {}
    }

    fn is_far(&self) -> bool {
        self.excess.iter().any(|excess| excess.abs() > NEAR * self.total)
    }

    /// Lets each group, in their order, go where that helps most. False when no group was moved.
    fn move_single_ones(&mut self) -> bool {
        let mut any = false;
        for index in 0..self.groups.len() {
            let best = (0..self.fractions.len())
                .filter(|side| *side != self.sides[index])
                .map(|side| ((index, side), self.gain(&[(index, side)])))
                .max_by(|(a, gain), (b, other)| gain.total_cmp(other).then(b.cmp(a)));
            if let Some((change, gain)) = best
                && self.helps(gain)
                && self.keeps_sorts(&[change])
            {
                self.apply(&[change]);
                any = true;
                if !self.is_far() {
                    break;
                }
            }
        }
        any
    }

    /// Makes the exchange that helps most, where there are few groups.
    fn exchange_two(&mut self) -> bool {
        if self.groups.len() > EXCHANGED {
            return false;
        }
        let mut best: Option<(f64, [Move; 2])> = None;
        for one in 0..self.groups.len() {
            for other in one + 1..self.groups.len() {
                let change = [(one, self.sides[other]), (other, self.sides[one])];
                let gain = self.gain(&change);
                if self.helps(gain)
                    && best.as_ref().is_none_or(|(best, _)| gain > best + 1e-6)
                    && self.keeps_sorts(&change)
                {
                    best = Some((gain, change));
                }
            }
        }
        if let Some((_, change)) = &best {
            self.apply(change);
        }
        best.is_some()
    }

    fn helps(&self, gain: f64) -> bool {
        gain > 1e-6 * self.total.max(1.0)
    }

    /// By how much the sum of all distances from the fractions shrinks.
    fn gain(&self, changes: &[Move]) -> f64 {
        let distance = |excess: f64, side: usize| {
            let changed = changes.iter().fold(excess, |excess, (index, to)| {
                let size = self.groups[*index].size();
                let left = if self.sides[*index] == side { size } else { 0.0 };
                excess - left + if *to == side { size } else { 0.0 }
            });
            excess.abs() - changed.abs()
        };
        self.excess.iter().enumerate().map(|(side, excess)| distance(*excess, side)).sum()
    }

    /// Whether no side loses its last group with anomalies, nor its last one without.
    fn keeps_sorts(&self, changes: &[Move]) -> bool {
        changes.iter().all(|(index, _)| {
            let (side, anomalous) = (self.sides[*index], self.groups[*index].anomalous);
            let gets_one = changes
                .iter()
                .any(|(other, to)| *to == side && self.groups[*other].anomalous == anomalous);
            self.counts[side][usize::from(anomalous)] > 1 || gets_one
        })
    }

    fn apply(&mut self, changes: &[Move]) {
        for (index, side) in changes {
            let group = &self.groups[*index];
            let (from, sort) = (self.sides[*index], usize::from(group.anomalous));
            self.excess[from] -= group.size();
            self.excess[*side] += group.size();
            self.counts[from][sort] -= 1;
            self.counts[*side][sort] += 1;
            self.sides[*index] = *side;
        }
    }

    fn count(&self, side: usize) -> usize {
        self.counts[side].iter().sum()
    }
}

impl Group {
    fn size(&self) -> f64 {
        self.members.len() as f64
    }
}
