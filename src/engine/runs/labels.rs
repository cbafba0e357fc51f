//! Which trials a run had, from the labels of its nodes: all that the record of an old program says of them.
//!
//! A label is the values that reach a node, such as `learning_rate=1e-5,seed=0`; a node that does not depend on an axis lacks its part. So a trial is a
//! label beyond which none goes, and it has the nodes whose labels are part of its own. The nodes of a stage that rungs reach have `rung=1` and so on in
//! their labels, and on the last rung nothing: they are no part of the trials of other rungs. Of a label that was cut because it is very long, what is
//! left stands for the whole.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::outline::{Outline, OutlinedStage, OutlinedTrial, TriedPoint};
use super::record::RunFile;
use crate::engine::plan::{CacheKey, FOLD, Level, RUNG, SEED};
use crate::engine::stage::StageKind;
use crate::engine::store::Entry;

/// The parts of labels that tell the trials of one point apart.
const REPLICATES: [&str; 2] = [SEED, FOLD];

/// A node, as far as it tells trials apart.
#[derive(Debug, Clone, Copy)]
struct Node<'a> {
    stage: &'a str,
    label: &'a str,
}

/// A trial and its nodes, by number.
#[derive(Debug, PartialEq, Eq)]
struct Labelled<'a> {
    label: &'a str,
    nodes: Vec<usize>,
}

impl Outline {
    /// As far as labels and entries tell it: nothing of the sweep as a whole.
    ///
    /// * `entries`: of each node, where it has one
    pub(super) fn of_labels(run: &RunFile, entries: &[Option<Entry>], kinds: &[StageKind]) -> Self {
        let mut outline = Self::default();
        for (node, entry) in run.nodes.iter().zip(entries) {
            if outline.stages.iter().any(|stage| stage.name == node.stage) {
                continue;
            }
            let kind = kinds.iter().find(|kind| kind.name == node.kind);
            let made = entry.as_ref().map(|entry| entry.manifest().artifact.as_str());
            let artifact = made.or_else(|| Some(kind?.output.name)).unwrap_or_default();
            if kind.is_some_and(|kind| kind.replicated) {
                outline.replicated.push(node.stage.clone());
            }
            outline.stages.push(OutlinedStage {
                name: node.stage.clone(),
                kind: node.kind.clone(),
                artifact: artifact.to_owned(),
                is_at_top: node.stage == node.kind && !kind.is_some_and(|kind| kind.aside),
                is_late: false,
                inputs: Vec::new(),
            });
        }
        outline.wire(run, entries);
        let nodes: Vec<Node<'_>> =
            run.nodes.iter().map(|node| Node { stage: &node.stage, label: &node.label }).collect();
        for labelled in trials(&nodes) {
            outline.add(&labelled, run, entries);
        }
        outline
    }

    /// Finds out what the stages were made from.
    fn wire(&mut self, run: &RunFile, entries: &[Option<Entry>]) {
        let stages: HashMap<CacheKey, usize> = run
            .nodes
            .iter()
            .filter_map(|node| Some((node.key?, self.place(&node.stage))))
            .collect();
        for (node, entry) in run.nodes.iter().zip(entries) {
            let Some(entry) = entry else { continue };
            let place = self.place(&node.stage);
            for key in entry.manifest().fingerprint.inputs.values() {
                let inputs = &mut self.stages[place].inputs;
                inputs.extend(stages.get(key).filter(|from| !inputs.contains(from)).copied());
            }
        }
    }

    /// Adds a trial.
    fn add(&mut self, labelled: &Labelled<'_>, run: &RunFile, entries: &[Option<Entry>]) {
        let is_fresh = run.fresh.iter().any(|fresh| *fresh == *labelled.label);
        let label = of_point(labelled.label, is_fresh);
        if self.points.last().is_none_or(|last| last.label != label) {
            let (values, texts) = (Vec::new(), Vec::new());
            self.points.push(TriedPoint { label, values, texts, distance: 0.0 });
        }
        let mut nodes = vec![None; self.stages.len()];
        for number in &labelled.nodes {
            nodes[self.place(&run.nodes[*number].stage)] = Some(*number);
        }
        let seed = |stage: &String| {
            let entry = entries[nodes[self.place(stage)]?].as_ref()?;
            entry.manifest().fingerprint.parameters.get(SEED)?.as_u64()
        };
        self.trials.push(OutlinedTrial {
            label: labelled.label.to_owned(),
            point: self.points.len() - 1,
            fold: fold(labelled.label),
            level: Level { is_fresh, ..Level::default() },
            seeds: self.replicated.iter().map(seed).collect(),
            nodes,
        });
    }

    fn place(&self, stage: &str) -> usize {
        let place = self.stages.iter().position(|known| known.name == stage);
        place.expect("all stages of the nodes were taken in")
    }
}

