//! What is trained how: the parameters of a training, defined once for whoever trains and for the experiment file.

mod check;
mod groups;
mod names;
mod weights;

use std::collections::BTreeMap;

use candle_core::DType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cadence::Cadence;
use super::class_weights::{ClassWeights, Weights};
use super::inputs::Data;
use super::schedule::{LearningRate, Schedule, Warmup};
use super::thresholds::Threshold;
use crate::base::topic::Topic;
use crate::base::units;
use crate::nn::{HeadKind, Lora};
use crate::tasks::metrics::Metric;
use crate::tasks::{Decode, Decoding, Tagging, Task, tagging};
use crate::text::{ANOMALY, CorpusTasks};

pub use groups::Undecayed;

/// Fine-tunes the joint model: the encoder with a head that tags every token where the corpus has entities, and one that classifies the whole text from its first token for each field that it has classes of. The loss is the sum of all cross-entropies; a text without a label for a head trains the others; AdamW with clipping. The defaults are the reference recipe, but for `ignore_outside`. The same file gives the same weights, bit for bit, on the same CPU model, whatever the number of threads.
// Everything here decides the weights, but for what says that it changes no result. Where gradients are accumulated, losses are means over all
// batches of a step together, so that 2 x 8 texts and 1 x 16 give the same step to rounding; the last step of an epoch takes what is left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Train")]
pub struct Recipe {
    /// Passes over the training split, over all windows where `tokenize` has an `overlap`.
    #[schemars(range(min = 1, max = 100_000), extend("x-topic" = Topic::Basics))]
    pub epochs: u64,
    /// End after so many of the `epochs`, such as `2` or `0.5` (rounded to whole steps, one at least), with the learning rates of a training that makes all of them. One with a larger `stop_after`, or without, goes on from there under any `schedule`, with the bits of one that was never stopped. At the end the validation split is looked at once more, so that every stop has a score, and `keep_best` keeps the best so far; the training that goes on knows nothing of this look.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0.0, "x-topic" = Topic::Schedule), range(max = 100_000.0))]
    pub stop_after: Option<f64>,
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
    /// Decay rates of AdamW's moments.
    #[schemars(extend("items" = {"type": "number", "minimum": 0.0, "exclusiveMaximum": 1.0}, "x-topic" = Topic::Optimizer))]
    pub betas: [f64; 2],
    /// AdamW's epsilon.
    #[schemars(extend("exclusiveMinimum" = 0.0, "x-topic" = Topic::Optimizer), range(max = 1.0))]
    pub eps: f64,
    /// `"adamw"`, or `"stable_adamw"`: the same with the learning rate of each tensor divided by the root mean square of its update where that is above 1 (Wortsman et al. 2023), which may take the place of clipping the gradient.
    #[serde(skip_serializing_if = "Optimizer::is_adamw")]
    #[schemars(extend("default" = "adamw", "x-topic" = Topic::Optimizer))]
    pub optimizer: Optimizer,
    /// Norm to which the gradient is clipped; 0 never clips.
    #[schemars(range(min = 0.0), extend("x-topic" = Topic::Optimizer))]
    pub max_grad_norm: f64,
    /// Parts of the encoder that keep the weights that they begin with, such as `["embeddings", "layers.0..6"]` (the first six), or `["encoder"]`. Below the lowest part that is trained nothing is computed backward.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = [], "x-topic" = Topic::Model))]
    pub freeze: Vec<String>,
    /// LoRA: the encoder keeps its weights, and beside matrices of its layers others of low rank are trained, with the heads. They are merged into the model, and lie beside it in `adapter/` as PEFT has them. `{}` is `{ rank = 16, alpha = 32, targets = ["attention", "mlp"] }`; there is no dropout in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::Model))]
    pub lora: Option<Lora>,
    /// Learning rate of the heads; `learning_rate` when left out. Both have the same course.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0.0, "x-topic" = Topic::Optimizer), range(max = 10.0))]
    pub head_learning_rate: Option<f64>,
    /// By how much the learning rate of each layer is lower than that of the next one: layer l of L has `layer_decay^(L - l)` of it, counted from 1, the embeddings `layer_decay^L`, and heads all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0.0, "x-topic" = Topic::Optimizer), range(max = 1.0))]
    pub layer_decay: Option<f64>,
    /// What does not decay: `["norm", "bias"]` is what many recipes leave out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = [], "x-topic" = Topic::Optimizer))]
    pub no_decay: Vec<Undecayed>,
    /// Share of features that are set to 0 by chance while training, wherever the family has dropout: behind the embedding, in attention, behind attention and MLP, and before a head. What the model's configuration says when left out, which is 0.1 in BERT's and 0 in ModernBERT's; before a head it is that of hidden states, but for ModernBERT's, which has one of its own. Other features each step, the same ones for any number of threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0, "x-topic" = Topic::Model))]
    pub dropout: Option<f64>,
    /// Evaluate and keep the average of the weights over all steps so far, in which each step counts so many times as much as the one after it, such as `0.999`, instead of the weights of the step itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0, "x-topic" = Topic::Optimizer))]
    pub ema: Option<f64>,
    /// What heads are: `"linear"`, one matrix over the hidden states; or `"prediction"`, as the family's own class for such a task has it: a dense layer with its activation (and norm, in ModernBERT's) before that matrix, started from the head in the model's file where it brings one (ModernBERT's `head`, BERT's `pooler`). BERT's descendants have none over tokens.
    #[serde(skip_serializing_if = "is_linear")]
    #[schemars(extend("default" = "linear", "x-topic" = Topic::Model))]
    pub head: HeadKind,
    /// Leave tokens labelled `O` out of the loss. The model then never learns `O`, and takes every token for an entity.
    #[schemars(extend("x-topic" = Topic::Loss))]
    pub ignore_outside: bool,
    /// Weight of the tagging loss; 0 leaves the tagging head out of the model.
    #[schemars(range(min = 0.0), extend("x-topic" = Topic::Loss))]
    pub ner_weight: f64,
    /// Weight of the loss of the classification head `anomaly`; 0 leaves it out of the model.
    #[schemars(range(min = 0.0), extend("x-topic" = Topic::Loss))]
    pub anomaly_weight: f64,
    /// Weights of the losses of other classification heads, such as `{ severity = 0.5 }`; 1 for those that are not there, and 0 leaves a head out of the model.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("additionalProperties" = {"type": "number", "minimum": 0.0}, "x-topic" = Topic::Loss))]
    pub head_weights: BTreeMap<String, f64>,
    /// Weights of classes in the losses of their heads, by head: `{ severity = "balanced" }` gives each class the same share in the training split, `{ severity = { high = 3.0 } }` names some, and the others have 1. `"balanced"` alone is for all heads, and two numbers are those of `anomaly`: normal and anomaly.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::Loss))]
    pub class_weights: Option<ClassWeights>,
    /// Weights of tokens in the tagging loss, by the type of their entity or `O`: `{ O = 0.1 }`, or `"balanced"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::Loss))]
    pub token_class_weights: Option<Weights>,
    /// Above 0, what a head already tells with probability p counts `(1 - p)^focal_gamma` times as much, in the losses of all heads (focal loss, Lin et al. 2017, without its alpha, which is what the weights of classes are).
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(extend("default" = 0.0, "x-topic" = Topic::Loss), range(min = 0.0, max = 100.0))]
    pub focal_gamma: f64,
    /// Where the entities that the model finds begin and end: `"words"` gives all tokens of a word one label (words are those of Unicode's UAX 29; every other character stands alone): of `B-X`, `I-X` and `O` the one that is most likely for all of them together, by the sum of their log-probabilities; `"tokens"` gives each token its own. Words find far more in tweets and in logs, and never an entity that begins or ends inside a word, such as `Ann` in `Ann's` or `Italie` in `l'Italie`: `pipeline data` says how many there are. The model keeps it: `keep_best`, `evaluate` and `predict` read alike.
    #[schemars(extend("x-as-without" = "tokens", "x-topic" = Topic::Answers))]
    pub decode: Decode,
    /// Tell the labels of a text's tokens by Viterbi's algorithm: those that are most likely together of all in which every `I-X` follows `B-X` or `I-X`. Without it each token has its most likely label, and an `I-X` that follows anything else begins no entity.
    #[serde(skip_serializing_if = "is_false")]
    #[schemars(extend("default" = false, "x-topic" = Topic::Answers))]
    pub viterbi: bool,
    /// Steps between evaluations on the validation split; each epoch's end when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("x-topic" = Topic::Selection))]
    pub evaluate_every: Option<u64>,
    /// Stop when a metric on the validation split no longer improves.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::Selection))]
    pub early_stopping: Option<EarlyStopping>,
    /// Keep the weights of the evaluation that is best in this metric, such as `ner.span_f1` or `severity.macro_f1`, instead of the last ones: `loss`; `token_accuracy`, `span_precision`, `span_recall` and `span_f1` of `ner`; `accuracy`, `macro_f1`, `micro_f1` and `ece` of any head over whole texts; and `precision`, `recall`, `f1`, `auroc` and `average_precision` of one with two classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-topic" = Topic::Selection))]
    pub keep_best: Option<Metric>,
    /// From which score on a text has the second class of a head with two, by head, such as `{ anomaly = "f1" }`: `"f1"` is where F1 is the highest, `{ precision = 0.9 }` where at least this share of the answers is right and most are found, `{ alerts_per_day = 20 }` where so many texts a day have it, which needs a corpus split by `order` whose field is a time; or a number, which is taken as it is. What is asked for in another way is chosen on the validation split once the training is over. The model keeps it for `evaluate` and `predict`; where nothing gives what is asked for, the most likely class stays the answer and every score says so. `evaluate` shows the split that chose it at 0.5.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("x-topic" = Topic::Answers))]
    pub thresholds: BTreeMap<String, Threshold>,
    /// Temperature scaling: divide the logits of each head over whole texts by the number that makes its cross-entropy on the validation split the least, fitted once the training is over and stored in the model. Classes stay, scores become probabilities that come true more often (Guo et al. 2017); thresholds are of these. `evaluate` shows the split that it was fitted on without.
    #[serde(skip_serializing_if = "is_false")]
    #[schemars(extend("default" = false, "x-topic" = Topic::Answers))]
    pub calibrate: bool,
    /// What to do when a loss or a gradient is infinite or not a number.
    #[schemars(extend("x-topic" = Topic::Optimizer))]
    pub on_nonfinite: OnNonfinite,
    /// How often the state from which a training continues is saved: after a number of steps, whatever that costs, or after a time such as `"10m"`, or later if saving would take more than 2 % of the time. Once a minute when left out. It changes no result.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-changes-result" = false, "x-topic" = Topic::Resources))]
    pub checkpoint_every: Option<CheckpointEvery>,
    /// Keep only the input of each layer for the backward pass and compute the layer again there: about a fifth of the memory for activations, for a third more time. It changes no result.
    #[serde(skip_serializing_if = "is_false")]
    #[schemars(extend("default" = false, "x-changes-result" = false, "x-topic" = Topic::Resources))]
    pub activation_checkpointing: bool,
    /// Arithmetic of the matrix products: `"bf16"` is mixed precision, which is several times as fast on GPUs and on CPUs that have instructions for it (AMX, AVX-512 BF16) and gains nothing on others. On CPUs it is for the encoder's linear layers and its attention (but that of DeBERTa). Weights, moments, sums and everything else are f32 in any case.
    #[schemars(extend("x-topic" = Topic::Resources))]
    pub dtype: Dtype,
    /// Seed of the heads' initial weights, of the order of the texts, and of dropout.
    #[schemars(extend("x-topic" = Topic::Basics))]
    pub seed: u64,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            epochs: 3,
            stop_after: None,
            batch_size: 16,
            gradient_accumulation: 1,
            learning_rate: 2e-5,
            schedule: Schedule::Linear,
            warmup_steps: None,
            warmup_ratio: None,
            weight_decay: 0.01,
            betas: [0.9, 0.999],
            eps: 1e-8,
            optimizer: Optimizer::Adamw,
            max_grad_norm: 1.0,
            freeze: Vec::new(),
            lora: None,
            head_learning_rate: None,
            layer_decay: None,
            no_decay: Vec::new(),
            dropout: None,
            ema: None,
            head: HeadKind::Linear,
            ignore_outside: false,
            ner_weight: 1.0,
            anomaly_weight: 1.0,
            head_weights: BTreeMap::new(),
            class_weights: None,
            token_class_weights: None,
            focal_gamma: 0.0,
            decode: Decode::Words,
            viterbi: false,
            evaluate_every: None,
            early_stopping: None,
            keep_best: None,
            thresholds: BTreeMap::new(),
            calibrate: false,
            on_nonfinite: OnNonfinite::Stop,
            checkpoint_every: None,
            activation_checkpointing: false,
            dtype: Dtype::F32,
            seed: 42,
        }
    }
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn is_linear(head: &HeadKind) -> bool {
    *head == HeadKind::Linear
}

