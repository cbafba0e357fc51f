//! Early cutoff: an entry under a second key.

use std::collections::BTreeMap;
use std::fs;

use crate::engine::plan::CacheKey;
use crate::engine::store::test_support::*;
use crate::engine::store::*;

/// Inputs are read as a whole.
const NONE: BTreeMap<String, String> = BTreeMap::new();

/// Two inputs with equal content under different keys, and an entry made from the first.
struct Cutoff {
    case: Case,
    second: Entry,
    made: Entry,
}

impl Cutoff {
    fn new() -> Self {
        let case = Case::new();
        let first =
            case.commit(&fingerprint("copy", "a"), &[("x", "same")]).expect("committed").entry;
        let second =
            case.commit(&fingerprint("copy", "b"), &[("x", "same")]).expect("committed").entry;
        let parts = with_input("count", first.key());
        let made = Record { inputs: from_input(&first), ..record(parts.clone()) };
        let made = case.builder(&parts, &[("n", "1")]).commit(made).expect("committed").entry;
        Self { case, second, made }
    }

    fn key(&self) -> CacheKey {
        with_input("count", self.second.key()).key()
    }

    fn reuse(&self, store: &Store) -> Option<Entry> {
        store
            .reuse(&with_input("count", self.second.key()), &from_input(&self.second), &NONE)
            .expect("writable")
    }
}

#[test]
fn an_entry_made_from_the_same_content_serves_for_another_key() {
    let cutoff = Cutoff::new();
    let entry = cutoff.reuse(&cutoff.case.again()).expect("found");
    assert_eq!((entry.key(), entry.folder()), (cutoff.key(), cutoff.made.folder()));
}

#[test]
fn an_alias_is_found_like_any_entry_and_holds_no_files() {
    let cutoff = Cutoff::new();
    cutoff.reuse(&cutoff.case.store);
    let found = cutoff.case.again().get(&cutoff.key()).expect("readable").expect("there");
    assert_eq!(found.folder(), cutoff.made.folder());
    let key = cutoff.key().to_string();
    assert_eq!(
        names(&cutoff.case.store.outputs().join("store").join(&key[..2]).join(&key)),
        [MANIFEST]
    );
}

#[test]
fn an_alias_keeps_the_parts_of_its_own_key() {
    let cutoff = Cutoff::new();
    let entry = cutoff.reuse(&cutoff.case.store).expect("found");
    assert_eq!(entry.manifest().fingerprint.key(), cutoff.key());
}

#[test]
fn other_content_is_not_reused() {
    let cutoff = Cutoff::new();
    let third =
        cutoff.case.commit(&fingerprint("copy", "c"), &[("x", "other")]).expect("committed").entry;
    assert!(
        cutoff
            .case
            .store
            .reuse(&with_input("count", third.key()), &from_input(&third), &NONE)
            .expect("writable")
            .is_none()
    );
}

/// An input of two files and a JSON file with two members, and what a reader of one each reads of it.
fn half_read(
    case: &Case,
    name: &str,
    [read, unread]: [&str; 2],
) -> (Entry, BTreeMap<String, String>) {
    let counts = format!("{{\"read\": \"{read}\", \"unread\": \"{unread}\"}}");
    let files = [("a", read), ("b", unread), ("counts.json", counts.as_str())];
    let entry = case.commit(&fingerprint("copy", name), &files).expect("committed").entry;
    let reduce = |counts: &mut serde_json::Value| {
        counts.as_object_mut().and_then(|counts| counts.remove("unread"));
    };
    let digest = entry.content_without(&["b".to_owned()], &[("counts.json", reduce)]);
    let read = BTreeMap::from([("from".to_owned(), digest.expect("readable"))]);
    (entry, read)
}

