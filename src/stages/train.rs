//! `train`: fine-tunes the joint model.

mod choosing;
mod learnable;
mod memory;
mod speed;

use std::path::{Path, PathBuf};

use serde::Serialize;

use self::choosing::Validation;
use self::learnable::{refuse_unlearnable, refuse_unlearnable_texts, to_learn, without_entities};
use self::speed::Job;
use super::corpus_caveats::LabelFindings;
use super::operating::days_of;
use super::telling::{self, Watch};
use super::{corpus_caveats, engine, facts, versions, watched};
use crate::base::disk::durable;
use crate::base::rng::Rng;
use crate::engine::stage::{
    Artifact as _, Caveat, Circumstances, CodeVersion, Context, Cost, Extension, Facts, InputFacts,
    Obstacle, ParameterProblem, Remark, Resources, Signal, Stage, StageError, Survey, SurveyInputs,
    Threads, Unread, Usage,
};
use crate::nn::JointModel;
use crate::stages::artifacts::known;
use crate::stages::artifacts::{
    Backbone, Checkpoint, Chosen, Encoded, Heads, caveats_about, files, loss_column,
};
use crate::tasks::metrics::Metric;
use crate::tasks::{self, Contents, Decode, Task};
use crate::text::{Corpus, CorpusTasks, EncodedSplit, Split, words};
use crate::training::{
    self, ModelEngine, Notice, SaveError, SavedStates, Storage, TrainError, Trained,
};

pub use crate::training::{Dtype, Recipe};
use memory::memory;
pub(super) use speed::useful_threads;
pub use speed::{Speed, SpeedSource, Speeds};

crate::inputs! {
    pub struct TrainInputs {
        /// The encoder to start from.
        model: Backbone,
        /// What to train on; its validation split is watched.
        data: Encoded,
    }
}

/// The ports, for who measures what a training takes.
pub const MODEL: &str = "model";
pub const DATA: &str = "data";

/// What a training reads of its texts: the test split is none of its business.
const READ: [Split; 2] = [Split::Train, Split::Validation];

/// The recipe's fields are the parameters.
impl Stage for Recipe {
    const KIND: &'static str = "train";
    const USAGE: Usage = Usage {
        when: "Always, to fine-tune an encoder on labelled texts: for entities, for classes of whole texts, or for both in one model.",
        snippet: r#"[stage.train]
model         = "@fetch_model"
data          = "@tokenize"
epochs        = 3
learning_rate = 5e-5
keep_best     = "loss""#,
    };
    const CODE: &'static [CodeVersion] =
        &[versions::INITIAL_WEIGHTS, versions::MODEL, versions::TRAINING, versions::METRICS];
    const REPLICATED: bool = true;
    type Inputs = TrainInputs;
    type Output = Checkpoint;

    fn resources(&self) -> Resources {
        Resources { threads: Threads::All, ..Resources::default() }
    }

    fn check(&self) -> Vec<ParameterProblem> {
        let mut problems = Self::check(self);
        problems.extend(watched::untrained(self));
        problems
    }

    fn check_inputs(&self, inputs: InputFacts<'_>) -> Vec<ParameterProblem> {
        let mut problems = Vec::new();
        if facts::is_empty(inputs, "data", Split::Train) {
            let help = "give the corpus stage a fraction or a file for it";
            problems.push(ParameterProblem::new(["data"], "the `train` split is empty").help(help));
        }
        if facts::is_empty(inputs, "data", Split::Validation) {
            let comparing = self.comparing().into_iter().map(|(parameter, _)| parameter);
            let parameters = comparing.chain(self.choosing());
            problems.extend(parameters.map(watched::without_validation));
        }
        if let Some(tasks) = known::tasks(inputs, "data") {
            problems.extend(watched::unlabelled(self, &tasks));
        } else if let Some(tasks) = known::possible(inputs, "data") {
            problems.extend(watched::impossible(self, &tasks));
        }
        // Asked for only what is wanted: a plan has thousands of trainings.
        let weights = self.token_class_weights.as_ref();
        if let Some(types) = weights.and_then(|_| known::types(inputs, "data")) {
            let types: Vec<&str> = types.iter().map(String::as_str).collect();
            problems.extend(self.misnamed_tokens(&types));
        }
        problems.extend(choosing::unchoosable(self, inputs));
        if let Some(sizes) = known::sizes(inputs, "model") {
            problems.extend(self.misnamed_parts(Some(sizes.layers)));
        }
        let adapted = self.lora.as_ref().and_then(|_| known::encoder(inputs, "model"));
        problems.extend(adapted.iter().flat_map(|encoder| self.misnamed_targets(encoder)));
        problems
    }