fn is_false(value: &bool) -> bool {
    !value
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

impl Dtype {
    #[must_use]
    pub fn is_f32(&self) -> bool {
        *self == Self::F32
    }
}

impl From<Dtype> for DType {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::Bf16 => Self::BF16,
        }
    }
}

/// What moves the weights along the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// AdamW
    #[default]
    Adamw,
    /// AdamW with updates that are clipped tensor by tensor
    StableAdamw,
}

impl Optimizer {
    fn is_adamw(&self) -> bool {
        *self == Self::Adamw
    }
}

/// What happens when a loss or a gradient is infinite or not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnNonfinite {
    /// the training fails and names the step and its sequences
    #[default]
    Stop,
    /// the step leaves the weights as they are, and is counted
    Skip,
}

impl Recipe {
    /// Steps of the optimiser in one epoch over `sequences` sequences.
    #[must_use]
    pub fn steps_per_epoch(&self, sequences: usize) -> u64 {
        sequences.div_ceil(self.batch_size.max(1)).div_ceil(self.gradient_accumulation.max(1))
            as u64
    }

    /// Steps of the whole training over `sequences` sequences, wherever this one stops: what learning rates depend on.
    #[must_use]
    pub fn total_steps(&self, sequences: usize) -> u64 {
        self.steps_per_epoch(sequences).saturating_mul(self.epochs)
    }

