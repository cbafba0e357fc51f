//! `pretrain`: goes on with the pretraining of an encoder, on texts without labels.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::telling::{VALIDATION, Watch};
use super::train::useful_threads;
use super::{engine, facts, versions};
use crate::base::rng::Rng;
use crate::base::topic::Topic;
use crate::engine::stage::{
    Artifact as _, CodeVersion, Context, Evaluated, Facts, InputFacts, ParameterProblem, Resources,
    Stage, StageError, Threads, Unread, Usage,
};
use crate::nn::{EncoderSpec, JointModel};
use crate::stages::artifacts::known;
use crate::stages::artifacts::{Backbone, Checkpoint, Encoded, files};
use crate::tasks::metrics::Scores;
use crate::text::{EncodedSplit, Split, TextTokenizer};
use crate::training::{
    self, CheckpointEvery, Dtype, Masking, Optimizer, Recipe, Row, RowSplit, Schedule, Storage,
    TrainError,
};

/// Goes on with the pretraining of an encoder on texts, whose labels count nowhere: masked-language modelling. Of the tokens of each text a share is to be told from the others: 80 % of these are masked, 10 % replaced by any other token, and 10 % left as they are; other ones in each epoch, and always the same ones of the validation split. What it leaves is an encoder with the head that tells masked tokens, from which `train` with `head = "prediction"` starts in ModernBERT's family. The loss is that of the tokens that are to be told, and its exponential the perplexity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pretrain {
    /// Passes over the training split.
    #[schemars(range(min = 1, max = 100_000), extend("x-topic" = Topic::Basics))]
    pub epochs: u64,
    /// Texts, or windows of them, in one pass through the model.
    #[schemars(range(min = 1, max = 65_536), extend("x-topic" = Topic::Basics))]
    pub batch_size: usize,
    /// Batches whose gradients are added up for one step.
    #[schemars(range(min = 1, max = 65_536), extend("x-topic" = Topic::Optimizer))]
    pub gradient_accumulation: usize,
    /// Highest learning rate.
    #[schemars(extend("exclusiveMinimum" = 0.0, "x-topic" = Topic::Basics), range(max = 10.0))]
    pub learning_rate: f64,
    /// Course of the learning rate after its warm-up.
    #[schemars(extend("x-topic" = Topic::Schedule))]
    pub schedule: Schedule,
    /// Steps over which the learning rate rises from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::Schedule))]
    pub warmup_steps: Option<u64>,
    /// The same as a fraction of all steps, instead of `warmup_steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0), extend("x-topic" = Topic::Schedule))]
    pub warmup_ratio: Option<f64>,
    /// Decoupled weight decay, on every parameter.
    #[schemars(range(min = 0.0, max = 10.0), extend("x-topic" = Topic::Optimizer))]
    pub weight_decay: f64,
    /// As of `train`.
    #[schemars(extend("x-topic" = Topic::Optimizer))]
    pub optimizer: Optimizer,
    /// Norm to which the gradient is clipped; 0 never clips.
    #[schemars(range(min = 0.0), extend("x-topic" = Topic::Optimizer))]
    pub max_grad_norm: f64,
    /// Share of the tokens of a text that are to be told.
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0, "x-topic" = Topic::Basics))]
    pub masked: f64,
    /// Steps between evaluations on the validation split; each epoch's end when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("x-topic" = Topic::Selection))]
    pub evaluate_every: Option<u64>,
    /// As of `train`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-changes-result" = false, "x-topic" = Topic::Resources))]
    pub checkpoint_every: Option<CheckpointEvery>,
    /// As of `train`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = false, "x-changes-result" = false, "x-topic" = Topic::Resources))]
    pub activation_checkpointing: bool,
    /// As of `train`.
    #[schemars(extend("x-topic" = Topic::Resources))]
    pub dtype: Dtype,
    /// Seed of which tokens are drawn, of the order of the texts, of dropout, and of the head where the model's file brings none.
    #[schemars(extend("x-topic" = Topic::Basics))]
    pub seed: u64,
}

