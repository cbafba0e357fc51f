//! The value of every metric.

use super::evidence::Evidence;
use super::table::Metric;

/// A value for each metric; an undefined one is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores(Vec<(Metric, Option<f64>)>);

impl Scores {
    /// # Panics
    /// When slices that belong together differ in length.
    #[must_use]
    pub fn of(evidence: &Evidence<'_>) -> Self {
        Self(Metric::all().map(|metric| (metric, metric.of(evidence))).collect())
    }

    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<f64> {
        self.iter().find(|(known, _)| *known == metric)?.1
    }

    /// In the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, Option<f64>)> {
        self.0.iter().copied()
    }
}
