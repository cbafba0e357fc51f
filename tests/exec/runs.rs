//! What is run, and what is not.

use std::fs;

use pipeline::base::problem::Help;
use pipeline::engine::exec::{Because, Cancel, Event, Outcome};
use pipeline::engine::store::verify;

use crate::support::*;

const CHAIN: &str = r#"
    [stage.a]
    kind = "write"
    text = "one"
    [stage.b]
    kind = "copy"
    from = "@a"
    suffix = " two"
    [stage.c]
    kind = "copy"
    from = "@b"
    suffix = " three"
"#;

/// `a` and `b` write the same, but have other keys.
fn noted(note: &str) -> String {
    CHAIN.replace("text = \"one\"", &format!("text = \"one\"\nnote = \"{note}\""))
}

#[test]
fn the_first_run_builds_everything_in_order() {
    let project = Project::new();
    let ran = project.run(CHAIN);
    assert_eq!(ran.started(), ["a", "b", "c"]);
    assert_eq!(ran.text("c"), "one two three");
    assert_eq!(ran.outcome.exit_code(), 0);
}

#[test]
fn the_second_run_executes_nothing() {
    let project = Project::new();
    project.run(CHAIN);
    let ran = project.run(CHAIN);
    assert_eq!(ran.started(), [""; 0]);
    assert_eq!(ran.outcome.counts().cached, 3);
    assert_eq!(ran.outcome.exit_code(), 0);
}

#[test]
fn the_second_run_reads_no_contents() {
    let project = Project::new();
    project.run(CHAIN);
    flip(&project.folder(CHAIN, "a").join("text"));
    assert_eq!(project.run(CHAIN).outcome.counts().cached, 3);
}

#[test]
fn a_changed_parameter_runs_what_depends_on_it() {
    let project = Project::new();
    project.run(CHAIN);
    let ran = project.run(&CHAIN.replace(" two", " 2"));
    assert_eq!(ran.started(), ["b", "c"]);
    assert_eq!(ran.text("c"), "one 2 three");
}

#[test]
fn early_cutoff_reuses_what_was_made_from_the_same_content() {
    let project = Project::new();
    project.run(CHAIN);
    let ran = project.run(&noted("other"));
    assert_eq!(ran.started(), ["a"]);
    assert_eq!((ran.end("b"), ran.end("c")), ("reused", "reused"));
    assert_eq!(ran.text("c"), "one two three");
}

#[test]
fn an_older_entry_is_taken_only_where_nobody_builds_the_new_one() {
    let project = Project::new();
    project.run(CHAIN);
    let store = project.store();
    let held = std::sync::Mutex::new(
        store.try_lock(&project.key(&noted("other"), "b")).expect("writable"),
    );
    let react = |event: &Event| {
        if matches!(event, Event::StageWaiting { .. }) {
            drop(held.lock().expect("no panic").take());
        }
    };
    let ran = project.run_with(&noted("other"), &Cancel::new(), &react);
    assert!(held.into_inner().expect("no panic").is_none(), "nobody waited");
    assert_eq!(ran.end("b"), "reused");
}

#[test]
fn what_was_reused_is_cached_afterwards() {
    let project = Project::new();
    project.run(CHAIN);
    project.run(&noted("other"));
    assert_eq!(project.run(&noted("other")).outcome.counts().cached, 3);
}

#[test]
fn an_entry_missing_in_the_middle_is_built_again_alone() {
    let project = Project::new();
    project.run(CHAIN);
    fs::remove_dir_all(project.folder(CHAIN, "b")).expect("ours");
    let ran = project.run(CHAIN);
    assert_eq!(ran.started(), ["b"]);
    assert_eq!(ran.end("c"), "cached");
}

#[test]
fn an_interruption_just_before_a_stage_begins_keeps_it_from_beginning() {
    let project = Project::new();
    project.run(CHAIN);
    fs::remove_file(project.folder(CHAIN, "b").join("text")).expect("ours");
    let cancel = Cancel::new();
    // The stage's thread has been started, and is about to begin.
    let react = |event: &Event| {
        if matches!(event, Event::EntryDamaged { .. }) {
            cancel.cancel();
        }
    };
    let ran = project.run_with(CHAIN, &cancel, &react);
    assert_eq!((ran.started(), ran.end("b"), ran.outcome.exit_code()), (vec![], "cancelled", 130));
}

