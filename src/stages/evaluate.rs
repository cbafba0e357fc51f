//! `evaluate`: predictions and scores of a trained model on one split.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::beside::Beside;
use super::groups::{self, Group};
use super::operating::{Operating, Texts};
use super::scoring::{Answered, shown_with};
use super::train::useful_threads;
use super::{corpus_caveats, facts, versions};
use crate::engine::stage::{
    Caveat, CodeVersion, Context, Facts, InputFacts, InputFolders, ParameterProblem, Resources,
    Stage, StageError, Survey, SurveyInputs, Threads, UndefinedMetrics, Unread, Usage,
};
use crate::stages::artifacts::{
    Artifact as _, Checkpoint, Encoded, Evaluation, Origin, files, known,
};
use crate::tasks::{Contents, Decode};
use crate::text::{self, Corpus, CorpusTasks, Example, Windowing};
use crate::training::{self, BatchLimit, Dtype};

/// Scores a trained model on one split: classification reports, entity-level scores as seqeval defines them (strict, `O` counted), scores of classes as scikit-learn defines them, and every prediction as CSV. Its `loss` has no weights: every token counts, `O` too, and all tasks the same; a head that was not trained has no scores, and a text without a label for a head counts in none of that head's.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evaluate {
    /// Split to score on.
    #[serde(default)]
    pub split: SplitName,
    /// Texts, or windows of them, of mean length in one pass through the model: of long ones fewer, of short ones more.
    #[serde(default = "batch_size")]
    #[schemars(range(min = 1, max = 65_536))]
    pub batch_size: usize,
    /// Write the texts into `predictions.csv`. Without them it still has every other field of the corpus, and offsets and labels of the entities.
    #[serde(default = "texts")]
    pub texts: bool,
    /// Fields of the corpus, such as `["event", "source"]`, by whose values the texts are scored in `groups.csv`: entities and classes of all texts that have one in common, and where the training split has some of the values, of those that it has and of the others. Sentences from templates are scored by whether training saw their template in any case, where there are both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group_by: Vec<String>,
    /// Arithmetic of the matrix products, as for `train`.
    #[serde(default, skip_serializing_if = "Dtype::is_f32")]
    #[schemars(extend("default" = "f32"))]
    pub dtype: Dtype,
}

pub(super) const NO_TEXTS: &str =
    "choose another `split`, or give the corpus stage a fraction or a file for it";

pub(super) fn no_texts(split: text::Split) -> StageError {
    StageError::new(format!("the `{split}` split is empty")).with_help(NO_TEXTS)
}

fn batch_size() -> usize {
    32
}

