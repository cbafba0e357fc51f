//! What steps took on this machine, remembered, and what that says of a training to come.
//!
//! A step that was measured under the same conditions serves as it is. For other sizes it is scaled by the floor, 6 x parameters x tokens of the
//! linear layers, which is most of a step unless the model is tiny or the texts are very long.

use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::bench::Measurement;
use super::shape::{self, Shape};
use super::{ToolError, median};
use crate::base::disk::durable;
use crate::base::disk::regular;
use crate::nn::EncoderSpec;
use crate::stages::artifacts::{Artifact as _, Checkpoint, Encoded, files};
use crate::text::Split;
use crate::training::{Checkpoints, Recipe};

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
    /// What only `bench` measures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matmul_gflops: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_ratio: Option<f64>,
}

/// All that is remembered, the latest last.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Speeds {
    speeds: Vec<Speed>,
}

/// How many texts there are to train on and to validate with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Texts {
    pub train: usize,
    pub validation: usize,
    /// `None` before they are tokenized.
    pub tokens_per_text: Option<f64>,
}

/// A training to come.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub effort: Effort,
    pub epochs: u64,
    /// Steps between evaluations; each epoch's end when left out.
    pub evaluate_every: Option<u64>,
    /// `None` where nobody knows yet.
    pub texts: Option<Texts>,
    /// Steps that need not be made again.
    pub steps_made: u64,
}

/// The steps that a training of `last_step` steps need not make again which goes on from what lies in `folder`; `None` where nothing of use does.
/// Only the beginnings of checkpoints are read: whether the newest is whole shows when the training begins.
#[must_use]
pub fn steps_made(folder: &Path, last_step: u64) -> Option<u64> {
    Checkpoints::read_only(folder).newest_readable(last_step)
}

/// How long a training takes, from one measurement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// Of a full batch.
    pub step_s: f64,
    /// Those that are still to be made; `None` where the number of texts is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Of these steps and their evaluations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_s: Option<f64>,
    pub measured_by: SpeedSource,
    pub threads: usize,
    /// Whether another model or batch was measured.
    pub scaled: bool,
}

impl Effort {
    /// # Errors
    /// When the model's sizes are not known.
    pub fn of(
        shape: &Shape,
        batch_size: usize,
        gradient_accumulation: usize,
        activation_checkpointing: bool,
    ) -> Result<Self, ToolError> {
        Ok(Self::of_encoder(
            &shape::encoder(shape)?,
            batch_size,
            gradient_accumulation,
            activation_checkpointing,
        ))
    }

