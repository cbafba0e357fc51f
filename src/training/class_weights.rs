//! Weights of classes and labels, as a recipe gives them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{ANOMALY, ClassHead};

/// Weights of classes, of one head or of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ClassWeights {
    /// Of all heads.
    Balanced(Balanced),
    /// Of the classes normal and anomaly of the head `anomaly`.
    OfAnomaly(#[schemars(extend("items" = {"type": "number", "exclusiveMinimum": 0.0}))] [f64; 2]),
    /// By head.
    ByHead(BTreeMap<String, Weights>),
}

/// Weights of the classes of a head, or of what tokens are labelled as.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Weights {
    /// As many times as seldom as the mean in the training split.
    Balanced(Balanced),
    /// Those that are not there have 1.
    Given(
        #[schemars(extend("additionalProperties" = {"type": "number", "exclusiveMinimum": 0.0}))]
        BTreeMap<String, f64>,
    ),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balanced {
    /// Every class counts the same in all, however many texts or tokens have it.
    Balanced,
}

impl Weights {
    pub(super) fn given(&self) -> impl Iterator<Item = (&String, f64)> {
        let given = match self {
            Self::Balanced(_) => None,
            Self::Given(weights) => Some(weights),
        };
        given.into_iter().flatten().map(|(name, weight)| (name, *weight))
    }

    /// A weight for each name.
    ///
    /// * `counts`: how often each occurs in the training split
    pub(super) fn of(&self, names: &[String], counts: &[u64]) -> Vec<f32> {
        match self {
            Self::Given(weights) => {
                let weight = |name: &String| weights.get(name).map_or(1.0, |weight| *weight as f32);
                names.iter().map(weight).collect()
            }
            Self::Balanced(_) => balanced(counts),
        }
    }
}

/// `all / (kinds * count)` of each, as scikit-learn's `class_weight="balanced"`; 1 for what does not occur.
fn balanced(counts: &[u64]) -> Vec<f32> {
    let all: u64 = counts.iter().sum();
    let kinds = counts.iter().filter(|count| **count > 0).count();
    let weight = |count: &u64| match *count {
        0 => 1.0,
        count => (all as f64 / (kinds as f64 * count as f64)) as f32,
    };
    counts.iter().map(weight).collect()
}

impl ClassWeights {
    /// Those of one head; `None` where all its classes count the same.
    pub(super) fn of(&self, head: &ClassHead, counts: &[u64]) -> Option<Vec<f32>> {
        match self {
            Self::Balanced(_) => Some(balanced(counts)),
            Self::OfAnomaly(weights) => {
                let is_it = head.name == ANOMALY && head.classes.len() == weights.len();
                is_it.then(|| weights.map(|weight| weight as f32).to_vec())
            }
            Self::ByHead(heads) => Some(heads.get(&head.name)?.of(&head.classes, counts)),
        }
    }

    pub(super) fn given(&self) -> Vec<f64> {
        match self {
            Self::Balanced(_) => Vec::new(),
            Self::OfAnomaly(weights) => weights.to_vec(),
            Self::ByHead(heads) => {
                heads.values().flat_map(Weights::given).map(|(_, weight)| weight).collect()
            }
        }
    }
}
