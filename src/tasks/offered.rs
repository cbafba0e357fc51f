//! The tasks that a training can be asked for.

use super::{classification, tagging};

/// A task that a training has parameters for.
#[derive(Debug, Clone, Copy)]
pub struct Offered {
    pub name: &'static str,
    /// How the names of its scores begin.
    pub scores: &'static str,
    /// The parameter that weighs its loss; at 0 the model has no head for it.
    pub weight: &'static str,
}

pub const OFFERED: [Offered; 2] = [
    Offered { name: tagging::NAME, scores: "ner.", weight: "ner_weight" },
    Offered { name: classification::NAME, scores: "anomaly.", weight: "anomaly_weight" },
];

impl Offered {
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        OFFERED.iter().find(|offered| offered.name == name)
    }
}
