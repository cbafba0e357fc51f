//! What the two corpus kinds share: the parameters that divide a corpus, and what is said of what came out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::corpus_caveats::{LabelFindings, ORDERED_AS_TEXT};
use super::shared::Shared;
use crate::base::diagnostics::quoted;
use crate::engine::stage::{
    Artifact as _, Caveat, Context, ParameterProblem, Remark, StageError, Survey,
};
use crate::stages::artifacts::{CorpusFiles, CorpusWriter};
use crate::text::{
    self, Contradictions, Corpus, CorpusTasks, Division, EqualTexts, Example, FileNames,
    Membership, Ordered, Place, Reduced, Split, SplitError, Trace,
};

/// Fractions of the splits; one that is left out is empty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fractions {
    /// To train on.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub train: f64,
    /// To watch and choose by while training.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub validation: f64,
    /// To report on in the end.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub test: f64,
}

impl Default for Fractions {
    fn default() -> Self {
        Self { train: 0.8, validation: 0.2, test: 0.0 }
    }
}

impl From<Fractions> for text::Fractions {
    fn from(fractions: Fractions) -> Self {
        Self { train: fractions.train, validation: fractions.validation, test: fractions.test }
    }
}

/// The field whose equal values stay in one split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum By {
    /// In every split.
    Field(#[schemars(length(min = 1))] String),
    /// In some splits only.
    Parts(ByPart),
}

/// The fields whose equal values are in one split as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ByPart {
    /// For the validation split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub validation: Option<String>,
    /// For the test split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub test: Option<String>,
}

/// One of several equal parts of the texts outside of test: the one that validates, while the others train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fold {
    /// Which it is, from 0.
    pub index: usize,
    /// How many there are.
    #[schemars(range(min = 2, max = 1000))]
    pub of: usize,
}

/// What becomes of equal texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    /// They stay in one split.
    #[default]
    Together,
    /// One of them is kept.
    Drop,
    /// Each is a text like any other.
    Keep,
}

/// The parameters that divide a corpus.
pub(super) struct Dividing<'a> {
    pub fractions: Fractions,
    pub by: Option<&'a By>,
    /// The field that orders the texts.
    pub order: Option<&'a str>,
    pub fold: Option<Fold>,
    pub duplicates: Duplicates,
    pub seed: u64,
}

impl Dividing<'_> {
    pub(super) fn check(&self) -> Vec<ParameterProblem> {
        let fractions = text::Fractions::from(self.fractions);
        let mut problems: Vec<_> = check_sum(&self.fractions).into_iter().collect();
        let by = self.division().by;
        if self.by.is_some() && by.fields().is_empty() {
            let problem = ParameterProblem::new(["by"], "`by` names no split");
            problems.push(problem.help("for example `by = { test = \"template\" }`"));
        }
        problems.extend(self.check_order());
        if let Some(Fold { index, of }) = self.fold.filter(|fold| fold.index >= fold.of) {
            let message = format!("`fold` has no part {index}: {of} parts are numbered from 0");
            problems.push(ParameterProblem::new(["fold"], message));
        }
        for (part, field) in by.fields() {
            let Some(part) = part.filter(|part| fractions.get(*part) == 0.0) else { continue };
            let message = format!(
                "`by` holds whole values of `{field}` out for `{part}`, but `split` gives `{part}` nothing"
            );
            let help = format!("give it a share in `split`, such as `{part} = 0.15`");
            problems.push(ParameterProblem::new(["by", "split"], message).help(help));
        }
        problems
    }

    /// What asks for another place than that which a text has by `order`.
    fn check_order(&self) -> Vec<ParameterProblem> {
        let Some(field) = self.order else { return Vec::new() };
        let others = [
            ("by", self.by.is_some(), "keeps the values of a field together, whenever they occur"),
            ("fold", self.fold.is_some(), "lets every part validate once, also the past"),
        ];
        let problem = |(other, _, what): &(&'static str, bool, &str)| {
            let message = format!(
                "`order` and `{other}` exclude each other: by `order` the past trains and the future validates, and `{other}` {what}"
            );
            let help = format!("leave out `order = \"{field}\"` or the other");
            ParameterProblem::new(["order", other], message).help(help)
        };
        others.iter().filter(|(_, is_given, _)| *is_given).map(problem).collect()
    }

    /// The fractions that the parts come to have.
    pub(super) fn asked(&self) -> Fractions {
        let text::Fractions { train, validation, test } = self.division().asked();
        Fractions { train, validation, test }
    }

    pub(super) fn division(&self) -> Division {
        Division {
            order: self.order.map(str::to_owned),
            fold: self.fold.map(|Fold { index, of }| text::Fold { index, of }),
            fractions: self.fractions.into(),
            by: match self.by {
                None => text::By::Nothing,
                Some(By::Field(field)) => text::By::Field(field.clone()),
                Some(By::Parts(ByPart { validation, test })) => {
                    text::By::Parts { validation: validation.clone(), test: test.clone() }
                }
            },
            equal_texts: match self.duplicates {
                Duplicates::Together => EqualTexts::Together,
                Duplicates::Drop => EqualTexts::Drop,
                Duplicates::Keep => EqualTexts::Keep,
            },
            seed: self.seed,
        }
    }
}

