//! `read_corpus`: labelled texts as people have them.

mod files;
mod names;
mod particular;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use self::files::Files;
use super::corrections::Corrections;
use super::facts;
use super::fetch_model::NoInputs;
use super::reading::{Part, Reading};
use super::splits::{self, By, Dividing, Duplicates, Fold, Fractions, Passed, Passing, TakeTexts};
use super::versions;
use crate::base::disk::regular;
use crate::base::topic::Topic;
use crate::engine::stage::{
    CodeVersion, Content, Context, Facts, InputFacts, Inspection, ParameterProblem, SourceFile,
    SourceProblem, Stage, StageError, Survey, SurveyInputs, Usage,
};
use crate::stages::artifacts::CorpusFiles;
use crate::stages::artifacts::known;
use crate::text::readers::{
    Classes, Columns, Encoding, Fields, Format, Heads, Lookup, Malformed, Nested, Options, Purpose,
    Rules, Scheme, Shipped,
};
use crate::text::{ANOMALY, ClassHead, CorpusTasks, Offsets, Split};

/// What becomes of a line that cannot be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// Nothing is read.
    #[default]
    Stop,
    /// It is left out, and counted.
    Skip,
}

/// Rules that come with the program, or a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RulesOf {
    Shipped(Shipped),
    File(#[schemars(extend("format" = "path"))] PathBuf),
}

impl RulesOf {
    /// What a command line names: rules that come with the program by their name, else a file.
    #[must_use]
    pub fn of(name: &Path) -> Self {
        let shipped = Shipped::ALL.into_iter().find(|it| name.to_str() == Some(it.name()));
        shipped.map_or_else(|| Self::File(name.to_owned()), Self::Shipped)
    }

    /// # Errors
    /// When the file cannot be read, or holds no rules.
    pub fn read(&self) -> Result<Rules, StageError> {
        let path = match self {
            Self::Shipped(shipped) => return Ok(Rules::shipped(*shipped)),
            Self::File(path) => path,
        };
        let text = regular::read_to_string(path)
            .map_err(|error| StageError::reading(path, &error).in_file_of("rules"))?;
        Rules::parse(&text).map_err(|error| {
            StageError::new(format!("{}: {error}", path.display())).in_file_of("rules")
        })
    }
}

/// A file of rows, and the field by which they are found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LookupIn {
    /// The file, in any format with fields.
    #[schemars(extend("format" = "path"))]
    pub path: PathBuf,
    /// The field of texts and rows.
    #[schemars(length(min = 1))]
    pub key: String,
}

/// Consecutive lines that make one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// How many lines it has.
    #[schemars(range(min = 2, max = 10000))]
    pub lines: usize,
    /// How many lines after a window the next one begins; as many as it has where this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub step: Option<usize>,
}

/// What is looked for in a file of rules by a plan. Larger files hold no rules that anybody wrote.
const RULES: Inspection = Inspection { largest: 1 << 20, read: inspect_rules };

fn inspect_rules(text: &str) -> Result<Content, Vec<SourceProblem>> {
    match Rules::parse(text) {
        Ok(rules) => Ok(Arc::new(rules)),
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            Err(vec![SourceProblem::new(span, error.message().to_owned())])
        }
    }
}