#[test]
fn an_input_that_is_removed_under_a_running_stage_is_said_to_be() {
    let project = Project::new();
    let folder = std::sync::Mutex::new(None);
    let react = |event: &Event| match event {
        Event::StageFinished { name, key, .. } if &*name.stage == "a" => {
            let entry = project.store().get(key).expect("readable").expect("there");
            *folder.lock().expect("no panic") = Some(entry.folder().to_owned());
        }
        Event::StageStarted { name, .. } if &*name.stage == "b" => {
            fs::remove_dir_all(folder.lock().expect("no panic").as_ref().expect("built"))
                .expect("ours");
        }
        _ => {}
    };
    let ran = project.run_with(CHAIN, &Cancel::new(), &react);
    let Outcome::Failed { error, .. } = ran.outcome_of("b") else { panic!("{:?}", ran.ends()) };
    let help = error.help().expect("a remedy");
    assert_eq!(
        help,
        "an input of the stage was removed or changed during the run; run the same command again"
    );
}

#[test]
fn an_entry_with_a_missing_file_is_set_aside_and_built_again() {
    let project = Project::new();
    project.run(CHAIN);
    fs::remove_file(project.folder(CHAIN, "b").join("text")).expect("ours");
    let ran = project.run(CHAIN);
    assert_eq!(ran.started(), ["b"]);
    assert!(
        ran.events
            .iter()
            .any(|event| matches!(event, Event::EntryDamaged { name, .. } if &*name.stage == "b"))
    );
    assert!(matches!(&project.temporary()[..], [name] if name.starts_with("damaged-")));
}

#[test]
fn an_input_found_damaged_is_built_again_in_the_same_run() {
    let project = Project::new();
    project.run(CHAIN);
    flip(&project.folder(CHAIN, "b").join("text"));
    let ran = project.run(&CHAIN.replace(" three", " 3"));
    assert_eq!(ran.started(), ["b", "c"]);
    assert_eq!(ran.text("c"), "one two 3");
    assert_eq!(ran.outcome.exit_code(), 0);
}

#[test]
fn damage_is_repaired_up_the_chain() {
    let project = Project::new();
    project.run(CHAIN);
    flip(&project.folder(CHAIN, "a").join("text"));
    flip(&project.folder(CHAIN, "b").join("text"));
    let ran = project.run(&CHAIN.replace(" three", " 3"));
    assert_eq!(ran.started(), ["a", "b", "c"]);
    assert_eq!(ran.text("c"), "one two 3");
}

#[test]
fn a_damaged_manifest_is_set_aside_and_built_again() {
    let project = Project::new();
    project.run(CHAIN);
    flip(&project.folder(CHAIN, "b").join("manifest.json"));
    assert_eq!(project.run(CHAIN).started(), ["b"]);
    assert_eq!(verify(&project.store(), &|_| {}).expect("readable").findings, []);
}

#[test]
fn damaged_files_behind_an_alias_are_built_again() {
    let project = Project::new();
    project.run(CHAIN);
    let other = noted("other");
    project.run(&other);
    flip(&project.folder(&other, "b").join("text"));
    let ran = project.run(&other.replace(" three", " 3"));
    assert_eq!(ran.text("c"), "one two 3");
    assert_eq!(ran.started(), ["b", "c"]);
}

#[test]
fn damage_behind_an_alias_and_its_entry_in_one_plan_is_repaired() {
    let project = Project::new();
    // Nothing reads `b2`, whose files are those of `b`.
    let second = "[stage.a2]\nkind = \"write\"\ntext = \"one\"\n[stage.b2]\nkind = \"copy\"\nfrom = \"@a2\"\nsuffix = \" two\"\n";
    let both = noted("other") + second;
    project.run(CHAIN);
    assert_eq!(project.run(&both).end("b"), "reused");
    flip(&project.folder(&both, "b").join("text"));
    let ran = project.run(&both.replace(" three", " 3"));
    assert_eq!(
        (ran.text("b"), ran.text("b2"), ran.text("c")),
        ("one two".into(), "one two".into(), "one two 3".into())
    );
    assert_eq!(ran.outcome.exit_code(), 0);
    assert_eq!(verify(&project.store(), &|_| {}).expect("readable").findings, []);
}

