//! Measures what training costs on this machine: the step itself, and the matrix products that it cannot do without.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rand::Rng as _;
use serde::Serialize;

use crate::base::IGNORE;
use crate::base::disk::regular;
use crate::base::median::median;
use crate::base::problem::Problem;
use crate::base::rng::Rng;
use crate::nn::{EncoderSpec, Instructions, JointModel, Part, Pass, StepProducts, Workspace};
use crate::stages::artifacts::known::Sizes;
use crate::stages::artifacts::{Artifact as _, Encoded};
use crate::tasks::{self, Decode, Task};
use crate::text::{ANOMALY, CorpusTasks, EncodedSplit, LabelSet, Split};
use crate::training::{self, CpuEngine, Data, Dtype, Observer, Progress, Recipe, Storage, Timing};

/// Steps that are not counted: the first ones touch their memory for the first time.
const WARM_UP: usize = 2;
/// Lengths where there is no data: those of the reference recipe.
const SYNTHETIC_LENGTHS: std::ops::RangeInclusive<usize> = 12..=SYNTHETIC_LENGTH;
/// The longest of them.
const SYNTHETIC_LENGTH: usize = 34;

/// What to measure. Weights are drawn at random: the arithmetic is the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    pub encoder: EncoderSpec,
    /// An `encoded` artifact; without one, texts are made up.
    pub data: Option<PathBuf>,
    /// The length of made-up texts in tokens; without one, lengths are uniform in 12 to 34.
    pub length: Option<usize>,
    /// What of it makes a step dear or cheap: its batches, its arithmetic, and whether layers are computed again. The rest is the reference recipe's.
    pub recipe: Recipe,
    /// What computes products in bf16; the best that the machine has, unless told.
    pub instructions: Option<Instructions>,
    /// Of the whole training, where they are known: for its duration.
    pub total_steps: Option<u64>,
    /// Steps to measure.
    pub steps: usize,
}

impl Workload {
    /// What computes products in bf16; none where they are in f32.
    fn instructions(&self) -> Option<Instructions> {
        let told = self.instructions.unwrap_or_else(Instructions::best);
        (!self.recipe.dtype.is_f32()).then_some(told)
    }

    /// The names of [`of_published`](Self::of_published).
    #[must_use]
    pub fn published() -> Vec<&'static str> {
        EncoderSpec::published_names()
    }

    /// That of a published model, by its repository on the hub or its short name, with made-up texts; `None` where its sizes are not known.
    #[must_use]
    pub fn of_published(name: &str) -> Option<Self> {
        Some(Self {
            encoder: EncoderSpec::published(name)?,
            data: None,
            length: None,
            recipe: Recipe::default(),
            instructions: None,
            total_steps: None,
            steps: 1,
        })
    }

    /// How many tokens a text has at most; of real ones nobody knows beforehand.
    #[must_use]
    pub fn longest(&self) -> Option<usize> {
        self.data.is_none().then(|| self.length.unwrap_or(SYNTHETIC_LENGTH))
    }
}

/// What was measured, on the current pool.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measurement {
    pub parameters: usize,
    pub threads: usize,
    pub batch_size: usize,
    pub gradient_accumulation: usize,
    pub activation_checkpointing: bool,
    /// False with `freeze` or `lora`.
    pub trains_all_weights: bool,
    /// Arithmetic of the matrix products.
    pub dtype: Dtype,
    /// What computes them in bf16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<&'static str>,
    /// Whether the texts are made up.
    pub synthetic: bool,
    /// Of the made-up texts, where they are equally long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// Steps that were measured.
    pub steps: usize,
    /// Median seconds of one training step: batch assembly, forward, backward, clipping, AdamW and loss.
    pub step_s: f64,
    pub tokens_per_step: f64,
    pub tokens_per_s: f64,
    /// Median rate of the matrix products of the step's linear layers by themselves, in 10^9 floating-point operations a second.
    pub matmul_gflops: f64,
    /// Seconds that these products take at that rate, where all weights are trained.
    pub floor_s: f64,
    /// `step_s` over `floor_s`.
    pub floor_ratio: f64,
    /// Mean seconds of a step by pass and part; what is left to `step_s` assembles the batch and reads out the loss.
    pub profile_s: BTreeMap<&'static str, BTreeMap<&'static str, f64>>,
    /// Texts a second without gradients.
    pub inference_texts_per_s: f64,
    /// Steps of the whole training, where the workload has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_steps: Option<u64>,
    /// Seconds of them all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training_s: Option<f64>,
    /// Most memory that the process held, in GiB; absent where the system does not say.
    pub peak_rss_gib: Option<f64>,
}

