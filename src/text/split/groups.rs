//! Whole groups to parts that are to have fractions.
//!
//! Groups go in the order of their value's hash to the part that lacks most of its fraction. Those with more than a [`LARGE`] share of the
//! texts go one by one, by what each part lacks in texts. The others follow: they are laid in a row, which is cut where the parts have what
//! they still lack, and a group goes where its middle lies. So labels decide nothing, and a few lines more or less move the cuts by as many
//! texts and no group that lies away from them.
//!
//! A part that got no group is given the one that fits best of a part that has several.

use std::collections::HashMap;

use super::division::Item;
use super::{Fractions, Split};

/// A group with a larger share of the texts is not left to a cut, which could miss by half of it.
const LARGE: f64 = 0.05;

/// Examples with one value.
pub(super) struct Group {
    hash: u64,
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
    let mut groups: HashMap<u64, Vec<usize>> = HashMap::new();
    for index in left {
        groups.entry(items[*index].groups[number]).or_default().push(*index);
    }
    let mut groups: Vec<Group> =
        groups.into_iter().map(|(hash, members)| Group { hash, members }).collect();
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
    let fractions: Vec<f64> = targets.0.iter().map(|(_, fraction)| *fraction).collect();
    let sides = deal_to(groups, &fractions);
    let sides = sides.map_err(|side| targets.0[side].0.unwrap_or(Split::Train))?;
    Ok(sides.into_iter().map(|side| targets.0[side].0).collect())
}

/// The fold of each group, of so many equal ones; `None` where there are fewer groups.
pub(super) fn folds(groups: &[Group], count: usize) -> Option<Vec<usize>> {
    deal_to(groups, &vec![1.0 / count as f64; count]).ok()
}

/// The side of each group by number. The error is one for which there is no group.
fn deal_to(groups: &[Group], fractions: &[f64]) -> Result<Vec<usize>, usize> {
    let total: f64 = groups.iter().map(Group::size).sum();
    let lacks = fractions.iter().map(|fraction| fraction * total).collect();
    let mut table = Table { groups, sides: vec![0; groups.len()], lacks };
    let (large, small): (Vec<usize>, Vec<usize>) =
        (0..groups.len()).partition(|index| groups[*index].size() > LARGE * total);
    table.deal(&large);
    table.cut(&small);
    table.give_to_empty();
    match (0..fractions.len()).find(|side| table.count(*side) == 0) {
        Some(side) => Err(side),
        None => Ok(table.sides),
    }
}

/// Groups on their way to sides, which are numbered as in the targets.
struct Table<'a> {
    groups: &'a [Group],
    sides: Vec<usize>,
    /// What each side lacks of its fraction, in texts; negative where it has more.
    lacks: Vec<f64>,
}

impl Table<'_> {
    /// Each to the side that lacks most, the first of equals.
    fn deal(&mut self, chosen: &[usize]) {
        for index in chosen {
            let mut neediest = 0;
            for side in 1..self.lacks.len() {
                // A hair more is the rounding of a sum, not a need.
                if self.lacks[side] > self.lacks[neediest] + 1e-6 {
                    neediest = side;
                }
            }
            self.give(*index, neediest);
        }
    }

    /// Lays groups in a row, and cuts it in the proportions of what the sides lack.
    fn cut(&mut self, chosen: &[usize]) {
        let total: f64 = chosen.iter().map(|index| self.groups[*index].size()).sum();
        let needs: Vec<f64> = self.lacks.iter().map(|lack| lack.max(0.0)).collect();
        let needed: f64 = needs.iter().sum();
        let (mut start, mut side) = (0.0, 0);
        let end = |side: usize| needs[..=side].iter().sum::<f64>() * total / needed;
        for index in chosen {
            let size = self.groups[*index].size();
            while side + 1 < needs.len() && start + size / 2.0 > end(side) + 1e-6 {
                side += 1;
            }
            self.give(*index, side);
            start += size;
        }
    }

    fn give(&mut self, index: usize, side: usize) {
        self.sides[index] = side;
        self.lacks[side] -= self.groups[index].size();
    }

    /// Gives each side that has none the group by which all come nearest to their fractions, the first of equals.
    fn give_to_empty(&mut self) {
        for empty in (0..self.lacks.len()).filter(|side| self.count(*side) == 0).collect::<Vec<_>>()
        {
            let gain = |index: usize| {
                let (from, size) = (self.lacks[self.sides[index]], self.groups[index].size());
                let to = self.lacks[empty];
                from.abs() + to.abs() - (from + size).abs() - (to - size).abs()
            };
            let mut best: Option<(usize, f64)> = None;
            for index in (0..self.groups.len()).filter(|index| self.count(self.sides[*index]) > 1) {
                let gain = gain(index);
                if best.is_none_or(|(_, known)| gain > known + 1e-6) {
                    best = Some((index, gain));
                }
            }
            if let Some((index, _)) = best {
                self.lacks[self.sides[index]] += self.groups[index].size();
                self.give(index, empty);
            }
        }
    }

    fn count(&self, side: usize) -> usize {
        self.sides.iter().filter(|other| **other == side).count()
    }
}

impl Group {
    fn size(&self) -> f64 {
        self.members.len() as f64
    }
}
