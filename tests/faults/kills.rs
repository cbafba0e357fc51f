//! SIGKILL: at every named point, and at any moment.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::downloads::Downloads;
use crate::support::*;

/// Points that an ordinary run passes, with how often it passes them before it is killed there.
const IN_A_RUN: &[&str] = &[
    "before-run-record",
    "before-claim",
    "after-scratch-lock",
    "before-commit:1",
    "before-commit:4",
    "before-manifest:3",
    "mid-write:2",
    "before-rename:1",
    "before-rename:5",
    "after-rename:1",
    "after-rename:4",
    "mid-replace:1",
    "mid-replace:3",
    "before-checkpoints-removed:4",
    "mid-checkpoint:1",
    "mid-checkpoint:2",
    "before-checkpoint-rename:1",
    "before-checkpoint-rename:3",
    "after-checkpoint-rename:2",
    "before-publish-record",
    "mid-publish",
    "before-publish-swap",
    "after-publish-swap",
    "before-run-finished",
    "before-latest-run",
];

/// Points that need something else to happen first.
const ELSEWHERE: &[&str] = &[
    "before-publish-settle",
    "before-gc-move",
    "after-gc-move",
    "after-gc-removal",
    "after-set-aside",
    "mid-publish-part",
    "after-part-swap",
    "before-pins-rename",
    "after-pins-rename",
    "mid-download",
    "before-blob-rename",
    "after-blob-rename",
];

fn name_of(point: &str) -> &str {
    point.split(':').next().unwrap_or_default()
}

fn kill_at(project: &Project, point: &str, arguments: &[&str]) {
    let ended = finish(start(project.command(arguments).env("PIPELINE_CRASH_AT", point)));
    assert_eq!(ended.signal, Some(9), "`{point}` was not reached: {ended:#?}");
}

/// After a kill, before anything repairs it: what is in the store is complete, and what is published is one run's.
fn assert_whole(project: &Project, allowed: &[&Files], what: &str) {
    if project.outputs().join("store").exists() {
        project.assert_verifies(what);
    }
    let published = project.results("small");
    assert!(
        published.is_empty() || allowed.contains(&&published),
        "{what}: half of something is published: {:?}",
        published.keys()
    );
}

#[test]
fn every_named_point_in_the_sources_is_one_where_the_program_is_killed() {
    fn look(folder: &Path, found: &mut BTreeSet<String>) {
        for name in names(folder) {
            let path = folder.join(name);
            if path.is_dir() {
                look(&path, found);
            } else {
                let text = std::fs::read_to_string(&path).expect("a source file");
                found.extend(
                    text.split("crash_point(\"")
                        .skip(1)
                        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())),
                );
            }
        }
    }
    let mut found = BTreeSet::new();
    look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    let tried: BTreeSet<String> =
        IN_A_RUN.iter().chain(ELSEWHERE).map(|point| name_of(point).to_owned()).collect();
    assert_eq!(found, tried);
}

#[test]
fn a_run_killed_at_a_named_point_leaves_nothing_that_needs_a_hand() {
    for point in IN_A_RUN {
        let project = Project::new();
        kill_at(&project, point, &["run", "small.toml"]);
        assert_whole(&project, &[undisturbed("small.toml")], point);
        assert_recovers(&project, "small.toml", "small", point);
    }
}

#[test]
fn a_training_killed_while_it_writes_a_checkpoint_goes_on_from_the_one_before_without_a_complaint()
{
    // The checkpoint of step 3, the best weights of step 4 and the checkpoint of step 6.
    for point in ["before-checkpoint-rename:2", "before-checkpoint-rename:3"] {
        let project = Project::new();
        kill_at(&project, point, &["run", "small.toml"]);
        let ended = project.run("small.toml");
        assert!(ended.stderr.contains("continues after step 3"), "{point}: {ended:#?}");
        assert!(!ended.stderr.contains("cannot be used"), "{point}: {ended:#?}");
    }
}

#[test]
fn a_run_killed_while_it_replaces_results_leaves_the_old_ones_or_the_new_ones() {
    for point in ["mid-publish", "before-publish-swap", "after-publish-swap", "before-run-finished"]
    {
        let project = Project::new();
        project.write("changing.toml", "extends = \"small.toml\"\nname = \"small\"\n");
        project.run("changing.toml");
        let old = project.results("small");
        project.write(
            "changing.toml",
            "extends = \"small.toml\"\nname = \"small\"\n[stage.corpus]\nsamples = 50\n",
        );
        kill_at(&project, point, &["run", "changing.toml"]);
        let now = project.results("small");
        assert!(
            (now == old) == point.starts_with("mid")
                || (now == old) == point.starts_with("before-publish"),
            "{point}"
        );
        project.run("changing.toml");
        assert_same(&project.results("small"), undisturbed("changed.toml"), point);
        assert!(
            now == old || now == project.results("small"),
            "{point}: half of something is published"
        );
        assert_eq!(project.litter(), [""; 0], "{point}");
    }
}

