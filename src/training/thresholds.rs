//! From which score on an answer counts, as a recipe asks for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// From which score on a text has the second of two classes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Threshold {
    Best(Best),
    Precision(AtPrecision),
    Alerts(AtRate),
    /// This one.
    Given(#[schemars(range(min = 0.0, max = 1.0))] f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Best {
    /// Where F1 is the highest.
    F1,
}

/// Where the precision is high enough, and the recall the highest then.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtPrecision {
    /// The least that there may be.
    #[schemars(extend("exclusiveMinimum" = 0.0), range(max = 1.0))]
    pub precision: f64,
}

/// Where so many texts a day have the class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtRate {
    /// The most that there may be in a day of the validation split.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub alerts_per_day: f64,
}

impl Threshold {
    /// Whether it lies where the recipe can say it at all.
    pub(super) fn is_possible(&self) -> bool {
        match self {
            Self::Best(Best::F1) => true,
            Self::Precision(AtPrecision { precision }) => *precision > 0.0 && *precision <= 1.0,
            Self::Alerts(AtRate { alerts_per_day }) => {
                *alerts_per_day > 0.0 && alerts_per_day.is_finite()
            }
            Self::Given(threshold) => (0.0..=1.0).contains(threshold),
        }
    }

    #[must_use]
    pub fn alerts_per_day(&self) -> Option<f64> {
        if let Self::Alerts(rate) = self { Some(rate.alerts_per_day) } else { None }
    }

    #[must_use]
    pub fn is_given(&self) -> bool {
        matches!(self, Self::Given(_))
    }
}
