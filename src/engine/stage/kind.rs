//! The type-erased row of the table of kinds.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::base::problem::Problem;

use super::scores::covered;
use super::{
    Artifact, CardPart, Circumstances, Context, Cost, Exhibit, Facts, InputFacts, InputFolders,
    Plot, Port, Resources, Shown, Signal, StageError, Survey, SurveyInputs, UndefinedMetrics,
    Unread,
};

/// What the engine knows of an artifact type; see [`Artifact`] for the fields.
#[derive(Debug, Clone, Copy)]
pub struct ArtifactType {
    pub name: &'static str,
    pub format: u32,
    pub volatile: &'static [&'static str],
    pub results: &'static [(&'static str, &'static str)],
    pub large: &'static [&'static str],
    pub metrics: Option<&'static str>,
    pub metric_names: &'static [&'static str],
    pub headlines: &'static [&'static str],
    /// [`Artifact::facts`]
    pub facts: fn(&Path) -> Facts,
    pub curves: Shown<Plot>,
    pub exhibits: Shown<Exhibit>,
    pub card_parts: Shown<CardPart>,
    pub card: Option<&'static str>,
}

impl ArtifactType {
    #[must_use]
    pub const fn of<A: Artifact>() -> Self {
        Self {
            name: A::TYPE,
            format: A::FORMAT,
            volatile: A::VOLATILE,
            results: A::RESULTS,
            large: A::LARGE,
            metrics: A::METRICS,
            metric_names: A::METRIC_NAMES,
            headlines: A::HEADLINES,
            facts: A::facts,
            curves: A::CURVES,
            exhibits: A::EXHIBITS,
            card_parts: A::CARD_PARTS,
            card: A::CARD,
        }
    }

    /// What stands before the name of the single thing that a metric of this path scores, such as `ner.per_label.`; `None` of one that a summary has.
    #[must_use]
    pub fn detail<'p>(&self, path: &'p str) -> Option<&'p str> {
        covered(self.metric_names, path).filter(|prefix| prefix.ends_with('.'))
    }

    /// Whether a summary leaves out the metric of this path.
    #[must_use]
    pub fn is_detail(&self, path: &str) -> bool {
        self.detail(path).is_some()
    }
}

/// How a kind is used, for help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// When to use it, and when something else: one sentence.
    pub when: &'static str,
    /// A stage of this kind as an experiment file has it, wired to stages that are called as their kinds are, and to `@corpus`.
    pub snippet: &'static str,
}

impl Usage {
    /// Of kinds that nobody looks up.
    pub const UNSAID: Self = Self { when: "", snippet: "" };
}

/// A version of one part of the code on which a kind's results depend: raised by hand when results may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeVersion {
    pub part: &'static str,
    pub version: u32,
}

/// A file whose content enters the key.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// The parameter that names it, for messages and spans.
    pub parameter: &'static str,
    /// Its name in the key: the parameter, and what distinguishes it when a parameter names a folder, as in `path/config.json`.
    pub name: String,
    pub path: PathBuf,
    /// For a file in which a plan looks for mistakes; all others are only digested until their stage runs.
    pub inspection: Option<Inspection>,
}

/// How a plan looks into a source file, so that what is wrong inside is found before anything runs. Each file is read once for a plan, and again
/// whenever one is made: that is for files which are small by nature, never for data.
#[derive(Debug, Clone, Copy)]
pub struct Inspection {
    /// In bytes. A larger file is left to the run.
    pub largest: u64,
    /// Reads the text, or says everything that is wrong with it.
    pub read: fn(&str) -> Result<Content, Vec<SourceProblem>>,
}

/// What an [`Inspection`] made of a text, for [`Stage::check_content`](super::Stage::check_content).
pub type Content = Arc<dyn Any + Send + Sync>;

/// Something wrong inside a source file: where, in bytes of the text.
pub type SourceProblem = Problem<Range<usize>>;

/// A revision of a hub repository, whose commit enters the key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HubCommit {
    pub repo: String,
    /// A branch, a tag, or 40 hexadecimal digits, which need no resolving.
    pub revision: String,
}

