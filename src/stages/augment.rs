//! `augment`: more texts to train on, made of those that there are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{facts, versions};
use crate::base::problem::Problem;
use crate::engine::stage::{
    CodeVersion, Context, Facts, InputFacts, ParameterProblem, Remark, SourceFile, Stage,
    StageError, Survey, SurveyInputs, Usage,
};
use crate::stages::artifacts::CorpusFiles;
use crate::stages::artifacts::known::{self, Texts};
use crate::text::augment::{
    self, AUGMENTATION, AUGMENTED_FROM, Augmentation, ClassCounts, Methods, Oversampling, Seen,
    Tally, WordNet,
};
use crate::text::{Corpus, CorpusTasks, Example, Split};

/// More texts to train on, made of those that there are (data augmentation): copies with synonyms, swapped entities, typing errors or another case, whose entities stay exact, and repeated texts of rare classes. Validation and test stay as they are, and no copy is written that is equal to one of their texts or to one that is there already. A copy stands behind its original and says in its fields `augmented_from` (the original's `id`, else its line) and `augmentation` where it comes from. Every method that is given is applied to every copy: `swap_entities`, `synonyms`, `noise`, `case`, in this order, each to its share of what it can change, to one thing at least. One `augment` may follow another, and then changes the copies too. At most 10,000 different values of each type of entity are kept to swap in.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// Copies of each text to train on.
    #[serde(default = "copies")]
    #[schemars(range(min = 0, max = 100))]
    pub copies: usize,
    /// Share of the words outside of entities that are replaced by synonyms, as far as they have any: English words in their basic form, with the other words of their most frequent meaning in WordNet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub synonyms: Option<f64>,
    /// Folder with WordNet's files, such as `data.noun`. Default: `/usr/share/wordnet`, where Debian's package `wordnet-base` has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "path"))]
    pub wordnet: Option<PathBuf>,
    /// Share of the entities that are replaced by others of their type that stand in the training split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub swap_entities: Option<f64>,
    /// Share of the letters and digits that are mistyped, in four ways alike; or the share of each, such as `{ swap = 0.01, drop = 0.01, repeat = 0.01, keyboard = 0.02 }`: changed places with the next, left out, typed twice, replaced by a neighbour on a keyboard (QWERTY).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
    /// Share of the words that get another case; or shares of the copies that are written in one as a whole, such as `{ lower = 0.2, upper = 0.1, title = 0.1 }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<Case>,
    /// Which of `noise` and `case` change entities too, such as `["case"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inside_entities: Vec<Inside>,
    /// Makes more texts of rare classes of a head: `{ anomaly = "balanced" }` until each class has as many as the most frequent one, `{ severity = { high = 0.3 } }` until it has that share of the texts with a class. They are copies like the others where a method is given, else repeats.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub oversample: BTreeMap<String, Target>,
    /// Seed of all that is left to chance. It is drawn for each text and method by itself: a text more changes no other copy, unless one takes an entity from it.
    #[serde(default = "super::seed::default_seed")]
    pub seed: u64,
}

/// How much is mistyped.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Noise {
    /// In all ways together.
    Share(#[schemars(range(min = 0.0, max = 1.0))] f64),
    /// In each way.
    Kinds(NoiseKinds),
}

/// Shares of the letters and digits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoiseKinds {
    /// That change places with the next.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub swap: f64,
    /// That are left out.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub drop: f64,
    /// That are typed twice.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub repeat: f64,
    /// That are replaced by a neighbour on a keyboard.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub keyboard: f64,
}

/// How much gets another case.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Case {
    /// Of the words.
    Words(#[schemars(range(min = 0.0, max = 1.0))] f64),
    /// Of the copies.
    Texts(CaseShares),
}

/// Shares of the copies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseShares {
    /// In small letters.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub lower: f64,
    /// In capitals.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub upper: f64,
    /// With a capital at the start of each word.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub title: f64,
}

/// What may reach into entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Inside {
    /// Typing errors.
    Noise,
    /// Another case.
    Case,
}

/// How many texts classes are to have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Target {
    /// As many as the most frequent one.
    All(Balanced),
    /// A share, by class.
    Shares(BTreeMap<String, f64>),
}

/// Classes of equal size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Balanced {
    /// All of them.
    Balanced,
}

fn copies() -> usize {
    1
}

crate::inputs! {
    pub struct AugmentInputs {
        /// The texts.
        corpus: CorpusFiles,
    }
}

