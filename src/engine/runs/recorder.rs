//! A run that is being recorded: `outputs/runs/<id>/` with `run.json`, `events.jsonl` and the resolved `experiment.toml`.
//!
//! `run.json` is written when the run begins and again when it ends. A run holds the lock `run.lock` in its folder as long as it lives: what says
//! `running` without it has died, and the next run that begins writes that down.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::Serialize;

use super::latest::Latest;
use super::record::{Asked, CameTo, RunFile, RunStatus};
use super::records::{LOCK, all, mark_dead, name_of_file, write};
use crate::base::disk::crash::crash_point;
use crate::base::disk::locks::FileLock;
use crate::engine::plan::{CacheKey, Fingerprint};
use crate::engine::store::{Store, StoreError};

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

/// A run that is being recorded.
pub struct RunRecord<'a> {
    store: &'a Store,
    folder: PathBuf,
    run: RunFile,
    events: Mutex<File>,
    /// Tells those who list runs that this one lives.
    _lock: FileLock,
}

impl<'a> RunRecord<'a> {
    /// Begins the record of a run.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(store: &'a Store, new: &NewRun<'_>) -> Result<Self, StoreError> {
        let runs = all(store);
        store.disk.create_folder(&runs)?;
        store.digests().keep();
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
        store.disk.sync_folder(&runs)?;
        let path = folder.join(LOCK);
        // Somebody who lists the runs may hold it for a moment.
        let lock = FileLock::take(&path, &mut |_| true)
            .map_err(|error| StoreError::io("lock", &path, &error))?;
        crash_point("before-run-record");
        store.disk.replace(&folder.join("experiment.toml"), new.resolved.as_bytes())?;
        let path = folder.join("events.jsonl");
        let events = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|error| StoreError::io("write", &path, &error))?;
        let run = RunFile {
            id,
            experiment: new.experiment.to_owned(),
            file: name_of_file(store, new.file),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            asked: new.asked.clone(),
            status: RunStatus::Running,
            started: new.started.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            elapsed_ms: None,
            exit_code: None,
            best: Vec::new(),
            fresh: Vec::new(),
            nodes: Vec::new(),
            outline: None,
        };
        let record = Self { store, folder, run, events: Mutex::new(events), _lock: lock };
        write(store, &record.folder, &record.run)?;
        // For who reads the records themselves; what cannot be written is found out again.
        let _ = mark_dead(store);
        Ok(record)
    }

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
        came_to: impl Into<CameTo>,
        fingerprint: impl Fn(&CacheKey) -> Option<Fingerprint>,
    ) -> Result<RunFile, StoreError> {
        crash_point("before-run-finished");
        let CameTo { outline, nodes, best, fresh } = came_to.into();
        let run = RunFile {
            status,
            exit_code: Some(exit_code),
            elapsed_ms: Some(elapsed_ms),
            best,
            fresh,
            nodes,
            outline,
            ..self.run.clone()
        };
        let store = self.store;
        write(store, &self.folder, &run)?;
        let mut latest = Latest::of(store, &run.file);
        latest.take(&run);
        crash_point("before-latest-run");
        latest.save(store, fingerprint);
        Ok(run)
    }
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
