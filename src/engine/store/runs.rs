//! Records of runs: `outputs/runs/<id>/` with `run.json`, `events.jsonl` and the resolved `experiment.toml`.
//!
//! `run.json` is written when the run begins and again when it ends. A run holds the lock `run.lock` in its folder as long as it lives: what says
//! `running` without it has died, and the next run that begins writes that down. What the latest run of each
//! experiment file came to is also kept in `outputs/cache/latest/`, so that a plan reads one small file and not every record.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::listing::list;
use super::{Store, StoreError, sealed};
use crate::base::disk::crash::crash_point;
use crate::base::disk::locks::{FileLock, is_held};
use crate::base::disk::regular;
use crate::engine::plan::{CacheKey, Fingerprint};

/// Enough to say what a later run changed; the parts of further keys are in the entries.
const FINGERPRINTS_PER_STAGE: usize = 64;
pub(super) const LOCK: &str = "run.lock";

/// What is known when a run begins.
#[derive(Debug, Clone, Copy)]
pub struct NewRun<'a> {
    pub experiment: &'a str,
    pub file: &'a Path,
    /// The experiment after `extends`, overrides and sweeps, as TOML.
    pub resolved: &'a str,
    pub started: jiff::Timestamp,
    pub asked: &'a Asked,
}

/// What a run was asked for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The command line, as one would type it.
    pub command: String,
    pub overrides: Changes,
    /// The name of the folder of its results in `outputs/`.
    pub results: String,
    /// Whether only some trials of a sweep were asked for.
    pub single_trials: bool,
}

/// What the command line changed in the experiment file, as it was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Changes {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sweep: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seeds: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
}

/// What made something: a run, and what was asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeBy {
    pub run: String,
    /// The version of the program.
    pub program: String,
    pub command: String,
    pub overrides: Changes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    Running,
    Done,
    Failed,
    Interrupted,
    /// Its process ended without a word.
    Died,
}

impl RunStatus {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Died => "died",
        }
    }
}

/// How one node of a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunNode {
    pub stage: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    pub kind: String,
    pub key: Option<CacheKey>,
    /// `cached`, `built`, `reused`, `failed`, `not_run` or `cancelled`.
    pub outcome: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What went wrong in the attempts before the last one, where the stage was tried more than once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_errors: Vec<String>,
    /// Where it left a state for a stage that goes further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<CacheKey>,
}

/// The content of `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    pub id: String,
    pub experiment: String,
    /// Relative to the folder that holds `outputs`, where it lies below.
    pub file: PathBuf,
    /// The version of the program.
    pub program: String,
    /// The command line, as one would type it.
    #[serde(default)]
    pub command: String,
    #[serde(default)]
    pub overrides: Changes,
    /// The name of the folder of its results in `outputs/`.
    #[serde(default)]
    pub results: String,
    /// Only some trials of a sweep were asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub single_trials: bool,
    pub status: RunStatus,
    /// In UTC, as in `2026-11-24T18:22:15.000Z`, so that text order is time order.
    pub started: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    #[serde(default)]
    pub nodes: Vec<RunNode>,
}

impl RunFile {
    #[must_use]
    pub fn made_by(&self) -> MadeBy {
        MadeBy {
            run: self.id.clone(),
            program: self.program.clone(),
            command: self.command.clone(),
            overrides: self.overrides.clone(),
        }
    }

    /// A run that has not ended in order has listed no nodes.
    fn is_unfinished(&self) -> bool {
        matches!(self.status, RunStatus::Running | RunStatus::Died)
    }
}

/// What a run did to one node, as far as its record or its events tell.
pub(super) struct Used {
    pub(super) stage: String,
    pub(super) kind: String,
    /// That of its entry, and of the state that it left.
    pub(super) keys: Vec<CacheKey>,
    /// It ended with an entry.
    pub(super) complete: bool,
}

/// What is read of a line of `events.jsonl`.
#[derive(Deserialize)]
struct KeyedEvent {
    stage: String,
    #[serde(default)]
    kind: String,
    key: CacheKey,
}