#[test]
fn a_sweep_killed_while_it_is_published_has_whole_trials_and_goes_on_from_there() {
    for point in ["mid-publish-part", "after-part-swap", "after-part-swap:2", "after-part-swap:3"] {
        let project = Project::new();
        kill_at(&project, point, &["run", "sweep.toml"]);
        let whole = undisturbed("sweep.toml");
        let is_complete = || {
            let record = project.outputs().join("sweep/published.json");
            let record = std::fs::read_to_string(record).expect("a record");
            !record.contains("\"complete\": false")
        };
        assert!(!is_complete(), "{point}");
        for (name, bytes) in project.results("sweep") {
            assert!(whole.get(&name) == Some(&bytes), "{point}: half of `{name}` is there");
        }
        let ended = project.run("sweep.toml");
        assert!(!ended.stderr.contains("not as published before"), "{point}: {ended:#?}");
        assert_same(&project.results("sweep"), whole, point);
        assert!(is_complete(), "{point}");
        assert_eq!(project.litter(), [""; 0], "{point}");
    }
}

#[test]
fn what_a_person_wrote_into_the_old_results_of_a_killed_run_is_brought_over_by_the_next() {
    for (file, name, place) in [("small.toml", "small", "."), ("sweep.toml", "sweep", "best")] {
        let project = Project::new();
        project.run(file);
        let results = project.outputs().join(name);
        let part = results.join(place);
        std::fs::write(part.join("notes.txt"), "mine").expect("written");
        // Who is in the folder stays in it, whatever its name becomes.
        let old = std::fs::File::open(&part).expect("a folder");
        let inode = std::os::unix::fs::MetadataExt::ino(&old.metadata().expect("a folder"));
        let text = std::fs::read_to_string(project.root().join("small.toml")).expect("ours");
        project.write("small.toml", &text.replace("samples = 60", "samples = 50"));
        // Each run goes on where the one before was killed.
        let left = loop {
            kill_at(&project, "before-publish-settle", &["run", file]);
            if let Some(left) = folder_of(&project.outputs().join("store/tmp"), inode) {
                break left;
            }
        };
        std::fs::write(left.join("late.txt"), "late").expect("written");
        std::fs::create_dir(left.join("own")).expect("made");
        std::fs::write(left.join("own/late.txt"), "late").expect("written");
        project.run(file);
        let read = |name: &str| std::fs::read_to_string(part.join(name)).ok();
        let found = ["notes.txt", "late.txt", "own/late.txt"].map(read);
        assert_eq!(found.map(Option::unwrap_or_default), ["mine", "late", "late"], "{file}");
        assert!(!names(&part).iter().any(|name| name.contains(".kept")), "{:?}", names(&part));
        assert_eq!(project.litter(), [""; 0], "{file}");
    }
}

/// The folder of this inode below another.
fn folder_of(folder: &Path, inode: u64) -> Option<std::path::PathBuf> {
    let inside = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    inside.filter(|path| path.is_dir() && !path.is_symlink()).find_map(|path| {
        let is_it = path
            .metadata()
            .is_ok_and(|metadata| std::os::unix::fs::MetadataExt::ino(&metadata) == inode);
        if is_it { Some(path) } else { folder_of(&path, inode) }
    })
}

#[test]
fn results_are_never_missing_or_half_there_while_a_run_replaces_them() {
    let project = Project::new();
    project.run("small.toml");
    let folder = project.outputs().join("small");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let (mut looks, mut missing) = (0_u64, BTreeSet::new());
            while !done.load(Ordering::Relaxed) {
                looks += 1;
                for name in ["metrics.json", "model/model.safetensors", "published.json"] {
                    if !folder.join(name).exists() {
                        missing.insert(name);
                    }
                }
            }
            (looks, missing)
        });
        let text = std::fs::read_to_string(project.root().join("small.toml")).expect("ours");
        for samples in [50, 60, 50, 60] {
            project.write(
                "small.toml",
                &text.replace("samples = 60", &format!("samples = {samples}")),
            );
            project.run("small.toml");
        }
        done.store(true, Ordering::Relaxed);
        let (looks, missing) = watching.join().expect("no panic");
        assert!(looks > 1000 && missing.is_empty(), "{missing:?} were missing");
    });
}

