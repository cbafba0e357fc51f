//! `baseline`: what a corpus gives away without a model.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::beside::Beside;
use super::evaluate::{NO_TEXTS, SplitName, no_texts};
use super::operating::Operating;
use super::scoring::{Answered, shown_with};
use super::{corpus_caveats, facts, versions};
use crate::engine::stage::{
    CodeVersion, Context, Facts, InputFacts, ParameterProblem, Stage, StageError, Survey,
    SurveyInputs, UndefinedMetrics, Unread, Usage, Which,
};
use crate::stages::artifacts::{CorpusFiles, Evaluation, Origin};
use crate::tasks::Contents;
use crate::tasks::baselines::{Baseline as Fitted, Method, Said, as_tokens};
use crate::text::{self, Corpus, Example, LabelSet, check_head_name};

/// Scores a predictor that is fitted on the training split in seconds, to hold a model against: what it reaches, a model has to beat. Wire it to `baselines` of `evaluate`, whose report then shows both. Its tokens are words, cut where an entity begins or ends.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// How it answers: `"majority"` says the most frequent class of every text, and no entities; `"lookup"` says the labels of an equal text of the training split, where there is one, else the majority; `"masked"` the same of texts that are equal once their numbers are masked; `"linear"` is logistic regression on n-grams of words and characters for classes (of 20,000 texts at most), and a gazetteer of the entities of the training split.
    pub method: Method,
    /// What results call it, where two of them have the same method. Default: its method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub name: Option<String>,
    /// Split to score on.
    #[serde(default)]
    pub split: SplitName,
    /// Write the texts into `predictions.csv`.
    #[serde(default = "super::evaluate::texts")]
    pub texts: bool,
}

crate::inputs! {
    pub struct BaselineInputs {
        /// The texts to learn from and to score on.
        corpus: CorpusFiles,
    }
}

impl Stage for Baseline {
    const KIND: &'static str = "baseline";
    const USAGE: Usage = Usage {
        when: "Whenever a score is to mean something: a model that is no better than equal texts or n-grams has not earned its cost.",
        snippet: r#"[stage.baseline]
method = "linear"
corpus = "@corpus"
split  = "test"                    # that of `evaluate`"#,
    };
    const CODE: &'static [CodeVersion] =
        &[versions::BASELINE, versions::METRICS, versions::EVALUATION, versions::CAVEATS];
    const ASIDE: bool = true;
    type Inputs = BaselineInputs;
    type Output = Evaluation;

    fn check(&self) -> Vec<ParameterProblem> {
        let Some(Err(reason)) = self.name.as_deref().map(check_head_name) else {
            return Vec::new();
        };
        let help = "such as `name = \"lookup_raw\"`: it becomes part of the names of scores";
        vec![ParameterProblem::new(["name"], reason).help(help)]
    }

    fn check_inputs(&self, inputs: InputFacts<'_>) -> Vec<ParameterProblem> {
        let split = text::Split::from(self.split);
        if !facts::is_empty(inputs, "corpus", split) {
            return Vec::new();
        }
        let message = format!("the `{split}` split is empty");
        vec![ParameterProblem::new(["split"], message).help(NO_TEXTS)]
    }

    fn facts(&self, _inputs: InputFacts<'_>) -> Facts {
        facts::of_scored(self.split.into())
    }

    fn undefined_metrics(&self, inputs: InputFacts<'_>) -> Vec<UndefinedMetrics> {
        let mut undefined = facts::undefined_by_classes(inputs, "corpus");
        undefined.extend(facts::undefined_without_heads(inputs, "corpus", "the corpus"));
        undefined.push(UndefinedMetrics {
            which: Which::Below("loss".to_owned()),
            because: "a baseline has none: it says no probability of tags".to_owned(),
            by_data: false,
        });
        undefined
    }

    fn survey(
        &self,
        inputs: SurveyInputs<'_>,
        _entry: Option<&Path>,
    ) -> Result<Survey, StageError> {
        let Some(corpus) = inputs.get::<Corpus>("corpus") else { return Ok(Survey::default()) };
        let split = text::Split::from(self.split);
        let texts = corpus.get(split);
        if texts.is_empty() {
            return Err(no_texts(split));
        }
        let contents = Contents::of(texts, &corpus.tasks);
        let undefined = facts::undefined_in(&contents, &format!("the `{split}` split"));
        Ok(Survey { undefined, ..Survey::default() })
    }

    fn unread(&self, _input: &str) -> Unread {
        CorpusFiles::unread_but(self.read().into())
    }

    fn run(&self, inputs: BaselineInputs, context: &Context<'_>) -> Result<Evaluation, StageError> {
        let files = &inputs.corpus;
        let split = text::Split::from(self.split);
        let corpus = files.read_splits(&[split])?;
        let examples = corpus.get(split);
        if examples.is_empty() {
            return Err(no_texts(split));
        }
        let mut labels = BTreeSet::new();
        add_labels(&mut labels, examples);
        let labels = RefCell::new(labels);
        let fitted = Fitted::fit(self.method, &corpus.tasks, |each| {
            files.for_some_of(&[text::Split::Train], |_, examples| {
                context.check_cancelled()?;
                add_labels(&mut labels.borrow_mut(), &examples);
                each(&examples);
                Ok(())
            })
        })?;
        let predict = |example: &Example| {
            if context.is_cancelled() {
                return Err(StageError::Cancelled);
            }
            Ok(fitted.predict(&example.text))
        };
        let said = examples.par_iter().with_min_len(64).map(predict);
        let said = said.collect::<Result<Vec<Said>, StageError>>()?;
        drop(fitted);
        let labels = LabelSet::of(labels.into_inner().iter().map(String::as_str));
        let mut caveats = shown_with(split, &files.caveats, &files.caveats);
        if self.method == Method::Linear && corpus.tasks.tagging {
            let caveat = corpus_caveats::of_names(split, examples);
            caveat.into_iter().for_each(|caveat| context.caveat(&mut caveats, caveat));
        }
        let (tokens, predicted) = as_tokens(examples, said, &corpus.tasks, &labels);
        let answered = Answered {
            tokens: &tokens,
            examples,
            predicted: &predicted,
            operating: &Operating::default(),
            labels: &labels,
            tasks: &corpus.tasks,
            said: &corpus.tasks,
            caveats,
            beside: &Beside::default(),
            grouped_by: files.grouped_by.get(&split).map(String::as_str),
            groups: &[],
            origin: Origin::of(self.name(), split, examples),
            texts: self.texts,
        };
        answered.write(context)
    }
}

/// Adds the labels of the entities of some texts.
fn add_labels(labels: &mut BTreeSet<String>, examples: &[Example]) {
    for entity in examples.iter().flat_map(Example::entities) {
        if !labels.contains(&entity.label) {
            labels.insert(entity.label.clone());
        }
    }
}

impl Baseline {
    /// The splits that it reads.
    fn read(&self) -> [text::Split; 2] {
        [text::Split::Train, self.split.into()]
    }

    /// What results call it.
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(self.method.name())
    }
}
