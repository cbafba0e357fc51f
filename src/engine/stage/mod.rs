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

mod artifact;
mod card;
mod caveat;
mod context;
mod contract;
mod cost;
mod erased;
mod error;
mod exhibit;
mod facts;
mod kind;
mod ports;
mod resources;
mod scores;
mod survey;
mod undefined;

pub use artifact::Artifact;
pub use card::CardPart;
pub use caveat::Caveat;
pub use context::{Context, Device, Evaluated, Level, Progress, Signal};
pub use contract::Stage;
pub use cost::{Circumstances, Cost, MeasuredBy, Memory, Part, Time};
pub use error::StageError;
pub use exhibit::{
    Answer, Cell, Exhibit, Line, LineStyle, Matrix, Mistake, Mistakes, Plot, Shown, Span, Table,
};
pub use facts::{Facts, InputFacts};
pub use kind::{
    AnyStage, ArtifactType, CodeVersion, Content, Extension, HubCommit, Inspection, Obstacle,
    Outputs, ParameterProblem, Source, SourceFile, SourceProblem, StageKind, Unresolved, Usage,
    first_sentence,
};
pub use ports::{InputFolders, Inputs, Port, Reduction, Unread, Wired};
pub use resources::{Resources, Threads};
pub use scores::{BESIDE, Intervals, Score, Scores, covered};
pub use survey::{Finding, Remark, Survey, SurveyInputs};
pub use undefined::{UndefinedMetrics, Which};
