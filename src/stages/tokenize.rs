//! `tokenize`: texts to labelled tokens.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{facts, versions};
use crate::engine::stage::{
    Caveat, CodeVersion, Context, Facts, InputFacts, ParameterProblem, Remark, Stage, StageError,
    Survey, SurveyInputs, Usage,
};
use crate::stages::artifacts::known;
use crate::stages::artifacts::{Backbone, CorpusFiles, Encoded, EncodedWriter};
use crate::text::{
    Corpus, EncodedSplit, Example, LONGEST_RUN, LabelSet, Labelling, Misfits, Split, SplitWriter,
    Statistics, TextTokenizer, TokenizerError, UnitFound, Windowing,
};

/// Turns texts into tokens with the model's own tokenizer and gives each a BIO label: `B-` where an entity's first character that is no space begins, `I-` inside it. An entity that truncation cuts is labelled `O` altogether.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tokenize {
    /// Most tokens that the model reads at once, special ones included; what a text has beyond is cut off, unless `overlap` is given.
    #[serde(default = "max_length")]
    #[schemars(range(min = 3, max = 1_048_576))]
    pub max_length: usize,
    /// Above 0, texts of more than `max_length` tokens are not cut, but read in windows of that length, each of which begins with the last so many tokens of the one before: as many as the longest entity has is a good choice. Tokens of an entity that a window cuts are not learnt there; what a model says of a token is what it says in the window with most text around it, its class is the mean over its windows, and an entity counts once. In `train`, an epoch is a pass over all windows and `batch_size` counts windows; a text's windows count as one text in the losses of classes.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(extend("default" = 0), range(max = 1_048_576))]
    pub overlap: usize,
}

fn max_length() -> usize {
    128
}

fn is_zero(overlap: &usize) -> bool {
    *overlap == 0
}

crate::inputs! {
    pub struct TokenizeInputs {
        /// The model whose tokenizer to use.
        model: Backbone,
        /// The texts.
        corpus: CorpusFiles,
    }
}

/// Scores count every pair of labels, of which there are two for each type.
const MOST_ENTITY_TYPES: usize = 1000;

/// What to say of a length that the model cannot take, and what helps.
fn too_long(max_length: usize, limit: usize) -> (String, String) {
    let message = format!(
        "`max_length` = {max_length} is beyond the model's `max_position_embeddings` = {limit}"
    );
    (message, format!("set `max_length` to at most {limit}"))
}

impl Stage for Tokenize {
    const KIND: &'static str = "tokenize";
    const USAGE: Usage = Usage {
        when: "Always, between a corpus and what trains or scores on it; with an `overlap` where texts are longer than `max_length`.",
        snippet: r#"[stage.tokenize]
model      = "@fetch_model"
corpus     = "@corpus"
max_length = 128"#,
    };
    const CODE: &'static [CodeVersion] = &[versions::ALIGNMENT];
    type Inputs = TokenizeInputs;
    type Output = Encoded;

    fn facts(&self, inputs: InputFacts<'_>) -> Facts {
        let mut facts = facts::of_corpus(inputs, "corpus");
        if !self.windowing().cuts() {
            // There will be more to read than texts, and how much more is known once they are tokenized.
            facts.remove(known::TEXTS);
        }
        facts.extend(known::of_max_length(self.max_length));
        facts
    }

    fn check(&self) -> Vec<ParameterProblem> {
        let Self { max_length, overlap } = *self;
        let most = Windowing::largest_overlap(max_length);
        if overlap <= most {
            return Vec::new();
        }
        let message = format!(
            "`overlap` = {overlap} leaves windows of `max_length` = {max_length} tokens too little that is new"
        );
        let help = match most {
            0 => "raise `max_length`, or leave `overlap` out".to_owned(),
            most => format!(
                "set `overlap` to at most {most}, or raise `max_length`: as many tokens as the longest entity has are enough"
            ),
        };
        vec![ParameterProblem::new(["overlap", "max_length"], message).help(help)]
    }