/// Hears what is being done, since all of it takes a minute or two.
pub type Say<'a> = &'a (dyn Fn(&str) + Sync);

/// # Errors
/// When the model's sizes or the data cannot be used.
pub fn bench(workload: &Workload, say: Say<'_>) -> Result<Measurement, Problem<()>> {
    let prepared = Prepared::of(workload)?;
    let measured = prepared.measure(workload, say)?;
    Ok(measured.summary(workload, &prepared))
}

/// What steps are made of.
struct Prepared {
    /// With an entry of the vocabulary for each token that there is.
    encoder: EncoderSpec,
    labels: LabelSet,
    tasks: CorpusTasks,
    warm_up: EncodedSplit,
    split: EncodedSplit,
}

/// What clocks said.
struct Measured {
    parameters: usize,
    timings: Vec<Timing>,
    profile_s: BTreeMap<&'static str, BTreeMap<&'static str, f64>>,
    inference_texts_per_s: f64,
    /// Operations a second of matrix products.
    rates: Vec<f64>,
}

impl Prepared {
    fn of(workload: &Workload) -> Result<Self, Problem<()>> {
        let mut encoder = workload.encoder.clone();
        let data = workload.data.as_deref().map(real_data).transpose()?;
        let recipe = &workload.recipe;
        let per_step = recipe.batch_size.saturating_mul(recipe.gradient_accumulation);
        let sequences = per_step.saturating_mul(workload.steps + WARM_UP);
        let longest = match &data {
            Some(Texts { split, .. }) => {
                (0..split.sequences()).map(|row| split.length_of(row)).max().unwrap_or(0)
            }
            None => workload.length.unwrap_or(SYNTHETIC_LENGTH),
        };
        if u32::try_from(sequences.saturating_mul(longest)).is_err() {
            return Err(Problem::of(format!(
                "{sequences} texts of up to {longest} tokens are more tokens than can be numbered"
            ))
            .help("take fewer steps, smaller batches or shorter texts"));
        }
        let Texts { split: pool, labels, tasks } = match data {
            Some(data) => {
                let split = &data.split;
                let entries = split.ids.iter().max().map_or(0, |id| *id as usize + 1);
                let least = encoder.vocab_size.max(entries);
                encoder = encoder.with_vocab_size(least);
                data
            }
            None => {
                let types: Vec<String> =
                    (0..Sizes::LABELS / 2).map(|kind| kind.to_string()).collect();
                let labels = LabelSet::of(types.iter().map(String::as_str));
                let split = synthetic_split(sequences, encoder.vocab_size, workload.length);
                Texts { split, labels, tasks: CorpusTasks::default() }
            }
        };
        let rows: Vec<u32> = (0..sequences).map(|row| (row % pool.sequences()) as u32).collect();
        let (warm_up, rows) = rows.split_at(per_step * WARM_UP);
        let (warm_up, split) = (select(&pool, warm_up), select(&pool, rows));
        Ok(Self { encoder, labels, tasks, warm_up, split })
    }

    fn tokens_per_step(&self, steps: usize) -> f64 {
        self.split.tokens() as f64 / steps as f64
    }