    fn survey(
        &self,
        inputs: SurveyInputs<'_>,
        _entry: Option<&Path>,
    ) -> Result<Survey, StageError> {
        if let Some(corpus) = inputs.get::<Corpus>("data") {
            let types = corpus.entity_labels();
            let tasks = to_learn(self, &corpus.tasks, !types.is_empty());
            watched::refuse_unlabelled(self, &tasks)?;
            let contents = Contents::of(&corpus.validation, &tasks);
            watched::refuse_undefined(&self.comparing(), || Ok(contents.clone()))?;
            let order = corpus.order.as_deref();
            let all = Split::ALL.into_iter().flat_map(|split| corpus.get(split));
            let is_mixed = days_of(all, order).is_none();
            choosing::refuse_unchoosable(self, &contents, &corpus.validation, order, is_mixed)?;
            let types: Vec<&str> = types.into_iter().collect();
            watched::refuse(&self.misnamed_tokens(&types))?;
            let train = Contents::of(&corpus.train, &tasks);
            refuse_unlearnable_texts(self, &train, !types.is_empty())?;
            let unlearnt = without_entities(self, &corpus.tasks, &tasks, corpus.train.len());
            let mut remarks: Vec<Remark> = unlearnt.into_iter().map(Remark::Caveat).collect();
            if !self.trained(&tasks).heads.is_empty() {
                let classes = LabelFindings::of(&corpus).classes().into_iter();
                remarks.extend(classes.map(Remark::Caveat));
            }
            if self.reads_words(&tasks) {
                let inside = corpus.train.iter().map(corpus_caveats::inside_words).sum();
                let all = corpus.train.iter().map(|example| example.entities().len()).sum();
                remarks.extend(words_miss(inside, all).map(Remark::Warning));
            }
            return Ok(Survey { remarks, ..Survey::default() });
        }
        Ok(Survey::default())
    }

    fn facts(&self, inputs: InputFacts<'_>) -> Facts {
        facts::of_trained(self, inputs, "data")
    }

    fn useful_threads(&self, inputs: InputFacts<'_>) -> Option<usize> {
        let length = known::texts(inputs, DATA)?.tokens_per_text?;
        let tokens = self.batch_size as f64 * length;
        Some(speed::useful_threads(&known::sizes(inputs, MODEL)?, tokens, 3.0))
    }

    fn cost(&self, inputs: InputFacts<'_>, here: Circumstances<'_>) -> Option<Cost> {
        let (sizes, texts) = (known::sizes(inputs, "model"), known::texts(inputs, "data"));
        // Nobody knows the end of a training whose texts are not counted, but only foreseen.
        let counted = texts.filter(|texts| texts.tokens_per_text.is_some());
        let last_step = counted.map_or(u64::MAX, |texts| self.last_step(texts.train));
        let made = |folder: &PathBuf| SavedStates::read_only(folder).newest_readable(last_step);
        let steps_made = here.saved.iter().find_map(made).unwrap_or(0);
        let length = known::max_length(inputs, "data");
        let speeds = here.speeds.downcast_ref::<Speeds>();
        let time = speeds.zip(sizes).and_then(|(speeds, sizes)| {
            speeds.time(Job { sizes, recipe: self, texts, steps_made }, here.threads)
        });
        let memory = sizes.zip(length).map(|(sizes, length)| memory(&sizes, self, length));
        Some(Cost { memory, time, steps_made })
    }

