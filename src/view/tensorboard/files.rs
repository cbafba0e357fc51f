//! Event files that grow: records wait in memory for a moment, and are appended whole.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::summary::{self, Value};

/// How long records wait.
const PATIENCE: Duration = Duration::from_secs(2);

/// Seconds since 1970, as events have them.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// A folder with an event file in each of its folders, which TensorBoard calls runs.
pub(super) struct Files {
    folder: PathBuf,
    /// Its name makes the viewer take each file for one of events, and the later of two for the later.
    name: String,
    /// By the folder inside; empty for the one at the top.
    waiting: BTreeMap<String, Vec<u8>>,
    written: Instant,
}

impl Files {
    pub(super) fn new(folder: PathBuf) -> Self {
        let name = format!("events.out.tfevents.{:010}.pipeline", now() as u64);
        Self { folder, name, waiting: BTreeMap::new(), written: Instant::now() }
    }

    /// Adds values of a step to those of a folder.
    pub(super) fn add(&mut self, folder: &str, step: u64, values: &[Value]) {
        if !values.is_empty() {
            self.add_record(folder, &summary::event(now(), step, values));
        }
    }

    /// Makes what a folder has so far count no longer.
    pub(super) fn start_anew(&mut self, folder: &str) {
        self.add_record(folder, &summary::start(now()));
    }

    /// Gives the event files of another folder second names in this one, where nothing is written yet, in place of what waits. False where that
    /// cannot be: there are none, or the disk gives no second names.
    pub(super) fn link(&mut self, earlier: &Path) -> io::Result<bool> {
        match link_all(earlier, &self.folder) {
            Ok(()) => {
                self.waiting.clear();
                Ok(true)
            }
            Err(error) => {
                let removed = fs::remove_dir_all(&self.folder);
                let is_gone = removed.or_else(|error| match error.kind() {
                    ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                });
                is_gone.map(|()| false).map_err(|_| error)
            }
        }
    }

    fn add_record(&mut self, folder: &str, record: &[u8]) {
        self.waiting.entry(folder.to_owned()).or_default().extend(record);
    }

    /// Writes what has waited for long.
    pub(super) fn write_old(&mut self) -> io::Result<()> {
        if self.written.elapsed() < PATIENCE { Ok(()) } else { self.write() }
    }

    pub(super) fn write(&mut self) -> io::Result<()> {
        for (folder, records) in std::mem::take(&mut self.waiting) {
            let folder = self.folder.join(folder);
            fs::create_dir_all(&folder)?;
            let path = folder.join(&self.name);
            let mut file = OpenOptions::new().create(true).append(true).open(path)?;
            let is_new = file.metadata()?.len() == 0;
            // The first start of a file is none anew.
            let head = if is_new {
                [summary::version(now()), summary::start(now())].concat()
            } else {
                Vec::new()
            };
            // In one go, so that no reader finds half of a record.
            file.write_all(&[head, records].concat())?;
        }
        self.written = Instant::now();
        Ok(())
    }
}

fn link_all(from: &Path, to: &Path) -> io::Result<()> {
    let entries = fs::read_dir(from)?;
    fs::create_dir(to)?;
    for entry in entries {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() { link_all(&from, &to)? } else { fs::hard_link(from, to)? }
    }
    Ok(())
}
