//! `gc`.

use crate::world::{MINI, Shot, World, snapshot};

const FILE: &str = "experiments/mini.toml";

/// After two runs of one file as it stood, of which the second trained otherwise.
fn twice() -> World {
    let world = World::trained();
    let longer = MINI.replace("epochs = 1", "epochs = 2");
    world.write(FILE, &longer);
    assert_eq!(world.pipeline(["run", FILE]).code, Some(0));
    world
}

/// After one run of a file, and one that trained otherwise.
fn tried() -> World {
    let world = World::trained();
    assert_eq!(world.pipeline(["run", FILE, "--set", "stage.train.epochs=2"]).code, Some(0));
    world
}

/// What it says, with columns one space apart and days redacted.
fn plain(shot: &Shot) -> String {
    let words = |line: &str| {
        let is_day = |word: &str| {
            word.len() == 10 && word.as_bytes()[4] == b'-' && word.as_bytes()[7] == b'-'
        };
        line.split_whitespace()
            .map(|word| if is_day(word) { "[day]" } else { word })
            .collect::<Vec<_>>()
            .join(" ")
    };
    shot.to_string().lines().map(words).collect::<Vec<_>>().join("\n")
}

#[test]
fn after_one_run_there_is_nothing_to_remove() {
    snapshot!(World::trained().pipeline(["gc"]), World::empty().pipeline(["gc"]));
}

#[test]
fn what_an_earlier_run_made_and_the_latest_does_not_need_is_shown_and_stays() {
    let world = twice();
    let shown = world.pipeline(["gc"]);
    snapshot!(plain(&shown));
    assert_eq!(plain(&world.pipeline(["gc"])), plain(&shown));
}

#[test]
fn applied_it_removes_what_it_showed_and_the_latest_results_stay_cached() {
    let world = twice();
    let shown = world.pipeline(["gc", "--json"]).json();
    let removed = world.pipeline(["gc", "--apply", "--json"]).json();
    assert_eq!(
        (&removed["waste"], &removed["applied"]),
        (&shown["waste"], &serde_json::Value::Bool(true))
    );
    assert_eq!(removed["waste"].as_array().expect("a list").len(), 3);
    assert_eq!(
        world.pipeline(["gc", "--apply", "--json"]).json()["waste"]
            .as_array()
            .expect("a list")
            .len(),
        0
    );
    assert_eq!(world.pipeline(["plan", FILE, "--check"]).code, Some(0));
    assert_eq!(world.pipeline(["verify"]).code, Some(0));
    assert_eq!(
        world.pipeline(["plan", FILE, "--set", "stage.train.epochs=1", "--check"]).code,
        Some(3)
    );
}

#[test]
fn what_is_young_or_fits_stays() {
    let world = twice();
    for limit in [["--older-than", "1d"], ["--max-size", "20GB"]] {
        let shot = world.pipeline(["gc"].iter().chain(&limit));
        assert!(shot.stdout.starts_with("nothing to remove"), "{shot}");
    }
    let over = world.pipeline(["gc", "--max-size", "1"]);
    assert!(over.stdout.contains("3 folders of"), "{over}");
}

#[test]
fn a_pinned_or_named_run_keeps_what_it_needs() {
    let world = twice();
    let latest = world.latest_run();
    let first =
        world.names("outputs/runs").into_iter().find(|run| *run != latest).expect("two runs");
    let kept = world.pipeline(["gc", "--keep", &first]);
    assert!(kept.stdout.starts_with("nothing to remove"), "{kept}");
    world.write(format!("outputs/runs/{first}/pinned"), "");
    let pinned = world.pipeline(["gc"]);
    assert!(pinned.stdout.starts_with("nothing to remove"), "{pinned}");
}

#[test]
fn limits_that_are_none_and_runs_that_are_not_there_are_said() {
    let world = World::trained();
    snapshot!(
        world.pipeline(["gc", "--older-than", "a month"]),
        world.pipeline(["gc", "--max-size", "-3"]),
        world.pipeline(["gc", "--keep", "nothing"]),
    );
}

#[test]
fn entries_of_an_experiment_that_is_gone_are_offered_with_what_they_took_unless_their_run_is_pinned()
 {
    let world = World::trained();
    let gc = || world.pipeline(["gc"]).stdout;
    assert!(gc().starts_with("nothing to remove"), "{}", gc());
    std::fs::remove_file(world.path("experiments/mini.toml")).expect("removed");
    let offered = gc();
    assert!(
        offered.contains("mini/train") && offered.contains("; its experiment file is gone"),
        "{offered}"
    );
    assert!(
        offered.contains(", epochs 1, learning_rate 0.001, ") && offered.contains(" took "),
        "{offered}"
    );
    let run = world.latest_run();
    assert_eq!(world.pipeline(["pin", &run]).stdout, format!("pinned {run}\n"));
    assert!(gc().starts_with("nothing to remove"), "{}", gc());
    assert_eq!(world.pipeline(["unpin", &run]).stdout, format!("unpinned {run}\n"));
    assert_eq!(gc(), offered);
    let folder = format!("outputs/runs/{run}/");
    assert_eq!(world.pipeline(["pin", &folder]).stdout, format!("pinned {run}\n"));
    assert_eq!(world.pipeline(["unpin", &folder]).stdout, format!("unpinned {run}\n"));
    let unknown = world.pipeline(["pin", "no-run"]);
    assert!(
        unknown.code == Some(4) && unknown.stderr.contains("there is no run `no-run`"),
        "{unknown}"
    );
}

