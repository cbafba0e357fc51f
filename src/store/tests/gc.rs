//! What goes, and what stays.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use crate::plan::CacheKey;
use crate::store::test_support::*;
use crate::store::*;

const DAY: Duration = Duration::from_secs(86_400);

/// Three entries of 100 bytes, of which runs used `a` last, then `b`, then `c`.
struct Used {
    case: Case,
}

fn key(text: &str) -> CacheKey {
    fingerprint("copy", text).key()
}

fn later(days: u32) -> SystemTime {
    SystemTime::now() + days * DAY
}

impl Used {
    fn new() -> Self {
        let case = Case::new();
        for text in ["a", "b", "c"] {
            case.commit(&fingerprint("copy", text), &[("x", &text.repeat(100))]).expect("committed");
        }
        let used = Self { case };
        for (days, text) in [(10, "c"), (20, "b"), (30, "a")] {
            used.run(days, text);
        }
        used
    }

    fn run(&self, days: u32, text: &str) {
        let started = jiff::Timestamp::try_from(later(days)).expect("in range");
        let new = NewRun { experiment: "tiny", file: &self.case.path().join("tiny.toml"), resolved: "", started };
        let node = RunNode {
            stage: "corpus".into(),
            label: String::new(),
            kind: "copy".into(),
            key: Some(key(text)),
            outcome: "cached".into(),
            elapsed_ms: None,
            error: None,
            earlier_errors: Vec::new(),
            lineage: None,
        };
        let record = self.case.store.begin_run(&new).expect("writable");
        record.finish(RunStatus::Done, 0, 1, vec![node], |_| None).expect("writable");
    }

    /// Which entries go, the first to go first.
    fn gone(&self, limits: Limits, keep: &[&str], apply: bool) -> Vec<&'static str> {
        let keep: BTreeSet<CacheKey> = keep.iter().map(|text| key(text)).collect();
        let collection = self.case.again().gc(limits, &keep, later(31), apply).expect("writable");
        let name = |waste: Waste| ["a", "b", "c"].into_iter().find(|text| Some(key(text)) == waste.key).expect("one of them");
        collection.waste.into_iter().map(name).collect()
    }

    fn there(&self) -> Vec<&'static str> {
        ["a", "b", "c"].into_iter().filter(|text| self.case.again().get(&key(text)).expect("readable").is_some()).collect()
    }
}

#[test]
fn without_limits_everything_goes_that_is_not_kept() {
    assert_eq!(Used::new().gone(Limits::default(), &["b"], false), ["c", "a"]);
}

#[test]
fn what_was_not_used_for_long_goes() {
    assert_eq!(Used::new().gone(Limits { unused_for: Some(15 * DAY), budget: None }, &[], false), ["c"]);
}

#[test]
fn the_least_recently_used_goes_until_the_rest_fits() {
    assert_eq!(Used::new().gone(Limits { unused_for: None, budget: Some(150) }, &[], false), ["c", "b"]);
}

#[test]
fn what_is_kept_counts_in_the_budget() {
    assert_eq!(Used::new().gone(Limits { unused_for: None, budget: Some(150) }, &["c"], false), ["b", "a"]);
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
    let _claim = used.case.store.claim([key("b")]).expect("writable");
    used.gone(Limits::default(), &[], true);
    assert_eq!(used.there(), ["b"]);
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
    case.builder(&parts, &[("n", "1")]).commit(Record { inputs: from_input(&first), ..record(parts.clone()) }).expect("committed");
    let alias = case.store.reuse(&with_input("count", second.key()), &from_input(&second)).expect("writable").expect("found");
    case.store.gc(Limits::default(), &BTreeSet::from([alias.key()]), later(1), true).expect("writable");
    assert_eq!(case.store.keys().expect("readable"), BTreeSet::from([alias.key(), parts.key()]).into_iter().collect::<Vec<_>>());
    assert!(case.again().get(&alias.key()).expect("readable").is_some());
}

#[test]
fn it_says_who_used_an_entry() {
    let used = Used::new();
    let collection = used.case.store.gc(Limits::default(), &BTreeSet::new(), later(31), false).expect("readable");
    assert!(collection.waste.iter().all(|waste| waste.used_by == BTreeSet::from(["tiny/corpus".to_owned()])));
    assert_eq!((collection.bytes(), collection.kept_bytes), (300, 0));
}

#[test]
fn the_latest_run_of_each_file_needs_its_keys() {
    assert_eq!(Used::new().case.store.keys_of_latest_runs().expect("readable"), BTreeSet::from([key("a")]));
}

#[test]
fn damaged_entries_go() {
    let case = Case::new();
    let entry = case.entry();
    let lock = case.store.try_lock(&entry.key()).expect("writable").expect("free");
    case.store.set_aside(&entry.key(), &lock).expect("writable");
    drop(lock);
    case.store.gc(Limits::default(), &BTreeSet::new(), later(1), true).expect("writable");
    assert_eq!(case.temporary(), [""; 0]);
}
