//! `init_model`: an encoder with random weights and a tokenizer trained on the corpus.

use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{facts, versions};
use crate::base::rng::Rng;
use crate::base::visible;
use crate::engine::stage::{
    Artifact as _, CodeVersion, Context, Facts, InputFacts, ParameterProblem, Stage, StageError,
    Survey, SurveyInputs, Unread, Usage,
};
use crate::nn::{EncoderSpec, JointModel};
use crate::stages::artifacts::known;
use crate::stages::artifacts::{Backbone, CorpusFiles, files};
use crate::text::{Corpus, Example, Split, TextTokenizer, TrainTokenizerError, WordCounts};

/// An encoder of any family and size with random weights, drawn as transformers draws them, and a byte-level BPE tokenizer trained on the corpus's training split. Needs no download. Sizes are named as in BERT's `config.json`, whatever the family calls them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InitModel {
    /// The family, as `config.json` names it: `modernbert`, `bert`, `roberta`, `xlm-roberta`, `camembert`, `distilbert`, `electra` or `deberta-v2`, which is DeBERTa-v3's.
    #[serde(default = "model_type", skip_serializing_if = "is_default_type")]
    pub model_type: String,
    /// Most entries of the vocabulary; a small corpus gives fewer.
    #[serde(default = "vocab_size")]
    #[schemars(range(min = 261, max = 1_000_000))]
    pub vocab_size: usize,
    /// Width of the hidden states.
    #[serde(default = "hidden_size")]
    #[schemars(range(min = 2, max = 16_384))]
    pub hidden_size: usize,
    /// Layers of the encoder.
    #[serde(default = "num_hidden_layers")]
    #[schemars(range(min = 1, max = 512))]
    pub num_hidden_layers: usize,
    /// Attention heads; they divide `hidden_size`, into even parts where `model_type` is `modernbert`.
    #[serde(default = "num_attention_heads")]
    #[schemars(range(min = 1, max = 512))]
    pub num_attention_heads: usize,
    /// Width of the MLP between its two projections.
    #[serde(default = "intermediate_size")]
    #[schemars(range(min = 1, max = 65_536))]
    pub intermediate_size: usize,
    /// Longest text in tokens. All families but `modernbert` have a table with a row for each position.
    #[serde(default = "max_position_embeddings")]
    #[schemars(range(min = 3, max = 1_048_576))]
    pub max_position_embeddings: usize,
    /// Width of the window of local attention, half on each side; of `modernbert` only.
    #[serde(default = "local_attention")]
    #[schemars(range(min = 2, max = 1_048_576))]
    pub local_attention: usize,
    /// Every how many layers attention is global, from the first on; of `modernbert` only.
    #[serde(default = "global_attn_every_n_layers")]
    #[schemars(range(min = 1, max = 512))]
    pub global_attn_every_n_layers: usize,
    /// Seed of the weights.
    #[serde(default = "super::seed::default_seed")]
    pub seed: u64,
}

const MODEL_TYPE: &str = "modernbert";

fn model_type() -> String {
    MODEL_TYPE.to_owned()
}
fn is_default_type(model_type: &str) -> bool {
    model_type == MODEL_TYPE
}
fn vocab_size() -> usize {
    4096
}
fn hidden_size() -> usize {
    128
}
fn num_hidden_layers() -> usize {
    4
}
fn num_attention_heads() -> usize {
    4
}
fn intermediate_size() -> usize {
    192
}
fn max_position_embeddings() -> usize {
    8192
}
fn local_attention() -> usize {
    128
}
fn global_attn_every_n_layers() -> usize {
    3
}

/// What it reads of the corpus.
const READ: [Split; 1] = [Split::Train];

crate::inputs! {
    pub struct InitModelInputs {
        /// The texts that the tokenizer is trained on.
        corpus: CorpusFiles,
    }
}

fn failed(error: TrainTokenizerError) -> StageError {
    match error {
        TrainTokenizerError::Cancelled => StageError::Cancelled,
        _ => StageError::new(error.to_string()),
    }
}