/// What the latest run of a file came to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Latest {
    file: PathBuf,
    run: String,
    /// The keys of each stage's nodes that have entries.
    pub(super) stages: BTreeMap<String, Vec<CacheKey>>,
    pub(super) fingerprints: BTreeMap<CacheKey, Fingerprint>,
}

/// A run that is being recorded.
pub struct RunRecord<'a> {
    store: &'a Store,
    folder: PathBuf,
    run: RunFile,
    events: Mutex<File>,
    /// Tells those who list runs that this one lives.
    _lock: FileLock,
}

impl Store {
    pub(super) fn runs(&self) -> PathBuf {
        self.outputs().join("runs")
    }

    /// Begins the record of a run.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin_run(&self, new: &NewRun<'_>) -> Result<RunRecord<'_>, StoreError> {
        let runs = self.runs();
        self.disk.create_folder(&runs)?;
        self.digests().keep();
        let stem =
            format!("{}-{}", new.started.strftime("%Y%m%d-%H%M%S"), plain_name(new.experiment));
        let (id, folder) = (1..)
            .map(|number| if number == 1 { stem.clone() } else { format!("{stem}-{number}") })
            .find_map(|id| {
                let folder = runs.join(&id);
                match fs::create_dir(&folder) {
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => None,
                    result => Some(
                        result
                            .map_err(|error| StoreError::io("create", &folder, &error))
                            .map(|()| (id, folder)),
                    ),
                }
            })
            .expect("there is always a next number")?;
        self.disk.sync_folder(&runs)?;
        let path = folder.join(LOCK);
        // Somebody who lists the runs may hold it for a moment.
        let lock = FileLock::take(&path, &mut |_| true)
            .map_err(|error| StoreError::io("lock", &path, &error))?;
        crash_point("before-run-record");
        self.disk.replace(&folder.join("experiment.toml"), new.resolved.as_bytes())?;
        let path = folder.join("events.jsonl");
        let events = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|error| StoreError::io("write", &path, &error))?;
        let run = RunFile {
            id,
            experiment: new.experiment.to_owned(),
            file: self.name_of_file(new.file),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            command: new.asked.command.clone(),
            overrides: new.asked.overrides.clone(),
            results: new.asked.results.clone(),
            single_trials: new.asked.single_trials,
            status: RunStatus::Running,
            started: new.started.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            elapsed_ms: None,
            exit_code: None,
            nodes: Vec::new(),
        };
        let record =
            RunRecord { store: self, folder, run, events: Mutex::new(events), _lock: lock };
        record.write(&record.run)?;
        // For who reads the records themselves; what cannot be written is found out again.
        let _ = self.mark_dead_runs();
        Ok(record)
    }

    /// Writes into the records of runs whose processes are gone that they died.
    fn mark_dead_runs(&self) -> Result<(), StoreError> {
        for (_, folder) in list(&self.runs())? {
            let Some(_lock) = FileLock::take_over(&folder.join(LOCK)) else { continue };
            if let Some(run) = read_run(&folder).filter(|run| run.status == RunStatus::Running) {
                write_run(self, &folder, &RunFile { status: RunStatus::Died, ..run })?;
            }
        }
        Ok(())
    }

    /// The record of a run, with [`RunStatus::Died`] for one that never wrote how it ended and is gone.
    fn run_in(folder: &Path) -> Option<RunFile> {
        let run = read_run(folder)?;
        if run.status != RunStatus::Running || is_held(&folder.join(LOCK)) {
            return Some(run);
        }
        // It may have come to its end between the two looks.
        let run = read_run(folder)?;
        let died = run.status == RunStatus::Running;
        Some(RunFile { status: if died { RunStatus::Died } else { run.status }, ..run })
    }

    /// Every run that has a readable record, the oldest first.
    ///
    /// # Errors
    /// When the folder of records cannot be listed.
    pub fn list_runs(&self) -> Result<Vec<RunFile>, StoreError> {
        let mut runs: Vec<RunFile> =
            list(&self.runs())?.iter().filter_map(|(_, folder)| Self::run_in(folder)).collect();
        runs.sort_by(|a, b| (&a.started, &a.id).cmp(&(&b.started, &b.id)));
        Ok(runs)
    }

    /// What a run used. A run that was killed has listed nothing, but its events name what it had begun.
    pub(super) fn used_by(&self, run: &RunFile) -> Vec<Used> {
        if run.nodes.is_empty() && run.is_unfinished() {
            return self.named_in_events(&run.id);
        }
        let is_complete =
            |node: &RunNode| matches!(node.outcome.as_str(), "cached" | "built" | "reused");
        run.nodes
            .iter()
            .map(|node| Used {
                stage: node.stage.clone(),
                kind: node.kind.clone(),
                keys: node.key.into_iter().chain(node.lineage).collect(),
                complete: is_complete(node),
            })
            .collect()
    }

    fn named_in_events(&self, run: &str) -> Vec<Used> {
        let Ok(events) = regular::open(&self.runs().join(run).join("events.jsonl")) else {
            return Vec::new();
        };
        let event =
            |line: std::io::Result<String>| serde_json::from_str::<KeyedEvent>(&line.ok()?).ok();
        BufReader::new(events)
            .lines()
            .filter_map(event)
            .map(|KeyedEvent { stage, kind, key }| Used {
                stage,
                kind,
                keys: vec![key],
                complete: false,
            })
            .collect()
    }

    /// What the events name of runs whose `run.json` cannot be read: nobody knows whether one of them is the latest of its file.
    pub(super) fn keys_of_damaged_records(&self) -> Result<Vec<CacheKey>, StoreError> {
        let readable: BTreeSet<String> = self.list_runs()?.into_iter().map(|run| run.id).collect();
        let damaged = list(&self.runs())?.into_iter().filter(|(id, _)| !readable.contains(id));
        Ok(damaged
            .flat_map(|(id, _)| self.named_in_events(&id))
            .flat_map(|used| used.keys)
            .collect())
    }

    /// Whether a person has put a file `pinned` into a run's folder, so that what it used is kept.
    #[must_use]
    pub fn is_pinned(&self, run: &str) -> bool {
        self.runs().join(run).join("pinned").exists()
    }

    /// Keeps what a run used, and its record, until it is unpinned; or no longer.
    ///
    /// # Errors
    /// When the file `pinned` in the run's folder cannot be written or removed.
    pub fn pin(&self, run: &str, pinned: bool) -> Result<(), StoreError> {
        let path = self.runs().join(run).join("pinned");
        if pinned { self.disk.replace(&path, b"") } else { self.disk.remove_folder(&path) }
    }

    /// Whether the experiment file of a run is no longer there.
    pub(super) fn has_lost_its_file(&self, run: &RunFile) -> bool {
        let project = self.outputs().parent().unwrap_or(Path::new(""));
        let found = project.join(&run.file).symlink_metadata();
        found.is_err_and(|error| error.kind() == ErrorKind::NotFound)
    }

    /// An experiment file's name in records: it stays the same when the folder that holds both it and `outputs` is moved.
    fn name_of_file(&self, file: &Path) -> PathBuf {
        let whole = |path: &Path| {
            fs::canonicalize(path)
                .or_else(|_| std::path::absolute(path))
                .unwrap_or_else(|_| path.to_owned())
        };
        let file = whole(file);
        let outputs =
            std::path::absolute(self.outputs()).unwrap_or_else(|_| self.outputs().to_owned());
        let project = outputs.parent().map(whole).unwrap_or_default();
        // Records are text: of a name that is not UTF-8 they keep what can be read.
        file.strip_prefix(&project).unwrap_or(&file).to_string_lossy().into_owned().into()
    }

    fn latest_file(&self, name: &Path) -> PathBuf {
        let digest = blake3::hash(name.as_os_str().as_encoded_bytes()).to_hex();
        self.cache().join("latest").join(format!("{}.json", &digest[..32]))
    }

    /// What the latest run of `file` came to: from the index, else from the records.
    pub(super) fn latest(&self, file: &Path) -> Arc<Latest> {
        let name = self.name_of_file(file);
        let mut known = self.latest.lock().expect("no panic while it is held");
        let load =
            || Arc::new(self.read_latest(&name).unwrap_or_else(|| self.latest_of_records(&name)));
        Arc::clone(known.entry(name.clone()).or_insert_with(load))
    }

    fn read_latest(&self, name: &Path) -> Option<Latest> {
        let latest: Latest = sealed::open(&regular::read(&self.latest_file(name)).ok()?).ok()?;
        (latest.file == name).then_some(latest)
    }

    fn latest_of_records(&self, name: &Path) -> Latest {
        let mut latest = Latest { file: name.to_owned(), ..Latest::default() };
        for run in self.list_runs().unwrap_or_default().iter().filter(|run| run.file == name) {
            latest.take(run);
        }
        latest
    }
}

