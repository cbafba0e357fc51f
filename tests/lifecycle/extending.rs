//! A training that goes further than a finished one.

use std::collections::BTreeSet;
use std::time::SystemTime;

use pipeline::engine::exec::{Cancel, Event};
use pipeline::engine::runs::{Limits, WasteOf, collect};

use crate::support::Project;

const THREE: &str = "schedule = \"constant\"\nepochs = 3";
const TEN: &str = "schedule = \"constant\"\nepochs = 10";

#[test]
fn ten_epochs_after_three_make_the_steps_of_seven_and_the_bytes_of_ten_at_once() {
    let project = Project::new();
    assert_eq!(project.run(THREE).steps(), 12);
    let extended = project.run(TEN);
    assert_eq!(extended.steps(), 28);
    let other = Project::new();
    let at_once = other.run(TEN);
    assert_eq!(at_once.steps(), 40);
    assert!(extended.files() == at_once.files());
}

#[test]
fn under_any_schedule_each_stop_makes_the_steps_since_the_one_before_and_the_end_has_the_bytes_of_all_at_once()
 {
    for schedule in [
        "",
        "schedule = \"cosine\"\nwarmup_steps = 3\nkeep_best = \"loss\"",
        "schedule = \"constant\"\nwarmup_ratio = 0.3\nevaluate_every = 3\nkeep_best = \"ner.span_f1\"",
    ] {
        let (project, ten) = (Project::new(), format!("{schedule}\nepochs = 10"));
        for (stop, steps) in [("0.5", 2), ("2", 6), ("5", 12)] {
            let ran = project.run(&format!("{ten}\nstop_after = {stop}"));
            assert_eq!(ran.steps(), steps, "{ten}");
            let history = String::from_utf8(ran.files()["history.csv"].clone()).expect("UTF-8");
            let last = history.lines().last().expect("rows");
            assert!(last.starts_with("validation"), "{stop}: {last}");
        }
        let ran = project.run(&ten);
        assert_eq!(ran.steps(), 20, "{ten}");
        assert!(ran.files() == Project::new().run(&ten).files(), "{ten}");
        assert_eq!(project.checkpoints(), [""; 0], "nothing goes further");
    }
}

#[test]
fn a_stop_that_was_interrupted_goes_on_and_leaves_its_state() {
    let project = Project::new();
    let cancel = Cancel::new();
    project.run_with("epochs = 10\nstop_after = 9", &cancel, &|event| {
        if matches!(event, Event::StageProgress { name, .. } if name.kind == "train") {
            cancel.cancel();
        }
    });
    let resumed = project.run("epochs = 10\nstop_after = 9");
    assert!(resumed.steps() < 36);
    let whole = project.run("epochs = 10");
    assert_eq!(whole.steps(), 4);
    assert!(whole.files() == Project::new().run("epochs = 10").files());
}

#[test]
fn gc_keeps_the_state_of_the_latest_stop_and_no_other() {
    let project = Project::new();
    project.run("epochs = 4\nstop_after = 1\nseed = 5");
    let latest = project.run("epochs = 4\nstop_after = 2");
    let warm_start = latest.plan.warm_start(crate::support::train_of(&latest.plan));
    assert_eq!(project.checkpoints().len(), 2);
    collect(&project.store(), Limits::default(), &BTreeSet::new(), SystemTime::now(), true)
        .expect("writable");
    assert_eq!(project.checkpoints(), [warm_start.expect("it can go on").to_string()]);
    assert_eq!(project.run("epochs = 4").steps(), 8);
}

#[test]
fn a_stop_beyond_the_end_or_at_the_beginning_is_a_mistake() {
    for stop in ["5", "0", "-1", "3.01"] {
        let found = mistakes(&format!("epochs = 3\nstop_after = {stop}"));
        assert!(found.contains("stop_after") && found.contains("small.toml:"), "{found}");
    }
    assert_eq!(mistakes("epochs = 3\nstop_after = 3"), "no mistakes");
    let beyond = mistakes("epochs = 3\nstop_after = 5");
    assert!(beyond.contains("leave it out to train to the end"), "{beyond}");
}

fn mistakes(train: &str) -> String {
    Project::new().mistakes(train)
}

#[test]
fn the_plan_says_that_a_later_stop_and_the_end_continue() {
    let project = Project::new();
    project.run("epochs = 10\nstop_after = 2");
    let says = |train: &str| project.forecast(&format!("epochs = {train}"));
    assert_eq!(says("10\nstop_after = 5"), "stop_after 2.0 -> 5.0; continues what is finished");
    assert_eq!(says("10"), "stop_after 2.0 -> (not set); continues what is finished");
    assert_eq!(says("10\nstop_after = 1"), "stop_after 2.0 -> 1.0");
    assert_eq!(
        says("20\nstop_after = 5"),
        "epochs 10 -> 20, stop_after 2.0 -> 5.0; cannot continue what is finished: `schedule = \"linear\"` depends on how many steps there will be"
    );
    project.run(&format!("{TEN}\nstop_after = 3"));
    assert_eq!(
        project.forecast(&format!("{TEN}\nstop_after = 4")),
        "stop_after 3.0 -> 4.0; continues what is finished"
    );
    let five = "schedule = \"constant\"\nepochs = 5";
    assert_eq!(
        project.forecast(five),
        "epochs 10 -> 5, stop_after 3.0 -> (not set); continues what is finished"
    );
}