    fn measure(&self, workload: &Workload, say: Say<'_>) -> Result<Measured, Problem<()>> {
        // The words of made-up tokens nobody knows, and reading them takes no time beside the model.
        let decode = Decode::Tokens;
        let recipe = Recipe { epochs: 1, decode, ..workload.recipe.clone() };
        let tokens_per_step = self.tokens_per_step(workload.steps) as usize;
        let tokens_per_batch = (tokens_per_step / recipe.gradient_accumulation).max(1);
        // Before the engine and after it, because a machine's speed drifts, and never beside it: its memory serves both.
        say("measuring matrix products");
        let mut rates = matrix_rates(&self.encoder, tokens_per_batch, workload.instructions())?;
        say("drawing weights");
        let Self { labels, tasks: of_corpus, .. } = self;
        let data = Data { train: &self.split, validation: None, labels, tasks: of_corpus };
        let tasks = recipe.tasks(data);
        let heads = tasks::heads(&tasks);
        let rng = Rng::new(0);
        let model = JointModel::new_random(recipe.encoder(self.encoder.clone()), &heads, &rng)
            .and_then(|model| recipe.tuned(model, &rng))
            .and_then(|model| match workload.instructions() {
                None => Ok(model),
                Some(instructions) => model.with_bf16_products(instructions),
            })
            .map_err(Problem::of)?;
        let layout = model.layout.parameters().iter();
        let parameters = layout.map(|parameter| parameter.range.len()).sum();
        let workspace = Workspace::new().recompute_layers(recipe.activation_checkpointing);
        let mut engine = CpuEngine::try_new(model).map_err(Problem::of)?.with_workspace(workspace);
        // The loop that `train` runs, and its own clock.
        let train = |what: &'static str, split: &EncodedSplit, engine: &mut CpuEngine| {
            let (data, steps) = (Data { train: split, ..data }, Steps { what, say });
            let trained = training::train(engine, data, &recipe, Storage::default(), &steps);
            trained.map(|trained| trained.timings).map_err(|error| Problem::helped(&error))
        };
        train("warming up", &self.warm_up, &mut engine)?;
        engine.start_profile();
        let timings = train("measuring", &self.split, &mut engine)?;
        let profile_s = profile(&engine, timings.len());
        say("measuring texts without gradients");
        let inference_texts_per_s = inference(&mut engine, &self.split, recipe.batch_size, &tasks)?;
        drop(engine);
        say("measuring matrix products again");
        rates.extend(matrix_rates(&self.encoder, tokens_per_batch, workload.instructions())?);
        Ok(Measured { parameters, timings, profile_s, inference_texts_per_s, rates })
    }
}

impl Measured {
    fn summary(self, workload: &Workload, prepared: &Prepared) -> Measurement {
        let Workload { recipe, total_steps, .. } = workload;
        let synthetic = workload.data.is_none();
        let tokens_per_step = prepared.tokens_per_step(workload.steps);
        let step_s = median(self.timings.iter().map(|timing| timing.seconds));
        let rate = median(self.rates.into_iter());
        let linear = StepProducts::parameters_of(&prepared.encoder);
        let floor_s = 6.0 * linear as f64 * tokens_per_step / rate;
        Measurement {
            parameters: self.parameters,
            threads: rayon::current_num_threads(),
            batch_size: recipe.batch_size,
            gradient_accumulation: recipe.gradient_accumulation,
            activation_checkpointing: recipe.activation_checkpointing,
            trains_all_weights: recipe.freeze.is_empty() && recipe.lora.is_none(),
            dtype: recipe.dtype,
            instructions: workload.instructions().map(Instructions::name),
            synthetic,
            length: workload.length.filter(|_| synthetic),
            steps: self.timings.len(),
            step_s,
            tokens_per_step,
            tokens_per_s: tokens_per_step / step_s,
            matmul_gflops: rate / 1e9,
            floor_s,
            floor_ratio: step_s / floor_s,
            profile_s: self.profile_s,
            inference_texts_per_s: self.inference_texts_per_s,
            total_steps: *total_steps,
            training_s: total_steps.map(|steps| steps as f64 * step_s),
            peak_rss_gib: peak_rss_gib(),
        }
    }
}

/// Passes on how many steps are made.
struct Steps<'a> {
    what: &'static str,
    say: Say<'a>,
}

impl Observer for Steps<'_> {
    fn progress(&self, progress: &Progress<'_>) {
        (self.say)(&format!("{}: step {} of {}", self.what, progress.step, progress.total_steps));
    }
}

/// What a training reads of an experiment's texts, or of those made up instead.
struct Texts {
    split: EncodedSplit,
    labels: LabelSet,
    tasks: CorpusTasks,
}