fn check_sum(fractions: &Fractions) -> Option<ParameterProblem> {
    let sum = fractions.train + fractions.validation + fractions.test;
    // Decimal fractions such as 0.7 + 0.2 + 0.1 are not exact in binary.
    if (sum - 1.0).abs() <= 1e-9 {
        return None;
    }
    let message = format!("the fractions of `split` sum to {}, not 1", (sum * 1e6).round() / 1e6);
    let help = "for example `{ train = 0.8, validation = 0.2 }`";
    Some(ParameterProblem::new(["split"], message).help(help))
}

pub(super) fn failed(error: &SplitError) -> StageError {
    StageError::of(error)
}

/// How far a split may be from its fraction before that is said.
const NEAR: f64 = 0.02;

/// What came out: counts and shares, and where they are not what was asked for.
///
/// * `lines`: where the items at two positions come from, such as "lines 3 and 5"
pub(super) fn remarks(
    division: &Division,
    membership: &Membership,
    lines: impl Fn([usize; 2]) -> String,
) -> Vec<Remark> {
    let sizes = Split::ALL.map(|split| (split, membership.size(split)));
    let fractions = division.asked();
    let total = sizes.iter().map(|(_, size)| size).sum::<usize>().max(1);
    let share = |size: usize| size as f64 / total as f64;
    let parts: Vec<String> = sizes
        .iter()
        .filter(|(split, size)| *size > 0 || fractions.get(*split) > 0.0)
        .map(|(split, size)| format!("{size} {split} ({:.1} %)", 100.0 * share(*size)))
        .collect();
    let mut remarks = vec![Remark::Note(format!("texts: {}", parts.join(", ")))];
    if let (Some(field), Some(Ordered { scale, spans, odd, .. })) =
        (&division.order, &membership.ordered)
    {
        let span = |(split, first, last): &(Split, String, String)| {
            format!("{split} {} to {}", quoted(first), quoted(last))
        };
        let spans: Vec<String> = spans.iter().map(span).collect();
        let text = format!("ordered by `{field}`, read as {scale}: {}", spans.join(", "));
        remarks.push(Remark::Note(text));
        if let Some(odd) = odd {
            let message = format!(
                "`{field}` is compared as text, which may be no order of time: not all values are times of ISO 8601, nor all numbers, such as {}",
                quoted(odd)
            );
            remarks.push(Remark::Caveat(Caveat::new(ORDERED_AS_TEXT, 1_u64, message)));
        }
    }
    for groups in &membership.groups {
        let count = |split: Split| groups.parts[split as usize];
        let asked = |split: &Split| fractions.get(*split) > 0.0;
        let shown: Vec<String> = match groups.part {
            Some(part) => vec![format!("{} of {} {part}", count(part), groups.total)],
            None => Split::ALL
                .into_iter()
                .filter(asked)
                .map(|split| format!("{} {split}", count(split)))
                .collect(),
        };
        let text = format!("values of `{}`: {}", groups.field, shown.join(", "));
        remarks.push(Remark::Note(text));
    }
    let dropped = membership.dropped();
    if dropped > 0 {
        let lines = if dropped == 1 { "1 line was" } else { &format!("{dropped} lines were") };
        let text = format!("{lines} dropped, whose text stands in another line");
        remarks.push(Remark::Note(text));
    }
    if let Contradictions { examples, texts, first: Some(first) } = membership.contradictions {
        let message = format!(
            "{examples} texts had equals with other labels ({texts} distinct, the first in {}) and one of each was kept: \
             the first line with the labels of most, on a tie the first of all",
            lines(first)
        );
        let caveat = Caveat::new("contradicting_labels", examples, message);
        remarks.push(Remark::Caveat(caveat));
    }
    remarks.extend(missed(division, membership, sizes).map(Remark::Caveat));
    remarks
}