    fn of_encoder(
        encoder: &EncoderSpec,
        batch_size: usize,
        gradient_accumulation: usize,
        activation_checkpointing: bool,
    ) -> Self {
        Self {
            hidden_size: encoder.hidden_size,
            intermediate_size: encoder.intermediate_size,
            num_hidden_layers: encoder.layers.len(),
            batch_size,
            gradient_accumulation,
            activation_checkpointing,
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

impl Speed {
    /// # Errors
    /// When the model's sizes are not known.
    pub fn of_bench(found: &Measurement, shape: &Shape) -> Result<Self, ToolError> {
        Ok(Self {
            source: SpeedSource::Bench,
            machine: machine(),
            threads: found.threads,
            effort: Effort::of(
                shape,
                found.batch_size,
                found.gradient_accumulation,
                found.activation_checkpointing,
            )?,
            tokens_per_step: found.tokens_per_step,
            step_s: found.step_s,
            matmul_gflops: Some(found.matmul_gflops),
            floor_ratio: Some(found.floor_ratio),
        })
    }

    /// From the `checkpoint` artifact in `folder`, just made on this machine. `None` when it made too few steps to tell.
    ///
    /// # Errors
    /// When the artifact cannot be read.
    pub fn of_training(
        folder: &Path,
        batch_size: usize,
        gradient_accumulation: usize,
        activation_checkpointing: bool,
        threads: usize,
    ) -> Result<Option<Self>, ToolError> {
        let checkpoint = Checkpoint::open(folder).map_err(ToolError::of)?;
        let rows: Vec<TimingRow> =
            files::read_csv(&folder.join(Checkpoint::TIMING)).map_err(ToolError::of)?;
        let Some(rows) = rows.get(WARM_UP..).filter(|rows| !rows.is_empty()) else {
            return Ok(None);
        };
        Ok(Some(Self {
            source: SpeedSource::Training,
            machine: machine(),
            threads,
            effort: Effort::of_encoder(
                &checkpoint.encoder,
                batch_size,
                gradient_accumulation,
                activation_checkpointing,
            ),
            tokens_per_step: median(rows.iter().map(|row| row.tokens)),
            step_s: median(rows.iter().map(|row| row.seconds)),
            matmul_gflops: None,
            floor_ratio: None,
        }))
    }
}

#[derive(Deserialize)]
struct TimingRow {
    seconds: f64,
    tokens: f64,
}

impl Texts {
    /// From an `encoded` artifact.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_encoded(folder: &Path) -> Result<Self, ToolError> {
        let encoded = Encoded::open(folder).map_err(ToolError::of)?;
        let count =
            |split| encoded.statistics.get(&split).map_or(0, |statistics| statistics.sequences);
        let tokens_per_text =
            encoded.statistics.get(&Split::Train).map(|statistics| statistics.length_mean);
        Ok(Self {
            train: count(Split::Train),
            validation: count(Split::Validation),
            tokens_per_text,
        })
    }

    /// The steps of a whole training on them.
    #[must_use]
    pub fn total_steps(&self, epochs: u64, batch_size: usize, gradient_accumulation: usize) -> u64 {
        Recipe { epochs, batch_size, gradient_accumulation, ..Recipe::default() }
            .total_steps(self.train)
    }
}

impl Speeds {
    /// What the file holds; nothing where there is none or it is not of this form, since losing it costs a measurement only.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        regular::read(path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// Remembers `speed` instead of what was measured under the same conditions.
    pub fn remember(&mut self, speed: Speed) {
        let conditions = |speed: &Speed| {
            (speed.source, speed.machine.clone(), speed.threads, speed.effort.clone())
        };
        self.speeds.retain(|known| conditions(known) != conditions(&speed));
        self.speeds.push(speed);
        self.speeds.drain(..self.speeds.len().saturating_sub(KEPT));
    }

    /// Replaces the file at once, so that a reader sees the old or the new one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new(""));
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        durable::rename_unflushed(&file.into_temp_path(), path)
    }

    /// How long `job` takes on `machine`, from the measurement that is nearest to it; `None` where nothing was measured there.
    #[must_use]
    pub fn estimate(&self, job: &Job, machine: &str, threads: usize) -> Option<Estimate> {
        let usable = self.speeds.iter().filter(|speed| {
            speed.machine == machine && speed.tokens_per_step > 0.0 && speed.step_s > 0.0
        });
        // Of equally near ones `max_by_key` takes the last, which is the latest.
        let nearest = usable.max_by_key(|speed| {
            (
                speed.effort.has_sizes_of(&job.effort),
                speed.effort == job.effort,
                speed.threads == threads,
            )
        })?;
        let operations = nearest.effort.operations_of_step();
        let seconds_per_operation = nearest.step_s / nearest.tokens_per_step / operations;
        let seconds_per_token = seconds_per_operation * job.effort.operations_of_step();

        let measured_length = nearest.tokens_per_step / nearest.effort.texts() as f64;
        let length = job.texts.and_then(|texts| texts.tokens_per_text).unwrap_or(measured_length);
        let per_step =
            job.texts.map_or(job.effort.texts(), |texts| texts.train.min(job.effort.texts()));
        let all_steps = job.texts.map(|texts| {
            texts.total_steps(job.epochs, job.effort.batch_size, job.effort.gradient_accumulation)
        });
        let total_s = job.texts.zip(all_steps).map(|(texts, steps)| {
            let left = steps.saturating_sub(job.steps_made) as f64 / steps.max(1) as f64;
            let trained = left * job.epochs as f64 * texts.train as f64 * seconds_per_token;
            let evaluations = job.evaluate_every.map_or(job.epochs, |every| steps / every.max(1));
            let evaluated = (left * evaluations as f64).ceil()
                * texts.validation as f64
                * seconds_per_operation
                * job.effort.operations(1.0);
            length * (trained + evaluated)
        });
        let steps = all_steps.map(|steps| steps.saturating_sub(job.steps_made));
        Some(Estimate {
            step_s: seconds_per_token * length * per_step as f64,
            steps,
            total_s,
            measured_by: nearest.source,
            threads: nearest.threads,
            scaled: nearest.effort != job.effort,
        })
    }
}

/// What tells machines of different speed apart: the name of the processor, with its family and model, since a virtual machine may hide the rest.
#[must_use]
pub fn machine() -> String {
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

    fn published(name: &str) -> Shape {
        Shape::published(name).unwrap()
    }

    fn effort() -> Effort {
        Effort::of(&published("base"), 16, 1, false).unwrap()
    }

    fn speed() -> Speed {
        Speed {
            source: SpeedSource::Bench,
            machine: "here".into(),
            threads: 2,
            effort: effort(),
            tokens_per_step: 320.0,
            step_s: 0.5,
            matmul_gflops: None,
            floor_ratio: None,
        }
    }

    fn job() -> Job {
        let texts = Texts { train: 160, validation: 48, tokens_per_text: Some(20.0) };
        Job { effort: effort(), epochs: 3, evaluate_every: None, texts: Some(texts), steps_made: 0 }
    }

    fn speeds(list: impl IntoIterator<Item = Speed>) -> Speeds {
        let mut speeds = Speeds::default();
        list.into_iter().for_each(|speed| speeds.remember(speed));
        speeds
    }

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-9 * expected
    }