impl fmt::Display for HubCommit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` at `{}`", self.repo, self.revision)
    }
}

/// One of several things that a stage can be made from: see [`Stage::alternatives`](super::Stage::alternatives).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    Hub(HubCommit),
    Folder(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub(commit) => commit.fmt(formatter),
            Self::Folder(path) => write!(formatter, "`{}`", path.display()),
        }
    }
}

/// What a run finds out and pins before a stage has a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Unresolved {
    /// Which commit a hub revision is.
    Commit(HubCommit),
    /// Which of these can be had, the best liked first.
    Source(Vec<Source>),
}

impl fmt::Display for Unresolved {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(commit) => write!(formatter, "commit of {commit} is not known yet"),
            Self::Source(sources) => {
                let sources: Vec<String> = sources.iter().map(Source::to_string).collect();
                write!(formatter, "source is not chosen yet: {}", sources.join(", or "))
            }
        }
    }
}

/// Something wrong with parameters that their schema cannot say: which it is about, first the one at which the message points.
pub type ParameterProblem = Problem<Vec<&'static str>>;

/// How far the work goes: a stage that goes further does all that an equal one does, and then goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The parameters that say nothing else: stages that differ in these alone go on from one another. The least of those that are given counts.
    pub parameters: &'static [&'static str],
    /// Another one that says how far, and more than that.
    pub obstacle: Option<Obstacle>,
    /// Nothing goes further than this, so that nothing is left for it.
    pub is_whole: bool,
}

/// A parameter whose change does not allow to go on from where a shorter stage ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    pub parameter: &'static str,
    /// Such as "`schedule = "linear"` depends on how many steps there will be".
    pub reason: String,
}

/// The outputs that a kind has for values of one parameter, which cannot be swept: it decides what a stage can be wired to.
#[derive(Debug, Clone, Copy)]
pub struct Outputs {
    pub parameter: &'static str,
    /// By value of the parameter: made by [`StageKind::with_output`].
    pub kinds: &'static [(&'static str, StageKind)],
}

/// A stage with its type erased; see [`Stage`](super::Stage) for the methods.
pub trait AnyStage: Any + Send + Sync {
    /// The parameters after defaults, paths among them. The plan leaves those out of the key, since only the content of the files counts.
    fn parameters(&self) -> Value;
    fn check(&self) -> Vec<ParameterProblem>;
    fn check_beside(&self, folder: &Path) -> Vec<ParameterProblem>;
    fn sources(&self) -> Vec<SourceFile>;
    fn check_content(&self, content: &dyn Any) -> Vec<ParameterProblem>;
    fn facts(&self, inputs: InputFacts<'_>) -> Facts;
    fn facts_of_content(&self, content: &dyn Any) -> Facts;
    fn check_inputs(&self, inputs: InputFacts<'_>) -> Vec<ParameterProblem>;

    /// # Errors
    /// What is wrong with those inputs that are there.
    fn check_arrived(&self, inputs: &InputFolders) -> Result<(), StageError>;

    fn unread(&self, input: &str) -> Unread;
    fn undefined_metrics(&self, inputs: InputFacts<'_>) -> Vec<UndefinedMetrics>;
    fn hub_commit(&self) -> Option<HubCommit>;
    fn alternatives(&self) -> Vec<(Source, Arc<dyn AnyStage>)>;
    fn resources(&self) -> Resources;
    fn useful_threads(&self, inputs: InputFacts<'_>) -> Option<usize>;
    fn cost(&self, inputs: InputFacts<'_>, here: Circumstances<'_>) -> Option<Cost>;
    fn extension(&self) -> Option<Extension>;

    /// # Errors
    /// What the stage returns.
    fn survey(&self, inputs: SurveyInputs<'_>, entry: Option<&Path>) -> Result<Survey, StageError>;

    fn recall(&self, entry: &Path, previous: &dyn Fn() -> Option<PathBuf>) -> Vec<String>;
    fn replay(&self, entry: &Path) -> Vec<Signal>;

    /// # Errors
    /// What the stage returns, and the failure to open an input.
    fn run(&self, inputs: &InputFolders, context: &Context<'_>) -> Result<(), StageError>;
}

/// A row of the table of kinds.
#[derive(Clone, Copy)]
pub struct StageKind {
    pub name: &'static str,
    pub usage: Usage,
    pub ports: &'static [Port],
    /// [`Inputs::FREE`](super::Inputs::FREE)
    pub free: bool,
    pub output: ArtifactType,
    /// What it is for other values of the parameter that decides it.
    pub outputs: Option<Outputs>,
    pub code: &'static [CodeVersion],
    pub replicated: bool,
    pub divided_by: Option<&'static str>,
    pub draws: Option<&'static str>,
    pub aside: bool,
    pub(super) schema: fn() -> Value,
    pub(super) parse: fn(Value) -> Result<Arc<dyn AnyStage>, serde_json::Error>,
}

impl StageKind {
    /// The kind as it is for stages whose parameter that decides the output has the given value.
    ///
    /// * `value`: of a parameter, by name, where it is given and a text
    #[must_use]
    pub fn given<'v>(&'static self, value: impl FnOnce(&str) -> Option<&'v str>) -> &'static Self {
        let Some(outputs) = &self.outputs else { return self };
        let value = value(outputs.parameter);
        let mut others = outputs.kinds.iter();
        others.find(|(other, _)| Some(*other) == value).map_or(self, |(_, kind)| kind)
    }

    /// The kind as it is where the output is of this type, if it can be.
    #[must_use]
    pub fn producing(&'static self, artifact: &str) -> Option<&'static Self> {
        let others = self.outputs.iter().flat_map(|outputs| outputs.kinds.iter().map(|it| &it.1));
        std::iter::once(self).chain(others).find(|kind| kind.output.name == artifact)
    }

    /// Whether an input of this name is one of its ports'.
    #[must_use]
    pub fn takes(&self, input: &str) -> bool {
        self.free || self.ports.iter().any(|port| port.takes(input))
    }

    /// JSON Schema of the parameters: `description` is what the kind does, `properties` its parameters with types, bounds, defaults and help.
    #[must_use]
    pub fn schema(&self) -> Value {
        (self.schema)()
    }

    /// Reads the parameters, filling in defaults.
    ///
    /// # Errors
    /// When the value does not have the schema's shape.
    pub fn parse(&self, parameters: Value) -> Result<Arc<dyn AnyStage>, serde_json::Error> {
        (self.parse)(parameters)
    }
}

impl std::fmt::Debug for StageKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("StageKind").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The first sentence of what documents a kind or a parameter, on one line and without its full stop.
#[must_use]
pub fn first_sentence(text: &str) -> String {
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.find(". ") {
        Some(end) => text[..end].to_owned(),
        None => text.trim_end_matches('.').to_owned(),
    }
}
