//! `gc` that is killed, and `gc` beside runs that are.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::support::*;

const GC: [&str; 2] = ["gc", "--apply"];

/// A project whose latest run does not need what two earlier ones made, states of trainings to go on from among it.
fn used() -> Project {
    let project = Project::new();
    ["0.01", "0.02", "0.001"].iter().for_each(|rate| project.run_with_rate(rate));
    project.run("small.toml");
    project
}

fn waste(project: &Project) -> Vec<serde_json::Value> {
    let ended = project.pipeline(&["gc", "--json"]);
    let found: serde_json::Value =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:#?}"));
    found["waste"].as_array().expect("a list").clone()
}

/// What a killed `gc` left: the store is whole, the latest results are there and cached, and the next `gc` finishes.
fn assert_finishes(project: &Project, what: &str) {
    project.assert_verifies(what);
    assert_eq!(
        project.pipeline(&["plan", "small.toml", "--check"]).code,
        Some(0),
        "{what}: something needed is gone"
    );
    let ended = project.pipeline(&GC);
    assert_eq!(ended.code, Some(0), "{what}: {ended:#?}");
    assert_eq!(waste(project), [serde_json::Value::Null; 0], "{what}");
    assert_eq!(names(&project.outputs().join("store/tmp")), [""; 0], "{what}");
    assert_same(&project.results("small"), undisturbed("small.toml"), what);
    project.assert_verifies(what);
}

#[test]
fn a_gc_killed_at_a_named_point_is_finished_by_the_next() {
    for point in [
        "after-scratch-lock",
        "before-gc-move:1",
        "before-gc-move:4",
        "after-gc-move:1",
        "after-gc-move:5",
        "after-gc-removal:3",
    ] {
        let project = used();
        let before = waste(&project).len();
        assert!(before >= 8, "{before}");
        let ended = finish(start(project.command(&GC).env("PIPELINE_CRASH_AT", point)));
        assert_eq!(ended.signal, Some(9), "`{point}` was not reached: {ended:#?}");
        assert_finishes(&project, point);
        assert_eq!(project.litter(), [""; 0], "{point}");
    }
}

#[test]
fn what_a_killed_gc_moved_away_the_next_run_removes() {
    let project = used();
    finish(start(project.command(&GC).env("PIPELINE_CRASH_AT", "after-gc-move:2")));
    let left = names(&project.outputs().join("store/tmp"));
    assert!(
        left.iter().any(|name| name.starts_with("gc-") && !name.ends_with(".lock")),
        "{left:?}"
    );
    project.run("small.toml");
    assert_eq!(names(&project.outputs().join("store/tmp")), [""; 0]);
}