impl Latest {
    /// Later runs replace what earlier ones came to, stage by stage: a run of one stage says nothing about the others, and one of single trials
    /// nothing about the other trials.
    fn take(&mut self, run: &RunFile) {
        let mut stages: BTreeMap<String, Vec<CacheKey>> = BTreeMap::new();
        for node in run
            .nodes
            .iter()
            .filter(|node| matches!(node.outcome.as_str(), "cached" | "built" | "reused"))
        {
            stages.entry(node.stage.clone()).or_default().extend(node.key);
        }
        self.run.clone_from(&run.id);
        if run.single_trials {
            for (stage, keys) in stages {
                let known = self.stages.entry(stage).or_default();
                known.extend(keys);
                known.sort_unstable();
                known.dedup();
            }
        } else {
            self.stages.extend(stages);
        }
    }
}

impl RunRecord<'_> {
    /// What is known of the run so far.
    #[must_use]
    pub fn run(&self) -> &RunFile {
        &self.run
    }

    #[must_use]
    pub fn id(&self) -> &str {
        &self.run.id
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Appends a line to `events.jsonl`. A record that cannot be written must not end a training, so failing is silent.
    pub fn event(&self, event: &impl Serialize) {
        if let Ok(mut line) = serde_json::to_vec(event) {
            line.push(b'\n');
            let _ = self.events.lock().expect("no panic while it is held").write_all(&line);
        }
    }

    /// Ends the record.
    ///
    /// * `fingerprint`: the parts of a key, asked for a bounded number of keys
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(
        &self,
        status: RunStatus,
        exit_code: u8,
        elapsed_ms: u64,
        nodes: Vec<RunNode>,
        fingerprint: impl Fn(&CacheKey) -> Option<Fingerprint>,
    ) -> Result<RunFile, StoreError> {
        crash_point("before-run-finished");
        let run = RunFile {
            status,
            exit_code: Some(exit_code),
            elapsed_ms: Some(elapsed_ms),
            nodes,
            ..self.run.clone()
        };
        self.write(&run)?;
        let store = self.store;
        let name = run.file.clone();
        let mut latest = store.read_latest(&name).unwrap_or_else(|| store.latest_of_records(&name));
        latest.take(&run);
        let known = std::mem::take(&mut latest.fingerprints);
        for key in latest.stages.values().flat_map(|keys| keys.iter().take(FINGERPRINTS_PER_STAGE))
        {
            if let Some(parts) = known.get(key).cloned().or_else(|| fingerprint(key)) {
                latest.fingerprints.insert(*key, parts);
            }
        }
        crash_point("before-latest-run");
        // An index only: it is made again from the records.
        let _ = store.disk.replace_index(&store.latest_file(&name), &sealed::seal(&latest));
        store.latest.lock().expect("no panic while it is held").remove(&name);
        Ok(run)
    }

    fn write(&self, run: &RunFile) -> Result<(), StoreError> {
        write_run(self.store, &self.folder, run)
    }
}

fn read_run(folder: &Path) -> Option<RunFile> {
    serde_json::from_slice(&regular::read(&folder.join("run.json")).ok()?).ok()
}

fn write_run(store: &Store, folder: &Path, run: &RunFile) -> Result<(), StoreError> {
    let mut bytes = serde_json::to_vec_pretty(run).expect("records are plain data");
    bytes.push(b'\n');
    store.disk.replace(&folder.join("run.json"), &bytes)
}

/// A name that is one plain part of a path on any system.
fn plain_name(name: &str) -> String {
    let plain: String = name
        .chars()
        .take(60)
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' })
        .collect();
    if plain.is_empty() { "run".to_owned() } else { plain }
}