    fn check_inputs(&self, inputs: InputFacts<'_>) -> Vec<ParameterProblem> {
        let Some(limit) = facts::longest(inputs, "model").filter(|limit| self.max_length > *limit)
        else {
            return Vec::new();
        };
        let (message, help) = too_long(self.max_length, limit);
        vec![ParameterProblem::new(["max_length"], message).help(help)]
    }

    fn run(&self, inputs: TokenizeInputs, context: &Context<'_>) -> Result<Encoded, StageError> {
        let limit = inputs.model.encoder.max_position_embeddings;
        if self.max_length > limit {
            let (message, help) = too_long(self.max_length, limit);
            return Err(StageError::new(message).with_help(help));
        }
        let tokenizer = TextTokenizer::load(&inputs.model.tokenizer)
            .map_err(|error| StageError::new(error.to_string()))?;
        let corpus = inputs.corpus;
        let types = corpus.entity_labels()?;
        let labels = labels_of(types.iter().map(String::as_str))?;
        let mut writer = EncodedWriter::new(
            context.output,
            &inputs.model.tokenizer,
            &corpus.tasks,
            &labels,
            self.windowing(),
        )?;
        writer.group_by(corpus.grouped_by.clone());
        writer.ordered_by(corpus.order.as_deref())?;
        let labelling =
            Labelling { labels: &labels, heads: &corpus.tasks.heads, windowing: self.windowing() };
        let mut parts = BTreeMap::new();
        for split in Split::ALL {
            let mut part = Part { tokens: writer.tokens(split), statistics: Statistics::default() };
            part.push(&tokenizer, split, Vec::new(), labelling)?;
            parts.insert(split, part);
        }
        corpus.for_some(|split, examples| {
            context.check_cancelled()?;
            let part = parts.get_mut(&split).expect("every split has one");
            part.push(&tokenizer, split, examples, labelling)
        })?;
        let mut caveats = corpus.caveats.clone();
        let mut misfits = Vec::new();
        for (split, Part { tokens, statistics }) in parts {
            context.check_cancelled()?;
            context.remarks(&mut caveats, remarks(&statistics, self.windowing(), split));
            misfits.push(statistics.misfits.clone());
            writer.split(split, tokens, statistics, &corpus.texts(split))?;
        }
        context.remarks(&mut caveats, unit_remark(&misfits));
        writer.finish(caveats)
    }

    fn survey(
        &self,
        inputs: SurveyInputs<'_>,
        _entry: Option<&Path>,
    ) -> Result<Survey, StageError> {
        let Some(corpus) = inputs.get::<Corpus>("corpus") else { return Ok(Survey::default()) };
        let labels = labels_of(corpus.entity_labels())?;
        let mut found = Vec::new();
        if let Some(tokenizer) = inputs.get::<TextTokenizer>("model") {
            let mut misfits = Vec::new();
            for split in Split::ALL {
                let (_, statistics) = self.encode(&tokenizer, &corpus, split, &labels)?;
                found.extend(remarks(&statistics, self.windowing(), split));
                misfits.push(statistics.misfits);
            }
            found.extend(unit_remark(&misfits));
        }
        Ok(Survey { remarks: found, finding: Some(corpus), ..Survey::default() })
    }
}

impl Tokenize {
    fn windowing(&self) -> Windowing {
        Windowing { max_length: self.max_length, overlap: self.overlap }
    }

    fn encode(
        &self,
        tokenizer: &TextTokenizer,
        corpus: &Corpus,
        split: Split,
        labels: &LabelSet,
    ) -> Result<(EncodedSplit, Statistics), StageError> {
        tokenizer
            .encode_split(corpus.get(split), labels, &corpus.tasks.heads, self.windowing())
            .map_err(|error| failed(split, &error))
    }
}

fn failed(split: Split, error: &TokenizerError) -> StageError {
    StageError::new(format!("the `{split}` split: {error}"))
}

/// A split on its way.
struct Part {
    tokens: SplitWriter,
    statistics: Statistics,
}

