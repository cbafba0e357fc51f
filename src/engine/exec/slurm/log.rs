//! What a task has written: events on its standard output, everything else on its standard error.

use std::collections::HashMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::event::{Event, Line};
use crate::base::disk::regular;
use crate::base::visible;
use crate::engine::plan::CacheKey;
use crate::engine::stage::StageError;

/// Lines of standard error that are shown of a job that left nothing.
const TAIL_LINES: usize = 4;
const TAIL_BYTES: u64 = 4096;
/// Most that is read at a time.
const PART_BYTES: u64 = 1 << 20;

/// How a node ended, as its task tells it.
#[derive(Debug, Clone)]
pub(super) enum Told {
    Built(Duration),
    /// Its entry was there, or another one with the same content.
    Found,
    Failed(StageError),
}

/// Reads events as a task writes them.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    read_bytes: u64,
    /// The beginning of a line.
    rest: Vec<u8>,
    keys: HashMap<(String, String), CacheKey>,
    pub(super) told: HashMap<CacheKey, Told>,
}

impl Log {
    /// * `keys`: of the task's nodes, by stage and label
    pub(super) fn new(path: PathBuf, keys: HashMap<(String, String), CacheKey>) -> Self {
        Self { path, read_bytes: 0, rest: Vec::new(), keys, told: HashMap::new() }
    }

    /// The events since the last call that somebody else should hear of. A log that cannot be read says nothing: it may not be there yet.
    pub(super) fn follow(&mut self) -> Vec<Event> {
        let mut part = Vec::new();
        let read = |part: &mut Vec<u8>| -> std::io::Result<usize> {
            let mut file = regular::open(&self.path)?;
            file.seek(SeekFrom::Start(self.read_bytes))?;
            file.take(PART_BYTES).read_to_end(part)
        };
        if read(&mut part).is_err() {
            return Vec::new();
        }
        self.read_bytes += part.len() as u64;
        self.rest.append(&mut part);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let lines: Vec<u8> = self.rest.drain(..=end).collect();
        let events = lines
            .split(|byte| *byte == b'\n')
            .filter_map(|line| Some(serde_json::from_slice::<Line<Event>>(line).ok()?.event));
        events.filter_map(|event| self.take(event)).collect()
    }

    /// Notes how nodes end; the event, where it is about how one goes on.
    fn take(&mut self, event: Event) -> Option<Event> {
        let told = match &event {
            Event::StageFinished { key, elapsed_ms, .. } => {
                Some((*key, Told::Built(Duration::from_millis(*elapsed_ms))))
            }
            Event::StageCached { key, .. } | Event::StageReused { key, .. } => {
                Some((*key, Told::Found))
            }
            Event::StageFailed { name, error, help, is_hindered, .. } => {
                let mut failure = StageError::new(error.clone());
                if let Some(help) = help {
                    failure = failure.with_help(help.clone());
                }
                if *is_hindered {
                    failure = failure.hindered();
                }
                let place = (name.stage.to_string(), name.label.to_string());
                self.keys.get(&place).map(|key| (*key, Told::Failed(failure)))
            }
            Event::StageStarted { .. }
            | Event::StageProgress { .. }
            | Event::Evaluated { .. }
            | Event::StageMessage { .. }
            | Event::StageRetried { .. }
            | Event::EntryDamaged { .. } => return Some(event),
            _ => None,
        };
        self.told.extend(told);
        None
    }
}

/// The last lines of a task's standard error, on one line; empty where there is nothing.
pub(super) fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = regular::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(TAIL_LINES)..].join("; ");
    visible::line(&last).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_once_and_as_soon_as_their_line_is_whole() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("0.out");
        let key = CacheKey::from_bytes([7; 32]);
        let place = ("train".to_owned(), "seed=0".to_owned());
        let mut log = Log::new(path.clone(), HashMap::from([(place, key)]));
        assert!(log.follow().is_empty(), "no file is no event");
        let name = r#""node":0,"stage":"train","kind":"train","label":"seed=0""#;
        let message =
            format!(r#"{{"at_ms":1,"event":"stage_message",{name},"warning":false,"text":"a"}}"#);
        let failed =
            format!(r#"{{"at_ms":2,"event":"stage_failed",{name},"error":"no","elapsed_ms":5}}"#);
        std::fs::write(&path, format!("{message}\n{}", &failed[..20])).expect("writable");
        assert_eq!(log.follow().len(), 1);
        assert!(log.told.is_empty());
        std::fs::write(&path, format!("{message}\n{failed}\n")).expect("writable");
        assert!(log.follow().is_empty());
        let Some(Told::Failed(error)) = log.told.get(&key) else { panic!("{:?}", log.told) };
        assert_eq!(error.to_string(), "no");
    }

    #[test]
    fn the_tail_is_the_last_lines_on_one() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("0.err");
        assert_eq!(tail(&path), "");
        std::fs::write(&path, "1\n2\n3\n\n4\n5\n").expect("writable");
        assert_eq!(tail(&path), "2; 3; 4; 5");
    }
}
