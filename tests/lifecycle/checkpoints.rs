//! How often a training is saved, which changes nothing but what an interruption costs.

use std::sync::Mutex;

use pipeline::engine::exec::{Cancel, Event};

use crate::support::{Project, Ran, names, train_of};

/// Runs a training, and says which checkpoints lay in its folder when it had made its last step.
fn at_the_last_step(project: &Project, train: &str) -> (Ran, Vec<String>) {
    let plan = project.plan(train);
    let key = plan.node(train_of(&plan)).identity.key().expect("a key");
    let folder = project.outputs().join("checkpoints").join(key.to_string());
    let seen = Mutex::new(Vec::new());
    let ran = project.run_with(train, &Cancel::new(), &|event| {
        if matches!(event, Event::StageProgress { name, done, total, .. } if name.kind == "train" && done == total) {
            *seen.lock().expect("no panic") = names(&folder);
        }
    });
    (ran, seen.into_inner().expect("no panic"))
}

#[test]
fn checkpoints_at_every_step_at_some_and_at_none_leave_the_same_bytes_under_the_same_key() {
    let (every, few, none) = (Project::new(), Project::new(), Project::new());
    let (saved_often, at_every) = at_the_last_step(&every, "epochs = 2\ncheckpoint_every = 1");
    let (saved_thrice, at_three) = at_the_last_step(&few, "epochs = 2\ncheckpoint_every = 3");
    let (never_saved, at_none) = at_the_last_step(&none, "epochs = 2\ncheckpoint_every = \"1h\"");
    assert_eq!(at_every, ["lock", "step-000000000006.checkpoint", "step-000000000007.checkpoint"]);
    assert_eq!(at_three, ["lock", "step-000000000003.checkpoint", "step-000000000006.checkpoint"]);
    assert_eq!(at_none, ["lock"]);
    assert!(
        saved_often.files() == saved_thrice.files() && saved_thrice.files() == never_saved.files()
    );
    let key = |project: &Project, train: &str| {
        let plan = project.plan(train);
        plan.node(train_of(&plan)).identity.key()
    };
    assert_eq!(key(&none, "epochs = 2\ncheckpoint_every = 1"), key(&none, "epochs = 2"));
}

#[test]
fn another_interval_runs_nothing_again() {
    let project = Project::new();
    project.run("epochs = 1\ncheckpoint_every = 2");
    assert_eq!(project.forecast("epochs = 1\ncheckpoint_every = \"30s\""), "cached");
}

#[test]
fn an_interval_that_is_none_is_found_before_anything_runs() {
    let project = Project::new();
    for (value, expected) in [
        ("\"often\"", "`checkpoint_every` is neither a number of steps nor a time"),
        ("0", "stage `train` parameter `checkpoint_every`"),
    ] {
        let mistakes = project.mistakes(&format!("checkpoint_every = {value}"));
        assert!(mistakes.contains(expected), "{mistakes}");
    }
}
