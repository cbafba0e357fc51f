//! The contract between the engine and what it runs.
//!
//! A *stage kind* is a struct whose fields are its parameters. It names typed input ports, exactly one typed output, and the files whose content
//! decides its result. The engine sees kinds only through [`StageKind`], the type-erased row of the table in `kinds`; it knows no tensor, no
//! tokenizer and no metric.
//!
//! The life of a stage:
//!
//! 1. the plan reads its parameters with [`StageKind::parse`], after holding each against [`StageKind::schema`];
//! 2. [`AnyStage::sources`] and [`AnyStage::hub_commit`] name what enters its key besides the parameters; an [`Inspection`] lets the plan find
//!    what is wrong inside a small source file;
//! 3. the executor calls [`AnyStage::run`] with the folders of its inputs and a [`Context`], inside a thread pool of the right size;
//! 4. the folder [`Context::output`] becomes the artifact.
//!
//! Nothing here reads a clock, a file or the environment.

mod card;
mod caveat;
mod context;
mod cost;
mod error;
mod exhibit;
mod kind;
mod ports;
mod resources;
mod scores;
mod survey;
mod undefined;

pub use card::CardPart;
pub use caveat::Caveat;
pub use context::{Context, Device, Evaluated, Level, Progress, Signal};
pub use cost::{Circumstances, Cost, Memory, Part, Time};
pub use error::StageError;
pub use exhibit::{
    Answer, Cell, Exhibit, Line, LineStyle, Matrix, Mistake, Mistakes, Plot, Shown, Span, Table,
};
pub use kind::{
    AnyStage, ArtifactType, Content, Extension, HubCommit, Inspection, Obstacle, Outputs,
    ParameterProblem, SourceFile, SourceProblem, StageKind,
};

pub use ports::{InputFolders, Inputs, Port, Unread, Wired};
pub use resources::{Resources, Threads};
pub use scores::{BESIDE, Intervals, Score, Scores, covered};
pub use survey::{Finding, Remark, Survey, SurveyInputs};
pub use undefined::{UndefinedMetrics, Which};

use std::any::Any;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// A version of one part of the code on which a kind's results depend: raised by hand when results may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeVersion {
    pub part: &'static str,
    pub version: u32,
}

/// What flows along a wire: a folder of files with a name for its type and a version of its layout.
pub trait Artifact: Sized {
    /// The type's name, as messages print it: `corpus`, `encoded`, `checkpoint`.
    const TYPE: &'static str;
    /// Version of the layout on disk; it enters the key of every stage that produces the type.
    const FORMAT: u32;
    /// Files that hold clocks or speeds: their digests are kept, but are not part of the artifact's content.
    const VOLATILE: &'static [&'static str] = &[];
    /// What of it is published for people: the file, and its name in the results folder. A file that is not there is skipped. A `*` in front of both
    /// stands for any beginning.
    const RESULTS: &'static [(&'static str, &'static str)] = &[];
    /// The files among them that are too large to lie beside every trial of a sweep.
    const LARGE: &'static [&'static str] = &[];
    /// A JSON file of named numbers, nested, for summaries, sweeps and objectives.
    const METRICS: Option<&'static str> = None;
    /// The paths of those numbers, such as `ner.span_f1`; one that ends with a dot stands for all below it, which is detail: a summary leaves it out.
    /// A `*` in front stands for any first part that no other of them has, and `**` for any path.
    const METRIC_NAMES: &'static [&'static str] = &[];
    /// Those of them that say most, the first first: what a table shows that has no room for all.
    const HEADLINES: &'static [&'static str] = &[];
    /// What was measured while it was made, such as losses by step: the plot that says most first.
    const CURVES: Shown<Plot> = Shown::NOTHING;
    /// What it shows of itself in a report, beside its metrics.
    const EXHIBITS: Shown<Exhibit> = Shown::NOTHING;
    /// What it says of itself in the card of a model that was made with it.
    const CARD_PARTS: Shown<CardPart> = Shown::NOTHING;
    /// Where the card of a model lies that the artifact is, as in [`RESULTS`](Self::RESULTS).
    const CARD: Option<&'static str> = None;

    /// What is known of the artifact in `folder`, by the names of [`Stage::facts`]: more than could be foreseen. Nothing where it cannot be read.
    fn facts(_folder: &Path) -> Facts {
        Facts::new()
    }

    /// Opens the artifact in `folder`, reading no more than its small parts.
    ///
    /// # Errors
    /// When a file is missing or not in this format.
    fn open(folder: &Path) -> Result<Self, StageError>;
}

/// What kinds know of an output before anything runs, by names that they agree upon. What is not known is not there.
pub type Facts = Map<String, Value>;

/// What is known of the inputs of a stage, by port.
#[derive(Debug, Clone, Copy)]
pub struct InputFacts<'a>(pub &'a [(&'a str, &'a Facts)]);

impl<'a> InputFacts<'a> {
    /// A fact of what is wired to `port`.
    #[must_use]
    pub fn get(self, port: &str, fact: &str) -> Option<&'a Value> {
        self.0.iter().find(|(name, _)| *name == port).and_then(|(_, facts)| facts.get(fact))
    }
}

