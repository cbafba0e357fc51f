//! Looks for labels that are likely wrong, and for unlabelled texts that a person had best look at: what trained models say of them.
//!
//! 1. [`Judge`]s are the models of a run, each with the corpus that it was trained on: [`Review::of_labels`];
//! 2. a text is judged by those that did not train on it, where there are any, such as the fold in which it validates; what they say is averaged;
//! 3. a [`Finding`] is a text on which they confidently say something else than its labels, the most confident first; what they say less confidently is
//!    counted;
//! 4. without labels it is a text on which they are least sure: [`Review::of_texts`].

mod lines;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use super::predict::unlabelled;
use crate::stages::artifacts::{
    Artifact as _, Checkpoint, CorpusFiles, Encoded, Heads, StageError,
};
use crate::tasks::{self, Decode, Predicted, Task, tagging};
use crate::text::augment::AUGMENTED_FROM;
use crate::text::readers::{
    self, Encoding, Fields, Format, Options, Problems, Purpose, ReadError, Rules,
};
use crate::text::spans::{self, Span};
use crate::text::{
    CorpusTasks, EncodedSplit, Entity, Example, FileNames, LabelSet, Place, Split, TextTokenizer,
};
use crate::training::{self, BatchLimit, CpuEngine};

/// Texts in one pass through a model.
const BATCH: usize = 32;

/// A trained model.
pub struct Judge {
    /// Its folder.
    pub model: PathBuf,
    /// What it was trained on, where that is known.
    pub data: Option<TrainedOn>,
}

/// The folders of the texts that a model was trained on, as tokens and as they were before.
pub struct TrainedOn {
    pub encoded: PathBuf,
    pub corpus: PathBuf,
}

/// Texts of a file without labels, all in memory.
pub struct Unlabelled {
    examples: Vec<Example>,
    /// Its name.
    file: String,
}

/// What to do about lines that hold no texts.
const MEND: &str = "mend these lines, or leave them out";

/// How a file of texts is written.
pub struct Written {
    /// The field that the text is; `None` as known tools call it.
    pub field: Option<String>,
    /// What of a line of a log is its text, as what the models were trained on was read.
    pub rules: Option<Rules>,
    pub encoding: Encoding,
    /// Whether texts hold marks as `[Ada](PER)`.
    pub markup: bool,
}

impl Unlabelled {
    /// Reads a file in any format.
    ///
    /// # Errors
    /// When it cannot be read, or has no texts.
    pub fn read(file: &Path, written: Written) -> Result<Self, StageError> {
        let Written { field, rules, encoding, markup } = written;
        let fields = Fields { text: field, ..Fields::default() };
        let format = rules.is_some().then_some(Format::Lines);
        let purpose = Purpose::Unlabelled;
        let options = Options { fields, rules, encoding, markup, purpose, ..Options::default() };
        let (mut examples, mut problems) = (Vec::new(), Problems::default());
        let read = readers::read(file, format, &options, &mut |found| {
            match found {
                // What the file may say of labels is not asked here.
                Ok(Example { text, fields, line, .. }) => {
                    examples.push(Example { text, fields, line, ..Example::default() });
                }
                Err(problem) => problems.push(file, problem),
            }
            ControlFlow::Continue(())
        });
        let (guess, _) = read.map_err(|error| StageError::of(&error))?;
        if options.fields.text.is_some() && guess.format == Format::Lines {
            let message = format!("`{}` holds raw lines, which have no fields", file.display());
            return Err(StageError::new(message).with_help("leave out `--field`"));
        }
        if problems.count() > 0 {
            let help = problems.help().unwrap_or(MEND).to_owned();
            return Err(StageError::of(&ReadError::Malformed(problems)).with_help(help));
        }
        examples.retain(|example| !example.text.trim().is_empty());
        if examples.is_empty() {
            return Err(StageError::new(format!("`{}` has no texts", file.display())));
        }
        let file = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { examples, file })
    }
}

