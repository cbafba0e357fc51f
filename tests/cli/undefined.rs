//! Metrics that the data leave undefined.

use crate::world::{Shot, World};

/// A child of `mini.toml` whose texts are all normal.
fn one_class(train: &str, rest: &str) -> World {
    let world = World::new();
    let text = format!("[stage.corpus]\nanomaly_ratio = 0\n[stage.train]\n{train}\n{rest}");
    world.child("calm", &text);
    world
}

#[test]
fn early_stopping_by_a_metric_that_the_data_leave_undefined_fails_before_the_first_step() {
    let world =
        one_class("epochs = 20\nearly_stopping = { metric = \"anomaly.auroc\", patience = 2 }", "");
    let shot = world.pipeline(["run", "experiments/calm.toml"]);
    assert_eq!(shot.code, Some(1), "{shot}");
    let said =
        "`early_stopping` cannot go by `anomaly.auroc`, which is undefined in the validation split";
    assert!(shot.stderr.contains(said) && shot.stderr.contains("it has no anomaly"), "{shot}");
    assert!(!shot.stderr.contains("stopped after step"), "{shot}");
}

#[test]
fn keep_best_by_a_metric_that_the_data_leave_undefined_fails_likewise() {
    let shot =
        one_class("keep_best = \"anomaly.f1\"", "").pipeline(["run", "experiments/calm.toml"]);
    assert_eq!(shot.code, Some(1), "{shot}");
    assert!(shot.stderr.contains("`keep_best` cannot go by `anomaly.f1`"), "{shot}");
}

#[test]
fn a_metric_that_the_data_define_is_watched_and_the_run_says_which_step_was_kept() {
    let world = one_class("epochs = 3\nkeep_best = \"ner.token_accuracy\"", "");
    let shot = world.pipeline(["run", "experiments/calm.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert!(shot.stderr.contains("keeps the weights of step "), "{shot}");
    assert!(shot.stderr.contains("the best by `ner.token_accuracy`: 0."), "{shot}");
    let said = |shot: &Shot| {
        let line = shot.stderr.lines().find(|line| line.contains("keeps the weights of step "));
        line.map(str::to_owned)
    };
    let again = world.pipeline(["run", "experiments/calm.toml"]);
    assert_eq!(said(&again), said(&shot), "a run that trains nothing says it, too");
    let history = world.read("outputs/calm/history.csv");
    let mut rows = csv::Reader::from_reader(history.as_bytes());
    assert_eq!(rows.headers().expect("a header").iter().next_back(), Some("watched"));
    for row in rows.records().map(|row| row.expect("a row")) {
        assert_eq!(row[0] == *"validation", !row[row.len() - 1].is_empty(), "{history}");
    }
}

#[test]
fn an_objective_that_no_trial_defines_is_warned_of_and_there_is_no_best() {
    let world = one_class(
        "",
        "[sweep]\nmethod = \"grid\"\nobjective = \"max evaluate.anomaly.auroc\"\n\
         [sweep.over]\ntrain.learning_rate = [1e-3, 2e-3]\n",
    );
    for _ in ["built", "cached"] {
        let shot = world.pipeline(["run", "experiments/calm.toml"]);
        assert_eq!(shot.code, Some(0), "{shot}");
        let said = "warning: the objective `evaluate.anomaly.auroc` is undefined in every trial";
        assert!(shot.stderr.contains(said), "{shot}");
    }
    assert!(!world.path("outputs/calm/best").exists());
}

#[test]
fn an_objective_whose_stage_was_not_asked_for_is_not_called_undefined() {
    let world = World::new();
    world.child(
        "rates",
        "[sweep]\nmethod = \"grid\"\nobjective = \"max evaluate.anomaly.f1\"\n\
         [sweep.over]\ntrain.learning_rate = [1e-3, 2e-3]\n",
    );
    let shot = world.pipeline(["run", "experiments/rates.toml", "train"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert!(!shot.stderr.contains("undefined"), "{shot}");
    assert!(world.path("outputs/rates").is_dir() && !world.path("outputs/rates/best").exists());
}

#[test]
fn a_point_whose_objective_is_undefined_is_worse_than_any_other() {
    // Without weight the head is not there; with it, its score is at least 0.
    let world = World::new();
    world.child(
        "heads",
        "[sweep]\nmethod = \"grid\"\nobjective = \"min evaluate.anomaly.accuracy\"\n\
         [sweep.over]\ntrain.anomaly_weight = [0.0, 1.0]\n",
    );
    let shot = world.pipeline(["run", "experiments/heads.toml"]);
    assert_eq!(shot.code, Some(0), "{shot}");
    assert!(world.read("outputs/heads/best/trial.txt").contains("anomaly_weight=1"), "{shot}");
}