#[test]
fn a_run_killed_after_it_set_a_damaged_entry_aside_builds_it_again() {
    let project = Project::new();
    project.run("small.toml");
    // Encoded texts lie beside their tokenizer, and the scores of an evaluation have caveats too.
    let files = project.entry_files();
    let folder = files
        .iter()
        .filter_map(|name| name.strip_suffix("train.jsonl"))
        .find(|folder| !files.contains(&format!("{folder}tokenizer.json")))
        .expect("the corpus has texts");
    let corpus = format!("{folder}caveats.json");
    assert!(files.contains(&corpus), "{files:?}");
    flip(&project.outputs().join("store").join(corpus), 3);
    kill_at(&project, "after-set-aside", &["run", "small.toml", "--rerun", "init_model"]);
    let ended = project.pipeline(&["run", "small.toml"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_same(&project.results("small"), undisturbed("small.toml"), "after-set-aside");
    project.assert_verifies("after-set-aside");
    // What was damaged stays to be looked at until it is collected.
    assert!(
        project.litter().iter().all(|name| name.starts_with("tmp/damaged-")),
        "{:?}",
        project.litter()
    );
}

#[test]
fn a_run_killed_while_it_pins_or_downloads_goes_on_from_there() {
    let downloads = Downloads::new();
    for point in [
        "before-pins-rename",
        "after-pins-rename",
        "mid-download",
        "mid-download:3",
        "before-blob-rename",
        "before-blob-rename:3",
        "after-blob-rename",
    ] {
        let place = downloads.place();
        let ended =
            finish(start(place.command(&["run", "hub.toml"]).env("PIPELINE_CRASH_AT", point)));
        assert_eq!(ended.signal, Some(9), "`{point}` was not reached: {ended:#?}");
        let ended = finish(start(&mut place.command(&["run", "hub.toml"])));
        assert_eq!(ended.code, Some(0), "{point}: {ended:#?}");
        assert_same(&place.project.results("hub"), downloads.undisturbed(), point);
        assert_eq!(place.project.litter(), [""; 0], "{point}");
    }
}

/// One project: perhaps finished once with other texts, then killed up to three times, then left to finish.
fn round(draw: &mut Draw, kills: &mut u64, what: &str) {
    let project = Project::new();
    let sweep = draw.below(4) == 0;
    let (file, name) = if sweep { ("sweep.toml", "sweep") } else { ("small.toml", "small") };
    let before = !sweep && draw.below(2) == 0;
    if before {
        project.write(
            "small.toml",
            &std::fs::read_to_string(project.root().join("small.toml"))
                .expect("ours")
                .replace("samples = 60", "samples = 50"),
        );
        project.run("small.toml");
        project.fill(project.root());
    }
    let old = project.results(name);
    let whole = undisturbed(file);
    for _ in 0..1 + draw.below(3) {
        let limit = if sweep { 500 } else { 320 };
        let moment = Duration::from_micros(draw.below(limit * 1000));
        let mut child = start(&mut project.command(&["run", file]));
        let begun = Instant::now();
        while begun.elapsed() < moment && child.try_wait().expect("ours").is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        let alive = child.try_wait().expect("ours").is_none();
        child.kill().expect("ours");
        let ended = finish(child);
        if alive && ended.signal == Some(9) {
            *kills += 1;
        } else {
            assert_eq!(ended.code, Some(0), "{what}: {ended:#?}");
        }
        assert_whole(&project, &[&old, whole], &format!("{what}, killed after {moment:?}"));
    }
    assert_recovers(&project, file, name, what);
}

#[test]
fn runs_killed_at_any_moment_finish_with_the_bits_of_an_undisturbed_run() {
    let wanted =
        std::env::var("PIPELINE_FAULT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(25);
    let mut draw = Draw(seed());
    let mut kills = 0;
    let mut rounds = 0;
    while kills < wanted {
        rounds += 1;
        let what = format!("seed {}, round {rounds}", seed());
        round(&mut draw, &mut kills, &what);
        assert!(rounds < 10 * wanted + 100, "runs end before they can be killed");
    }
    eprintln!("{kills} kills in {rounds} projects were survived");
}

fn flip(path: &Path, at: usize) {
    crate::integrity::flip(path, at);
}
