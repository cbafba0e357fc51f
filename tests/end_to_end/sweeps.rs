//! Sweeps: what is shared, what is new, and what they leave.

use super::support::Project;

const SWEEP: &str = r#"
extends = "quick.toml"
[stage.train]
epochs = 1
[sweep]
objective = "max evaluate.ner.token_accuracy"
seeds     = 3
[sweep.over]
train.learning_rate = [5e-4, 1e-3, 2e-3]
"#;

#[test]
fn three_rates_and_three_seeds_make_one_corpus_and_nine_trainings() {
    let project = Project::new();
    project.write("experiments/rates.toml", SWEEP);
    let outcomes = project.outcomes(&["experiments/rates.toml"]);
    let count = |stage: &str| {
        outcomes.get(&(stage.to_owned(), "stage_finished".to_owned())).copied().unwrap_or(0)
    };
    assert_eq!(
        ["corpus", "init_model", "tokenize", "train", "evaluate", "plot"].map(count),
        [1, 1, 1, 9, 9, 9]
    );

    let trials = String::from_utf8(project.read("outputs/rates/trials.csv")).expect("UTF-8");
    let summary = String::from_utf8(project.read("outputs/rates/summary.csv")).expect("UTF-8");
    assert_eq!((trials.lines().count(), summary.lines().count()), (10, 4));
    assert!(project.path("outputs/rates/evaluate.ner.token_accuracy.png").is_file());
    assert!(project.path("outputs/rates/best/model/model.safetensors").is_file());
    assert!(project.path("outputs/rates/trials/learning_rate=5e-4,seed=0/metrics.json").is_file());
    assert!(!project.path("outputs/rates/trials/learning_rate=5e-4,seed=0/model").exists());

    // Another objective runs nothing, and picks another best.
    let best = project.read("outputs/rates/best/trial.txt");
    project.write("experiments/rates.toml", &SWEEP.replace("max evaluate", "min evaluate"));
    let outcomes = project.outcomes(&["experiments/rates.toml"]);
    assert!(outcomes.keys().all(|(_, outcome)| outcome == "stage_cached"), "{outcomes:?}");
    assert_ne!(project.read("outputs/rates/best/trial.txt"), best);

    // A further seed and a further point run only what is new.
    let more = SWEEP.replace("seeds     = 3", "seeds     = 4").replace("2e-3]", "2e-3, 4e-3]");
    project.write("experiments/rates.toml", &more);
    let outcomes = project.outcomes(&["experiments/rates.toml"]);
    assert_eq!(outcomes.get(&("train".to_owned(), "stage_finished".to_owned())), Some(&7));
    assert_eq!(outcomes.get(&("train".to_owned(), "stage_cached".to_owned())), Some(&9));
}
