//! `generate_corpus`: sentences from templates with `{placeholders}`.

use std::any::Any;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fetch_model::NoInputs;
use super::splits::{self, By, Dividing, Duplicates, Fold, Fractions, Passed, Passing, TakeTexts};
use super::versions;
use super::{facts, groups};
use crate::base::rng::Rng;
use crate::engine::stage::{
    CodeVersion, Content, Context, Facts, InputFacts, Inspection, ParameterProblem, Remark,
    SourceFile, SourceProblem, Stage, StageError, Survey, SurveyInputs, Usage,
};
use crate::stages::artifacts::CorpusFiles;
use crate::stages::artifacts::known::{self, Texts};
use crate::text::{
    self, CorpusTasks, Example, FileNames, Item, Split, SplitError, TEMPLATES_FORMAT, Templates,
};

/// Synthetic labelled sentences from a file of templates: each placeholder is filled with one of its values and becomes an entity. Sentences of anomalous templates are anomalies.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerateCorpus {
    /// File of templates and of the values of their placeholders.
    #[schemars(extend("format" = "path"))]
    pub templates: PathBuf,
    /// Sentences to generate.
    #[serde(default = "samples")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub samples: usize,
    /// Fraction of anomalies.
    #[serde(default = "anomaly_ratio")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub anomaly_ratio: f64,
    /// Fractions of the splits; they sum to 1.
    #[serde(default)]
    pub split: Fractions,
    /// `"template"` keeps the sentences of one template in one split, which measures generalisation to sentences never seen; `{ test = "template" }` holds whole templates out for that split only, and divides the rest as without; `"text"` keeps equal sentences together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// Lets one of several equal parts of the sentences outside of test validate, such as `{ index = 0, of = 5 }`, and the others train: `folds` of a sweep does that for each. The test split is the same in all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
    /// What becomes of equal sentences: `"together"` keeps them in one split, `"drop"` keeps one of them, with `"keep"` each is a sentence like any other.
    #[serde(default)]
    pub duplicates: Duplicates,
    /// Seed of the sentences and of the split.
    #[serde(default = "super::seed::default_seed")]
    pub seed: u64,
}

/// The field of a sentence that names its template.
const FIELD: &str = groups::TEMPLATE;

/// Templates are written by hand: a larger file than this is somebody's data, which no plan should read.
const INSPECTION: Inspection = Inspection { largest: 1 << 20, read };

fn read(text: &str) -> Result<Content, Vec<SourceProblem>> {
    Ok(Arc::new(Templates::check(text)?))
}

fn samples() -> usize {
    5000
}
fn anomaly_ratio() -> f64 {
    0.3
}

impl Stage for GenerateCorpus {
    const KIND: &'static str = "generate_corpus";
    const USAGE: Usage = Usage {
        when: "When there are no labelled texts yet, or to try an experiment out: scores on generated sentences say little about real ones.",
        snippet: r#"[stage.corpus]
kind      = "generate_corpus"
templates = "data/events.toml"     # `pipeline init` writes one to start from
samples   = 2000
split     = { train = 0.7, validation = 0.15, test = 0.15 }
by        = { test = "template" }  # tests on forms that training never sees"#,
    };
    const CODE: &'static [CodeVersion] = &[versions::TEMPLATES, versions::SPLIT];
    const DIVIDED_BY: Option<&'static str> = Some("split");
    type Inputs = NoInputs;
    type Output = CorpusFiles;

    fn check(&self) -> Vec<ParameterProblem> {
        let dividing = self.dividing();
        let mut problems = dividing.check();
        for (_, by) in dividing.division().by.fields() {
            if ![FIELD, "text"].contains(&by) {
                let message = format!(
                    "`by` cannot be `{by}`: all that sentences from templates have is the field `{FIELD}`"
                );
                let help =
                    format!("`by = \"{FIELD}\"` keeps the sentences of one template in one split");
                problems.push(ParameterProblem::new(["by"], message).help(help));
            }
        }
        if let (true, None, Err(error)) = (
            problems.is_empty(),
            &self.by,
            text::check_sizes(text::classes(self.samples, self.anomaly_ratio), self.split.into()),
        ) {
            let about = ["samples", "anomaly_ratio", "split"];
            let problem = ParameterProblem::new(about, error.to_string());
            problems.push(problem.help("more `samples`, or a larger fraction"));
        }
        problems
    }

    fn sources(&self) -> Vec<SourceFile> {
        vec![SourceFile {
            parameter: "templates",
            name: "templates".to_owned(),
            path: self.templates.clone(),
            inspection: Some(INSPECTION),
        }]
    }

    fn check_content(&self, content: &dyn Any) -> Vec<ParameterProblem> {
        let Some(Err(error)) = content
            .downcast_ref::<Templates>()
            .map(|templates| templates.check_classes(self.samples, self.anomaly_ratio))
        else {
            return Vec::new();
        };
        let help = "add such templates to the file, or change `anomaly_ratio`: 0 is no anomaly, 1 nothing else";
        let about = ["templates", "samples", "anomaly_ratio"];
        vec![ParameterProblem::new(about, error.to_string()).help(help)]
    }

