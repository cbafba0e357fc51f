//! Stages and single trials by name: `train`, `train [learning_rate=1e-5,seed=0]`.

use std::collections::BTreeSet;

use super::{Node, NodeId, Plan, PlanError};
use crate::base::diagnostics::suggest;

/// Titles that a message lists.
const LISTED: usize = 5;

/// A stage, or those of its nodes that certain swept values reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Selector<'a> {
    pub(super) stage: &'a str,
    /// What stands between the brackets.
    label: Option<&'a str>,
}

impl<'a> Selector<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let text = text.trim();
        match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
            Some((stage, label)) => Self { stage: stage.trim_end(), label: Some(label.trim()) },
            None => Self { stage: text, label: None },
        }
    }

    fn matches(&self, node: &Node) -> bool {
        *node.stage == *self.stage
            && self.label.is_none_or(|wanted| wanted == &*node.label || holds(&node.label, wanted))
    }
}

/// Whether a label has all parts of another one, in any order and however its numbers are spelled.
fn holds(label: &str, wanted: &str) -> bool {
    let is_same = |one: &str, other: &str| {
        one == other
            || matches!((one.parse::<f64>(), other.parse::<f64>()), (Ok(one), Ok(other)) if one == other)
    };
    let has = |(name, value): (&str, &str)| {
        label.split(',').filter_map(|part| part.split_once('=')).any(|(known, has)| {
            // A label calls an axis by its last word where that is enough.
            let is_axis =
                known == name || name.strip_suffix(known).is_some_and(|rest| rest.ends_with('.'));
            is_axis && is_same(has, value)
        })
    };
    wanted.split(',').all(|part| {
        part.split_once('=').is_some_and(|(name, value)| has((name.trim(), value.trim())))
    })
}

impl Node {
    /// Whether a stage's name, or one with swept values behind it, means this node.
    #[must_use]
    pub fn is_named(&self, selector: &str) -> bool {
        Selector::parse(selector).matches(self)
    }
}

impl Plan {
    /// Keeps the nodes that are named, and what they need, where a trial is among the names.
    pub(super) fn keep_named(mut self, selected: &[String]) -> Result<Self, PlanError> {
        let selectors: Vec<Selector<'_>> =
            selected.iter().map(|text| Selector::parse(text)).collect();
        if selectors.iter().all(|selector| selector.label.is_none()) {
            return Ok(self);
        }
        let mut named = BTreeSet::new();
        for (selector, text) in selectors.iter().zip(selected) {
            let before = named.len();
            named.extend(self.ids().filter(|id| selector.matches(self.node(*id))));
            if named.len() == before && !self.ids().any(|id| selector.matches(self.node(id))) {
                return Err(self.no_trial(selector.stage, text));
            }
        }
        let mut wanted = named.clone();
        let mut open: Vec<NodeId> = named.iter().copied().collect();
        while let Some(id) = open.pop() {
            let node = self.node(id);
            let needs = node.inputs.iter().map(|(_, input)| input).chain(&node.after);
            open.extend(needs.copied().filter(|id| wanted.insert(*id)));
        }
        self.keep(&wanted, &named);
        Ok(self)
    }

    fn no_trial(&self, stage: &str, selector: &str) -> PlanError {
        let titles: Vec<String> =
            self.nodes.iter().filter(|node| *node.stage == *stage).map(Node::title).collect();
        let suggestion = suggest(selector, titles.iter().map(String::as_str)).map(str::to_owned);
        let count = titles.len();
        let known = titles.into_iter().take(LISTED).collect();
        PlanError::NoTrial { selector: selector.to_owned(), suggestion, known, count }
    }

    /// * `wanted`: the nodes that stay
    /// * `named`: those for whose sake they do; trials that have none of them go
    fn keep(&mut self, wanted: &BTreeSet<NodeId>, named: &BTreeSet<NodeId>) {
        let mut places = vec![None; self.nodes.len()];
        for (place, id) in wanted.iter().enumerate() {
            places[id.index()] = u32::try_from(place).ok().map(NodeId);
        }
        let place = |id: &NodeId| places[id.index()];
        let trials: Vec<usize> = (0..self.trials.len())
            .filter(|trial| {
                self.table.iter().any(|nodes| nodes[*trial].is_some_and(|id| named.contains(&id)))
            })
            .collect();
        let kept = |old: &Vec<Option<NodeId>>| {
            trials.iter().map(|trial| old[*trial].as_ref().and_then(place)).collect()
        };
        self.table = self.table.iter().map(kept).collect();
        self.trials = trials.iter().map(|trial| self.trials[*trial].clone()).collect();
        for (trial, index) in self.trials.iter_mut().zip(0..) {
            trial.index = index;
        }
        let mut position = 0;
        self.nodes.retain(|_| {
            position += 1;
            places[position - 1].is_some()
        });
        for node in &mut self.nodes {
            for (_, input) in &mut node.inputs {
                *input = place(input).expect("what a node needs stays with it");
            }
            for before in &mut node.after {
                *before = place(before).expect("what a node needs stays with it");
            }
        }
        // None of them is a single trial's.
        self.foreseen.clear();
        self.partial = true;
        self.of_single_trials = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_named_in_any_order_and_with_any_spelling_of_its_numbers() {
        let label = "learning_rate=1e-5,model=a-b,seed=0";
        for wanted in [
            label,
            "seed=0,learning_rate=0.00001",
            "train.learning_rate=1.0e-5, seed = 0",
            "model=a-b",
        ] {
            assert!(holds(label, wanted), "{wanted}");
        }
        for wanted in ["", "seed", "seed=1", "rate=1e-5", "learning_rate=1e-4,seed=0", "model=a"] {
            assert!(!holds(label, wanted), "{wanted}");
        }
    }

    #[test]
    fn brackets_are_told_from_the_stage() {
        let parsed = |text| (Selector::parse(text).stage, Selector::parse(text).label);
        assert_eq!(parsed("train [seed=0]"), ("train", Some("seed=0")));
        assert_eq!(parsed("train[seed=0]"), ("train", Some("seed=0")));
        assert_eq!(parsed("train"), ("train", None));
    }
}
