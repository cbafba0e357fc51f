//! `gc`.

use crate::world::{Shot, World, snapshot};

const FILE: &str = "experiments/mini.toml";

/// After two runs of one file, of which the second trained otherwise.
fn twice() -> World {
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
    assert_eq!(
        world.pipeline(["plan", FILE, "--set", "stage.train.epochs=2", "--check"]).code,
        Some(0)
    );
    assert_eq!(world.pipeline(["verify"]).code, Some(0));
    assert_eq!(world.pipeline(["plan", FILE, "--check"]).code, Some(3));
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
    let world = World::trained();
    let first = world.latest_run();
    world.pipeline(["run", FILE, "--set", "stage.train.epochs=2"]);
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
    let unknown = world.pipeline(["pin", "no-run"]);
    assert!(
        unknown.code == Some(4) && unknown.stderr.contains("there is no run `no-run`"),
        "{unknown}"
    );
}
