//! What an evaluation shows of itself in a report: what was taken for what, curves of scores, scores of groups, and the worst mistakes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{ENTITIES, Evaluation, ID, LabelConfusion, ReliabilityRow, TEXT, columns_of};
use crate::engine::stage::{
    Answer, Cell, Exhibit, Line, LineStyle, Matrix, Mistake, Mistakes, Plot, Span, StageError,
    Table,
};
use crate::stages::artifacts::{corpus, files};
use crate::tasks::classification::{self, Judged};
use crate::tasks::metrics::{Classes, precision_recall_curve, roc_curve};
use crate::tasks::tagging;
use crate::text::{ClassHead, CorpusTasks, Entity};

/// Mistakes that are shown whatever they are about.
const WORST: usize = 40;
/// Of each label so many are shown, where there are, until there are this many of all.
const OF_LABEL: usize = 3;
const MOST: usize = 120;
/// A longer text is cut around its first mistake, this many characters before which are shown.
const LONGEST: usize = 600;
const BEFORE: usize = 150;

impl Evaluation {
    pub(super) fn exhibits(&self) -> Result<Vec<Exhibit>, StageError> {
        let mut exhibits = Vec::new();
        if let Some(LabelConfusion { labels, counts }) = self.confusion()? {
            let title = format!("{}: what tokens were taken for", tagging::TITLE);
            exhibits.push(Exhibit::Matrix(Matrix {
                title,
                noun: "tokens".to_owned(),
                labels,
                counts,
            }));
        }
        let reliability = self.reliability()?;
        for (head, judged) in self.judged()? {
            // What is scored, where that is not what the model says.
            let counts = self.class_confusion(&head.name)?;
            let counts = counts.unwrap_or_else(|| judged.confusion(&head).counts);
            exhibits.push(Exhibit::Matrix(Matrix {
                title: format!("{}: what texts were taken for", classification::title(&head)),
                noun: "texts".to_owned(),
                labels: classification::titles(&head),
                counts,
            }));
            exhibits.extend(curves(&head, &judged).into_iter().map(Exhibit::Plot));
            exhibits.extend(reliability_of(&head, &judged, &reliability).map(Exhibit::Plot));
        }
        exhibits.extend(groups(&self.folder.join(Evaluation::GROUPS))?.map(Exhibit::Table));
        let tasks = corpus::read_tasks(&self.folder)?;
        let predictions = self.folder.join(Evaluation::PREDICTIONS);
        exhibits.extend(mistakes(&predictions, &tasks)?.map(Exhibit::Mistakes));
        Ok(exhibits)
    }
}

/// Precision over recall, and the receiver operating characteristic, of a head that decides between two classes.
fn curves(head: &ClassHead, judged: &Judged) -> Vec<Plot> {
    if head.classes.len() != 2 {
        return Vec::new();
    }
    let Judged { truth, scores, .. } = judged;
    let title = classification::title(head);
    let line = |name: &str, style, points| Line { name: name.to_owned(), style, points };
    let mut plots = Vec::new();
    if let Some(curve) = precision_recall_curve(truth, scores)
        && truth.contains(&1)
    {
        let positives = truth.iter().filter(|class| **class == 1).count();
        let share = positives as f64 / truth.len() as f64;
        let points = curve.recall.into_iter().zip(curve.precision).map(|(x, y)| [x, y]);
        plots.push(Plot {
            title: format!("{title}: precision and recall"),
            x: "recall".to_owned(),
            y: "precision".to_owned(),
            is_of_shares: true,
            lines: vec![
                line("at every threshold", LineStyle::Line, points.rev().collect()),
                line("guessing", LineStyle::Guide, vec![[0.0, share], [1.0, share]]),
            ],
        });
    }
    if let Some(curve) = roc_curve(truth, scores) {
        let rates = curve.false_positive_rate.into_iter().zip(curve.true_positive_rate);
        plots.push(Plot {
            title: format!("{title}: ROC"),
            x: "false positive rate".to_owned(),
            y: "true positive rate".to_owned(),
            is_of_shares: true,
            lines: vec![
                line("at every threshold", LineStyle::Line, rates.map(|(x, y)| [x, y]).collect()),
                line("guessing", LineStyle::Guide, vec![[0.0, 0.0], [1.0, 1.0]]),
            ],
        });
    }
    plots
}

