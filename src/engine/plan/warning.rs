//! What is to be said of a plan before anything runs, and keeps nothing from running.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::engine::stage::UndefinedMetrics;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The data leave it so, in every trial.
    UndefinedObjective { metric: String, because: String },
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::UndefinedObjective { metric, because } = self;
        write!(
            formatter,
            "the objective `{metric}` is undefined in every trial, so that none will be the best: {because}"
        )
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a metric is undefined in each of some nodes; `None` where one may define it, or there are none.
///
/// * `nodes`: what each leaves undefined
pub fn undefined_everywhere(
    metric: &str,
    nodes: impl Iterator<Item = Vec<UndefinedMetrics>>,
) -> Option<Vec<UndefinedMetrics>> {
    let of_metric = |undefined: Vec<UndefinedMetrics>| {
        undefined.into_iter().find(|undefined| undefined.which.includes(metric))
    };
    let reasons: Vec<UndefinedMetrics> = nodes.map(of_metric).collect::<Option<_>>()?;
    (!reasons.is_empty()).then_some(reasons)
}