#[test]
fn rerun_builds_a_stage_that_is_there() {
    let mut project = Project::new();
    project.run(CHAIN);
    project.options.rerun.insert("b".into());
    let ran = project.run(CHAIN);
    assert_eq!(ran.started(), ["b"]);
    assert_eq!(ran.end("c"), "cached");
}

#[test]
fn a_rerun_that_comes_out_differently_runs_what_depends_on_it() {
    let stages = "[stage.a]\nkind = \"moody\"\n[stage.b]\nkind = \"copy\"\nfrom = \"@a\"\n";
    let mut project = Project::new();
    project.run(stages);
    project.options.rerun.insert("a".into());
    let ran = project.run(stages);
    assert_eq!(ran.started(), ["a", "b"]);
    assert_eq!(ran.text("a"), ran.text("b"));
    project.options.rerun.clear();
    assert_eq!(project.run(stages).outcome.counts().cached, 2);
}

#[test]
fn a_repair_that_comes_out_differently_runs_what_was_thought_cached() {
    let stages = "[stage.a]\nkind = \"moody\"\n[stage.b]\nkind = \"copy\"\nfrom = \"@a\"\n[stage.c]\nkind = \"copy\"\nfrom = \"@a\"\nsuffix = \"x\"\n";
    let project = Project::new();
    project.run(stages);
    flip(&project.folder(stages, "a").join("text"));
    let ran = project.run(&stages.replace("\"x\"", "\"y\""));
    assert_eq!(ran.text("b"), ran.text("a"));
    assert_eq!(ran.text("c"), format!("{}y", ran.text("a")));
}

const BRANCHES: &str = r#"
    [stage.bad]
    kind = "fail"
    [stage.below]
    kind = "copy"
    from = "@bad"
    [stage.deeper]
    kind = "copy"
    from = "@below"
    [stage.good]
    kind = "write"
    text = "1"
    after = ["bad2"]
    [stage.bad2]
    kind = "write"
    text = "2"
    [stage.better]
    kind = "copy"
    from = "@good"
"#;

#[test]
fn with_keep_going_independent_branches_finish() {
    let mut project = Project::new();
    project.options.keep_going = true;
    let ran = project.run(BRANCHES);
    assert_eq!((ran.end("good"), ran.end("better")), ("built", "built"));
    assert_eq!(ran.outcome.exit_code(), 1);
}

#[test]
fn what_depends_on_a_failure_is_not_run_because_of_it() {
    let mut project = Project::new();
    project.options.keep_going = true;
    let ran = project.run(BRANCHES);
    for stage in ["below", "deeper"] {
        let Outcome::NotRun { because: Because::Failed { upstream } } = ran.outcome_of(stage)
        else {
            panic!("{stage}")
        };
        assert_eq!(&*upstream.stage, "bad");
    }
}

#[test]
fn without_keep_going_nothing_starts_after_a_failure() {
    let mut project = Project::new();
    project.options.jobs = 1;
    let ran = project.run(BRANCHES);
    let Outcome::NotRun { because: Because::Stopped { after } } = ran.outcome_of("better") else {
        panic!("{:?}", ran.ends())
    };
    assert_eq!(&*after.stage, "bad");
    assert_eq!(ran.outcome.exit_code(), 1);
}

#[test]
fn without_keep_going_what_runs_already_is_finished() {
    let project = Project::new();
    let ran = project
        .run("[stage.slow]\nkind = \"sleep\"\nmilliseconds = 150\n[stage.bad]\nkind = \"fail\"\n");
    assert_eq!((ran.end("slow"), ran.end("bad")), ("built", "failed"));
}

#[test]
fn a_failure_keeps_its_message_and_its_help() {
    let project = Project::new();
    let ran = project.run("[stage.bad]\nkind = \"fail\"\n");
    let Outcome::Failed { error, .. } = ran.outcome_of("bad") else { panic!() };
    assert_eq!(
        (&*error.to_string(), error.help().as_deref()),
        ("it does not work", Some("do not use it"))
    );
}

#[test]
fn a_failed_stage_leaves_nothing_in_the_store() {
    let project = Project::new();
    project.run("[stage.bad]\nkind = \"fail\"\n");
    assert_eq!(project.store().keys().expect("readable"), []);
    assert_eq!(project.temporary(), [""; 0]);
}