/// How often answers of a score came true: before and after calibration where the head was calibrated.
fn reliability_of(
    head: &ClassHead,
    judged: &Judged,
    calibrated: &[ReliabilityRow],
) -> Option<Plot> {
    let own = |is_calibrated: bool| -> Vec<[f64; 2]> {
        let rows = calibrated.iter();
        rows.filter(|row| row.head == head.name && row.calibrated == is_calibrated)
            .map(|row| [row.score, row.share])
            .collect()
    };
    let dots = |name: &str, points| Line { name: name.to_owned(), style: LineStyle::Dots, points };
    let (before, after) = (own(false), own(true));
    let mut lines = vec![Line {
        name: "as often as said".to_owned(),
        style: LineStyle::Guide,
        points: vec![[0.0, 0.0], [1.0, 1.0]],
    }];
    if before.is_empty() && after.is_empty() {
        let Judged { truth, predicted, scores } = judged;
        let classes = Classes { truth, predicted, scores, classes: head.classes.len() };
        let bins = classes.reliability().bins;
        let bins = bins.iter().filter(|bin| bin.count > 0);
        lines.push(dots("came true", bins.map(|bin| [bin.confidence, bin.accuracy]).collect()));
    } else {
        lines.extend([dots("before calibration", before), dots("calibrated", after)]);
    }
    lines.retain(|line| !line.points.is_empty());
    (lines.len() > 1).then(|| Plot {
        title: format!("{}: reliability", classification::title(head)),
        x: "score".to_owned(),
        y: "share that came true".to_owned(),
        is_of_shares: true,
        lines,
    })
}

/// `groups.csv`, where it is there.
fn groups(path: &Path) -> Result<Option<Table>, StageError> {
    if !files::present(path)? {
        return Ok(None);
    }
    let (columns, rows) = files::read_csv_with_header::<Vec<String>>(path)?;
    let cell = |(number, text): (usize, &String)| match (number, text.parse(), text.parse()) {
        _ if text.is_empty() => Cell::Nothing,
        // Its field and its value.
        (0 | 1, ..) => Cell::Text(text.clone()),
        (_, Ok(count), _) => Cell::Count(count),
        (_, _, Ok(score)) => Cell::Score(score),
        _ => Cell::Text(text.clone()),
    };
    let rows = rows.iter().map(|row| row.iter().enumerate().map(cell).collect()).collect();
    Ok(Some(Table { title: "Scores of groups of texts".to_owned(), columns, rows }))
}

/// A row of `predictions.csv`, read for what is wrong in it.
struct Answered<'a> {
    row: &'a [String],
    truth: Vec<Entity>,
    predicted: Vec<Entity>,
    answers: Vec<Answer>,
    labels: BTreeSet<String>,
    /// How wrong it is: mistakes in entities, and wrong answers the more the surer they were.
    weight: f64,
}

