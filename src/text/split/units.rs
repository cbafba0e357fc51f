//! What goes to one part as a whole: an example by itself, or all of equal texts.

use std::collections::{BTreeMap, HashMap};

use super::division::{Item, digest};
use super::membership::Contradictions;

/// The units of each class, by rank.
pub(super) fn strata(units: &[Unit]) -> Vec<Vec<&Unit>> {
    let mut strata: BTreeMap<u64, Vec<&Unit>> = BTreeMap::new();
    units.iter().for_each(|unit| strata.entry(unit.class).or_default().push(unit));
    for stratum in strata.values_mut() {
        stratum.sort_unstable_by_key(|unit| (unit.rank, unit.tie));
    }
    strata.into_values().collect()
}

/// Examples that go to one part.
pub(super) struct Unit {
    pub(super) rank: u64,
    /// Decides between equal ranks.
    pub(super) tie: u128,
    pub(super) class: u64,
    pub(super) members: Vec<usize>,
}

pub(super) fn text_units(items: &[Item], left: &[usize]) -> Vec<Unit> {
    let mut places: HashMap<u128, usize> = HashMap::with_capacity(left.len());
    let mut units: Vec<Unit> = Vec::new();
    for index in left {
        let item = &items[*index];
        let place = *places.entry(item.text).or_insert_with(|| {
            let unit = Unit { rank: item.rank, tie: item.text, class: 0, members: Vec::new() };
            units.push(unit);
            units.len() - 1
        });
        let unit = &mut units[place];
        unit.rank = unit.rank.min(item.rank);
        unit.members.push(*index);
    }
    units.iter_mut().for_each(|unit| unit.class = majority(items, &unit.members));
    units
}

/// Equal ones are told apart by their order.
pub(super) fn single_units(items: &[Item], left: &[usize]) -> Vec<Unit> {
    let mut times: HashMap<(u64, u128), u64> = HashMap::with_capacity(left.len());
    let unit = |index: &usize| {
        let item = &items[*index];
        let earlier = times.entry((item.rank, item.text)).or_insert(0);
        let rank = match *earlier {
            0 => item.rank,
            // A bijection with good diffusion would do as well; this one is at hand.
            number => digest(&[&item.rank.to_le_bytes(), &number.to_le_bytes()]) as u64,
        };
        *earlier += 1;
        Unit { rank, tie: item.text, class: item.class, members: vec![*index] }
    };
    left.iter().map(unit).collect()
}

/// The class of most; anomalies are the rarer class, and win a tie.
fn majority(items: &[Item], members: &[usize]) -> u64 {
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    members.iter().for_each(|index| *counts.entry(items[*index].class).or_default() += 1);
    counts.into_iter().max_by_key(|(class, count)| (*count, *class)).map_or(0, |(class, _)| class)
}

/// The one that stays of each text, in the order of the items.
pub(super) fn representatives(items: &[Item], contradictions: &mut Contradictions) -> Vec<usize> {
    let all: Vec<usize> = (0..items.len()).collect();
    let mut kept: Vec<usize> = Vec::new();
    for Unit { members, .. } in text_units(items, &all) {
        let first = members[0];
        let other = members.iter().find(|index| items[**index].labels != items[first].labels);
        let Some(other) = other else {
            kept.push(first);
            continue;
        };
        contradictions.examples += members.len();
        contradictions.texts += 1;
        contradictions.first.get_or_insert([first, *other]);
        let class = |index: &usize| items[*index].class;
        let labels = |index: &usize| items[*index].labels;
        let of_class = most(&members, class);
        kept.push(most(&of_class, labels)[0]);
    }
    kept.sort_unstable();
    kept
}

/// Those of `members` that have the value of most; on a tie, the one that stands first.
fn most(members: &[usize], value: impl Fn(&usize) -> u64) -> Vec<usize> {
    let mut counts: HashMap<u64, usize> = HashMap::new();
    members.iter().for_each(|index| *counts.entry(value(index)).or_default() += 1);
    let largest = counts.values().max();
    let winner = members.iter().map(&value).find(|value| counts.get(value) == largest);
    members.iter().copied().filter(|index| Some(value(index)) == winner).collect()
}