#[test]
fn what_is_not_read_of_an_input_may_be_another_and_what_is_read_may_not() {
    let case = Case::new();
    let (first, read) = half_read(&case, "a", ["1", "2"]);
    let parts = with_input("count", first.key());
    let record = Record { inputs: from_input(&first), read, ..record(parts.clone()) };
    let made = case.builder(&parts, &[("n", "1")]).commit(record).expect("committed").entry;
    let reuse = |store: &Store, name, parts| {
        let (input, read) = half_read(&case, name, parts);
        let reused = store.reuse(&with_input("count", input.key()), &from_input(&input), &read);
        reused.expect("writable").map(|entry| (entry, input))
    };
    assert!(reuse(&case.store, "b", ["other", "2"]).is_none());
    let (entry, input) = reuse(&case.store, "c", ["1", "other"]).expect("found");
    assert_eq!(entry.folder(), made.folder());
    // It counts as made from what is there now.
    assert_eq!(entry.manifest().inputs, from_input(&input));
    fs::remove_dir_all(case.store.cache()).expect("ours");
    assert!(reuse(&case.again(), "d", ["1", "another"]).is_some());
}

#[test]
fn the_index_is_rebuilt_when_the_cache_was_deleted() {
    let cutoff = Cutoff::new();
    fs::remove_dir_all(cutoff.case.store.cache()).expect("ours");
    assert!(cutoff.reuse(&cutoff.case.again()).is_some());
}

#[test]
fn an_index_that_lies_is_not_believed() {
    let cutoff = Cutoff::new();
    for path in contents(&cutoff.case.store.cache()).keys() {
        fs::write(path, format!("{}\n", cutoff.second.key())).expect("ours");
    }
    assert!(cutoff.reuse(&cutoff.case.again()).is_none());
}

#[test]
fn an_alias_whose_entry_is_gone_is_damage_and_gives_way() {
    let cutoff = Cutoff::new();
    cutoff.reuse(&cutoff.case.store);
    fs::remove_dir_all(cutoff.made.folder()).expect("ours");
    assert!(matches!(
        cutoff.case.again().state(&cutoff.key()).expect("readable"),
        State::Damaged(_)
    ));
    let parts = with_input("count", cutoff.second.key());
    assert!(cutoff.case.commit(&parts, &[("n", "1")]).expect("committed").placed);
    assert_eq!(cutoff.case.temporary(), [""; 0]);
}

#[test]
fn an_alias_whose_entry_was_replaced_is_damage() {
    let cutoff = Cutoff::new();
    cutoff.reuse(&cutoff.case.store);
    let parts = cutoff.made.manifest().fingerprint.clone();
    let replacing = Record { replace: true, ..record(parts.clone()) };
    cutoff.case.builder(&parts, &[("n", "2")]).commit(replacing).expect("committed");
    assert!(matches!(
        cutoff.case.again().state(&cutoff.key()).expect("readable"),
        State::Damaged(_)
    ));
}

#[test]
fn verifying_an_alias_reads_the_files_that_it_names() {
    let cutoff = Cutoff::new();
    let entry = cutoff.reuse(&cutoff.case.store).expect("found");
    flip(&cutoff.made.folder().join("n"));
    assert_ne!(cutoff.case.again().verify_once(&entry), []);
}

#[test]
fn what_strayed_into_the_folder_of_an_alias_goes_with_it_when_it_is_made_again() {
    let cutoff = Cutoff::new();
    cutoff.reuse(&cutoff.case.store);
    let store = cutoff.case.again();
    let folder = store.outputs().join("store").join(Store::place_of(&cutoff.key()));
    fs::write(folder.join("mine"), "x").expect("writable");
    assert_eq!(verify(&store, &|_| {}).expect("readable").findings.len(), 1);
    let parts = with_input("count", cutoff.second.key());
    let made_again =
        Record { inputs: from_input(&cutoff.second), replace: true, ..record(parts.clone()) };
    let builder = store.builder(&parts.key()).expect("writable");
    fs::write(builder.folder().join("n"), "1").expect("writable");
    assert!(builder.commit(made_again).expect("committed").placed);
    assert_eq!(verify(&store, &|_| {}).expect("readable").findings, []);
    let aside = cutoff.case.temporary();
    assert!(aside.len() == 1 && aside[0].starts_with("damaged-"), "{aside:?}");
}

#[test]
fn a_store_with_an_alias_is_sound() {
    let cutoff = Cutoff::new();
    cutoff.reuse(&cutoff.case.store);
    let verification = verify(&cutoff.case.again(), &|_| {}).expect("readable");
    assert_eq!((verification.entries, verification.findings), (4, vec![]));
}
