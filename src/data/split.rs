//! Dividing a corpus into parts.
//!
//! Without `by`, membership is random within each class, so that every part has the corpus's share of anomalies to within one text. With
//! `by = "field"`, all examples with the same value of the field stay on one side: groups with and without anomalies are dealt separately, in
//! random order, each to the part that lacks most, and a part that would get none of either sort is given one where there are enough.
//! Inside a part, examples keep the order of the file.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::SliceRandom as _;

use super::{Corpus, Example, Split};
use crate::rng::Rng;

/// How much of a corpus each part gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fractions {
    pub train: f64,
    pub validation: f64,
    pub test: f64,
}

impl Fractions {
    #[must_use]
    pub fn get(&self, split: Split) -> f64 {
        match split {
            Split::Train => self.train,
            Split::Validation => self.validation,
            Split::Test => self.test,
        }
    }

    fn check(&self) -> Result<(), SplitError> {
        for split in Split::ALL {
            let fraction = self.get(split);
            if !(0.0..=1.0).contains(&fraction) {
                return Err(SplitError::Fraction { split, fraction });
            }
        }
        let sum = self.train + self.validation + self.test;
        if (sum - 1.0).abs() > 1e-9 { Err(SplitError::Sum { sum }) } else { Ok(()) }
    }
}

/// Why a corpus cannot be divided as asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SplitError {
    #[error("the fraction of `{split}` is {fraction}, expected 0 to 1")]
    Fraction { split: Split, fraction: f64 },
    #[error("the fractions sum to {sum}, expected 1")]
    Sum { sum: f64 },
    #[error("line {line} has no field `{field}` to split by{}", known(.fields))]
    MissingField { field: String, line: usize, fields: Vec<String> },
    #[error("{} none for `{split}`, which is to get {fraction} of them", leave(*.examples))]
    TooFew { split: Split, fraction: f64, examples: usize },
    #[error("{groups} different values of `{field}` leave none for `{split}`")]
    TooFewGroups { split: Split, field: String, groups: usize },
}

fn leave(examples: usize) -> String {
    if examples == 1 { "1 example leaves".to_owned() } else { format!("{examples} examples leave") }
}

fn known(fields: &[String]) -> String {
    if fields.is_empty() { String::new() } else { format!("; it has `{}`", fields.join("`, `")) }
}

/// Divides `examples`, drawing from streams of `rng` only.
///
/// # Errors
/// [`SplitError`] when the fractions do not sum to 1, a line lacks the field, or a part that is to get something would be empty.
pub fn split(
    examples: Vec<Example>,
    fractions: Fractions,
    by: Option<&str>,
    rng: Rng,
) -> Result<Corpus, SplitError> {
    fractions.check()?;
    let count = examples.len();
    let membership = match by {
        None => stratified(&examples, fractions, rng),
        Some(field) => grouped(&examples, fractions, field, rng)?,
    };
    let mut corpus = Corpus::default();
    for (example, split) in examples.into_iter().zip(membership) {
        corpus.get_mut(split).push(example);
    }
    for split in Split::ALL {
        let fraction = fractions.get(split);
        if fraction > 0.0 && corpus.get(split).is_empty() {
            return Err(SplitError::TooFew { split, fraction, examples: count });
        }
    }
    Ok(corpus)
}

fn stratified(examples: &[Example], fractions: Fractions, rng: Rng) -> Vec<Split> {
    let mut membership = vec![Split::Train; examples.len()];
    let mut seen = 0;
    for class in [0, 1] {
        let mut members: Vec<usize> =
            (0..examples.len()).filter(|index| examples[*index].anomaly == class).collect();
        members.shuffle(&mut rng.stream(&format!("split/{class}")));
        let mut from = 0;
        for (split, to) in Split::ALL.into_iter().zip(class_ends(fractions, seen, members.len())) {
            for index in &members[from..to] {
                membership[*index] = split;
            }
            from = to;
        }
        seen += members.len();
    }
    membership
}

/// Where each part ends among the `count` members of a class that follow `seen` members of others: sizes come out right in total, and for
/// each class to within one.
fn class_ends(fractions: Fractions, seen: usize, count: usize) -> [usize; 3] {
    let ends = |seen: usize| {
        let end = |fraction: f64| (seen as f64 * fraction).round() as usize;
        [end(fractions.train), end(fractions.train + fractions.validation).min(seen)]
    };
    let (before, after) = (ends(seen), ends(seen + count));
    let train = (after[0] - before[0]).clamp(0, count);
    [train, (after[1] - before[1]).clamp(train, count), count]
}