    fn facts(&self, _inputs: InputFacts<'_>) -> Facts {
        let fractions = self.dividing().asked();
        let mut facts = facts::of_fractions(&fractions);
        let count = |fraction: f64| (self.samples as f64 * fraction).round() as usize;
        facts.extend(known::of_texts(Texts {
            train: count(fractions.train),
            validation: count(fractions.validation),
            tokens_per_text: None,
        }));
        facts.extend(facts::of_classes(text::classes(self.samples, self.anomaly_ratio)));
        facts.extend(known::of_tasks(&CorpusTasks::default()));
        facts.extend(facts::of_fields(&[FIELD]));
        facts.extend(known::of_order(None));
        facts
    }

    fn facts_of_content(&self, content: &dyn Any) -> Facts {
        let templates = content.downcast_ref::<Templates>();
        let types = |templates: &Templates| known::of_types(templates.entity_labels().into_iter());
        templates.map(types).unwrap_or_default()
    }

    fn survey(
        &self,
        _inputs: SurveyInputs<'_>,
        _entry: Option<&Path>,
    ) -> Result<Survey, StageError> {
        splits::survey(None, |take| self.pass(take))
    }

    fn recall(&self, entry: &Path, previous: &dyn Fn() -> Option<PathBuf>) -> Vec<String> {
        splits::recall(entry, previous)
    }

    fn run(&self, _inputs: NoInputs, context: &Context<'_>) -> Result<CorpusFiles, StageError> {
        let (tasks, names) = (CorpusTasks::default(), FileNames::default());
        let mut output = splits::Output::new(tasks, Some((FIELD, "templates")), names, context)?
            .divided(&self.dividing().division());
        let (mut caveats, mut remarks) = (Vec::new(), Vec::new());
        self.each(&|| context.check_cancelled(), &mut remarks, &mut |split, example| {
            output.push(split, example)
        })?;
        context.remarks(&mut caveats, remarks);
        output.finish(caveats)
    }
}

impl GenerateCorpus {
    fn dividing(&self) -> Dividing<'_> {
        Dividing {
            fractions: self.split,
            by: self.by.as_ref(),
            order: None,
            fold: self.fold,
            duplicates: self.duplicates,
            seed: self.seed,
        }
    }

    /// Hands on all sentences, of which few are in memory at a time, and says what is to be said of them.
    ///
    /// # Errors
    /// When the templates cannot be read, or the sentences cannot be divided as asked; those of `take`.
    pub(super) fn pass(&self, take: TakeTexts<'_>) -> Result<Passed, StageError> {
        let (tasks, mut remarks) = (CorpusTasks::default(), Vec::new());
        let group = Some((FIELD, "templates"));
        let mut passing = Passing::new(&tasks, group, FileNames::default(), take);
        self.each(&|| Ok(()), &mut remarks, &mut |split, example| passing.push(split, example))?;
        remarks.extend(passing.finish()?);
        Ok(Passed { tasks, remarks })
    }

    /// Makes all sentences and hands them out with their splits, of which only a chunk is in memory: every one is made twice.
    fn each(
        &self,
        check_cancelled: &dyn Fn() -> Result<(), StageError>,
        remarks: &mut Vec<Remark>,
        push: &mut dyn FnMut(Split, Example) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        let templates = Templates::read(&self.templates)
            .map_err(|error| StageError::new(error.to_string()).with_help(TEMPLATES_FORMAT))?;
        let unused = templates.unused();
        if !unused.is_empty() {
            let names: Vec<String> = unused.iter().map(|name| format!("`{name}`")).collect();
            remarks.push(Remark::Warning(format!(
                "no template of `{}` uses {}",
                self.templates.display(),
                names.join(", ")
            )));
        }
        let sentences = templates
            .sentences(self.samples, self.anomaly_ratio, Rng::new(self.seed))
            .map_err(|error| StageError::new(error.to_string()))?;
        let division = self.dividing().division();
        let mut items = Vec::with_capacity(self.samples);
        for chunk in chunks(self.samples) {
            check_cancelled()?;
            let item = |index| division.item(&sentences.get(index));
            let found: Result<Vec<Item>, SplitError> = chunk.into_par_iter().map(item).collect();
            items.extend(found.map_err(|error| splits::failed(&error))?);
        }
        let membership = division.divide(&items).map_err(|error| splits::failed(&error))?;
        drop(items);
        remarks.extend(splits::remarks(&division, &membership, |[one, other]| {
            format!("lines {} and {}", one + 1, other + 1)
        }));
        for chunk in chunks(self.samples) {
            check_cancelled()?;
            let start = chunk.start;
            let made: Vec<Example> =
                chunk.into_par_iter().map(|index| sentences.get(index)).collect();
            for (example, part) in made.into_iter().zip(&membership.parts[start..]) {
                if let Some(split) = part {
                    push(*split, example)?;
                }
            }
        }
        Ok(())
    }
}

/// Sentences in memory at a time.
const CHUNK: usize = 1 << 14;

fn chunks(samples: usize) -> impl Iterator<Item = Range<usize>> {
    (0..samples).step_by(CHUNK).map(move |start| start..samples.min(start + CHUNK))
}