fn missed(
    division: &Division,
    membership: &Membership,
    sizes: [(Split, usize); 3],
) -> Option<Caveat> {
    let total = sizes.iter().map(|(_, size)| *size as f64).sum::<f64>().max(1.0);
    let fractions = division.asked();
    let asked = |split: Split| fractions.get(split);
    // One text for each of two classes is rounding.
    let rounding = if membership.groups.is_empty() { 2.0 } else { 0.0 };
    let is_far = |(split, size): &(Split, usize)| {
        let off = (*size as f64 - asked(*split) * total).abs();
        off > NEAR * total && off > rounding
    };
    let text = |(split, size): &(Split, usize)| {
        let share = *size as f64 / total;
        format!(
            "{split} {:.1} % instead of {} %",
            100.0 * share,
            (asked(*split) * 1000.0).round() / 10.0
        )
    };
    let (far, parts): (Vec<String>, Vec<Split>) =
        sizes.iter().filter(|part| is_far(part)).map(|part| (text(part), part.0)).unzip();
    if far.is_empty() {
        return None;
    }
    // A field for some parts alone has missed where one of these did; the rest is divided text by text.
    let groups = membership
        .groups
        .iter()
        .find(|groups| !membership.is_tied || groups.part.is_none_or(|part| parts.contains(&part)));
    let why = match groups {
        Some(groups) => format!("the groups of `{}` do not divide finer", groups.field),
        None => match &division.order {
            Some(field) => format!("texts of one `{field}` stay together"),
            None if membership.is_tied => "equal texts stay together".to_owned(),
            None => {
                "the texts of each class are divided by themselves, and some are few".to_owned()
            }
        },
    };
    let excess: f64 =
        sizes.iter().map(|(split, size)| (*size as f64 - asked(*split) * total).max(0.0)).sum();
    let message = format!("the split is {}: {why}", far.join(", "));
    Some(Caveat::new("fractions_missed", excess.round() as u64, message))
}

/// Which texts share their field `id`.
#[derive(Default)]
struct Ids {
    /// By digest of the `id`: the place of the first.
    first: HashMap<u64, (Split, Place)>,
    /// Texts whose `id` an earlier one has.
    repeated: usize,
    example: Option<(String, [(Split, Place); 2])>,
}

impl Ids {
    fn push(&mut self, split: Split, example: &Example) {
        let Some(id) = example.fields.get("id") else { return };
        let place = (split, Place::of(example));
        let digest = blake3::hash(id.as_bytes());
        let (digest, _) = digest.as_bytes().split_first_chunk::<8>().expect("it has 32 bytes");
        let first = *self.first.entry(u64::from_le_bytes(*digest)).or_insert(place);
        if first != place {
            self.repeated += 1;
            self.example.get_or_insert_with(|| (id.clone(), [first, place]));
        }
    }

    fn remark(&self, files: &FileNames) -> Option<Remark> {
        let (id, places) = self.example.as_ref()?;
        let [one, other] = places.map(|(split, place)| files.line_in(split, place));
        let texts = match self.repeated {
            1 => "1 text has".to_owned(),
            count => format!("{count} texts have"),
        };
        let id: String = id.chars().take(40).collect();
        Some(Remark::Warning(format!(
            "{texts} an `id` that an earlier one has, such as `{id}` in {one} and {other}: \
             texts that share one are told apart by what they say, so that a corrected one counts as new"
        )))
    }
}

/// What there is to say of a corpus, found text by text.
struct Findings {
    names: FileNames,
    shared: Shared,
    labels: LabelFindings,
    ids: Ids,
}

