//! What a kind tells of itself, and does.

use std::any::Any;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Artifact, Circumstances, CodeVersion, Context, Cost, Extension, Facts, HubCommit, InputFacts,
    InputFolders, Inputs, Outputs, ParameterProblem, Resources, Signal, Source, SourceFile,
    StageError, Survey, SurveyInputs, UndefinedMetrics, Unread, Usage,
};

/// A stage kind: its fields are its parameters, in the experiment file's spelling.
///
/// Field documentation becomes the help of `pipeline kinds`, the README's table and the editors' schema, so every field has a doc comment.
/// Bounds are written as `#[schemars(range(min = 1))]` or `#[schemars(extend("exclusiveMinimum" = 0.0))]`; a path is a [`std::path::PathBuf`]
/// with `#[schemars(extend("format" = "path"))]`; a field called `seed` makes the kind one that draws random numbers; one that says how the work is
/// done and changes no result has `#[schemars(extend("x-changes-result" = false))]`, and stays out of the key; a new one whose default is not what was done
/// without it names the value that is, `#[schemars(extend("x-as-without" = "tokens"))]`, with which keys are as before; where a kind has many, each has
/// a [`Topic`](crate::base::topic::Topic), `#[schemars(extend("x-topic" = Topic::Schedule))]`, under which help lists it.
pub trait Stage: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    const KIND: &'static str;
    const USAGE: Usage = Usage::UNSAID;
    const CODE: &'static [CodeVersion];
    /// Whether a sweep's `seeds` replicate it: each of them is added to its parameter `seed`.
    const REPLICATED: bool = false;
    /// Where a sweep's `folds` divide the output, each through the parameter `fold`: the parameter that asks to divide it, which tells the stage that is
    /// meant from others of such kinds.
    const DIVIDED_BY: Option<&'static str> = None;
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

    /// What is wrong with the parameters in view of what lies beside the experiment.
    ///
    /// * `folder`: that of the experiment's file
    fn check_beside(&self, _folder: &Path) -> Vec<ParameterProblem> {
        Vec::new()
    }

    /// Files whose content enters the key.
    fn sources(&self) -> Vec<SourceFile> {
        Vec::new()
    }

    /// What is wrong with the parameters in view of what lies in a source file.
    ///
    /// * `content`: what the file's [`Inspection`](super::Inspection) made of it
    fn check_content(&self, _content: &dyn Any) -> Vec<ParameterProblem> {
        Vec::new()
    }

    /// What is known of the output before anything runs.
    fn facts(&self, _inputs: InputFacts<'_>) -> Facts {
        Facts::new()
    }

    /// What is known of the output from what lies in a source file.
    ///
    /// * `content`: what the file's [`Inspection`](super::Inspection) made of it
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

    /// What it does not read of an input, whatever lies there.
    ///
    /// * `input`: its name
    fn unread(&self, _input: &str) -> Unread {
        Unread::default()
    }

    /// The metrics of the output that are known to be undefined, in view of what is known of the inputs.
    fn undefined_metrics(&self, _inputs: InputFacts<'_>) -> Vec<UndefinedMetrics> {
        Vec::new()
    }

    /// The hub revision whose commit enters the key.
    fn hub_commit(&self) -> Option<HubCommit> {
        None
    }

    /// The stage with each of the sources that it can be made from alone, the best liked first; nothing where it has but one. A run takes the first
    /// that can be had and pins it, and from then on the stage is planned as if it had that one.
    fn alternatives(&self) -> Vec<(Source, Self)> {
        Vec::new()
    }

    /// What of the machine it takes while it runs.
    fn resources(&self) -> Resources {
        Resources::default()
    }

    /// How many threads its work can use, told from the parameters and from what is known of the inputs: others have more of the rest. `None` where
    /// it is not known, and where it is all that there are.
    fn useful_threads(&self, _inputs: InputFacts<'_>) -> Option<usize> {
        None
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
