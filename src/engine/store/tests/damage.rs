//! What is found when an entry is not what its manifest says.

use std::fs;

use crate::engine::store::test_support::*;
use crate::engine::store::*;

/// What `verify` says of a store in which something was done to an entry's folder.
fn findings(damage: impl FnOnce(&Entry)) -> Vec<String> {
    let case = Case::new();
    let entry = case.entry();
    damage(&entry);
    let place = Store::place_of(&entry.key());
    let verification = verify(&case.again(), &|_| {}).expect("readable");
    verification
        .findings
        .iter()
        .map(|finding| finding.to_string().replace(&place, "entry"))
        .collect()
}

#[test]
fn a_sound_store_has_no_findings() {
    let case = Case::new();
    case.entry();
    let verification = verify(&case.again(), &|_| {}).expect("readable");
    assert_eq!(verification, Verification { entries: 1, files: 3, bytes: 18, findings: vec![] });
}

#[test]
fn every_flipped_bit_of_every_file_is_found() {
    let case = Case::new();
    let entry = case.entry();
    let mut flipped = 0;
    for (path, good) in contents(entry.folder()) {
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            overwrite(&path, &bad);
            let other = case.again();
            assert_ne!(other.verify_entry(&entry), [], "byte {at} of {}", path.display());
            if at % 16 == 0 {
                assert_ne!(
                    verify(&other, &|_| {}).expect("readable").findings,
                    [],
                    "byte {at} of {}",
                    path.display()
                );
            }
            flipped += 1;
        }
        overwrite(&path, &good);
    }
    assert!(flipped > 500, "{flipped}");
}

#[test]
fn a_changed_file_is_named_with_both_digests() {
    let found = findings(|entry| flip(&entry.folder().join("words.txt")));
    let good = &blake3::hash(b"one two").to_hex()[..10];
    assert!(
        found.len() == 1
            && found[0].starts_with(&format!("entry/words.txt: expected digest {good}, found ")),
        "{found:?}"
    );
}

#[test]
fn a_manifest_that_is_too_large_is_damage_and_not_read() {
    let found = findings(|entry| {
        let path = entry.folder().join(MANIFEST);
        overwrite(&path, b"{");
        fs::File::options()
            .write(true)
            .open(path)
            .and_then(|file| file.set_len((64 << 20) + 1))
            .expect("ours");
    });
    assert_eq!(found, ["entry/manifest.json: it is too large"]);
}

#[test]
fn what_was_set_aside_is_not_remembered_as_read() {
    let case = Case::new();
    let entry = case.entry();
    assert_eq!(case.store.verify_once(&entry), []);
    let lock = case.store.try_lock(&entry.key()).expect("writable").expect("free");
    let moved = case.store.set_aside(&entry.key(), &lock).expect("writable").expect("was there");
    // Somebody puts another one there, and it is damaged.
    fs::rename(&moved, entry.folder()).expect("ours");
    flip(&entry.folder().join("words.txt"));
    assert_ne!(case.store.verify_once(&entry), []);
}

#[test]
fn a_shortened_file_is_found() {
    assert_eq!(
        findings(|entry| overwrite(&entry.folder().join("words.txt"), b"one")),
        ["entry/words.txt: expected 7 bytes, found 3"]
    );
}

#[test]
fn a_missing_file_is_found() {
    assert_eq!(
        findings(|entry| fs::remove_file(entry.folder().join("model/weights")).expect("ours")),
        ["entry/model/weights: missing"]
    );
}

#[test]
fn a_missing_manifest_is_found() {
    assert_eq!(
        findings(|entry| fs::remove_file(entry.folder().join(MANIFEST)).expect("ours")),
        ["entry/manifest.json: missing"]
    );
}

#[test]
fn a_file_that_does_not_belong_is_found() {
    assert_eq!(
        findings(|entry| fs::write(entry.folder().join("model/more"), "").expect("ours")),
        ["entry/model/more: not part of the entry"]
    );
}

