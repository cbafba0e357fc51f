//! A run as MLflow keeps one in files (`mlruns/`): parameters, metrics by step, tags and artifacts.
//!
//! | where | what |
//! |---|---|
//! | `<experiment>/meta.yaml` | the experiment's name |
//! | `<experiment>/<run>/params/`, `metrics/`, `tags/` | a file for each; a line of a metric is moment, value and step |
//! | `<experiment>/<run>/artifacts/` | copies of what was published, but for models |
//! | `<experiment>/<run>/meta.yaml` | how it ended; written last |
//!
//! A sweep is a run with one below it for each trial, and has itself what its chosen point came to: values of its axes, mean (by the name that the score
//! has in a trial), `.sd` and `.n` over its trials, and as `best_child_run_id` the trial that stands for it, as MLflow's own guide to Optuna calls it. Names follow from the run's, so that one that was exported is found there again.
//!
//! Reference: `mlflow/store/tracking/file_store.py`; `tests/feeds/read_mlflow.py` reads with it what was written here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value as Json;

use super::results::made_by;
use super::rows::{self, Moments, Row};
use crate::base::disk::regular;
use crate::engine::plan::full_text;
use crate::engine::runs::{
    Results, RunFile, RunNode, RunStatus, TrialResults, TrialStatus, Unreadable,
};
use crate::engine::stage::{Score, Signal, StageKind};
use crate::engine::store::{Entry, Store, StoreError};

/// Longer values of parameters and tags are cut, as MLflow itself does.
const PARAMETER: usize = 6000;
const TAG: usize = 8000;

const FINISHED: u8 = 3;
const FAILED: u8 = 4;
const KILLED: u8 = 5;

/// Where runs are written to.
pub struct MlflowStore<'a> {
    pub folder: &'a Path,
    pub store: &'a Store,
    pub kinds: &'static [StageKind],
}

/// A run could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Scores(#[from] Unreadable),
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// What one run became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Runs below it.
    pub trials: usize,
    /// All of it lay there already.
    pub was_there: bool,
}

/// A run in the making.
struct Target {
    folder: PathBuf,
    id: String,
    /// When what it has came about, in milliseconds since 1970.
    moment: i64,
}