impl Findings {
    /// * `tasks`: what the texts are labelled for
    /// * `group`: as [`Shared::new`]
    /// * `names`: of the files that texts are from
    fn new(
        tasks: &CorpusTasks,
        group: Option<(&'static str, &'static str)>,
        names: FileNames,
    ) -> Self {
        let (shared, labels) = (Shared::new(group), LabelFindings::new(tasks));
        Self { names, shared, labels, ids: Ids::default() }
    }

    /// * `looked`: what `shared` has found of the text
    fn add(&mut self, split: Split, example: &Example, looked: Option<Reduced>) {
        self.shared.add(split, example, looked);
        self.labels.push(split, example);
        self.ids.push(split, example);
    }

    fn caveats(&self) -> Vec<Caveat> {
        let mut caveats = self.shared.caveats(&self.names);
        caveats.extend(self.labels.caveats(&self.names));
        caveats
    }

    fn of_ids(&self) -> Option<Remark> {
        self.ids.remark(&self.names)
    }
}

/// Texts that wait for others, so that all threads have something to do.
#[derive(Default)]
struct Waiting {
    texts: Vec<(Split, Example)>,
    bytes: usize,
}

impl Waiting {
    /// How many texts wait for each other, and how large they are together.
    const TEXTS: usize = 1 << 12;
    const BYTES: usize = 2 << 20;

    /// Takes one more, and returns all of them once they are enough.
    fn push(&mut self, split: Split, example: Example) -> Option<Vec<(Split, Example)>> {
        self.bytes += example.text.len();
        self.texts.push((split, example));
        (self.texts.len() >= Self::TEXTS || self.bytes >= Self::BYTES)
            .then(|| std::mem::take(self).texts)
    }
}

/// Writes a corpus text by text, and says at its end what a reader of scores on it should know, and how it differs from what the stage came
/// to before.
pub(super) struct Output<'a> {
    context: &'a Context<'a>,
    files: CorpusWriter,
    findings: Findings,
    /// Of the corpus before, and of this one.
    traces: Option<(Trace, Trace)>,
    waiting: Waiting,
}

impl<'a> Output<'a> {
    /// * `tasks`: what the texts are labelled for
    /// * `group`: as [`Shared::new`]
    /// * `names`: of the files that texts are from
    pub(super) fn new(
        tasks: CorpusTasks,
        group: Option<(&'static str, &'static str)>,
        names: FileNames,
        context: &'a Context<'a>,
    ) -> Result<Self, StageError> {
        let findings = Findings::new(&tasks, group, names.clone());
        Ok(Self {
            context,
            files: CorpusFiles::writer(context.output, tasks)?.from_files(names),
            findings,
            traces: (context.previous)()
                .and_then(|previous| trace(&previous))
                .map(|trace| (trace, Trace::default())),
            waiting: Waiting::default(),
        })
    }

    /// Says how the splits were divided.
    pub(super) fn divided(mut self, division: &Division) -> Self {
        let whole = division.by.fields().into_iter().flat_map(|(part, field)| {
            let splits =
                Split::ALL.into_iter().filter(move |split| part.is_none_or(|part| part == *split));
            splits.map(move |split| (split, field.to_owned()))
        });
        self.files = self.files.grouped_by(whole.collect()).ordered_by(division.order.clone());
        self
    }

    /// Says by which field the texts are in an order, where somebody else has split them.
    pub(super) fn ordered_by(self, order: Option<String>) -> Self {
        Self { files: self.files.ordered_by(order), ..self }
    }

    pub(super) fn push(&mut self, split: Split, example: Example) -> Result<(), StageError> {
        self.waiting.push(split, example).map_or(Ok(()), |texts| self.write(texts))
    }