    #[test]
    fn what_was_measured_is_taken_as_it_is_and_an_evaluation_costs_a_third_of_a_step() {
        let found = speeds([speed()]).estimate(&job(), "here", 2).unwrap();
        assert!(near(found.step_s, 0.5) && found.steps == Some(30) && !found.scaled);
        assert!(near(found.total_s.unwrap(), 30.0 * 0.5 + 3.0 * 3.0 * 0.5 / 3.0), "{found:?}");
    }

    #[test]
    fn steps_that_are_made_take_no_time() {
        let found =
            speeds([speed()]).estimate(&Job { steps_made: 20, ..job() }, "here", 2).unwrap();
        assert_eq!(found.steps, Some(10));
        assert!(near(found.total_s.unwrap(), 10.0 * 0.5 + 3.0 * 0.5 / 3.0), "{found:?}");
        let done = speeds([speed()]).estimate(&Job { steps_made: 99, ..job() }, "here", 2).unwrap();
        assert_eq!((done.steps, done.total_s), (Some(0), Some(0.0)));
    }

    #[test]
    fn another_model_is_scaled_by_its_operations() {
        let large = Job { effort: Effort::of(&published("large"), 16, 1, false).unwrap(), ..job() };
        let found = speeds([speed()]).estimate(&large, "here", 2).unwrap();
        let ratio = large.effort.operations_of_step() / effort().operations_of_step();
        assert!(found.scaled && near(found.step_s, 0.5 * ratio) && ratio > 2.0);
    }

    #[test]
    fn computing_layers_again_costs_a_third_more() {
        let job = Job { effort: Effort { activation_checkpointing: true, ..effort() }, ..job() };
        assert!(near(speeds([speed()]).estimate(&job, "here", 2).unwrap().step_s, 0.5 * 4.0 / 3.0));
    }

    #[test]
    fn without_texts_there_is_a_step_and_no_total() {
        let found = speeds([speed()]).estimate(&Job { texts: None, ..job() }, "here", 2).unwrap();
        assert!(near(found.step_s, 0.5) && found.steps.is_none() && found.total_s.is_none());
    }

    #[test]
    fn the_nearest_measurement_of_this_machine_is_taken_and_the_latest_of_equals() {
        let list = [
            Speed { step_s: 1.0, threads: 1, ..speed() },
            Speed { step_s: 2.0, ..speed() },
            Speed { step_s: 3.0, source: SpeedSource::Training, ..speed() },
            Speed { step_s: 4.0, machine: "elsewhere".into(), ..speed() },
            Speed { step_s: 5.0, effort: Effort { batch_size: 32, ..effort() }, ..speed() },
        ];
        let speeds = speeds(list);
        let step = |threads| speeds.estimate(&job(), "here", threads).unwrap().step_s;
        assert!(near(step(2), 3.0) && near(step(1), 1.0));
        assert!(speeds.estimate(&job(), "nowhere", 2).is_none());
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
        let path = folder.path().join("cache/speeds.json");
        speeds([speed()]).write(&path).unwrap();
        assert_eq!(Speeds::read(&path), speeds([speed()]));
        std::fs::write(&path, "{").unwrap();
        assert_eq!(Speeds::read(&path), Speeds::default());
    }
}