    /// Steps after which a training over `sequences` sequences ends.
    #[must_use]
    pub fn last_step(&self, sequences: usize) -> u64 {
        let all = self.total_steps(sequences);
        // To the nearest step: 0.1 of 30 steps is not 4 because 0.1 is no binary fraction.
        let steps = |epochs: f64| (epochs * self.steps_per_epoch(sequences) as f64).round() as u64;
        self.stop_after.map_or(all, |epochs| steps(epochs).max(1).min(all))
    }

    #[must_use]
    pub fn learning_rates(&self, sequences: usize) -> LearningRate {
        LearningRate::new(
            self.learning_rate,
            self.schedule,
            self.warmup(),
            self.total_steps(sequences),
        )
    }

    #[must_use]
    pub fn warmup(&self) -> Warmup {
        match (self.warmup_steps, self.warmup_ratio) {
            (_, Some(ratio)) => Warmup::Ratio(ratio),
            (steps, None) => Warmup::Steps(steps.unwrap_or(0)),
        }
    }

    /// How often the state is saved; `None` where what is asked for is no time.
    #[must_use]
    pub fn cadence(&self) -> Option<Cadence> {
        match &self.checkpoint_every {
            None => Some(Cadence::default()),
            Some(CheckpointEvery::Steps(steps)) => Some(Cadence::every(*steps)),
            Some(CheckpointEvery::Time(text)) => {
                Some(Cadence { time: units::duration(text)?, ..Cadence::default() })
            }
        }
    }

