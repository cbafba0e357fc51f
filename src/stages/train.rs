//! `train`: fine-tunes the joint model.

use std::path::{Path, PathBuf};

use candle_core::DType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::corpus_caveats::LabelFindings;
use super::{corpus_caveats, facts, versions, watched};
use crate::base::disk::durable;
use crate::base::rng::Rng;
use crate::base::units;
use crate::engine::stage::{
    Artifact as _, Caveat, CodeVersion, Context, Evaluated, Extension, Facts, InputFacts,
    ParameterProblem, Progress, Remark, Resources, Stage, StageError, Survey, SurveyInputs,
    Threads,
};
use crate::nn::{HeadSizes, JointModel};
use crate::stages::artifacts::{Backbone, Checkpoint, Encoded, Heads, files};
use crate::tasks::metrics::Scores;
use crate::text::{Corpus, IGNORE, Split};
use crate::training::{
    self, Cadence, Contents, Interval, Metric, ModelEngine, OnNonfinite, Recipe, Schedule, Storage,
    TrainError, Trained, Warmup,
};

/// Fine-tunes the joint model: the encoder with one head that tags every token and one that classifies the whole text from its first token. The loss is the sum of both cross-entropies; AdamW with clipping. The defaults are the reference recipe, but for `ignore_outside`. The same file gives the same weights, bit for bit, on the same CPU model, whatever the number of threads.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Passes over the training split.
    #[serde(default = "epochs")]
    #[schemars(range(min = 1, max = 100_000))]
    pub epochs: u64,
    /// Texts in one pass through the model.
    #[serde(default = "batch_size")]
    #[schemars(range(min = 1, max = 65_536))]
    pub batch_size: usize,
    /// Batches whose gradients are added up for one step.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 65_536))]
    pub gradient_accumulation: usize,
    /// Highest learning rate.
    #[serde(default = "learning_rate")]
    #[schemars(extend("exclusiveMinimum" = 0.0), range(max = 10.0))]
    pub learning_rate: f64,
    /// Course of the learning rate after its warm-up.
    #[serde(default)]
    pub schedule: Schedule,
    /// Steps over which the learning rate rises from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup_steps: Option<u64>,
    /// The same as a fraction of all steps, instead of `warmup_steps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub warmup_ratio: Option<f64>,
    /// Decoupled weight decay, on every parameter.
    #[serde(default = "weight_decay")]
    #[schemars(range(min = 0.0, max = 10.0))]
    pub weight_decay: f64,
    /// Decay rates of AdamW's moments.
    #[serde(default = "betas")]
    #[schemars(extend("items" = {"type": "number", "minimum": 0.0, "exclusiveMaximum": 1.0}))]
    pub betas: [f64; 2],
    /// AdamW's epsilon.
    #[serde(default = "eps")]
    #[schemars(extend("exclusiveMinimum" = 0.0), range(max = 1.0))]
    pub eps: f64,
    /// Norm to which the gradient is clipped; 0 never clips.
    #[serde(default = "max_grad_norm")]
    #[schemars(range(min = 0.0))]
    pub max_grad_norm: f64,
    /// Leave tokens labelled `O` out of the loss. The model then never learns `O`, and takes every token for an entity.
    #[serde(default)]
    pub ignore_outside: bool,
    /// Weight of the tagging loss; 0 leaves the tagging head out of the model.
    #[serde(default = "weight")]
    #[schemars(range(min = 0.0))]
    pub ner_weight: f64,
    /// Weight of the classification loss; 0 leaves the classification head out of the model.
    #[serde(default = "weight")]
    #[schemars(range(min = 0.0))]
    pub anomaly_weight: f64,
    /// Weights of the classes normal and anomaly in the classification loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("items" = {"type": "number", "exclusiveMinimum": 0.0}))]
    pub class_weights: Option<[f64; 2]>,
    /// Steps between evaluations on the validation split; each epoch's end when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub evaluate_every: Option<u64>,
    /// Stop when a metric on the validation split no longer improves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// Keep the weights of the evaluation that is best in this metric, such as `ner.span_f1`, instead of the last ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_best: Option<Metric>,
    /// What to do when a loss or a gradient is infinite or not a number.
    #[serde(default)]
    pub on_nonfinite: OnNonfinite,
    /// How often a checkpoint is written: after a number of steps, whatever that costs, or after a time such as `"10m"`, or later if writing would take more than 2 % of the time. Once a minute when left out. It changes no result.
    // It decides nothing but what an interruption costs, so it stays out of the parameters that are compared and enter the key.
    #[serde(default, skip_serializing)]
    pub checkpoint_every: Option<CheckpointEvery>,
    /// Keep only the input of each layer for the backward pass and compute the layer again there: about a fifth of the memory for activations, for a third more time. It changes no result.
    // As little a part of the key.
    #[serde(default, skip_serializing)]
    #[schemars(extend("default" = false))]
    pub activation_checkpointing: bool,
    /// Arithmetic of the matrix products: `"bf16"` is mixed precision, on GPUs only. Weights, moments and everything else are f32 in any case.
    #[serde(default)]
    pub dtype: Dtype,
    /// Seed of the heads' initial weights and of the order of the texts.
    #[serde(default = "super::default_seed")]
    pub seed: u64,
}

