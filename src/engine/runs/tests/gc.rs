//! What goes, and what stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use super::{key, node};
use crate::engine::plan::CacheKey;
use crate::engine::runs::gc::remove_all_but;
use crate::engine::runs::old::keys_of_latest_runs;
use crate::engine::runs::records::Records;
use crate::engine::runs::*;
use crate::engine::store::claim::{claimed, lock_against_gc};
use crate::engine::store::test_support::*;
use crate::engine::store::{Claim, Record, Store, verify};

const DAY: Duration = Duration::from_secs(86_400);

/// Three entries of 100 bytes, of which runs used `a` last, then `b`, then `c`.
struct Used {
    case: Case,
}

fn later(days: u32) -> SystemTime {
    SystemTime::now() + days * DAY
}

/// Collects whatever runs need, all but `keep` and what is claimed.
fn gc(
    store: &Store,
    limits: Limits,
    keep: &BTreeSet<CacheKey>,
    now: SystemTime,
    apply: bool,
) -> Result<Collection, crate::engine::store::StoreError> {
    let kept = keep.iter().copied().chain(claimed(store)?).collect();
    remove_all_but(store, kept, &Records::read(store)?, limits, now, apply)
}

/// What the latest runs need after so many days.
fn latest(store: &Store, days: u32) -> BTreeSet<CacheKey> {
    keys_of_latest_runs(store, &Records::read(store).expect("readable"), later(days))
}

impl Used {
    fn new() -> Self {
        let case = Case::new();
        std::fs::write(case.path().join("tiny.toml"), "").expect("written");
        for text in ["a", "b", "c"] {
            case.commit(&fingerprint("copy", text), &[("x", &text.repeat(100))])
                .expect("committed");
        }
        let used = Self { case };
        for (days, text) in [(10, "c"), (20, "b"), (30, "a")] {
            used.run(days, text);
        }
        used
    }

    fn run(&self, days: u32, text: &str) {
        self.run_to(days, text, NodeStatus::Cached, None);
    }

    fn run_to(&self, days: u32, text: &str, outcome: NodeStatus, warm_start: Option<CacheKey>) {
        self.run_changed(days, text, outcome, warm_start, &[]);
    }

    /// * `set`: what the command line changed
    fn run_changed(
        &self,
        days: u32,
        text: &str,
        outcome: NodeStatus,
        warm_start: Option<CacheKey>,
        set: &[&str],
    ) {
        let set = set.iter().map(|set| (*set).to_owned()).collect();
        let asked = Asked { overrides: Changes { set, ..Changes::default() }, ..Asked::default() };
        let node = RunNode { warm_start, ..node("corpus", text, outcome) };
        let record = self.begin(later(days), &asked);
        record.finish(RunStatus::Done, 0, 1, vec![node], |_| None).expect("writable");
    }

    fn begin(&self, started: SystemTime, asked: &Asked) -> RunRecord<'_> {
        let started = jiff::Timestamp::try_from(started).expect("in range");
        let (experiment, file) = ("tiny", self.case.path().join("tiny.toml"));
        let new = NewRun { experiment, file: &file, resolved: "", started, asked };
        RunRecord::begin(&self.case.store, &new).expect("writable")
    }

    /// Which entries go, the first to go first.
    fn gone(&self, limits: Limits, keep: &[&str], apply: bool) -> Vec<&'static str> {
        let keep: BTreeSet<CacheKey> = keep.iter().map(|text| key(text)).collect();
        let collection = gc(&self.case.again(), limits, &keep, later(31), apply).expect("writable");
        Self::names(collection)
    }

    /// Which entries go that no run needs.
    fn unneeded(&self, keep: &[&str]) -> Vec<&'static str> {
        let keep: BTreeSet<String> = keep.iter().map(|run| (*run).to_owned()).collect();
        Self::names(
            collect(&self.case.again(), Limits::default(), &keep, later(31), false)
                .expect("readable"),
        )
    }

    fn ids(&self) -> Vec<String> {
        list_runs(&self.case.store).expect("readable").into_iter().map(|run| run.id).collect()
    }

    fn names(collection: Collection) -> Vec<&'static str> {
        let name = |waste: Waste| {
            ["a", "b", "c"]
                .into_iter()
                .find(|text| Some(key(text)) == waste.key)
                .expect("one of them")
        };
        collection.waste.into_iter().map(name).collect()
    }

    fn there(&self) -> Vec<&'static str> {
        ["a", "b", "c"]
            .into_iter()
            .filter(|text| self.case.again().get(&key(text)).expect("readable").is_some())
            .collect()
    }
}

#[test]
fn without_limits_everything_goes_that_is_not_kept() {
    assert_eq!(Used::new().gone(Limits::default(), &["b"], false), ["c", "a"]);
}

