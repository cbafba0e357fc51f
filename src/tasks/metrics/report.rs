//! Reports as text, in the layout of scikit-learn and seqeval.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::classes::{ClassCounts, kept};
use super::spans::SpanScores;

/// Decimals of a report.
pub const DIGITS: usize = 4;

/// A score outside of a table.
#[must_use]
pub fn shown(score: Option<f64>) -> String {
    score.map_or_else(|| "undefined".to_owned(), |score| format!("{score:.DIGITS$}"))
}

struct Row {
    name: String,
    precision: f64,
    recall: f64,
    f1: f64,
    support: u64,
}

/// Scikit-learn's `classification_report(truth, predicted, labels=labels, target_names=..., digits=digits, zero_division=0)`.
///
/// * `truth`, `predicted`: numbers in `names`; pairs whose truth is [`IGNORE`](crate::base::IGNORE) are left out
/// * `names`: the row's name of each class; a class beyond them is called by its number
/// * `labels`: the classes to list, in this order; `None` lists all that occur, ascending. Where it leaves out one that occurs, the row `accuracy`
///   becomes `micro avg`, over the listed ones
///
/// # Panics
/// When the slices differ in length.
#[must_use]
pub fn classification_report(
    truth: &[u32],
    predicted: &[u32],
    names: &[String],
    labels: Option<&[u32]>,
    digits: usize,
) -> String {
    let occurring: BTreeSet<u32> =
        kept(truth, predicted).flat_map(|(truth, predicted)| [truth, predicted]).collect();
    let listed: Vec<u32> =
        labels.map_or_else(|| occurring.iter().copied().collect(), <[u32]>::to_vec);
    let classes = occurring.iter().chain(&listed).max().map_or(0, |last| *last as usize + 1);
    let counts = ClassCounts::of(truth, predicted, classes);
    let rows: Vec<Row> = listed
        .iter()
        .map(|class| {
            let index = *class as usize;
            let name = names.get(index).cloned().unwrap_or_else(|| class.to_string());
            row(name, counts.matched[index], counts.predicted[index], counts.actual[index])
        })
        .collect();
    let sum = |counts: &[u64]| listed.iter().map(|class| counts[*class as usize]).sum::<u64>();
    let mut micro =
        row("micro avg".into(), sum(&counts.matched), sum(&counts.predicted), sum(&counts.actual));
    let everything = occurring.iter().all(|class| listed.contains(class));
    if everything {
        micro.name = "accuracy".into();
    }
    render(&rows, &micro, everything, digits)
}

/// Seqeval's `classification_report(mode="strict", scheme=IOB2, digits=digits, zero_division=0)` of scores that were already made.
#[must_use]
pub fn span_report(scores: &SpanScores, digits: usize) -> String {
    let row = |name: &str, scores: &super::PrecisionRecall| Row {
        name: name.into(),
        precision: scores.precision.unwrap_or(0.0),
        recall: scores.recall.unwrap_or(0.0),
        f1: scores.f1.unwrap_or(0.0),
        support: scores.support,
    };
    let rows: Vec<Row> = scores.per_label.iter().map(|(name, scores)| row(name, scores)).collect();
    render(&rows, &row("micro avg", &scores.micro), false, digits)
}

fn row(name: String, matched: u64, predicted: u64, actual: u64) -> Row {
    let ratio = |numerator: u64, denominator: u64| {
        if denominator == 0 { 0.0 } else { numerator as f64 / denominator as f64 }
    };
    Row {
        name,
        precision: ratio(matched, predicted),
        recall: ratio(matched, actual),
        f1: ratio(2 * matched, predicted + actual),
        support: actual,
    }
}

/// The mean of the rows' scores, each row counting as much as `weight` says.
fn mean(name: &str, rows: &[Row], weight: impl Fn(&Row) -> f64) -> Row {
    let total: f64 = rows.iter().map(&weight).sum();
    let average = |score: fn(&Row) -> f64| {
        let sum: f64 = rows.iter().map(|row| score(row) * weight(row)).sum();
        if total == 0.0 { 0.0 } else { sum / total }
    };
    Row {
        name: name.into(),
        precision: average(|row| row.precision),
        recall: average(|row| row.recall),
        f1: average(|row| row.f1),
        support: rows.iter().map(|row| row.support).sum(),
    }
}

fn render(rows: &[Row], overall: &Row, accuracy: bool, digits: usize) -> String {
    const WRITING: &str = "a string takes everything";
    let last = "weighted avg";
    let width = rows
        .iter()
        .map(|row| row.name.chars().count())
        .max()
        .unwrap_or(0)
        .max(last.len())
        .max(digits);
    let mut text = String::new();
    writeln!(
        text,
        "{:>width$}  {:>9} {:>9} {:>9} {:>9}\n",
        "", "precision", "recall", "f1-score", "support"
    )
    .expect(WRITING);
    let line = |text: &mut String, row: &Row| {
        let Row { name, precision, recall, f1, support } = row;
        writeln!(text, "{name:>width$}  {precision:>9.digits$} {recall:>9.digits$} {f1:>9.digits$} {support:>9}").expect(WRITING);
    };
    for row in rows {
        line(&mut text, row);
    }
    text.push('\n');
    if accuracy {
        let Row { name, f1, support, .. } = overall;
        writeln!(text, "{name:>width$}  {:>9} {:>9} {f1:>9.digits$} {support:>9}", "", "")
            .expect(WRITING);
    } else {
        line(&mut text, overall);
    }
    line(&mut text, &mean("macro avg", rows, |_| 1.0));
    line(&mut text, &mean(last, rows, |row| row.support as f64));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_nothing_is_a_table_of_zeros() {
        let text = classification_report(&[], &[], &[], None, 4);
        assert!(text.contains("weighted avg     0.0000    0.0000    0.0000         0"), "{text}");
    }
}
