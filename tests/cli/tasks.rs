//! What a model is trained for follows from what its corpus is labelled for.

use crate::world::World;

#[test]
fn a_head_that_templates_do_not_have_is_no_metric_and_no_objective() {
    let world = World::new();
    let unknown = world.pipeline([
        "check",
        "experiments/mini.toml",
        "--set",
        "stage.train.keep_best=severity.f1",
    ]);
    assert_eq!(unknown.code, Some(2), "{unknown}");
    assert!(unknown.stderr.contains("`ner` and `anomaly`"), "{unknown}");
    world.child(
        "swept",
        "[sweep]\nmethod = \"grid\"\nobjective = \"max evaluate.severity.f1\"\n[sweep.over]\ntrain.epochs = [1, 2]\n",
    );
    let unknown = world.pipeline(["check", "experiments/swept.toml"]);
    assert_eq!(unknown.code, Some(2), "{unknown}");
    assert!(unknown.stderr.contains("`ner` and `anomaly`"), "{unknown}");
    let no_metric = world.pipeline([
        "check",
        "experiments/mini.toml",
        "--set",
        "stage.train.keep_best=anomaly.f",
    ]);
    assert_eq!(no_metric.code, Some(2), "{no_metric}");
    let help = "did you mean `anomaly.f1`?";
    assert!(
        no_metric.stderr.contains(help) && no_metric.stderr.contains("keep_best="),
        "{no_metric}"
    );
}