    /// How entities are read from what the model says of tokens.
    #[must_use]
    pub fn decoding(&self) -> Decoding {
        Decoding { decode: self.decode, viterbi: self.viterbi }
    }

    /// The parameters that compare evaluations, each with its metric.
    #[must_use]
    pub fn comparing(&self) -> Vec<(&'static str, Metric)> {
        let stopping = self.early_stopping.as_ref().map(|stopping| &stopping.metric);
        [("early_stopping", stopping), ("keep_best", self.keep_best.as_ref())]
            .into_iter()
            .filter_map(|(parameter, metric)| Some((parameter, metric?.clone())))
            .collect()
    }

    /// The parameters by which something is chosen on the validation split once the training is over.
    #[must_use]
    pub fn choosing(&self) -> Vec<&'static str> {
        let thresholds = self.thresholds.values().any(|threshold| !threshold.is_given());
        let all = [("thresholds", thresholds), ("calibrate", self.calibrate)];
        all.into_iter().filter(|(_, chooses)| *chooses).map(|(parameter, _)| parameter).collect()
    }

    /// The metric by which evaluations are compared: that of [`keep_best`](Self::keep_best), else that of early stopping.
    #[must_use]
    pub fn watched(&self) -> Option<&Metric> {
        let stopping = self.early_stopping.as_ref().map(|stopping| &stopping.metric);
        self.keep_best.as_ref().or(stopping)
    }

    /// How much the loss of a task counts; at 0 the model has no head for it.
    #[must_use]
    pub fn weight_of(&self, task: &str) -> f64 {
        match (task, self.head_weights.get(task)) {
            (tagging::NAME, _) => self.ner_weight,
            (ANOMALY, None) => self.anomaly_weight,
            (_, weight) => weight.copied().unwrap_or(1.0),
        }
    }

    /// The parameter that says [`weight_of`](Self::weight_of) a task, and how it is written.
    #[must_use]
    pub fn weight_parameter(task: &str) -> (&'static str, String) {
        match task {
            tagging::NAME => ("ner_weight", "ner_weight".to_owned()),
            ANOMALY => ("anomaly_weight", "anomaly_weight".to_owned()),
            task => ("head_weights", format!("head_weights.{task}")),
        }
    }

    /// The tasks that are left out whatever the data are, as far as this says so.
    #[must_use]
    pub fn left_out(&self) -> Vec<String> {
        let named = [tagging::NAME, ANOMALY].into_iter();
        let mut names: Vec<String> =
            named.chain(self.head_weights.keys().map(String::as_str)).map(str::to_owned).collect();
        names.retain(|name| self.weight_of(name) == 0.0);
        names.dedup();
        names
    }

    /// What of these tasks is trained.
    #[must_use]
    pub fn trained(&self, tasks: &CorpusTasks) -> CorpusTasks {
        let is_trained = |name: &str| self.weight_of(name) > 0.0;
        let heads = tasks.heads.iter().filter(|head| is_trained(&head.name)).cloned().collect();
        CorpusTasks { tagging: tasks.tagging && is_trained(tagging::NAME), heads }
    }

    /// The tasks that the loss counts, and no others: what was not trained would answer at random.
    #[must_use]
    pub fn tasks(&self, data: Data<'_>) -> Vec<Task> {
        let weighed = |task: Task| Task {
            weight: self.weight_of(&task.name),
            class_weights: self.weights_of(&task, data),
            focal_gamma: self.focal_gamma as f32,
            ..task
        };
        let trained = self.trained(data.tasks);
        let ignored = self.ignore_outside.then_some(data.labels.outside());
        let tagging =
            Tagging { ignored, decoding: self.decoding(), ..Tagging::of(data.labels.len()) };
        let tagging = trained.tagging.then(|| Task::tagging(tagging));
        let classification = trained.heads.iter().map(Task::classification);
        tagging.into_iter().chain(classification).map(weighed).collect()
    }

    /// Whether another training can go on from the end of this one: with more epochs, or with more of the same ones.
    #[must_use]
    pub fn can_go_further(&self) -> bool {
        let is_stopped = self.stop_after.is_some_and(|epochs| epochs < self.epochs as f64);
        is_stopped || self.horizon_parameter().is_none()
    }

    /// Why a training with more epochs cannot go on from where one with fewer ended, or `None` when it can: the parameter whose effect on
    /// the first steps depends on how many there will be, and its value.
    #[must_use]
    pub fn horizon_parameter(&self) -> Option<(&'static str, Value)> {
        if self.schedule.depends_on_horizon() {
            Some(("schedule", json!(self.schedule)))
        } else if self.warmup().depends_on_horizon() {
            Some(("warmup_ratio", json!(self.warmup_ratio)))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::ClassHead;

    #[test]
    fn the_last_step_of_an_epoch_takes_what_is_left() {
        let recipe = Recipe { batch_size: 4, gradient_accumulation: 2, ..Recipe::default() };
        assert_eq!(recipe.steps_per_epoch(8), 1);
        assert_eq!(recipe.steps_per_epoch(9), 2);
    }

    #[test]
    fn a_stop_is_rounded_to_whole_steps_and_makes_one_at_least() {
        let last_step = |epochs, stop_after| {
            let stop_after = Some(stop_after);
            Recipe { epochs, stop_after, batch_size: 1, ..Recipe::default() }.last_step(30)
        };
        let stops = [0.001, 0.1, 0.5, 1.25, 2.0, 3.0].map(|epochs| last_step(3, epochs));
        assert_eq!(stops, [1, 3, 15, 38, 60, 90]);
        assert_eq!(Recipe { batch_size: 1, ..Recipe::default() }.last_step(30), 90);
    }

    #[test]
    fn a_task_goes_with_its_weight() {
        let severity = |name: &str| ClassHead {
            name: name.to_owned(),
            classes: ["low", "high"].map(str::to_owned).to_vec(),
        };
        let heads = vec![ClassHead::anomaly(), severity("severity"), severity("ner_like")];
        let tasks = CorpusTasks { tagging: true, heads };
        let names = |recipe: &Recipe| crate::tasks::names(&recipe.trained(&tasks));
        assert_eq!(names(&Recipe::default()), ["ner", "anomaly", "severity", "ner_like"]);
        let recipe = Recipe {
            ner_weight: 0.0,
            head_weights: BTreeMap::from([("severity".to_owned(), 0.0)]),
            ..Recipe::default()
        };
        assert_eq!(names(&recipe), ["anomaly", "ner_like"]);
        assert_eq!(recipe.left_out(), ["ner", "severity"]);
    }

    #[test]
    fn only_a_recipe_without_horizon_can_be_extended() {
        assert_eq!(Recipe::default().horizon_parameter(), Some(("schedule", json!("linear"))));
        let stopped = |epochs| Recipe { stop_after: Some(epochs), ..Recipe::default() };
        assert!(stopped(2.5).can_go_further() && !stopped(3.0).can_go_further());
        let constant =
            Recipe { schedule: Schedule::Constant, warmup_ratio: Some(0.1), ..Recipe::default() };
        assert_eq!(constant.horizon_parameter(), Some(("warmup_ratio", json!(0.1))));
        assert_eq!(
            Recipe { warmup_ratio: None, warmup_steps: Some(5), ..constant }.horizon_parameter(),
            None
        );
    }
}