/// The texts with wrong answers, from `predictions.csv`; `None` where another program scored something and left none.
fn mistakes(path: &Path, tasks: &CorpusTasks) -> Result<Option<Mistakes>, StageError> {
    if !files::present(path)? {
        return Ok(None);
    }
    let (header, rows) = files::read_csv_with_header::<Vec<String>>(path)?;
    let place = |name: &str| header.iter().position(|column| column == name);
    let mut wrong: Vec<Answered<'_>> = rows
        .iter()
        .map(|row| answered(row, &place, tasks))
        .filter(|answered| answered.weight > 0.0)
        .collect();
    // The order of the file among equals.
    wrong.sort_by(|one, other| other.weight.total_cmp(&one.weight));
    let mut by_label: BTreeMap<&str, usize> = BTreeMap::new();
    for label in wrong.iter().flat_map(|answered| &answered.labels) {
        *by_label.entry(label).or_default() += 1;
    }
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    let mut shown = Vec::new();
    for (number, answered) in wrong.iter().enumerate() {
        let lacks = |label: &String| taken.get(label.as_str()).is_none_or(|it| *it < OF_LABEL);
        if shown.len() < MOST && (number < WORST || answered.labels.iter().any(lacks)) {
            answered.labels.iter().for_each(|label| *taken.entry(label).or_default() += 1);
            shown.push(mistake(answered, place(ID), place(TEXT)));
        }
    }
    let by_label = by_label.into_iter().map(|(label, count)| (label.to_owned(), count)).collect();
    Ok(Some(Mistakes { texts: rows.len(), wrong: wrong.len(), by_label, shown }))
}

fn answered<'a>(
    row: &'a [String],
    place: &dyn Fn(&str) -> Option<usize>,
    tasks: &CorpusTasks,
) -> Answered<'a> {
    let cell = |name: &str| place(name).map_or("", |column| row[column].as_str());
    // A text without a list is not labelled for it.
    let entities = |name: &str| serde_json::from_str::<Vec<Entity>>(cell(name)).ok();
    let [truth, predicted] = ENTITIES.map(entities);
    let (truth, predicted) = (truth.zip(predicted)).unwrap_or_default();
    let mut labels = BTreeSet::new();
    let (missed, invented) = (differ(&truth, &predicted), differ(&predicted, &truth));
    let mut weight = (missed.len() + invented.len()) as f64;
    labels.extend(missed.iter().chain(&invented).map(|entity| entity.label.clone()));
    let mut answers = Vec::new();
    for head in &tasks.heads {
        let [truth, said, score] = columns_of(&head.name);
        let class = |column: &str| {
            let class = classification::read_written(head, cell(column))?;
            head.classes.get(class as usize).cloned()
        };
        let (truth, Some(said)) = (class(&truth), class(&said)) else { continue };
        let score: f64 = cell(&score).parse().unwrap_or(f64::NAN);
        if truth.as_ref().is_some_and(|truth| *truth != said) {
            labels.insert(head.name.clone());
            // Of two classes the score is that of the second, whichever was said.
            let is_first = head.classes.len() == 2 && said == head.classes[0];
            let sureness = if is_first { 1.0 - score } else { score };
            weight += 1.0 + if sureness.is_finite() { sureness } else { 0.0 };
        }
        let (question, truth) = (head.name.clone(), truth.unwrap_or_default());
        answers.push(Answer { question, truth, predicted: said, score });
    }
    Answered { row, truth, predicted, answers, labels, weight }
}

/// Those of `these` that are not among `others`.
fn differ<'a>(these: &'a [Entity], others: &[Entity]) -> Vec<&'a Entity> {
    these.iter().filter(|entity| !others.contains(entity)).collect()
}

