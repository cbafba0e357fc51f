//! What a power loss would leave. Kills cannot show it, so the program's log of what it flushed and named, in which order, is held against
//! the files that it leaves: size and time of change must be those of the moment at which a file was flushed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::downloads::Downloads;
use crate::support::*;

#[derive(Debug, serde::Deserialize)]
struct Line {
    what: String,
    path: PathBuf,
    to: Option<PathBuf>,
    /// Size and time of change of a file; a folder has none.
    size: Option<u64>,
    changed: Option<String>,
}

impl Line {
    fn names(&self) -> Option<&Path> {
        matches!(self.what.as_str(), "renamed" | "exchanged")
            .then(|| self.to.as_deref().expect("a new name"))
    }

    fn is_flush_of(&self, path: &Path) -> bool {
        self.what == "synced" && self.path == path
    }
}

fn logged(command: &mut std::process::Command, log: &Path) -> Vec<Line> {
    let ended = finish(start(command.env("PIPELINE_WRITE_LOG", log)));
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let text = fs::read_to_string(log).expect("a log");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of the log")).collect()
}

/// Everything is flushed before it gets its name, and the folder that it then lies in after.
fn assert_order(log: &[Line]) {
    for (at, line) in log.iter().enumerate() {
        let Some(to) = line.names() else { continue };
        let flushed = log[..at].iter().rev().find(|earlier| earlier.is_flush_of(&line.path));
        let flushed = flushed
            .unwrap_or_else(|| panic!("{} got a name and was never flushed", line.path.display()));
        assert_eq!(
            (flushed.size, &flushed.changed),
            (line.size, &line.changed),
            "{} was changed after it was flushed",
            line.path.display()
        );
        let folder = to.parent().expect("it lies in a folder");
        assert!(
            log[at..].iter().any(|later| later.is_flush_of(folder)),
            "the folder of {} was not flushed afterwards",
            to.display()
        );
    }
}

/// The file at `path` is as it was when it was flushed, under whatever name that was.
fn assert_flushed(log: &[Line], path: &Path) {
    let metadata = path.metadata().expect("a file");
    let changed = metadata
        .modified()
        .expect("a time")
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_nanos()
        .to_string();
    let mut name = path.to_owned();
    for line in log.iter().rev() {
        if line.is_flush_of(&name) {
            assert_eq!(
                (line.size, &line.changed),
                (Some(metadata.len()), &Some(changed)),
                "{} was changed after it was flushed",
                path.display()
            );
            return;
        }
        if let Some(Ok(inside)) = line.names().map(|to| name.strip_prefix(to)) {
            name = if inside.as_os_str().is_empty() {
                line.path.clone()
            } else {
                line.path.join(inside)
            };
        }
    }
    panic!("{} was never flushed", path.display());
}

fn assert_all_flushed(log: &[Line], folder: &Path, counts: impl Fn(&str) -> bool) {
    let files: Vec<String> = files_below(folder).into_keys().filter(|name| counts(name)).collect();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files.iter().for_each(|name| assert_flushed(log, &folder.join(name)));
}

fn count(log: &[Line], named: impl Fn(&str) -> bool) -> usize {
    log.iter().filter_map(Line::names).filter(|to| named(&to.to_string_lossy())).count()
}

#[test]
fn entries_checkpoints_results_and_records_outlive_a_power_loss() {
    let project = Project::new();
    let log_file = project.root().join("writes.jsonl");
    let constant = ["--set", "stage.train.schedule=constant"];
    logged(project.command(&["run", "small.toml"]).args(constant), &log_file);
    // Again, so that results are exchanged and a training goes on from a finished one.
    let log = logged(
        project.command(&["run", "small.toml", "--set", "stage.train.epochs=4"]).args(constant),
        &log_file,
    );
    assert_order(&log);
    let outputs = project.outputs();
    assert_all_flushed(&log, &outputs.join("store"), |name| {
        name.contains('/') && !name.starts_with("tmp/")
    });
    assert_all_flushed(&log, &outputs.join("small"), |_| true);
    assert_all_flushed(&log, &outputs.join("runs"), |name| {
        !name.ends_with("events.jsonl") && !name.contains("tfevents")
    });
    assert_all_flushed(&log, &outputs.join("checkpoints"), |name| !name.ends_with("lock"));
    // Both trainings wrote checkpoints, best weights among them; six entries, then three; two records, begun and ended, each with its experiment and
    // its list of results.
    assert!(
        count(&log, |to| to.ends_with(".checkpoint")) > 12
            && count(&log, |to| to.ends_with(".weights")) > 2
    );
    assert_eq!(count(&log, |to| to.contains("/outputs/store/")), 9);
    assert_eq!(count(&log, |to| to.ends_with("/outputs/small")), 2);
    assert_eq!(count(&log, |to| to.contains("/outputs/runs/")), 8);
    assert_eq!(log.iter().filter(|line| line.what == "exchanged").count(), 1);
}