/// What was found, the most worth looking at first.
pub struct Review {
    pub findings: Vec<Finding>,
    /// What the texts are labelled for.
    pub tasks: CorpusTasks,
    /// Types of entities that the models know.
    pub labels: Vec<String>,
    /// Texts that were judged.
    pub texts: usize,
    /// Those among them that no model has judged that had not trained on them.
    pub trained_on: usize,
    pub models: usize,
    /// Texts on which the models say something else, and are less sure of it than was asked.
    pub doubted: usize,
}

/// A text to look at.
pub struct Finding {
    pub example: Example,
    pub origin: Origin,
    /// What speaks for looking at it, the strongest first.
    pub suspects: Vec<Suspect>,
}

/// Where a text is from.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Origin {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    pub line: usize,
}

/// A head whose answer is another one than the text's label, or one of which it is not sure.
#[derive(Debug, Clone, Serialize)]
pub struct Suspect {
    pub head: String,
    /// The label; nothing where the text has none.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub given: Value,
    /// What the models say: the name of a class, or entities.
    pub proposed: Value,
    /// How sure they are of that: a mean of probabilities.
    pub confidence: f64,
}

/// A text among all corpora of a run.
type Key = (u128, Place);

/// What a head says of a text, and how sure it is.
type Vote = (Value, f64);

/// The votes of several models on a text, by head.
type Votes = BTreeMap<String, Vec<Vote>>;

fn key(example: &Example) -> Key {
    let mut bytes = [0; 16];
    blake3::Hasher::new().update(example.text.as_bytes()).finalize_xof().fill(&mut bytes);
    (u128::from_le_bytes(bytes), Place::of(example))
}

/// A model that answers.
struct Model {
    engine: CpuEngine,
    tasks: Vec<Task>,
    labels: Option<LabelSet>,
    tokenizer: PathBuf,
    heads: Heads,
}

impl Model {
    fn open(folder: &Path) -> Result<Self, StageError> {
        let checkpoint = Checkpoint::open(folder)?;
        let other = |error: &dyn std::fmt::Display| StageError::new(error.to_string());
        let engine = CpuEngine::try_new(checkpoint.model()?).map_err(|error| other(&error))?;
        Ok(Self {
            engine,
            tokenizer: checkpoint.tokenizer(),
            tasks: checkpoint.heads.tasks(),
            heads: checkpoint.heads,
            labels: checkpoint.labels,
        })
    }

    fn predict(&mut self, tokens: &EncodedSplit) -> Result<Predicted, StageError> {
        let batches = BatchLimit::of(tokens, BATCH);
        let predicted =
            training::predict(&mut self.engine, tokens, batches, &self.tasks, &|| false);
        let predicted = predicted.map_err(|error| StageError::new(error.to_string()))?;
        Ok(predicted.expect("nothing asks it to stop"))
    }

    /// What each head says of each text.
    ///
    /// * `examples`: the texts of the tokens; their labels say what a difference is, where they have any
    fn votes(
        &mut self,
        mut tokens: EncodedSplit,
        examples: &[Example],
    ) -> Result<Vec<Vec<(String, Vote)>>, StageError> {
        if self.heads.decoding == Decode::Words {
            tokens.find_words(examples.iter().map(|example| example.text.as_str()));
        }
        let tokens = &tokens;
        let predicted = self.predict(tokens)?;
        let heads = tasks::to_corpus(&self.tasks).heads;
        let found = self
            .labels
            .as_ref()
            .zip(predicted.of(tagging::NAME))
            .map(|(labels, answers)| (labels, answers, tokens.spans(&answers.classes, labels)));
        let vote = |(row, example): (usize, &Example)| {
            let mut votes = Vec::new();
            for head in &heads {
                let Some(answers) = predicted.of(&head.name) else { continue };
                let (class, score) = (answers.classes[row], answers.scores[row]);
                // Of two classes the score is that of the second.
                let is_first = head.classes.len() == 2 && class == 0;
                let confidence = if is_first { 1.0 - score } else { score };
                let name = head.classes.get(class as usize).cloned();
                votes.push((head.name.clone(), (Value::from(name), confidence)));
            }
            if let Some((labels, answers, found)) = &found {
                let row = Row { tokens, row, scores: &answers.scores, labels };
                let vote = row.vote(&found[row.row], example.entities.as_deref());
                votes.push((tagging::NAME.to_owned(), vote));
            }
            votes
        };
        Ok(examples.iter().enumerate().map(vote).collect())
    }
}