/// A stage kind: its fields are its parameters, in the experiment file's spelling.
///
/// Field documentation becomes the help of `pipeline kinds`, the README's table and the editors' schema, so every field has a doc comment.
/// Bounds are written as `#[schemars(range(min = 1))]` or `#[schemars(extend("exclusiveMinimum" = 0.0))]`; a path is a [`std::path::PathBuf`]
/// with `#[schemars(extend("format" = "path"))]`; a field called `seed` makes the kind one that draws random numbers; one that says how the work is
/// done and changes no result has `#[schemars(extend("x-changes-result" = false))]`, and stays out of the key; a new one whose default is not what was done
/// without it names the value that is, `#[schemars(extend("x-as-without" = "tokens"))]`, with which keys are as before.
pub trait Stage: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    const KIND: &'static str;
    const CODE: &'static [CodeVersion];
    /// Whether a sweep's `seeds` replicate it: each of them is added to its parameter `seed`.
    const REPLICATED: bool = false;
    /// What the kind draws at random for trainings to build on, such as `the weights to start from`. A sweep's `seeds` do not draw it again, so that
    /// the spread over them does not hold it; a sweep says so.
    const DRAWS: Option<&'static str> = None;
    /// Whether its results always lie in a folder of the stage's name, since they are shown beside those of another kind.
    const ASIDE: bool = false;
    type Inputs: Inputs;
    type Output: Artifact;
    /// The parameter, and its values, for which the output is another one than [`Output`](Self::Output).
    const OUTPUTS: Option<Outputs> = None;

    /// What no single parameter shows wrong by itself, such as two that exclude each other.
    fn check(&self) -> Vec<ParameterProblem> {
        Vec::new()
    }

    /// Files whose content enters the key.
    fn sources(&self) -> Vec<SourceFile> {
        Vec::new()
    }

    /// What is wrong with the parameters in view of what lies in a source file.
    ///
    /// * `content`: what the file's [`Inspection`] made of it
    fn check_content(&self, _content: &dyn Any) -> Vec<ParameterProblem> {
        Vec::new()
    }

    /// What is known of the output before anything runs.
    fn facts(&self, _inputs: InputFacts<'_>) -> Facts {
        Facts::new()
    }

    /// What is known of the output from what lies in a source file.
    ///
    /// * `content`: what the file's [`Inspection`] made of it
    fn facts_of_content(&self, _content: &dyn Any) -> Facts {
        Facts::new()
    }

    /// What is wrong with the parameters in view of what is known of the inputs.
    fn check_inputs(&self, _inputs: InputFacts<'_>) -> Vec<ParameterProblem> {
        Vec::new()
    }

    /// What is wrong in view of those inputs that are there, while others are still to be made: what is found before a training costs less than what
    /// is found behind it. Asked again with each input that comes, so that it reads little.
    ///
    /// * `inputs`: the folders of those that are there
    ///
    /// # Errors
    /// What [`run`](Self::run) would fail with.
    fn check_arrived(&self, _inputs: &InputFolders) -> Result<(), StageError> {
        Ok(())
    }

    /// The metrics of the output that are known to be undefined, in view of what is known of the inputs.
    fn undefined_metrics(&self, _inputs: InputFacts<'_>) -> Vec<UndefinedMetrics> {
        Vec::new()
    }

    /// The hub revision whose commit enters the key.
    fn hub_commit(&self) -> Option<HubCommit> {
        None
    }

    /// What of the machine it takes while it runs.
    fn resources(&self) -> Resources {
        Resources::default()
    }

    /// What its work takes, told from the parameters and from what is known of the inputs. `None` for a kind whose work takes too little to tell.
    fn cost(&self, _inputs: InputFacts<'_>, _here: Circumstances<'_>) -> Option<Cost> {
        None
    }

    /// How far the work goes, for kinds that have parameters for it. What a stage leaves in [`Context::warm_start`] when it ends is then there for
    /// one that goes further.
    fn extension(&self) -> Option<Extension> {
        None
    }

    /// Looks into the data and says what [`run`](Self::run) would say of them, without building or writing anything.
    ///
    /// * `entry`: the folder of this stage's result, where it was run before
    ///
    /// # Errors
    /// What `run` would fail with, as far as the data show it.
    fn survey(
        &self,
        _inputs: SurveyInputs<'_>,
        _entry: Option<&Path>,
    ) -> Result<Survey, StageError> {
        Ok(Survey::default())
    }

    /// What [`run`](Self::run) said of a result and is worth saying again by a run that builds nothing, such as how it differs from the one before.
    ///
    /// * `entry`: the folder of the result
    /// * `previous`: as [`Context::previous`]
    fn recall(&self, _entry: &Path, _previous: &dyn Fn() -> Option<PathBuf>) -> Vec<String> {
        Vec::new()
    }

    /// What [`run`](Self::run) told of its steps and of its own scores on the way to a result, as far as the result has it: for who draws curves of a
    /// run that builds nothing.
    ///
    /// * `entry`: the folder of the result
    fn replay(&self, _entry: &Path) -> Vec<Signal> {
        Vec::new()
    }

    /// Writes the output into [`Context::output`] and returns it opened.
    ///
    /// # Errors
    /// [`StageError`] with what went wrong and what to do; [`StageError::Cancelled`] when the context said so.
    fn run(&self, inputs: Self::Inputs, context: &Context<'_>) -> Result<Self::Output, StageError>;
}
