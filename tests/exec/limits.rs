//! Stages that are tried again, and stages that take too long.

use std::time::{Duration, Instant};

use pipeline::engine::exec::{Cancel, Event, Outcome};

use crate::support::*;

/// Attempt, attempts and error of every failure that was not the last.
fn retries(ran: &Ran) -> Vec<(u32, u32, String)> {
    let retry = |event: &Event| match event {
        Event::StageRetried { attempt, attempts, error, .. } => {
            Some((*attempt, *attempts, error.clone()))
        }
        _ => None,
    };
    ran.events.iter().filter_map(retry).collect()
}

fn error(ran: &Ran, stage: &str) -> String {
    match ran.outcome_of(stage) {
        Outcome::Failed { error, .. } => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stage_that_fails_is_tried_again_as_often_as_it_may_be() {
    let project = Project::new();
    let stages = "[stage.flaky]\nfailures = 2\nretry = 2\n";
    let ran = project.run(stages);
    assert_eq!(ran.text("flaky"), "at last");
    assert_eq!(retries(&ran), [(1, 3, "failure 1".to_owned()), (2, 3, "failure 2".to_owned())]);
    assert_eq!(
        ran.outcome.records(&project.plan(stages))[0].earlier_errors,
        ["failure 1", "failure 2"]
    );
    assert_eq!(ran.started(), ["flaky"]);
}

#[test]
fn after_the_last_attempt_a_stage_has_failed() {
    let project = Project::new();
    let ran =
        project.run("[stage.flaky]\nfailures = 9\nretry = 1\n[stage.copy]\nfrom = \"@flaky\"\n");
    assert_eq!((retries(&ran).len(), error(&ran, "flaky")), (1, "failure 2".to_owned()));
    assert_eq!(ran.end("copy"), "not run");
    assert_eq!(project.temporary(), [""; 0]);
}

#[test]
fn without_retry_a_stage_is_tried_once() {
    let ran = Project::new().run("[stage.flaky]\nfailures = 1\n");
    assert_eq!((retries(&ran).len(), error(&ran, "flaky")), (0, "failure 1".to_owned()));
}

#[test]
fn a_panic_is_a_failure_like_others() {
    let ran = Project::new().run("[stage.flaky]\nfailures = 1\npanics = true\nretry = 1\n");
    assert_eq!(retries(&ran), [(1, 2, "the stage panicked: attempt 0".to_owned())]);
    assert_eq!(ran.end("flaky"), "built");
}

#[test]
fn what_is_interrupted_is_not_tried_again() {
    let cancel = Cancel::new();
    let react = |event: &Event| {
        if matches!(event, Event::StageProgress { .. }) {
            cancel.cancel();
        }
    };
    let ran = Project::new().run_with(
        "[stage.sleep]\nmilliseconds = 60000\nretry = 5\n",
        &cancel,
        &react,
    );
    assert_eq!((ran.end("sleep"), retries(&ran).len()), ("cancelled", 0));
}

#[test]
fn an_interruption_ends_the_pause_before_the_next_attempt() {
    let cancel = Cancel::new();
    let react = |event: &Event| {
        if matches!(event, Event::StageRetried { attempt: 5, .. }) {
            cancel.cancel();
        }
    };
    let begun = Instant::now();
    let ran =
        Project::new().run_with("[stage.flaky]\nfailures = 90\nretry = 80\n", &cancel, &react);
    assert_eq!(ran.end("flaky"), "cancelled");
    // The fifth pause alone is 3.2 s long, after 3 s of others.
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

#[test]
fn a_stage_that_takes_too_long_is_asked_to_stop_and_has_failed() {
    let project = Project::new();
    let ran = project.run("[stage.sleep]\nmilliseconds = 60000\ntimeout = \"200ms\"\n");
    assert_eq!(error(&ran, "sleep"), "it took longer than its `timeout` of 200ms");
    assert_eq!(ran.outcome.exit_code(), 1);
}

#[test]
fn attempts_that_take_too_long_go_on_from_each_other() {
    let project = Project::new();
    let ran = project.run("[stage.sleep]\nmilliseconds = 500\ntimeout = \"400ms\"\nretry = 9\n");
    assert_eq!(ran.end("sleep"), "built");
    assert!(!retries(&ran).is_empty());
}

#[test]
fn a_stage_that_ends_in_time_does_not_know_of_its_timeout() {
    let ran = Project::new().run("[stage.sleep]\nmilliseconds = 1\ntimeout = \"1h\"\n");
    assert_eq!(ran.end("sleep"), "built");
}