/// The tokens of one text, and how sure the tagging head is of each.
struct Row<'a> {
    tokens: &'a EncodedSplit,
    row: usize,
    scores: &'a [f64],
    labels: &'a LabelSet,
}

impl Row<'_> {
    /// The probabilities of the labels of the tokens that show characters from `start` to `end`.
    fn scores(&self, start: usize, end: usize) -> impl Iterator<Item = f64> {
        let shows = move |token: &usize| {
            let (first, last) = (self.tokens.starts[*token], self.tokens.ends[*token]);
            last > 0 && (first as usize) < end && (last as usize) > start
        };
        self.tokens.range(self.row).filter(shows).map(|token| self.scores[token])
    }

    /// The entities that the text should have, and how sure that is: of one that differs from the given ones most, else of all tokens.
    ///
    /// * `given`: `None` where nobody says it
    fn vote(&self, found: &[Span], given: Option<&[Entity]>) -> Vote {
        let mut proposed: Vec<Entity> = found.iter().map(|span| span.entity(self.labels)).collect();
        let mean = |scores: &mut dyn Iterator<Item = f64>| {
            let (sum, count) = scores.fold((0.0, 0.0), |(sum, n), it| (sum + it, n + 1.0));
            if count > 0.0 { sum / count } else { 0.0 }
        };
        let Some(given) = given else {
            let least = self.scores(0, usize::MAX).fold(1.0, f64::min);
            return (json!(proposed), least);
        };
        // What no tokens can say stays as it is given: what is cut off, and what begins or ends inside of one.
        let sayable: Vec<Entity> =
            self.sayable().into_iter().map(|span| span.entity(self.labels)).collect();
        for fixed in given.iter().filter(|entity| !sayable.contains(entity)) {
            proposed.retain(|it| it.end <= fixed.start || it.start >= fixed.end);
            proposed.push(fixed.clone());
        }
        proposed.sort_by_key(|entity| (entity.start, entity.end));
        let differ = proposed.iter().filter(|it| !given.contains(it));
        let missed = given.iter().filter(|it| !proposed.contains(it));
        let sure = |entity: &Entity| mean(&mut self.scores(entity.start, entity.end));
        let most = differ.chain(missed).map(sure).max_by(f64::total_cmp);
        let confidence = most.unwrap_or_else(|| mean(&mut self.scores(0, usize::MAX)));
        (json!(proposed), confidence)
    }

    /// The true entities that labels of tokens give.
    fn sayable(&self) -> Vec<Span> {
        let range = self.tokens.range(self.row);
        let [labels, starts, ends] = [&self.tokens.labels, &self.tokens.starts, &self.tokens.ends]
            .map(|it| &it[range.clone()]);
        spans::read(labels, starts, ends, self.labels)
    }
}

/// What several models say together: the answer of most probability, and its share.
fn together(votes: &[Vote]) -> Option<Vote> {
    let mut sums: Vec<Vote> = Vec::new();
    for (answer, confidence) in votes {
        match sums.iter_mut().find(|(known, _)| known == answer) {
            Some((_, sum)) => *sum += confidence,
            None => sums.push((answer.clone(), *confidence)),
        }
    }
    let best = sums.into_iter().max_by(|one, other| one.1.total_cmp(&other.1));
    best.map(|(answer, sum)| (answer, sum / votes.len() as f64))
}

/// What the text says for a head; null where it says nothing.
fn given(example: &Example, head: &str) -> Value {
    match head {
        tagging::NAME => json!(example.entities),
        head => json!(example.classes.get(head)),
    }
}

