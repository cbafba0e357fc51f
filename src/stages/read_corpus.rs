//! `read_corpus`: labelled texts from JSONL files.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts;
use super::fetch_model::NoInputs;
use super::splits::{self, By, Dividing, Duplicates, Fold, Fractions};
use super::versions;
use crate::engine::stage::{
    CodeVersion, Context, Facts, InputFacts, ParameterProblem, Remark, SourceFile, Stage,
    StageError, Survey, SurveyInputs,
};
use crate::stages::artifacts::CorpusFiles;
use crate::text::{Corpus, CorpusTasks, Example, Offsets, Split, SplitError, jsonl};

/// Labelled texts from JSONL files with lines such as `{"text": "...", "entities": [{"start": 0, "end": 5, "label": "NODE"}], "anomaly": 0}`, offsets half-open. Either one file (`path`) that is split, or a file for each split (`train`, `validation`, `test`).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadCorpus {
    /// One file, to be split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub path: Option<PathBuf>,
    /// Fractions of the splits of `path`; they sum to 1. Without `by` the split is stratified by `anomaly`, and a text's place follows from its field `id` (else the text itself) and the seed, so that corrections move few others. Default: 0.8 train, 0.2 validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Fractions>,
    /// Field whose equal values stay in one split, such as `"event"`, or `"text"` for the text itself; `{ test = "event" }` holds whole values out for that split only, and divides the rest as without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// Field whose values order the texts of `path`, such as `"timestamp"`: the first of them train, later ones validate, and the last ones test, at the fractions of `split`. Its values are read as times where all are dates or times of ISO 8601, else as numbers (such as seconds since 1970), else as text in natural order; equal ones stay in one split. Excludes `by`; nothing is stratified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub order: Option<String>,
    /// Lets one of several equal parts of the texts outside of test validate, such as `{ index = 0, of = 5 }`, and the others train: `folds` of a sweep does that for each. The test split is the same in all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
    /// What becomes of equal texts in `path`: `"together"` keeps them in one split (under `by`, those of one group; under `order`, those of one value), `"drop"` keeps one of them (the first line with the labels of most; on a tie the first of all), with `"keep"` each is a text like any other. Default: together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<Duplicates>,
    /// File of the training split, instead of `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub train: Option<PathBuf>,
    /// File of the validation split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub validation: Option<PathBuf>,
    /// File of the test split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub test: Option<PathBuf>,
    /// What `start` and `end` of the entities count.
    #[serde(default)]
    pub offsets: Offsets,
    /// Seed of the split.
    #[serde(default = "super::default_seed")]
    pub seed: u64,
}

impl ReadCorpus {
    fn dividing(&self) -> Dividing<'_> {
        Dividing {
            fractions: self.split.unwrap_or_default(),
            by: self.by.as_ref(),
            order: self.order.as_deref(),
            fold: self.fold,
            duplicates: self.duplicates.unwrap_or_default(),
            seed: self.seed,
        }
    }

    fn files(&self) -> [(&'static str, Option<&PathBuf>); 4] {
        [
            ("path", self.path.as_ref()),
            ("train", self.train.as_ref()),
            ("validation", self.validation.as_ref()),
            ("test", self.test.as_ref()),
        ]
    }
}

impl Stage for ReadCorpus {
    const KIND: &'static str = "read_corpus";
    const CODE: &'static [CodeVersion] = &[versions::JSONL, versions::SPLIT];
    type Inputs = NoInputs;
    type Output = CorpusFiles;

    fn check(&self) -> Vec<ParameterProblem> {
        let problem = |parameters: [&'static str; 2], message: &str| {
            ParameterProblem::new(parameters, message)
                .help("either `path` with `split`, or `train` with `validation` and `test`")
        };
        let mut problems = if self.path.is_some() { self.dividing().check() } else { Vec::new() };
        if self.path.is_none() && self.train.is_none() {
            problems.push(problem(["path", "train"], "one of `path` and `train` is needed"));
        }
        if self.path.is_some() {
            for (parameter, file) in self.files().into_iter().skip(1) {
                if file.is_some() {
                    let message = format!("`path` and `{parameter}` exclude each other");
                    problems.push(problem([parameter, "path"], &message));
                }
            }
        } else {
            let given = [
                ("split", self.split.is_some()),
                ("by", self.by.is_some()),
                ("order", self.order.is_some()),
                ("fold", self.fold.is_some()),
                ("duplicates", self.duplicates.is_some()),
            ];
            for (parameter, _) in given.into_iter().filter(|(_, given)| *given) {
                let message =
                    format!("`{parameter}` divides the file of `path`, and there is none");
                problems.push(problem([parameter, "path"], &message));
            }
        }
        problems
    }

    fn sources(&self) -> Vec<SourceFile> {
        let source = |(parameter, path): (&'static str, Option<&PathBuf>)| {
            Some(SourceFile {
                parameter,
                name: parameter.to_owned(),
                path: path?.clone(),
                inspection: None,
            })
        };
        self.files().into_iter().filter_map(source).collect()
    }

    fn facts(&self, _inputs: InputFacts<'_>) -> Facts {
        match self.path {
            Some(_) => facts::of_fractions(&self.dividing().asked()),
            None => facts::of_splits(
                self.train.is_none(),
                self.validation.is_none(),
                self.test.is_none(),
            ),
        }
    }

    fn survey(
        &self,
        _inputs: SurveyInputs<'_>,
        _entry: Option<&Path>,
    ) -> Result<Survey, StageError> {
        let (mut corpus, mut remarks) = (Corpus::default(), Vec::new());
        self.each(&mut remarks, &mut |split, example| {
            corpus.get_mut(split).push(example);
            Ok(())
        })?;
        Ok(splits::survey(corpus, None, remarks))
    }

    fn recall(&self, entry: &Path, previous: &dyn Fn() -> Option<PathBuf>) -> Vec<String> {
        splits::recall(entry, previous)
    }

    fn run(&self, _inputs: NoInputs, context: &Context<'_>) -> Result<CorpusFiles, StageError> {
        let mut output = splits::Output::new(CorpusTasks::default(), None, context)?;
        let (mut caveats, mut remarks) = (Vec::new(), Vec::new());
        self.each(&mut remarks, &mut |split, example| output.push(split, &example))?;
        context.remarks(&mut caveats, remarks);
        output.finish(caveats)
    }
}

impl ReadCorpus {
    /// Reads all files and hands out every text with its split.
    fn each(
        &self,
        remarks: &mut Vec<Remark>,
        push: &mut dyn FnMut(Split, Example) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        let read = |parameter, path: &Path| {
            jsonl::read(path, self.offsets)
                .map_err(|error| StageError::of(&error).in_file_of(parameter))
        };
        let Some(path) = &self.path else {
            let files = [&self.train, &self.validation, &self.test];
            for (split, path) in Split::ALL.into_iter().zip(files) {
                let Some(path) = path else { continue };
                for example in read(split.name(), path)? {
                    push(split, example)?;
                }
            }
            return Ok(());
        };
        let examples = read("path", path)?;
        let division = self.dividing().division();
        let items: Result<Vec<_>, _> =
            examples.iter().map(|example| division.item(example)).collect();
        let membership =
            items.and_then(|items| division.divide(&items)).map_err(|error: SplitError| {
                let message = format!("{}: {error}", path.display());
                StageError::of(&error).saying(message).in_file_of("path")
            })?;
        remarks.extend(splits::remarks(&division, &membership, |index| examples[index].line));
        for (example, part) in examples.into_iter().zip(membership.parts) {
            if let Some(split) = part {
                push(split, example)?;
            }
        }
        Ok(())
    }
}