/// When to stop before the last epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// Metric to watch, such as `loss` or `ner.span_f1`.
    pub metric: Metric,
    /// Evaluations in a row without improvement.
    #[schemars(range(min = 1))]
    pub patience: u64,
    /// Improvement that counts.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub min_delta: f64,
}

/// Steps, or a time with its unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CheckpointEvery {
    Steps(#[schemars(range(min = 1))] u64),
    Time(#[schemars(length(min = 1))] String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// 32-bit floating point
    #[default]
    F32,
    /// bfloat16, the upper half of an f32
    Bf16,
}

impl From<Dtype> for DType {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::Bf16 => Self::BF16,
        }
    }
}

fn epochs() -> u64 {
    3
}
fn batch_size() -> usize {
    16
}
fn one() -> usize {
    1
}
fn learning_rate() -> f64 {
    2e-5
}
fn weight_decay() -> f64 {
    0.01
}
fn betas() -> [f64; 2] {
    [0.9, 0.999]
}
fn eps() -> f64 {
    1e-8
}
fn max_grad_norm() -> f64 {
    1.0
}
fn weight() -> f64 {
    1.0
}

crate::inputs! {
    pub struct TrainInputs {
        /// The encoder to start from.
        model: Backbone,
        /// What to train on; its validation split is watched.
        data: Encoded,
    }
}

impl Train {
    /// The parameters that compare evaluations, each with its metric.
    fn watched(&self) -> Vec<watched::Watched> {
        let stopping = self.early_stopping.as_ref().map(|stopping| stopping.metric);
        [("early_stopping", stopping), ("keep_best", self.keep_best)]
            .into_iter()
            .filter_map(|(parameter, metric)| Some((parameter, metric?)))
            .collect()
    }

    /// Those that the loss counts, and no others: what was not trained would answer at random.
    ///
    /// * `labels`: how many token labels there are
    fn heads(&self, labels: usize) -> HeadSizes {
        HeadSizes {
            ner: (self.ner_weight > 0.0).then_some(labels),
            anomaly: self.anomaly_weight > 0.0,
        }
    }

    /// `None` when the time is none.
    fn cadence(&self) -> Option<Cadence> {
        match &self.checkpoint_every {
            None => Some(Cadence::default()),
            Some(CheckpointEvery::Steps(steps)) => Some(Cadence::every(*steps)),
            Some(CheckpointEvery::Time(text)) => {
                Some(Cadence { time: units::duration(text)?, ..Cadence::default() })
            }
        }
    }

    /// * `outside`: the number of the label `O`
    fn recipe(&self, outside: u32) -> Recipe {
        let warmup = match (self.warmup_steps, self.warmup_ratio) {
            (_, Some(ratio)) => Warmup::Ratio(ratio),
            (steps, None) => Warmup::Steps(steps.unwrap_or(0)),
        };
        let early_stopping = self.early_stopping.as_ref().map(|stopping| training::EarlyStopping {
            metric: stopping.metric,
            patience: stopping.patience,
            min_delta: stopping.min_delta,
        });
        Recipe {
            epochs: self.epochs,
            batch_size: self.batch_size,
            gradient_accumulation: self.gradient_accumulation,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            betas: (self.betas[0], self.betas[1]),
            eps: self.eps,
            schedule: self.schedule,
            warmup,
            max_grad_norm: (self.max_grad_norm > 0.0).then_some(self.max_grad_norm),
            ignore_outside: self.ignore_outside.then_some(outside),
            ner_weight: self.ner_weight,
            anomaly_weight: self.anomaly_weight,
            anomaly_class_weights: self
                .class_weights
                .map(|weights| weights.map(|weight| weight as f32)),
            seed: self.seed,
            evaluate_every: self.evaluate_every.map_or(Interval::Epoch, Interval::Steps),
            early_stopping,
            keep_best: self.keep_best,
            on_nonfinite: self.on_nonfinite,
        }
    }
}

