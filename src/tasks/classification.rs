//! Classification: one of several classes for a whole text, from its first token. A model may have any number of such heads.

use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::metrics::{
    ClassCounts, Classes, ConfusionMatrix, Counted, DIGITS, PrecisionRecall, auroc,
    average_precision, classification_report, shown,
};
use super::{Reading, Told, logits};
use crate::base::{IGNORE, visible};
use crate::text::{ClassHead, EncodedSplit};

/// Whether this is the head that has words of its own in reports, and whose classes are numbers in files.
fn is_anomaly(head: &ClassHead) -> bool {
    *head == ClassHead::anomaly()
}

/// What reports and figures call a head.
#[must_use]
pub fn title(head: &ClassHead) -> String {
    if is_anomaly(head) { "Anomaly".to_owned() } else { head.name.clone() }
}

/// The classes of a head as reports and figures write them.
#[must_use]
pub fn titles(head: &ClassHead) -> Vec<String> {
    let capital = |class: &String| class[..1].to_uppercase() + &class[1..];
    if is_anomaly(head) {
        head.classes.iter().map(capital).collect()
    } else {
        head.classes.iter().map(|class| visible::line(class).into_owned()).collect()
    }
}

/// What is said of a text of one of these classes, such as "is an anomaly".
#[must_use]
pub fn is_of(head: &ClassHead, classes: &[usize]) -> String {
    if is_anomaly(head) {
        let predicates = ["normal", "an anomaly"];
        let of: Vec<&str> = classes.iter().map(|class| predicates[*class]).collect();
        return format!("is {}", of.join(" or "));
    }
    let names: Vec<String> =
        classes.iter().map(|class| format!("`{}`", visible::line(&head.classes[*class]))).collect();
    format!("has the class {} of `{}`", names.join(" or "), head.name)
}

/// What is said of texts none of which has this class of two, such as "has no anomaly".
pub(super) fn lack(head: &ClassHead, class: usize) -> String {
    match (is_anomaly(head), class) {
        (true, 0) => "has nothing but anomalies".to_owned(),
        (true, _) => "has no anomaly".to_owned(),
        (false, _) => format!("has no text that {}", is_of(head, &[class])),
    }
}

/// A class as files say it: its name, but a number for the head that corpora have as one.
#[must_use]
pub fn written(head: &ClassHead, class: u32) -> Value {
    match head.classes.get(class as usize) {
        Some(name) if !is_anomaly(head) => name.clone().into(),
        _ => class.into(),
    }
}

/// The reverse of [`written`], for a table's cell; `None` for what is no class.
#[must_use]
pub fn read_written(head: &ClassHead, cell: &str) -> Option<u32> {
    if is_anomaly(head) {
        return cell.parse().ok().filter(|class| (*class as usize) < head.classes.len());
    }
    head.index(cell)
}

/// The numbers of the classes of some sequences, [`IGNORE`] where a text is not labelled.
pub(super) fn targets(name: &str, split: &EncodedSplit, rows: &[u32]) -> Vec<u32> {
    let classes = split.classes.get(name);
    let class = |row: &u32| classes.map_or(IGNORE, |it| it[split.text_of(*row as usize)]);
    rows.iter().map(class).collect()
}

/// The class of a text, and a score: of two classes the probability of the second, which is what is looked for; of more that of the most likely one.
#[must_use]
pub fn read(logits: &[f32], reading: Reading) -> (u32, f64) {
    let Reading { threshold, temperature } = reading;
    if let [no, yes] = *logits {
        let odds_against = ((f64::from(no) - f64::from(yes)) / temperature).exp();
        let score = 1.0 / (1.0 + odds_against);
        let class = threshold.map(|least| u32::from(score >= least));
        return (class.unwrap_or_else(|| logits::argmax(logits) as u32), score);
    }
    let softer: Vec<f32> = logits.iter().map(|logit| logit / temperature as f32).collect();
    logits::most_likely(&softer)
}

/// The probability of every class; of two classes the second is the score of [`read`], of more the largest is, but for rounding.
#[must_use]
pub fn probabilities(logits: &[f32], reading: Reading) -> Vec<f64> {
    if logits.len() == 2 {
        let (_, score) = read(logits, reading);
        return vec![1.0 - score, score];
    }
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let power = |logit: &f32| (f64::from(logit - largest) / reading.temperature).exp();
    let powers: Vec<f64> = logits.iter().map(power).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// What a head says of the texts that are labelled for it, beside their labels.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Judged {
    /// `(texts,)`, like the others.
    pub truth: Vec<u32>,
    pub predicted: Vec<u32>,
    /// As [`Task::read`](super::Task::read) gives them.
    pub scores: Vec<f64>,
}

impl Judged {
    /// * `truth`, `predicted`, `scores`: of all texts, [`IGNORE`] where one is not labelled
    #[must_use]
    pub fn of(truth: &[u32], predicted: &[u32], scores: &[f64]) -> Self {
        let mut judged = Self::default();
        for ((&truth, &predicted), &score) in truth.iter().zip(predicted).zip(scores) {
            judged.add(truth, predicted, score);
        }
        judged
    }

