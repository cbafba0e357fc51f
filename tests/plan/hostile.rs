//! Files that nobody means well: large, and wrong everywhere. None may take long or much memory; a hang shows as a test that never ends.

use std::fmt::Write as _;

use crate::world::{SMALL, World};

const STAGES: usize = 20_000;

/// Trainings after one another, the first after whatever `first` says.
fn chain(first: &str) -> String {
    let mut text = format!(
        "{SMALL}\n[stage.s0]\nkind = \"tokenize\"\nmodel = \"@fetch_model\"\ncorpus = \"@corpus\"\n{first}\n"
    );
    for number in 1..STAGES {
        let before = number - 1;
        let _ = writeln!(
            text,
            "[stage.s{number}]\nkind = \"tokenize\"\nmodel = \"@fetch_model\"\ncorpus = \"@corpus\"\nafter = [\"s{before}\"]"
        );
    }
    text
}

#[test]
fn a_long_chain_is_planned() {
    assert_eq!(World::new().plan(&chain("")).nodes.len(), STAGES + 6);
}

#[test]
fn a_long_cycle_is_named_with_its_ends() {
    let text = World::new().mistakes(&chain(&format!("after = [\"s{}\"]", STAGES - 1)));
    assert!(
        text.starts_with("error: stages need each other: `s0 -> s19999 -> "),
        "{}",
        &text[..200]
    );
    assert!(text.contains(" -> ... -> ") && text.lines().count() < 200);
}

#[test]
fn every_stage_may_be_wrong() {
    let mut text = SMALL.to_owned();
    for number in 0..STAGES {
        let _ = writeln!(
            text,
            "[stage.s{number}]\nkind = \"plot\"\nhistory = \"@x{number}\"\ncolour = \"@train\""
        );
    }
    assert!(World::new().mistakes(&text).contains("there is no stage `x0`"));
}

#[test]
fn every_stage_may_lack_its_inputs() {
    let mut text = SMALL.to_owned();
    for number in 0..STAGES {
        let _ = writeln!(text, "[stage.s{number}]\nkind = \"train\"");
    }
    assert!(
        World::new().mistakes(&text).contains("stage `s0` lacks its inputs `model` and `data`")
    );
}

#[test]
fn many_axes_are_refused() {
    let mut text = SMALL.to_owned();
    let mut over = "[sweep.over]\n".to_owned();
    for number in 0..5000 {
        let _ = writeln!(
            text,
            "[stage.s{number}]\nkind = \"tokenize\"\nmodel = \"@fetch_model\"\ncorpus = \"@corpus\""
        );
        let _ = writeln!(over, "s{number}.max_length = [{}]", 8 + number);
    }
    assert!(
        World::new()
            .mistakes(&(text + &over))
            .contains("the sweep has 5000 axes, more than the 64 that a plan may have")
    );
}

#[test]
fn many_trials_of_many_stages_are_refused() {
    let text = chain("") + "[sweep]\nseeds = 1000\n";
    assert!(
        World::new()
            .mistakes(&text)
            .contains("the sweep has 1000 trials, too many for a file of 20006 stages")
    );
}

#[test]
fn combinations_without_number_are_refused() {
    let values: Vec<String> = (0..1000).map(|number| format!("\"{number}\"")).collect();
    let mut text = SMALL.to_owned();
    let (mut params, mut used, mut over) =
        (String::new(), String::new(), "[sweep.over]\n".to_owned());
    for number in 0..8 {
        let _ = writeln!(params, "p{number} = \"x\"");
        let _ = write!(used, "\"@params.p{number}\", ");
        let _ = writeln!(over, "params.p{number} = [{}]", values.join(", "));
    }
    text = text.replacen("[params]", &format!("[params]\n{params}"), 1).replacen(
        "epochs = 3",
        &format!("epochs = 3\nfrozen = [{used}]"),
        1,
    );
    assert!(
        World::new()
            .mistakes(&(text + &over))
            .contains("more than the 100000 that a plan may have")
    );
}
