//! Several processes on one store, and processes that are killed.

use std::fmt::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use pipeline::engine::exec::Event;
use pipeline::engine::store::verify;

use crate::support::*;

/// A chain and a fan, so that there is something to do side by side.
fn stages(milliseconds: u32) -> String {
    let mut text = "[stage.n]\nkind = \"numbers\"\ncount = 20\n".to_owned();
    for index in 0..4 {
        write!(text, "[stage.s{index}]\nkind = \"sleep\"\nmilliseconds = {milliseconds}\nname = \"{index}\"\n").expect("a string");
        write!(text, "[stage.c{index}]\nkind = \"copy\"\nfrom = \"@n\"\nsuffix = \"{index}\"\n")
            .expect("a string");
        write!(
            text,
            "[stage.j{index}]\nkind = \"join\"\nfirst = \"@s{index}\"\nsecond = \"@c{index}\"\n"
        )
        .expect("a string");
    }
    text
}

/// Runs this very program again, with only [`in_another_process`] in it.
fn spawn(root: &Path, crash: &str, milliseconds: u32) -> Child {
    Command::new(std::env::current_exe().expect("known"))
        .args(["--exact", "processes::in_another_process", "--ignored", "--nocapture"])
        .env("TEST_PROJECT", root)
        .env("TEST_MILLISECONDS", milliseconds.to_string())
        .env("PIPELINE_CRASH_AT", crash)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it can be started")
}

#[test]
#[ignore = "run by other tests, as a process of its own"]
fn in_another_process() {
    let Some(root) = std::env::var_os("TEST_PROJECT") else { return };
    let milliseconds =
        std::env::var("TEST_MILLISECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let ran = Project::at(Path::new(&root)).run(&stages(milliseconds));
    std::fs::write(
        Path::new(&root).join(format!("built-{}", std::process::id())),
        ran.started().join("\n"),
    )
    .expect("writable");
    assert_eq!(ran.outcome.exit_code(), 0);
}

/// What an undisturbed run leaves.
fn undisturbed() -> std::collections::BTreeMap<(pipeline::engine::plan::CacheKey, String), Vec<u8>>
{
    let project = Project::new();
    project.run(&stages(5));
    contents(&project.store())
}

/// Runs once more in this process, and checks that all is as if nothing had happened.
fn assert_recovers(project: &Project, what: &str) {
    let ran = project.run(&stages(5));
    assert_eq!(ran.outcome.exit_code(), 0, "{what}: {:?}", ran.ends());
    assert_eq!(project.temporary(), [""; 0], "{what}");
    assert_eq!(names(&project.outputs().join("checkpoints")), [""; 0], "{what}");
    assert_eq!(verify(&project.store(), &|_| {}).expect("readable").findings, [], "{what}");
    assert!(contents(&project.store()) == undisturbed(), "{what}");
    assert_eq!(project.run(&stages(5)).started(), [""; 0], "{what}");
}

#[test]
fn a_process_that_dies_at_any_point_leaves_nothing_that_needs_a_hand() {
    let points = [
        "before-commit",
        "before-manifest",
        "mid-write",
        "before-rename",
        "after-rename",
        "mid-replace",
        "before-checkpoints-removed",
    ];
    for point in points {
        for count in [1, 4] {
            let project = Project::new();
            let crash = format!("{point}:{count}");
            let status = spawn(project.root(), &crash, 5).wait().expect("it ends");
            assert_eq!(
                std::os::unix::process::ExitStatusExt::signal(&status),
                Some(9),
                "{crash} was not reached"
            );
            assert_recovers(&project, &crash);
        }
    }
}

#[test]
fn a_process_killed_at_any_moment_leaves_nothing_that_needs_a_hand() {
    for round in 0..12 {
        let project = Project::new();
        let mut child = spawn(project.root(), "", 5);
        std::thread::sleep(std::time::Duration::from_millis(10 + 17 * round));
        child.kill().expect("ours");
        child.wait().expect("it ends");
        assert_recovers(&project, &format!("killed in round {round}"));
    }
}

#[test]
fn processes_on_one_store_build_each_entry_once_and_all_end_right() {
    let project = Project::new();
    let children: Vec<Child> = (0..8).map(|_| spawn(project.root(), "", 60)).collect();
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let mut built: Vec<String> = Vec::new();
    for name in names(project.root()).iter().filter(|name| name.starts_with("built-")) {
        let text = std::fs::read_to_string(project.root().join(name)).expect("readable");
        built.extend(text.lines().map(str::to_owned));
    }
    built.sort_unstable();
    let once: std::collections::BTreeSet<&String> = built.iter().collect();
    assert_eq!((built.len(), once.len()), (13, 13), "{built:?}");
    assert_eq!(project.temporary(), [""; 0]);
    assert_eq!(verify(&project.store(), &|_| {}).expect("readable").findings, []);
}

#[test]
fn a_run_that_waited_uses_what_the_other_process_built() {
    let project = Project::new();
    let stages = "[stage.a]\nkind = \"sleep\"\nmilliseconds = 200\n";
    std::thread::scope(|scope| {
        let first = scope.spawn(|| project.run(stages));
        let second = scope.spawn(|| project.run(stages));
        let (first, second) = (first.join().expect("no panic"), second.join().expect("no panic"));
        assert_eq!(first.started().len() + second.started().len(), 1);
        let waited = first
            .events
            .iter()
            .chain(&second.events)
            .filter(|event| matches!(event, Event::StageWaiting { .. }))
            .count();
        assert!(waited <= 1);
        assert_eq!((first.outcome.exit_code(), second.outcome.exit_code()), (0, 0));
    });
}