    /// Takes in a text, unless it is not labelled.
    pub(super) fn add(&mut self, truth: u32, predicted: u32, score: f64) {
        if truth != IGNORE {
            self.truth.push(truth);
            self.predicted.push(predicted);
            self.scores.push(score);
        }
    }

    pub(super) fn classes(&self, head: &ClassHead) -> Classes<'_> {
        let Self { truth, predicted, scores } = self;
        Classes { truth, predicted, scores, classes: head.classes.len() }
    }

    /// Accuracy and F1, as texts add up to them.
    #[must_use]
    pub fn counted(&self, head: &ClassHead) -> Counted {
        let texts = self.truth.iter().zip(&self.predicted);
        counted(head, texts.map(|(truth, predicted)| Some([*truth, *predicted])).collect())
    }

    /// Of the second of two classes.
    pub(super) fn positives(&self, head: &ClassHead) -> PrecisionRecall {
        let counts = ClassCounts::of(&self.truth, &self.predicted, head.classes.len());
        counts.scores().nth(1).expect("a head has two classes at least")
    }

    /// What was taken for what, in the order of the head's classes.
    #[must_use]
    pub fn confusion(&self, head: &ClassHead) -> ConfusionMatrix {
        ConfusionMatrix::of(&self.truth, &self.predicted, head.classes.len())
    }
}

/// Accuracy and macro F1, and of two classes precision, recall and F1 of the second, as texts add up to them.
///
/// * `texts`: the true and the predicted class of each that is labelled
#[must_use]
pub fn counted(head: &ClassHead, texts: Vec<Option<[u32; 2]>>) -> Counted {
    const NAMES: [&str; 5] = ["accuracy", "macro_f1", "precision", "recall", "f1"];
    let classes = head.classes.len();
    let add = move |text: usize, sums: &mut [u64]| {
        if let Some([truth, predicted]) = texts[text] {
            sums[truth as usize * classes + predicted as usize] += 1;
        }
    };
    let scores = move |sums: &[u64]| {
        let counts = ClassCounts::of_confusion(sums, classes);
        let right: u64 = counts.matched.iter().sum();
        let all: u64 = sums.iter().sum();
        let mut scores = vec![(all > 0).then(|| right as f64 / all as f64), counts.macro_f1()];
        if classes == 2 {
            let positive = counts.scores().nth(1).expect("there are two");
            scores.extend([positive.precision, positive.recall, positive.f1]);
        }
        scores
    };
    let names = if classes == 2 { &NAMES[..] } else { &NAMES[..2] };
    Counted::new(&head.name, names, classes * classes, add, scores)
}

/// What `metrics.json` says of the task beside its metrics; nothing without such a head.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Details {
    /// A row for each true class, a column for each predicted one.
    confusion: Option<Vec<Vec<u64>>>,
    per_class: Option<PerClass>,
    #[serde(flatten)]
    told: Told,
}

/// In the order of the classes.
#[derive(Debug, Clone, PartialEq)]
struct PerClass(Vec<(String, PrecisionRecall)>);

impl Serialize for PerClass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(class, scores)| (class, scores)))
    }
}

impl Details {
    /// * `judged`: `None` without such a head
    /// * `told`: of how its answers are read
    #[must_use]
    pub fn of(head: &ClassHead, judged: Option<&Judged>, told: Told) -> Self {
        let rows = |judged: &Judged| {
            judged.confusion(head).rows().map(<[u64]>::to_vec).collect::<Vec<_>>()
        };
        let per_class = |judged: &Judged| {
            let counts = ClassCounts::of(&judged.truth, &judged.predicted, head.classes.len());
            PerClass(head.classes.iter().cloned().zip(counts.scores()).collect())
        };
        Self { confusion: judged.map(rows), per_class: judged.map(per_class), told }
    }
}

/// The part of `classification_report.txt` on the task.
#[must_use]
pub fn report(head: &ClassHead, judged: &Judged) -> String {
    let Judged { truth, predicted, scores } = judged;
    let what = if is_anomaly(head) {
        "Anomaly detection (per text)".to_owned()
    } else {
        format!("Class `{}` (per text)", head.name)
    };
    if truth.is_empty() {
        return format!("{what}\n\nThere are no such labels.\n");
    }
    let mut text = format!(
        "{what}\n\n{}",
        classification_report(truth, predicted, &titles(head), None, DIGITS)
    );
    if head.classes.len() == 2 {
        text += &format!(
            "\nAUROC {}, average precision {}\n",
            shown(auroc(truth, scores)),
            shown(average_precision(truth, scores))
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probabilities_of_classes_sum_to_one_and_the_score_is_among_them() {
        for logits in [&[0.5, -1.0][..], &[0.5, -1.0, 2.0, 90.0], &[3.0, 2.0, 1.0]] {
            let reading = Reading { threshold: None, temperature: 1.7 };
            let (class, score) = read(logits, reading);
            let shares = probabilities(logits, reading);
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{shares:?}");
            let scored = if logits.len() == 2 { 1 } else { class as usize };
            assert!((shares[scored] - score).abs() < 1e-6, "{shares:?} {score}");
        }
    }
}
