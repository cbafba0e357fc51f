//! What steps took on this machine, remembered, and what that says of a training to come.
//!
//! A step that was measured under the same conditions serves as it is. For other sizes it is scaled by the floor, 6 x parameters x tokens of the
//! linear layers, which is most of a step unless the model is tiny or the texts are very long.

use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::disk::{durable, regular};
use crate::base::median::median;
use crate::engine::stage::{MeasuredBy, Time};
use crate::stages::artifacts::known::{Sizes, Texts};
use crate::training::{Dtype, Recipe, Timing};

/// Older ones are forgotten.
const KEPT: usize = 64;
/// Steps of a training that say little: the first ones touch their memory for the first time.
const WARM_UP: usize = 2;

/// What the cost of a step depends on, besides the machine and the lengths of the texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effort {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub batch_size: usize,
    pub gradient_accumulation: usize,
    pub activation_checkpointing: bool,
    #[serde(default, skip_serializing_if = "Dtype::is_f32")]
    pub dtype: Dtype,
}

/// Floating-point operations of a pass that keep a thread busy: of less, another thread makes it hardly faster. On two cores a second one makes a
/// step of a model below that 1.4 times as fast, and of one with several times as much 1.6 times; a sweep of such trainings takes two thirds of its
/// time with two side by side (`BENCHMARKS.md`).
const OPERATIONS_PER_THREAD: f64 = 1.6e10;

/// How many threads a pass through a model can use.
///
/// * `tokens`: of a batch
/// * `forwards`: how many forward passes it takes as long as
#[must_use]
pub fn useful_threads(sizes: &Sizes, tokens: f64, forwards: f64) -> usize {
    let operations = tokens * Effort::of(sizes, &Recipe::default()).operations(forwards);
    ((operations / OPERATIONS_PER_THREAD) as usize).max(1)
}

/// Who saw how long a step takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpeedSource {
    Bench,
    Training,
}

/// One measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    pub source: SpeedSource,
    /// See [`machine`].
    pub machine: String,
    pub threads: usize,
    #[serde(flatten)]
    pub effort: Effort,
    pub tokens_per_step: f64,
    /// Median seconds.
    pub step_s: f64,
}

/// All that is remembered, the latest last.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Speeds {
    speeds: Vec<Speed>,
    /// The one that estimates are for.
    #[serde(skip)]
    machine: String,
}

/// A training to come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Job<'a> {
    pub sizes: Sizes,
    pub recipe: &'a Recipe,
    /// `None` where nobody knows yet.
    pub texts: Option<Texts>,
    /// Steps that need not be made again.
    pub steps_made: u64,
}

impl Effort {
    fn of(sizes: &Sizes, recipe: &Recipe) -> Self {
        Self {
            hidden_size: sizes.hidden_size,
            intermediate_size: sizes.intermediate_size,
            num_hidden_layers: sizes.layers,
            batch_size: recipe.batch_size,
            gradient_accumulation: recipe.gradient_accumulation,
            activation_checkpointing: recipe.activation_checkpointing,
            dtype: recipe.dtype,
        }
    }

    fn texts(&self) -> usize {
        self.batch_size.saturating_mul(self.gradient_accumulation)
    }

    fn has_sizes_of(&self, other: &Self) -> bool {
        let sizes = |effort: &Self| {
            (effort.hidden_size, effort.intermediate_size, effort.num_hidden_layers)
        };
        sizes(self) == sizes(other)
    }

    /// Floating-point operations of the linear layers for each token: a forward, the same again where layers are computed anew, and twice that
    /// for the backward.
    fn operations(&self, forwards: f64) -> f64 {
        // As many as a gated MLP has; efforts are only held against each other.
        let of_layer = self.hidden_size * (4 * self.hidden_size + 3 * self.intermediate_size);
        2.0 * forwards * (self.num_hidden_layers * of_layer) as f64
    }

    fn operations_of_step(&self) -> f64 {
        self.operations(if self.activation_checkpointing { 4.0 } else { 3.0 })
    }
}

impl SpeedSource {
    fn measured_by(self) -> MeasuredBy {
        match self {
            Self::Bench => MeasuredBy::Bench,
            Self::Training => MeasuredBy::Work("training"),
        }
    }
}