/// Decimal fractions such as 0.7 + 0.2 + 0.1 are not exact in binary.
const ROUNDING: f64 = 1e-9;

impl Stage for Augment {
    const KIND: &'static str = "augment";
    const USAGE: Usage = Usage {
        when: "When labelled texts are few or a class is rare; hold it against a training without it, since it does not always help.",
        snippet: r#"[stage.augment]
corpus        = "@corpus"          # `tokenize` takes "@augment" then
swap_entities = 0.5
oversample    = { anomaly = "balanced" }"#,
    };
    const CODE: &'static [CodeVersion] = &[versions::AUGMENT];
    type Inputs = AugmentInputs;
    type Output = CorpusFiles;

    fn check(&self) -> Vec<ParameterProblem> {
        let mut problems = self.check_methods();
        problems.extend(self.check_shares());
        problems.extend(self.check_oversampling());
        problems
    }

    fn sources(&self) -> Vec<SourceFile> {
        // What `check` has said is not said again by each file.
        if !self.needs_wordnet() || self.lacks_wordnet() {
            return Vec::new();
        }
        let source = |name: &str| SourceFile {
            parameter: "wordnet",
            name: format!("wordnet/{name}"),
            path: self.wordnet_folder().join(name),
            inspection: None,
        };
        WordNet::FILES.map(source).to_vec()
    }

    fn facts(&self, inputs: InputFacts<'_>) -> Facts {
        let mut facts = facts::of_corpus(inputs, "corpus");
        if let Some(mut fields) = facts::fields(inputs, "corpus") {
            fields.extend([AUGMENTED_FROM, AUGMENTATION]);
            facts.extend(facts::of_fields(&fields));
        }
        if let Some(texts) = known::texts(inputs, "corpus") {
            let lines = 1 + if self.methods().any() { self.copies } else { 0 };
            facts.extend(known::of_texts(Texts { train: lines * texts.train, ..texts }));
        }
        facts
    }

    fn check_inputs(&self, inputs: InputFacts<'_>) -> Vec<ParameterProblem> {
        let Some(tasks) = known::tasks(inputs, "corpus") else { return Vec::new() };
        let mut problems = Vec::new();
        if let Some(Err(error)) =
            self.augmentation().oversampling.map(|it| it.head_in(&tasks).map(drop))
        {
            problems.push(Problem::helped(&error).at(vec!["oversample"]));
        }
        if self.swap_entities.is_some_and(|share| share > 0.0) && !tasks.tagging {
            let message = "the texts of `corpus` have no entities to swap";
            problems.push(ParameterProblem::new(["swap_entities"], message));
        }
        problems
    }

    fn survey(
        &self,
        inputs: SurveyInputs<'_>,
        _entry: Option<&Path>,
    ) -> Result<Survey, StageError> {
        let Some(corpus) = inputs.get::<Corpus>("corpus") else { return Ok(Survey::default()) };
        let (tasks, order) = (corpus.tasks.clone(), corpus.order.clone());
        let mut augmented = Corpus { tasks, order, ..Corpus::default() };
        let read = |each: &mut dyn FnMut(Split, Example)| {
            for split in Split::ALL {
                corpus.get(split).iter().for_each(|example| each(split, example.clone()));
            }
            Ok(())
        };
        let remarks = self.each(&corpus.tasks, &read, &mut |split, example| {
            augmented.get_mut(split).push(example);
            Ok(())
        })?;
        Ok(Survey { remarks, finding: Some(Arc::new(augmented)), ..Survey::default() })
    }

    fn run(&self, inputs: AugmentInputs, context: &Context<'_>) -> Result<CorpusFiles, StageError> {
        let AugmentInputs { corpus } = inputs;
        let mut writer = CorpusFiles::writer(context.output, corpus.tasks.clone())?
            .grouped_by(corpus.grouped_by.clone())
            .ordered_by(corpus.order.clone())
            .from_files(corpus.file_names());
        let read = |each: &mut dyn FnMut(Split, Example)| corpus.for_each(each);
        let remarks = self.each(&corpus.tasks, &read, &mut |split, example| {
            context.check_cancelled()?;
            writer.push(split, &example)
        })?;
        let mut caveats = corpus.caveats;
        context.remarks(&mut caveats, remarks);
        writer.finish(&caveats)
    }
}