/// The trials of a run, in the order in which its nodes first name them.
fn trials<'a>(nodes: &[Node<'a>]) -> Vec<Labelled<'a>> {
    let labels = with_rungs(nodes);
    let mut of_labels: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut distinct: Vec<(&'a str, &str)> = Vec::new();
    for (number, label) in labels.iter().enumerate() {
        let of_label = of_labels.entry(label).or_default();
        if of_label.is_empty() {
            distinct.push((nodes[number].label, label));
        }
        of_label.push(number);
    }
    let shapes: BTreeSet<Vec<&str>> = distinct.iter().map(|(_, whole)| names(whole)).collect();
    let is_within = |small: &[&str], large: &[&str]| small.iter().all(|name| large.contains(name));
    let is_beyond = |shape: &Vec<&str>| {
        shapes.iter().any(|other| other.len() > shape.len() && is_within(shape, other))
    };
    let largest: BTreeSet<&Vec<&str>> = shapes.iter().filter(|shape| !is_beyond(shape)).collect();
    let trial = |(label, whole): (&'a str, &str)| {
        let own = names(whole);
        largest.contains(&own).then(|| {
            let within = shapes.iter().filter(|shape| is_within(shape, &own));
            let reaching = within.filter_map(|shape| of_labels.get(&*restricted(whole, shape)));
            let mut nodes: Vec<usize> = reaching.flatten().copied().collect();
            nodes.sort_unstable();
            Labelled { label, nodes }
        })
    };
    distinct.into_iter().filter_map(trial).collect()
}

/// The labels of nodes, those of the last rung with an empty `rung=` where others of their stages have one.
fn with_rungs<'a>(nodes: &[Node<'a>]) -> Vec<Cow<'a, str>> {
    let rung = |node: &Node<'a>| parts(node.label).find(|part| name(part) == RUNG);
    let climbing: HashSet<&str> =
        nodes.iter().filter(|node| rung(node).is_some()).map(|node| node.stage).collect();
    let whole = |node: &Node<'a>| match rung(node) {
        None if climbing.contains(node.stage) => format!("{RUNG}=,{}", node.label).into(),
        None => node.label.into(),
        Some(rung) => {
            let others = parts(node.label).filter(|part| name(part) != RUNG);
            [rung].into_iter().chain(others).collect::<Vec<_>>().join(",").into()
        }
    };
    nodes.iter().map(whole).collect()
}

/// What the trials are called together that differ from one of this label in seed and fold alone.
///
/// * `is_fresh`: whether its point was one of the best, and it has a fresh seed: from the seeds that made the point one they are kept apart
pub(super) fn of_point(label: &str, is_fresh: bool) -> String {
    let is_of_point = |part: &&str| !REPLICATES.contains(&name(part));
    let of_point = parts(label).filter(is_of_point).collect::<Vec<_>>().join(",");
    if is_fresh { of_point + ",fresh" } else { of_point }
}

/// Which part of the corpus validated.
fn fold(label: &str) -> Option<usize> {
    parts(label).find_map(|part| part.strip_prefix(FOLD)?.strip_prefix('=')?.parse().ok())
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

    fn node<'a>(stage: &'a str, label: &'a str) -> Node<'a> {
        Node { stage, label }
    }

    #[test]
    fn a_trial_has_the_nodes_that_its_values_reach() {
        let nodes = [
            node("corpus", ""),
            node("model", "rate=1"),
            node("train", "rate=1,seed=0"),
            node("train", "rate=2,seed=0"),
            node("model", "rate=2"),
            node("evaluate", "rate=1,seed=0"),
        ];
        let expected = [
            Labelled { label: "rate=1,seed=0", nodes: vec![0, 1, 2, 5] },
            Labelled { label: "rate=2,seed=0", nodes: vec![0, 3, 4] },
        ];
        assert_eq!(trials(&nodes), expected);
    }

    #[test]
    fn without_a_sweep_there_is_one_trial() {
        let nodes = [node("corpus", ""), node("train", "")];
        assert_eq!(trials(&nodes), [Labelled { label: "", nodes: vec![0, 1] }]);
        assert_eq!(trials(&[]), []);
    }

    #[test]
    fn axes_that_never_meet_have_trials_of_their_own() {
        let nodes = [node("corpus", ""), node("one", "a=1"), node("two", "b=1")];
        let labels: Vec<&str> = trials(&nodes).iter().map(|trial| trial.label).collect();
        assert_eq!(labels, ["a=1", "b=1"]);
    }

    #[test]
    fn what_the_last_rung_trained_is_no_part_of_an_earlier_one() {
        let nodes = [
            node("model", "size=1"),
            node("model", "size=2"),
            node("train", "size=1,rung=1,seed=0"),
            node("train", "size=2,rung=1,seed=0"),
            node("train", "size=2,seed=0"),
            node("train", "size=2,seed=1"),
        ];
        let expected = [
            Labelled { label: "size=1,rung=1,seed=0", nodes: vec![0, 2] },
            Labelled { label: "size=2,rung=1,seed=0", nodes: vec![1, 3] },
            Labelled { label: "size=2,seed=0", nodes: vec![1, 4] },
            Labelled { label: "size=2,seed=1", nodes: vec![1, 5] },
        ];
        assert_eq!(trials(&nodes), expected);
    }

    #[test]
    fn the_trials_of_a_point_differ_in_seed_and_fold() {
        assert_eq!(of_point("rate=1e-5,fold=2,seed=0", false), "rate=1e-5");
        assert_eq!(of_point("seed=0", false), "");
        assert_eq!(fold("rate=1e-5,fold=2,seed=0"), Some(2));
    }
}
