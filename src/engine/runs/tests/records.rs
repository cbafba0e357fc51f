//! Records of runs, and what a forecast asks of them.

use std::path::{Path, PathBuf};

use super::{key, node};
use crate::engine::plan::{CacheKey, Lookup};
use crate::engine::runs::*;
use crate::engine::store::Store;
use crate::engine::store::test_support::*;

fn file(case: &Case) -> PathBuf {
    case.path().join("experiments/tiny.toml")
}

fn begin<'a>(store: &'a Store, case: &Case, experiment: &str, second: i64) -> RunRecord<'a> {
    let started = jiff::Timestamp::from_second(1_795_000_000 + second).expect("in range");
    let (file, asked) = (file(case), Asked::default());
    let new = NewRun { experiment, file: &file, resolved: "version = 1\n", started, asked: &asked };
    RunRecord::begin(store, &new).expect("writable")
}

fn run(case: &Case, second: i64, nodes: Vec<RunNode>) -> RunFile {
    let store = case.again();
    let record = begin(&store, case, "tiny", second);
    let parts = |wanted: &CacheKey| {
        ["a", "b", "c"]
            .iter()
            .map(|text| fingerprint("copy", text))
            .find(|parts| parts.key() == *wanted)
    };
    record.finish(RunStatus::Done, 0, 12, nodes, parts).expect("writable")
}

#[test]
fn a_run_has_died_once_nobody_holds_its_lock() {
    let case = Case::new();
    let record = begin(&case.store, &case, "tiny", 0);
    let status = || list_runs(&case.store).expect("readable")[0].status;
    assert_eq!(status(), RunStatus::Running);
    drop(record);
    assert_eq!(status(), RunStatus::Died);
}

#[test]
fn the_next_run_writes_down_which_runs_have_died() {
    let case = Case::new();
    let record = run_folder_of_a_dead_process(&case);
    let written = || std::fs::read_to_string(record.join("run.json")).expect("readable");
    assert!(written().contains("running"), "{}", written());
    run(&case, 1, Vec::new());
    assert!(written().contains("died"), "{}", written());
    assert!(!record.join("run.lock").exists());
}

/// The folder of a record that was begun, with a lock that nobody holds.
fn run_folder_of_a_dead_process(case: &Case) -> PathBuf {
    let record = begin(&case.store, case, "dead", 0);
    let folder = case.store.outputs().join("runs").join(record.id());
    drop(record);
    std::fs::write(folder.join("run.lock"), "").expect("writable");
    folder
}

#[test]
fn a_record_holds_the_experiment_and_its_events() {
    let case = Case::new();
    let record = begin(&case.store, &case, "tiny", 0);
    record.event(&serde_json::json!({"event": "run_started"}));
    record.event(&serde_json::json!({"event": "run_finished"}));
    let read = |name: &str| std::fs::read_to_string(record.folder().join(name)).expect("readable");
    assert_eq!(read("experiment.toml"), "version = 1\n");
    assert_eq!(read("events.jsonl"), "{\"event\":\"run_started\"}\n{\"event\":\"run_finished\"}\n");
}

#[test]
fn a_finished_run_reads_back() {
    let case = Case::new();
    let finished = run(&case, 0, vec![node("corpus", "a", NodeStatus::Built)]);
    assert_eq!(list_runs(&case.store).expect("readable"), [finished]);
}

#[test]
fn two_runs_in_one_second_have_two_records() {
    let case = Case::new();
    run(&case, 0, vec![]);
    run(&case, 0, vec![]);
    assert_eq!(list_runs(&case.store).expect("readable").len(), 2);
}

#[test]
fn the_record_does_not_say_where_the_project_lies() {
    let case = Case::new();
    assert_eq!(run(&case, 0, vec![]).file, Path::new("experiments/tiny.toml"));
}

#[test]
fn the_latest_run_of_a_file_is_known() {
    let case = Case::new();
    run(&case, 0, vec![node("corpus", "a", NodeStatus::Built)]);
    run(&case, 1, vec![node("corpus", "b", NodeStatus::Built)]);
    assert_eq!(Known::of(&case.again()).latest_run(&file(&case), "corpus"), [key("b")]);
}

#[test]
fn the_latest_run_is_known_without_the_index() {
    let case = Case::new();
    run(&case, 0, vec![node("corpus", "a", NodeStatus::Built)]);
    run(&case, 1, vec![node("corpus", "b", NodeStatus::Built)]);
    std::fs::remove_dir_all(case.store.cache()).expect("ours");
    assert_eq!(Known::of(&case.again()).latest_run(&file(&case), "corpus"), [key("b")]);
}

