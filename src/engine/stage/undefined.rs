//! Metrics that cannot be measured, as far as that is known beforehand.

/// Metrics that a stage's output is known to leave undefined.
///
/// An objective among them is a mistake where the parameters make it so, and worth a warning where the data do: they may be what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndefinedMetrics {
    pub which: Which,
    pub because: String,
    /// Whether the data leave them undefined, and not the parameters.
    pub by_data: bool,
}

/// Some of the metrics of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All whose path begins like this, such as `anomaly.`.
    Below(String),
    /// All whose path has several parts and begins like none of these.
    BelowNoneOf(Vec<String>),
}

impl Which {
    #[must_use]
    pub fn includes(&self, metric: &str) -> bool {
        match self {
            Self::Below(prefix) => metric.starts_with(prefix),
            Self::BelowNoneOf(prefixes) => {
                metric.contains('.')
                    && !prefixes.iter().any(|prefix| metric.starts_with(prefix.as_str()))
            }
        }
    }
}