#[test]
fn gc_beside_runs_that_are_killed_takes_nothing_from_those_that_live() {
    let rounds =
        std::env::var("PIPELINE_FAULT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(24)
            / 3;
    let project = Project::new();
    let (done, kills, collected, killed_collecting) =
        (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
    // Each runs one experiment again and again, half of the time to its end, with other texts each time so that there is waste.
    let runner = |number: u64, name: &'static str, parent: &str| {
        let mut draw = Draw(seed() + number);
        let file = format!("{name}.toml");
        for round in 0..rounds {
            let samples = [60, 50, 40][draw.below(3) as usize];
            project.write(&file, &format!("{parent}\n[stage.corpus]\nsamples = {samples}\n"));
            let mut child = start(&mut project.command(&["run", &file]));
            if draw.below(2) == 0 {
                std::thread::sleep(Duration::from_micros(draw.below(150_000)));
                child.kill().expect("ours");
            }
            let ended = finish(child);
            match ended.signal {
                Some(9) => drop(kills.fetch_add(1, Ordering::Relaxed)),
                _ => assert_eq!(
                    ended.code,
                    Some(0),
                    "{file}, round {round} of seed {}: {ended:#?}",
                    seed()
                ),
            }
        }
        project.write(&file, parent);
        project.run(&file);
    };
    std::thread::scope(|scope| {
        let collector = scope.spawn(|| {
            let mut draw = Draw(seed() + 100);
            while !done.load(Ordering::Relaxed) {
                let mut child = start(&mut project.command(&["gc", "--apply", "--json"]));
                if draw.below(3) == 0 {
                    std::thread::sleep(Duration::from_micros(draw.below(30_000)));
                    child.kill().expect("ours");
                }
                let ended = finish(child);
                if ended.signal == Some(9) {
                    killed_collecting.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                assert_eq!(ended.code, Some(0), "{ended:#?}");
                let found: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
                collected.fetch_add(
                    found["waste"].as_array().map_or(0, Vec::len) as u32,
                    Ordering::Relaxed,
                );
            }
        });
        let runners = [(1, "single", "extends = \"small.toml\"\n"), (2, "sweep", SWEEP)]
            .map(|(number, name, parent)| scope.spawn(move || runner(number, name, parent)));
        let failed = runners.map(|runner| runner.join().err()).into_iter().flatten().next();
        done.store(true, Ordering::Relaxed);
        collector.join().expect("gc never fails");
        if let Some(panic) = failed {
            std::panic::resume_unwind(panic);
        }
    });
    let (kills, collected, killed_collecting) =
        (kills.into_inner(), collected.into_inner(), killed_collecting.into_inner());
    eprintln!(
        "{kills} runs and {killed_collecting} gc were killed beside each other, {collected} folders were removed"
    );
    assert!(kills > 0 && collected > 0);
    assert_same(&project.results("sweep"), undisturbed("sweep.toml"), "beside gc");
    project.run("small.toml");
    assert_finishes(&project, "beside gc");
    assert_eq!(project.litter(), [""; 0]);
}

#[test]
fn what_strayed_among_the_entries_is_reported_until_gc_has_removed_it() {
    let project = Project::new();
    project.run("small.toml");
    let store = project.outputs().join("store");
    let key = project.entry_files()[0].split('/').nth(1).expect("a key").to_owned();
    // Not the entry's own folder.
    let prefix = if key.starts_with("0f") { "f0" } else { "0f" };
    let strays = ["notes", &key].map(|name| format!("{prefix}/{name}"));
    for folder in &strays {
        std::fs::create_dir_all(store.join(folder)).expect("writable");
        std::fs::write(store.join(folder).join("a"), "a").expect("writable");
    }
    std::fs::write(store.join(prefix).join("file"), "a").expect("writable");
    // What is nobody's business but the person's who put it there.
    let elsewhere = project.root().join("elsewhere");
    for folder in [&store.join("notes"), &elsewhere] {
        std::fs::create_dir(folder).expect("writable");
        std::fs::write(folder.join("a"), "a").expect("writable");
    }
    std::os::unix::fs::symlink(&elsewhere, store.join("link")).expect("writable");
    let before = project.pipeline(&["verify"]);
    assert_eq!(before.code, Some(1), "{before:#?}");
    assert!(
        before.stdout.contains("3 are wrong")
            && before.stdout.contains("`gc --apply` removes what no run needs"),
        "{before:#?}"
    );
    let shown = project.pipeline(&["gc"]);
    assert!(
        ["notes", "file", &key]
            .iter()
            .all(|name| shown.stdout.contains(&format!("{prefix}/{name}"))),
        "{shown:#?}"
    );
    assert_eq!(project.pipeline(&["gc", "--apply"]).code, Some(0));
    project.assert_verifies("without strays");
    assert!(
        store.join("notes/a").exists()
            && store.join("link").is_symlink()
            && elsewhere.join("a").exists()
    );
    assert_eq!(project.pipeline(&["plan", "small.toml", "--check"]).code, Some(0));
}

#[test]
fn where_there_is_no_store_yet_gc_has_nothing_to_do() {
    let project = Project::new();
    assert_eq!(project.pipeline(&GC).code, Some(0));
    assert!(!project.outputs().exists());
    // A run has begun, and was killed before it made a store.
    std::fs::create_dir(project.outputs()).expect("writable");
    assert_eq!(project.pipeline(&GC).code, Some(0));
}

#[test]
fn gc_waits_for_no_training() {
    let project = Project::new();
    let mut child = start(&mut project.command(&["run", "long.toml", "--json"]));
    assert!(until(&mut child, trained(1)), "the training was not seen");
    let begun = Instant::now();
    let ended = project.pipeline(&GC);
    assert!(child.try_wait().expect("ours").is_none(), "the training was over: this shows nothing");
    assert_eq!(ended.code, Some(0), "after {:?}: {ended:#?}", begun.elapsed());
    let ended = finish(child);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_same(&project.results("long"), undisturbed("long.toml"), "gc beside it");
}

/// Nothing but its claim says that a run will come to these entries: no record names them yet that is the latest of its file.
#[test]
fn what_a_run_will_need_later_is_claimed_from_its_beginning() {
    let project = Project::new();
    let stands = |rate: &str| {
        project.write("long.toml", &format!("{LONG}learning_rate = {rate}\n"));
    };
    for rate in ["0.002", "0.003"] {
        stands(rate);
        project.run("long.toml");
    }
    let evaluations = |project: &Project| {
        waste(project).iter().filter(|waste| waste["kind"] == "evaluate").count()
    };
    assert_eq!(evaluations(&project), 1);
    stands("0.002");
    let again = ["run", "long.toml", "--rerun", "train", "--json"];
    let mut child = start(&mut project.command(&again));
    assert!(until(&mut child, trained(1)), "the training was not seen");
    assert_eq!(evaluations(&project), 0);
    assert!(child.try_wait().expect("ours").is_none(), "the training was over: this shows nothing");
    let ended = finish(child);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

#[test]
fn the_checkpoints_of_a_killed_training_outlive_gc() {
    let project = Project::new();
    let mut child = start(&mut project.command(&["run", "long.toml", "--json"]));
    assert!(until(&mut child, trained(30)), "the training was not seen");
    child.kill().expect("ours");
    finish(child);
    assert_eq!(project.pipeline(&GC).code, Some(0));
    let ended = project.run("long.toml");
    assert!(ended.stderr.contains("continues after step"), "{ended:#?}");
    assert_same(&project.results("long"), undisturbed("long.toml"), "after gc");
}

#[test]
fn a_run_whose_record_was_cut_keeps_what_its_events_name() {
    let project = Project::new();
    project.run("small.toml");
    let runs = project.outputs().join("runs");
    let record =
        files_below(&runs).into_keys().find(|name| name.ends_with("run.json")).expect("a record");
    let bytes = std::fs::read(runs.join(&record)).expect("readable");
    for length in [0, 1, bytes.len() / 2, bytes.len() - 2] {
        std::fs::write(runs.join(&record), &bytes[..length]).expect("writable");
        let _ = std::fs::remove_dir_all(project.outputs().join("cache"));
        assert_eq!(waste(&project), [serde_json::Value::Null; 0], "{length} bytes");
    }
}