#[test]
fn the_state_to_go_on_from_costs_only_time_when_it_is_gone() {
    let project = Project::new();
    project.run(THREE);
    std::fs::remove_dir_all(project.outputs().join("checkpoints")).expect("it is there");
    let again = project.run(TEN);
    assert_eq!(again.steps(), 40);
    assert!(again.files() == Project::new().run(TEN).files());
}

#[test]
fn after_gc_has_removed_the_state_of_a_warm_start_the_bytes_are_the_same() {
    let project = Project::new();
    project.run(THREE);
    // The latest run of the file needs another warm start.
    project.run(&format!("{THREE}\nseed = 5"));
    let collected =
        collect(&project.store(), Limits::default(), &BTreeSet::new(), SystemTime::now(), true)
            .expect("writable");
    assert_eq!(collected.waste.iter().filter(|waste| waste.what == WasteOf::SavedState).count(), 1);
    let again = project.run(TEN);
    assert_eq!(again.steps(), 40);
    assert!(again.files() == Project::new().run(TEN).files());
}

#[test]
fn the_best_weights_and_an_early_end_survive_an_extension() {
    for more in [
        "keep_best = \"loss\"",
        "keep_best = \"anomaly.f1\"\nevaluate_every = 3",
        "early_stopping = { metric = \"loss\", patience = 2, min_delta = 0.3 }\nkeep_best = \"loss\"",
        "early_stopping = { metric = \"ner.span_f1\", patience = 3 }\nevaluate_every = 3",
    ] {
        let project = Project::new();
        project.run(&format!("{THREE}\n{more}"));
        let extended = project.run(&format!("{TEN}\n{more}"));
        let other = Project::new();
        let at_once = other.run(&format!("{TEN}\n{more}"));
        assert_eq!(extended.steps(), at_once.steps().saturating_sub(12), "{more}");
        assert!(extended.files() == at_once.files(), "{more}");
    }
}

#[test]
fn a_finished_training_leaves_the_state_for_a_warm_start_and_no_checkpoints_of_its_own() {
    let project = Project::new();
    let ran = project.run(THREE);
    let warm_start =
        ran.plan.warm_start(crate::support::train_of(&ran.plan)).expect("it can be extended");
    assert_eq!(project.checkpoints(), [warm_start.to_string()]);
}

#[test]
fn with_a_schedule_that_knows_the_end_nothing_is_left() {
    let project = Project::new();
    project.run("epochs = 1");
    assert_eq!(project.checkpoints(), [""; 0]);
}

#[test]
fn a_training_that_is_asked_for_again_begins_at_its_beginning() {
    let mut project = Project::new();
    let first = project.run(THREE);
    project.options.rerun.insert("train".into());
    let again = project.run(THREE);
    assert!(
        !again.messages().iter().any(|message| message.contains("continues")),
        "{:?}",
        again.messages()
    );
    assert!(again.files() == first.files());
}

#[test]
fn the_plan_says_that_more_epochs_continue() {
    let project = Project::new();
    project.run(THREE);
    assert_eq!(project.forecast(TEN), "epochs 3 -> 10; continues what is finished");
}

#[test]
fn the_plan_says_why_more_epochs_cannot_continue() {
    let project = Project::new();
    project.run("epochs = 3");
    assert_eq!(
        project.forecast("epochs = 10"),
        "epochs 3 -> 10; cannot continue what is finished: `schedule = \"linear\"` depends on how many steps there will be"
    );
    project.run(&format!("{THREE}\nwarmup_ratio = 0.5"));
    assert_eq!(
        project.forecast(&format!("{TEN}\nwarmup_ratio = 0.5")),
        "epochs 3 -> 10; cannot continue what is finished: `warmup_ratio = 0.5` depends on how many steps there will be"
    );
}

#[test]
fn the_plan_says_when_the_state_is_gone() {
    let project = Project::new();
    project.run(THREE);
    std::fs::remove_dir_all(project.outputs().join("checkpoints")).expect("it is there");
    assert_eq!(
        project.forecast(TEN),
        "epochs 3 -> 10; cannot continue what is finished: the state to go on from is gone or damaged"
    );
}

#[test]
fn fewer_epochs_and_other_changes_are_no_continuation() {
    let project = Project::new();
    project.run(THREE);
    assert_eq!(project.forecast("schedule = \"constant\"\nepochs = 2"), "epochs 3 -> 2");
    assert_eq!(project.forecast(&format!("{TEN}\nseed = 1")), "epochs 3 -> 10, seed 42 -> 1");
}
