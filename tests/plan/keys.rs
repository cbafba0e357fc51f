//! What enters a key, and what stays out.

use pipeline::engine::plan::{Identity, PlanError};

use crate::world::{SMALL, World, key};

const STAGES: [&str; 6] = ["fetch_model", "corpus", "tokenize", "train", "evaluate", "plot"];

/// The stages whose keys differ between two variants of the small experiment.
fn differing(one: &str, other: &str) -> Vec<&'static str> {
    let world = World::new();
    let (one, other) = (world.plan(one), world.plan(other));
    STAGES.into_iter().filter(|stage| key(&one, stage) != key(&other, stage)).collect()
}

fn with(old: &str, new: &str) -> String {
    assert!(SMALL.contains(old), "`{old}` is not in the experiment");
    SMALL.replacen(old, new, 1)
}

#[test]
fn a_changed_parameter_changes_its_stage_and_what_depends_on_it() {
    assert_eq!(
        differing(SMALL, &with("learning_rate = 2e-5", "learning_rate = 1e-5")),
        ["train", "evaluate", "plot"]
    );
}

#[test]
fn comments_and_spelling_change_nothing() {
    let other =
        with("epochs = 3", "epochs = 0x3 # three").replace("samples = 5000", "samples = 5_000");
    assert!(differing(SMALL, &other).is_empty());
}

#[test]
fn writing_out_a_default_changes_nothing() {
    assert!(
        differing(
            SMALL,
            &with("epochs = 3", "epochs = 3\nbetas = [0.9, 0.999]\nschedule = \"linear\"")
        )
        .is_empty()
    );
}

#[test]
fn an_integer_for_a_float_is_the_float() {
    let one = with("epochs = 3", "epochs = 3\nweight_decay = 1");
    assert!(differing(&one, &with("epochs = 3", "epochs = 3\nweight_decay = 1.0")).is_empty());
}

#[test]
fn negative_zero_is_zero() {
    assert!(differing(SMALL, &with("epochs = 3", "epochs = 3\nweight_decay = -0.0")).is_empty());
}

#[test]
fn a_reference_is_the_value_that_it_stands_for() {
    assert!(differing(SMALL, &with("\"@params.max_length\"", "128")).is_empty());
}

#[test]
fn waiting_for_a_stage_changes_nothing() {
    assert!(
        differing(SMALL, &with("samples = 5000", "samples = 5000\nafter = [\"fetch_model\"]"))
            .is_empty()
    );
}

#[test]
fn how_often_and_how_long_a_stage_is_tried_changes_nothing() {
    assert!(
        differing(SMALL, &with("samples = 5000", "samples = 5000\nretry = 2\ntimeout = \"30m\""))
            .is_empty()
    );
}

#[test]
fn the_seed_of_the_experiment_fills_the_stages_that_draw() {
    assert_eq!(
        differing(SMALL, &with("seed = 42", "seed = 43")),
        ["corpus", "tokenize", "train", "evaluate", "plot"]
    );
}

#[test]
fn a_seed_of_its_own_shields_a_stage_from_that_of_the_experiment() {
    let own =
        |seed: &str| with("samples = 5000", "samples = 5000\nseed = 7").replace("seed = 42", seed);
    assert_eq!(differing(&own("seed = 42"), &own("seed = 43")), ["train", "evaluate", "plot"]);
}

#[test]
fn the_place_of_a_source_file_stays_out() {
    let world = World::new();
    let here = world.plan(SMALL);
    world.write("other.toml", "one template");
    let there = world.plan(&with("templates.toml", "other.toml"));
    assert_eq!(key(&here, "corpus"), key(&there, "corpus"));
}

#[test]
fn the_content_of_a_source_file_enters() {
    let world = World::new();
    let before = world.plan(SMALL);
    world.write("templates.toml", "another template");
    assert_ne!(key(&before, "corpus"), key(&world.plan(SMALL), "corpus"));
}

#[test]
fn a_branch_without_a_pin_leaves_everything_downstream_without_a_key() {
    let plan = World::new().plan(&with("8949b909ec900327062f0ebf497f51aef5e6f0c8", "main"));
    let unknown: Vec<&str> = plan
        .nodes
        .iter()
        .filter(|node| matches!(node.identity, Identity::Unresolved(_)))
        .map(|node| &*node.stage)
        .collect();
    assert_eq!(unknown, ["fetch_model", "tokenize", "train", "evaluate", "plot"]);
    assert_eq!(plan.unresolved().len(), 1);
}

#[test]
fn a_pinned_branch_is_its_commit() {
    let world = World::new();
    let commit = "8949b909ec900327062f0ebf497f51aef5e6f0c8";
    let pinned = world.plan(SMALL);
    world.pin("answerdotai/ModernBERT-base", "main", commit);
    let branch = world.plan(&with(commit, "main"));
    assert_eq!(key(&branch, "plot"), key(&pinned, "plot"));
    assert_eq!(
        branch.node(branch.node_of(0, "fetch_model").expect("a stage")).commit(),
        Some(commit)
    );
}

#[test]
fn the_commit_enters() {
    let differing = differing(
        SMALL,
        &with(
            "8949b909ec900327062f0ebf497f51aef5e6f0c8",
            "45bb4654a4d5aaff24dd11d4781fa46d39bf8c13",
        ),
    );
    assert_eq!(differing, ["fetch_model", "tokenize", "train", "evaluate", "plot"]);
}

#[test]
fn fingerprints_give_the_keys_of_the_plan() {
    let plan = World::new()
        .plan(&format!("{SMALL}\n[sweep]\nseeds = 2\nover = {{ train.epochs = [1, 2] }}\n"));
    assert!(plan.ids().all(|id| plan.fingerprint(id).map(|fingerprint| fingerprint.key())
        == plan.node(id).identity.key()));
}

#[test]
fn a_fingerprint_holds_defaults_and_digests_but_no_path() {
    let plan = World::new().plan(SMALL);
    let fingerprint =
        |stage| plan.fingerprint(plan.node_of(0, stage).expect("a stage")).expect("a key");
    let text = |stage| serde_json::to_string_pretty(&fingerprint(stage)).expect("plain data");
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots", omit_expression => true }, {
        insta::assert_snapshot!("fingerprints", format!("{}\n{}\n{}", text("fetch_model"), text("corpus"), text("train")));
    });
}

#[test]
fn a_selection_plans_what_it_needs_and_nothing_else() {
    let world = World::new();
    world.write("experiment.toml", SMALL);
    let plan = world.plan_selected("experiment.toml", &["tokenize"]).expect("no mistakes");
    assert_eq!(
        plan.stages().iter().map(|stage| &**stage).collect::<Vec<_>>(),
        ["fetch_model", "corpus", "tokenize"]
    );
}

#[test]
fn a_selection_of_nothing_says_what_was_near() {
    let world = World::new();
    world.write("experiment.toml", SMALL);
    let error = world.plan_selected("experiment.toml", &["tokenise"]).expect_err("no such stage");
    assert!(
        matches!(&error, PlanError::NothingSelected { suggestion: Some(near), .. } if near == "tokenize")
    );
    assert_eq!(error.to_string(), "there is no stage `tokenise`; did you mean `tokenize`?");
}

#[test]
fn a_plan_without_a_sweep_has_one_trial_without_a_label() {
    let plan = World::new().plan(SMALL);
    assert_eq!(plan.trials.iter().map(|trial| &*trial.label).collect::<Vec<_>>(), [""]);
}