impl Stage for Train {
    const KIND: &'static str = "train";
    const CODE: &'static [CodeVersion] =
        &[versions::INITIAL_WEIGHTS, versions::MODEL, versions::TRAINING, versions::METRICS];
    const REPLICATED: bool = true;
    type Inputs = TrainInputs;
    type Output = Checkpoint;

    fn resources(&self) -> Resources {
        Resources { threads: Threads::All }
    }

    fn check(&self) -> Vec<ParameterProblem> {
        let problem = |parameters: &[&'static str], message: &str, help: &str| {
            ParameterProblem::new(parameters, message).help(help)
        };
        let mut problems = Vec::new();
        if self.warmup_steps.is_some() && self.warmup_ratio.is_some() {
            problems.push(problem(
                &["warmup_ratio", "warmup_steps"],
                "`warmup_steps` and `warmup_ratio` exclude each other",
                "remove one of them",
            ));
        }
        if self.ner_weight == 0.0 && self.anomaly_weight == 0.0 {
            problems.push(problem(
                &["ner_weight", "anomaly_weight"],
                "`ner_weight` and `anomaly_weight` are both 0, which leaves nothing to learn",
                "give one of them a weight",
            ));
        }
        problems.extend(watched::untrained(&self.watched(), &self.recipe(0)));
        let class_weights = self.class_weights.map(Vec::from).unwrap_or_default();
        let singles = [
            ("learning_rate", self.learning_rate),
            ("eps", self.eps),
            ("max_grad_norm", self.max_grad_norm),
            ("ner_weight", self.ner_weight),
            ("anomaly_weight", self.anomaly_weight),
        ];
        for (parameter, values) in singles
            .map(|(parameter, value)| (parameter, vec![value]))
            .into_iter()
            .chain([("class_weights", class_weights)])
        {
            if let Some(value) = values.into_iter().find(|value| !training::is_single(*value)) {
                let message =
                    format!("`{parameter}` = {value:e} is beyond what training computes with");
                problems.push(problem(
                    &[parameter],
                    &message,
                    "training computes in single precision: from 1.2e-38 to 3.4e38",
                ));
            }
        }
        if self.cadence().is_none() {
            let help = format!("a number of steps, or {}", units::DURATION);
            problems.push(problem(
                &["checkpoint_every"],
                "`checkpoint_every` is neither a number of steps nor a time",
                &help,
            ));
        }
        problems
    }

    fn check_inputs(&self, inputs: InputFacts<'_>) -> Vec<ParameterProblem> {
        let mut problems = Vec::new();
        if facts::is_empty(inputs, "data", Split::Train) {
            let help = "give the corpus stage a fraction or a file for it";
            problems.push(ParameterProblem::new(["data"], "the `train` split is empty").help(help));
        }
        if facts::is_empty(inputs, "data", Split::Validation) {
            let choosing = [
                ("early_stopping", self.early_stopping.is_some()),
                ("keep_best", self.keep_best.is_some()),
            ];
            for (parameter, _) in choosing.into_iter().filter(|(_, is_given)| *is_given) {
                let message = format!("`{parameter}` needs a validation split, and it is empty");
                let help = format!(
                    "give the corpus stage a `validation` split, or leave `{parameter}` out"
                );
                problems.push(ParameterProblem::new([parameter], message).help(help));
            }
        }
        problems
    }

    fn survey(
        &self,
        inputs: SurveyInputs<'_>,
        _entry: Option<&Path>,
    ) -> Result<Survey, StageError> {
        if let Some(corpus) = inputs.get::<Corpus>("data") {
            watched::refuse_undefined(&self.watched(), || Ok(Contents::of(&corpus.validation)))?;
            if self.ner_weight > 0.0 && corpus.entity_labels().is_empty() {
                return Err(no_tags(NO_ENTITIES));
            }
            if self.anomaly_weight > 0.0 {
                let remarks = LabelFindings::of(&corpus).classes().into_iter().map(Remark::Caveat);
                return Ok(Survey { remarks: remarks.collect(), ..Survey::default() });
            }
        }
        Ok(Survey::default())
    }