    fn extension(&self) -> Option<Extension> {
        let obstacle = self.horizon_parameter().map(|(parameter, value)| {
            let reason = format!("`{parameter} = {value}` depends on how many steps there will be");
            Obstacle { parameter: "epochs", reason }
        });
        let parameters: &[_] =
            if obstacle.is_some() { &["stop_after"] } else { &["epochs", "stop_after"] };
        Some(Extension { parameters, obstacle, is_whole: !self.can_go_further() })
    }

    fn recall(&self, entry: &Path, _previous: &dyn Fn() -> Option<PathBuf>) -> Vec<String> {
        let kept = |metric: &Metric| {
            let history = Checkpoint::open(entry).ok()?.history().ok()?;
            Notice::of_best(&history.rows, metric).map(|notice| notice.to_string())
        };
        self.keep_best.as_ref().and_then(kept).into_iter().collect()
    }

    fn replay(&self, entry: &Path) -> Vec<Signal> {
        let history = Checkpoint::open(entry).and_then(|checkpoint| checkpoint.history());
        history.map_or_else(|_| Vec::new(), |history| telling::replay(&history, self.watched()))
    }

    fn unread(&self, input: &str) -> Unread {
        if input == DATA { Encoded::unread_but(READ.into()) } else { Unread::default() }
    }

    fn run(&self, inputs: TrainInputs, context: &Context<'_>) -> Result<Checkpoint, StageError> {
        let TrainInputs { model, data } = inputs;
        let labels = &data.labels;
        let to_learn = to_learn(self, &data.tasks, !labels.types().is_empty());
        let train = data.tokens(Split::Train)?;
        let validation = self.validation(&data, &to_learn)?;
        self.warn_of_words(&data, &to_learn, context)?;
        check_vocabulary(&[&train, &validation], model.encoder.vocab_size)?;
        watched::refuse_unlabelled(self, &to_learn)?;
        watched::refuse_undefined(&self.comparing(), || {
            Ok(Contents::of(&data.examples(Split::Validation)?, &to_learn))
        })?;
        let examples = choosing::examples(self, &data)?;
        let splits = training::Data {
            train: &train,
            validation: (!validation.is_empty()).then_some(&validation),
            labels,
            tasks: &to_learn,
        };
        let mut tasks = self.tasks(splits);
        refuse_unlearnable(self, &train, labels, &to_learn)?;
        if tasks.iter().any(Task::is_of_texts) {
            corpus_caveats::about_classes(&data.caveats)
                .for_each(|caveat| context.warn(caveat.message.clone()));
        }
        let sizes = known::Sizes::of(&model.encoder);
        let joint = self.joint_model(&model, &tasks)?;
        // What the result needs is read now: at the end of a long training, somebody may have removed it.
        let tokenizer = files::read(&data.tokenizer())?;
        let mut caveats = self.caveats(&data, &to_learn, context);
        if files::read(&model.tokenizer)? != tokenizer {
            let message = "the texts were tokenized by another `tokenizer.json` than the model's: its token ids may mean something else";
            let caveat = Caveat::new("other_tokenizer", train.len(), message);
            context.caveat(&mut caveats, caveat.of(Split::Train));
        }
        let mut engine =
            engine::open(joint, self.dtype.into(), self.activation_checkpointing, context)?;
        let storage = self.storage(context);
        let names = tasks::names(&to_learn);
        let watch = Watch { context, losses: names.iter().map(|task| loss_column(task)).collect() };
        let trained = training::train(engine.engine(), splits, self, storage, &watch).map_err(|error| {
            if let TrainError::Cancelled { step, saved: false } = error {
                context.warn(format!("step {step} could not be saved: the same command goes on from the last saved state, or begins anew"));
            }
            failed(error, &data)
        })?;
        if matches!(engine, ModelEngine::Cpu(_))
            && self.trains_everything()
            && let Some(speed) = Speed::of_training(&sizes, self, &trained.timings)
        {
            speed.remember(context.cache);
        }
        watched::tell_never_defined(&trained, context, &mut caveats);
        if trained.skipped > 0 {
            let message = format!(
                "{} of {} steps were skipped because a loss or gradient was not finite",
                trained.skipped, trained.steps
            );
            context.caveat(&mut caveats, Caveat::new("steps_skipped", trained.skipped, message));
        }
        engine = self.merged(engine, &trained, context)?;
        let order = data.order.as_deref();
        let validation = Validation { tokens: &validation, examples: &examples, order };
        let written =
            choosing::choose(self, engine.engine(), &validation, &mut tasks, &mut caveats, context)
                .and_then(|chosen| {
                    let heads = Heads::trained(&tasks, labels, data.windowing, self.head);
                    let result = Beside { heads: &heads, caveats: &caveats, chosen };
                    write_result(&trained, &mut engine, &tokenizer, &result, context)
                });
        if written.is_err()
            && self.lora.is_none()
            && let Err(error) = trained.save(engine.engine(), storage)
        {
            context.warn(unsaved(&error));
        }
        written?;
        Checkpoint::open(context.output)
    }
}

