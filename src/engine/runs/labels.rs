//! Which trials a run had, from the labels of its nodes: all that a record says of them.
//!
//! A label is the values that reach a node, such as `learning_rate=1e-5,seed=0`; a node that does not depend on an axis lacks its part. So a trial is a
//! label beyond which none goes, and it has the nodes whose labels are part of its own. Of a label that was cut because it is very long, what is
//! left stands for the whole.

use std::collections::{BTreeSet, HashMap};

/// The parts of labels that tell the trials of one point apart.
const REPLICATES: [&str; 2] = ["seed", "fold"];

/// A trial and its nodes, by number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Labelled<'a> {
    pub(super) label: &'a str,
    pub(super) nodes: Vec<usize>,
}

/// The trials of a run, in the order in which its nodes first name them.
///
/// * `labels`: of the nodes
pub(super) fn trials<'a>(labels: &[&'a str]) -> Vec<Labelled<'a>> {
    let mut nodes: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut distinct: Vec<&'a str> = Vec::new();
    for (number, label) in labels.iter().enumerate() {
        let of_label = nodes.entry(label).or_default();
        if of_label.is_empty() {
            distinct.push(label);
        }
        of_label.push(number);
    }
    let shapes: BTreeSet<Vec<&str>> = distinct.iter().map(|label| names(label)).collect();
    let is_within = |small: &[&str], large: &[&str]| small.iter().all(|name| large.contains(name));
    let is_beyond = |shape: &Vec<&str>| {
        shapes.iter().any(|other| other.len() > shape.len() && is_within(shape, other))
    };
    let whole: BTreeSet<&Vec<&str>> = shapes.iter().filter(|shape| !is_beyond(shape)).collect();
    let trial = |label: &'a str| {
        let own = names(label);
        whole.contains(&own).then(|| {
            let within = shapes.iter().filter(|shape| is_within(shape, &own));
            let reaching = within.filter_map(|shape| nodes.get(&*restricted(label, shape)));
            let mut nodes: Vec<usize> = reaching.flatten().copied().collect();
            nodes.sort_unstable();
            Labelled { label, nodes }
        })
    };
    distinct.into_iter().filter_map(trial).collect()
}

/// The label of a trial's point: what is left without its seed and its fold.
pub(super) fn point(label: &str) -> String {
    let is_of_point = |part: &&str| !REPLICATES.contains(&name(part));
    parts(label).filter(is_of_point).collect::<Vec<_>>().join(",")
}

/// Which part of the corpus validated.
pub(super) fn fold(label: &str) -> Option<usize> {
    parts(label).find_map(|part| part.strip_prefix("fold=")?.parse().ok())
}

fn parts(label: &str) -> impl Iterator<Item = &str> {
    label.split(',').filter(|part| !part.is_empty())
}

fn name(part: &str) -> &str {
    part.split('=').next().unwrap_or_default()
}

fn names(label: &str) -> Vec<&str> {
    parts(label).map(name).collect()
}

/// What a label says along some axes.
fn restricted(label: &str, names: &[&str]) -> String {
    parts(label).filter(|part| names.contains(&name(part))).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_has_the_nodes_that_its_values_reach() {
        let labels = ["", "rate=1", "rate=1,seed=0", "rate=2,seed=0", "rate=2", "rate=1,seed=0"];
        let expected = [
            Labelled { label: "rate=1,seed=0", nodes: vec![0, 1, 2, 5] },
            Labelled { label: "rate=2,seed=0", nodes: vec![0, 3, 4] },
        ];
        assert_eq!(trials(&labels), expected);
    }

    #[test]
    fn without_a_sweep_there_is_one_trial() {
        assert_eq!(trials(&["", ""]), [Labelled { label: "", nodes: vec![0, 1] }]);
        assert_eq!(trials(&[]), []);
    }

    #[test]
    fn axes_that_never_meet_have_trials_of_their_own() {
        let labels: Vec<&str> =
            trials(&["", "a=1", "b=1"]).iter().map(|trial| trial.label).collect();
        assert_eq!(labels, ["a=1", "b=1"]);
    }

    #[test]
    fn the_trials_of_a_point_differ_in_seed_and_fold() {
        assert_eq!(point("rate=1e-5,fold=2,seed=0"), "rate=1e-5");
        assert_eq!(point("seed=0"), "");
        assert_eq!(fold("rate=1e-5,fold=2,seed=0"), Some(2));
    }
}