    fn write(&mut self, texts: Vec<(Split, Example)>) -> Result<(), StageError> {
        let (shared, files) = (&self.findings.shared, &self.files);
        let look = |(split, example): &(Split, Example)| {
            (shared.look(*split, example), files.line(*split, example))
        };
        let looked: Vec<_> = texts.par_iter().with_min_len(16).map(look).collect();
        for ((split, example), (looked, line)) in texts.into_iter().zip(looked) {
            self.findings.add(split, &example, looked);
            if let Some((_, trace)) = &mut self.traces {
                trace.push(split, &example);
            }
            self.files.push_line(split, &example, &line?)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self, mut caveats: Vec<Caveat>) -> Result<CorpusFiles, StageError> {
        let texts = std::mem::take(&mut self.waiting).texts;
        self.write(texts)?;
        for caveat in self.findings.caveats() {
            self.context.caveat(&mut caveats, caveat);
        }
        self.context.remarks(&mut caveats, self.findings.of_ids().into_iter().collect());
        // Whoever learns the classes says it.
        caveats.extend(self.findings.labels.classes());
        if let Some((before, now)) = &self.traces {
            self.context.note(difference(before, now));
        }
        self.files.finish(&caveats)
    }
}

/// Takes some texts of a split.
pub type TakeTexts<'a> = &'a mut dyn FnMut(Split, Vec<Example>) -> Result<(), StageError>;

/// Hands on the texts of a corpus that is not written, and says at its end what there is to say of it.
pub(super) struct Passing<'a> {
    take: TakeTexts<'a>,
    findings: Findings,
    waiting: Waiting,
}

impl<'a> Passing<'a> {
    /// * `take`: is handed the texts, some at a time
    /// * the others: as [`Output::new`]
    pub(super) fn new(
        tasks: &CorpusTasks,
        group: Option<(&'static str, &'static str)>,
        names: FileNames,
        take: TakeTexts<'a>,
    ) -> Self {
        let findings = Findings::new(tasks, group, names);
        Self { take, findings, waiting: Waiting::default() }
    }

    pub(super) fn push(&mut self, split: Split, example: Example) -> Result<(), StageError> {
        self.waiting.push(split, example).map_or(Ok(()), |texts| self.hand_on(texts))
    }

    fn hand_on(&mut self, texts: Vec<(Split, Example)>) -> Result<(), StageError> {
        let shared = &self.findings.shared;
        let look = |(split, example): &(Split, Example)| shared.look(*split, example);
        let looked: Vec<_> = texts.par_iter().with_min_len(16).map(look).collect();
        let mut splits = Split::ALL.map(|split| (split, Vec::new()));
        for ((split, example), looked) in texts.into_iter().zip(looked) {
            self.findings.add(split, &example, looked);
            splits[split as usize].1.push(example);
        }
        let mut some = splits.into_iter().filter(|(_, texts)| !texts.is_empty());
        some.try_for_each(|(split, texts)| (self.take)(split, texts))
    }

    pub(super) fn finish(mut self) -> Result<Vec<Remark>, StageError> {
        let texts = std::mem::take(&mut self.waiting).texts;
        self.hand_on(texts)?;
        let caveats = self.findings.caveats().into_iter().map(Remark::Caveat);
        Ok(caveats.chain(self.findings.of_ids()).collect())
    }
}

/// A corpus that is nowhere but handed on by its stage.
pub struct Passed {
    pub tasks: CorpusTasks,
    pub remarks: Vec<Remark>,
}

/// A corpus that is in memory only, with what is to be said of it.
///
/// * `order`: the field by which it was split, where that was in an order
/// * `pass`: hands on its texts
pub(super) fn survey(
    order: Option<String>,
    pass: impl FnOnce(TakeTexts<'_>) -> Result<Passed, StageError>,
) -> Result<Survey, StageError> {
    let mut corpus = Corpus { order, ..Corpus::default() };
    let Passed { tasks, remarks } = pass(&mut |split, texts| {
        corpus.get_mut(split).extend(texts);
        Ok(())
    })?;
    corpus.tasks = tasks;
    Ok(Survey { remarks, finding: Some(Arc::new(corpus)), ..Survey::default() })
}

/// What to say again of a corpus that is there: how it differs from the one before, where that is another one.
pub(super) fn recall(entry: &Path, previous: &dyn Fn() -> Option<PathBuf>) -> Vec<String> {
    let compare = || Some(difference(&trace(&previous()?)?, &trace(entry)?));
    compare().into_iter().collect()
}

fn difference(before: &Trace, now: &Trace) -> String {
    format!("compared with the corpus before: {}", now.since(before))
}

/// Where the texts of a corpus lie, as far as it can be read.
fn trace(folder: &Path) -> Option<Trace> {
    let files = CorpusFiles::open(folder).ok()?;
    let mut trace = Trace::default();
    files.for_each(|split, example| trace.push(split, &example)).ok()?;
    Some(trace)
}