impl MlflowStore<'_> {
    /// Writes a run that has ended.
    ///
    /// # Errors
    /// When the disk refuses, or the scores of a stage cannot be read.
    pub fn export(&self, run: &RunFile) -> Result<Exported, ExportError> {
        let results = Results::read(run.clone(), self.store, self.kinds)?;
        let experiment = self.experiment(&run.experiment)?;
        let is_swept = |of: &&TrialResults| !of.label.is_empty();
        let trials: Vec<&TrialResults> = results.trials.iter().filter(is_swept).collect();
        let top = self.target(&experiment, run, "");
        let was_there = top.folder.join("meta.yaml").exists();
        if was_there {
            return Ok(Exported { trials: trials.len(), was_there });
        }
        for of in &trials {
            let target = self.target(&experiment, run, &of.label);
            target.tag("mlflow.parentRunId", &top.id)?;
            self.stages(&target, &results, &of.label)?;
            Self::results(&target, &results, of)?;
            let status = match of.status {
                TrialStatus::Done => FINISHED,
                TrialStatus::Failed => FAILED,
                TrialStatus::Interrupted | TrialStatus::NotRun => KILLED,
            };
            target.finish(&experiment, run, &of.label, status)?;
        }
        self.stages(&top, &results, "")?;
        if let Some(of) = results.trials.first().filter(|_| trials.is_empty()) {
            Self::results(&top, &results, of)?;
        }
        if !trials.is_empty() {
            self.chosen(&top, &experiment, &results)?;
        }
        self.describe(&top, &results, !trials.is_empty())?;
        let status = match run.status {
            RunStatus::Done => FINISHED,
            RunStatus::Failed => FAILED,
            RunStatus::Running | RunStatus::Interrupted | RunStatus::Died => KILLED,
        };
        top.finish(&experiment, run, &run.id, status)?;
        Ok(Exported { trials: trials.len(), was_there })
    }

    /// The folder of the experiment of a name, which may be there already.
    fn experiment(&self, name: &str) -> io::Result<PathBuf> {
        fs::create_dir_all(self.folder)?;
        let folder = self.folder.canonicalize()?;
        let line = format!("name: {name}");
        for entry in folder.read_dir()? {
            let path = entry?.path();
            let meta = regular::read_to_string(&path.join("meta.yaml")).unwrap_or_default();
            let is_named =
                |other: &str| other == line || other == format!("name: {}", yaml_text(name));
            if meta.lines().any(is_named) {
                return Ok(path);
            }
        }
        let digest = blake3::hash(name.as_bytes());
        let number = u64::from_le_bytes(digest.as_bytes()[..8].try_into().expect("eight bytes"));
        let id = (number % 900_000_000_000_000_000 + 100_000_000_000_000_000).to_string();
        let path = folder.join(&id);
        fs::create_dir_all(&path)?;
        let location = path.display().to_string();
        let meta = format!(
            "artifact_location: {}\nexperiment_id: {}\nlifecycle_stage: active\nname: {}\n",
            yaml_text(&location),
            yaml_text(&id),
            yaml_text(name)
        );
        fs::write(path.join("meta.yaml"), meta)?;
        Ok(path)
    }

    fn target(&self, experiment: &Path, run: &RunFile, label: &str) -> Target {
        let digest = blake3::hash(format!("{}\n{label}", run.id).as_bytes()).to_hex();
        let id = digest.as_str()[..32].to_owned();
        Target { folder: experiment.join(&id), id, moment: ended(run) }
    }

    /// What the stages were given and told that bear a label; what all trials of a sweep share bears none.
    fn stages(&self, target: &Target, results: &Results, label: &str) -> io::Result<()> {
        let mut labelled = results.nodes().filter(|(node, _)| node.label == label);
        labelled.try_for_each(|(node, entry)| self.stage(target, node, entry))
    }

    /// What a trial came to.
    fn results(target: &Target, results: &Results, of: &TrialResults) -> Result<(), ExportError> {
        let scores = results.scores(of)?;
        for (name, score) in &scores {
            if let Some(score) = score.filter(|_| results.label_prefix(name).is_none()) {
                target.metric(name, &[(0, Score::value(score))])?;
            }
        }
        for (name, entry, file) in results.files(of, false) {
            target.artifact(&name, &entry.folder().join(file))?;
        }
        Ok(())
    }

    /// What the point came to that a sweep has chosen, and which trial stands for it.
    fn chosen(
        &self,
        target: &Target,
        experiment: &Path,
        results: &Results,
    ) -> Result<(), ExportError> {
        let points = rows::points(results)?;
        let Some((objective, best)) = rows::best(results, &points) else { return Ok(()) };
        let metric = &objective.metric;
        let headlines = results.headlines();
        let names: BTreeSet<&String> = std::iter::once(metric).chain(&headlines).collect();
        for name in names {
            let Moments { mean, deviation, count, .. } = best.moments(name);
            let moments = [("", mean), (".sd", deviation), (".n", mean.map(|_| count as f64))];
            for (part, value) in moments {
                let points: Vec<(u64, f64)> = value.map(|value| (0, value)).into_iter().collect();
                target.metric(&format!("{name}{part}"), &points)?;
            }
        }
        for (axis, value) in &best.point.values {
            target.parameter(axis, &parameter_text(value))?;
        }
        let has_score = |row: &&Row<'_>| row.scores.get(metric).copied().flatten().is_some();
        if let Some(row) = best.rows.iter().find(has_score) {
            let child = self.target(experiment, &results.run, row.label);
            target.parameter("best_child_run_id", &child.id)?;
        }
        Ok(())
    }

    fn stage(&self, target: &Target, node: &RunNode, entry: &Entry) -> io::Result<()> {
        let fingerprint = &entry.manifest().fingerprint;
        let given = Json::from_iter(fingerprint.parameters.clone());
        for (name, value) in given.as_object().into_iter().flatten() {
            target.parameter(&format!("{}.{name}", node.stage), &parameter_text(value))?;
        }
        if let Some(commit) = &fingerprint.commit {
            target.tag(&format!("pipeline.{}.commit", node.stage), commit)?;
        }
        let kind = self.kinds.iter().find(|kind| kind.name == node.kind);
        let instance = kind.and_then(|kind| kind.parse(given).ok());
        let told = instance.map_or_else(Vec::new, |instance| instance.replay(entry.folder()));
        let mut curves = BTreeMap::<String, Vec<(u64, f64)>>::new();
        for signal in told {
            match signal {
                Signal::Progress(progress) => {
                    for (name, value) in progress.numbers {
                        let curve = curves.entry(format!("{}/{name}", node.stage)).or_default();
                        curve.push((progress.done, value));
                    }
                }
                Signal::Evaluated(evaluated) => {
                    for (name, value) in evaluated.metrics {
                        let name = format!("{}/{}/{name}", node.stage, evaluated.split);
                        let value = value.map(|value| (evaluated.step, value));
                        curves.entry(name).or_default().extend(value);
                    }
                }
                Signal::Message(..) | Signal::Device(_) => {}
            }
        }
        curves.iter().try_for_each(|(name, points)| target.metric(name, points))
    }

    /// What is to be said of the run as a whole, and the tables and pictures of a sweep where they are still its own.
    fn describe(
        &self,
        target: &Target,
        results: &Results,
        is_sweep: bool,
    ) -> Result<(), ExportError> {
        let run = &results.run;
        target.tag("mlflow.source.type", "LOCAL")?;
        target.tag("mlflow.source.name", &run.file.to_string_lossy())?;
        target.tag("pipeline.command", &run.asked.command)?;
        target.tag("pipeline.version", &run.program)?;
        let caveats = results.caveats()?;
        if !caveats.is_empty() {
            let text = caveats.iter().map(|caveat| format!("- {}\n", caveat.message));
            target.tag("mlflow.note.content", &text.collect::<String>())?;
        }
        let published = self.store.outputs().join(&run.asked.results);
        if is_sweep && made_by(&published).is_some_and(|made| made.run == run.id) {
            for entry in published.read_dir()? {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    target.artifact(&entry.file_name().to_string_lossy(), &entry.path())?;
                }
            }
        }
        Ok(())
    }
}