impl Review {
    /// Looks for labels that are likely wrong.
    ///
    /// * `confidence`: how sure the models have to be of something else
    ///
    /// # Errors
    /// When a folder cannot be read, or is not what was written.
    pub fn of_labels(judges: &[Judge], confidence: f64) -> Result<Self, StageError> {
        let corpora = judges
            .iter()
            .map(|judge| {
                let data = judge.data.as_ref().expect("a judge of labels knows its texts");
                let files = CorpusFiles::open(&data.corpus)?;
                Ok((files.read()?, files.file_names()))
            })
            .collect::<Result<Vec<_>, StageError>>()?;
        let held_out: HashSet<Key> = corpora
            .iter()
            .flat_map(|(corpus, _)| corpus.validation.iter().chain(&corpus.test))
            .map(key)
            .collect();
        let mut all: HashMap<Key, (Example, Origin, Votes)> = HashMap::new();
        let (mut trained_on, mut labels) = (HashSet::new(), Vec::new());
        for (judge, (corpus, names)) in judges.iter().zip(&corpora) {
            let data = judge.data.as_ref().expect("a judge of labels knows its texts");
            let encoded = Encoded::open(&data.encoded)?;
            let mut model = Model::open(&judge.model)?;
            labels.extend(encoded.labels.types().iter().cloned());
            for split in Split::ALL {
                let examples = corpus.get(split);
                // Copies are judged with their originals.
                let counts = |example: &Example| {
                    !example.fields.contains_key(AUGMENTED_FROM)
                        && (split != Split::Train || !held_out.contains(&key(example)))
                };
                if !examples.iter().any(counts) {
                    continue;
                }
                let tokens = encoded.tokens(split)?;
                if tokens.len() != examples.len() {
                    return Err(StageError::new("the corpus has other texts than the tokens"));
                }
                let votes = model.votes(tokens, examples)?;
                for (example, votes) in examples.iter().zip(votes).filter(|it| counts(it.0)) {
                    let key = key(example);
                    if split == Split::Train {
                        trained_on.insert(key);
                    }
                    let origin = || origin(example, Some(split), names);
                    let entry =
                        all.entry(key).or_insert_with(|| (example.clone(), origin(), Votes::new()));
                    for (head, vote) in votes {
                        entry.2.entry(head).or_default().push(vote);
                    }
                }
            }
        }
        let texts = all.len();
        let mut doubted = 0;
        let mut suspects = |example: &Example, votes: &Votes| {
            let suspect = |(head, votes): (&String, &Vec<Vote>)| {
                let given = given(example, head);
                let (proposed, confidence) = together(votes)?;
                let differs = !given.is_null() && given != proposed;
                differs.then(|| Suspect { head: head.clone(), given, proposed, confidence })
            };
            let mut suspects: Vec<Suspect> = votes.iter().filter_map(suspect).collect();
            let any = !suspects.is_empty();
            suspects.retain(|suspect| suspect.confidence >= confidence);
            doubted += usize::from(any && suspects.is_empty());
            suspects
        };
        let findings = all.into_values().map(|(example, origin, votes)| Finding {
            suspects: suspects(&example, &votes),
            example,
            origin,
        });
        let findings = sorted(findings.collect(), |confidence| confidence);
        let mut tasks = CorpusTasks { tagging: false, heads: Vec::new() };
        corpora.iter().for_each(|(corpus, _)| tasks = tasks.and(&corpus.tasks));
        labels.sort();
        labels.dedup();
        let (trained_on, models) = (trained_on.len(), judges.len());
        Ok(Self { findings, tasks, labels, texts, trained_on, models, doubted })
    }