pub(super) fn texts() -> bool {
    true
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitName {
    /// the texts that were trained on
    Train,
    /// the texts that training was watched by
    #[default]
    Validation,
    /// the texts kept for the end
    Test,
}

impl From<SplitName> for text::Split {
    fn from(name: SplitName) -> Self {
        match name {
            SplitName::Train => Self::Train,
            SplitName::Validation => Self::Validation,
            SplitName::Test => Self::Test,
        }
    }
}

crate::inputs! {
    pub struct EvaluateInputs {
        /// The trained model.
        model: Checkpoint,
        /// The texts, tokenized as those that the model was trained on.
        data: Encoded,
        /// What is shown beside the model: evaluations on the same split, such as those of `baseline`.
        baselines: Vec<Evaluation>,
    }
}

impl Stage for Evaluate {
    const KIND: &'static str = "evaluate";
    const USAGE: Usage = Usage {
        when: "Always, for scores: on `validation` while you choose among settings, and on `test` once you have chosen.",
        snippet: r#"[stage.evaluate]
model     = "@train"
data      = "@tokenize"
split     = "test"
baselines = ["@baseline"]          # may be left out"#,
    };
    const CODE: &'static [CodeVersion] =
        &[versions::MODEL, versions::METRICS, versions::EVALUATION, versions::CAVEATS];
    type Inputs = EvaluateInputs;
    type Output = Evaluation;

    fn resources(&self) -> Resources {
        Resources { threads: Threads::All, ..Resources::default() }
    }

    fn useful_threads(&self, inputs: InputFacts<'_>) -> Option<usize> {
        let length = known::texts(inputs, "data")?.tokens_per_text?;
        let tokens = self.batch_size as f64 * length;
        Some(useful_threads(&known::sizes(inputs, "model")?, tokens, 1.0))
    }

    fn check_inputs(&self, inputs: InputFacts<'_>) -> Vec<ParameterProblem> {
        let split = text::Split::from(self.split);
        if let Some(other) = facts::other_split(inputs, "baselines", split) {
            let message = format!("a baseline is scored on `{other}`, and the model on `{split}`");
            let help = format!("give its stage `split = \"{split}\"`");
            return vec![ParameterProblem::new(["split"], message).help(help)];
        }
        if facts::is_empty(inputs, "data", split) {
            let message = format!("the `{split}` split is empty");
            return vec![ParameterProblem::new(["split"], message).help(NO_TEXTS)];
        }
        let tasks = known::tasks(inputs, "data").or_else(|| known::possible(inputs, "data"));
        let is_head = |name: &str| tasks.as_ref().is_some_and(|tasks| tasks.head(name).is_some());
        let fields = facts::fields(inputs, "data");
        let problem = |name: &String| {
            let (message, help) = match &fields {
                Some(fields) if fields.contains(&name.as_str()) => return None,
                _ if is_head(name) => groups::of_head(name),
                Some(fields) => groups::unknown(name, "the texts", fields),
                None => return None,
            };
            Some(ParameterProblem::new(["group_by"], message).help(help))
        };
        self.group_by.iter().filter_map(problem).collect()
    }

    fn check_arrived(&self, inputs: &InputFolders) -> Result<(), StageError> {
        let Some(folder) = inputs.get("data").filter(|_| !self.group_by.is_empty()) else {
            return Ok(());
        };
        let (data, split) = (Encoded::open(folder)?, self.split.into());
        let fields = data.fields(split, &self.group_by)?;
        groups::check(&self.group_by, split, &data.tasks, &fields)
    }

    fn facts(&self, _inputs: InputFacts<'_>) -> Facts {
        facts::of_scored(self.split.into())
    }

    fn unread(&self, input: &str) -> Unread {
        match input {
            "data" => Encoded::unread_but(vec![text::Split::Train, self.split.into()]),
            _ => Unread::default(),
        }
    }

    fn undefined_metrics(&self, inputs: InputFacts<'_>) -> Vec<UndefinedMetrics> {
        let mut undefined = facts::undefined_metrics(inputs, "model");
        undefined.extend(facts::undefined_by_classes(inputs, "data"));
        undefined
    }

    fn survey(
        &self,
        inputs: SurveyInputs<'_>,
        _entry: Option<&Path>,
    ) -> Result<Survey, StageError> {
        let Some(corpus) = inputs.get::<Corpus>("data") else { return Ok(Survey::default()) };
        let split = text::Split::from(self.split);
        let texts = corpus.get(split);
        if texts.is_empty() {
            return Err(no_texts(split));
        }
        groups::check(&self.group_by, split, &corpus.tasks, &groups::fields(texts))?;
        let mut undefined = facts::undefined_without(&corpus.tasks, "the corpus has", true);
        let contents = Contents::of(texts, &corpus.tasks);
        undefined.extend(facts::undefined_in(&contents, &format!("the `{split}` split")));
        Ok(Survey { undefined, ..Survey::default() })
    }

    fn run(&self, inputs: EvaluateInputs, context: &Context<'_>) -> Result<Evaluation, StageError> {
        let EvaluateInputs { model, data, baselines } = inputs;
        let said = model.heads.corpus_tasks();
        refuse_other_labels(&model, &data, &said)?;
        let split = text::Split::from(self.split);
        let mut tokens = data.tokens(split)?;
        if tokens.is_empty() {
            return Err(no_texts(split));
        }
        let tasks = model.heads.tasks();
        let examples = data.examples(split)?;
        groups::check(&self.group_by, split, &data.tasks, &groups::fields(&examples))?;
        let groups = self.groups(&data, &examples)?;
        if model.heads.decoding == Decode::Words {
            tokens.find_words(examples.iter().map(|example| example.text.as_str()));
        }
        let mut caveats = shown_with(split, &model.caveats, &data.caveats);
        caveats.retain(|caveat| !corpus_caveats::is_idle(caveat, &tasks));
        if model.heads.decoding == Decode::Words && said.tagging {
            let caveat = corpus_caveats::of_words(split, &examples);
            caveat.into_iter().for_each(|caveat| context.caveat(&mut caveats, caveat));
        }
        if files::read(&model.tokenizer())? != files::read(&data.tokenizer())? {
            let message = "the texts were tokenized by another `tokenizer.json` than those that the model was trained on";
            context.caveat(&mut caveats, Caveat::new("other_tokenizer", tokens.len(), message));
        }
        if let Some(message) = other_windows(model.heads.windowing(), data.windowing) {
            context.caveat(&mut caveats, Caveat::new("other_windows", tokens.len(), message));
        }
        let mut engine = super::engine::open(model.model()?, self.dtype.into(), false, context)?;
        let batches = BatchLimit::of(&tokens, self.batch_size);
        let is_cancelled = || context.is_cancelled();
        let mut predicted =
            training::predict(engine.engine(), &tokens, batches, &tasks, &is_cancelled)
                .map_err(super::engine::failed)?
                .ok_or(StageError::Cancelled)?;
        if !predicted.loss.is_finite() {
            let message = "the model gives no finite loss on these texts: its weights are spoilt, and the scores say nothing";
            context.caveat(&mut caveats, Caveat::new("loss_not_finite", tokens.len(), message));
        }
        let origin = Origin::of("model", split, &examples);
        let texts = Texts {
            tokens: &tokens,
            examples: &examples,
            order: data.order.as_deref(),
            origin: &origin,
        };
        let operating = Operating::apply(&model, &texts, &mut predicted, &mut caveats, context);
        let beside = Beside::read(&baselines, &origin)?;
        if let Some(remark) = beside.remark() {
            context.warn(remark);
        }
        let answered = Answered {
            tokens: &tokens,
            examples: &examples,
            predicted: &predicted,
            operating: &operating,
            labels: &data.labels,
            tasks: &data.tasks,
            said: &said,
            caveats,
            beside: &beside,
            grouped_by: data.grouped_by.get(&split).map(String::as_str),
            groups: &groups,
            origin,
            texts: self.texts,
        };
        answered.write(context)
    }
}

/// The data must have the labels and classes that the model learnt, by the same numbers.
fn refuse_other_labels(
    model: &Checkpoint,
    data: &Encoded,
    said: &CorpusTasks,
) -> Result<(), StageError> {
    if model.labels.as_ref().is_some_and(|labels| *labels != data.labels) {
        return Err(StageError::new("the model was trained on other labels than the data has").with_help(
            "wire `data` to the `tokenize` stage that the model was trained on, or to one over texts with the same entity types",
        ));
    }
    let others = said.heads.iter().filter_map(|head| Some((head, data.tasks.head(&head.name)?)));
    if let Some((head, _)) = others.into_iter().find(|(head, other)| head != other) {
        let message =
            format!("the model was trained on other classes of `{}` than the data has", head.name);
        return Err(StageError::new(message).with_help(
            "wire `data` to the `tokenize` stage that the model was trained on, or to one over a corpus with the same classes in the same order",
        ));
    }
    Ok(())
}

/// What to say where windows of the texts are others than those that the model learnt from. Texts that are cut on both sides are no windows.
fn other_windows(of_model: Windowing, of_data: Windowing) -> Option<String> {
    let described = |it: Windowing| {
        let Windowing { max_length, overlap } = it;
        match it.cuts() {
            true => format!("cut after {max_length} tokens"),
            false => format!("read in windows of {max_length} tokens that share {overlap}"),
        }
    };
    let are_windows = !(of_model.cuts() && of_data.cuts());
    (are_windows && of_model != of_data).then(|| {
        format!(
            "these texts are {}, and those that the model was trained on were {}, which is how `predict` reads any",
            described(of_data),
            described(of_model)
        )
    })
}

impl Evaluate {
    /// The texts that are scored by themselves, too.
    fn groups(&self, data: &Encoded, examples: &[Example]) -> Result<Vec<Group>, StageError> {
        let has_templates = examples.iter().any(|it| it.fields.contains_key(groups::TEMPLATE));
        let fields = self.group_by.iter().cloned();
        let fields = fields.chain(has_templates.then(|| groups::TEMPLATE.to_owned()));
        let mut trained: BTreeMap<String, BTreeSet<String>> =
            fields.map(|field| (field, BTreeSet::new())).collect();
        if self.split != SplitName::Train && !trained.is_empty() {
            data.each_example(text::Split::Train, &mut |example| {
                groups::add_trained(&mut trained, &example);
            })?;
        }
        let mut all = Vec::new();
        for field in &self.group_by {
            all.extend(groups::of_field(examples, field));
        }
        for (field, values) in &trained {
            all.extend(groups::seen(examples, field, values));
        }
        Ok(all)
    }
}