/// Labelled texts from files as people have them: JSON lines, CoNLL, CSV, and what doccano, Prodigy, spaCy, `datasets` and Label Studio write. A JSON line is `{"text": "...", "entities": [{"start": 0, "end": 5, "label": "NODE"}], "anomaly": 0}`, offsets half-open; files may be packed by gzip or zstd. Either files (`path`) that are split, or files for each split (`train`, `validation`, `test`).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadCorpus {
    /// A file to be split, or a list of files; `*`, `?` and `[..]` in a path stand for all files that fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::Basics))]
    pub path: Option<Files>,
    /// Fractions of the splits of `path`; they sum to 1. Without `by` the split is stratified by the classes of the texts, and a text's place follows from its field `id` (else the text itself) and the seed, so that corrections move few others. Default: 0.8 train, 0.2 validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::Splits))]
    pub split: Option<Fractions>,
    /// Field whose equal values stay in one split, such as `"event"`, or `"text"` for the text itself; `{ test = "event" }` holds whole values out for that split only, and divides the rest as without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::Splits))]
    pub by: Option<By>,
    /// Field whose values order the texts of `path`, such as `"timestamp"`: the first of them train, later ones validate, and the last ones test, at the fractions of `split`. Its values are read as times where all are dates or times of ISO 8601, else as numbers (such as seconds since 1970), else as text in natural order, with a warning; equal ones stay in one split. Excludes `by`; nothing is stratified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-topic" = Topic::Splits))]
    pub order: Option<String>,
    /// Lets one of several equal parts of the texts outside of test validate, such as `{ index = 0, of = 5 }`, and the others train: `folds` of a sweep does that for each. The test split is the same in all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::Splits))]
    pub fold: Option<Fold>,
    /// What becomes of equal texts in `path`: `"together"` keeps them in one split (under `by`, those of one group; under `order`, those of one value), `"drop"` keeps one of them (the first line with the labels of most; on a tie the first of all), with `"keep"` each is a text like any other. Default: together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::Splits))]
    pub duplicates: Option<Duplicates>,
    /// Files of the training split, instead of `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::Basics))]
    pub train: Option<Files>,
    /// Files of the validation split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::Basics))]
    pub validation: Option<Files>,
    /// Files of the test split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::Basics))]
    pub test: Option<Files>,
    /// How the files hold texts: `jsonl`, a JSON object on each line; `json`, the same in an array; `conll`, a word and its tag on each line; `csv` and `tsv`, a header and a text in each row; `lines`, raw lines of a log, of which `rules` make texts; `label_studio`, what that exports as JSON or JSON_MIN; `parquet`, its columns, where the program was built with the feature of that name. Default: told from name and content of each file, and said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::Basics))]
    pub format: Option<Format>,
    /// How the files' bytes spell characters; a byte order mark goes before it.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("x-topic" = Topic::Repairs))]
    pub encoding: Encoding,
    /// The fields that say a text's classes, each a head of the model: `["severity"]`, or `{ severity = ["low", "high"], component = [] }` with the classes in order, of which the last of two is the positive one; those of an empty list are sorted by name. A class is its name, its number from 0, or false and true. `anomaly` (normal, anomaly) needs no mention. A text without a class trains the other heads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::Labels))]
    pub classes: Option<Classes>,
    /// What the fields or columns are called that have a meaning of their own, such as `{ text = "message", entities = "spans", id = "ticket" }`, or that of a head of `classes`: `{ severity = "How bad?" }`. Default: as the tools that are known write them.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("x-topic" = Topic::Labels))]
    pub fields: Fields,
    /// What labels of entities are called instead, such as `{ "First Name" = "FIRST_NAME" }`; in others, white space becomes `_`.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("x-topic" = Topic::Labels))]
    pub labels: BTreeMap<String, String>,
    /// What becomes of entities that overlap: `"refuse"` calls them a mistake, `"outermost"` keeps the one in which others lie (of two that cross, the first), `"longest"` the longest of those that overlap.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("x-topic" = Topic::Labels))]
    pub nested: Nested,
    /// Whether texts hold their entities as `[Ada](PER) wrote`; `\[` is a bracket, and a mark that no label and `)` close a mistake. Of raw lines each is a text then.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("x-topic" = Topic::Labels))]
    pub markup: bool,
    /// Of `conll`: where a line has its word and its tag, from 0, or from -1 for the last.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("x-topic" = Topic::TaggedWords))]
    pub columns: Columns,
    /// Of tagged words: how tags say where an entity begins, whether the type goes last (`B-PER`) or first (`PER-B`). Default: told from the tags, and said; sequences that are none of it are read as `conlleval` reads them, and counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::TaggedWords))]
    pub scheme: Option<Scheme>,
    /// Of tagged words: what stands between two words. Default: a space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::TaggedWords))]
    pub join: Option<String>,
    /// Of tagged words: what tags that are numbers are called, as in `["O", "B-PER", "I-PER"]`.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("x-topic" = Topic::TaggedWords))]
    pub label_names: Vec<String>,
    /// Of `lines`: what of a line is the text, what are fields, entities and classes. `"syslog"`, `"application"` (a time, a level, a component and a message) and `"apache"` come with the program; else a file of regular expressions, described in the README.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::LogLines))]
    pub rules: Option<RulesOf>,
    /// Makes one text of so many consecutive lines of a file and a split, as they stand, such as `{ lines = 20, step = 10 }`; under `by`, lines of all values that a split has may stand in one text; its class is the last of its lines' in the order of classes. The split goes by `order` or `by` then, or is one of files: in a random one, the same lines and moments would train and validate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::LogLines))]
    pub window: Option<Window>,
    /// Makes one text of all lines with the same value of a field, such as `"session"`, so that each value is in one split; its class is as that of a `window`, its fields are those of its first line, that of `order` the latest of its lines. All lines are in memory then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-topic" = Topic::LogLines))]
    pub group: Option<String>,
    /// A second file that says more of texts, such as `{ path = "labels.csv", key = "session" }`: of a text whose field `session` has the value that the column `session` has in a row, the other columns are classes and fields too. It is held in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::Labels))]
    pub lookup: Option<LookupIn>,
    /// Files of lines that say the labels of single texts anew, such as `pipeline review` writes them and a person corrects them: a text has the entities and classes of the line with its `id`, else of the one with its text, and keeps what that does not say. Texts are divided before, so that each stays where it was; what corrects the test split alone trains nothing anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::Repairs))]
    pub corrections: Option<Files>,
    /// What becomes of lines that cannot be read: with `"skip"` they are left out, counted, and listed in `skipped.jsonl` of the result's folder in the store.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("x-topic" = Topic::Repairs))]
    pub on_error: OnError,
    /// What `start` and `end` of the entities count; `label_studio` counts as browsers do, whatever this says.
    #[serde(default)]
    #[schemars(extend("x-topic" = Topic::Labels))]
    pub offsets: Offsets,
    /// Seed of the split.
    #[serde(default = "super::seed::default_seed")]
    #[schemars(extend("x-topic" = Topic::Basics))]
    pub seed: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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

    fn reading(&self) -> Result<Reading<'_>, StageError> {
        let part = |(parameter, files): (&'static str, Option<&Files>)| {
            let split = Split::ALL.into_iter().find(|split| split.name() == parameter);
            Some(Part { parameter: Some(parameter), split, paths: files?.paths() })
        };
        let options = self.options()?;
        let lookup = match &self.lookup {
            None => None,
            Some(LookupIn { path, key }) => Some(
                Lookup::read(path, key, &options)
                    .map_err(|error| StageError::of(&error).in_file_of("lookup"))?,
            ),
        };
        let corrections = match &self.corrections {
            None => None,
            Some(files) => Some(Corrections::read(&files.paths(), &self.of_corrections())?),
        };
        Ok(Reading {
            format: self.format,
            options,
            lookup,
            corrections,
            classes: self.classes.as_ref(),
            skips: self.on_error == OnError::Skip,
            division: self.dividing().division(),
            group: self.group.as_deref(),
            window: self.window.map(|Window { lines, step }| (lines, step.unwrap_or(lines))),
            parts: self.files().into_iter().filter_map(part).collect(),
            particular: self.particular(),
            root: PathBuf::new(),
        })
    }

    /// Hands on all texts, of which few are in memory at a time, and says what is to be said of them.
    ///
    /// # Errors
    /// When a file cannot be read, a line is wrong where that is a reason to stop, or texts cannot be divided as asked; those of `take`.
    pub(super) fn pass(&self, take: TakeTexts<'_>) -> Result<Passed, StageError> {
        let reading = self.reading()?;
        let found = reading.first(&mut |_, _| Ok(()))?;
        let mut passing = Passing::new(&found.tasks, None, found.names.clone(), take);
        let more = reading.second(&found, &mut |_, _| Ok(()), &mut |split, example| {
            passing.push(split, example)
        })?;
        let mut remarks = found.remarks;
        remarks.extend(more);
        remarks.extend(passing.finish()?);
        Ok(Passed { tasks: found.tasks, remarks })
    }

    /// How windows and groups go with the other parameters.
    fn check_windows(&self) -> Vec<ParameterProblem> {
        let mut problems = Vec::new();
        let mut problem = |parameters: &[&'static str], message: &str, help: &str| {
            problems.push(ParameterProblem::new(parameters, message).help(help));
        };
        let is_apart =
            self.path.is_none() || self.order.is_some() || matches!(self.by, Some(By::Field(_)));
        if let (Some(field), None, false) = (&self.group, self.window, is_apart) {
            let message =
                "a `group` of lines needs a split by `order`, or by a field of all splits (`by`)";
            let help = format!(
                "`by = {field:?}` divides the values of `{field}`, and `order = \"timestamp\"` trains on the past; a random split is one of lines that stand by themselves"
            );
            problem(&["group", "split"], message, &help);
        }
        if let Some(Window { lines, step }) = self.window {
            if !is_apart {
                let message = "a `window` of lines needs a split by `order`, or by a field of all splits (`by`)";
                let help = "`order = \"timestamp\"` trains on the past; in a random split of lines, windows would share lines and moments";
                problem(&["window", "split"], message, help);
            }
            if step.is_some_and(|step| step > lines) {
                problem(
                    &["window"],
                    "the `step` of `window` leaves lines out",
                    "a `step` of at most `lines`",
                );
            }
            if self.duplicates == Some(Duplicates::Drop) {
                let help = "leave `duplicates` out: equal lines are what logs are made of";
                problem(
                    &["duplicates", "window"],
                    "`duplicates = \"drop\"` would take lines out of windows",
                    help,
                );
            }
            if self.group.is_some() {
                problem(
                    &["window", "group"],
                    "`window` and `group` exclude each other",
                    "a text is either so many lines, or all of one value",
                );
            }
        }
        if let Some(RulesOf::File(path)) = &self.rules
            && path.extension().is_none()
            && !path.exists()
        {
            let name = path.file_name().unwrap_or_default().display();
            let message = format!("there are neither rules nor a file called `{name}`");
            let help = "`\"syslog\"`, `\"application\"` and `\"apache\"` (also the access logs of nginx) come with the program";
            problem(&["rules"], &message, help);
        }
        problems
    }

    fn options(&self) -> Result<Options, StageError> {
        Ok(Options {
            encoding: self.encoding,
            offsets: self.offsets,
            fields: self.fields.clone(),
            heads: Heads::of(self.classes.as_ref()),
            labels: self.labels.clone(),
            label_names: self.label_names.clone(),
            nested: self.nested,
            markup: self.markup,
            columns: self.columns,
            scheme: self.scheme,
            join: self.join.clone(),
            rules: self.rules.as_ref().map(RulesOf::read).transpose()?,
            purpose: Purpose::Texts,
            period_before: None,
        })
    }

    /// What texts are labelled for at most: classes are those of `classes`, and of `anomaly`, which needs no mention.
    fn possible_tasks(&self) -> CorpusTasks {
        let heads = Heads::of(self.classes.as_ref());
        let mut names: Vec<&str> = self.classes.iter().flat_map(Classes::names).collect();
        if !names.contains(&ANOMALY) {
            names.insert(0, ANOMALY);
        }
        let head =
            |name: &str| ClassHead { name: name.to_owned(), classes: heads.names(name).to_vec() };
        CorpusTasks { tagging: true, heads: names.into_iter().map(head).collect() }
    }

    /// How corrections are read: their fields are called as `review` calls them, or as those of the files are.
    fn of_corrections(&self) -> Options {
        Options {
            heads: Heads::of(self.classes.as_ref()),
            labels: self.labels.clone(),
            nested: self.nested,
            purpose: Purpose::Corrections(self.fields.clone()),
            ..Options::default()
        }
    }

    fn files(&self) -> [(&'static str, Option<&Files>); 4] {
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
    const USAGE: Usage = Usage {
        when: "When you have labelled texts in files, in nearly any form; `pipeline init --data FILE` writes this stage for them.",
        snippet: r#"[stage.corpus]
kind  = "read_corpus"
path  = "data/lines.jsonl"
split = { train = 0.8, validation = 0.1, test = 0.1 }"#,
    };
    const CODE: &'static [CodeVersion] = &[versions::JSONL, versions::SPLIT];
    const DIVIDED_BY: Option<&'static str> = Some("split");
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
        problems.extend(self.check_names());
        problems.extend(self.check_dividing_names());
        problems.extend(self.check_windows());
        problems.extend(self.check_particular());
        problems
    }

    fn sources(&self) -> Vec<SourceFile> {
        let of = |(parameter, files): (&'static str, Option<&Files>)| {
            files.map(|files| files.sources(parameter)).unwrap_or_default()
        };
        let rules = match &self.rules {
            Some(RulesOf::File(path)) => Some(SourceFile {
                parameter: "rules",
                name: "rules".to_owned(),
                path: path.clone(),
                inspection: Some(RULES),
            }),
            _ => None,
        };
        let lookup = self.lookup.as_ref().map(|lookup| SourceFile {
            parameter: "lookup",
            name: "lookup".to_owned(),
            path: lookup.path.clone(),
            inspection: None,
        });
        let corrections = of(("corrections", self.corrections.as_ref()));
        self.files()
            .into_iter()
            .flat_map(of)
            .chain(rules)
            .chain(lookup)
            .chain(corrections)
            .collect()
    }

    fn facts(&self, _inputs: InputFacts<'_>) -> Facts {
        let mut facts = match self.path {
            Some(_) => facts::of_fractions(&self.dividing().asked()),
            None => facts::of_splits(
                self.train.is_none(),
                self.validation.is_none(),
                self.test.is_none(),
            ),
        };
        facts.extend(known::of_order(self.order.as_deref()));
        facts.extend(known::of_possible(&self.possible_tasks()));
        facts
    }

    fn survey(
        &self,
        _inputs: SurveyInputs<'_>,
        _entry: Option<&Path>,
    ) -> Result<Survey, StageError> {
        splits::survey(self.order.clone(), |take| self.pass(take))
    }

    fn recall(&self, entry: &Path, previous: &dyn Fn() -> Option<PathBuf>) -> Vec<String> {
        splits::recall(entry, previous)
    }

    fn run(&self, _inputs: NoInputs, context: &Context<'_>) -> Result<CorpusFiles, StageError> {
        let reading = self.reading()?;
        let mut skipped = Skipped { path: context.output.join(CorpusFiles::SKIPPED), file: None };
        let mut skip = |path: &Path, problem: &Malformed| {
            context.check_cancelled()?;
            if self.on_error == OnError::Skip { skipped.push(path, problem) } else { Ok(()) }
        };
        let mut found = reading.first(&mut skip)?;
        let mut output =
            splits::Output::new(found.tasks.clone(), None, found.names.clone(), context)?
                .divided(&self.dividing().division());
        let mut count = 0_usize;
        let more = reading.second(&found, &mut skip, &mut |split, example| {
            count += 1;
            if count.is_multiple_of(1 << 12) {
                context.check_cancelled()?;
            }
            output.push(split, example)
        })?;
        skipped.finish()?;
        found.remarks.extend(more);
        let mut caveats = Vec::new();
        context.remarks(&mut caveats, found.remarks);
        output.finish(caveats)
    }
}

/// A file of what was left out, which is made when there is something to say.
struct Skipped {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Skipped {
    fn push(&mut self, path: &Path, problem: &Malformed) -> Result<(), StageError> {
        let failed = |error| StageError::io("write", &self.path, &error);
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(BufWriter::new(File::create(&self.path).map_err(failed)?)),
        };
        let place = &problem.place;
        let line = json!({
            "file": path.file_name().unwrap_or_default().to_string_lossy(),
            "line": place.position.line,
            "column": place.position.column,
            "reason": problem.message,
            "excerpt": place.excerpt,
        });
        writeln!(file, "{line}").map_err(failed)
    }

    fn finish(self) -> Result<(), StageError> {
        let Some(mut file) = self.file else { return Ok(()) };
        file.flush().map_err(|error| StageError::io("write", &self.path, &error))
    }
}