fn unsaved(error: &SaveError) -> String {
    format!("the state of the end could not be saved: {error}")
}

impl Recipe {
    fn storage<'a>(&self, context: &Context<'a>) -> Storage<'a> {
        Storage {
            saved: Some(context.saved_state),
            warm_start: context.warm_start,
            cadence: self.cadence().unwrap_or_default(),
        }
    }

    /// Writes adapters, where there are any, and merges them into the model that all else is made from.
    fn merged(
        &self,
        mut engine: ModelEngine,
        trained: &Trained,
        context: &Context<'_>,
    ) -> Result<ModelEngine, StageError> {
        let Some(lora) = &self.lora else { return Ok(engine) };
        // Afterwards there is nothing left to go on from, should the result not reach the disk.
        if let Err(error) = trained.save(engine.engine(), self.storage(context)) {
            context.warn(unsaved(&error));
        }
        context.restore_output()?;
        Checkpoint::write_adapters(context.output, engine.model().map_err(engine::failed)?, lora)?;
        engine.merged().map_err(engine::failed)
    }

    /// The encoder with new heads, as this recipe trains it.
    fn joint_model(&self, model: &Backbone, tasks: &[Task]) -> Result<JointModel, StageError> {
        let encoder = self.encoder(model.encoder.clone());
        let layers = encoder.layers.len();
        watched::refuse(&self.misnamed_parts(Some(layers)))?;
        watched::refuse(&self.misnamed_targets(&encoder))?;
        let (heads, rng) = (tasks::heads(tasks), Rng::new(self.seed));
        let joint = JointModel::load(&model.weights, encoder, &heads, &rng)
            .map_err(|error| StageError::of(&error))?;
        self.tuned(joint, &rng).map_err(|error| engine::failed(error.into()))
    }

    /// What a reader of scores should know of what is learnt from.
    fn caveats(
        &self,
        data: &Encoded,
        to_learn: &CorpusTasks,
        context: &Context<'_>,
    ) -> Vec<Caveat> {
        let mut caveats = caveats_about(&READ, &data.caveats);
        let texts = data.statistics.get(&Split::Train).map_or(0, |split| split.sequences);
        let unlearnt = without_entities(self, &data.tasks, to_learn, texts);
        unlearnt.into_iter().for_each(|caveat| context.caveat(&mut caveats, caveat));
        caveats
    }

    /// The validation split, as entities are read in it.
    fn validation(
        &self,
        data: &Encoded,
        to_learn: &CorpusTasks,
    ) -> Result<EncodedSplit, StageError> {
        let mut validation = data.tokens(Split::Validation)?;
        if self.reads_words(to_learn) {
            let examples = data.examples(Split::Validation)?;
            validation.find_words(examples.iter().map(|example| example.text.as_str()));
        }
        Ok(validation)
    }

    /// Whether entities begin and end at words; nobody asks for these where there are no entities to find.
    fn reads_words(&self, tasks: &CorpusTasks) -> bool {
        self.decode == Decode::Words && self.trained(tasks).tagging
    }

    /// Warns where many entities are no whole words.
    fn warn_of_words(
        &self,
        data: &Encoded,
        to_learn: &CorpusTasks,
        context: &Context<'_>,
    ) -> Result<(), StageError> {
        if !self.reads_words(to_learn) {
            return Ok(());
        }
        let (mut inside, mut all) = (0, 0);
        data.each_example(Split::Train, &mut |example| {
            inside += corpus_caveats::inside_words(&example);
            all += example.entities().len();
        })?;
        words_miss(inside, all).into_iter().for_each(|warning| context.warn(warning));
        Ok(())
    }
}

