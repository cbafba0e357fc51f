//! Names that become those of files and folders: of experiments, stages and trials, whatever is written for them.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use pipeline::engine::spec::Experiment;
use proptest::prelude::*;

use crate::world::{SMALL, World};

/// What a file system might understand as something else than a name, and what it might not take.
fn hostile() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just("/".to_owned()),
        Just("\\".to_owned()),
        Just("\0".to_owned()),
        Just("~".to_owned()),
        Just("/etc/passwd".to_owned()),
        Just("a".repeat(300)),
        Just("\u{e9}".to_owned()),
        Just("e\u{301}".to_owned()),
        Just("\u{202e}".to_owned()),
        Just("store".to_owned()),
        "[A-Za-z0-9_-]{1,4}",
        "\\PC{0,2}",
    ];
    prop::collection::vec(part, 1..5).prop_map(|parts| parts.concat())
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// One part of a path, which every file system takes.
fn is_plain(name: &str) -> bool {
    let parts: Vec<Component<'_>> = Path::new(name).components().collect();
    matches!(parts[..], [Component::Normal(part)] if part == name)
        && name.len() <= 200
        && !name.contains(char::is_control)
}

proptest! {
    #[test]
    fn an_experiment_that_is_accepted_has_a_name_that_stays_in_its_folder(name in hostile()) {
        let text = format!("{SMALL}\n").replacen("version = 1", &format!("version = 1\nname = {}", quoted(&name)), 1);
        if let Ok(experiment) = Experiment::parse(Path::new("/nowhere/experiment.toml"), &text) {
            prop_assert!(is_plain(&experiment.name) && !["store", "runs", "cache", "checkpoints"].contains(&&*experiment.name), "{name:?}");
        }
    }

    #[test]
    fn an_experiment_that_is_named_by_its_file_stays_in_its_folder(name in hostile()) {
        if let Ok(experiment) = Experiment::parse(&Path::new("/nowhere").join(format!("{name}.toml")), SMALL) {
            prop_assert!(is_plain(&experiment.name), "{name:?} is {:?}", experiment.name);
        }
    }

    #[test]
    fn a_stage_that_is_accepted_has_a_name_that_stays_in_its_folder(name in hostile()) {
        let text = format!("{SMALL}\n[stage.{}]\nkind = \"plot\"\nhistory = \"@train\"\n", quoted(&name));
        if let Ok(experiment) = Experiment::parse(Path::new("/nowhere/experiment.toml"), &text) {
            for stage in &experiment.stages {
                prop_assert!(is_plain(&stage.name), "{name:?}");
            }
        }
    }

    #[test]
    fn trials_over_any_texts_have_different_names_that_stay_in_their_folder(texts in prop::collection::btree_set(hostile(), 2..5)) {
        let world = World::new();
        let texts: Vec<String> = texts.into_iter().filter(|text| !text.is_empty()).collect();
        let values: Vec<String> = texts.iter().map(|text| format!("[{}]", quoted(text))).collect();
        world.write("experiment.toml", format!("{SMALL}\n[sweep.over]\ntrain.frozen = [{}]\n", values.join(", ")));
        if let Ok(plan) = world.plan_file("experiment.toml") {
            let labels: BTreeSet<&str> = plan.trials.iter().map(|trial| &*trial.label).collect();
            prop_assert_eq!(labels.len(), texts.len());
            prop_assert!(labels.iter().all(|label| is_plain(label)), "{:?}", labels);
        }
    }
}

/// The properties above say nothing about names that are refused; these must not be.
#[test]
fn the_drawn_texts_do_become_names() {
    let world = World::new();
    world.write(
        "experiment.toml",
        format!(
            "{SMALL}\n[sweep.over]\ntrain.frozen = [[\"../../x\"], [\"/etc/passwd\"], [\"{}\"]]\n",
            "a".repeat(300)
        ),
    );
    assert_eq!(world.plan_file("experiment.toml").expect("a plan").trials.len(), 3);
}