/// Rewrites a run's record as if it had begun long ago.
fn age(world: &World, run: &str) {
    let path = format!("outputs/runs/{run}/run.json");
    let mut record: serde_json::Value = serde_json::from_str(&world.read(&path)).expect("JSON");
    record["started"] = "2025-01-01T00:00:00.000Z".into();
    world.write(path, record.to_string());
}

#[test]
fn a_short_run_to_try_something_leaves_the_training_of_the_file_alone_however_old_that_is() {
    let world = tried();
    let first = world.names("outputs/runs").into_iter().next().expect("a run");
    age(&world, &first);
    let kept = world.pipeline(["gc"]).stdout;
    assert!(kept.starts_with("nothing to remove"), "{kept}");
}

#[test]
fn what_was_tried_stays_for_30_days_and_is_then_offered_with_what_it_was_made_with() {
    let world = World::trained();
    assert_eq!(world.pipeline(["run", FILE, "--set", "stage.train.epochs=2"]).code, Some(0));
    let tried = world.latest_run();
    assert_eq!(world.pipeline(["run", FILE]).code, Some(0));
    let kept = world.pipeline(["gc"]).stdout;
    assert!(kept.starts_with("nothing to remove"), "{kept}");
    age(&world, &tried);
    let offered = world.pipeline(["gc"]).stdout;
    assert!(offered.contains(" took ") && offered.contains(", epochs 2, "), "{offered}");
}

#[test]
fn one_trial_of_a_sweep_that_is_run_again_leaves_the_others_alone() {
    let world = World::new();
    world.child("sweep", "[sweep.over]\ntrain.epochs = [1, 2]\n");
    let file = "experiments/sweep.toml";
    assert_eq!(world.pipeline(["run", file]).code, Some(0));
    assert_eq!(world.pipeline(["run", file, "train [epochs=1]"]).code, Some(0));
    let kept = world.pipeline(["gc"]).stdout;
    assert!(kept.starts_with("nothing to remove"), "{kept}");
}

#[test]
fn old_records_go_but_the_latest_of_each_file_and_change_and_those_that_are_pinned_or_have_results()
{
    let world = World::trained();
    let runs = || world.names("outputs/runs");
    let gc = |more: &[&str]| world.pipeline(["gc", "--runs"].iter().chain(more));
    let first = world.latest_run();
    let changed = ["run", FILE, "--name", "other", "--set", "stage.train.epochs=2"];
    for _ in 0..2 {
        assert_eq!(world.pipeline(["run", FILE]).code, Some(0));
        assert_eq!(world.pipeline(changed).code, Some(0));
    }
    // The records of the runs between say whose results lie where, or nothing.
    let all = runs();
    assert_eq!(all.len(), 5);
    std::fs::remove_dir_all(world.path("outputs/mini")).expect("removed");
    std::fs::remove_dir_all(world.path("outputs/mini@other")).expect("removed");
    assert!(gc(&["--older-than", "1d"]).stdout.starts_with("nothing to remove among 5 records"));
    assert_eq!(world.pipeline(["pin", &first]).code, Some(0));
    let shown = gc(&[]);
    snapshot!(shown);
    assert_eq!(runs(), all);
    let removed = gc(&["--apply", "--json"]).json();
    assert_eq!((removed["runs"].as_array().map(Vec::len), &removed["kept"]), (Some(2), &3.into()));
    assert!(runs().len() == 3 && runs().contains(&first), "{:?}", runs());
    assert!(gc(&["--apply"]).stdout.starts_with("nothing to remove among 3 records"));
    assert!(world.pipeline(["gc"]).stdout.starts_with("nothing to remove"));
    assert_eq!(world.pipeline(["plan", FILE, "--check"]).code, Some(0));
}

#[test]
fn a_record_that_says_whose_results_lie_in_outputs_stays() {
    let world = World::trained();
    assert_eq!(world.pipeline(["run", FILE, "--name", "kept"]).code, Some(0));
    let kept = world.latest_run();
    assert_eq!(world.pipeline(["run", FILE]).code, Some(0));
    let removed = world.pipeline(["gc", "--runs", "--apply"]).stdout;
    assert!(world.names("outputs/runs").contains(&kept), "{removed}");
}
