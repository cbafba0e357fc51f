//! What is to be said of a plan before anything runs, and keeps nothing from running.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::engine::stage::{Source, UndefinedMetrics};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The data leave it so, in every trial.
    UndefinedObjective { metric: String, because: String },
    /// A stage is not made from the source that is liked best.
    OtherSource { stage: Arc<str>, first: Source, chosen: Source, lock: PathBuf },
}

impl Warning {
    /// Whether it is said of the whole plan, or of one of some stages.
    pub(super) fn is_of_one_in(&self, stages: &[Arc<str>]) -> bool {
        match self {
            Self::UndefinedObjective { .. } => true,
            Self::OtherSource { stage, .. } => stages.contains(stage),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UndefinedObjective { metric, because } => write!(
                formatter,
                "the objective `{metric}` is undefined in every trial, so that none will be the best: {because}"
            ),
            Self::OtherSource { stage, first, chosen, lock } => write!(
                formatter,
                "stage `{stage}` is made from {chosen} instead of {first}: that was chosen in `{}`",
                lock.display()
            ),
        }
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
