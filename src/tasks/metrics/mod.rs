//! Scores of predictions: plain slices in, numbers out.
//!
//! | function | equals |
//! |---|---|
//! | [`span_scores`] | seqeval's `classification_report(mode="strict", scheme=IOB2)`, where entities are whole tokens |
//! | [`classification_report`] | scikit-learn's text, character for character |
//! | [`binary_scores`], [`ConfusionMatrix`] | scikit-learn |
//! | [`auroc`], [`average_precision`], [`roc_curve`], [`precision_recall_curve`] | scikit-learn, ties included |
//! | [`Reliability`] | scikit-learn's `calibration_curve`, with the counts that it leaves out |
//! | [`temperature`] | the minimum that scipy finds |
//! | [`sign_flip`], [`difference_intervals`] | scipy's `permutation_test` and `bootstrap` |
//!
//! An undefined score (a precision without predictions, an area with one class) is `None`, never 0 or 0.5; only the report's text prints 0,
//! because scikit-learn's does. Labels are numbers; a token whose true label is [`IGNORE`](crate::base::IGNORE) counts nowhere.
//! `tests/metrics/make_fixtures.py` and `make_difference.py` make what the tests compare with.

mod calibration;
mod classes;
mod difference;
mod evidence;
mod intervals;
mod ranking;
mod report;
mod scores;
mod spans;
mod table;

pub use calibration::{Aim, BINS, Bin, Reliability, precision_at, temperature, threshold};
pub use classes::{BinaryScores, ClassCounts, ConfusionMatrix, binary_scores, token_accuracy};
pub use difference::{DrawnTexts, Replicates, Side, difference_intervals, sign_flip};
pub use evidence::{Classes, Evidence, Tags};
pub use intervals::{Counted, Interval, Units};
pub use ranking::{
    PrecisionRecallCurve, RocCurve, auroc, average_precision, precision_recall_curve, roc_curve,
};
pub use report::{DIGITS, classification_report, shown, span_report};
pub use scores::Scores;
pub use spans::{Counts, PrecisionRecall, SpanScores, span_scores};
pub use table::{Metric, NAMES, Needs, NoSubject};
