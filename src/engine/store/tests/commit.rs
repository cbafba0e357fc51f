//! How an entry comes into place.

use std::fs;

use crate::engine::store::test_support::*;
use crate::engine::store::*;

#[test]
fn a_committed_entry_is_found_by_its_key() {
    let case = Case::new();
    let entry = case.entry();
    let found = case.again().get(&entry.key()).expect("readable").expect("there");
    assert_eq!(found.manifest(), entry.manifest());
}

#[test]
fn a_key_that_was_never_built_is_absent() {
    let case = Case::new();
    assert!(case.store.get(&fingerprint("copy", "a").key()).expect("readable").is_none());
}

#[test]
fn opening_and_asking_creates_nothing() {
    let case = Case::new();
    case.store.get(&fingerprint("copy", "a").key()).expect("readable");
    assert!(!case.store.outputs().exists());
}

#[test]
fn an_entry_lies_under_the_first_two_digits_of_its_key() {
    let case = Case::new();
    let entry = case.entry();
    let key = entry.key().to_string();
    assert_eq!(entry.folder(), case.store.outputs().join("store").join(&key[..2]).join(&key));
}

#[test]
fn files_in_the_store_are_read_only() {
    let case = Case::new();
    let entry = case.entry();
    assert!(
        contents(entry.folder())
            .keys()
            .all(|path| fs::metadata(path).expect("there").permissions().readonly())
    );
}

#[test]
fn a_commit_leaves_nothing_temporary() {
    let case = Case::new();
    case.entry();
    assert_eq!(case.temporary(), [""; 0]);
}

#[test]
fn a_dropped_builder_leaves_nothing() {
    let case = Case::new();
    drop(case.builder(&fingerprint("copy", "a"), &[("words.txt", "one")]));
    assert_eq!(case.temporary(), [""; 0]);
}

#[test]
fn volatile_files_are_digested_but_are_not_content() {
    let case = Case::new();
    let one = case
        .commit(&fingerprint("copy", "a"), &[("x", "1"), ("timing.csv", "1")])
        .expect("committed")
        .entry;
    let two = case
        .commit(&fingerprint("copy", "b"), &[("x", "1"), ("timing.csv", "2")])
        .expect("committed")
        .entry;
    assert_eq!(one.content(), two.content());
    assert_ne!(one.manifest().files, two.manifest().files);
}

#[test]
fn the_second_of_two_builders_finds_the_first_ones_entry() {
    let case = Case::new();
    let parts = fingerprint("copy", "a");
    let first = case.builder(&parts, &[("x", "first")]);
    let second = case.builder(&parts, &[("x", "second")]);
    assert!(first.commit(record(parts.clone())).expect("committed").placed);
    let found = second.commit(record(parts)).expect("committed");
    assert!(!found.placed);
    assert_eq!(fs::read_to_string(found.entry.folder().join("x")).expect("readable"), "first");
}

#[test]
fn an_entry_found_damaged_by_the_second_builder_gives_way() {
    let case = Case::new();
    let parts = fingerprint("copy", "a");
    let first = case.commit(&parts, &[("x", "first")]).expect("committed").entry;
    flip(&first.folder().join("x"));
    let other = case.again();
    let builder = other.builder(&parts.key()).expect("writable");
    fs::write(builder.folder().join("x"), "first").expect("writable");
    assert!(builder.commit(record(parts)).expect("committed").placed);
    assert_eq!(fs::read_to_string(first.folder().join("x")).expect("readable"), "first");
}

#[test]
fn a_replacing_entry_takes_the_place_of_one_with_another_content() {
    let case = Case::new();
    let parts = fingerprint("copy", "a");
    case.commit(&parts, &[("x", "old")]).expect("committed");
    let replacing = Record { replace: true, ..record(parts.clone()) };
    let entry = case.builder(&parts, &[("x", "new")]).commit(replacing).expect("committed").entry;
    assert_eq!(fs::read_to_string(entry.folder().join("x")).expect("readable"), "new");
    assert_eq!(case.temporary(), [""; 0]);
}

#[test]
fn a_replacing_entry_with_the_same_content_is_dropped() {
    let case = Case::new();
    let parts = fingerprint("copy", "a");
    case.commit(&parts, &[("x", "same")]).expect("committed");
    let replacing = Record { replace: true, ..record(parts.clone()) };
    assert!(!case.builder(&parts, &[("x", "same")]).commit(replacing).expect("committed").placed);
}

#[test]
fn empty_folders_are_no_part_of_an_artifact() {
    let case = Case::new();
    let parts = fingerprint("copy", "a");
    let builder = case.builder(&parts, &[("x", "1")]);
    fs::create_dir_all(builder.folder().join("empty/deep")).expect("writable");
    let entry = builder.commit(record(parts)).expect("committed").entry;
    assert_eq!(names(entry.folder()), ["manifest.json", "x"]);
}

#[test]
fn a_link_in_an_artifact_is_refused() {
    let case = Case::new();
    let parts = fingerprint("copy", "a");
    let builder = case.builder(&parts, &[("x", "1")]);
    std::os::unix::fs::symlink("/etc/passwd", builder.folder().join("link")).expect("writable");
    assert!(matches!(builder.commit(record(parts)), Err(StoreError::Unfit { .. })));
}

#[test]
fn a_file_called_like_the_manifest_is_refused() {
    let case = Case::new();
    assert!(matches!(
        case.commit(&fingerprint("copy", "a"), &[(MANIFEST, "{}")]),
        Err(StoreError::Unfit { .. })
    ));
}

#[test]
fn a_store_that_vanishes_under_a_builder_is_an_error_and_leaves_no_entry() {
    let case = Case::new();
    let parts = fingerprint("copy", "a");
    let builder = case.builder(&parts, &[("x", "1")]);
    fs::remove_dir_all(case.store.outputs()).expect("ours");
    assert!(matches!(builder.commit(record(parts.clone())), Err(StoreError::Vanished { .. })));
    assert!(case.store.get(&parts.key()).expect("readable").is_none());
}

#[test]
fn outputs_that_are_a_file_are_refused() {
    let case = Case::new();
    fs::write(case.path().join("file"), "").expect("writable");
    assert!(matches!(Store::open(&case.path().join("file")), Err(StoreError::Io { .. })));
}

#[test]
fn a_key_is_locked_by_one_at_a_time() {
    let case = Case::new();
    let key = fingerprint("copy", "a").key();
    let lock = case.store.try_lock(&key).expect("writable");
    assert!(lock.is_some());
    assert!(case.again().try_lock(&key).expect("writable").is_none());
    drop(lock);
    assert!(case.again().try_lock(&key).expect("writable").is_some());
}