/// As a caller does that does not want a stage's panic printed as well.
fn quiet_stages() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !std::thread::current().name().is_some_and(|name| name.starts_with("stage-")) {
            loud(info);
        }
    }));
}

#[test]
fn a_panic_is_the_stages_error() {
    let project = Project::new();
    quiet_stages();
    let ran = project.run("[stage.bad]\nkind = \"panic\"\n");
    let Outcome::Failed { error, .. } = ran.outcome_of("bad") else { panic!() };
    assert_eq!(error.to_string(), "the stage panicked: nothing at 0");
    assert_eq!(project.temporary(), [""; 0]);
}

#[test]
fn a_stage_that_stops_unasked_has_failed() {
    let project = Project::new();
    let ran = project.run("[stage.bad]\nkind = \"giveup\"\n");
    assert_eq!((ran.end("bad"), ran.outcome.exit_code()), ("failed", 1));
}

#[test]
fn two_stages_that_ask_for_the_same_thing_build_it_once() {
    let project = Project::new();
    let ran = project.run("[stage.a]\nkind = \"sleep\"\nmilliseconds = 50\n[stage.b]\nkind = \"sleep\"\nmilliseconds = 50\n");
    assert_eq!(ran.started().len(), 1);
    assert_eq!(ran.outcome.exit_code(), 0);
    assert!(!ran.events.iter().any(|event| matches!(event, Event::StageWaiting { .. })));
}

#[test]
fn a_store_whose_folder_is_a_file_is_not_opened() {
    let project = Project::new();
    fs::create_dir_all(project.outputs()).expect("ours");
    fs::write(project.outputs().join("store"), "in the way").expect("ours");
    let refused =
        pipeline::engine::store::Store::open(&project.outputs()).map(drop).expect_err("a file");
    assert!(refused.to_string().contains("it is not a folder"), "{refused}");
}

#[test]
fn events_are_lines_of_json() {
    let project = Project::new();
    let ran = project.run("[stage.a]\nkind = \"sleep\"\nmilliseconds = 3\n");
    let lines: Vec<serde_json::Value> = ran
        .events
        .iter()
        .map(|event| {
            serde_json::to_value(pipeline::engine::exec::Line { at_ms: 7, event })
                .expect("plain data")
        })
        .collect();
    let started = lines.iter().find(|line| line["event"] == "stage_started").expect("it started");
    assert_eq!(
        (&started["at_ms"], &started["stage"], &started["kind"]),
        (&7.into(), &"a".into(), &"sleep".into())
    );
    let progress =
        lines.iter().find(|line| line["event"] == "stage_progress").expect("it came forward");
    assert_eq!(progress["numbers"], serde_json::json!({"left": null}));
    assert_eq!(lines.last().map(|line| line["event"].clone()), Some("stage_finished".into()));
}

#[test]
fn the_record_names_every_node() {
    let project = Project::new();
    let plan = project.plan(CHAIN);
    let records = project.run(CHAIN).outcome.records(&plan);
    let stages: Vec<_> =
        records.iter().map(|node| (node.stage.as_str(), node.outcome.name())).collect();
    assert_eq!(stages, [("a", "built"), ("b", "built"), ("c", "built")]);
}

#[test]
fn a_source_that_changes_under_a_run_leaves_no_entry() {
    let project = Project::new();
    let path = project.root().join("source.txt");
    let stages = format!("[stage.read]\nretry = 3\npath = \"{}\"\n", path.display());
    let write = |text: &str| fs::write(&path, text).expect("writable");
    write("planned");
    let change = |event: &Event| {
        if let Event::StageStarted { .. } = event {
            write("and changed");
        }
    };
    let ran = project.run_with(&stages, &Cancel::new(), &change);
    assert!(
        matches!(ran.outcome_of("read"), Outcome::Failed { error, .. } if error.to_string().contains("was changed during the run"))
    );
    assert!(
        !ran.events.iter().any(|event| matches!(event, Event::StageRetried { .. })),
        "another attempt would fail too"
    );
    write("planned");
    let ran = project.run(&stages);
    assert_eq!((ran.end("read"), ran.text("read").as_str()), ("built", "planned"));
}