    fn facts(&self, _inputs: InputFacts<'_>) -> Facts {
        facts::of_heads(self.heads(1))
    }

    fn execution(&self) -> Map<String, Value> {
        let checkpoint_every = serde_json::to_value(&self.checkpoint_every).unwrap_or_default();
        Map::from_iter([
            ("checkpoint_every".to_owned(), checkpoint_every),
            ("activation_checkpointing".to_owned(), self.activation_checkpointing.into()),
        ])
    }

    fn extension(&self) -> Option<Extension> {
        let obstacle = self.recipe(0).horizon_parameter().map(|parameter| {
            let value = &serde_json::to_value(self).unwrap_or_default()[parameter];
            format!("`{parameter} = {value}` depends on how many steps there will be")
        });
        Some(Extension { parameter: "epochs", obstacle })
    }

    fn recall(&self, entry: &Path, _previous: &dyn Fn() -> Option<PathBuf>) -> Vec<String> {
        let kept = || {
            let history = Checkpoint::open(entry).ok()?.history().ok()?;
            training::kept(&history, self.keep_best?).map(|notice| notice.to_string())
        };
        self.keep_best.and_then(|_| kept()).into_iter().collect()
    }

    fn run(&self, inputs: TrainInputs, context: &Context<'_>) -> Result<Checkpoint, StageError> {
        let TrainInputs { model, data } = inputs;
        let labels = &data.labels;
        let (train, validation) = (data.tokens(Split::Train)?, data.tokens(Split::Validation)?);
        if let Some(id) = train
            .ids
            .iter()
            .chain(&validation.ids)
            .find(|id| **id as usize >= model.encoder.vocab_size)
        {
            return Err(StageError::new(format!(
                "the data has token {id}, but the model's vocabulary has {} entries",
                model.encoder.vocab_size
            ))
            .with_help("wire `tokenize` and `train` to the same model"));
        }
        watched::refuse_undefined(&self.watched(), || {
            Ok(Contents::of(&data.examples(Split::Validation)?))
        })?;
        let heads = self.heads(labels.len());
        if heads.anomaly {
            corpus_caveats::about_classes(&data.caveats)
                .for_each(|caveat| context.warn(caveat.message.clone()));
        }
        let joint = JointModel::load(&model.weights, model.encoder, heads, &Rng::new(self.seed))
            .map_err(|error| StageError::new(error.to_string()).with_help(error.help()))?;
        // What the result needs is read now: at the end of a long training, somebody may have removed it.
        let tokenizer = files::read(&data.tokenizer())?;
        let mut caveats = data.caveats.clone();
        if files::read(&model.tokenizer)? != tokenizer {
            let message = "the texts were tokenized by another `tokenizer.json` than the model's: its token ids may mean something else";
            let caveat = Caveat::new("other_tokenizer", train.len(), message);
            context.caveat(&mut caveats, caveat.of(Split::Train));
        }
        let mut engine =
            super::engine::open(joint, self.dtype.into(), self.activation_checkpointing, context)?;
        let recipe = self.recipe(labels.outside());
        let counts =
            |label: &u32| *label != IGNORE && !(self.ignore_outside && *label == labels.outside());
        if self.ner_weight > 0.0 && (labels.len() == 1 || !train.labels.iter().any(counts)) {
            let message = if labels.len() == 1 {
                NO_ENTITIES
            } else {
                "no token of the training split has a label that counts"
            };
            return Err(no_tags(message));
        }
        let splits = training::Data {
            train: &train,
            validation: (!validation.is_empty()).then_some(&validation),
            labels,
        };
        let storage = Storage {
            checkpoints: Some(context.checkpoints),
            lineage: context.lineage,
            cadence: self.cadence().unwrap_or_default(),
        };
        let trained = training::train(engine.engine(), splits, &recipe, storage, &Watch { context }).map_err(|error| {
            if let TrainError::Cancelled { step, saved: false } = error {
                context.warn(format!("step {step} could not be saved: the same command goes on from the last checkpoint, or begins anew"));
            }
            failed(error, &data)
        })?;
        watched::tell_never_defined(&trained, context, &mut caveats);
        if trained.skipped > 0 {
            let message = format!(
                "{} of {} steps were skipped because a loss or gradient was not finite",
                trained.skipped, trained.steps
            );
            context.caveat(&mut caveats, Caveat::new("steps_skipped", trained.skipped, message));
        }
        let written = write_result(&trained, &mut engine, &tokenizer, &data, &caveats, context);
        if let Err(StageError::Failed { .. }) = &written
            && let Err(error) = trained.save(engine.engine(), storage)
        {
            context.warn(format!("no checkpoint of the end could be written: {error}"));
        }
        written?;
        Checkpoint::open(context.output)
    }
}

