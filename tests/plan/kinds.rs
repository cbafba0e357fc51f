//! A small world of stage kinds, in the shape of the real ones, which compute nothing.

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pipeline::engine::stage::{
    Artifact, CodeVersion, Content, Context, HubCommit, InputFolders, Inputs, Inspection, Outputs,
    ParameterProblem, Port, SourceFile, SourceProblem, Stage, StageError, StageKind,
};
use pipeline::inputs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! artifact {
    ($name:ident, $type:literal $(, $metric:literal)*) => {
        pub struct $name;

        impl Artifact for $name {
            const TYPE: &'static str = $type;
            const FORMAT: u32 = 1;
            const METRIC_NAMES: &'static [&'static str] = &[$($metric),*];

            fn open(_: &Path) -> Result<Self, StageError> {
                Ok(Self)
            }
        }
    };
}

artifact!(Backbone, "backbone");
artifact!(Corpus, "corpus");
artifact!(Encoded, "encoded");
artifact!(Checkpoint, "checkpoint");
artifact!(Evaluation, "evaluation", "loss", "ner.span_f1", "ner.per_label.");
artifact!(Figures, "figures");

/// A stage that is never run.
macro_rules! stage {
    ($struct:ident, $kind:literal, $inputs:ty => $output:ty $(, $extra:item)*) => {
        impl Stage for $struct {
            const KIND: &'static str = $kind;
            const CODE: &'static [CodeVersion] = &[CodeVersion { part: $kind, version: 1 }];
            type Inputs = $inputs;
            type Output = $output;
            $($extra)*

            fn run(&self, _: Self::Inputs, _: &Context<'_>) -> Result<Self::Output, StageError> {
                Err(StageError::new("stages of this world do not run"))
            }
        }
    };
}

inputs! { pub struct Nothing {} }
inputs! {
    pub struct TokenizeInputs {
        /// whose tokenizer is used
        model: Backbone,
        /// what is tokenized
        corpus: Corpus,
    }
}
inputs! {
    pub struct TrainInputs {
        /// the model to start from
        model: Backbone,
        /// what to learn
        data: Encoded,
    }
}
inputs! {
    pub struct EvaluateInputs {
        /// the trained model
        model: Checkpoint,
        /// the data
        data: Encoded,
    }
}

/// Written by hand: an optional port.
pub struct PlotInputs;

impl Inputs for PlotInputs {
    const PORTS: &'static [Port] = &[
        Port {
            name: "history",
            artifact: "checkpoint",
            required: true,
            several: false,
            about: "a training",
        },
        Port {
            name: "evaluation",
            artifact: "evaluation",
            required: false,
            several: false,
            about: "an evaluation",
        },
    ];

    fn open(_: &InputFolders) -> Result<Self, StageError> {
        Ok(Self)
    }
}

/// Takes a model from the hub or a folder.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct FetchModel {
    /// The repository on the hub.
    #[serde(default)]
    repo: Option<String>,
    /// A branch, a tag or a commit.
    #[serde(default)]
    #[schemars(extend("format" = "revision"))]
    revision: Option<String>,
    /// A folder instead.
    #[serde(default)]
    #[schemars(extend("format" = "path"))]
    path: Option<PathBuf>,
}

stage!(FetchModel, "fetch_model", Nothing => Backbone,
    fn check(&self) -> Vec<ParameterProblem> {
        match (&self.repo, &self.path) {
            (Some(_), Some(_)) => vec![ParameterProblem::new(["path", "repo"], "`repo` and `path` exclude each other").help("take one of them out")],
            (None, None) => vec![ParameterProblem::new(["repo", "path"], "neither `repo` nor `path` is given")],
            _ => Vec::new(),
        }
    },
    fn sources(&self) -> Vec<SourceFile> {
        let file = |path: &PathBuf, name: &str| SourceFile { parameter: "path", name: format!("path/{name}"), path: path.join(name), inspection: None };
        self.path.iter().flat_map(|path| [file(path, "config.json"), file(path, "weights")]).collect()
    },
    fn hub_commit(&self) -> Option<HubCommit> {
        Some(HubCommit { repo: self.repo.clone()?, revision: self.revision.clone().unwrap_or_else(|| "main".into()) })
    }
);

fn tenth() -> f64 {
    0.1
}

/// How a corpus is divided.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Split {
    /// The share to learn from.
    #[schemars(range(min = 0.0, max = 1.0))]
    train: f64,
    /// The share to choose by.
    #[schemars(range(min = 0.0, max = 1.0))]
    validation: f64,
    /// The share to judge by.
    #[serde(default)]
    test: f64,
}

/// One of several parts.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Fold {
    index: u32,
    of: u32,
}

/// Fills templates.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct GenerateCorpus {
    /// The templates and the words that fill them.
    #[schemars(extend("format" = "path"))]
    templates: PathBuf,
    /// How many texts to make.
    #[schemars(range(min = 1))]
    samples: u32,
    /// The share of anomalies.
    #[serde(default = "tenth")]
    #[schemars(range(min = 0.0, max = 1.0))]
    anomaly_ratio: f64,
    /// The shares of the splits.
    split: Split,
    /// The part that validates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fold: Option<Fold>,
    /// Decides everything that is left to chance.
    seed: u64,
}

/// Finds the word `wrong`; what it makes of a text is its number of words.
fn count_words(text: &str) -> Result<Content, Vec<SourceProblem>> {
    let problem = |(at, word): (usize, &str)| {
        SourceProblem::new(at..at + word.len(), "a word is wrong").help("write another")
    };
    let wrong: Vec<_> = text.match_indices("wrong").map(problem).collect();
    if wrong.is_empty() { Ok(Arc::new(text.split_whitespace().count())) } else { Err(wrong) }
}