/// Hands out all texts of a corpus, as often as it is asked.
type Read<'a> = &'a dyn Fn(&mut dyn FnMut(Split, Example)) -> Result<(), StageError>;

impl Augment {
    /// Reads a corpus twice, and hands out what becomes of it.
    fn each(
        &self,
        tasks: &CorpusTasks,
        read: Read<'_>,
        push: &mut dyn FnMut(Split, Example) -> Result<(), StageError>,
    ) -> Result<Vec<Remark>, StageError> {
        if let Some(name) =
            [AUGMENTED_FROM, AUGMENTATION].into_iter().find(|it| tasks.head(it).is_some())
        {
            let message =
                format!("the corpus has a head `{name}`, which is a field of copies here");
            return Err(StageError::new(message).with_help("give the head another name"));
        }
        let mut seen =
            Seen::new(self.augmentation(), tasks).map_err(|error| StageError::of(&error))?;
        read(&mut |split, example| seen.push(split, &example))?;
        let wordnet = self.needs_wordnet().then(|| {
            WordNet::read(&self.wordnet_folder())
                .map_err(|error| StageError::of(&error).in_file_of("wordnet"))
        });
        let mut augmenter =
            seen.augmenter(wordnet.transpose()?).map_err(|error| StageError::of(&error))?;
        let mut result = Ok(());
        read(&mut |split, example| {
            // The reader goes on to the end, whatever becomes of what it hands out.
            if result.is_ok() {
                result = match split {
                    Split::Train => augmenter.push(example, &mut |example| push(split, example)),
                    Split::Validation | Split::Test => push(split, example),
                };
            }
        })?;
        result?;
        let tally = augmenter.finish(&mut |example| push(Split::Train, example))?;
        Ok(self.remarks(&tally))
    }

    fn methods(&self) -> Methods {
        Methods {
            swap_entities: self.swap_entities.unwrap_or_default(),
            synonyms: self.synonyms.unwrap_or_default(),
            noise: match self.noise {
                None => augment::Noise::default(),
                Some(Noise::Share(share)) => augment::Noise::of(share),
                Some(Noise::Kinds(NoiseKinds { swap, drop, repeat, keyboard })) => {
                    augment::Noise { swap, drop, repeat, keyboard }
                }
            },
            case: match self.case {
                None => augment::Case::default(),
                Some(Case::Words(share)) => augment::Case::Words(share),
                Some(Case::Texts(CaseShares { lower, upper, title })) => {
                    augment::Case::Texts { lower, upper, title }
                }
            },
            noise_in_entities: self.inside_entities.contains(&Inside::Noise),
            case_in_entities: self.inside_entities.contains(&Inside::Case),
        }
    }

    fn augmentation(&self) -> Augmentation {
        let oversampling = self.oversample.iter().next().map(|(head, target)| Oversampling {
            head: head.clone(),
            target: match target {
                Target::All(Balanced::Balanced) => augment::Target::Balanced,
                Target::Shares(shares) => augment::Target::Shares(shares.clone()),
            },
        });
        Augmentation { methods: self.methods(), copies: self.copies, oversampling, seed: self.seed }
    }

    fn needs_wordnet(&self) -> bool {
        self.synonyms.is_some_and(|share| share > 0.0)
    }

    fn wordnet_folder(&self) -> PathBuf {
        self.wordnet.clone().unwrap_or_else(|| WordNet::FOLDER.into())
    }

    /// Whether it is needed and not where it is looked for without a word of the file.
    fn lacks_wordnet(&self) -> bool {
        self.needs_wordnet() && self.wordnet.is_none() && !Path::new(WordNet::FOLDER).is_dir()
    }

