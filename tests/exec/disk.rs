//! Disks that are full, and disks that cannot be written.
//!
//! The tests mount a small file system of their own, in a mount namespace of a child process. Where that is not allowed they pass unseen.

use std::path::{Path, PathBuf};
use std::process::Command;

use pipeline::exec::Outcome;

use crate::support::*;

const SMALL: &str = "[stage.small]\nkind = \"write\"\ntext = \"1\"\n";

fn large(count: u32) -> String {
    format!("{SMALL}[stage.large]\nkind = \"numbers\"\ncount = {count}\nafter = [\"small\"]\n")
}

/// Runs a test of this program in a process that may mount things.
fn in_a_namespace(test: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let status = Command::new("unshare")
        .args(["--map-root-user", "--mount"])
        .arg(std::env::current_exe().expect("known"))
        .args(["--exact", test, "--ignored", "--quiet"])
        .env("TEST_DISK", folder.path())
        .output();
    if let Ok(output) = status {
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() || !text.contains("running"), "{text}");
    }
}

fn mount(options: &str, path: &Path) -> bool {
    Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(path).status().is_ok_and(|status| status.success())
}

/// A project on a disk of this size.
fn project_on_a_disk(size: &str) -> Option<(Project, PathBuf)> {
    let path = PathBuf::from(std::env::var_os("TEST_DISK")?);
    mount(&format!("size={size}"), &path).then(|| (Project::at(&path), path))
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
    let Some((project, path)) = project_on_a_disk("400k") else { return };
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
    let Some((project, path)) = project_on_a_disk("4m") else { return };
    project.run(SMALL);
    let (cached, changed) = (project.plan(SMALL), project.plan(&SMALL.replace('1', "2")));
    assert!(mount("remount,ro", &path));
    let run = |plan| {
        pipeline::exec::execute(plan, &project.store(), &project.options, &(), &pipeline::exec::Cancel::new()).expect("it can start")
    };
    assert_eq!(run(&cached).exit_code(), 0);
    let failed = run(&changed);
    let Outcome::Failed { error, .. } = &failed.nodes[0].outcome else { panic!("{failed:?}") };
    assert!(error.to_string().ends_with("lies on a file system that cannot be written"), "{error}");
}