#[test]
fn what_was_not_used_for_long_goes() {
    assert_eq!(
        Used::new().gone(Limits { unused_for: Some(15 * DAY), budget: None }, &[], false),
        ["c"]
    );
}

#[test]
fn the_least_recently_used_goes_until_the_rest_fits() {
    assert_eq!(
        Used::new().gone(Limits { unused_for: None, budget: Some(150) }, &[], false),
        ["c", "b"]
    );
}

#[test]
fn what_is_kept_counts_in_the_budget() {
    assert_eq!(
        Used::new().gone(Limits { unused_for: None, budget: Some(150) }, &["c"], false),
        ["b", "a"]
    );
}

#[test]
fn a_look_removes_nothing() {
    let used = Used::new();
    used.gone(Limits::default(), &[], false);
    assert_eq!(used.there(), ["a", "b", "c"]);
}

#[test]
fn applied_it_removes_what_it_named() {
    let used = Used::new();
    used.gone(Limits { unused_for: None, budget: Some(150) }, &[], true);
    assert_eq!(used.there(), ["a"]);
    assert_eq!(used.case.temporary(), [""; 0]);
}

#[test]
fn what_a_living_run_has_claimed_stays() {
    let used = Used::new();
    let _claim = Claim::of(&used.case.store, [key("b")]).expect("writable");
    used.gone(Limits::default(), &[], true);
    assert_eq!(used.there(), ["b"]);
}

#[test]
fn a_run_that_begins_waits_until_a_gc_has_finished() {
    let used = Used::new();
    let begun = AtomicBool::new(false);
    let removing = lock_against_gc(&used.case.again(), true).expect("free");
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let claim = Claim::of(&used.case.again(), [key("b")]).expect("writable");
            begun.store(true, Ordering::SeqCst);
            claim
        });
        std::thread::sleep(Duration::from_millis(50));
        let waits = !begun.load(Ordering::SeqCst);
        drop(removing);
        assert!(waits && run.join().expect("no panic").is_some());
    });
}

#[test]
fn what_someone_is_building_stays() {
    let used = Used::new();
    let _lock = used.case.store.try_lock(&key("b")).expect("writable").expect("free");
    used.gone(Limits::default(), &[], true);
    assert_eq!(used.there(), ["b"]);
}

#[test]
fn the_files_of_an_alias_that_is_kept_stay() {
    let case = Case::new();
    let first = case.commit(&fingerprint("copy", "a"), &[("x", "same")]).expect("committed").entry;
    let second = case.commit(&fingerprint("copy", "b"), &[("x", "same")]).expect("committed").entry;
    let parts = with_input("count", first.key());
    case.builder(&parts, &[("n", "1")])
        .commit(Record { inputs: from_input(&first), ..record(parts.clone()) })
        .expect("committed");
    let alias = case
        .store
        .reuse(&with_input("count", second.key()), &from_input(&second), &BTreeMap::new())
        .expect("writable")
        .expect("found");
    gc(&case.store, Limits::default(), &BTreeSet::from([alias.key()]), later(1), true)
        .expect("writable");
    assert_eq!(
        case.store.keys().expect("readable"),
        BTreeSet::from([alias.key(), parts.key()]).into_iter().collect::<Vec<_>>()
    );
    assert!(case.again().get(&alias.key()).expect("readable").is_some());
}

#[test]
fn it_says_who_used_an_entry() {
    let used = Used::new();
    let collection = gc(&used.case.store, Limits::default(), &BTreeSet::new(), later(31), false)
        .expect("readable");
    assert!(
        collection
            .waste
            .iter()
            .all(|waste| waste.used_by == BTreeSet::from(["tiny/corpus".to_owned()]))
    );
    assert_eq!((collection.bytes(), collection.kept_bytes), (300, 0));
}

#[test]
fn the_latest_run_of_each_file_needs_its_keys() {
    assert_eq!(latest(&Used::new().case.store, 31), BTreeSet::from([key("a")]));
}

#[test]
fn what_the_command_line_changed_is_kept_for_a_month_and_then_its_record_can_go() {
    let used = Used::new();
    used.run_changed(5, "b", NodeStatus::Cached, None, &["corpus.samples=1"]);
    let keys = |days| latest(&used.case.store, days);
    assert_eq!([keys(31), keys(36)], [[key("a"), key("b")].into(), [key("a")].into()]);
    let old = |days| {
        let found = collect_runs(&used.case.store, None, &BTreeSet::new(), later(days), false);
        found.expect("readable").runs.into_iter().map(|run| run.overrides.set).collect::<Vec<_>>()
    };
    let changed = vec!["corpus.samples=1".to_owned()];
    assert!(!old(31).contains(&changed) && old(36).contains(&changed));
}