/// A name in a folder whose own name is lost is lost with it.
#[test]
fn the_name_of_every_new_folder_is_flushed() {
    let project = Project::new();
    let log =
        logged(&mut project.command(&["run", "small.toml"]), &project.root().join("writes.jsonl"));
    let outputs = project.outputs();
    let mut folders = vec![
        project.root().to_owned(),
        outputs.clone(),
        outputs.join("store"),
        outputs.join("runs"),
        outputs.join("checkpoints"),
    ];
    folders.retain(|folder| !log.iter().any(|line| line.is_flush_of(folder)));
    assert!(folders.is_empty(), "{folders:?} were not flushed");
}

#[test]
fn an_entry_has_its_manifest_last() {
    let project = Project::new();
    let log = logged(
        &mut project.command(&["run", "small.toml", "init_model"]),
        &project.root().join("writes.jsonl"),
    );
    let named = |line: &&Line| {
        line.names().is_some_and(|to| to.to_string_lossy().contains("/outputs/store/"))
    };
    let entries: Vec<&Line> = log.iter().filter(named).collect();
    assert_eq!(entries.len(), 2);
    for entry in entries {
        let inside: Vec<&Path> = log
            .iter()
            .filter(|line| line.what == "synced" && line.path.starts_with(&entry.path))
            .map(|line| line.path.as_path())
            .collect();
        let (folder, files) = inside.split_last().expect("something was flushed");
        assert_eq!(
            (*folder, files.last().and_then(|file| file.file_name())),
            (entry.path.as_path(), Some("manifest.json".as_ref()))
        );
    }
}

#[test]
fn only_what_is_rubbish_or_made_again_gets_a_name_without_being_flushed() {
    let project = Project::new();
    let log =
        logged(&mut project.command(&["run", "small.toml"]), &project.root().join("writes.jsonl"));
    let outputs = project.outputs();
    let moved: Vec<&PathBuf> = log
        .iter()
        .filter(|line| line.what == "moved")
        .filter_map(|line| line.to.as_ref())
        .collect();
    assert!(!moved.is_empty());
    assert!(
        moved
            .iter()
            .all(|to| to.starts_with(outputs.join("cache"))
                || to.starts_with(outputs.join("store/tmp"))),
        "{moved:?}"
    );
}

#[test]
fn downloads_and_pins_outlive_a_power_loss() {
    let downloads = Downloads::new();
    let place = downloads.place();
    let root = place.project.root();
    let log =
        logged(&mut place.command(&["run", "hub.toml", "fetch_model"]), &root.join("writes.jsonl"));
    assert_order(&log);
    assert_flushed(&log, &root.join("hub.toml.lock"));
    assert_all_flushed(&log, &root.join("hf/hub"), |name| {
        name.contains("/blobs/") || name.contains("/refs/")
    });
    assert!(count(&log, |to| to.contains("/blobs/")) >= 3);
    assert_eq!(
        (count(&log, |to| to.contains("/refs/")), count(&log, |to| to.ends_with("hub.toml.lock"))),
        (1, 1)
    );
    // A link to a blob is a name of its own, in a folder of its own.
    let snapshot = |line: &Line| {
        line.what == "synced"
            && line.path.parent().is_some_and(|folder| folder.ends_with("snapshots"))
    };
    assert!(log.iter().any(snapshot), "the folder of the snapshot was not flushed");
}

/// Nobody may see half an entry, and a kill in the middle of removing must not leave one in place.
#[test]
fn what_gc_removes_is_first_moved_away_whole() {
    let project = Project::new();
    project.run_with_rate("0.01");
    project.run("small.toml");
    let ended = project.pipeline(&["gc", "--json"]);
    let found: serde_json::Value =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:#?}"));
    let waste = found["waste"].as_array().expect("a list");
    let mut paths: Vec<PathBuf> = waste
        .iter()
        .map(|waste| project.root().join(waste["path"].as_str().expect("a path")))
        .collect();
    let log =
        logged(&mut project.command(&["gc", "--apply"]), &project.root().join("writes.jsonl"));
    let mut moved: Vec<PathBuf> =
        log.into_iter().filter(|line| line.what == "moved").map(|line| line.path).collect();
    paths.sort();
    moved.sort();
    assert!(paths.len() >= 3, "{paths:?}");
    assert_eq!(moved, paths);
}
