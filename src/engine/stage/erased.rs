//! How a typed kind becomes a row of the table, and its stages an [`AnyStage`].

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::{
    AnyStage, Artifact, ArtifactType, Circumstances, Context, Cost, Extension, Facts, HubCommit,
    InputFacts, InputFolders, Inputs as _, ParameterProblem, Resources, Signal, Source, SourceFile,
    Stage, StageError, StageKind, Survey, SurveyInputs, UndefinedMetrics, Unread,
};

impl<S: Stage> AnyStage for S {
    fn parameters(&self) -> Value {
        serde_json::to_value(self).expect("parameters are plain data")
    }

    fn check(&self) -> Vec<ParameterProblem> {
        Stage::check(self)
    }

    fn check_beside(&self, folder: &Path) -> Vec<ParameterProblem> {
        Stage::check_beside(self, folder)
    }

    fn sources(&self) -> Vec<SourceFile> {
        Stage::sources(self)
    }

    fn check_content(&self, content: &dyn Any) -> Vec<ParameterProblem> {
        Stage::check_content(self, content)
    }

    fn facts(&self, inputs: InputFacts<'_>) -> Facts {
        Stage::facts(self, inputs)
    }

    fn facts_of_content(&self, content: &dyn Any) -> Facts {
        Stage::facts_of_content(self, content)
    }

    fn check_inputs(&self, inputs: InputFacts<'_>) -> Vec<ParameterProblem> {
        Stage::check_inputs(self, inputs)
    }

    fn check_arrived(&self, inputs: &InputFolders) -> Result<(), StageError> {
        Stage::check_arrived(self, inputs)
    }

    fn unread(&self, input: &str) -> Unread {
        Stage::unread(self, input)
    }

    fn undefined_metrics(&self, inputs: InputFacts<'_>) -> Vec<UndefinedMetrics> {
        Stage::undefined_metrics(self, inputs)
    }

    fn hub_commit(&self) -> Option<HubCommit> {
        Stage::hub_commit(self)
    }

    fn alternatives(&self) -> Vec<(Source, Arc<dyn AnyStage>)> {
        let alternatives = Stage::alternatives(self).into_iter();
        alternatives.map(|(source, stage)| (source, Arc::new(stage) as Arc<dyn AnyStage>)).collect()
    }

    fn resources(&self) -> Resources {
        Stage::resources(self)
    }

    fn useful_threads(&self, inputs: InputFacts<'_>) -> Option<usize> {
        Stage::useful_threads(self, inputs)
    }

    fn cost(&self, inputs: InputFacts<'_>, here: Circumstances<'_>) -> Option<Cost> {
        Stage::cost(self, inputs, here)
    }

    fn extension(&self) -> Option<Extension> {
        Stage::extension(self)
    }

    fn survey(&self, inputs: SurveyInputs<'_>, entry: Option<&Path>) -> Result<Survey, StageError> {
        Stage::survey(self, inputs, entry)
    }

    fn recall(&self, entry: &Path, previous: &dyn Fn() -> Option<PathBuf>) -> Vec<String> {
        Stage::recall(self, entry, previous)
    }

    fn replay(&self, entry: &Path) -> Vec<Signal> {
        Stage::replay(self, entry)
    }

    fn run(&self, inputs: &InputFolders, context: &Context<'_>) -> Result<(), StageError> {
        Stage::run(self, S::Inputs::open(inputs)?, context).map(drop)
    }
}

impl StageKind {
    #[must_use]
    pub const fn of<S: Stage>() -> Self {
        Self { outputs: S::OUTPUTS, ..Self::base::<S>() }
    }

    const fn base<S: Stage>() -> Self {
        Self {
            name: S::KIND,
            usage: S::USAGE,
            ports: S::Inputs::PORTS,
            free: S::Inputs::FREE,
            output: ArtifactType::of::<S::Output>(),
            outputs: None,
            code: S::CODE,
            replicated: S::REPLICATED,
            divided_by: S::DIVIDED_BY,
            draws: S::DRAWS,
            aside: S::ASIDE,
            schema: || schemars::schema_for!(S).to_value(),
            parse: |value| Ok(Arc::new(serde_json::from_value::<S>(value)?)),
        }
    }

    /// The kind for stages whose output is an `A`.
    #[must_use]
    pub const fn with_output<S: Stage, A: Artifact>() -> Self {
        Self { output: ArtifactType::of::<A>(), outputs: None, ..Self::base::<S>() }
    }
}