    /// Looks for the texts on which models are least sure.
    ///
    /// # Errors
    /// When a model cannot be read, or cannot read a text.
    pub fn of_texts(judges: &[Judge], texts: Unlabelled) -> Result<Self, StageError> {
        let Unlabelled { examples, file } = texts;
        let mut all = vec![Votes::new(); examples.len()];
        let mut tasks = CorpusTasks { tagging: false, heads: Vec::new() };
        let mut labels = Vec::new();
        for judge in judges {
            let mut model = Model::open(&judge.model)?;
            tasks = tasks.and(&tasks::to_corpus(&model.tasks));
            labels.extend(model.labels.iter().flat_map(|it| it.types().iter().cloned()));
            let failed = |error: &dyn std::fmt::Display| StageError::new(error.to_string());
            let tokenizer =
                TextTokenizer::load(&model.tokenizer).map_err(|error| failed(&error))?;
            let windowing = model.heads.windowing();
            let tokens = examples
                .iter()
                .map(|example| {
                    tokenizer.encode(&example.text, windowing).map_err(|error| {
                        StageError::new(format!("line {} of {file}: {error}", example.line))
                    })
                })
                .collect::<Result<Vec<_>, StageError>>()?;
            let tokens = unlabelled(&tokenizer, windowing, tokens.iter());
            for (votes, more) in all.iter_mut().zip(model.votes(tokens, &examples)?) {
                for (head, vote) in more {
                    votes.entry(head).or_default().push(vote);
                }
            }
        }
        let texts = examples.len();
        let finding = |(example, votes): (Example, Votes)| {
            let suspect = |(head, votes): (&String, &Vec<Vote>)| {
                let (proposed, confidence) = together(votes)?;
                let (head, given) = (head.clone(), Value::Null);
                Some(Suspect { head, given, proposed, confidence })
            };
            let suspects = votes.iter().filter_map(suspect).collect();
            let (file, line) = (Some(file.clone()), example.line);
            Finding { example, origin: Origin { split: None, file, line }, suspects }
        };
        let findings = examples.into_iter().zip(all).map(finding).collect();
        let findings = sorted(findings, |confidence| 1.0 - confidence);
        labels.sort();
        labels.dedup();
        let models = judges.len();
        Ok(Self { findings, tasks, labels, texts, trained_on: 0, models, doubted: 0 })
    }
}

fn origin(example: &Example, split: Option<Split>, names: &FileNames) -> Origin {
    Origin { split, file: names.get(example.file).map(str::to_owned), line: example.line }
}

/// Those that anything speaks for, what speaks most for it first; equal ones in the order of their lines.
///
/// * `weight`: how much a confidence speaks for it
fn sorted(findings: Vec<Finding>, weight: fn(f64) -> f64) -> Vec<Finding> {
    let by = |one: &Suspect, other: &Suspect| {
        weight(other.confidence).total_cmp(&weight(one.confidence))
    };
    let mut findings: Vec<Finding> =
        findings.into_iter().filter(|finding| !finding.suspects.is_empty()).collect();
    findings.iter_mut().for_each(|finding| finding.suspects.sort_by(by));
    let place = |it: &Finding| (it.origin.split, it.example.file, it.example.line);
    findings.sort_by(|one, other| {
        by(&one.suspects[0], &other.suspects[0])
            .then_with(|| place(one).cmp(&place(other)))
            .then_with(|| one.example.text.cmp(&other.example.text))
    });
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::IGNORE;

    #[test]
    fn several_models_say_what_has_most_probability_among_them() {
        let vote = |answer: &str, confidence| (json!(answer), confidence);
        let votes = [vote("a", 0.9), vote("b", 0.6), vote("b", 0.5)];
        let (answer, confidence) = together(&votes).expect("they say something");
        assert_eq!(answer, json!("b"));
        assert!((confidence - 1.1 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn what_no_tokens_can_say_is_no_difference() {
        let labels = LabelSet::of(["PER"]);
        let [begin, outside] = ["B-PER", "O"].map(|name| labels.index(name).expect("a label"));
        // The text `Ada Bo-b x`, of which the model reads no more than `Ada Bo-b`.
        let tokens = EncodedSplit {
            ids: vec![0; 4],
            bounds: vec![0, 4],
            labels: vec![IGNORE, begin, outside, IGNORE],
            starts: vec![0, 0, 4, 0],
            ends: vec![0, 3, 8, 0],
            ..EncodedSplit::default()
        };
        let row = Row { tokens: &tokens, row: 0, scores: &[1.0, 0.9, 0.7, 1.0], labels: &labels };
        let entity = |start, end| Entity { start, end, label: "PER".to_owned() };
        let given = [entity(0, 3), entity(4, 6), entity(9, 10)];
        let ada = Span { start: 0, end: 3, kind: 0 };
        let (proposed, _) = row.vote(&[ada], Some(&given));
        assert_eq!(proposed, json!(given));
        let whole = Span { start: 4, end: 8, kind: 0 };
        let (proposed, _) = row.vote(&[ada, whole], Some(&given));
        assert_eq!(proposed, json!(given));
        let (proposed, confidence) = row.vote(&[], Some(&given));
        assert_eq!(proposed, json!([given[1], given[2]]));
        assert!((confidence - 0.9).abs() < 1e-12);
    }
}