impl Speed {
    /// Of this machine, in the current pool.
    ///
    /// * `step_s`: of a step of so many tokens
    #[must_use]
    pub fn of(
        source: SpeedSource,
        sizes: &Sizes,
        recipe: &Recipe,
        tokens_per_step: f64,
        step_s: f64,
    ) -> Self {
        Self {
            source,
            machine: machine(),
            threads: rayon::current_num_threads(),
            effort: Effort::of(sizes, recipe),
            tokens_per_step,
            step_s,
        }
    }

    /// Of a training that this pool has just made; `None` where its steps were too few to tell.
    #[must_use]
    pub fn of_training(sizes: &Sizes, recipe: &Recipe, timings: &[Timing]) -> Option<Self> {
        let timings = timings.get(WARM_UP..).filter(|timings| !timings.is_empty())?;
        let tokens = median(timings.iter().map(|timing| timing.tokens as f64));
        let seconds = median(timings.iter().map(|timing| timing.seconds));
        Some(Self::of(SpeedSource::Training, sizes, recipe, tokens, seconds))
    }

    /// Remembers it; failing to costs only an estimate.
    ///
    /// * `cache`: the folder of rebuildable files
    pub fn remember(self, cache: &Path) {
        let mut speeds = Speeds::read(cache);
        speeds.remember(self);
        let _ = speeds.write(cache);
    }
}

impl Speeds {
    /// In the folder of rebuildable files.
    const FILE: &'static str = "speeds.json";

    /// What is remembered, for estimates of this machine; nothing where the file is not there or not of this form, since losing it costs a
    /// measurement only.
    #[must_use]
    pub fn read(cache: &Path) -> Self {
        let read = || serde_json::from_slice(&regular::read(&cache.join(Self::FILE)).ok()?).ok();
        Self { machine: machine(), ..read().unwrap_or_default() }
    }

    /// Remembers `speed` instead of what was measured under the same conditions.
    fn remember(&mut self, speed: Speed) {
        let conditions = |speed: &Speed| {
            (speed.source, speed.machine.clone(), speed.threads, speed.effort.clone())
        };
        self.speeds.retain(|known| conditions(known) != conditions(&speed));
        self.speeds.push(speed);
        self.speeds.drain(..self.speeds.len().saturating_sub(KEPT));
    }

    /// Replaces the file at once, so that a reader sees the old or the new one.
    fn write(&self, cache: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(cache)?;
        let mut file = tempfile::NamedTempFile::new_in(cache)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        durable::rename_unflushed(&file.into_temp_path(), &cache.join(Self::FILE))
    }

    /// How long `job` takes on this machine, from the measurement that is nearest to it; `None` where nothing was measured here.
    #[must_use]
    pub fn time(&self, job: Job<'_>, threads: usize) -> Option<Time> {
        let Job { recipe, texts, .. } = job;
        let effort = Effort::of(&job.sizes, recipe);
        let usable = self.speeds.iter().filter(|speed| {
            speed.machine == self.machine && speed.tokens_per_step > 0.0 && speed.step_s > 0.0
        });
        // Of equally near ones `max_by_key` takes the last, which is the latest.
        let nearest = usable.max_by_key(|speed| {
            let Effort { dtype, .. } = speed.effort;
            let fits = (dtype == effort.dtype, speed.effort.has_sizes_of(&effort));
            (fits, speed.effort == effort, speed.threads == threads)
        })?;
        let operations = nearest.effort.operations_of_step();
        let seconds_per_operation = nearest.step_s / nearest.tokens_per_step / operations;
        let seconds_per_token = seconds_per_operation * effort.operations_of_step();

        let measured_length = nearest.tokens_per_step / nearest.effort.texts() as f64;
        let length = texts.and_then(|texts| texts.tokens_per_text).unwrap_or(measured_length);
        let per_step = texts.map_or(effort.texts(), |texts| texts.train.min(effort.texts()));
        let all_steps = texts.map(|texts| recipe.last_step(texts.train));
        let total_s = texts.zip(all_steps).map(|(texts, steps)| {
            let left = steps.saturating_sub(job.steps_made) as f64 / steps.max(1) as f64;
            let per_epoch = recipe.steps_per_epoch(texts.train).max(1);
            let epochs = steps as f64 / per_epoch as f64;
            let trained = left * epochs * texts.train as f64 * seconds_per_token;
            // One of them at the end, wherever that is.
            let evaluations = steps.div_ceil(recipe.evaluate_every.unwrap_or(per_epoch).max(1));
            let evaluated = (left * evaluations as f64).ceil()
                * texts.validation as f64
                * seconds_per_operation
                * effort.operations(1.0);
            length * (trained + evaluated)
        });
        Some(Time {
            step_s: seconds_per_token * length * per_step as f64,
            steps: all_steps.map(|steps| steps.saturating_sub(job.steps_made)),
            total_s,
            measured_by: nearest.source.measured_by(),
            threads: nearest.threads,
            scaled: nearest.effort != effort,
        })
    }
}