/// Says whether a corpus of so many normal texts and anomalies can be divided without `by`, before there is one.
///
/// # Errors
/// [`SplitError::TooFew`] as [`split`].
pub fn check_sizes(
    [normal, anomalies]: [usize; 2],
    fractions: Fractions,
) -> Result<(), SplitError> {
    let (one, other) = (class_ends(fractions, 0, normal), class_ends(fractions, normal, anomalies));
    for (part, split) in Split::ALL.into_iter().enumerate() {
        let start = |ends: [usize; 3]| if part == 0 { 0 } else { ends[part - 1] };
        let fraction = fractions.get(split);
        if fraction > 0.0 && one[part] == start(one) && other[part] == start(other) {
            return Err(SplitError::TooFew { split, fraction, examples: normal + anomalies });
        }
    }
    Ok(())
}

fn grouped(
    examples: &[Example],
    fractions: Fractions,
    field: &str,
    rng: Rng,
) -> Result<Vec<Split>, SplitError> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, example) in examples.iter().enumerate() {
        let Some(value) = example.fields.get(field) else {
            let fields = example.fields.keys().cloned().collect();
            return Err(SplitError::MissingField {
                field: field.into(),
                line: example.line,
                fields,
            });
        };
        groups.entry(value).or_default().push(index);
    }
    let count = groups.len();
    let (anomalous, normal): (Vec<_>, Vec<_>) = groups
        .into_values()
        .partition(|members| members.iter().any(|index| examples[*index].anomaly == 1));
    let mut membership = vec![Split::Train; examples.len()];
    for (name, mut groups) in
        [("split/normal groups", normal), ("split/anomalous groups", anomalous)]
    {
        groups.shuffle(&mut rng.stream(name));
        for (group, split) in groups.iter().zip(deal(&groups, fractions)) {
            for index in group {
                membership[*index] = split;
            }
        }
    }
    let used: BTreeSet<Split> = membership.iter().copied().collect();
    match Split::ALL.into_iter().find(|split| fractions.get(*split) > 0.0 && !used.contains(split))
    {
        Some(split) => Err(SplitError::TooFewGroups { split, field: field.into(), groups: count }),
        None => Ok(membership),
    }
}

