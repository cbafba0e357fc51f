//! Disks that are full or cannot be written, and folders that vanish.
//!
//! Small file systems are mounted in a mount namespace of a process of its own; where that is not allowed, those tests say that they were
//! skipped, and fail if `PIPELINE_TEST_REQUIRE_ROOT` is set.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::common::small_disk::{disk, in_a_namespace, mount};
use crate::support::*;

fn run_in(folder: &Path, arguments: &[&str]) -> Ended {
    finish(start(&mut command(folder, arguments)))
}

fn results_in(folder: &Path) -> Files {
    published_in(&folder.join("outputs/small"))
}

/// What a failed run has published are whole files of stages that came to their end, and its record says which are missing.
fn assert_published_in_part(disk: &Path, when: &str) {
    let (published, whole) = (results_in(disk), undisturbed("small.toml"));
    if published.is_empty() || published == *whole {
        return;
    }
    let record: serde_json::Value = serde_json::from_slice(
        &fs::read(disk.join("outputs/small/published.json")).expect("a record"),
    )
    .expect("JSON");
    assert!(
        record["missing"].as_array().is_some_and(|stages| !stages.is_empty()),
        "{when}: {record}"
    );
    for (name, content) in &published {
        assert!(whole.get(name) == Some(content), "{when}: `{name}` is not what it should be");
    }
}

#[test]
fn on_a_full_disk_what_is_complete_stays_and_the_run_goes_on_when_there_is_space() {
    in_a_namespace("disk::full");
}

#[test]
#[ignore = "run by another test, as a process of its own"]
fn full() {
    let Some(disk) = disk("size=8m") else { return };
    Project::new().fill(&disk);
    let (mut failed, mut size) = (0, 64);
    loop {
        // Ever more space, so that it runs out in every stage.
        assert!(mount(&format!("remount,size={size}k"), &disk));
        let ended = run_in(&disk, &["run", "small.toml"]);
        if ended.code == Some(0) {
            break;
        }
        failed += 1;
        assert_eq!(ended.code, Some(1), "{size} kB: {ended:#?}");
        assert!(ended.stderr.contains("no space is left for `"), "{size} kB: {ended:#?}");
        assert!(
            ended.stderr.contains("outputs") && ended.stderr.contains("help: free some space"),
            "{size} kB: {ended:#?}"
        );
        let verified = run_in(&disk, &["verify"]);
        assert_eq!(verified.code, Some(0), "{size} kB: {verified:#?}");
        assert_published_in_part(&disk, &format!("{size} kB"));
        size += 48;
        assert!(size < 8000, "{ended:#?}");
    }
    assert!(failed >= 5, "{failed}");
    assert_same(&results_in(&disk), undisturbed("small.toml"), "after a full disk");
    assert_eq!(names(&disk.join("outputs/store/tmp")), [""; 0]);
}

#[test]
fn a_disk_that_holds_no_more_files_is_said_and_what_is_complete_stays() {
    in_a_namespace("disk::no_more_files");
}

#[test]
#[ignore = "run by another test, as a process of its own"]
fn no_more_files() {
    let Some(disk) = disk("size=64m") else { return };
    Project::new().fill(&disk);
    let (mut failed, mut files) = (0, 20);
    loop {
        // Ever more files, so that there is no place for one in every stage.
        assert!(mount(&format!("remount,size=64m,nr_inodes={files}"), &disk));
        let ended = run_in(&disk, &["run", "small.toml"]);
        if ended.code == Some(0) {
            break;
        }
        failed += 1;
        assert_eq!(ended.code, Some(1), "{files} files: {ended:#?}");
        assert!(
            ended.stderr.contains("the disk can hold no more files: cannot make `"),
            "{files} files: {ended:#?}"
        );
        assert!(
            ended.stderr.contains("outputs") && ended.stderr.contains("help: remove files"),
            "{files} files: {ended:#?}"
        );
        let verified = run_in(&disk, &["verify"]);
        assert_eq!(verified.code, Some(0), "{files} files: {verified:#?}");
        assert_published_in_part(&disk, &format!("{files} files"));
        files += 10;
        assert!(files < 1000, "{ended:#?}");
    }
    assert!(failed >= 8, "{failed}");
    eprintln!("{failed} runs found no place for a file");
    assert_same(&results_in(&disk), undisturbed("small.toml"), "after too many files");
    assert_eq!(names(&disk.join("outputs/store/tmp")), [""; 0]);
}

/// Runs the program where no file may be larger than so many bytes.
fn run_limited(project: &Project, bytes: u64) -> Ended {
    let program = assert_cmd::cargo::cargo_bin!("pipeline");
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -f {} && exec \"$0\" run small.toml", bytes / 512)])
        .arg(program)
        .current_dir(project.root());
    finish(start(&mut command))
}

