//! What dead processes leave, and what living ones keep.

use std::fs;

use crate::engine::store::claim::claimed;
use crate::engine::store::test_support::*;
use crate::engine::store::{Claim, clean};

#[test]
fn what_a_dead_process_left_is_removed() {
    let case = Case::new();
    let builder = case.builder(&fingerprint("copy", "a"), &[("x", "1")]);
    // A kill: no destructor runs, but the kernel closes the files. Here only the lock is given up.
    let folder = builder.folder().parent().expect("inside").to_owned();
    std::mem::forget(builder);
    let lock = folder.with_added_extension("lock");
    fs::remove_file(&lock).expect("ours");
    fs::write(&lock, "").expect("ours");
    clean(&case.again()).expect("writable");
    assert_eq!(case.temporary(), [""; 0]);
}

#[test]
fn a_folder_without_a_lock_is_removed() {
    let case = Case::new();
    fs::create_dir_all(case.store.temporary().join("abc-1/entry")).expect("ours");
    clean(&case.store).expect("writable");
    assert_eq!(case.temporary(), [""; 0]);
}

#[test]
fn what_a_living_process_works_on_stays() {
    let case = Case::new();
    let builder = case.builder(&fingerprint("copy", "a"), &[("x", "1")]);
    clean(&case.again()).expect("writable");
    assert!(builder.folder().join("x").exists());
}

#[test]
fn damaged_entries_stay_to_be_looked_at() {
    let case = Case::new();
    let entry = case.entry();
    let lock = case.store.try_lock(&entry.key()).expect("writable").expect("free");
    let moved = case.store.set_aside(&entry.key(), &lock).expect("writable").expect("was there");
    drop(lock);
    clean(&case.store).expect("writable");
    assert!(moved.exists());
}

#[test]
fn a_claim_names_its_keys_as_long_as_it_lives() {
    let case = Case::new();
    let key = fingerprint("copy", "a").key();
    let claim = Claim::of(&case.store, [key]).expect("writable");
    assert_eq!(claimed(&case.again()).expect("readable"), [key]);
    drop(claim);
    assert_eq!(claimed(&case.again()).expect("readable"), []);
}

#[test]
fn builders_and_cleaners_never_disturb_each_other() {
    let case = Case::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let case = &case;
            scope.spawn(move || {
                for round in 0..20 {
                    case.commit(&fingerprint("copy", &format!("{thread} {round}")), &[("x", "1")])
                        .expect("committed");
                }
            });
            scope.spawn(move || {
                for _ in 0..200 {
                    clean(&case.again()).expect("writable");
                }
            });
        }
    });
    assert_eq!(case.store.keys().expect("readable").len(), 80);
    assert_eq!(case.temporary(), [""; 0]);
}