impl Target {
    fn write(&self, kind: &str, name: &str, content: &str) -> io::Result<()> {
        let path = self.folder.join(kind).join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, content)
    }

    fn parameter(&self, name: &str, value: &str) -> io::Result<()> {
        self.write("params", &safe(name), &value.chars().take(PARAMETER).collect::<String>())
    }

    fn tag(&self, name: &str, value: &str) -> io::Result<()> {
        self.write("tags", &safe(name), &value.chars().take(TAG).collect::<String>())
    }

    fn metric(&self, name: &str, points: &[(u64, f64)]) -> io::Result<()> {
        if points.is_empty() {
            return Ok(());
        }
        let line = |(step, value): &(u64, f64)| format!("{} {value} {step}\n", self.moment);
        self.write("metrics", &safe(name), &points.iter().map(line).collect::<String>())
    }

    fn artifact(&self, name: &str, from: &Path) -> io::Result<()> {
        let path = self.folder.join("artifacts").join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, regular::read(from)?)
    }

    /// Makes it a run that MLflow finds.
    fn finish(&self, experiment: &Path, run: &RunFile, name: &str, status: u8) -> io::Result<()> {
        self.tag("mlflow.runName", name)?;
        for part in ["artifacts", "metrics", "params", "tags"] {
            fs::create_dir_all(self.folder.join(part))?;
        }
        let id = experiment.file_name().unwrap_or_default().to_string_lossy();
        let artifacts = self.folder.join("artifacts").display().to_string();
        let (start, end) = (started(run), self.moment);
        let meta = format!(
            "artifact_uri: {}\nend_time: {end}\nentry_point_name: ''\nexperiment_id: {}\nlifecycle_stage: active\n\
             run_id: {}\nrun_name: {}\nsource_name: ''\nsource_type: 4\nsource_version: ''\nstart_time: {start}\n\
             status: {status}\ntags: []\nuser_id: ''\n",
            yaml_text(&artifacts),
            yaml_text(&id),
            yaml_text(&self.id),
            yaml_text(name)
        );
        fs::write(self.folder.join("meta.yaml"), meta)
    }
}

fn parameter_text(value: &Json) -> String {
    value.as_str().map_or_else(|| full_text(value), str::to_owned)
}

/// A text as YAML has it, which reads JSON's.
fn yaml_text(text: &str) -> String {
    Json::from(text).to_string()
}

/// A name that MLflow takes, and that is one inside the folder.
fn safe(name: &str) -> String {
    const LONGEST: usize = 250;
    let is_taken = |character: char| character.is_alphanumeric() || "_-. /".contains(character);
    let safe = name.chars().take(LONGEST).map(|it| if is_taken(it) { it } else { '_' });
    let parts: Vec<String> =
        safe.collect::<String>().split('/').map(|part| part.replace("..", "__")).collect();
    parts.join("/").trim_matches('/').to_owned()
}

fn started(run: &RunFile) -> i64 {
    run.started.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond)
}

fn ended(run: &RunFile) -> i64 {
    let elapsed = Duration::from_millis(run.elapsed_ms.unwrap_or(0)).as_millis();
    started(run) + i64::try_from(elapsed).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_the_folder() {
        assert_eq!(safe("train/ner_loss"), "train/ner_loss");
        assert_eq!(safe("evaluate.ner.span_f1"), "evaluate.ner.span_f1");
        assert_eq!(safe("../../x"), "__/__/x");
        assert_eq!(safe("/etc/a:b\n"), "etc/a_b_");
    }
}