#[test]
fn a_damaged_index_is_not_believed() {
    let case = Case::new();
    run(&case, 0, vec![node("corpus", "a", NodeStatus::Built)]);
    for path in contents(&case.store.cache()).keys() {
        flip(path);
    }
    assert_eq!(Known::of(&case.again()).latest_run(&file(&case), "corpus"), [key("a")]);
}

#[test]
fn a_run_of_one_stage_says_nothing_about_the_others() {
    let case = Case::new();
    run(
        &case,
        0,
        vec![node("corpus", "a", NodeStatus::Built), node("train", "b", NodeStatus::Built)],
    );
    run(&case, 1, vec![node("corpus", "c", NodeStatus::Built)]);
    assert_eq!(Known::of(&case.again()).latest_run(&file(&case), "train"), [key("b")]);
}

#[test]
fn a_failed_stage_came_to_nothing() {
    let case = Case::new();
    run(&case, 0, vec![node("corpus", "a", NodeStatus::Built)]);
    run(&case, 1, vec![node("corpus", "b", NodeStatus::Failed)]);
    assert_eq!(Known::of(&case.again()).latest_run(&file(&case), "corpus"), [key("a")]);
}

#[test]
fn the_parts_of_a_key_are_known_although_its_entry_is_gone() {
    let case = Case::new();
    run(&case, 0, vec![node("corpus", "a", NodeStatus::Built)]);
    let store = case.again();
    let known = Known::of(&store);
    known.latest_run(&file(&case), "corpus");
    assert_eq!(known.fingerprint(&key("a")), Some(fingerprint("copy", "a")));
}

#[test]
fn another_file_has_another_latest_run() {
    let case = Case::new();
    run(&case, 0, vec![node("corpus", "a", NodeStatus::Built)]);
    assert_eq!(Known::of(&case.again()).latest_run(&case.path().join("other.toml"), "corpus"), []);
}

#[test]
fn an_experiments_name_never_leaves_the_folder_of_records() {
    let case = Case::new();
    for name in ["../../x", "/etc", "..", "", "a/b", "\u{0}"] {
        let record = begin(&case.store, &case, name, 0);
        assert_eq!(
            record.folder().parent(),
            Some(case.store.outputs().join("runs").as_path()),
            "{name}"
        );
        assert!(!record.id().contains(['/', '\u{0}']), "{}", record.id());
    }
}

#[test]
fn entries_of_a_kind_are_listed() {
    let case = Case::new();
    let entry = case.entry();
    let store = case.again();
    let known = Known::of(&store);
    assert_eq!((known.nearest("copy"), known.nearest("other")), (vec![entry.key()], vec![]));
}

#[test]
fn of_earlier_results_the_one_most_alike_counts_that_is_there() {
    let case = Case::new();
    case.commit(&fingerprint("copy", "b"), &[("x", "b")]).expect("committed");
    let nodes = ["a", "b"].map(|text| node("corpus", text, NodeStatus::Built));
    run(&case, 0, nodes.to_vec());
    let store = case.again();
    let previous =
        |text: &str| Known::of(&store).previous(&file(&case), "corpus", &fingerprint("copy", text));
    assert_eq!(previous("c"), Some(store.entry_folder(&key("b"))));
    assert_eq!(previous("a"), None);
}

#[test]
fn who_made_a_result_is_told_from_record_to_record() {
    let case = Case::new();
    let made = RunNode { elapsed_ms: Some(7), ..node("corpus", "a", NodeStatus::Built) };
    let first = run(&case, 0, vec![made]);
    let found = |run: &str| {
        let mut nodes =
            [node("corpus", "a", NodeStatus::Cached), node("corpus", "b", NodeStatus::Cached)];
        note_built(&case.store, &mut nodes);
        let built = Built { run: run.to_owned(), elapsed_ms: 7 };
        assert_eq!(nodes.each_ref().map(|node| node.built.clone()), [Some(built), None]);
        nodes
    };
    run(&case, 1, found(&first.id).to_vec());
    std::fs::remove_dir_all(folder_of(&case.store, &first.id)).expect("removed");
    found(&first.id);
    let mut built_now = [node("corpus", "a", NodeStatus::Built)];
    note_built(&case.store, &mut built_now);
    assert_eq!(built_now[0].built, None);
}

#[test]
fn a_record_of_an_earlier_version_says_where_its_state_was_left() {
    let record = RunNode { warm_start: Some(key("a")), ..node("train", "b", NodeStatus::Built) };
    let text = serde_json::to_string(&record).expect("plain data");
    let earlier = text.replace("\"warm_start\"", "\"lineage\"");
    assert_ne!(text, earlier);
    assert_eq!(serde_json::from_str::<RunNode>(&earlier).expect("readable"), record);
}