#[test]
fn a_file_turned_into_a_link_is_found() {
    let found = findings(|entry| {
        let path = entry.folder().join("words.txt");
        fs::rename(
            &path,
            entry.folder().parent().expect("inside").parent().expect("inside").join("kept"),
        )
        .expect("ours");
        std::os::unix::fs::symlink("../../kept", &path).expect("ours");
    });
    assert_eq!(found, ["entry/words.txt: unreadable: it is not a file"]);
}

#[test]
fn an_entry_under_another_entrys_name_is_found() {
    let found = findings(|entry| {
        let other = entry.folder().parent().expect("inside").join(format!(
            "{}{}",
            &entry.key().to_string()[..2],
            "0".repeat(62)
        ));
        fs::rename(entry.folder(), other).expect("ours");
    });
    assert!(
        found.len() == 1 && found[0].ends_with("manifest.json: it belongs to another key"),
        "{found:?}"
    );
}

#[test]
fn a_folder_that_is_no_entry_is_found() {
    let found = findings(|entry| {
        fs::create_dir(entry.folder().parent().expect("inside").join("x")).expect("ours")
    });
    assert!(found.len() == 1 && found[0].ends_with("/x: no entry has this name"), "{found:?}");
}

#[test]
fn verify_changes_nothing() {
    let case = Case::new();
    flip(&case.entry().folder().join("words.txt"));
    let before = contents(case.store.outputs());
    verify(&case.again(), &|_| {}).expect("readable");
    assert_eq!(contents(case.store.outputs()), before);
}

#[test]
fn a_lookup_reads_no_contents() {
    let case = Case::new();
    let entry = case.entry();
    flip(&entry.folder().join("words.txt"));
    assert!(case.again().get(&entry.key()).expect("readable").is_some());
}

#[test]
fn a_lookup_sees_sizes() {
    let case = Case::new();
    let entry = case.entry();
    overwrite(&entry.folder().join("words.txt"), b"one");
    assert!(
        matches!(case.again().state(&entry.key()).expect("readable"), State::Damaged(findings) if findings.len() == 1)
    );
}

#[test]
fn contents_are_read_once_in_a_process() {
    let case = Case::new();
    let entry = case.entry();
    let other = case.again();
    assert_eq!(other.verify_once(&entry), []);
    flip(&entry.folder().join("words.txt"));
    assert_eq!(other.verify_once(&entry), []);
    assert_ne!(other.verify_again(&entry), []);
}

#[test]
fn what_was_just_built_is_not_read_again() {
    let case = Case::new();
    let entry = case.entry();
    flip(&entry.folder().join("words.txt"));
    assert_eq!(case.store.verify_once(&entry), []);
}

#[test]
fn a_damaged_entry_is_set_aside_where_it_can_be_looked_at() {
    let case = Case::new();
    let entry = case.entry();
    let lock = case.store.try_lock(&entry.key()).expect("writable").expect("free");
    let moved = case.store.set_aside(&entry.key(), &lock).expect("writable").expect("was there");
    assert!(moved.starts_with(case.store.outputs().join("store/tmp")));
    assert!(moved.join("words.txt").exists());
    assert!(matches!(case.store.state(&entry.key()).expect("readable"), State::Absent));
}

#[test]
fn a_manifest_of_hostile_bytes_is_damage() {
    let case = Case::new();
    let entry = case.entry();
    for bytes in [&b""[..], b"{", b"null", &[b'['; 100_000], &[0xff; 300]] {
        overwrite(&entry.folder().join(MANIFEST), bytes);
        assert!(matches!(case.again().state(&entry.key()), Ok(State::Damaged(_))));
    }
}

#[test]
fn a_link_to_the_right_bytes_is_damage() {
    let case = Case::new();
    let entry = case.entry();
    let (file, elsewhere) = (entry.folder().join("words.txt"), case.path().join("words.txt"));
    fs::rename(&file, &elsewhere).expect("one disk");
    std::os::unix::fs::symlink(&elsewhere, &file).expect("writable");
    assert!(matches!(case.again().state(&entry.key()).expect("readable"), State::Damaged(_)));
}