#[test]
fn a_file_that_is_gone_needs_nothing() {
    let used = Used::new();
    std::fs::remove_file(used.case.path().join("tiny.toml")).expect("removed");
    assert_eq!(latest(&used.case.store, 31), BTreeSet::new());
}

#[test]
fn damaged_entries_go() {
    let case = Case::new();
    let entry = case.entry();
    let lock = case.store.try_lock(&entry.key()).expect("writable").expect("free");
    case.store.set_aside(&entry.key(), &lock).expect("writable");
    drop(lock);
    gc(&case.store, Limits::default(), &BTreeSet::new(), later(1), true).expect("writable");
    assert_eq!(case.temporary(), [""; 0]);
}

#[test]
fn it_says_which_run_used_an_entry_last() {
    let used = Used::new();
    used.run(31, "c");
    let ids = used.ids();
    let collection = gc(&used.case.store, Limits::default(), &BTreeSet::new(), later(31), false)
        .expect("readable");
    let last: Vec<Option<String>> =
        collection.waste.into_iter().map(|waste| waste.last_run).collect();
    assert_eq!(last, [Some(ids[1].clone()), Some(ids[2].clone()), Some(ids[3].clone())]);
}

#[test]
fn what_the_latest_run_needs_is_not_collected() {
    assert_eq!(Used::new().unneeded(&[]), ["c", "b"]);
}

#[test]
fn what_a_named_or_pinned_run_needs_is_not_collected() {
    let used = Used::new();
    let ids = used.ids();
    assert_eq!(used.unneeded(&[&ids[0]]), ["b"]);
    std::fs::write(used.case.store.outputs().join("runs").join(&ids[1]).join("pinned"), "")
        .expect("writable");
    assert_eq!(used.unneeded(&[]), ["c"]);
}

#[test]
fn a_run_that_failed_does_not_take_the_place_of_the_last_good_one() {
    let used = Used::new();
    used.run_to(31, "b", NodeStatus::Failed, None);
    assert_eq!(used.unneeded(&[]), ["c"]);
}

/// Puts a checkpoint into the folder of a key.
fn checkpoint(case: &Case, key: &CacheKey) {
    let folder = case.store.saved_state(key);
    std::fs::create_dir_all(&folder).expect("writable");
    std::fs::write(folder.join("step-1"), "12345").expect("writable");
}

fn saved_states(case: &Case) -> Vec<CacheKey> {
    let mut keys = case.store.saved_states();
    keys.sort_unstable();
    keys
}

#[test]
fn what_work_that_was_given_up_has_saved_goes_and_says_how_large_it_is() {
    let used = Used::new();
    checkpoint(&used.case, &key("given up"));
    let collection =
        collect(&used.case.store, Limits::default(), &BTreeSet::new(), later(31), true)
            .expect("writable");
    let waste =
        collection.waste.iter().find(|waste| waste.what == WasteOf::SavedState).expect("they go");
    assert_eq!((waste.key, waste.bytes), (Some(key("given up")), 5));
    assert_eq!(saved_states(&used.case), []);
}

#[test]
fn young_saved_states_stay_where_there_is_an_age() {
    let used = Used::new();
    checkpoint(&used.case, &key("given up"));
    let limits = Limits { unused_for: Some(15 * DAY), budget: None };
    collect(&used.case.store, limits, &BTreeSet::new(), later(10), true).expect("writable");
    assert_eq!(saved_states(&used.case), [key("given up")]);
}

#[test]
fn what_a_killed_run_had_begun_stays() {
    let used = Used::new();
    let begun = key("unfinished");
    checkpoint(&used.case, &begun);
    let record = used.begin(SystemTime::now(), &Asked::default());
    record.event(&serde_json::json!({"event": "run_started", "nodes": 1}));
    record.event(&serde_json::json!({"event": "stage_started", "stage": "train", "kind": "copy", "key": begun}));
    drop(record);
    collect(&used.case.store, Limits::default(), &BTreeSet::new(), later(31), true)
        .expect("writable");
    assert_eq!(saved_states(&used.case), [begun]);
}

#[test]
fn the_state_that_the_latest_run_left_stays_and_that_of_an_earlier_one_goes() {
    let used = Used::new();
    let (early, late) = (key("early"), key("late"));
    used.run_to(31, "b", NodeStatus::Built, Some(early));
    used.run_to(32, "a", NodeStatus::Built, Some(late));
    checkpoint(&used.case, &early);
    checkpoint(&used.case, &late);
    collect(&used.case.store, Limits::default(), &BTreeSet::new(), later(33), true)
        .expect("writable");
    assert_eq!(saved_states(&used.case), [late]);
}