/// Counts the words of more texts.
fn add_words(
    words: &mut WordCounts,
    examples: &[Example],
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<(), StageError> {
    let texts = examples.iter().map(|example| example.text.as_str()).collect();
    words.add(texts, cancelled).map_err(failed)
}

impl InitModel {
    /// The encoder for a tokenizer: its embedding has a row for every entry that there is, not for every entry that was allowed.
    fn encoder(&self, tokenizer: &TextTokenizer) -> Result<EncoderSpec, StageError> {
        let (first, last) = (tokenizer.id("[CLS]"), tokenizer.id("[SEP]"));
        let padding = tokenizer.id("[PAD]");
        let before = if EncoderSpec::counts_from_padding(&self.model_type) {
            padding.map_or(0, |padding| padding as usize + 1)
        } else {
            0
        };
        let config = json!({
            "model_type": self.model_type,
            "vocab_size": tokenizer.vocabulary_size(),
            "hidden_size": self.hidden_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "intermediate_size": self.intermediate_size,
            "max_position_embeddings": self.max_position_embeddings + before,
            "local_attention": self.local_attention,
            "global_attn_every_n_layers": self.global_attn_every_n_layers,
            "cls_token_id": first,
            "bos_token_id": first,
            "sep_token_id": last,
            "eos_token_id": last,
            "pad_token_id": padding,
        });
        EncoderSpec::from_json(&config.to_string())
            .map_err(|error| StageError::new(error.to_string()))
    }
}

impl Stage for InitModel {
    const KIND: &'static str = "init_model";
    const USAGE: Usage = Usage {
        when: "To try an experiment out in seconds, or before `pretrain` on many texts of your own: random weights know no language.",
        snippet: r#"[stage.init_model]
corpus            = "@corpus"
hidden_size       = 128
num_hidden_layers = 4"#,
    };
    const CODE: &'static [CodeVersion] = &[
        versions::TOKENIZER_TRAINING,
        versions::ALIGNMENT,
        versions::INITIAL_WEIGHTS,
        versions::MODEL,
    ];
    const DRAWS: Option<&'static str> = Some("the weights to start from");
    type Inputs = InitModelInputs;
    type Output = Backbone;

    fn check(&self) -> Vec<ParameterProblem> {
        let known = EncoderSpec::model_types();
        if !known.contains(&self.model_type.as_str()) {
            let known: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
            let message =
                format!("`model_type` = `{}` is not known", visible::line(&self.model_type));
            let help = format!("one of {}", known.join(", "));
            return vec![ParameterProblem::new(["model_type"], message).help(help)];
        }
        let turns_pairs = EncoderSpec::turns_pairs(&self.model_type);
        let (parts, into) = if turns_pairs { (2, " into even parts") } else { (1, "") };
        let has_windows = EncoderSpec::has_windows(&self.model_type);
        let mut problems = Vec::new();
        let multiple = parts * self.num_attention_heads;
        if !self.hidden_size.is_multiple_of(multiple) {
            let message = format!(
                "`num_attention_heads` = {} does not divide `hidden_size` = {}{into}",
                self.num_attention_heads, self.hidden_size
            );
            let help = format!("`hidden_size` must be a multiple of {multiple}");
            let places = ["num_attention_heads", "hidden_size"];
            problems.push(ParameterProblem::new(places, message).help(help));
        }
        for (parameter, differs) in [
            ("local_attention", self.local_attention != local_attention()),
            (
                "global_attn_every_n_layers",
                self.global_attn_every_n_layers != global_attn_every_n_layers(),
            ),
        ] {
            if differs && !has_windows {
                let message = format!(
                    "`{parameter}` means nothing to `model_type` = `{}`, whose tokens see the whole text",
                    self.model_type
                );
                problems.push(ParameterProblem::new([parameter], message).help("leave it out"));
            }
        }
        problems
    }

    fn facts(&self, _inputs: InputFacts<'_>) -> Facts {
        let mut facts = facts::of_model(self.max_position_embeddings);
        // As many entries of the vocabulary as are allowed, for want of a tokenizer.
        if let Ok(encoder) = EncoderSpec::from_json(&json!(self).to_string()) {
            facts.extend(known::of_encoder(&encoder));
        }
        facts
    }

    fn survey(
        &self,
        inputs: SurveyInputs<'_>,
        _entry: Option<&Path>,
    ) -> Result<Survey, StageError> {
        let Some(corpus) = inputs.get::<Corpus>("corpus") else { return Ok(Survey::default()) };
        let mut words = WordCounts::default();
        add_words(&mut words, &corpus.train, &|| false)?;
        let tokenizer = words.train(self.vocab_size, &|| false).map_err(failed)?;
        Ok(Survey { remarks: Vec::new(), finding: Some(Arc::new(tokenizer)), ..Survey::default() })
    }

    fn unread(&self, _input: &str) -> Unread {
        CorpusFiles::unread_but(READ.into())
    }

    fn run(&self, inputs: InitModelInputs, context: &Context<'_>) -> Result<Backbone, StageError> {
        let cancelled = || context.is_cancelled();
        let mut words = WordCounts::default();
        inputs
            .corpus
            .for_some_of(&READ, |_, examples| add_words(&mut words, &examples, &cancelled))?;
        let tokenizer = words.train(self.vocab_size, &cancelled).map_err(failed)?;
        let path = context.output.join(Backbone::TOKENIZER);
        tokenizer.save(&path).map_err(|error| StageError::writing(&path, &error))?;

        let encoder = self.encoder(&tokenizer)?;
        context.check_cancelled()?;
        let model =
            JointModel::new_random(encoder, &[], &Rng::new(self.seed)).map_err(|error| {
                StageError::new(error.to_string())
                    .with_help("lower `hidden_size` or `num_hidden_layers`")
            })?;
        let path = context.output.join(Backbone::WEIGHTS);
        model.save_encoder(&path).map_err(|error| StageError::writing(&path, &error))?;
        files::write_text(&context.output.join(Backbone::CONFIG), &model.spec.to_json())?;
        Backbone::open(context.output)
    }
}
