//! The value of every metric.

use super::evidence::Evidence;
use super::table::Metric;
use crate::text::CorpusTasks;

/// A value for each metric; an undefined one is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores(Vec<(Metric, Option<f64>)>);

impl Scores {
    /// Those of a model for these tasks.
    ///
    /// * `evidence`: by task; `None` is the whole model
    ///
    /// # Panics
    /// When slices that belong together differ in length.
    #[must_use]
    pub fn of<'e>(
        tasks: &CorpusTasks,
        evidence: &dyn Fn(Option<&str>) -> Option<&'e Evidence<'e>>,
    ) -> Self {
        let value = |metric: Metric| {
            let value = evidence(metric.task()).and_then(|evidence| metric.of(evidence));
            (metric, value)
        };
        Self(Metric::of_tasks(tasks).into_iter().map(value).collect())
    }

    #[must_use]
    pub fn get(&self, metric: &Metric) -> Option<f64> {
        self.iter().find(|(known, _)| *known == metric)?.1
    }

    /// In the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = (&Metric, Option<f64>)> {
        self.0.iter().map(|(metric, value)| (metric, *value))
    }
}