#[test]
fn saved_states_count_in_the_budget() {
    let used = Used::new();
    checkpoint(&used.case, &key("given up"));
    let limits = Limits { unused_for: None, budget: Some(304) };
    let collection =
        gc(&used.case.store, limits, &BTreeSet::new(), later(31), false).expect("readable");
    // Written just now, and so before any of the runs.
    assert_eq!(
        collection.waste.iter().map(|waste| waste.what).collect::<Vec<_>>(),
        [WasteOf::SavedState]
    );
    assert_eq!(collection.kept_bytes, 300);
}

#[test]
fn what_somebody_put_into_the_store_stays_and_links_are_not_followed() {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    let case = Case::new();
    let entry = case.entry();
    let elsewhere = case.path().join("elsewhere");
    fs::create_dir_all(elsewhere.join("deep")).expect("ours");
    fs::write(elsewhere.join("deep/a"), "precious").expect("ours");
    let store = case.store.outputs().join("store");
    let prefix = entry.folder().parent().expect("inside").to_owned();
    for folder in
        [store.join("notes"), store.join("zz"), store.join("lost+found"), prefix.join("stray")]
    {
        fs::create_dir_all(&folder).expect("writable");
        fs::write(folder.join("a"), "x").expect("writable");
    }
    fs::set_permissions(store.join("lost+found"), fs::Permissions::from_mode(0o000)).expect("ours");
    let linked = if prefix.ends_with("0f") { "f0" } else { "0f" };
    let content = case.store.cache().join("content");
    fs::create_dir_all(content.join("ab")).expect("writable");
    for link in [
        store.join("link"),
        store.join(linked),
        prefix.join("link"),
        prefix.join("stray/link"),
        content.join("link"),
        content.join("0f"),
    ] {
        symlink(&elsewhere, link).expect("writable");
    }
    fs::write(content.join("ab/mine"), "x").expect("writable");
    let findings = verify(&case.again(), &|_| {}).expect("readable").findings;
    let named: Vec<&str> = findings.iter().map(|finding| finding.entry.as_str()).collect();
    let prefix_name = prefix.file_name().and_then(|name| name.to_str()).expect("two digits");
    let mut expected =
        vec![linked.to_owned(), format!("{prefix_name}/link"), format!("{prefix_name}/stray")];
    expected.sort_unstable();
    assert_eq!(named, expected);
    collect(&case.again(), Limits::default(), &BTreeSet::from([]), later(31), true)
        .expect("readable");
    fs::set_permissions(store.join("lost+found"), fs::Permissions::from_mode(0o755)).expect("ours");
    assert_eq!(fs::read_to_string(elsewhere.join("deep/a")).expect("there"), "precious");
    assert!(["notes/a", "zz/a", "lost+found/a"].iter().all(|name| store.join(name).exists()));
    assert!(
        store.join("link").is_symlink()
            && store.join(linked).is_symlink()
            && content.join("ab/mine").exists()
    );
    assert!(!prefix.join("stray").exists() && !prefix.join("link").is_symlink());
}

#[test]
fn a_linked_folder_of_unfinished_work_is_left_alone() {
    let used = Used::new();
    let elsewhere = used.case.path().join("elsewhere");
    std::fs::create_dir_all(elsewhere.join("damaged-mine")).expect("ours");
    std::fs::create_dir_all(elsewhere.join("work")).expect("ours");
    let temporary = used.case.store.temporary();
    std::fs::remove_dir_all(&temporary).expect("ours");
    std::os::unix::fs::symlink(&elsewhere, &temporary).expect("writable");
    collect(&used.case.again(), Limits::default(), &BTreeSet::new(), later(31), true)
        .expect("writable");
    assert_eq!(names(&elsewhere), ["damaged-mine", "work"]);
}

#[test]
fn the_index_of_contents_forgets_what_was_removed() {
    let case = Case::new();
    let first = case.commit(&fingerprint("copy", "a"), &[("x", "same")]).expect("committed").entry;
    let parts = with_input("count", first.key());
    case.builder(&parts, &[("n", "1")])
        .commit(Record { inputs: from_input(&first), ..record(parts.clone()) })
        .expect("committed");
    let index = || contents(&case.store.cache().join("content")).len();
    assert_eq!(index(), 1);
    gc(&case.store, Limits::default(), &BTreeSet::from([parts.key()]), later(1), true)
        .expect("writable");
    assert_eq!(index(), 1);
    gc(&case.store, Limits::default(), &BTreeSet::new(), later(1), true).expect("writable");
    assert_eq!(index(), 0);
}

#[test]
fn the_records_of_living_runs_stay() {
    let used = Used::new();
    let living = used.begin(later(5), &Asked::default());
    let old = || -> Vec<String> {
        let found = collect_runs(&used.case.store, None, &BTreeSet::new(), later(31), true);
        found.expect("writable").runs.into_iter().map(|run| run.id).collect()
    };
    let id = living.id().to_owned();
    assert!(!old().contains(&id) && living.folder().exists());
    drop(living);
    assert_eq!(old(), [id]);
}
