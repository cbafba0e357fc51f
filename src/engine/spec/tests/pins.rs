//! Commits in the file beside an experiment.

use std::path::Path;

use super::super::{Choice, Pin, PinnedSource, Pins, PinsError};
use super::{Experiment, Memory, Overrides, chain, good, read};

fn pin(repo: &str, revision: &str, commit: char) -> Pin {
    Pin { repo: repo.into(), revision: revision.into(), commit: commit.to_string().repeat(40) }
}

fn hub(repo: &str) -> PinnedSource {
    PinnedSource::Hub { repo: repo.into(), revision: "main".into() }
}

#[test]
fn pins_are_written_beside_the_file_and_read_with_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.toml");
    std::fs::write(&path, "version = 1\n[stage.train]\n").expect("the folder is writable");
    let lock = Pins::path_for(&path);
    Pins::write(&lock, Pins::from_iter([pin("b/c", "main", 'b'), pin("a/b", "v\"1", 'a')]))
        .expect("the folder is writable");
    Pins::write(&lock, Pins::from_iter([pin("b/c", "main", 'c')])).expect("the folder is writable");
    let pins =
        Experiment::read(&path, &Overrides::default()).expect("the file has no mistakes").pins;
    assert_eq!(pins.lookup("a/b", "v\"1"), Some(&*"a".repeat(40)));
    assert_eq!(pins.lookup("b/c", "main"), Some(&*"b".repeat(40)), "a pin that is there stays");
    assert_eq!(pins.lookup("b/c", "other"), None);
    insta::assert_snapshot!(std::fs::read_to_string(&lock).expect("the lock file is there"));
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .expect("the folder is there")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn a_pinned_commit_is_read_in_either_case() {
    let lock = "version = 1\n[[pin]]\nrepo = \"a\"\nrevision = \"main\"\ncommit = \"8949B909EC900327062F0EBF497F51AEF5E6F0C8\"\n";
    let pins = good(&[("a.toml", "version = 1\n[stage.train]\n"), ("a.toml.lock", lock)]).pins;
    assert_eq!(pins.lookup("a", "main"), Some("8949b909ec900327062f0ebf497f51aef5e6f0c8"));
}

#[test]
fn a_lock_file_that_cannot_be_read_is_not_overwritten() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let lock = folder.path().join("x.toml.lock");
    std::fs::write(&lock, "version = 2\n").expect("the folder is writable");
    let error = Pins::write(&lock, Pins::from_iter([pin("a", "main", 'a')]))
        .expect_err("the version is unknown");
    assert!(matches!(error, PinsError::Malformed(_)), "{error}");
    assert_eq!(std::fs::read_to_string(&lock).expect("the lock file is there"), "version = 2\n");
}

#[test]
fn pins_belong_to_the_file_that_was_asked_for() {
    let lock = "version = 1\n[[pin]]\nrepo = \"a\"\nrevision = \"main\"\ncommit = \"8949b909ec900327062f0ebf497f51aef5e6f0c8\"\n";
    let files = Memory::of(&[
        ("b.toml", "extends = \"a.toml\"\n"),
        ("a.toml", "version = 1\n[stage.train]\n"),
        ("a.toml.lock", lock),
    ]);
    let pins = |path: &str| {
        chain::read(&files, Path::new(path), &Overrides::default())
            .experiment
            .expect("the files have no mistakes")
            .pins
    };
    assert!(pins("b.toml").is_empty());
    assert!(pins("a.toml").lookup("a", "main").is_some());
}

/// A folder with an experiment, and what its lock file holds once these choices were written one after the other.
fn chosen(choices: &[(PinnedSource, PinnedSource)]) -> (tempfile::TempDir, Pins, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.toml");
    std::fs::write(&path, "version = 1\n[stage.train]\n").expect("the folder is writable");
    let lock = Pins::path_for(&path);
    for (first, chosen) in choices.iter().cloned() {
        let mut pins = Pins::default();
        pins.choose(Choice { first, chosen });
        Pins::write(&lock, pins).expect("the folder is writable");
    }
    let pins =
        Experiment::read(&path, &Overrides::default()).expect("the file has no mistakes").pins;
    let text = std::fs::read_to_string(&lock).expect("the lock file is there");
    (folder, pins, text)
}

#[test]
fn a_later_choice_for_other_sources_changes_nothing_for_those_of_an_earlier_one() {
    let (_folder, pins, text) = chosen(&[(hub("a"), hub("b")), (hub("a"), hub("a"))]);
    assert_eq!(pins.chosen(&[hub("a"), hub("b")]), Some(1), "{text}");
    assert_eq!(pins.chosen(&[hub("a"), hub("c")]), Some(0), "{text}");
    assert_eq!(pins.chosen(&[hub("c"), hub("b")]), None, "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_chosen_folder_is_written_from_the_lock_file_on_and_known_however_it_is_spelled() {
    let folder = |path: &str| PinnedSource::Folder(path.into());
    let first = folder("/nowhere/model");
    let (place, pins, text) = chosen(&[(first.clone(), folder("/elsewhere/./model"))]);
    assert_eq!(pins.chosen(&[first.clone(), folder("/elsewhere/x/../model")]), Some(1), "{text}");
    assert_eq!(pins.chosen(&[first.clone(), folder("/elsewhere/other")]), None, "{text}");

    let inside = PinnedSource::Folder(place.path().join("models/base"));
    let lock = place.path().join("x.toml.lock");
    let mut choice = Pins::default();
    choice.choose(Choice { first: hub("a"), chosen: inside.clone() });
    let pins = Pins::write(&lock, choice).expect("the folder is writable");
    let text = std::fs::read_to_string(&lock).expect("the lock file is there");
    assert!(text.contains("chosen = { path = \"models/base\" }"), "{text}");
    assert_eq!(pins.chosen(&[hub("a"), inside]), Some(1), "{text}");
}

#[test]
fn a_choice_that_names_no_source_is_refused() {
    for choice in [
        "first = { repo = \"a\", revision = \"main\" }",
        "first = { repo = \"a\" }\nchosen = { path = \"b\" }",
        "first = { path = \"a\" }\nchosen = { path = \"b\", repo = \"c\" }",
        "first = { path = \"a\" }\nchosen = { path = \"b\" }\nwhy = { path = \"c\" }",
        "first = { path = \"a\" }\nchosen = \"b\"",
    ] {
        let lock = format!("version = 1\n[[choice]]\n{choice}\n");
        let reading = read(&[("a.toml", "version = 1\n[stage.train]\n"), ("a.toml.lock", &lock)]);
        let problems = reading.diagnostics.to_string();
        assert!(problems.contains("a choice has `first` and `chosen`"), "{choice}: {problems}");
    }
}