/// The part of each group, in the order of `groups`.
fn deal(groups: &[Vec<usize>], fractions: Fractions) -> Vec<Split> {
    let total: usize = groups.iter().map(Vec::len).sum();
    let wanted: Vec<Split> =
        Split::ALL.into_iter().filter(|split| fractions.get(*split) > 0.0).collect();
    let mut missing: BTreeMap<Split, f64> =
        wanted.iter().map(|split| (*split, fractions.get(*split) * total as f64)).collect();
    let mut parts: Vec<Split> = Vec::with_capacity(groups.len());
    for group in groups {
        let mut neediest = wanted[0];
        for split in &wanted {
            if missing[split] > missing[&neediest] {
                neediest = *split;
            }
        }
        missing.entry(neediest).and_modify(|missing| *missing -= group.len() as f64);
        parts.push(neediest);
    }
    for empty in &wanted {
        if parts.contains(empty) {
            continue;
        }
        let of = |split: Split| parts.iter().filter(|part| **part == split).count();
        let donor =
            wanted.iter().copied().max_by_key(|split| of(*split)).filter(|split| of(*split) > 1);
        let target = fractions.get(*empty) * total as f64;
        let distance = |index: &usize| (groups[*index].len() as f64 - target).abs();
        let best = (0..groups.len())
            .filter(|index| Some(parts[*index]) == donor)
            .min_by(|a, b| distance(a).total_cmp(&distance(b)));
        if let Some(index) = best {
            parts[index] = *empty;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    fn corpus(count: usize, anomalies: usize, groups: usize) -> Vec<Example> {
        (0..count)
            .map(|index| Example {
                text: format!("{index}"),
                entities: Vec::new(),
                anomaly: u32::from(index < anomalies),
                fields: [("event".to_owned(), format!("E{}", index % groups))].into(),
                line: index + 1,
            })
            .collect()
    }

    fn fractions(train: f64, validation: f64) -> Fractions {
        Fractions { train, validation, test: (1.0 - train - validation).max(0.0) }
    }

    fn anomalies(examples: &[Example]) -> usize {
        examples.iter().filter(|example| example.anomaly == 1).count()
    }

    #[test]
    fn the_recipe_splits_into_4000_and_1000_with_the_same_share_of_anomalies() {
        let corpus = split(corpus(5000, 1500, 7), fractions(0.8, 0.2), None, Rng::new(42)).unwrap();
        assert_eq!(
            (corpus.train.len(), corpus.validation.len(), corpus.test.len()),
            (4000, 1000, 0)
        );
        assert_eq!((anomalies(&corpus.train), anomalies(&corpus.validation)), (1200, 300));
    }

    #[test]
    fn another_seed_gives_another_split_and_the_same_seed_the_same() {
        let lines = |seed| -> Vec<usize> {
            let corpus =
                split(corpus(100, 30, 7), fractions(0.8, 0.2), None, Rng::new(seed)).unwrap();
            corpus.validation.iter().map(|example| example.line).collect()
        };
        assert_eq!(lines(1), lines(1));
        assert_ne!(lines(1), lines(2));
        assert!(lines(1).is_sorted());
    }

    #[test]
    fn fractions_that_do_not_sum_to_one_are_refused() {
        let of = |train, validation, test| {
            split(corpus(9, 3, 3), Fractions { train, validation, test }, None, Rng::new(1))
        };
        assert_eq!(of(0.5, 0.25, 0.0), Err(SplitError::Sum { sum: 0.75 }));
        assert!(matches!(
            of(1.5, -0.5, 0.0),
            Err(SplitError::Fraction { split: Split::Train, .. })
        ));
        assert!(matches!(of(f64::NAN, 0.5, 0.5), Err(SplitError::Fraction { .. })));
        assert!(of(0.7, 0.2, 0.1).is_ok());
    }

    #[test]
    fn a_missing_field_is_an_error_that_names_the_line() {
        let mut examples = corpus(4, 2, 2);
        examples[2].fields = [("tag".to_owned(), "-".to_owned())].into();
        let error = split(examples, fractions(0.5, 0.5), Some("event"), Rng::new(1)).unwrap_err();
        assert_eq!(error.to_string(), "line 3 has no field `event` to split by; it has `tag`");
    }

    #[test]
    fn a_part_that_would_be_empty_is_an_error() {
        assert!(matches!(
            split(corpus(2, 1, 1), fractions(0.9, 0.1), None, Rng::new(1)),
            Err(SplitError::TooFew { .. })
        ));
        let error =
            split(corpus(9, 3, 1), fractions(0.5, 0.5), Some("event"), Rng::new(1)).unwrap_err();
        assert_eq!(error.to_string(), "1 different values of `event` leave none for `validation`");
    }

    #[test]
    fn two_anomalous_groups_go_to_two_parts() {
        let mut examples = corpus(60, 0, 6);
        for example in &mut examples {
            example.anomaly = u32::from(["E0", "E1"].contains(&example.fields["event"].as_str()));
        }
        let corpus = split(examples, fractions(0.8, 0.2), Some("event"), Rng::new(1)).unwrap();
        assert_eq!((anomalies(&corpus.train), anomalies(&corpus.validation)), (10, 10));
    }

    proptest! {
        #[test]
        fn sizes_are_known_before_there_is_a_corpus(normal in 0..12_usize, anomalous in 0..12_usize, train in 0.0..1.0_f64, share in 0.0..1.0_f64) {
            let fractions = fractions(train, (1.0 - train) * share);
            let whole = split(corpus(normal + anomalous, anomalous, 3), fractions, None, Rng::new(1));
            prop_assert_eq!(check_sizes([normal, anomalous], fractions).err(), whole.err());
        }

        #[test]
        fn parts_hold_every_example_once_and_groups_stay_whole(
            count in 12_usize..200, anomalous in 0_usize..200, groups in 3_usize..12, train in 1_u32..8, validation in 1_u32..8,
            by in any::<bool>(), seed in any::<u64>(),
        ) {
            let sum = f64::from(train + validation + 1);
            let fractions = Fractions { train: f64::from(train) / sum, validation: f64::from(validation) / sum, test: 1.0 / sum };
            let by = by.then_some("event");
            let Ok(parts) = split(corpus(count, anomalous, groups), fractions, by, Rng::new(seed)) else { return Ok(()) };
            let mut lines: Vec<usize> = Split::ALL.iter().flat_map(|split| parts.get(*split)).map(|example| example.line).collect();
            lines.sort_unstable();
            prop_assert_eq!(lines, (1..=count).collect::<Vec<_>>());
            if by.is_some() {
                let of = |split| parts.get(split).iter().map(|example: &Example| example.fields["event"].clone()).collect::<BTreeSet<_>>();
                let sides = Split::ALL.map(of);
                prop_assert!(sides[0].is_disjoint(&sides[1]) && sides[0].is_disjoint(&sides[2]) && sides[1].is_disjoint(&sides[2]));
            } else {
                for split in Split::ALL {
                    let expected = fractions.get(split) * count as f64;
                    prop_assert!((parts.get(split).len() as f64 - expected).abs() <= 2.0, "{split}: {} of {expected}", parts.get(split).len());
                    let share = fractions.get(split) * anomalous.min(count) as f64;
                    prop_assert!((anomalies(parts.get(split)) as f64 - share).abs() <= 2.0);
                }
            }
        }
    }
}