fn real_data(folder: &Path) -> Result<Texts, Problem<()>> {
    let encoded = Encoded::open(folder).map_err(Problem::of)?;
    let split = encoded.tokens(Split::Train).map_err(Problem::of)?;
    if split.is_empty() {
        return Err(Problem::of("the training split is empty"));
    }
    // As `train`: where no text has an entity, a tagging head would have one label and nothing to learn.
    let tagging = encoded.tasks.tagging && !encoded.labels.types().is_empty();
    let tasks = CorpusTasks { tagging, ..encoded.tasks };
    Ok(Texts { split, labels: encoded.labels, tasks })
}

/// Seconds of a step where there are any, by the names of passes and parts.
fn profile(
    engine: &CpuEngine,
    steps: usize,
) -> BTreeMap<&'static str, BTreeMap<&'static str, f64>> {
    let of_pass = |pass: Pass| {
        let parts = Part::ALL
            .into_iter()
            .map(|part| (part.name(), engine.profile().seconds(pass, part) / steps as f64));
        parts.filter(|(_, seconds)| *seconds > 0.0).collect()
    };
    Pass::ALL.into_iter().map(|pass| (pass.name(), of_pass(pass))).collect()
}

/// Made-up texts like those of the reference recipe: lengths uniform in 12 to 34 unless one is given, a quarter of the tokens labelled.
#[must_use]
pub fn synthetic_split(sequences: usize, vocab_size: usize, length: Option<usize>) -> EncodedSplit {
    let mut stream = Rng::new(7).stream("bench");
    let mut below = move |limit: u64| stream.next_u64() % limit;
    let lengths = length.map_or(SYNTHETIC_LENGTHS, |length| length..=length);
    let mut split = EncodedSplit::default();
    for _ in 0..sequences {
        let length = *lengths.start() as u64 + below((lengths.end() - lengths.start() + 1) as u64);
        for token in 0..length {
            split.ids.push(below(vocab_size as u64) as u32);
            let special = token == 0 || token + 1 == length;
            let outside = Sizes::LABELS as u64 - 1;
            split.labels.push(if special {
                IGNORE
            } else if below(4) == 0 {
                below(outside) as u32
            } else {
                outside as u32
            });
        }
        split.starts.resize(split.ids.len(), 0);
        split.ends.resize(split.ids.len(), 0);
        split.bounds.push(split.ids.len() as u32);
        split.classes.entry(ANOMALY.to_owned()).or_default().push(below(2) as u32);
    }
    split
}

/// Some sequences of a split, which may repeat, as texts of their own.
fn select(split: &EncodedSplit, rows: &[u32]) -> EncodedSplit {
    let ids = split.gather(&split.ids, rows);
    let tokens = ids.len();
    let class = |classes: &[u32], row: u32| classes[split.text_of(row as usize)];
    let of_rows = |classes: &Vec<u32>| rows.iter().map(|row| class(classes, *row)).collect();
    let classes =
        split.classes.iter().map(|(head, classes)| (head.clone(), of_rows(classes))).collect();
    EncodedSplit {
        ids,
        bounds: split.bounds_of(rows).iter().map(|bound| *bound as u32).collect(),
        labels: split.labels_of(rows),
        starts: vec![0; tokens],
        ends: vec![0; tokens],
        classes,
        ..EncodedSplit::default()
    }
}

fn inference(
    engine: &mut CpuEngine,
    split: &EncodedSplit,
    batch_size: usize,
    tasks: &[Task],
) -> Result<f64, Problem<()>> {
    let mut run = || {
        let begun = Instant::now();
        let predicted = training::predict(engine, split, batch_size, tasks, &|| false);
        predicted.map_err(|error| Problem::helped(&error))?;
        Ok::<_, Problem<()>>(begun.elapsed().as_secs_f64())
    };
    let first = run()?;
    // Long enough not to be told by what the first pass does once.
    let seconds = if first > 5.0 { vec![first] } else { vec![run()?, run()?, run()?] };
    Ok(split.len() as f64 / median(seconds.into_iter()))
}

