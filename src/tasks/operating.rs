//! What it comes to that a head is not read as it came: its scores at the threshold, and how far its probabilities can be believed.

use super::classification::Judged;
use super::metrics::{PrecisionRecall, Reliability, precision_at};
use super::reading::{AtThreshold, Budget, Calibration, Reading, Told};
use crate::text::ClassHead;

/// What a head that is not read as it came says of some texts.
#[derive(Debug, Clone)]
pub struct Read<'a> {
    pub head: &'a ClassHead,
    /// As it came, and as it is read.
    pub raw: &'a Judged,
    pub read: &'a Judged,
    pub reading: Reading,
    /// Whether these texts chose how it is read, so that they are no measure of it.
    pub is_own: bool,
    pub budget: Option<Budget>,
}

/// Where a decision falls that no threshold was chosen for.
const EVEN: f64 = 0.5;

impl Read<'_> {
    #[must_use]
    pub fn told(&self) -> Told {
        let Reading { threshold, temperature } = self.reading;
        let [before, after] = self.reliabilities();
        let at_threshold = threshold.filter(|_| self.is_own).map(|threshold| {
            let PrecisionRecall { precision, recall, f1, .. } = self.read.positives(self.head);
            AtThreshold { threshold, precision, recall, f1 }
        });
        let precision_at_budget = self.budget.map(|budget| {
            let Judged { truth, scores, .. } = self.read;
            budget.alerts.and_then(|alerts| precision_at(truth, scores, alerts))
        });
        Told {
            threshold: threshold.map(|threshold| if self.is_own { EVEN } else { threshold }),
            at_threshold,
            calibration: (temperature != 1.0).then(|| Calibration {
                temperature,
                ece_before: before.expected_error(),
                ece_after: after.expected_error(),
            }),
            precision_at_budget,
            budget: self.budget,
        }
    }

    /// Before and after calibration.
    #[must_use]
    pub fn reliabilities(&self) -> [Reliability; 2] {
        [self.raw, self.read].map(|judged| judged.classes(self.head).reliability())
    }
}
