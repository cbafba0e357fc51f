//! What a sweep says and leaves.

use crate::world::{World, snapshot};

const SWEEP: &str = r#"
[sweep]
method = "grid"
objective = "max evaluate.ner.token_accuracy"
seeds = 2
[sweep.over]
train.learning_rate = [1e-3, 2e-3]
"#;

#[test]
fn a_sweep_trains_every_point_and_seed_and_leaves_tables_pictures_trials_and_the_best() {
    let world = World::new();
    world.child("rates", SWEEP);
    let shot = world.pipeline(["run", "experiments/rates.toml", "-j", "1"]);
    let best = shot.stdout.lines().find(|line| line.starts_with("best trial: ")).unwrap_or_default().to_owned();
    assert!(best.contains("learning_rate="), "{shot}");
    let told = shot.to_string().replace(&best, "best trial: [label]");
    let table = |name: &str| {
        world
            .read(&format!("outputs/rates/{name}"))
            .lines()
            .map(|line| line.split(',').take(4).collect::<Vec<_>>().join(","))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(table("summary.csv").lines().count(), 3, "a row for each point");
    snapshot!(
        told,
        world.names("outputs/rates").join("\n"),
        world.names("outputs/rates/trials").join("\n"),
        world.names("outputs/rates/trials/learning_rate=0.001,seed=0").join("\n"),
        world.names("outputs/rates/best").join("\n"),
        table("trials.csv"),
    );
}

#[test]
fn a_sweep_that_was_run_is_not_run_again_and_a_further_seed_runs_only_what_is_new() {
    let world = World::new();
    world.child("rates", SWEEP);
    let run = |more: &[&str]| world.pipeline(["run", "experiments/rates.toml"].iter().chain(more));
    run(&[]);
    let (again, more) = (run(&[]), run(&["--seeds", "3"]));
    assert!(again.stdout.contains(": 15 cached"), "{again}");
    assert!(more.stdout.contains(": 6 built, 15 cached"), "{more}");
}

#[test]
fn a_trial_that_fails_is_in_the_table_and_the_others_are_published() {
    let world = World::new();
    world.child("lengths", "[sweep]\nmethod = \"grid\"\n[sweep.over]\ntokenize.max_length = [32, 9000]\n");
    snapshot!(world.pipeline(["run", "experiments/lengths.toml", "-j", "1", "--keep-going"]));
    let statuses: Vec<String> = world
        .read("outputs/lengths/trials.csv")
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(1).unwrap_or_default().to_owned())
        .collect();
    assert_eq!(statuses, ["done", "failed"]);
}