/// Operations a second of the products of a step, several times over.
fn matrix_rates(
    encoder: &EncoderSpec,
    tokens: usize,
    instructions: Option<Instructions>,
) -> Result<Vec<f64>, Problem<()>> {
    let products = StepProducts::try_new(encoder, tokens, instructions);
    let mut products = products.map_err(|error| {
        Problem::of(error)
            .help("take smaller batches, shorter texts or a smaller model, or free memory")
    })?;
    products.run();
    let mut rates = Vec::new();
    let begun = Instant::now();
    while rates.len() < 3 || (begun.elapsed().as_secs_f64() < 0.5 && rates.len() < 1000) {
        let started = Instant::now();
        let operations = products.run();
        rates.push(operations / started.elapsed().as_secs_f64());
    }
    Ok(rates)
}

/// Most memory that this process held, in GiB: what Linux calls the high-water mark. `None` where the system does not say.
#[must_use]
pub fn peak_rss_gib() -> Option<f64> {
    let status = regular::read_to_string(Path::new("/proc/self/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn workload() -> Workload {
        let sizes = json!({
            "vocab_size": 300, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
            "local_attention": 8, "global_attn_every_n_layers": 3,
        });
        Workload {
            encoder: EncoderSpec::from_json(&sizes.to_string()).unwrap(),
            data: None,
            length: None,
            recipe: Recipe { batch_size: 4, gradient_accumulation: 2, ..Recipe::default() },
            instructions: None,
            total_steps: None,
            steps: 3,
        }
    }

    #[test]
    fn a_measurement_counts_the_steps_that_it_was_asked_for() {
        let found = bench(&workload(), &|_| {}).unwrap();
        assert_eq!((found.steps, found.synthetic), (3, true));
        assert!(found.tokens_per_step >= 8.0 * 12.0 && found.tokens_per_step <= 8.0 * 34.0);
        assert!(found.step_s > 0.0 && found.floor_s > 0.0 && found.matmul_gflops > 0.0);
    }

    #[test]
    fn a_measurement_in_bf16_says_what_computes_it() {
        let recipe = Recipe { dtype: Dtype::Bf16, ..workload().recipe };
        let found = bench(&Workload { recipe, ..workload() }, &|_| {}).unwrap();
        assert_eq!(found.instructions, Some(Instructions::best().name()));
        assert!(found.step_s > 0.0 && found.matmul_gflops > 0.0);
    }

    #[test]
    fn every_step_is_said() {
        let said = std::sync::Mutex::new(Vec::new());
        bench(&workload(), &|what| said.lock().unwrap().push(what.to_owned())).unwrap();
        let said = said.into_inner().unwrap();
        assert!(
            said.ends_with(
                &[
                    "measuring: step 3 of 3",
                    "measuring texts without gradients",
                    "measuring matrix products again"
                ]
                .map(str::to_owned)
            ),
            "{said:?}"
        );
    }

    #[test]
    fn made_up_texts_have_the_length_that_was_asked_for() {
        let found = bench(&Workload { length: Some(20), ..workload() }, &|_| {}).unwrap();
        assert_eq!((found.length, found.tokens_per_step), (Some(20), 8.0 * 20.0));
    }

    #[test]
    fn every_pass_of_a_step_has_the_parts_that_it_runs_through() {
        let found =
            bench(&Workload { length: Some(64), steps: 20, ..workload() }, &|_| {}).unwrap();
        let layers = [
            "activation",
            "embedding",
            "global_attention",
            "heads_and_losses",
            "linear_layers",
            "local_attention",
            "norms",
        ];
        let expected = [
            ("backward", layers.as_slice()),
            ("forward", &layers),
            ("update", &["gradient_norm", "optimiser"]),
        ];
        let parts = found
            .profile_s
            .iter()
            .map(|(pass, parts)| (*pass, parts.keys().copied().collect::<Vec<_>>()));
        assert!(
            parts.eq(expected.map(|(pass, parts)| (pass, parts.to_vec()))),
            "{:?}",
            found.profile_s
        );
    }

    #[test]
    fn more_made_up_tokens_than_can_be_numbered_are_refused() {
        let recipe = Recipe { batch_size: 1 << 10, ..workload().recipe };
        let large = Workload { length: Some(1 << 20), recipe, ..workload() };
        let error = bench(&large, &|_| {}).unwrap_err();
        assert!(
            error.to_string().contains("10240 texts of up to 1048576 tokens") && error.has_help(),
            "{error}"
        );
    }
}
