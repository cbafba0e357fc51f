//! Disks that are full, and disks that cannot be written.
//!
//! The tests mount a small file system of their own, in a mount namespace of a child process. Where that is not allowed they say so.

use pipeline::engine::exec::Outcome;

use crate::common::small_disk::{disk, in_a_namespace, mount};
use crate::support::*;

const SMALL: &str = "[stage.small]\nkind = \"write\"\ntext = \"1\"\n";

fn large(count: u32) -> String {
    format!("{SMALL}[stage.large]\nkind = \"numbers\"\ncount = {count}\nafter = [\"small\"]\n")
}

fn error_of(ran: &Ran, stage: &str) -> String {
    match ran.outcome_of(stage) {
        Outcome::Failed { error, .. } => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn on_a_full_disk_what_is_complete_stays_and_nothing_partial_is_left() {
    in_a_namespace("disk::full");
}

#[test]
#[ignore = "run by another test, as a process of its own"]
fn full() {
    let Some(path) = disk("size=400k") else { return };
    let project = Project::at(&path);
    assert_eq!(project.run(SMALL).outcome.exit_code(), 0);
    // Where the disk fills up depends on the size: while the stage writes, or while the store does.
    for count in [60, 70, 80, 84, 86, 88, 90, 92, 94, 96, 98, 100, 120, 200] {
        let ran = project.run(&large(count));
        let keys = project.store().keys().expect("readable");
        if ran.outcome.exit_code() == 0 {
            std::fs::remove_dir_all(project.folder(&large(count), "large")).expect("ours");
            continue;
        }
        let error = error_of(&ran, "large");
        assert!(error.contains("space"), "{error}");
        assert_eq!(ran.end("small"), "cached");
        assert_eq!(keys, [project.key(SMALL, "small")]);
        assert_eq!(project.temporary(), [""; 0]);
    }
    assert!(mount("remount,size=8m", &path));
    assert_eq!(project.run(&large(200)).outcome.exit_code(), 0);
}

#[test]
fn a_read_only_store_serves_what_it_has_and_says_why_it_builds_nothing() {
    in_a_namespace("disk::read_only");
}

#[test]
#[ignore = "run by another test, as a process of its own"]
fn read_only() {
    let Some(path) = disk("size=4m") else { return };
    let project = Project::at(&path);
    project.run(SMALL);
    let (cached, changed) = (project.plan(SMALL), project.plan(&SMALL.replace('1', "2")));
    assert!(mount("remount,ro", &path));
    let run = |plan| {
        pipeline::engine::exec::execute(
            plan,
            &project.store(),
            &project.options,
            &(),
            &pipeline::engine::exec::Cancel::new(),
        )
        .expect("it can start")
    };
    assert_eq!(run(&cached).exit_code(), 0);
    let failed = run(&changed);
    let Outcome::Failed { error, .. } = &failed.nodes[0].outcome else { panic!("{failed:?}") };
    assert!(error.to_string().ends_with("lies on a file system that cannot be written"), "{error}");
}