impl Default for Pretrain {
    fn default() -> Self {
        Self {
            epochs: 3,
            batch_size: 16,
            gradient_accumulation: 1,
            learning_rate: 5e-5,
            schedule: Schedule::Linear,
            warmup_steps: None,
            warmup_ratio: None,
            weight_decay: 0.01,
            optimizer: Optimizer::Adamw,
            max_grad_norm: 1.0,
            masked: 0.3,
            evaluate_every: None,
            checkpoint_every: None,
            activation_checkpointing: false,
            dtype: Dtype::F32,
            seed: super::seed::default_seed(),
        }
    }
}

crate::inputs! {
    pub struct PretrainInputs {
        /// The encoder to start from.
        model: Backbone,
        /// What it is to read; its validation split is watched.
        data: Encoded,
    }
}

impl Stage for Pretrain {
    const KIND: &'static str = "pretrain";
    const USAGE: Usage = Usage {
        when: "When there are far more texts without labels than with them, of a sort that the encoder has hardly read, such as logs.",
        snippet: r#"[stage.pretrain]
model  = "@fetch_model"            # `train` takes "@pretrain" then
data   = "@tokenize"
epochs = 3"#,
    };
    const CODE: &'static [CodeVersion] =
        &[versions::INITIAL_WEIGHTS, versions::MODEL, versions::PRETRAINING, versions::TRAINING];
    const DRAWS: Option<&'static str> = Some("which tokens are to be told");
    type Inputs = PretrainInputs;
    type Output = Backbone;

    fn resources(&self) -> Resources {
        Resources { threads: Threads::All, ..Resources::default() }
    }

    fn useful_threads(&self, inputs: InputFacts<'_>) -> Option<usize> {
        let length = known::texts(inputs, "data")?.tokens_per_text?;
        let tokens = self.recipe().batch_size as f64 * length;
        Some(useful_threads(&known::sizes(inputs, "model")?, tokens, 3.0))
    }

    fn check(&self) -> Vec<ParameterProblem> {
        let mut problems = self.recipe().check();
        if !(self.masked > 0.0 && self.masked < 1.0) {
            problems.push(ParameterProblem::new(["masked"], "`masked` must lie in (0, 1)"));
        }
        problems
    }

    fn check_inputs(&self, inputs: InputFacts<'_>) -> Vec<ParameterProblem> {
        let is_empty = facts::is_empty(inputs, "data", Split::Train);
        let help = "give the corpus stage a fraction or a file for it";
        let problem = ParameterProblem::new(["data"], "the `train` split is empty").help(help);
        is_empty.then_some(problem).into_iter().collect()
    }

    fn facts(&self, inputs: InputFacts<'_>) -> Facts {
        let Some(encoder) = known::encoder(inputs, "model") else { return Facts::new() };
        let mut facts = facts::of_model(encoder.max_position_embeddings);
        facts.extend(known::of_encoder(&encoder));
        facts
    }

    fn unread(&self, input: &str) -> Unread {
        match input {
            "data" => Encoded::unread_but(vec![Split::Train, Split::Validation]),
            _ => Unread::default(),
        }
    }