impl Part {
    fn push(
        &mut self,
        tokenizer: &TextTokenizer,
        split: Split,
        examples: Vec<Example>,
        labelling: Labelling<'_>,
    ) -> Result<(), StageError> {
        let pieces = tokenizer.encode_pieces(examples, labelling);
        for (tokens, statistics) in pieces.map_err(|error| failed(split, &error))? {
            let pushed = self.tokens.push(&tokens);
            pushed.map_err(|error| StageError::writing(self.tokens.path(), &error))?;
            self.statistics.append(statistics);
        }
        Ok(())
    }
}

fn labels_of<'t>(types: impl IntoIterator<Item = &'t str>) -> Result<LabelSet, StageError> {
    let labels = LabelSet::of(types);
    if labels.types().len() <= MOST_ENTITY_TYPES {
        return Ok(labels);
    }
    let message = format!(
        "the corpus has {} entity types, and a model tells at most {MOST_ENTITY_TYPES} apart",
        labels.types().len()
    );
    Err(StageError::new(message).with_help(
        "the `label` of an entity is its type, such as `IP`, not the text that it covers",
    ))
}

/// In what the offsets of all splits look to be counted, where that is not characters.
fn unit_remark(misfits: &[Misfits]) -> Vec<Remark> {
    let Some(UnitFound { unit, differ, whole }) = Misfits::unit(misfits) else {
        return Vec::new();
    };
    let message = format!(
        "the offsets of entities look like {units}: {whole} of {differ} for which that makes a difference break words, and would not if they \
         counted {units}; set `offsets = \"{}\"` in `read_corpus`",
        unit.name(),
        units = unit.units()
    );
    vec![Remark::Caveat(Caveat::new("offsets_unit", whole, message))]
}

/// What truncation and the bounds of tokens took from a split.
fn remarks(found: &Statistics, windowing: Windowing, split: Split) -> Vec<Remark> {
    let Windowing { max_length, overlap } = windowing;
    let mut remarks = Vec::new();
    if let Some(windows) = found.windows.filter(|windows| windows.count > found.sequences) {
        let texts = found.sequences;
        remarks.push(Remark::Note(format!(
            "{texts} {split} texts are read in {} windows of up to {max_length} tokens",
            windows.count
        )));
    }
    let mut caveat = |code, count: usize, message: String| {
        remarks.push(Remark::Caveat(Caveat::new(code, count, message).of(split)));
    };
    let all = found.entities;
    if found.truncated > 0 {
        let message = format!(
            "{} of {} {split} texts are longer than {max_length} tokens and were cut: `overlap` in `tokenize` reads them whole, in windows",
            found.truncated, found.sequences
        );
        caveat("texts_cut", found.truncated, message);
    }
    if found.long_runs > 0 {
        let runs = match found.long_runs {
            1 => "1 run".to_owned(),
            count => format!("{count} runs"),
        };
        let message = format!(
            "{runs} of more than {LONGEST_RUN} characters without a break in the {split} texts, cut before the tokenizer sees them"
        );
        caveat("runs_cut", found.long_runs, message);
    }
    if found.entities_cut > 0 {
        let cut = found.entities_cut;
        let message = if windowing.cuts() {
            format!(
                "{cut} of {all} {split} entities are cut off by `max_length` = {max_length}: they cannot be found, and count as missed"
            )
        } else {
            format!(
                "{cut} of {all} {split} entities are longer than `overlap` = {overlap} tokens and whole in no window: none learns them"
            )
        };
        caveat("entities_cut", cut, message);
    }
    let misfits = found.misfits.count();
    if misfits > 0 {
        let message = format!(
            "{misfits} of {all} {split} entities are not whole tokens, so that no tags give them, and count as missed: {}",
            found.misfits.causes()
        );
        caveat("entities_inside_tokens", misfits, message);
        let listed: Vec<String> = found.misfits.first.iter().map(ToString::to_string).collect();
        let more = if listed.len() < misfits { "\n..." } else { "" };
        remarks.push(Remark::Warning(format!(
            "these are{}:\n{}{more}",
            if more.is_empty() { "" } else { " the first" },
            listed.join("\n")
        )));
    }
    remarks
}