#[test]
fn files_that_may_not_be_as_large_as_they_must_are_said_and_what_is_complete_stays() {
    let project = Project::new();
    let (mut failed, mut limit) = (0, 512);
    loop {
        let ended = run_limited(&project, limit);
        if ended.code == Some(0) {
            break;
        }
        failed += 1;
        // Not a signal, which would say nothing; 2 where the run could not even be recorded.
        assert!(matches!(ended.code, Some(1 | 2)), "{limit} bytes: {ended:#?}");
        assert!(
            ended.stderr.contains("would be larger than a file may be here"),
            "{limit} bytes: {ended:#?}"
        );
        assert!(
            ended.stderr.contains("outputs") && ended.stderr.contains("ulimit -f"),
            "{limit} bytes: {ended:#?}"
        );
        project.assert_verifies("a limit on files");
        // Of the stages that were done all is published, whole, and the record says what is missing.
        let mut found = project.results("small");
        if let Ok(record) = fs::read(project.outputs().join("small/published.json")) {
            assert!(
                String::from_utf8_lossy(&record).contains("\"missing\""),
                "{limit} bytes: {ended:#?}"
            );
        }
        found.retain(|name, bytes| undisturbed("small.toml").get(name) != Some(bytes));
        assert!(
            found.is_empty(),
            "{limit} bytes: {:?} are not what an undisturbed run leaves",
            found.keys()
        );
        limit = limit * 3 / 2 / 512 * 512 + 512;
        assert!(limit < 64 << 20, "{ended:#?}");
    }
    assert!(failed >= 5, "{failed}");
    eprintln!("{failed} runs were not allowed their largest file");
    assert_recovers(&project, "small.toml", "small", "a limit on files");
}

#[test]
fn a_disk_that_cannot_be_written_serves_what_it_has_and_says_why_nothing_is_built() {
    in_a_namespace("disk::read_only");
}

#[test]
#[ignore = "run by another test, as a process of its own"]
fn read_only() {
    let Some(disk) = disk("size=16m") else { return };
    Project::new().fill(&disk);
    assert_eq!(run_in(&disk, &["run", "small.toml"]).code, Some(0));
    assert!(mount("remount,ro", &disk));
    assert_eq!(run_in(&disk, &["plan", "small.toml", "--check"]).code, Some(0));
    assert_eq!(run_in(&disk, &["verify"]).code, Some(0));
    let ended = run_in(&disk, &["run", "small.toml", "--set", "stage.train.epochs=1"]);
    assert!(matches!(ended.code, Some(1 | 2)), "{ended:#?}");
    assert!(ended.stderr.contains("cannot be written"), "{ended:#?}");
    assert!(mount("remount,rw", &disk));
    assert_same(&results_in(&disk), undisturbed("small.toml"), "read-only");
    assert_eq!(
        run_in(&disk, &["run", "small.toml", "corpus", "--set", "stage.corpus.samples=40"]).code,
        Some(0)
    );
}

/// Runs the program as somebody who owns nothing, where the tests run as root, whom permissions do not stop.
fn as_nobody(project: &Project, arguments: &[&str]) -> Ended {
    let mut command = project.command(arguments);
    if rustix::process::geteuid().is_root() {
        // The program itself may lie where nobody may read.
        let program = project.root().join("program");
        if !program.exists() {
            fs::copy(assert_cmd::cargo::cargo_bin!("pipeline"), &program).expect("readable");
        }
        let mut other = Command::new(program);
        other.args(arguments).current_dir(project.root()).uid(65534).gid(65534);
        command = other;
    }
    finish(start(&mut command))
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

#[test]
fn a_folder_that_may_not_be_written_is_said_and_left_as_it_is() {
    let project = Project::new();
    set_mode(project.root(), 0o755);
    project.run("small.toml");
    let store = project.outputs().join("store");
    let before = files_below(&project.outputs());
    for folder in
        [project.outputs(), store.clone(), store.join("tmp"), project.outputs().join("runs")]
    {
        set_mode(&folder, 0o555);
        if !rustix::process::geteuid().is_root() {
            continue;
        }
        // Everything belongs to root, and nobody may write none of it.
        chown(&folder, Some(0), Some(0)).expect("we are root");
    }
    let ended = as_nobody(&project, &["run", "small.toml", "--set", "stage.train.epochs=1"]);
    assert!(matches!(ended.code, Some(1 | 2)), "{ended:#?}");
    assert!(
        ended.stderr.contains("permission denied") && ended.stderr.contains("help"),
        "{ended:#?}"
    );
    assert_eq!(as_nobody(&project, &["verify"]).code, Some(0));
    assert!(files_below(&project.outputs()) == before, "something was changed");
    for folder in
        [project.outputs(), store.clone(), store.join("tmp"), project.outputs().join("runs")]
    {
        set_mode(&folder, 0o755);
    }
    assert_recovers(&project, "small.toml", "small", "permissions");
}

#[test]
fn results_that_may_not_be_read_are_not_taken_for_somebody_elses() {
    let project = Project::new();
    set_mode(project.root(), 0o755);
    project.run("small.toml");
    let results = project.outputs().join("small");
    set_mode(&results, 0o000);
    let ended = as_nobody(&project, &["run", "small.toml"]);
    set_mode(&results, 0o755);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("`outputs/small`: permission denied"), "{ended:#?}");
}