fn mistake(answered: &Answered<'_>, id: Option<usize>, text: Option<usize>) -> Mistake {
    let Answered { row, truth, predicted, answers, labels, .. } = answered;
    let text: Vec<char> = text.map_or("", |column| row[column].as_str()).chars().collect();
    let differing = [differ(truth, predicted), differ(predicted, truth)].concat();
    let first = differing.iter().map(|entity| entity.start).min().unwrap_or(0);
    let begin = match text.len() {
        ..=LONGEST => 0,
        all => first.saturating_sub(BEFORE).min(all - LONGEST),
    };
    let end = text.len().min(begin + LONGEST);
    let spans = |these: &[Entity], others: &[Entity]| {
        let span = |entity: &Entity| Span {
            start: entity.start.saturating_sub(begin),
            end: entity.end.min(end).saturating_sub(begin),
            label: entity.label.clone(),
            is_right: others.contains(entity),
        };
        let is_shown =
            |entity: &&Entity| text.is_empty() || entity.end > begin && entity.start < end;
        let mut spans: Vec<Span> = these.iter().filter(is_shown).map(span).collect();
        spans.sort_by_key(|span| (span.start, span.end));
        spans
    };
    Mistake {
        name: id.map_or("", |column| row[column].as_str()).to_owned(),
        text: text[begin..end].iter().collect(),
        left_out: [begin, text.len() - end],
        truth: spans(truth, predicted),
        predicted: spans(predicted, truth),
        answers: answers.clone(),
        labels: labels.iter().cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "id,text,anomaly,predicted_anomaly,anomaly_score,entities,predicted_entities\n";

    fn read(rows: &str) -> Mistakes {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("predictions.csv");
        std::fs::write(&path, format!("{HEADER}{rows}")).expect("written");
        mistakes(&path, &CorpusTasks::default()).expect("readable").expect("there")
    }

    fn list(entities: &[(usize, usize, &str)]) -> String {
        let entity = |(start, end, label): &(usize, usize, &str)| Entity {
            start: *start,
            end: *end,
            label: (*label).to_owned(),
        };
        let list: Vec<Entity> = entities.iter().map(entity).collect();
        serde_json::to_string(&list).expect("JSON").replace('"', "\"\"")
    }

    #[test]
    fn the_worst_texts_come_first_and_say_which_of_their_spans_are_right() {
        let (right, other) = (list(&[(0, 3, "PER")]), list(&[(0, 3, "LOC"), (4, 6, "LOC")]));
        let found = read(&format!(
            "a,Ann is,0,0,0.1,\"{right}\",\"{right}\"\nb,Bob is,1,0,0.2,\"{right}\",\"{right}\"\nc,Cid is,0,0,0.1,\"{right}\",\"{other}\"\n"
        ));
        assert_eq!((found.texts, found.wrong), (3, 2));
        let names: Vec<&str> = found.shown.iter().map(|mistake| mistake.name.as_str()).collect();
        assert_eq!(names, ["c", "b"]);
        assert_eq!(
            found.by_label,
            [("LOC", 1), ("PER", 1), ("anomaly", 1)]
                .map(|(label, count)| (label.to_owned(), count))
        );
        assert!(!found.shown[0].truth[0].is_right && found.shown[1].truth[0].is_right);
        assert_eq!(found.shown[1].answers[0].truth, "anomaly");
    }

    #[test]
    fn of_a_long_text_the_part_around_its_first_mistake_is_shown() {
        let text = "\u{fc}".repeat(2_000);
        let (truth, none) = (list(&[(1_000, 1_010, "PER")]), list(&[]));
        let found = read(&format!("a,{text},0,0,0.1,\"{truth}\",\"{none}\"\n"));
        let mistake = &found.shown[0];
        assert_eq!((mistake.text.chars().count(), mistake.left_out), (LONGEST, [850, 550]));
        assert_eq!((mistake.truth[0].start, mistake.truth[0].end), (150, 160));
    }

    #[test]
    fn a_label_with_few_mistakes_has_some_among_many_worse_texts() {
        let (truth, none) = (list(&[(0, 1, "A"), (2, 3, "A")]), list(&[]));
        let row = |number: usize| format!("{number},x y z,0,0,0.1,\"{truth}\",\"{none}\"\n");
        let rare = format!("rare,x y z,0,0,0.1,\"{}\",\"{none}\"\n", list(&[(0, 1, "B")]));
        let rows: String = (0..200).map(row).chain([rare]).collect();
        let found = read(&rows);
        assert_eq!((found.wrong, found.shown.len()), (201, WORST + 1));
        assert_eq!(found.shown[WORST].labels, ["B"]);
    }
}