    fn run(&self, inputs: PretrainInputs, context: &Context<'_>) -> Result<Backbone, StageError> {
        let PretrainInputs { model, data } = inputs;
        let (train, validation) = (data.tokens(Split::Train)?, data.tokens(Split::Validation)?);
        let tokenizer = files::read(&data.tokenizer())?;
        if files::read(&model.tokenizer)? != tokenizer {
            let message = "the texts were tokenized by another `tokenizer.json` than the model's";
            return Err(StageError::new(message)
                .with_help("wire `tokenize` and `pretrain` to the same model"));
        }
        let masking = self.masking(&model.encoder, &tokenizer, &data)?;
        let head = training::masked_head(masking.vocabulary);
        let rng = Rng::new(self.seed);
        let joint = JointModel::load(&model.weights, model.encoder.clone(), &[head], &rng)
            .map_err(|error| StageError::of(&error))?;
        let mut engine =
            engine::open(joint, self.dtype.into(), self.activation_checkpointing, context)?;
        let recipe = self.recipe();
        let storage = Storage {
            saved: Some(context.saved_state),
            warm_start: None,
            cadence: recipe.cadence().unwrap_or_default(),
        };
        let validation = Some(&validation).filter(|split| !EncodedSplit::is_empty(split));
        let watch = Telling(Watch { context, losses: Vec::new() });
        let trained = training::pretrain(
            engine.engine(),
            &train,
            validation,
            masking,
            &recipe,
            storage,
            &watch,
        );
        let trained = trained.map_err(|error| match error {
            TrainError::Cancelled { .. } => StageError::Cancelled,
            TrainError::Save(_) => StageError::of(&error).hindered(),
            _ => StageError::of(&error),
        })?;
        let of_validation = |row: &&Row| row.split == RowSplit::Validation;
        if let Some(row) = trained.history.rows.iter().rfind(of_validation) {
            context
                .note(format!("the perplexity on the validation split is {:.2}", row.loss.exp()));
        }
        context.restore_output()?;
        Checkpoint::write_history(context.output, &trained.history)?;
        let path = context.output.join(Backbone::WEIGHTS);
        let model = engine.model().map_err(engine::failed)?;
        model.save_pretrained(&path).map_err(|error| StageError::writing(&path, &error))?;
        files::write(&context.output.join(Backbone::TOKENIZER), &tokenizer)?;
        files::write_text(&context.output.join(Backbone::CONFIG), &model.spec.to_json())?;
        Backbone::open(context.output)
    }
}

impl Pretrain {
    /// What of it is of any training.
    fn recipe(&self) -> Recipe {
        Recipe {
            epochs: self.epochs,
            batch_size: self.batch_size,
            gradient_accumulation: self.gradient_accumulation,
            learning_rate: self.learning_rate,
            schedule: self.schedule,
            warmup_steps: self.warmup_steps,
            warmup_ratio: self.warmup_ratio,
            weight_decay: self.weight_decay,
            optimizer: self.optimizer,
            max_grad_norm: self.max_grad_norm,
            evaluate_every: self.evaluate_every,
            checkpoint_every: self.checkpoint_every.clone(),
            activation_checkpointing: self.activation_checkpointing,
            dtype: self.dtype,
            seed: self.seed,
            ..Recipe::default()
        }
    }

    fn masking(
        &self,
        encoder: &EncoderSpec,
        tokenizer: &[u8],
        data: &Encoded,
    ) -> Result<Masking, StageError> {
        let tokenizer = TextTokenizer::from_bytes(tokenizer, &data.tokenizer())
            .map_err(|error| StageError::new(error.to_string()))?;
        let mask = MASKS.iter().find_map(|mask| tokenizer.id(mask)).ok_or_else(|| {
            StageError::new(format!("the tokenizer has no `{}`", MASKS.join("` and no `")))
                .with_help("such a model was not pretrained by masking tokens: take another one")
        })?;
        let vocabulary = encoder.vocab_size;
        Ok(Masking { share: self.masked, mask, vocabulary, seed: self.seed })
    }
}

/// What tokenizers call the token that hides another one.
const MASKS: [&str; 2] = ["[MASK]", "<mask>"];

/// Tells the perplexity beside the loss.
struct Telling<'a>(Watch<'a>);

impl training::Observer for Telling<'_> {
    fn progress(&self, progress: &training::Progress<'_>) {
        self.0.progress(progress);
    }

    fn evaluated(&self, row: &Row, _scores: &Scores) {
        let metrics = [("loss", row.loss), ("perplexity", row.loss.exp())];
        let metrics = metrics.map(|(name, value)| (name.to_owned(), Some(value))).into();
        self.0.context.evaluated(Evaluated { step: row.step, split: VALIDATION, metrics });
    }

    fn notice(&self, notice: &training::Notice) {
        self.0.notice(notice);
    }

    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}