    fn check_methods(&self) -> Vec<ParameterProblem> {
        let mut problems = Vec::new();
        let is_given = self.synonyms.is_some()
            || self.swap_entities.is_some()
            || self.noise.is_some()
            || self.case.is_some();
        if !is_given && self.oversample.is_empty() {
            let message = "nothing says how texts are to be augmented";
            let help = "such as `swap_entities = 0.5`, `noise = 0.02`, or `oversample = { anomaly = \"balanced\" }`";
            problems.push(ParameterProblem::new([], message).help(help));
        }
        if is_given && self.copies == 0 && self.oversample.is_empty() {
            let message = "`copies` = 0 leaves no copies to change";
            problems.push(ParameterProblem::new(["copies"], message).help("at least 1"));
        }
        if !is_given && self.copies > 1 && !self.oversample.is_empty() {
            let message = "`copies` says how many changed copies of each text there are, and nothing says what changes them";
            let help = "name a method, such as `noise = 0.02`, or leave `copies` out: `oversample` says itself how many texts there are to be";
            problems.push(ParameterProblem::new(["copies"], message).help(help));
        }
        if self.wordnet.is_some() && self.synonyms.is_none() {
            let message = "`wordnet` is where synonyms come from, and none are asked for";
            let help = "`synonyms = 0.1` replaces a tenth of the words";
            problems.push(ParameterProblem::new(["wordnet"], message).help(help));
        }
        if self.lacks_wordnet() {
            let message =
                format!("`synonyms` come from WordNet, which is not in `{}`", WordNet::FOLDER);
            let help = "install the package `wordnet-base` (Debian, Ubuntu), or say where its files are: `wordnet = \"folder\"`";
            problems.push(ParameterProblem::new(["synonyms"], message).help(help));
        }
        problems
    }

    fn check_shares(&self) -> Vec<ParameterProblem> {
        let methods = self.methods();
        let case = match methods.case {
            augment::Case::Words(share) => share,
            augment::Case::Texts { lower, upper, title } => lower + upper + title,
        };
        let sums = [("noise", methods.noise.share()), ("case", case)];
        sums.into_iter()
            .filter(|(_, sum)| *sum > 1.0 + ROUNDING)
            .map(|(parameter, _)| {
                let message = format!("the shares of `{parameter}` sum to more than 1");
                ParameterProblem::new([parameter], message)
            })
            .collect()
    }

    fn check_oversampling(&self) -> Vec<ParameterProblem> {
        let problem =
            |message: String, help: &str| ParameterProblem::new(["oversample"], message).help(help);
        let mut problems = Vec::new();
        if self.oversample.len() > 1 {
            let message = "`oversample` names several heads, of which each would change the classes of the others";
            let help = "name one, and let another `augment` with the next follow";
            problems.push(problem(message.to_owned(), help));
        }
        for (head, target) in &self.oversample {
            let Target::Shares(shares) = target else { continue };
            let is_share = |share: &f64| *share > 0.0 && *share < 1.0;
            if shares.is_empty()
                || !shares.values().all(is_share)
                || shares.values().sum::<f64>() > 1.0 + ROUNDING
            {
                let message = format!(
                    "the shares of the classes of `{head}` in `oversample` are out of range"
                );
                let help = "each is above 0 and below 1, and they sum to 1 at most, such as `{ anomaly = 0.3 }`";
                problems.push(problem(message, help));
            }
        }
        problems
    }

    /// What came of it.
    fn remarks(&self, tally: &Tally) -> Vec<Remark> {
        let Tally { originals, copies, oversampled, unchanged, equal, held_out, classes } = tally;
        let mut remarks = Vec::new();
        let mut more = vec![format!("{copies} copies")];
        if !self.oversample.is_empty() {
            more.push(format!("{oversampled} texts of rare classes"));
        }
        let all = originals + copies + oversampled;
        remarks.push(Remark::Note(format!(
            "train has {all} texts: the {originals} that were there, {}",
            more.join(", ")
        )));
        if let Some(ClassCounts { head, classes }) = classes {
            let total = |at: usize| classes.iter().map(|(_, counts)| counts[at]).sum::<usize>();
            let totals = [total(0), total(1)].map(|total| total.max(1) as f64 / 100.0);
            let shown = |(class, [before, now]): &(String, [usize; 2])| {
                let [before, now] = [*before as f64 / totals[0], *now as f64 / totals[1]];
                format!("{class} {before:.1} % -> {now:.1} %")
            };
            let shown: Vec<String> = classes.iter().map(shown).collect();
            remarks.push(Remark::Note(format!("classes of `{head}`: {}", shown.join(", "))));
        }
        let left_out = [
            (*unchanged, "unchanged"),
            (*equal, "equal to a text of train"),
            (*held_out, "equal to a text of validation or test"),
        ];
        let left_out: Vec<String> = left_out
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, why)| format!("{count} {why}"))
            .collect();
        if !left_out.is_empty() {
            remarks.push(Remark::Note(format!("copies left out: {}", left_out.join(", "))));
        }
        if self.methods().any() && all == *originals && *originals > 0 {
            remarks.push(Remark::Warning(
                "no copy was made: nothing in the texts to train on could be changed to a new one"
                    .to_owned(),
            ));
        }
        remarks
    }
}
