//! Classification: one of several classes for a whole text, from its first token.

use serde::Serialize;

use super::logits;
use super::metrics::{
    ConfusionMatrix, DIGITS, auroc, average_precision, classification_report, shown,
};
use crate::base::{IGNORE, visible};
use crate::text::{ANOMALY, ANOMALY_CLASSES, ClassHead, EncodedSplit};

/// What the task is called.
pub const NAME: &str = ANOMALY;
/// The classes, in the order of the head's outputs.
pub const CLASSES: [&str; 2] = ANOMALY_CLASSES;

/// What is said of a text of one of these classes, such as "is an anomaly".
#[must_use]
pub fn is_of(head: &ClassHead, classes: &[usize]) -> String {
    if *head == ClassHead::anomaly() {
        let predicates = ["normal", "an anomaly"];
        let of: Vec<&str> = classes.iter().map(|class| predicates[*class]).collect();
        return format!("is {}", of.join(" or "));
    }
    let names: Vec<String> =
        classes.iter().map(|class| format!("`{}`", visible::line(&head.classes[*class]))).collect();
    format!("has the class {} of `{}`", names.join(" or "), head.name)
}

/// What figures call it.
pub const TITLE: &str = "Anomaly";

/// [`CLASSES`] as reports and figures write them.
#[must_use]
pub fn titles() -> Vec<String> {
    let capital = |class: &str| class[..1].to_uppercase() + &class[1..];
    CLASSES.map(capital).to_vec()
}

/// What its loss counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Classification {
    /// How many classes there are.
    pub classes: usize,
    /// A weight for each class in the loss.
    pub class_weights: Option<Vec<f32>>,
}

pub(super) fn targets(split: &EncodedSplit, rows: &[u32]) -> Vec<u32> {
    let classes = split.classes.get(NAME);
    rows.iter().map(|row| classes.map_or(IGNORE, |classes| classes[*row as usize])).collect()
}

/// The classes that the corpus says: `(sequences,)`.
pub(super) fn truth(split: &EncodedSplit) -> &[u32] {
    split.classes.get(NAME).map_or(&[], Vec::as_slice)
}

/// The most likely class of a text, and a score: of two classes the probability of the second, which is what is looked for; of more that of the
/// most likely one.
pub(super) fn read(logits: &[f32]) -> (u32, f64) {
    if let [no, yes] = *logits {
        let odds_against = (f64::from(no) - f64::from(yes)).exp();
        return (logits::argmax(logits), 1.0 / (1.0 + odds_against));
    }
    logits::most_likely(logits)
}

/// What `metrics.json` says of the task beside its metrics.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Details {
    /// A row for each true class, a column for each predicted one; none without such a head.
    confusion: Option<Vec<Vec<u64>>>,
}

impl Details {
    /// * `predicted`: `(sequences,)`; `None` without such a head
    #[must_use]
    pub fn of(split: &EncodedSplit, predicted: Option<&[u32]>) -> Self {
        let matrix = |predicted| ConfusionMatrix::of(truth(split), predicted, CLASSES.len());
        let rows = |matrix: ConfusionMatrix| matrix.rows().map(<[u64]>::to_vec).collect();
        Self { confusion: predicted.map(matrix).map(rows) }
    }
}

/// The part of `classification_report.txt` on the task.
///
/// * `predicted`, `scores`: `(sequences,)`
#[must_use]
pub fn report(split: &EncodedSplit, predicted: &[u32], scores: &[f64]) -> String {
    format!(
        "{TITLE} detection (per text)\n\n{}\nAUROC {}, average precision {}\n",
        classification_report(truth(split), predicted, &titles(), None, DIGITS),
        shown(auroc(truth(split), scores)),
        shown(average_precision(truth(split), scores))
    )
}