/// What to say where many entities of the training split are no whole words.
fn words_miss(inside: usize, all: usize) -> Option<String> {
    words::are_many(inside, all).then(|| {
        format!(
            "{inside} of {all} train entities begin or end inside a word, and a model that reads words finds no such: `decode = \"tokens\"` may find more"
        )
    })
}

/// The model must have an entry for each token.
fn check_vocabulary(splits: &[&EncodedSplit], entries: usize) -> Result<(), StageError> {
    let mut ids = splits.iter().flat_map(|split| &split.ids);
    let Some(id) = ids.find(|id| **id as usize >= entries) else { return Ok(()) };
    let message =
        format!("the data has token {id}, but the model's vocabulary has {entries} entries");
    Err(StageError::new(message).with_help("wire `tokenize` and `train` to the same model"))
}

/// What is written beside weights and histories.
struct Beside<'a> {
    heads: &'a Heads,
    caveats: &'a [Caveat],
    chosen: Option<Chosen>,
}

/// Writes the model and its history, and flushes them, so that a disk that refuses does it while the training can still be saved.
fn write_result(
    trained: &Trained,
    engine: &mut ModelEngine,
    tokenizer: &[u8],
    beside: &Beside<'_>,
    context: &Context<'_>,
) -> Result<(), StageError> {
    let Beside { heads, caveats, chosen } = beside;
    context.restore_output()?;
    write_history(trained, context.output)?;
    Checkpoint::write_caveats(context.output, caveats)?;
    Checkpoint::write_chosen(context.output, chosen.as_ref())?;
    let model = engine.model().map_err(|error| StageError::new(error.to_string()))?;
    Checkpoint::write_model(context.output, model, tokenizer, heads)?;
    durable::sync_below(context.output)
        .map_err(|error| StageError::io("flush", context.output, &error))
}

fn write_history(trained: &Trained, folder: &Path) -> Result<(), StageError> {
    Checkpoint::write_history(folder, &trained.history)?;
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
    let message = match &error {
        TrainError::Cancelled { .. } => return StageError::Cancelled,
        TrainError::Save(_) => return StageError::of(&error).hindered(),
        TrainError::NotFinite { texts, last_good, .. } => {
            let examples = data.examples(Split::Train).unwrap_or_default();
            let lines: Vec<_> = texts
                .iter()
                .filter_map(|text| examples.get(*text))
                .map(|example| example.line.to_string())
                .collect();
            let lines = training::some_of(&lines);
            let saved = last_good.map_or_else(
                || "there is no earlier saved state".to_owned(),
                |step| format!("the last good saved state is that of step {step}"),
            );
            format!("{error}; its texts are those of line {lines} of the training split; {saved}")
        }
        _ => return StageError::of(&error),
    };
    StageError::of(&error).saying(message)
}