#[test]
fn a_disk_in_the_place_of_the_results_is_found_before_anything_runs() {
    in_a_namespace("disk::mounted");
}

#[test]
#[ignore = "run by another test, as a process of its own"]
fn mounted() {
    let Some(disk) = disk("size=64m") else { return };
    Project::new().fill(&disk);
    let results = disk.join("outputs/small");
    fs::create_dir_all(&results).expect("writable");
    let refused = |what: &str| {
        let ended = run_in(&disk, &["run", "small.toml"]);
        assert_eq!(ended.code, Some(2), "{what}: {ended:#?}");
        assert!(
            ended.stderr.contains("`outputs/small` is a disk of its own"),
            "{what}: {ended:#?}"
        );
        assert!(!disk.join("outputs/store").exists(), "{what}: something ran");
    };
    assert!(mount("size=1m", &results));
    refused("another disk");
    let status = Command::new("umount").arg(&results).status();
    assert!(status.expect("umount").success());
    let status = Command::new("mount").arg("--bind").arg(&disk).arg(&results).status();
    assert!(status.expect("mount").success());
    refused("a folder of the same disk");
}

#[test]
fn folders_removed_under_a_running_training_cost_at_most_this_run() {
    for removed in [
        "outputs",
        "outputs/store",
        "outputs/store/tmp",
        "outputs/checkpoints",
        "outputs/runs",
        "outputs/cache",
    ] {
        let project = Project::new();
        let mut child = start(&mut project.command(&["run", "long.toml", "--json"]));
        assert!(until(&mut child, trained(5)), "the training was not seen");
        // The program may be writing into it.
        while fs::remove_dir_all(project.root().join(removed))
            .is_err_and(|error| error.kind() != std::io::ErrorKind::NotFound)
        {}
        let ended = finish(child);
        match ended.code {
            Some(0) => assert_same(&project.results("long"), undisturbed("long.toml"), removed),
            Some(1) => {
                // What earlier stages made is gone, and this run does not make it again.
                let said = format!("{}{}", ended.stdout, ended.stderr);
                assert!(
                    said.contains("vanished")
                        || said.contains("No such file")
                        || said.contains("is missing"),
                    "{removed}: {ended:#?}"
                );
                assert!(said.contains("outputs"), "{removed}: {ended:#?}");
            }
            _ => panic!("{removed}: {ended:#?}"),
        }
        project.assert_verifies(removed);
        let plan = project.pipeline(&["plan", "long.toml", "--json"]);
        let plan: serde_json::Value =
            serde_json::from_str(&plan.stdout).unwrap_or_else(|_| panic!("{removed}: {plan:#?}"));
        let train = plan["nodes"]
            .as_array()
            .and_then(|nodes| nodes.iter().find(|node| node["stage"] == "train"))
            .expect("it trains");
        assert_eq!(train["action"], "cached", "{removed}: the training is lost: {ended:#?}");
        assert_recovers(&project, "long.toml", "long", removed);
    }
}

#[test]
fn a_training_whose_result_cannot_be_stored_is_not_made_again() {
    let project = Project::new();
    project.write(
        "seldom.toml",
        "extends = \"long.toml\"\nname = \"long\"\nunset = [\"stage.train.keep_best\"]\n[stage.train]\ncheckpoint_every = 100000\n",
    );
    let mut child = start(&mut project.command(&["run", "seldom.toml", "--json"]));
    assert!(until(&mut child, trained(5)), "the training was not seen");
    let temporary = project.outputs().join("store/tmp");
    while fs::remove_dir_all(&temporary).is_err() {}
    fs::write(&temporary, "").expect("writable");
    let ended = finish(child);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    fs::remove_file(&temporary).expect("ours");
    let ended = project.run("seldom.toml");
    assert!(ended.stderr.contains("continues after step 480 of 480"), "{ended:#?}");
    assert_eq!(project.litter(), [""; 0]);
}