const NO_ENTITIES: &str = "the corpus has no entities";

fn no_tags(why: &str) -> StageError {
    StageError::new(format!("{why}, so there are no tags to learn")).with_help(
        "set `ner_weight = 0` to learn anomalies alone, or see that the corpus has its entities",
    )
}

/// Writes the model and its history, and flushes them, so that a disk that refuses does it while the training can still be saved.
fn write_result(
    trained: &Trained,
    engine: &mut ModelEngine,
    tokenizer: &[u8],
    data: &Encoded,
    caveats: &[Caveat],
    context: &Context<'_>,
) -> Result<(), StageError> {
    context.restore_output()?;
    write_history(trained, context.output)?;
    Checkpoint::write_caveats(context.output, caveats)?;
    let model = engine.model().map_err(|error| StageError::new(error.to_string()))?;
    let heads = Heads::trained(model.heads(), &data.labels, data.max_length);
    Checkpoint::write_model(context.output, model, tokenizer, &heads)?;
    durable::sync_below(context.output)
        .map_err(|error| StageError::io("flush", context.output, &error))
}

fn write_history(trained: &Trained, folder: &Path) -> Result<(), StageError> {
    let mut history = files::CsvFile::create(folder.join(Checkpoint::HISTORY))?;
    trained.history.iter().try_for_each(|row| history.row(row))?;
    history.finish()?;
    let mut timing = files::CsvFile::create(folder.join(Checkpoint::TIMING))?;
    for row in &trained.timings {
        timing.row(&TimingRow {
            step: row.step,
            seconds: row.seconds,
            tokens: row.tokens,
            tokens_per_s: row.tokens as f64 / row.seconds,
        })?;
    }
    timing.finish()
}

/// One row of `timing.csv`: the steps that the finishing process made.
#[derive(Serialize)]
struct TimingRow {
    step: u64,
    seconds: f64,
    tokens: u64,
    tokens_per_s: f64,
}

fn failed(error: TrainError, data: &Encoded) -> StageError {
    let help = error.help();
    let message = match &error {
        TrainError::Cancelled { .. } => return StageError::Cancelled,
        TrainError::NotFinite { rows, checkpoint, .. } => {
            let examples = data.examples(Split::Train).unwrap_or_default();
            let lines: Vec<_> = rows
                .iter()
                .filter_map(|row| examples.get(*row as usize))
                .map(|example| example.line.to_string())
                .collect();
            let lines = training::some_of(&lines);
            let checkpoint = checkpoint.map_or_else(
                || "there is no earlier checkpoint".to_owned(),
                |step| format!("the last good checkpoint is that of step {step}"),
            );
            format!(
                "{error}; its texts are those of line {lines} of the training split; {checkpoint}"
            )
        }
        _ => error.to_string(),
    };
    StageError::of(&message, help)
}

/// Passes on what the training says.
struct Watch<'a> {
    context: &'a Context<'a>,
}

impl training::Observer for Watch<'_> {
    fn progress(&self, progress: &training::Progress) {
        self.context.progress(Progress {
            done: progress.step,
            total: progress.total_steps,
            unit: "steps",
            numbers: vec![
                ("epoch", progress.epoch as f64),
                ("loss", progress.loss),
                ("learning_rate", progress.learning_rate),
                ("tokens_per_s", progress.tokens_per_s),
            ],
        });
    }

    fn evaluated(&self, row: &training::Row, scores: &Scores) {
        let value = |metric: Metric| (metric.name(), training::metric_value(scores, metric));
        let metrics = Metric::ALL.into_iter().map(value).collect();
        self.context.evaluated(Evaluated { step: row.step, metrics });
    }

    fn notice(&self, notice: &training::Notice) {
        if notice.is_warning() {
            self.context.warn(notice.to_string());
        } else {
            self.context.note(notice.to_string());
        }
    }

    fn cancelled(&self) -> bool {
        self.context.signals.cancelled()
    }
}