/// What tells machines of different speed apart: the name of the processor, with its family and model, since a virtual machine may hide the rest.
fn machine() -> String {
    let name = || {
        // The first processor's entry is enough; the whole list of a large machine takes milliseconds.
        let mut text = vec![0; 4096];
        let read =
            std::io::Read::read(&mut regular::open(Path::new("/proc/cpuinfo")).ok()?, &mut text)
                .ok()?;
        processor(&String::from_utf8_lossy(&text[..read]))
    };
    name().unwrap_or_else(|| format!("{} {}", std::env::consts::OS, std::env::consts::ARCH))
}

/// The first processor of a `/proc/cpuinfo`.
fn processor(text: &str) -> Option<String> {
    let field = |name: &str| {
        let value = |line: &str| {
            Some(line.split_once(':').filter(|(key, _)| key.trim() == name)?.1.trim().to_owned())
        };
        text.lines().find_map(value)
    };
    let name = field("model name")?;
    let numbers = field("cpu family")
        .zip(field("model"))
        .map(|(family, model)| format!(" (family {family}, model {model})"));
    Some(name + &numbers.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_of_one_name_are_told_apart_by_family_and_model() {
        let text = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\nstepping\t: 1\n\nprocessor\t: 1\n";
        assert_eq!(processor(text).as_deref(), Some("AMD EPYC (family 25, model 1)"));
        assert_eq!(processor("model name\t: Cortex\n").as_deref(), Some("Cortex"));
        assert_eq!(processor("processor : 0\n"), None);
    }

    fn sizes(name: &str) -> Sizes {
        Sizes::of(&crate::nn::EncoderSpec::published(name).unwrap())
    }

    fn recipe() -> Recipe {
        Recipe::default()
    }

    fn speed() -> Speed {
        Speed {
            machine: "here".into(),
            threads: 2,
            ..Speed::of(SpeedSource::Bench, &sizes("base"), &recipe(), 320.0, 0.5)
        }
    }

    fn job(recipe: &Recipe) -> Job<'_> {
        let texts = Texts { train: 160, validation: 48, tokens_per_text: Some(20.0) };
        Job { sizes: sizes("base"), recipe, texts: Some(texts), steps_made: 0 }
    }

    fn speeds(list: impl IntoIterator<Item = Speed>) -> Speeds {
        let mut speeds = Speeds { machine: "here".into(), ..Speeds::default() };
        list.into_iter().for_each(|speed| speeds.remember(speed));
        speeds
    }

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-9 * expected
    }

    #[test]
    fn a_small_model_uses_one_thread_and_a_large_one_or_a_large_batch_more() {
        let useful = |name, tokens| useful_threads(&sizes(name), tokens, 3.0);
        assert_eq!([useful("ettin-17m", 370.0), useful("minilm-l6", 370.0)], [1, 1]);
        assert!(useful("ettin-17m", 16.0 * 512.0) > 2 && useful("base", 370.0) > 8);
    }

    #[test]
    fn what_was_measured_is_taken_as_it_is_and_an_evaluation_costs_a_third_of_a_step() {
        let found = speeds([speed()]).time(job(&recipe()), 2).unwrap();
        assert!(near(found.step_s, 0.5) && found.steps == Some(30) && !found.scaled);
        assert!(near(found.total_s.unwrap(), 30.0 * 0.5 + 3.0 * 3.0 * 0.5 / 3.0), "{found:?}");
    }

    #[test]
    fn steps_that_are_made_take_no_time() {
        let left =
            |steps_made| speeds([speed()]).time(Job { steps_made, ..job(&recipe()) }, 2).unwrap();
        let found = left(20);
        assert_eq!(found.steps, Some(10));
        assert!(near(found.total_s.unwrap(), 10.0 * 0.5 + 3.0 * 0.5 / 3.0), "{found:?}");
        assert_eq!((left(99).steps, left(99).total_s), (Some(0), Some(0.0)));
    }

    #[test]
    fn a_training_that_stops_takes_the_time_of_its_steps_and_of_a_last_evaluation() {
        let recipe = Recipe { stop_after: Some(1.5), ..recipe() };
        let found = speeds([speed()]).time(job(&recipe), 2).unwrap();
        assert_eq!(found.steps, Some(15));
        assert!(near(found.total_s.unwrap(), 15.0 * 0.5 + 2.0 * 3.0 * 0.5 / 3.0), "{found:?}");
    }

    #[test]
    fn another_model_is_scaled_by_its_operations() {
        let recipe = recipe();
        let large = Job { sizes: sizes("large"), ..job(&recipe) };
        let found = speeds([speed()]).time(large, 2).unwrap();
        let operations = |name| Effort::of(&sizes(name), &recipe).operations_of_step();
        let ratio = operations("large") / operations("base");
        assert!(found.scaled && near(found.step_s, 0.5 * ratio) && ratio > 2.0);
    }

    #[test]
    fn computing_layers_again_costs_a_third_more() {
        let recipe = Recipe { activation_checkpointing: true, ..recipe() };
        let found = speeds([speed()]).time(job(&recipe), 2).unwrap();
        assert!(near(found.step_s, 0.5 * 4.0 / 3.0));
    }

    #[test]
    fn without_texts_there_is_a_step_and_no_total() {
        let found = speeds([speed()]).time(Job { texts: None, ..job(&recipe()) }, 2).unwrap();
        assert!(near(found.step_s, 0.5) && found.steps.is_none() && found.total_s.is_none());
    }

    #[test]
    fn the_nearest_measurement_of_this_machine_is_taken_and_the_latest_of_equals() {
        let effort = Effort { batch_size: 32, ..speed().effort };
        let list = [
            Speed { step_s: 1.0, threads: 1, ..speed() },
            Speed { step_s: 2.0, ..speed() },
            Speed { step_s: 3.0, source: SpeedSource::Training, ..speed() },
            Speed { step_s: 4.0, machine: "elsewhere".into(), ..speed() },
            Speed { step_s: 5.0, effort, ..speed() },
        ];
        let speeds = speeds(list);
        let step = |threads| speeds.time(job(&recipe()), threads).unwrap().step_s;
        assert!(near(step(2), 3.0) && near(step(1), 1.0));
        let nowhere = Speeds { machine: "nowhere".into(), ..speeds.clone() };
        assert!(nowhere.time(job(&recipe()), 2).is_none());
    }

    #[test]
    fn a_measurement_replaces_that_of_the_same_conditions_and_the_oldest_are_forgotten() {
        let mut found = speeds([speed(), Speed { step_s: 9.0, ..speed() }]);
        assert_eq!(found.speeds, [Speed { step_s: 9.0, ..speed() }]);
        (0..KEPT).for_each(|threads| found.remember(Speed { threads: 100 + threads, ..speed() }));
        assert_eq!((found.speeds.len(), found.speeds[0].threads), (KEPT, 100));
    }

    #[test]
    fn what_is_written_is_read_and_what_is_no_such_file_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        speed().remember(&cache);
        assert_eq!(Speeds::read(&cache).speeds, [speed()]);
        std::fs::write(cache.join(Speeds::FILE), "{").unwrap();
        assert_eq!(Speeds::read(&cache).speeds, []);
    }

    #[test]
    fn a_training_is_told_by_its_steps_but_the_first() {
        let timing = |step, seconds| Timing { step, seconds, tokens: 100 };
        let timings = [timing(1, 9.0), timing(2, 9.0), timing(3, 1.0), timing(4, 3.0)];
        let told = |timings| Speed::of_training(&sizes("base"), &recipe(), timings);
        assert_eq!(told(&timings).map(|speed| speed.step_s), Some(2.0));
        assert_eq!(told(&timings[..2]), None);
    }
}