stage!(GenerateCorpus, "generate_corpus", Nothing => Corpus,
    const DIVIDED_BY: Option<&'static str> = Some("split");,

    fn check(&self) -> Vec<ParameterProblem> {
        let problem = ParameterProblem::new(["split"], "more than there is in `split`");
        if self.split.train + self.split.validation > 1.5 { vec![problem] } else { Vec::new() }
    },
    fn sources(&self) -> Vec<SourceFile> {
        let inspection = Some(Inspection { largest: 100, read: count_words });
        vec![SourceFile { parameter: "templates", name: "templates".into(), path: self.templates.clone(), inspection }]
    },
    fn check_content(&self, content: &dyn Any) -> Vec<ParameterProblem> {
        let message = "an `anomaly_ratio` of 1 takes more than one word";
        let problem = ParameterProblem::new(["anomaly_ratio"], message);
        if content.downcast_ref() == Some(&1_usize) && self.anomaly_ratio == 1.0 { vec![problem] } else { Vec::new() }
    }
);

fn length() -> u32 {
    128
}

/// Turns texts into tokens.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Tokenize {
    /// The longest sequence, in tokens.
    #[serde(default = "length")]
    #[schemars(range(min = 8, max = 8192))]
    max_length: u32,
}

stage!(Tokenize, "tokenize", TokenizeInputs => Encoded);

/// How the learning rate goes.
#[derive(Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Down to nothing in a straight line.
    #[default]
    Linear,
    /// Down to nothing along a cosine.
    Cosine,
    /// Stays.
    Constant,
}

/// When to stop.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlyStop {
    metric: String,
    #[schemars(range(min = 1))]
    patience: u32,
}

/// Warm-up, in either of two units.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Warmup {
    Steps(u32),
    Ratio(f64),
}

fn rate() -> f64 {
    2e-5
}

fn betas() -> [f64; 2] {
    [0.9, 0.999]
}

/// Fits the model.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Train {
    /// How often to see every text.
    #[schemars(range(min = 1))]
    epochs: u32,
    /// The step size at its highest.
    #[serde(default = "rate")]
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    learning_rate: f64,
    /// Pulls weights towards zero.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    weight_decay: f64,
    /// AdamW's decay rates.
    #[serde(default = "betas")]
    betas: [f64; 2],
    /// How the learning rate goes.
    #[serde(default)]
    schedule: Schedule,
    /// How it begins.
    #[serde(default)]
    warmup: Option<Warmup>,
    /// Leave tokens outside of entities out of the loss.
    #[serde(default)]
    ignore_outside: bool,
    /// When to stop before the last epoch.
    #[serde(default)]
    early_stop: Option<EarlyStop>,
    /// Layers to leave as they are.
    #[serde(default)]
    frozen: Vec<String>,
    /// Decides everything that is left to chance.
    #[serde(default)]
    seed: u64,
}

stage!(Train, "train", TrainInputs => Checkpoint, const REPLICATED: bool = true;);

/// Judges the model.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Evaluate {
    /// Which split.
    #[serde(default)]
    split: Part,
}

/// A split.
#[derive(Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Train,
    #[default]
    Validation,
    Test,
}

stage!(Evaluate, "evaluate", EvaluateInputs => Evaluation);

/// Draws.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Plot {}

stage!(Plot, "plot", PlotInputs => Figures);

inputs! {
    pub struct CompareInputs {
        /// what is compared
        evaluations: Vec<Evaluation>,
        /// what with
        base: Option<Evaluation>,
    }
}

/// Compares.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Compare {}

stage!(Compare, "compare", CompareInputs => Figures);

/// Whatever is wired.
pub struct Anything;

impl Inputs for Anything {
    const PORTS: &'static [Port] = &[];
    const FREE: bool = true;

    fn open(_: &InputFolders) -> Result<Self, StageError> {
        Ok(Self)
    }
}

/// Runs something else.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// What it makes.
    #[serde(default)]
    output: Made,
}

/// What a tool makes.
#[derive(Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    #[default]
    Figures,
    Evaluation,
}

stage!(Tool, "tool", Anything => Figures, const OUTPUTS: Option<Outputs> = Some(Outputs {
    parameter: "output",
    kinds: &[("evaluation", StageKind::with_output::<Tool, Evaluation>())],
}););

pub static KINDS: &[StageKind] = &[
    StageKind::of::<FetchModel>(),
    StageKind::of::<GenerateCorpus>(),
    StageKind::of::<Tokenize>(),
    StageKind::of::<Train>(),
    StageKind::of::<Evaluate>(),
    StageKind::of::<Plot>(),
    StageKind::of::<Compare>(),
    StageKind::of::<Tool>(),
];

/// Models trained before there was a choice read tokens: a file that asks for them has its key.
#[test]
fn a_training_that_reads_tokens_has_the_key_that_it_had_when_nothing_else_was_read() {
    use pipeline::engine::plan::{Fingerprint, portable_parameters};
    use pipeline::tasks::Decode;
    use pipeline::training::Recipe;

    let kind = pipeline::stages::ALL.iter().find(|kind| kind.name == "train").expect("a kind");
    let in_key = |decode: Decode| {
        let recipe = Recipe { decode, ..Recipe::default() };
        let portable = portable_parameters(kind, &recipe).expect("there is a folder");
        assert_eq!(portable["decode"], serde_json::json!(decode), "a copy of it is the same");
        let (sources, inputs) = Default::default();
        let key = Fingerprint::of(kind, &recipe, sources, None, inputs);
        key.parameters.get("decode").cloned()
    };
    assert_eq!(in_key(Decode::Tokens), None);
    assert_eq!(in_key(Decode::Words), Some("words".into()));
}
