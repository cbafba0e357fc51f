//! Ctrl-C and SIGTERM: the run ends in order, and goes on where it stopped.

use rustix::process::Signal;

use crate::support::*;

fn resumed_from(ended: &Ended) -> bool {
    ended.stderr.contains("continu") || ended.stdout.contains("continu")
}

#[test]
fn an_interrupted_training_exits_with_130_and_continues_to_the_same_bits() {
    for sent in [Signal::INT, Signal::TERM] {
        let project = Project::new();
        for steps in [3, 150] {
            let mut child = start(&mut project.command(&["run", "long.toml", "--json"]));
            assert!(until(&mut child, trained(steps)), "the training was not seen");
            signal(&child, sent);
            let ended = finish(child);
            assert_eq!(ended.code, Some(130), "{ended:#?}");
            assert!(
                project.results("long").is_empty(),
                "nothing is published before it is complete"
            );
            project.assert_verifies("interrupted");
        }
        let ended = project.run("long.toml");
        assert!(resumed_from(&ended), "it began anew: {ended:#?}");
        assert_same(&project.results("long"), undisturbed("long.toml"), "interrupted twice");
        assert_eq!(project.litter(), [""; 0]);
    }
}

#[test]
fn a_second_signal_ends_the_program_at_once_and_loses_nothing_that_is_complete() {
    let project = Project::new();
    let mut child = start(&mut project.command(&["run", "long.toml", "--json"]));
    assert!(until(&mut child, trained(1)), "the training was not seen");
    signal(&child, Signal::INT);
    signal(&child, Signal::TERM);
    let ended = finish(child);
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    assert_recovers(&project, "long.toml", "long", "interrupted twice at once");
}

#[test]
fn an_interrupted_run_says_in_its_record_that_it_was() {
    let project = Project::new();
    let mut child = start(&mut project.command(&["run", "long.toml", "--json"]));
    assert!(until(&mut child, trained(1)), "the training was not seen");
    signal(&child, Signal::INT);
    finish(child);
    let records = files_below(&project.outputs().join("runs"));
    let (_, record) =
        records.iter().find(|(name, _)| name.ends_with("run.json")).expect("a record");
    let record: serde_json::Value = serde_json::from_slice(record).expect("JSON");
    assert_eq!((&record["status"], &record["exit_code"]), (&"interrupted".into(), &130.into()));
}

#[test]
fn a_damaged_checkpoint_costs_only_time() {
    let mut draw = Draw(seed());
    for round in 0..3 {
        let project = Project::new();
        let mut child = start(&mut project.command(&["run", "long.toml", "--json"]));
        assert!(until(&mut child, trained(40)), "the training was not seen");
        signal(&child, Signal::INT);
        finish(child);
        let checkpoints = files_below(&project.outputs().join("checkpoints"));
        let mut damaged = 0;
        // At first only the checkpoints themselves, then the best weights that they name as well.
        let chosen = |name: &str| round > 0 || name.ends_with(".checkpoint");
        for (name, bytes) in
            checkpoints.iter().filter(|(name, bytes)| !bytes.is_empty() && chosen(name))
        {
            crate::integrity::flip(
                &project.outputs().join("checkpoints").join(name),
                draw.below(bytes.len() as u64) as usize,
            );
            damaged += 1;
        }
        assert!(damaged > 0, "no checkpoint was written");
        let ended = project.run("long.toml");
        assert!(
            ended.stderr.contains("damaged") || ended.stderr.contains("cannot be used"),
            "round {round}: it does not say so: {ended:#?}"
        );
        assert_same(&project.results("long"), undisturbed("long.toml"), "damaged checkpoints");
    }
}

#[test]
fn interrupted_orders_exit_with_130_and_continue_to_the_same_bits() {
    let project = Project::new();
    let planned = project.pipeline(&["plan", "long.toml", "--orders"]);
    assert_eq!(planned.code, Some(0), "{planned:#?}");
    project.write("orders.jsonl", &planned.stdout);
    let mut child = start(&mut project.command(&["stage", "run", "orders.jsonl", "--json"]));
    assert!(until(&mut child, trained(3)), "the training was not seen");
    signal(&child, Signal::TERM);
    let ended = finish(child);
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    project.assert_verifies("interrupted");
    let ended = project.pipeline(&["stage", "run", "orders.jsonl"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(resumed_from(&ended), "it began anew: {ended:#?}");
    assert_recovers(&project, "long.toml", "long", "interrupted orders");
}
